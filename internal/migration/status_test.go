package migration

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/plan"
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

// TestLookWithoutSource: what the journal and the target say is there without
// the source, and nothing counts as ready that nobody has seen.
func TestLookWithoutSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance(func(in *Input) { in.Until = Moved })
	in := w.input(&killtest.Killer{})
	in.From = plan.Side{}
	s, err := Look(t.Context(), "app", in)
	if !errors.Is(err, ErrUnseen) || s == nil {
		t.Fatal(s, err)
	}
	if len(s.Unseen) != 1 || s.Unseen[0].Side != "source" || s.Unseen[0].Cluster != "old" {
		t.Errorf("unseen: %+v", s.Unseen)
	}
	orders := s.Groups[0]
	if orders.SourceState != "" || orders.TargetState != group.Empty || orders.WaitsFor != string(WaitFirstCommit) {
		t.Errorf("%+v", orders)
	}
	if diff := cmp.Diff([]TopicStatus{{Source: "orders", Target: "orders", Partitions: 2, SourceLag: -1, TargetLag: 6}}, orders.Topics); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}

	in = w.input(&killtest.Killer{})
	in.To = plan.Side{}
	in.From.Read = failing{}
	s, err = Look(t.Context(), "app", in)
	if !errors.Is(err, errBroken) || len(s.Unseen) != 2 || s.Groups[0].Ready || s.Groups[0].WaitsFor != unseenWord {
		t.Errorf("%+v %v", s, err)
	}

	s, err = LookOffline(t.Context(), "app", Input{Bucket: w.bucket})
	if err != nil || s.State.Step != Moved || len(s.Groups) != 2 || s.Groups[0].Ready {
		t.Errorf("%+v %v", s, err)
	}
	in = w.input(&killtest.Killer{})
	in.From = in.To
	if _, err := Look(t.Context(), "app", in); !errors.Is(err, ErrForeign) {
		t.Error(err)
	}
}

var errBroken = errors.New("broken")

// failing is a cluster that has gone away.
type failing struct{}

func (failing) Read(context.Context, []string) (map[string]group.Reading, error) {
	return nil, errBroken
}

// TestMayReach: waiting ends when a step cannot come any more, and not before.
func TestMayReach(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at, goal Step
		passed   bool
		may      bool
	}{
		{"", Moved, false, true},
		{Checked, Moved, false, true},
		{Moved, Moved, true, true},
		{Across, Moved, true, true},
		{Across, Aborted, false, false},
		{Resumed, Aborted, false, false},
		{Moved, Aborted, false, true},
		{Aborting, Aborted, false, true},
		{Aborted, Aborting, true, false},
		{Aborted, Across, false, false},
		{Across, FailedBack, false, true},
		{Aborted, FailedBack, false, false},
		{FailingBack, Across, false, false},
		{FailingBack, FailedBack, false, true},
		{FailedBack, FailingBack, true, false},
	} {
		s := &State{Step: tc.at, Ended: tc.at.Ended()}
		if got := s.passed(tc.goal); got != tc.passed {
			t.Errorf("at %q, passed(%s) is %v", tc.at, tc.goal, got)
		}
		if got := s.mayReach(tc.goal); !tc.passed && got != tc.may {
			t.Errorf("at %q, mayReach(%s) is %v", tc.at, tc.goal, got)
		}
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
