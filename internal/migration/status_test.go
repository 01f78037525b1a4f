package migration

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/topic"
)

func (w *world) look() *Status {
	w.t.Helper()
	s, err := Look(w.t.Context(), "app", w.input(&killtest.Killer{}))
	if err != nil {
		w.t.Fatalf("looking: %v", err)
	}
	return s
}

func TestLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(part("orders", 0), 10, 16)
	w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 14})
	leave := w.source.join("payments-app", "payments")
	w.create()
	w.advance()
	s := w.look()
	if s.State.Step != Stopping || s.Holder != nil || len(s.Groups) != 2 {
		t.Fatalf("%+v", s)
	}
	orders, payments := s.Groups[0], s.Groups[1]
	if diff := cmp.Diff([]TopicStatus{{Source: "orders", Target: "orders", Partitions: 2, SourceLag: 2, TargetLag: -1, Held: 1, Missing: 4}}, orders.Topics); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	if !orders.Ready || payments.Ready || payments.WaitsFor != string(WaitMembers) || len(payments.Members) != 1 || payments.Members[0].ClientID != "reader" {
		t.Errorf("%+v\n%+v", orders, payments)
	}

	leave()
	w.advance()
	s = w.look()
	if s.State.Step != Stopped || s.Groups[0].WaitsFor != string(WaitCopy) || !s.Groups[1].Ready {
		t.Errorf("stands at %s: %+v", s.State.Step, s.Groups)
	}

	w.copy(part("orders", 0), 10, 16)
	w.advance()
	s = w.look()
	if s.State.Step != Moved || s.Groups[0].WaitsFor != string(WaitFirstCommit) {
		t.Errorf("stands at %s: %+v", s.State.Step, s.Groups)
	}
	if diff := cmp.Diff([]TopicStatus{{Source: "orders", Target: "orders", Partitions: 2, SourceLag: 2, TargetLag: 2}}, s.Groups[0].Topics); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
}

func TestWaitFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	in := w.input(&killtest.Killer{})
	if _, err := WaitFor(t.Context(), "app", Moved, 5*time.Millisecond, time.Millisecond, in); !errors.Is(err, ErrTimeout) {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.advance()
	}()
	if st, err := WaitFor(t.Context(), "app", Moved, 0, time.Millisecond, in); err != nil || !st.Step.Reached(Moved) {
		t.Fatal(st, err)
	}
	<-done
	if _, err := Abort(t.Context(), "app", in); err != nil {
		t.Fatal(err)
	}
	if _, err := WaitFor(t.Context(), "app", Across, 0, time.Millisecond, in); !errors.Is(err, ErrEnded) {
		t.Fatal(err)
	}
}
