package plan

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

type at = map[topic.Partition]string

// usual is a source group with metadata and a lag, and a target group that has
// one old position, one that the source has not, and lacks one.
func (w *world) usual() (before, after at) {
	w.commit(w.source, "app", at{part("orders", 0): "4 state\xff!", part("payments", 0): "10"})
	before = at{part("orders", 0): "2 old", part("orders", 1): "3"}
	w.commit(w.target, "app", before)
	return before, at{part("orders", 0): "7 state\xff!", part("payments", 0): "13"}
}

func TestPlanApplyVerifyRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, after := w.usual()
	p := w.build()
	g := p.Group("app")
	if g == nil || g.Verdict != VerdictApply {
		t.Fatalf("group: %+v", g)
	}
	want := map[topic.Partition]Action{part("orders", 0): Change, part("orders", 1): Delete, part("payments", 0): New}
	got := map[topic.Partition]Action{}
	for i := range g.Positions {
		got[g.Positions[i].Target()] = g.Positions[i].Action
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("actions (-want +got):\n%s", d)
	}
	if o := g.Positions[0].Outcome; o != translate.Exact {
		t.Errorf("outcome of %s is %s: %s", g.Positions[0].Target(), o, g.Positions[0].Detail)
	}
	if !p.AllApplicable() {
		t.Error("the plan is not all applicable")
	}
	p = throughFile(t, p)

	rep := w.apply(p)
	if d := cmp.Diff(after, w.positions(w.target, "app")); d != "" {
		t.Errorf("after apply (-want +got):\n%s", d)
	}
	if !rep.Complete() || rep.Groups[0].Set != 2 || rep.Groups[0].Deleted != 1 || rep.Snapshot == "" {
		t.Errorf("report: %+v", rep)
	}
	if v := w.verify(p); !v.Right() || v.Counts[AsWritten] != 3 || v.Proofs[ProofHolds] == 0 {
		t.Errorf("verify: %+v", v)
	}

	again := w.apply(p)
	if !again.AlreadyApplied || !again.Complete() || again.Groups[0].Result != AlreadyApplied || again.Run != rep.Run {
		t.Errorf("second apply: %+v", again)
	}

	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, w.positions(w.target, "app")); d != "" {
		t.Errorf("after rollback (-want +got):\n%s", d)
	}
	if !back.Complete() || back.Groups[0].Result != RolledBack {
		t.Errorf("rollback: %+v", back)
	}
	if _, err := Apply(t.Context(), p, w.applyInput()); !errors.Is(err, ErrRun) {
		t.Errorf("apply after rollback: %v", err)
	}
	if v := w.verify(p); v.Right() || v.Counts[NotApplied] == 0 {
		t.Errorf("verify after rollback: %+v", v.Counts)
	}

	// A rollback is a run, and can itself be taken back.
	if _, err := Rollback(t.Context(), back.Run, w.rollbackInput()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(after, w.positions(w.target, "app")); d != "" {
		t.Errorf("after the rollback of the rollback (-want +got):\n%s", d)
	}
}

func throughFile(t *testing.T, p *Plan) *Plan {
	t.Helper()
	var file bytes.Buffer
	if err := Write(&file, p); err != nil {
		t.Fatal(err)
	}
	out, err := Read(bytes.NewReader(file.Bytes()), "plan.json")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, out, cmpopts.IgnoreUnexported(Plan{})); d != "" {
		t.Errorf("the file is not the plan (-want +got):\n%s", d)
	}
	return out
}

func TestRollbackDeletesGroupsThatDidNotExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4", part("orders", 1): "5"})
	p := w.build()
	rep := w.apply(p)
	if got := w.positions(w.target, "app"); len(got) != 2 {
		t.Fatalf("after apply: %v", got)
	}
	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil || !back.Complete() || !back.Groups[0].DeletedGroup {
		t.Fatalf("rollback: %+v %v", back, err)
	}
	if got := w.positions(w.target, "app"); got != nil {
		t.Errorf("after rollback the group exists: %v", got)
	}
}
