package plan

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/position"
)

func (w *world) buildForget(s position.Selector) *Plan {
	w.t.Helper()
	p, err := BuildForget(context.Background(), ForgetInput{To: w.target.side(), Selection: selected(w.t, s), Tool: "kferry test"})
	if err != nil {
		w.t.Fatalf("planning to forget: %v", err)
	}
	return p
}

func TestForgetApplyVerifyRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := at{part("orders", 0): "4 old\xff", part("orders", 1): "3", part("payments", 0): "1"}
	w.commit(w.target, "app", before)
	w.commit(w.target, "apple", at{part("payments", 0): "2"})
	p := throughFile(t, w.buildForget(position.Selector{Groups: []string{"a*"}, Topics: []string{"ord*"}}))
	if p.Kind != Forget || !p.AllApplicable() || p.Summary.Deleted != 2 || len(p.Groups) != 1 {
		t.Fatalf("plan: %+v", p)
	}
	if q := p.Groups[0].Positions[0]; q.LagBefore != 9 || q.Before.Offset != 4 {
		t.Errorf("position: %+v", q)
	}
	if len(p.Findings) != 0 {
		t.Errorf("findings: %+v", p.Findings)
	}
	rep := w.apply(p, func(in *ApplyInput) { in.From = nil })
	if g := rep.Groups[0]; !rep.Complete() || g.Deleted != 2 || g.DeletedGroup {
		t.Errorf("report: %+v", rep)
	}
	if d := cmp.Diff(at{part("payments", 0): "1"}, w.positions(w.target, "app")); d != "" {
		t.Errorf("app (-want +got):\n%s", d)
	}
	if v := w.verify(p); !v.Right() || v.Counts[AsWritten] != 2 {
		t.Errorf("verify: %+v", v)
	}
	if back, err := Rollback(t.Context(), rep.Run, w.rollbackInput()); err != nil || back.Count(RolledBack) != 1 {
		t.Errorf("rollback: %+v %v", back, err)
	}
	if d := cmp.Diff(before, w.positions(w.target, "app")); d != "" {
		t.Errorf("after rollback (-want +got):\n%s", d)
	}
}

// TestForgetWhileInUse: members stand in the way of the topics that they read,
// and of no other.
func TestForgetWhileInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := at{part("orders", 0): "4", part("payments", 0): "1"}
	w.commit(w.target, "app", before)
	leave := w.join(w.target, "app") // orders
	p := w.buildForget(position.Selector{Groups: []string{"app"}})
	if g := p.Groups[0]; g.Reason != ReasonGroupActive || !strings.Contains(g.Detail, "read topic orders") || !strings.Contains(g.Detail, "127.0.0.1") {
		t.Errorf("group: %+v", g)
	}
	p = w.buildForget(position.Selector{Groups: []string{"app"}, Topics: []string{"payments"}})
	if !p.AllApplicable() {
		t.Fatalf("plan: %+v", p.Groups[0])
	}
	rep := w.apply(p)
	if !rep.Complete() {
		t.Fatalf("report: %+v", rep)
	}
	if _, still := w.positions(w.target, "app")[part("payments", 0)]; still {
		t.Error("the position still is there")
	}
	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil || back.Groups[0].Result != Refused || back.Groups[0].Reason != ReasonGroupActive {
		t.Errorf("rollback in use: %+v %v", back, err)
	}
	leave()
	w.awaitStopped(w.target, "app")
	if back, err = Rollback(t.Context(), rep.Run, w.rollbackInput()); err != nil || back.Groups[0].Result != RolledBack {
		t.Errorf("rollback: %+v %v", back, err)
	}
	if d := cmp.Diff(before[part("payments", 0)], w.positions(w.target, "app")[part("payments", 0)]); d != "" {
		t.Errorf("after rollback (-want +got):\n%s", d)
	}
}

// TestForgetSubscribedSince: what nobody read when the plan was made and
// somebody reads by now stays.
func TestForgetSubscribedSince(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := at{part("orders", 0): "4", part("payments", 0): "1"}
	w.commit(w.target, "app", before)
	p := w.buildForget(position.Selector{Groups: []string{"app"}})
	w.join(w.target, "app")
	rep := w.apply(p)
	if g := rep.Groups[0]; g.Result != Refused || g.Reason != ReasonGroupActive {
		t.Errorf("report: %+v", rep)
	}
	if got := w.positions(w.target, "app"); got[part("payments", 0)] != "1" {
		t.Errorf("positions: %v", got)
	}
}

