package migration

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/topic"
)

func leaving(w *world) Input {
	in := w.input(&killtest.Killer{})
	in.LeavePositions = true
	return in
}

// TestAbortLeavesPositions: an abort that meets positions which somebody else
// has changed waits until it is told to leave them; everything else is taken back.
func TestAbortLeavesPositions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]int64{"put back": 5, "put ahead": 9} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create()
			w.advance()
			w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): change})
			out, err := Abort(t.Context(), "app", w.input(&killtest.Killer{}))
			if change > 7 {
				if !errors.Is(err, ErrInUse) || !strings.Contains(errorHint(err), "--leave-positions") {
					t.Fatalf("%v, hint %q", err, errorHint(err))
				}
				w.wantTarget(map[string]map[topic.Partition]int64{"orders-app": {part("orders", 0): 9, part("orders", 1): 15}, "payments-app": {part("payments", 0): 10}})
			} else {
				for range 2 { // and it stays there
					if err != nil || out.State.Step != Aborting || len(out.Waiting) != 1 || !strings.Contains(out.Waiting[0].Remedy, "--leave-positions") {
						t.Fatalf("%v %+v", err, out)
					}
					out, err = Abort(t.Context(), "app", w.input(&killtest.Killer{}))
				}
			}
			// Nobody may read there.
			leave := w.target.join("orders-app", "orders")
			out, err = Abort(t.Context(), "app", leaving(w))
			if err == nil && (out.State.Step != Aborting || out.Waiting[0].Kind != WaitTargetMembers) || err != nil && !errors.Is(err, group.ErrActive) {
				t.Fatalf("%v %+v", err, out)
			}
			leave()
			out, err = Abort(t.Context(), "app", leaving(w))
			if err != nil || out.State.Step != Aborted || !out.Done() {
				t.Fatalf("%v %+v", err, out)
			}
			want := []LeftPosition{
				{Cluster: "new", Group: "orders-app", Topic: "orders", Partition: 0, Offset: change, Put: 7, Before: -1},
				{Cluster: "new", Group: "orders-app", Topic: "orders", Partition: 1, Offset: 15, Put: 15, Before: -1},
			}
			if diff := cmp.Diff(want, out.State.Left); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			st, err := Load(t.Context(), w.bucket, "app")
			if err != nil || cmp.Diff(want, st.Left) != "" {
				t.Errorf("another process reads %+v, %v", st.Left, err)
			}
			w.wantTarget(map[string]map[topic.Partition]int64{"orders-app": {part("orders", 0): change, part("orders", 1): 15}, "payments-app": nil})
			w.wantSource(map[string]map[topic.Partition]int64{"orders-app": {part("orders", 0): 4, part("orders", 1): 10}, "payments-app": {part("payments", 0): 7}})
		})
	}
}

func errorHint(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint
	}
	return ""
}

// TestAbortAfterAFalseResume: what was taken for the first commit was not the
// application's; asked for by name, the migration ends, and nothing is moved on
// the source.
func TestAbortAfterAFalseResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance()
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 9})
	out := w.advance()
	if last := out.State.Steps[len(out.State.Steps)-1]; last.Step != Resumed || !strings.Contains(last.Detail, `nobody is in "orders-app" now`) {
		t.Fatalf("stands at %+v", last)
	}
	if _, err := Abort(t.Context(), "app", w.input(&killtest.Killer{})); !errors.Is(err, ErrInUse) {
		t.Fatal(err)
	}
	out, err := Abort(t.Context(), "app", leaving(w))
	if err != nil || out.State.Step != Aborted || len(out.State.Left) != 2 {
		t.Fatalf("%v %+v", err, out)
	}
	w.wantTarget(map[string]map[topic.Partition]int64{"orders-app": {part("orders", 0): 9, part("orders", 1): 15}, "payments-app": nil})
	w.wantSource(map[string]map[topic.Partition]int64{"orders-app": {part("orders", 0): 4, part("orders", 1): 10}, "payments-app": {part("payments", 0): 7}})
}

// TestLeavingKilledAnywhere lets an abort that leaves positions die at each of
// its steps.
func TestLeavingKilledAnywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance()
	saved := w.mem.Clone()
	want := map[string]map[topic.Partition]int64{"orders-app": {part("orders", 0): 9, part("orders", 1): 15}, "payments-app": nil}
	for n := 1; ; n++ {
		w.again()
		w.mem = saved.Clone()
		w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 9, part("orders", 1): 15})
		w.target.commit("payments-app", map[topic.Partition]int64{part("payments", 0): 10})
		k := &killtest.Killer{At: n, After: n%2 == 0}
		in := w.input(k)
		in.LeavePositions = true
		_, err := Abort(t.Context(), "app", in)
		if !k.Dead() {
			if n < 10 || err != nil {
				t.Fatalf("only %d steps: %v", n, err)
			}
			return
		}
		out, err := Abort(t.Context(), "app", leaving(w))
		if err != nil || out.State.Step != Aborted || len(out.State.Left) != 2 {
			t.Fatalf("killed at step %d (%s): %v %+v", n, k.Steps()[n-1], err, out)
		}
		w.wantTarget(want)
		if t.Failed() {
			t.Fatalf("killed at step %d (%s)", n, k.Steps()[n-1])
		}
	}
}

