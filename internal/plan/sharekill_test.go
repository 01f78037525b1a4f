package plan

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/run"
)

// TestShareGroupKilledAnywhere lets apply, and then rollback, die at each step,
// and has a second call finish it.
func TestShareGroupKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%t", after), func(t *testing.T) {
			t.Parallel()
			s := &scene{world: newWorld(t)}
			s.start(s.source, "fresh", at{part("orders", 0): "1", part("orders", 1): "9"})
			s.start(s.source, "app", at{part("orders", 0): "4", part("payments", 0): "10"})
			s.before = map[string]at{"app": {part("orders", 0): "2", part("orders", 1): "3"}, "fresh": nil}
			s.after = map[string]at{
				"app":   {part("orders", 0): "7", part("payments", 0): "13"},
				"fresh": {part("orders", 0): "4", part("orders", 1): "14"},
			}
			s.resetBy(s.start)
			s.plan = s.build(acceptRepeatsInput)
			if s.plan.Summary.Applicable != 2 {
				t.Fatalf("plan: %+v", s.plan.Groups)
			}
			steps := 0
			for n := 1; ; n++ {
				s.resetBy(s.start)
				k := &killtest.Killer{At: n, After: after}
				s.applyKilled(k)
				if !k.Dead() {
					break
				}
				steps++
				where := k.Where()
				if rep := s.apply(s.plan); !rep.Complete() {
					t.Fatalf("%s: second apply: %+v", where, rep)
				}
				if d := cmp.Diff(s.after, s.now()); d != "" {
					t.Fatalf("%s: after the second apply (-want +got):\n%s", where, d)
				}
				s.rollBack(where)
			}
			if steps < 10 {
				t.Errorf("only %d steps", steps)
			}
		})
	}
}

// rollBack takes back the run of the plan, dying once on the way.
func (s *scene) rollBack(where string) {
	s.t.Helper()
	ids, err := run.ByPlan(context.Background(), s.bucket, s.plan.Digest)
	if err != nil || len(ids) != 1 {
		s.t.Fatalf("%s: runs %v, %v", where, ids, err)
	}
	k := &killtest.Killer{At: 4}
	in := s.rollbackInput()
	_, to, b := s.kill(k)
	in.To, in.Bucket = to, b
	if _, err := Rollback(context.Background(), ids[0], in); err == nil {
		s.t.Fatalf("%s: the killed rollback reports no error", where)
	}
	back, err := Rollback(context.Background(), ids[0], s.rollbackInput())
	if err != nil || !back.Complete() {
		s.t.Fatalf("%s: rollback: %+v %v", where, back, err)
	}
	if d := cmp.Diff(s.before, s.now()); d != "" {
		s.t.Fatalf("%s: after the rollback (-want +got):\n%s", where, d)
	}
}
