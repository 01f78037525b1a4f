package plan

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
)

// TestRehearse: what Apply would do is said, and nothing at all is written.
func TestRehearse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*world, *Plan, *ApplyInput)
		want   Result
		reason Reason
		err    error
	}{
		"ready": {want: Ready},
		"the source has moved": {
			change: func(w *world, _ *Plan, _ *ApplyInput) { w.commit(w.source, "app", at{part("orders", 0): "6"}) },
			want:   Stale, reason: ReasonSourceMoved,
		},
		"all or nothing": {
			change: func(w *world, _ *Plan, in *ApplyInput) {
				w.commit(w.source, "app", at{part("orders", 0): "6"})
				in.AllOrNothing = true
			},
			want: Stale, reason: ReasonSourceMoved, err: ErrStale,
		},
		"the target has members": {
			change: func(w *world, _ *Plan, _ *ApplyInput) { w.join(w.target, "app") },
			want:   Refused, reason: ReasonGroupActive,
		},
		"applied before": {
			change: func(w *world, p *Plan, _ *ApplyInput) { w.apply(p) },
			want:   AlreadyApplied,
		},
		"died in the middle": {
			change: func(w *world, p *Plan, _ *ApplyInput) { dieAtCommit(w, p) },
			want:   Ready,
		},
		"died in the middle, and somebody went on": {
			change: func(w *world, p *Plan, _ *ApplyInput) {
				dieAtCommit(w, p)
				w.commit(w.target, "app", at{part("orders", 0): "9 mine"})
			},
			want: TakenOver, reason: ReasonElsewhere,
		},
		"rolled back": {
			change: func(w *world, p *Plan, _ *ApplyInput) {
				w.rollBack(w.apply(p))
			},
			err: ErrRun,
		},
		"rolled back, and again": {
			change: func(w *world, p *Plan, in *ApplyInput) {
				w.rollBack(w.apply(p))
				in.Again = true
			},
			want: Ready,
		},
		"held by another process": {
			change: func(w *world, p *Plan, in *ApplyInput) {
				dieAtCommit(w, p)
				in.Run = &run.Options{Gone: func(run.Who) bool { return false }}
			},
			err: run.ErrHeld,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.usual()
			p := w.build()
			in := w.applyInput()
			if c.change != nil {
				c.change(w, p, &in)
			}
			before := w.positions(w.target, "app")
			k := &killtest.Killer{At: 1}
			_, to, _ := w.kill(&killtest.Killer{})
			to.Read = in.To.Read
			to.Write = &refusesWrites{to.Write, t}
			in.To = to
			_, _, in.Bucket = w.kill(k)
			rep, err := Rehearse(t.Context(), p, in)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if len(k.Steps()) != 0 {
				t.Errorf("the state was written: %v", k.Steps())
			}
			if c.want != "" {
				if g := rep.Groups[0]; g.Result != c.want || g.Reason != c.reason || !rep.CheckOnly {
					t.Errorf("group: %+v", g)
				}
			}
			if d := cmp.Diff(before, w.positions(w.target, "app")); d != "" {
				t.Errorf("the group was changed (-want +got):\n%s", d)
			}
		})
	}
}

// dieAtCommit leaves a run of the plan with a group in the middle.
func dieAtCommit(w *world, p *Plan) {
	w.t.Helper()
	in := w.applyInput()
	for n := 1; ; n++ {
		w.mem = memstore.New()
		w.bucket = store.New(w.mem, "mem://state", nil)
		k := &killtest.Killer{At: n, After: true}
		var from Side
		from, in.To, in.Bucket = w.kill(k)
		in.From = &from
		_, _ = Apply(context.Background(), p, in) // what it answers is that of a dead process
		if k.Dead() && k.Steps()[n-1] == "commit app" {
			return
		}
		if !k.Dead() {
			w.t.Fatal("nothing was committed")
		}
	}
}

func (w *world) rollBack(rep *Report) {
	w.t.Helper()
	if back, err := Rollback(context.Background(), rep.Run, w.rollbackInput()); err != nil || !back.Complete() {
		w.t.Fatalf("rollback: %+v %v", back, err)
	}
}
