package nodes_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/translate"
)

func (s *scene) input(t *testing.T, w *steps) plan.Input {
	t.Helper()
	sel, err := position.Selector{Groups: sources}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	var o position.RouteOptions
	for name := range topics {
		o.MapTopics = append(o.MapTopics, name+"="+copyOf(name))
	}
	for _, name := range sources {
		o.MapGroups = append(o.MapGroups, name+"="+newName(name))
	}
	route, err := position.NewRoute(o)
	if err != nil {
		t.Fatal(err)
	}
	from := s.side(w)
	return plan.Input{From: &from, To: from, Selection: sel, Route: route, Settle: -1, Tool: "kferry test"}
}

func (s *scene) build(t *testing.T, w *steps) *plan.Plan {
	t.Helper()
	p, err := plan.Build(t.Context(), s.input(t, w))
	if err != nil {
		t.Fatalf("building the plan, disturbed at %s: %v", w.where(), err)
	}
	return p
}

// right fails unless every position of the plan is proven and where it must be.
func (s *scene) right(t *testing.T, p *plan.Plan, where string) {
	t.Helper()
	got := map[string]positions{"bystander": s.after["bystander"]}
	for _, g := range p.Groups {
		got[g.Name] = positions{}
		if !g.Applicable() {
			t.Errorf("%s: %s is %s: %s", where, g.Name, g.Verdict, g.Detail)
		}
		for i := range g.Positions {
			q := &g.Positions[i]
			if q.Outcome != translate.Exact && q.Outcome != translate.AtEnd || q.After == nil {
				t.Errorf("%s: %s %s/%d is %s: %s %v", where, g.Name, q.Topic, q.Partition, q.Outcome, q.Detail, q.Unproven)
				continue
			}
			got[g.Name][topicPartition(q)] = q.After.Offset
		}
	}
	if diff := cmp.Diff(s.after, got); diff != "" {
		t.Errorf("%s: the plan (-want +got):\n%s", where, diff)
	}
}

// leadersMoveDuringPlan moves all leaders at each step of a plan in turn. The
// plan must come out as if nothing had been: such moves are everyday life.
func (s *scene) leadersMoveDuringPlan(t *testing.T) {
	calm := &steps{}
	s.right(t, s.build(t, calm), "undisturbed")
	if len(calm.names) < 10 {
		t.Fatalf("a plan has only %d steps: %v", len(calm.names), calm.names)
	}
	at, moved := calm.points(), 0
	for i, n := range at {
		w := &steps{at: n, during: i%2 == 0, disturb: func() { s.moveLeaders(t, logs()...) }}
		p := s.build(t, w)
		s.right(t, p, fmt.Sprintf("leaders moved at step %d (%s)", n, w.where()))
		if w.done {
			moved++
		}
	}
	t.Logf("leaders moved at %d steps of a plan: %v", moved, calm.names)
	if moved < 10 || moved < len(at)/2 {
		t.Errorf("leaders moved at only %d of %d steps", moved, len(at))
	}
}

func (s *scene) applyInput(w *steps, st *state) plan.ApplyInput {
	from := s.side(w)
	return plan.ApplyInput{
		From: &from, To: from, Bucket: st.bucket(w), Settle: -1, Parallel: 1,
		// Who held a run before is gone: it was this test.
		Run:  &run.Options{Gone: func(run.Who) bool { return true }},
		Tool: "kferry test", Command: "kferry apply plan.json",
	}
}

// leadersMoveDuringApply moves the leaders of the logs and the coordinators of
// the groups at each step of an apply in turn.
func (s *scene) leadersMoveDuringApply(t *testing.T) {
	p := s.build(t, &steps{})
	calm := &steps{}
	if rep, err := plan.Apply(t.Context(), p, s.applyInput(calm, newState())); err != nil || !rep.Complete() {
		t.Fatalf("undisturbed: %+v %v", rep, err)
	}
	all := append(logs(), offsetsTopic)
	at, first := calm.points(), 0
	for i, n := range at {
		s.reset(t)
		w := &steps{at: n, during: i%2 == 0, disturb: func() { s.moveLeaders(t, all...) }}
		if s.applied(t, p, w, fmt.Sprintf("coordinators moved at step %d of %d", n, len(calm.names))) {
			first++
		}
	}
	t.Logf("coordinators moved at %d steps of an apply (%v); it was complete at the first try %d times", len(at), calm.names, first)
	if len(at) < 10 || first < len(at)*4/5 {
		t.Errorf("%d of %d applies were complete at the first try", first, len(at))
	}
}

// applied applies a plan with a disturbance, and once more without; nothing may
// be half done after the first, and everything must be done after the second.
// It reports whether the first did it all, and takes everything back.
func (s *scene) applied(t *testing.T, p *plan.Plan, w *steps, where string) (atOnce bool) {
	t.Helper()
	st := newState()
	rep, err := plan.Apply(t.Context(), p, s.applyInput(w, st))
	where += " (" + w.where() + ")"
	atOnce = err == nil && rep.Complete()
	for name, now := range s.now(t) {
		switch {
		case cmp.Equal(now, s.after[name]):
		case cmp.Equal(now, s.before[name]) && !atOnce:
		default:
			t.Errorf("%s: group %s is half done: %v (%+v, %v)", where, name, now, rep, err)
		}
	}
	if !atOnce {
		t.Logf("%s: not complete at the first try: %+v %v", where, rep, err)
	}
	rep, err = plan.Apply(t.Context(), p, s.applyInput(&steps{}, st))
	if err != nil || !rep.Complete() {
		t.Fatalf("%s: applied once more: %+v %v", where, rep, err)
	}
	if diff := cmp.Diff(s.after, s.now(t)); diff != "" {
		t.Fatalf("%s: after the second apply (-want +got):\n%s", where, diff)
	}
	from := s.side(&steps{})
	v, err := plan.Verify(t.Context(), p, plan.VerifyInput{From: &from, To: from, Bucket: st.bucket(&steps{})})
	if err != nil || !v.Right() {
		t.Errorf("%s: verify: %+v %v", where, v, err)
	}
	back, err := plan.Rollback(t.Context(), rep.Run, plan.RollbackInput{To: from, Bucket: st.bucket(&steps{}), Tool: "kferry test", Command: "kferry rollback"})
	if err != nil || !back.Complete() {
		t.Fatalf("%s: rollback: %+v %v", where, back, err)
	}
	if diff := cmp.Diff(s.before, s.now(t)); diff != "" {
		t.Errorf("%s: after the rollback (-want +got):\n%s", where, diff)
	}
	return atOnce
}
