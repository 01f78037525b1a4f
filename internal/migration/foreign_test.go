package migration

import (
	"testing"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/topic"
)

// TestOwnPositionsOnTheTarget has the application started on the target before
// its time: its commits there are not replaced, unless that is asked for.
func TestOwnPositionsOnTheTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance(func(in *Input) { in.Until = Planned })
	own := map[topic.Partition]int64{part("orders", 0): 5, part("orders", 1): 15}
	w.target.commit("orders-app", own)
	out := w.advance()
	if len(out.Waiting) != 1 || out.Waiting[0].Kind != WaitPlan || out.Waiting[0].Group != "orders-app" {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
	w.wantTarget(map[string]map[topic.Partition]int64{"orders-app": own, "payments-app": nil})

	if _, err := Abort(t.Context(), "app", w.input(&killtest.Killer{})); err != nil {
		t.Fatal(err)
	}
	w.wantTarget(map[string]map[topic.Partition]int64{"orders-app": own, "payments-app": nil})

	c := checked()
	c.Spec.Accept = []string{api.AcceptOverwrite}
	if _, err := Create(t.Context(), w.input(&killtest.Killer{}), c); err != nil {
		t.Fatal(err)
	}
	w.advance(func(in *Input) { in.Until = Moved })
	w.wantTarget(wanted)
}

// TestMembersOnTheTarget: who is on the target when the plan is applied does
// not mean that the application is back on the source.
func TestMembersOnTheTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance(func(in *Input) { in.Until = Planned })
	leave := w.target.join("orders-app", "orders")
	out := w.advance()
	if out.State.Step == Stopping || len(out.Waiting) != 1 || out.Waiting[0].Kind != WaitPlan {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
	leave()
	if out = w.advance(); out.State.Step != Moved {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
	w.wantTarget(wanted)
}
