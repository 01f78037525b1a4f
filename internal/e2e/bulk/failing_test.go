package bulk_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
)

// TestOnPastFailingGroups moves 2,000 groups in one plan, some of which are in
// use by now and some of which have moved: the others arrive, those stay where
// they are, and the same plan goes on where it was stopped. Rolling back leaves
// nothing.
func TestOnPastFailingGroups(t *testing.T) {
	t.Parallel()
	const n, partitions = 2000, 20
	w := enter(t, partitions)
	all := names("app", n)
	if err := w.commit(t.Context(), all, 1, parallel); err != nil {
		t.Fatal(err)
	}
	p := w.plan(t, all, 7)
	moved, busy := all[17], all[1234]
	if err := w.bare(t.Context(), []string{moved}, 3, 1); err != nil {
		t.Fatal(err)
	}
	leave := w.join(t, busy)
	stop := make(chan struct{})
	done := 0
	first, err := w.apply(t.Context(), p, func(in *plan.ApplyInput) {
		in.Stop = stop
		in.Progress = func(e plan.Event) {
			if e.Stage == "committing" {
				if done++; done == n/4 {
					close(stop)
				}
			}
		}
	})
	if err == nil || first.Count(plan.NotTried) == 0 || first.Count(plan.Applied) < n/8 {
		t.Fatalf("stopped after a quarter: %v, %d applied, %d not tried", err, first.Count(plan.Applied), first.Count(plan.NotTried))
	}
	rep, err := w.apply(t.Context(), p)
	if err != nil || rep.Run != first.Run || rep.Complete() {
		t.Fatalf("going on: %v, run %s after %s", err, rep.Run, first.Run)
	}
	if got := rep.Count(plan.Applied) + rep.Count(plan.AlreadyApplied); got != n-2 {
		t.Errorf("%d of %d groups arrived", got, n)
	}
	for i := range rep.Groups {
		g := &rep.Groups[i]
		switch {
		case g.Name == moved && g.Result == plan.Stale, g.Name == busy && g.Result == plan.Refused:
		case g.Result == plan.Applied, g.Result == plan.AlreadyApplied:
		default:
			t.Errorf("%s: %s %s", g.Name, g.Result, g.Detail)
		}
	}
	leave()
	want := func(word string, of func(string) int64) {
		t.Helper()
		for name, at := range w.where(t, all) {
			if at[of(name)] != partitions {
				t.Errorf("%s: %s stands at %v", word, name, at)
			}
		}
	}
	stays := map[string]int64{moved: 3, busy: 1}
	want("applied", func(name string) int64 {
		if at, ok := stays[name]; ok {
			return at
		}
		return 7
	})
	back, err := plan.Rollback(t.Context(), rep.Run, plan.RollbackInput{To: w.side(), Bucket: w.bucket, Parallel: parallel, Tool: "bulk", Command: "bulk"})
	if err != nil || !back.Complete() {
		t.Fatalf("rollback: %v, %d rolled back", err, back.Count(plan.RolledBack))
	}
	want("rolled back", func(name string) int64 {
		if name == moved {
			return 3
		}
		return 1
	})
}

// join has a member in a group, which commits nothing, until the returned
// function is called.
func (w *world) join(t *testing.T, name string) (leave func()) {
	t.Helper()
	app := w.k.Client(t, kgo.ConsumerGroup(name), kgo.ConsumeTopics(w.topic), kgo.DisableAutoCommit())
	w.await(t, name, group.Stable)
	return func() {
		app.Close()
		w.await(t, name, group.Empty)
	}
}

func (w *world) await(t *testing.T, name string, state group.State) {
	t.Helper()
	kafkatest.Eventually(t, fmt.Sprintf("group %s is %s", name, state), func() (bool, string) {
		got, err := w.groups.Read(t.Context(), []string{name})
		if err != nil {
			return false, err.Error()
		}
		return got[name].Group.State == state, string(got[name].Group.State)
	})
}
