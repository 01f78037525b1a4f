package plan

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/run"
)

func (w *world) buildDelete(names ...string) *Plan {
	w.t.Helper()
	p, err := BuildDelete(context.Background(), DeleteInput{To: w.target.side(), Groups: names, Tool: "kferry test"})
	if err != nil {
		w.t.Fatalf("planning to delete: %v", err)
	}
	return p
}

func TestDeleteApplyVerifyRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := at{part("orders", 0): "2 old\xff", part("orders", 1): "3", part("payments", 0): "1"}
	w.commit(w.target, "app", before)
	w.commit(w.target, "other", at{part("orders", 0): "5"})
	p := throughFile(t, w.buildDelete("app", "app"))
	if p.Kind != DeleteGroups || p.Summary.Applicable != 1 || p.Summary.Deleted != 3 || !p.AllApplicable() {
		t.Fatalf("plan: %+v", p)
	}
	rep := w.apply(p)
	if g := rep.Groups[0]; !rep.Complete() || g.Deleted != 3 || !g.DeletedGroup || rep.Snapshot == "" {
		t.Errorf("report: %+v", rep)
	}
	if got := w.positions(w.target, "app"); got != nil {
		t.Errorf("the group still is there: %v", got)
	}
	if v := w.verify(p); !v.Right() || v.Counts[AsWritten] != 3 {
		t.Errorf("verify: %+v", v)
	}
	if r, err := run.Open(t.Context(), w.bucket, rep.Run, nil); err != nil || r.Info().Kind != run.KindDelete {
		t.Errorf("run: %+v %v", r, err)
	}
	if again := w.apply(p); !again.AlreadyApplied {
		t.Errorf("applied twice: %+v", again)
	}
	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil || back.Count(RolledBack) != 1 {
		t.Errorf("rollback: %+v %v", back, err)
	}
	if d := cmp.Diff(before, w.positions(w.target, "app")); d != "" {
		t.Errorf("after rollback (-want +got):\n%s", d)
	}
	// Taking the rollback back deletes the group again.
	if again, err := Rollback(t.Context(), back.Run, w.rollbackInput()); err != nil || !again.Groups[0].DeletedGroup {
		t.Errorf("rollback of the rollback: %+v %v", again, err)
	}
	if got := w.positions(w.target, "app"); got != nil {
		t.Errorf("the group still is there: %v", got)
	}
	if d := cmp.Diff(at{part("orders", 0): "5"}, w.positions(w.target, "other")); d != "" {
		t.Errorf("another group (-want +got):\n%s", d)
	}
}

func TestDeleteRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "orders-app", at{part("orders", 0): "5"})
	w.join(w.target, "busy")
	p := w.buildDelete("order-app", "busy", "orders-app")
	if g := p.Group("order-app"); g.Reason != ReasonGroupMissing || !strings.Contains(g.Hint, "did you mean orders-app?") {
		t.Errorf("missing group: %+v", g)
	}
	if g := p.Group("busy"); g.Reason != ReasonGroupActive || !strings.Contains(g.Detail, "127.0.0.1") {
		t.Errorf("active group: %+v", g)
	}
	if p.AllApplicable() || !p.Applicable("orders-app") {
		t.Errorf("summary: %+v", p.Summary)
	}
	if _, err := BuildDelete(t.Context(), DeleteInput{To: w.target.side()}); err == nil {
		t.Error("no groups are no error")
	}
}

// TestDeleteStale: whatever the plan has not seen is not deleted.
func TestDeleteStale(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change at
		gone   bool
	}{
		"a position moved":  {change: at{part("orders", 0): "6"}},
		"a new position":    {change: at{part("payments", 0): "1"}},
		"deleted meanwhile": {gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.commit(w.target, "app", at{part("orders", 0): "5"})
			p := w.buildDelete("app")
			if c.gone {
				if err := w.target.Groups.DeleteGroup(t.Context(), "app"); err != nil {
					t.Fatal(err)
				}
			} else {
				w.commit(w.target, "app", c.change)
			}
			want := w.positions(w.target, "app")
			if rep := w.apply(p); rep.Groups[0].Result != Stale || rep.Groups[0].Reason != ReasonTargetMoved {
				t.Errorf("report: %+v", rep)
			}
			if d := cmp.Diff(want, w.positions(w.target, "app")); d != "" {
				t.Errorf("changed (-want +got):\n%s", d)
			}
		})
	}
}

