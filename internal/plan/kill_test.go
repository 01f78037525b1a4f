package plan

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
)

// scene is what the kill tests start from, again and again.
type scene struct {
	*world
	plan          *Plan
	before, after map[string]at
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{world: newWorld(t)}
	s.commit(s.source, "fresh", at{part("orders", 0): "1", part("orders", 1): "9 kept"})
	s.commit(s.source, "app", at{part("orders", 0): "4 state", part("payments", 0): "10"})
	s.before = map[string]at{
		"app":   {part("orders", 0): "2 old", part("orders", 1): "3"},
		"fresh": nil,
		"other": {part("orders", 0): "8", part("payments", 0): "1"},
	}
	s.after = map[string]at{
		"app":   {part("orders", 0): "7 state", part("payments", 0): "13"},
		"fresh": {part("orders", 0): "4", part("orders", 1): "14 kept"},
		"other": s.before["other"],
	}
	s.reset()
	s.plan = s.build()
	if s.plan.Summary.Applicable != 2 {
		t.Fatalf("plan: %+v", s.plan.Groups)
	}
	return s
}

// reset brings the target back to the beginning, with a new state.
func (s *scene) reset() {
	s.t.Helper()
	s.resetBy(s.commit)
}

// resetBy is reset for groups that get their positions in a way of their own.
func (s *scene) resetBy(give func(*node, string, at)) {
	s.t.Helper()
	s.mem = memstore.New()
	s.bucket = store.New(s.mem, "mem://state", nil)
	for name, want := range s.before {
		if s.positions(s.target, name) != nil {
			if err := s.target.Groups.DeleteGroup(context.Background(), name); err != nil {
				s.t.Fatal(err)
			}
		}
		if want != nil {
			give(s.target, name, want)
		}
	}
}

func (s *scene) now() map[string]at {
	s.t.Helper()
	out := map[string]at{}
	for name := range s.before {
		out[name] = s.positions(s.target, name)
	}
	return out
}

// done reads from the journal which groups are final.
func (s *scene) done() map[string]bool {
	s.t.Helper()
	out := map[string]bool{}
	if h := s.replayed(); h != nil {
		for name, l := range h.groups {
			out[name] = l.status == statusDone
		}
	}
	return out
}

// replayed is the journal of the plan's run, nil when it has none.
func (s *scene) replayed() *history {
	s.t.Helper()
	ids, err := run.ByPlan(context.Background(), s.bucket, s.plan.Digest)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(ids) == 0 {
		return nil
	}
	r, err := run.Open(context.Background(), s.bucket, ids[0], nil)
	if err != nil {
		s.t.Fatal(err)
	}
	h, err := replay(context.Background(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	return h
}

func (s *scene) applyKilled(k *killtest.Killer) {
	s.t.Helper()
	in := s.applyInput()
	from, to, b := s.kill(k)
	in.From, in.To, in.Bucket, in.Parallel = &from, to, b, 1
	if rep, err := Apply(context.Background(), s.plan, in); k.Dead() && err == nil && rep.Complete() {
		s.t.Fatalf("killed at %s and nobody noticed: %+v", k.Where(), rep)
	}
}

// TestKilledAnywhereAndAppliedAgain lets apply die at each of its steps, before
// and after the step takes effect, and has a second apply finish it.
func TestKilledAnywhereAndAppliedAgain(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%t", after), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			steps, commits := 0, 0
			for n := 1; ; n++ {
				s.reset()
				k := &killtest.Killer{At: n, After: after}
				s.applyKilled(k)
				if !k.Dead() {
					steps = n - 1
					break
				}
				where := k.Where()
				want := maps.Clone(s.after)
				if s.done()["app"] {
					// The application has started and moved on.
					commits++
					want["app"] = at{part("orders", 0): "9 mine", part("payments", 0): "13"}
					s.commit(s.target, "app", at{part("orders", 0): "9 mine"})
				}
				rep := s.apply(s.plan)
				if !rep.Complete() {
					t.Fatalf("%s: second apply: %+v", where, rep)
				}
				if d := cmp.Diff(want, s.now()); d != "" {
					t.Fatalf("%s: after the second apply (-want +got):\n%s", where, d)
				}
				if v := s.verify(s.plan); !v.Right() {
					t.Fatalf("%s: verify: %+v", where, v)
				}
				if again := s.apply(s.plan); !again.AlreadyApplied {
					t.Fatalf("%s: third apply: %+v", where, again)
				}
				back, err := Rollback(t.Context(), rep.Run, s.rollbackInput())
				if err != nil {
					t.Fatalf("%s: rollback: %v", where, err)
				}
				undone := maps.Clone(s.before)
				if want["app"][part("orders", 0)] == "9 mine" {
					undone["app"] = want["app"]
					if back.Complete() {
						t.Fatalf("%s: a group that has moved on was rolled back: %+v", where, back)
					}
				}
				if d := cmp.Diff(undone, s.now()); d != "" {
					t.Fatalf("%s: after rollback (-want +got):\n%s", where, d)
				}
			}
			t.Logf("%d steps, the first group was done at %d of them", steps, commits)
			if steps < 20 || commits < 3 {
				t.Errorf("only %d steps were enumerated, %d after the first group was done", steps, commits)
			}
		})
	}
}

