package plan

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	s.mem = memstore.New()
	s.bucket = store.New(s.mem, "mem://state", nil)
	for name, want := range s.before {
		if s.positions(s.target, name) != nil {
			if err := s.target.g.DeleteGroup(context.Background(), name); err != nil {
				s.t.Fatal(err)
			}
		}
		if want != nil {
			s.commit(s.target, name, want)
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
	ids, err := run.ByPlan(context.Background(), s.bucket, s.plan.Digest)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(ids) == 0 {
		return out
	}
	r, err := run.Open(context.Background(), s.bucket, ids[0], nil)
	if err != nil {
		s.t.Fatal(err)
	}
	h, err := replay(context.Background(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, l := range h.groups {
		out[name] = l.status == statusDone
	}
	return out
}

func (s *scene) applyKilled(k *killer) {
	s.t.Helper()
	in := s.applyInput()
	from, to, b := s.kill(k)
	in.From, in.To, in.Bucket, in.Parallel = &from, to, b, 1
	if rep, err := Apply(context.Background(), s.plan, in); k.dead && err == nil && rep.Complete() {
		s.t.Fatalf("killed at step %d (%s) and nobody noticed: %+v", k.at, k.names[k.at-1], rep)
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
				k := &killer{at: n, after: after}
				s.applyKilled(k)
				if !k.dead {
					steps = n - 1
					break
				}
				where := fmt.Sprintf("step %d (%s)", n, k.names[n-1])
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
				back, err := Rollback(context.Background(), rep.Run, s.rollbackInput())
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
				k := &killer{at: n, after: after}
				in := s.rollbackInput()
				_, to, b := s.kill(k)
				in.To, in.Bucket, in.Parallel = to, b, 1
				_, _ = Rollback(context.Background(), rep.Run, in) // what it answers is that of a dead process
				if !k.dead {
					if n < 20 {
						t.Errorf("only %d steps were enumerated", n)
					}
					return
				}
				where := fmt.Sprintf("step %d (%s)", n, k.names[n-1])
				if back, err := Rollback(context.Background(), rep.Run, s.rollbackInput()); err != nil || !back.Complete() {
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
				k := &killer{at: n, after: after}
				s.applyKilled(k)
				if !k.dead {
					return
				}
				where := fmt.Sprintf("step %d (%s)", n, k.names[n-1])
				ids, err := run.ByPlan(context.Background(), s.bucket, s.plan.Digest)
				if err != nil {
					t.Fatal(err)
				}
				if len(ids) > 0 {
					if back, err := Rollback(context.Background(), ids[0], s.rollbackInput()); err != nil || !back.Complete() {
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