// TestDeleteWithoutPositions: such a group goes too, and cannot be made again.
func TestDeleteWithoutPositions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.join(w.target, "app")()
	p := w.buildDelete("app")
	if !p.Applicable("app") || len(p.Groups[0].Positions) != 0 {
		t.Fatalf("plan: %+v", p.Groups)
	}
	rep := w.apply(p)
	if !rep.Complete() || !rep.Groups[0].DeletedGroup || w.positions(w.target, "app") != nil {
		t.Errorf("report: %+v", rep)
	}
	if v := w.verify(p); !v.Right() {
		t.Errorf("verify: %+v", v)
	}
	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil || back.Groups[0].Result != Unchanged || !strings.Contains(back.Groups[0].Detail, "no positions") {
		t.Errorf("rollback: %+v %v", back, err)
	}
}

// join has a consumer in a group until the test ends, or it leaves.
func (w *world) join(n *node, name string) (leave func()) {
	w.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(n.Fake.ListenAddrs()...), kgo.ConsumerGroup(name), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		c.PollRecords(ctx, 1)
		all, err := n.Groups.Read(ctx, []string{name})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(all[name].Group.Members) > 0 {
			return c.Close
		}
	}
}

// TestDeleteKilledAnywhere lets the apply of a deletion die at each step. What
// follows finishes it, or restores everything.
func TestDeleteKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for _, rollback := range []bool{false, true} {
			t.Run(fmt.Sprintf("after=%t,rollback=%t", after, rollback), func(t *testing.T) {
				t.Parallel()
				s := newDeleteScene(t)
				for n := 1; ; n++ {
					s.reset()
					k := &killtest.Killer{At: n, After: after}
					s.applyKilled(k)
					if !k.Dead() {
						if n < 15 {
							t.Errorf("only %d steps were enumerated", n)
						}
						return
					}
					where := k.Where()
					s.finishDelete(where, rollback)
				}
			})
		}
	}
}

// newDeleteScene plans to delete two of three groups.
func newDeleteScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{world: newWorld(t)}
	s.before = map[string]at{
		"app":   {part("orders", 0): "2 old", part("orders", 1): "3"},
		"next":  {part("orders", 0): "8 mine", part("payments", 0): "1"},
		"other": {part("orders", 0): "7"},
	}
	s.after = map[string]at{"app": nil, "next": nil, "other": s.before["other"]}
	s.reset()
	s.plan = s.buildDelete("app", "next")
	return s
}

func (s *scene) finishDelete(where string, rollback bool) {
	s.t.Helper()
	ids, err := run.ByPlan(context.Background(), s.bucket, s.plan.Digest)
	if err != nil {
		s.t.Fatal(err)
	}
	if !rollback || len(ids) == 0 {
		rep := s.apply(s.plan)
		if !rep.Complete() {
			s.t.Fatalf("%s: second apply: %+v", where, rep)
		}
		if d := cmp.Diff(s.after, s.now()); d != "" {
			s.t.Fatalf("%s: after the second apply (-want +got):\n%s", where, d)
		}
		ids = []string{rep.Run}
	}
	if back, err := Rollback(context.Background(), ids[0], s.rollbackInput()); err != nil || !back.Complete() {
		s.t.Fatalf("%s: rollback: %+v %v", where, back, err)
	}
	if d := cmp.Diff(s.before, s.now()); d != "" {
		s.t.Fatalf("%s: after rollback (-want +got):\n%s", where, d)
	}
}
