package migration

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/topic"
)

var wanted = map[string]map[topic.Partition]int64{
	"orders-app":   {part("orders", 0): 7, part("orders", 1): 15},
	"payments-app": {part("payments", 0): 10},
}

func (w *world) wantTarget(want map[string]map[topic.Partition]int64) {
	w.t.Helper()
	got := map[string]map[topic.Partition]int64{}
	for name := range want {
		got[name] = w.target.positions(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("positions on the target (-want +got):\n%s", diff)
	}
}

func TestAcross(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	out := w.advance()
	if out.State.Step != Moved || len(out.Waiting) != 2 || out.Waiting[0].Kind != WaitFirstCommit {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
	w.wantTarget(wanted)
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 8})
	if out = w.advance(); out.State.Step != Resumed || len(out.Waiting) != 1 {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
	w.target.commit("payments-app", map[topic.Partition]int64{part("payments", 0): 13})
	if out = w.advance(); out.State.Step != Across || len(out.Waiting) != 0 {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
	var steps []Step
	for _, s := range out.State.Steps {
		steps = append(steps, s.Step)
	}
	if diff := cmp.Diff(Steps(), steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// TestTheLimitEndsAWaitForTheCopy: a limit is one for all that is waited for.
func TestTheLimitEndsAWaitForTheCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(part("orders", 0), 10, 16)
	w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 14})
	w.create()
	out := w.advance(func(in *Input) { in.Wait, in.Limit = true, 30*time.Millisecond })
	if !out.TimedOut || out.State.Step != Stopped || len(out.Waiting) != 1 || out.Waiting[0].Kind != WaitCopy {
		t.Fatalf("stands at %s and waits for %+v, timed out %t", out.State.Step, out.Waiting, out.TimedOut)
	}
}