// TestRollbackKilledAnywhere does the same for a rollback.
func TestRollbackKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%t", after), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			for n := 1; ; n++ {
				s.reset()
				rep := s.apply(s.plan)
				k := &killtest.Killer{At: n, After: after}
				in := s.rollbackInput()
				_, to, b := s.kill(k)
				in.To, in.Bucket, in.Parallel = to, b, 1
				_, _ = Rollback(t.Context(), rep.Run, in) // what it answers is that of a dead process
				if !k.Dead() {
					if n < 20 {
						t.Errorf("only %d steps were enumerated", n)
					}
					return
				}
				where := k.Where()
				if back, err := Rollback(t.Context(), rep.Run, s.rollbackInput()); err != nil || !back.Complete() {
					t.Fatalf("%s: second rollback: %+v %v", where, back, err)
				}
				if d := cmp.Diff(s.before, s.now()); d != "" {
					t.Fatalf("%s: after the second rollback (-want +got):\n%s", where, d)
				}
			}
		})
	}
}

// TestKilledAnywhereAndRolledBack has a rollback clean up after a dead apply.
func TestKilledAnywhereAndRolledBack(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%t", after), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			for n := 1; ; n++ {
				s.reset()
				k := &killtest.Killer{At: n, After: after}
				s.applyKilled(k)
				if !k.Dead() {
					return
				}
				where := k.Where()
				ids, err := run.ByPlan(t.Context(), s.bucket, s.plan.Digest)
				if err != nil {
					t.Fatal(err)
				}
				if len(ids) > 0 {
					if back, err := Rollback(t.Context(), ids[0], s.rollbackInput()); err != nil || !back.Complete() {
						t.Fatalf("%s: rollback: %+v %v", where, back, err)
					}
				}
				if d := cmp.Diff(s.before, s.now()); d != "" {
					t.Fatalf("%s: after rollback (-want +got):\n%s", where, d)
				}
			}
		})
	}
}

// TestTakingBackKilledAnywhere: the broker takes a part of the commit, and the
// process dies at each step from there on. A second apply ends with the group
// as planned, or as it was.
func TestTakingBackKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%t", after), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			part := s.halves()
			tookBack := 0
			for n := 1; ; n++ {
				s.reset()
				k := &killtest.Killer{At: n, After: after}
				part.Store(true)
				s.applyKilled(k)
				part.Store(false)
				if !k.Dead() {
					if tookBack < 3 {
						t.Errorf("only %d steps were after the part was taken", tookBack)
					}
					return
				}
				for _, name := range k.Steps() {
					if strings.HasPrefix(name, "commit") {
						tookBack++
						break
					}
				}
				where := k.Where()
				if rep := s.apply(s.plan); !rep.Complete() {
					// What was being taken back is finished, and a third apply
					// does it anew.
					if rep = s.apply(s.plan); !rep.Complete() {
						t.Fatalf("%s: third apply: %+v", where, rep.Groups)
					}
				}
				if d := cmp.Diff(s.after, s.now()); d != "" {
					t.Fatalf("%s: in the end (-want +got):\n%s", where, d)
				}
			}
		})
	}
}

// halves makes the target lose a topic of each commit with more than one, while
// the answer is true.
func (s *scene) halves() *atomic.Bool {
	on := new(atomic.Bool)
	s.target.Fake.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.target.Fake.KeepControl()
		if req := r.(*kmsg.OffsetCommitRequest); on.Load() && len(req.Topics) > 1 {
			req.Topics = req.Topics[:1]
		}
		return nil, nil, false
	})
	return on
}

// TestManyGroupsAtOnceKilled dies at steps of a run that works on many groups
// at the same time; which group is where then differs from time to time.
func TestManyGroupsAtOnceKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := map[string]at{}
	for i := range 12 {
		name := fmt.Sprintf("g%02d", i)
		w.commit(w.source, name, at{part("orders", 0): fmt.Sprint(i%9 + 1), part("payments", 0): fmt.Sprint(i%7 + 1)})
		want[name] = at{part("orders", 0): fmt.Sprint(i%9 + 4), part("payments", 0): fmt.Sprint(i%7 + 4)}
	}
	p := w.build()
	for n := 10; n < 90; n += 7 {
		w.mem = memstore.New()
		w.bucket = store.New(w.mem, "mem://state", nil)
		k := &killtest.Killer{At: n, After: n%2 == 0}
		in := w.applyInput()
		from, to, b := w.kill(k)
		in.From, in.To, in.Bucket = &from, to, b
		_, err := Apply(t.Context(), p, in)
		if k.Dead() != (err != nil) {
			t.Fatalf("step %d: dead is %t, error %v", n, k.Dead(), err)
		}
		rep := w.apply(p)
		if !rep.Complete() {
			t.Fatalf("step %d: %+v", n, rep.Groups)
		}
		for name, positions := range want {
			if d := cmp.Diff(positions, w.positions(w.target, name)); d != "" {
				t.Fatalf("step %d: %s (-want +got):\n%s", n, name, d)
			}
		}
		if back, err := Rollback(t.Context(), rep.Run, w.rollbackInput()); err != nil || back.Count(RolledBack) != len(want) {
			t.Fatalf("step %d: rollback: %+v %v", n, back, err)
		}
	}
}
