package plan

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// delayed keeps commits back, as a network can: they land when told to.
type delayed struct {
	g    *group.Client
	wait time.Duration // how long Commit waits for its answer
	kept []func() error
}

func (d *delayed) Commit(_ context.Context, name string, ps []position.Position) (map[topic.Partition]error, error) {
	d.kept = append(d.kept, func() error {
		_, err := d.g.Commit(context.Background(), name, ps)
		return err
	})
	return nil, &group.UnansweredError{Group: name, Err: context.DeadlineExceeded}
}

func (d *delayed) DeleteOffsets(ctx context.Context, name string, ps []topic.Partition) (map[topic.Partition]error, error) {
	return d.g.DeleteOffsets(ctx, name, ps)
}

func (d *delayed) DeleteGroup(ctx context.Context, name string) error {
	return d.g.DeleteGroup(ctx, name)
}

func (d *delayed) RequestTimeout() time.Duration { return d.wait }

func (d *delayed) land(t *testing.T) {
	t.Helper()
	for _, f := range d.kept {
		if err := f(); err != nil {
			t.Fatalf("landing late: %v", err)
		}
	}
}

func TestAnUnansweredCommitIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	p := w.build()
	d := &delayed{g: w.target.Groups, wait: 100 * time.Millisecond}
	in := w.applyInput()
	in.To.Write = d
	reads := 0
	in.To.Read = readFunc(func(ctx context.Context, names []string) (map[string]group.Reading, error) {
		out, err := w.target.Groups.Read(ctx, names)
		if reads++; len(d.kept) > 0 && reads >= 2 {
			for _, f := range d.kept {
				if err := f(); err != nil {
					t.Error(err)
				}
			}
			d.kept = nil
		}
		return out, err
	})
	rep, err := Apply(t.Context(), p, in)
	if err != nil || rep.Groups[0].Result != Applied {
		t.Errorf("report: %+v %v", rep, err)
	}
	if diff := cmp.Diff(at{part("orders", 0): "7"}, w.positions(w.target, "app")); diff != "" {
		t.Errorf("position (-want +got):\n%s", diff)
	}
}

type readFunc func(context.Context, []string) (map[string]group.Reading, error)

func (f readFunc) Read(ctx context.Context, names []string) (map[string]group.Reading, error) {
	return f(ctx, names)
}

func TestACommitThatLandsAfterTheRollbackIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, _ := w.usual()
	p := w.build()
	d := &delayed{g: w.target.Groups, wait: killtest.RequestTimeout}
	in := w.applyInput()
	in.To.Write = d
	rep, err := Apply(t.Context(), p, in)
	if err != nil || rep.Groups[0].Result != Refused || rep.Groups[0].Reason != ReasonNotTaken {
		t.Fatalf("apply: %+v %v", rep, err)
	}
	if diff := cmp.Diff(before, w.positions(w.target, "app")); diff != "" {
		t.Fatalf("before (-want +got):\n%s", diff)
	}
	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil || !back.Complete() {
		t.Fatalf("rollback: %+v %v", back, err)
	}
	d.land(t)
	v := w.verify(p)
	if v.Right() || v.Counts[LateCommit] != 2 {
		t.Errorf("verify: %+v", v.Counts)
	}
	// And it can be rolled back again.
	back, err = Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil || !back.Complete() || back.Groups[0].Result != RolledBack {
		t.Fatalf("second rollback: %+v %v", back, err)
	}
	if diff := cmp.Diff(before, w.positions(w.target, "app")); diff != "" {
		t.Errorf("after the second rollback (-want +got):\n%s", diff)
	}
}

// lastWish sends a commit that is held up on its way, and dies.
type lastWish struct {
	delayed
	k *killtest.Killer
}

func (l *lastWish) Commit(ctx context.Context, name string, ps []position.Position) (map[topic.Partition]error, error) {
	out, err := l.delayed.Commit(ctx, name, ps)
	l.k.Kill()
	return out, err
}

// TestACommitOfADeadProcessIsWaitedOut: it lands while the next process waits,
// and that one sees it before it decides.
func TestACommitOfADeadProcessIsWaitedOut(t *testing.T) {
	t.Parallel()
	for _, undo := range []bool{false, true} {
		t.Run(map[bool]string{false: "apply", true: "rollback"}[undo], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.commit(w.source, "app", at{part("orders", 0): "4", part("payments", 0): "6"})
			before := at{part("orders", 0): "2 old"}
			w.commit(w.target, "app", before)
			p := w.build()
			k := &killtest.Killer{}
			from, to, b := w.kill(k)
			dying := &lastWish{delayed{g: w.target.Groups, wait: 50 * time.Millisecond}, k}
			to.Write = dying
			in := w.applyInput()
			in.From, in.To, in.Bucket = &from, to, b
			rep, err := Apply(t.Context(), p, in)
			if err == nil || rep == nil {
				t.Fatalf("a dead process reports %+v", rep)
			}
			waited := false
			land := func(e Event) {
				if e.Stage == "waiting for late commits" && !waited {
					waited = true
					dying.land(t)
				}
			}
			want := at{part("orders", 0): "7", part("payments", 0): "9"}
			if undo {
				want = before
				ri := w.rollbackInput()
				ri.Progress = land
				back, err := Rollback(t.Context(), rep.Run, ri)
				if err != nil || back.Groups[0].Result != RolledBack {
					t.Errorf("rollback: %+v %v", back, err)
				}
			} else {
				again := w.apply(p, func(in *ApplyInput) {
					in.Progress = land
					in.To.Write = &hooked{Committer: w.target.Groups, before: func() { t.Error("committed a second time") }}
				})
				if !again.Complete() || !again.Resumed {
					t.Errorf("second apply: %+v", again)
				}
			}
			if !waited {
				t.Error("nothing was waited for")
			}
			if diff := cmp.Diff(want, w.positions(w.target, "app")); diff != "" {
				t.Errorf("positions (-want +got):\n%s", diff)
			}
		})
	}
}