// TestGivingUpAWayBackThatWasWritten: the application was started on the source
// while the way back was being committed there, so that it never comes to its end.
func TestGivingUpAWayBackThatWasWritten(t *testing.T) {
	t.Parallel()
	for _, rolled := range []bool{true, false} {
		w := newWorld(t)
		w.acrossAndOn()
		// It dies once it has written the first group.
		var k *killtest.Killer
		for n := 1; ; n++ {
			saved := w.mem.Clone()
			k = &killtest.Killer{At: n, After: true}
			_, _ = FailBack(t.Context(), "app", w.input(k))
			if !k.Dead() {
				t.Fatal("it never wrote")
			}
			if w.source.positions("orders-app")[part("orders", 0)] == 7 {
				break
			}
			w.restore(saved)
		}
		in := w.input(&killtest.Killer{})
		if !rolled {
			w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 8})
			out, err := FailBack(t.Context(), "app", in)
			if err != nil || out.State.Step != FailingBack || len(out.Waiting) == 0 {
				t.Fatalf("%v %+v", err, out)
			}
			if _, err := Stay(t.Context(), "app", in); !errors.Is(err, ErrInUse) || !strings.Contains(errorHint(err), "--leave-positions") {
				t.Fatalf("%v, hint %q", err, errorHint(err))
			}
			in.LeavePositions = true
		}
		out, err := Stay(t.Context(), "app", in)
		if err != nil || out.State.Step != Moved {
			t.Fatalf("%v %+v", err, out)
		}
		want := map[string]map[topic.Partition]int64{"orders-app": {part("orders", 0): 4, part("orders", 1): 10}, "payments-app": {part("payments", 0): 7}}
		if !rolled {
			want["orders-app"][part("orders", 0)] = 8
			left := []LeftPosition{{Cluster: "old", Group: "orders-app", Topic: "orders", Partition: 0, Offset: 8, Put: 7, Before: 4}}
			if diff := cmp.Diff(left, out.State.Left); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		}
		w.wantSource(want)
		for range 2 {
			out = w.advance()
		}
		if out.State.Step != Across {
			t.Fatalf("rolled back %t: stands at %s and waits for %+v", rolled, out.State.Step, out.Waiting)
		}
		w.wantSource(want)
		if !rolled {
			continue
		}
		// And back after all, by a plan of its own.
		w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 11})
		if out, err = FailBack(t.Context(), "app", w.input(&killtest.Killer{})); err != nil || out.State.Step != FailedBack || len(out.State.Returns) > 0 {
			t.Fatalf("%v %+v", err, out)
		}
		want["orders-app"][part("orders", 0)], want["payments-app"][part("payments", 0)] = 8, 8
		w.wantSource(want)
	}
}

// TestGivingUpAWayBackFromAnAbort: it goes back to where it came from.
func TestGivingUpAWayBackFromAnAbort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance()
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 5})
	if out, err := Abort(t.Context(), "app", w.input(&killtest.Killer{})); err != nil || out.State.Step != Aborting {
		t.Fatal(out, err)
	}
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 9})
	leave := w.target.join("orders-app", "orders")
	if out, err := FailBack(t.Context(), "app", w.input(&killtest.Killer{})); err != nil || out.State.Step != FailingBack {
		t.Fatal(out, err)
	}
	leave()
	out, err := Stay(t.Context(), "app", w.input(&killtest.Killer{}))
	if err != nil || out.State.Step != Aborting {
		t.Fatal(out, err)
	}
	out, err = Abort(t.Context(), "app", leaving(w))
	if err != nil || out.State.Step != Aborted {
		t.Fatal(out, err)
	}
}

// TestTheWayBackIsPlannedAnew: a plan of the way back that turns out to be stale
// is made once more.
func TestTheWayBackIsPlannedAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.acrossAndOn()
	in := w.input(&killtest.Killer{})
	asked := 0
	in.Confirm = func(context.Context, *plan.Plan) error {
		if asked++; asked == 1 {
			w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 11})
		}
		return nil
	}
	out, err := FailBack(t.Context(), "app", in)
	if err != nil || out.State.Step != FailedBack || asked != 2 || len(out.State.Returns) != 1 {
		t.Fatalf("asked %d times: %v %+v", asked, err, out)
	}
	w.wantSource(map[string]map[topic.Partition]int64{"orders-app": {part("orders", 0): 8, part("orders", 1): 10}})
}

// TestLookingAtTheWayBack: the plan that is only looked at is refused for what
// the real one is refused for.
func TestLookingAtTheWayBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.acrossAndOn()
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 5})
	in := w.input(&killtest.Killer{})
	p, out, err := LookBack(t.Context(), "app", in)
	if err != nil || p != nil || len(out.Waiting) != 1 || out.Waiting[0].Kind != WaitPlan {
		t.Fatalf("%v %+v", err, out)
	}
	in.Accept = []string{"repeats"}
	if p, out, err = LookBack(t.Context(), "app", in); err != nil || p == nil || !out.Done() {
		t.Fatalf("%v %+v", err, out)
	}
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 10})
	if p, out, err = LookBack(t.Context(), "app", w.input(&killtest.Killer{})); err != nil || p == nil || !out.Done() {
		t.Fatalf("%v %+v", err, out)
	}
}
