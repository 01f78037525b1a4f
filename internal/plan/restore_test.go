package plan

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// save takes a snapshot of groups into the state, and reads it back.
func (w *world) save(n *node, names ...string) *snapshot.Snapshot {
	w.t.Helper()
	ctx := context.Background()
	readings, err := n.Groups.Read(ctx, names)
	must(w.t, err)
	topics, err := n.Cluster.Topics(ctx)
	must(w.t, err)
	c := n.side()
	s := &snapshot.Snapshot{Summary: snapshot.Summary{
		Created: time.Now(), ClusterID: c.ID, ClusterName: c.Name, Bootstrap: c.Bootstrap, Trigger: snapshot.Trigger{Kind: snapshot.Manual},
	}}
	FillSnapshot(s, readings, topics, nil)
	id, err := snapshot.Save(ctx, w.bucket, s)
	must(w.t, err)
	s, err = snapshot.Load(ctx, w.bucket, id)
	must(w.t, err)
	return s
}

func (w *world) buildRestore(s *snapshot.Snapshot, sel position.Selector, change ...func(*RestoreInput)) *Plan {
	w.t.Helper()
	in := RestoreInput{Snapshot: s, To: w.target.side(), Selection: selected(w.t, sel), Tool: "kferry test"}
	for _, f := range change {
		f(&in)
	}
	p, err := BuildRestore(context.Background(), in)
	if err != nil {
		w.t.Fatalf("planning to restore: %v", err)
	}
	return p
}

func acceptRewinds(in *RestoreInput) { in.Accept.Rewind = true }

func TestRestoreApplyVerifyRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	saved := at{part("orders", 0): "4 old\xff", part("payments", 0): "9"}
	w.commit(w.target, "app", saved)
	w.commit(w.target, "same", at{part("orders", 0): "2"})
	w.commit(w.target, "gone", at{part("orders", 0): "3 kept"})
	s := w.save(w.target, "app", "same", "gone", "later")
	now := at{part("orders", 0): "8", part("orders", 1): "2", part("payments", 0): "1"}
	w.commit(w.target, "app", now)
	w.commit(w.target, "later", at{part("orders", 0): "1"})
	w.commit(w.target, "unknown", at{part("orders", 0): "1"})
	must(t, w.target.Groups.DeleteGroup(t.Context(), "gone"))

	if p := w.buildRestore(s, position.Selector{Groups: []string{"app"}}); p.Groups[0].Reason != ReasonRewind || !strings.Contains(p.Groups[0].Detail, "up to 4 records again") {
		t.Errorf("a rewind: %+v", p.Groups[0])
	}
	p := throughFile(t, w.buildRestore(s, position.Selector{}, acceptRewinds))
	if p.Kind != Restore || p.Snapshot.ID != s.ID || !p.AllApplicable() || len(p.Groups) != 4 {
		t.Fatalf("plan: %+v", p)
	}
	want := map[string]string{"orders/0": "change 4 with 4 bytes of metadata", "orders/1": "delete", "payments/0": "change 9"}
	if d := cmp.Diff(want, afters(p.Group("app"))); d != "" {
		t.Errorf("app (-want +got):\n%s", d)
	}
	if !p.Group("later").Delete || p.Group("same").Verdict != VerdictNothing {
		t.Errorf("groups: %+v", p.Groups)
	}
	rep := w.apply(p, func(in *ApplyInput) { in.From = nil })
	if !rep.Complete() {
		t.Fatalf("report: %+v", rep)
	}
	for name, want := range map[string]at{"app": saved, "same": {part("orders", 0): "2"}, "gone": {part("orders", 0): "3 kept"}, "later": nil, "unknown": {part("orders", 0): "1"}} {
		if d := cmp.Diff(want, w.positions(w.target, name)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if v := w.verify(p); !v.Right() {
		t.Errorf("verify: %+v", v)
	}
	if back, err := Rollback(t.Context(), rep.Run, w.rollbackInput()); err != nil || back.Count(RolledBack) != 3 {
		t.Errorf("rollback: %+v %v", back, err)
	}
	for name, want := range map[string]at{"app": now, "gone": nil, "later": {part("orders", 0): "1"}} {
		if d := cmp.Diff(want, w.positions(w.target, name)); d != "" {
			t.Errorf("%s after rollback (-want +got):\n%s", name, d)
		}
	}
}

// TestRestorePart: what is not selected stays, and no group is deleted.
func TestRestorePart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "app", at{part("orders", 0): "4", part("payments", 0): "9"})
	s := w.save(w.target, "app", "later")
	w.commit(w.target, "app", at{part("orders", 0): "3", part("orders", 1): "2", part("payments", 0): "10"})
	w.commit(w.target, "later", at{part("orders", 0): "1", part("payments", 0): "1"})
	p := w.buildRestore(s, position.Selector{Topics: []string{"orders"}}, func(in *RestoreInput) { in.PartOnly = true })
	rep := w.apply(p, func(in *ApplyInput) { in.From = nil })
	if !rep.Complete() {
		t.Fatalf("report: %+v", rep)
	}
	for name, want := range map[string]at{"app": {part("orders", 0): "4", part("payments", 0): "10"}, "later": {part("payments", 0): "1"}} {
		if d := cmp.Diff(want, w.positions(w.target, name)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestRestoreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "old", at{part("orders", 0): "1"})
	w.commit(w.target, "ahead", at{part("orders", 1): "14"})
	w.commit(w.target, "born", at{part("payments", 0): "3"})
	w.commit(w.target, "busy", at{part("orders", 0): "9"})
	w.create(w.target, "blank", 1)
	w.commit(w.target, "blank", at{part("blank", 0): "0"})
	s := w.save(w.target, "old", "ahead", "born", "busy", "blank")
	for i := range s.Groups {
		switch g := &s.Groups[i]; g.Name {
		case "ahead":
			g.Positions[0].Offset = 99
		case "born":
			g.Positions[0].TopicID = topic.ID{1}
		case "blank":
			g.Positions[0].TopicID = topic.ID{}
		}
	}
	s.Groups = append(s.Groups, snapshot.Group{Name: "unread", Exists: true, Error: "no right"}, snapshot.Group{Name: "partly", Exists: true, Kind: string(group.Classic)})
	s.Incomplete = append(s.Incomplete, `group "partly": topics may be hidden`)
	must(t, w.deleteRecords(w.target, part("orders", 0), 5))
	w.join(w.target, "busy")
	p := w.buildRestore(s, position.Selector{Groups: []string{"*", "absent"}})
	for name, want := range map[string]struct {
		reason Reason
		detail string
	}{
		"old":    {ReasonOutOfRange, "which has 5 to 13: up to 4 records are gone"},
		"ahead":  {ReasonOutOfRange, "which has 0 to 15"},
		"born":   {ReasonIncarnationKnown, "deleted and created again since"},
		"busy":   {ReasonGroupActive, "127.0.0.1"},
		"unread": {ReasonGroupUnreadable, "no right"},
		"partly": {ReasonIncomplete, "topics may be hidden"},
		"absent": {ReasonGroupMissing, "has no group"},
	} {
		if g := p.Group(name); g.Reason != want.reason || !strings.Contains(g.Detail, want.detail) || g.Applicable() {
			t.Errorf("%s: %s %s", name, g.Reason, g.Detail)
		}
	}
	if q := p.Group("blank").Positions[0]; q.Outcome != translate.ExactUnproven || q.Blocked {
		t.Errorf("no ID: %+v", q)
	}
	p = w.buildRestore(s, position.Selector{Groups: []string{"old"}}, func(in *RestoreInput) { in.Accept.Loss = true })
	if q := p.Groups[0].Positions[0]; q.After.Offset != 5 || q.Lost != 4 || !p.AllApplicable() {
		t.Errorf("accepted loss: %+v", q)
	}
	in := RestoreInput{Snapshot: s, To: w.source.side()}
	if _, err := BuildRestore(t.Context(), in); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "old") {
		t.Errorf("another cluster: %v", err)
	}
	in.To, in.Selection = w.target.side(), selected(t, position.Selector{Groups: []string{"z*"}})
	if _, err := BuildRestore(t.Context(), in); !errors.Is(err, ErrNothing) {
		t.Errorf("nothing: %v", err)
	}
}

