package migration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/topic"
)

const month = 30 * 24 * time.Hour

// keeping creates the migration with a time for which the source keeps what it
// has, and counts the commits there.
func (w *world) keeping(d time.Duration) *commits {
	w.t.Helper()
	c := checked()
	c.Spec.KeepOffsets = api.Duration(d)
	if _, err := Create(context.Background(), w.input(&killtest.Killer{}), c); err != nil {
		w.t.Fatalf("creating: %v", err)
	}
	l := &commits{}
	w.source.Fake.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.source.Fake.KeepControl()
		l.note(r.(*kmsg.OffsetCommitRequest))
		return nil, nil, false
	})
	return l
}

// commits are those that a source has seen: group and time.
type commits struct {
	mu   sync.Mutex
	seen []string
}

func (l *commits) note(req *kmsg.OffsetCommitRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, fmt.Sprintf("%s v%d %dms", req.Group, req.Version, req.RetentionTimeMillis))
}

func (l *commits) take() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]int{}
	for _, s := range l.seen {
		out[s]++
	}
	l.seen = nil
	return out
}

var kept = map[string]int{"orders-app v4 2592000000ms": 1, "payments-app v4 2592000000ms": 1}

func TestTheSourceKeepsItsPositions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := w.keeping(month)
	before := w.source.positions("orders-app")
	out := w.advance()
	if out.State.Step != Moved || len(out.State.KeepRuns) != 1 {
		t.Fatalf("stands at %s, kept by %v", out.State.Step, out.State.KeepRuns)
	}
	if diff := cmp.Diff(kept, seen.take()); diff != "" {
		t.Errorf("commits on the source (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, w.source.positions("orders-app")); diff != "" {
		t.Errorf("positions on the source (-want +got):\n%s", diff)
	}
	// Not due yet, then due once more.
	if out = w.advance(); len(out.State.KeepRuns) != 1 {
		t.Errorf("kept by %v", out.State.KeepRuns)
	}
	out = w.advance(func(in *Input) { in.Now = func() time.Time { return time.Now().Add(month/2 + time.Hour) } })
	if out.State.Step != Moved || len(out.State.KeepRuns) != 2 {
		t.Errorf("stands at %s, kept by %v", out.State.Step, out.State.KeepRuns)
	}
	if diff := cmp.Diff(kept, seen.take()); diff != "" {
		t.Errorf("commits on the source (-want +got):\n%s", diff)
	}
	w.wantTarget(wanted)
}

func TestNothingIsKeptUnasked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := w.keeping(0)
	if out := w.advance(); out.State.Step != Moved || len(out.State.KeepRuns) != 0 || len(seen.take()) != 0 {
		t.Errorf("stands at %s, kept by %v", out.State.Step, out.State.KeepRuns)
	}
}

// An application that is back on the source is not overwritten.
func TestAnApplicationThatIsBackIsNotKept(t *testing.T) {
	t.Parallel()
	for name, wake := range map[string]func(*world){
		"as a member": func(w *world) { w.source.join("orders-app", "orders") },
		"unseen":      func(w *world) { w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 5}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			seen := w.keeping(month)
			if out := w.advance(func(in *Input) { in.Until = Verified }); out.State.Step != Verified || len(out.State.KeepRuns) != 0 {
				t.Fatalf("stands at %s, kept by %v", out.State.Step, out.State.KeepRuns)
			}
			wake(w)
			had := w.source.positions("orders-app")
			seen.take()
			out := w.advance(func(in *Input) { in.Until = Resumed })
			if len(out.State.KeepRuns) > 0 && name == "as a member" {
				t.Errorf("kept by %v", out.State.KeepRuns)
			}
			if diff := cmp.Diff(had, w.source.positions("orders-app")); diff != "" {
				t.Errorf("positions on the source (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatCannotBeKeptIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keeping(month)
	w.source.Fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: "orders-app", Err: kerr.GroupAuthorizationFailed, Count: -1})
	out := w.advance()
	i := slices.IndexFunc(out.Waiting, func(w Wait) bool { return w.Kind == WaitKeep })
	if i < 0 || out.Waiting[i].Remedy == "" || !strings.Contains(out.Waiting[i].Detail, `"orders-app"`) {
		t.Fatalf("waits for %+v", out.Waiting)
	}
	st, err := Load(t.Context(), w.bucket, "app")
	if err != nil || st.Step != Moved || len(st.KeepRuns) != 0 {
		t.Errorf("stands at %+v, %v: not all groups are kept, and that is not over", st, err)
	}
}

// TestKeepingKilledAnywhere lets the process die while it keeps positions; the
// next one finishes the run, and leaves none that looks unfinished.
func TestKeepingKilledAnywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := map[string]map[topic.Partition]int64{
		"orders-app": w.source.positions("orders-app"), "payments-app": w.source.positions("payments-app"),
	}
	finished := 0
	for n := 1; ; n++ {
		w.again()
		seen := w.keeping(month)
		w.advance(func(in *Input) { in.Until = Verified })
		k := &killtest.Killer{At: n/2 + 1, After: n%2 == 0}
		_, _ = Advance(t.Context(), "app", w.input(k)) // dies
		if !k.Dead() {
			if n < 40 || finished < 4 {
				t.Errorf("only %d steps, finished after %d of them", n, finished)
			}
			return
		}
		dead := seen.take()
		out := w.advance()
		again := seen.take()
		if out.State.Step != Moved || len(out.State.KeepRuns) != 1 {
			t.Fatalf("killed at step %d (%s): stands at %s, kept by %v", n, k.Where(), out.State.Step, out.State.KeepRuns)
		}
		for name, want := range before {
			if diff := cmp.Diff(want, w.source.positions(name)); diff != "" {
				t.Fatalf("killed at step %d: %s (-want +got):\n%s", n, name, diff)
			}
		}
		if len(dead) > 0 && len(again) > 0 {
			finished++
		}
		both := maps.Clone(dead)
		maps.Copy(both, again)
		if len(both) != 2 {
			t.Fatalf("killed at step %d (%s): commits %v, then %v", n, k.Where(), dead, again)
		}
		w.wantNoUnfinishedKeep(n, k)
	}
}

// wantNoUnfinishedKeep looks at all runs as a list of them does.
func (w *world) wantNoUnfinishedKeep(n int, k *killtest.Killer) {
	w.t.Helper()
	applies := 0
	for l, err := range run.List(w.t.Context(), w.bucket) {
		if err != nil || l.Err != nil {
			w.t.Fatal(err, l.Err)
		}
		if l.Info.Kind != run.KindApply {
			continue
		}
		r, err := run.Open(w.t.Context(), w.bucket, l.ID, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, some, err := r.Last(w.t.Context()); err != nil || !some {
			continue // it died before anybody could know of it
		}
		applies++
		// The dead process is this one: its lease is over in an hour.
		if s := plan.Status(w.t.Context(), r, time.Now().Add(time.Hour)); s != plan.RunFinished {
			w.t.Errorf("killed at step %d (%s): run %s is %s", n, k.Where(), l.ID, s)
		}
	}
	if applies != 2 {
		w.t.Errorf("killed at step %d (%s): %d runs, want one that moves and one that keeps", n, k.Where(), applies)
	}
}
