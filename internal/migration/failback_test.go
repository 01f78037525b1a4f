package migration

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

// acrossAndOn takes both groups across, and has them read on there: of orders/0
// three copies and two records of the target's own.
func (w *world) acrossAndOn() {
	w.t.Helper()
	w.create()
	w.advance()
	w.target.Produce(
		&kgo.Record{Topic: "orders", Partition: 0, Value: []byte("own-1")},
		&kgo.Record{Topic: "orders", Partition: 0, Value: []byte("own-2")},
	)
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 10})
	w.target.commit("payments-app", map[topic.Partition]int64{part("payments", 0): 11})
	if out := w.advance(); out.State.Step != Across {
		w.t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
}

var wantedBack = map[string]map[topic.Partition]int64{
	"orders-app":   {part("orders", 0): 7, part("orders", 1): 10},
	"payments-app": {part("payments", 0): 8},
}

func (w *world) wantSource(want map[string]map[topic.Partition]int64) {
	w.t.Helper()
	got := map[string]map[topic.Partition]int64{}
	for name := range want {
		got[name] = w.source.positions(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("positions on the source (-want +got):\n%s", diff)
	}
}

func TestFailBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.acrossAndOn()
	leave := w.target.join("orders-app", "orders")
	out, err := FailBack(t.Context(), "app", w.input(&killtest.Killer{}))
	if err != nil || out.State.Step != FailingBack || len(out.Waiting) != 1 || out.Waiting[0].Kind != WaitTargetMembers {
		t.Fatal(out, err)
	}
	leave()
	out, err = FailBack(t.Context(), "app", w.input(&killtest.Killer{}))
	if err != nil || out.State.Step != FailedBack || !out.Done() {
		t.Fatalf("%+v %v", out, err)
	}
	w.wantSource(wantedBack)
	own := 0
	for i := range out.Plan.Groups {
		for _, p := range out.Plan.Groups[i].Positions {
			if p.OnlyThere != nil {
				own += int(p.OnlyThere.Read.Count + p.OnlyThere.Unread.Count)
			}
		}
	}
	if last := out.State.Steps[len(out.State.Steps)-1]; !strings.Contains(last.Detail, "2 records stand only on new") {
		t.Errorf("what has no place on the source is not said: %s", last.Detail)
	}
	if own != 2 {
		t.Errorf("%d records have no place on the source, want 2", own)
	}
	if _, err := Advance(t.Context(), "app", w.input(&killtest.Killer{})); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
	// The name is free again.
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 10})
	w.create()
}

func TestFailBackBeforeTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance(func(in *Input) { in.Until = Verified })
	if _, err := FailBack(t.Context(), "app", w.input(&killtest.Killer{})); err == nil {
		t.Fatal("it was not refused")
	}
}

// restore brings the source and the state back to where both groups were across.
func (w *world) restore(saved *memstore.Store) {
	w.t.Helper()
	w.mem = saved.Clone()
	w.bucket = store.New(w.mem, "mem://state", nil)
	w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 4, part("orders", 1): 10})
	w.source.commit("payments-app", map[topic.Partition]int64{part("payments", 0): 7})
}

// TestFailBackKilledAnywhere lets the way back die at each of its steps.
func TestFailBackKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%t", after), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.acrossAndOn()
			saved := w.mem.Clone()
			for n := 1; ; n++ {
				w.restore(saved)
				k := &killtest.Killer{At: n, After: after}
				_, err := FailBack(t.Context(), "app", w.input(k))
				if !k.Dead() {
					if n < 15 || err != nil {
						t.Fatalf("only %d steps: %v", n, err)
					}
					return
				}
				out, err := FailBack(t.Context(), "app", w.input(&killtest.Killer{}))
				if err != nil || out.State.Step != FailedBack {
					t.Fatalf("killed at step %d (%s): %v, %+v", n, k.Steps()[n-1], err, out)
				}
				w.wantSource(wantedBack)
				if t.Failed() {
					t.Fatalf("killed at step %d (%s)", n, k.Steps()[n-1])
				}
			}
		})
	}
}

// TestPutBackOnTheTarget: a group that something has put back there, as
// MirrorMaker 2's group sync does when it is empty, has read more than its
// position says.
func TestPutBackOnTheTarget(t *testing.T) {
	t.Parallel()
	for name, offset := range map[string]int64{"before the move": 5, "after it": 8} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.acrossAndOn()
			leave := w.target.join("orders-app", "orders")
			out, err := FailBack(t.Context(), "app", w.input(&killtest.Killer{}))
			if err != nil || len(out.Waiting) != 1 || out.Waiting[0].Kind != WaitTargetMembers {
				t.Fatal(out, err)
			}
			leave()
			w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): offset})
			before := w.source.positions("orders-app")
			out, err = FailBack(t.Context(), "app", w.input(&killtest.Killer{}))
			if err != nil || len(out.Waiting) != 1 || out.Waiting[0].Kind != WaitPlan || out.Waiting[0].Group != "orders-app" {
				t.Fatalf("%+v %v", out, err)
			}
			if diff := cmp.Diff(before, w.source.positions("orders-app")); diff != "" {
				t.Errorf("positions on the source (-want +got):\n%s", diff)
			}
			w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 10})
			out, err = FailBack(t.Context(), "app", w.input(&killtest.Killer{}))
			if err != nil || out.State.Step != FailedBack {
				t.Fatalf("%+v %v", out, err)
			}
			w.wantSource(wantedBack)
		})
	}
}

// TestStay gives up a way back that has not written anything.
func TestStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.acrossAndOn()
	if _, err := Stay(t.Context(), "app", w.input(&killtest.Killer{})); !errors.Is(err, ErrEnded) {
		t.Fatal(err)
	}
	leave := w.target.join("orders-app", "orders")
	if out, err := FailBack(t.Context(), "app", w.input(&killtest.Killer{})); err != nil || out.State.Step != FailingBack {
		t.Fatal(out, err)
	}
	leave()
	before, there := w.source.positions("orders-app"), w.target.positions("orders-app")
	if out, err := Stay(t.Context(), "app", w.input(&killtest.Killer{})); err != nil || out.State.Step != Moved {
		t.Fatal(out, err)
	}
	if out := w.advance(); out.State.Step != Across {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
	if diff := cmp.Diff(before, w.source.positions("orders-app")) + cmp.Diff(there, w.target.positions("orders-app")); diff != "" {
		t.Errorf("positions have changed (-want +got):\n%s", diff)
	}
	// And back after all.
	if out, err := FailBack(t.Context(), "app", w.input(&killtest.Killer{})); err != nil || out.State.Step != FailedBack {
		t.Fatal(out, err)
	}
	if _, err := Stay(t.Context(), "app", w.input(&killtest.Killer{})); !errors.Is(err, ErrEnded) {
		t.Fatal(err)
	}
}