// TestRestoreStale: a group is given back as a whole, so that whatever came
// since the plan makes it stale.
func TestRestoreStale(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]at{
		"moved":                   {part("orders", 0): "6"},
		"a position elsewhere":    {part("payments", 0): "1"},
		"a position of the topic": {part("orders", 1): "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.commit(w.target, "app", at{part("orders", 0): "9"})
			s := w.save(w.target, "app")
			w.commit(w.target, "app", at{part("orders", 0): "5"})
			p := w.buildRestore(s, position.Selector{})
			w.commit(w.target, "app", change)
			want := w.positions(w.target, "app")
			if rep := w.apply(p, func(in *ApplyInput) { in.From = nil }); rep.Groups[0].Result != Stale {
				t.Errorf("report: %+v", rep)
			}
			if d := cmp.Diff(want, w.positions(w.target, "app")); d != "" {
				t.Errorf("changed (-want +got):\n%s", d)
			}
		})
	}
}

// TestRestoreElsewhere: the snapshot stands in place of what the groups have by
// now, when the plan is made and when it is applied.
func TestRestoreElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4 state", part("payments", 0): "10"})
	s := w.save(w.source, "app")
	w.commit(w.source, "app", at{part("orders", 0): "7"})
	w.join(w.source, "app")
	p, err := BuildRestoreElsewhere(t.Context(), s, w.input())
	if err != nil {
		t.Fatal(err)
	}
	p = throughFile(t, p)
	if p.Kind != Restore || p.Snapshot == nil || !p.AllApplicable() {
		t.Fatalf("plan: %+v", p.Groups)
	}
	rep := w.apply(p)
	if !rep.Complete() {
		t.Fatalf("report: %+v", rep)
	}
	if d := cmp.Diff(at{part("orders", 0): "7 state", part("payments", 0): "13"}, w.positions(w.target, "app")); d != "" {
		t.Errorf("app (-want +got):\n%s", d)
	}
	if v := w.verify(p); !v.Right() {
		t.Errorf("verify: %+v", v)
	}
	s.Groups[0].Positions[0].TopicID = topic.ID{1}
	p, err = BuildRestoreElsewhere(t.Context(), s, w.input())
	if err != nil || p.Groups[0].Reason != ReasonIncarnationKnown {
		t.Errorf("another life: %+v %v", p, err)
	}
	from := w.target.side()
	if _, err := BuildRestoreElsewhere(t.Context(), s, Input{From: &from, To: w.source.side()}); !errors.Is(err, ErrForeign) {
		t.Errorf("another cluster: %v", err)
	}
}

// TestRestoreElsewhereNeedsTheSnapshot: a plan whose snapshot is gone writes
// nothing.
func TestRestoreElsewhereNeedsTheSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	s := w.save(w.source, "app")
	p, err := BuildRestoreElsewhere(t.Context(), s, w.input())
	must(t, err)
	must(t, snapshot.Delete(t.Context(), w.bucket, s.ID))
	in := w.applyInput()
	in.To.Write = &refusesWrites{Committer: in.To.Write, t: t}
	if _, err := Apply(t.Context(), p, in); err == nil || !strings.Contains(err.Error(), s.ID) {
		t.Errorf("applied: %v", err)
	}
}

// TestRestoreKilledAnywhere lets the apply die at each step.
func TestRestoreKilledAnywhere(t *testing.T) {
	t.Parallel()
	killedAnywhere(t, func(t *testing.T) *scene {
		t.Helper()
		s := &scene{world: newWorld(t)}
		s.after = map[string]at{"app": {part("orders", 0): "9 old", part("payments", 0): "4"}, "gone": {part("orders", 0): "5"}, "later": nil}
		for name, ps := range s.after {
			if ps != nil {
				s.commit(s.target, name, ps)
			}
		}
		saved := s.save(s.target, "app", "gone", "later")
		must(t, s.target.Groups.DeleteGroup(t.Context(), "app"))
		must(t, s.target.Groups.DeleteGroup(t.Context(), "gone"))
		s.before = map[string]at{"app": {part("orders", 0): "2", part("orders", 1): "3"}, "gone": nil, "later": {part("orders", 0): "7 x"}}
		s.reset()
		s.plan = s.buildRestore(saved, position.Selector{})
		return s
	})
}