// awaitStopped waits until the members of a group are gone.
func (w *world) awaitStopped(n *node, name string) {
	w.t.Helper()
	for {
		all, err := n.Groups.Read(w.t.Context(), []string{name})
		if err != nil {
			w.t.Fatal(err)
		}
		if all[name].Group.Stopped() {
			return
		}
	}
}

func TestForgetLastPosition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := at{part("orders", 0): "4", part("orders", 1): "9"}
	w.commit(w.target, "app", before)
	p := w.buildForget(position.Selector{Groups: []string{"app"}, Topics: []string{"orders"}})
	if len(p.Findings) != 1 || p.Findings[0].Reason != ReasonLastPosition || p.Findings[0].Severity != Warning {
		t.Errorf("findings: %+v", p.Findings)
	}
	rep := w.apply(p)
	if !rep.Complete() {
		t.Fatalf("report: %+v", rep)
	}
	// As brokers do, at once or later.
	if err := w.target.Groups.DeleteGroup(t.Context(), "app"); err != nil && w.positions(w.target, "app") != nil {
		t.Fatal(err)
	}
	if v := w.verify(p); !v.Right() {
		t.Errorf("verify: %+v", v)
	}
	if back, err := Rollback(t.Context(), rep.Run, w.rollbackInput()); err != nil || back.Count(RolledBack) != 1 {
		t.Errorf("rollback: %+v %v", back, err)
	}
	if d := cmp.Diff(before, w.positions(w.target, "app")); d != "" {
		t.Errorf("after rollback (-want +got):\n%s", d)
	}
}

func TestForgetRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "app", at{part("orders", 0): "4"})
	if g := w.buildForget(position.Selector{Groups: []string{"ap"}, Topics: []string{"orders"}}).Groups[0]; g.Reason != ReasonGroupMissing || !strings.Contains(g.Hint, "did you mean app?") {
		t.Errorf("missing: %+v", g)
	}
	if g := w.buildForget(position.Selector{Groups: []string{"app"}, Topics: []string{"payments"}}).Groups[0]; g.Reason != ReasonNoCommit || g.Applicable() {
		t.Errorf("no position: %+v", g)
	}
	if _, err := BuildForget(t.Context(), ForgetInput{To: w.target.side(), Selection: selected(t, position.Selector{Groups: []string{"a*"}, Topics: []string{"payments"}})}); !errors.Is(err, ErrNothing) {
		t.Errorf("nothing: %v", err)
	}
}

// TestForgetStale: a position that has moved since stays.
func TestForgetStale(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "app", at{part("orders", 0): "4", part("orders", 1): "9"})
	p := w.buildForget(position.Selector{Groups: []string{"app"}})
	w.commit(w.target, "app", at{part("orders", 0): "5"})
	if rep := w.apply(p); rep.Groups[0].Result != Stale {
		t.Errorf("report: %+v", rep)
	}
	if d := cmp.Diff(at{part("orders", 0): "5", part("orders", 1): "9"}, w.positions(w.target, "app")); d != "" {
		t.Errorf("changed (-want +got):\n%s", d)
	}
}

// TestForgetKilledAnywhere lets the apply die at each step.
func TestForgetKilledAnywhere(t *testing.T) {
	t.Parallel()
	killedAnywhere(t, func(t *testing.T) *scene {
		t.Helper()
		s := &scene{world: newWorld(t)}
		s.before = map[string]at{
			"app":   {part("orders", 0): "2 old", part("orders", 1): "3", part("payments", 0): "4"},
			"last":  {part("orders", 0): "5", part("payments", 0): "1"},
			"other": {part("orders", 0): "7"},
		}
		s.after = map[string]at{"app": {part("payments", 0): "4"}, "last": {part("payments", 0): "1"}, "other": s.before["other"]}
		s.reset()
		s.plan = s.buildForget(position.Selector{Groups: []string{"app", "last"}, Topics: []string{"orders"}})
		return s
	})
}
