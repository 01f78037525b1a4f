package migration

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

func waitKinds(ws []Wait) []WaitKind {
	var out []WaitKind
	for i := range ws {
		out = append(out, ws[i].Kind)
	}
	return out
}

// TestAPositionIsGoneAfterTheMove: it is told apart from one that is wrong, in
// what advance and show say, and goes on once it is back.
func TestAPositionIsGoneAfterTheMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance()
	w.target.commit("payments-app", map[topic.Partition]int64{part("payments", 0): 11})
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 9})
	w.target.forget("orders-app", part("orders", 1))
	for range 2 {
		out := w.advance()
		if out.State.Step != Resumed || !slices.Equal(waitKinds(out.Waiting), []WaitKind{WaitGone}) {
			t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
		}
		if !strings.Contains(out.Waiting[0].Detail, "orders-app,orders,1,15") || !strings.Contains(out.Waiting[0].Remedy, "offset apply") {
			t.Errorf("it says %+v", out.Waiting[0])
		}
		s, err := Look(t.Context(), "app", w.input(&killtest.Killer{}))
		if err != nil || !slices.Equal(waitKinds(s.Waiting), []WaitKind{WaitGone}) {
			t.Fatalf("%v %+v", err, s.Waiting)
		}
	}
	// Put back in time, it ends what was waited for.
	back := false
	out := w.advance(func(in *Input) {
		in.Wait, in.Limit = true, time.Minute
		in.Sleep = func(context.Context, time.Duration) error {
			if !back {
				back = true
				w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 1): 15})
			}
			return nil
		}
	})
	if out.State.Step != Across || !back {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
}

// TestAPutBackPositionIsWorse: it is not what comes by itself.
func TestAPutBackPositionIsWorse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance()
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 5})
	w.target.forget("payments-app")
	out := w.advance()
	if out.State.Step != Moved || !slices.Equal(waitKinds(out.Waiting), []WaitKind{WaitVerify, WaitGone}) {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
	s, err := Look(t.Context(), "app", w.input(&killtest.Killer{}))
	if err != nil || !slices.Equal(waitKinds(s.Waiting), []WaitKind{WaitVerify, WaitGone}) {
		t.Fatalf("%v %+v", err, s.Waiting)
	}
}

// TestATopicIsGoneAfterTheMove: nobody can have a position there.
func TestATopicIsGoneAfterTheMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance()
	w.target.forget("payments-app")
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.target.Fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).DeleteTopic(t.Context(), "payments"); err != nil {
		t.Fatal(err)
	}
	out := w.advance()
	if !slices.Equal(waitKinds(out.Waiting), []WaitKind{WaitFirstCommit, WaitFirstCommit}) {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
}

// movedBesideMirrorMaker has the ledger application moved, while MirrorMaker 2
// writes checkpoints; it was put at 14.
func movedBesideMirrorMaker(t *testing.T) (w *world, checkpoint func(target int64)) {
	t.Helper()
	w = newWorld(t)
	w.mirrored()
	c := &Checkup{
		Spec:   api.Migration{Name: "app", From: "old", To: "new", Groups: []string{ledgerApp}, Mover: api.MoverMirrorMaker2},
		Groups: []Pair{{ledgerApp, ledgerApp}},
	}
	if _, err := Create(t.Context(), w.input(&killtest.Killer{}), c); err != nil {
		t.Fatal(err)
	}
	out := w.advance()
	if at := w.target.positions(ledgerApp); out.State.Step != Moved || at[part("old.ledger", 0)] != 14 {
		t.Fatalf("stands at %s, put at %v, waits for %+v", out.State.Step, at, out.Waiting)
	}
	return w, func(target int64) {
		k, v := mover.Checkpoint{Group: ledgerApp, Target: part("old.ledger", 0), SourceOffset: 12, TargetOffset: target}.Encode()
		w.target.Produce(&kgo.Record{Topic: "old.checkpoints.internal", Key: k, Value: v})
	}
}

// TestGroupSyncIsNoFirstCommit: what MirrorMaker 2 puts ahead into an empty
// group is not taken for the application's first commit.
func TestGroupSyncIsNoFirstCommit(t *testing.T) {
	t.Parallel()
	w, checkpoint := movedBesideMirrorMaker(t)
	checkpoint(16)
	w.target.commit(ledgerApp, map[topic.Partition]int64{part("old.ledger", 0): 16})
	for range 2 {
		out := w.advance()
		if out.State.Step != Moved || !slices.Equal(waitKinds(out.Waiting), []WaitKind{WaitVerify}) || !strings.Contains(out.Waiting[0].Detail, "checkpoint of MirrorMaker 2") {
			t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
		}
		checkpoint(17) // an earlier one is one as well
	}
	// It is no reason to refuse an abort, which leaves it alone.
	out, err := Abort(t.Context(), "app", w.input(&killtest.Killer{}))
	if err != nil || out.State.Step != Aborting {
		t.Fatalf("%v %+v", err, out)
	}
	if out, err = Abort(t.Context(), "app", leaving(w)); err != nil || out.State.Step != Aborted || len(out.State.Left) != 1 {
		t.Fatalf("%v %+v", err, out)
	}
}

// TestACommitBesideGroupSync: another position than a checkpoint's, or one of a
// group with members, is a commit.
func TestACommitBesideGroupSync(t *testing.T) {
	t.Parallel()
	for _, joined := range []bool{false, true} {
		w, checkpoint := movedBesideMirrorMaker(t)
		checkpoint(16)
		at := int64(15)
		if joined {
			at = 16
		}
		w.target.commit(ledgerApp, map[topic.Partition]int64{part("old.ledger", 0): at})
		if joined {
			w.target.join(ledgerApp, "old.ledger")
		}
		out := w.advance()
		if out.State.Step != Across {
			t.Fatalf("joined %t: stands at %s and waits for %+v", joined, out.State.Step, out.Waiting)
		}
		for _, s := range out.State.Steps {
			if said := strings.Contains(s.Detail, "nobody is in"); said != (!joined && s.Step.Reached(Resumed)) {
				t.Errorf("joined %t: step %s says %q", joined, s.Step, s.Detail)
			}
		}
	}
}

// TestWaitingBeforeTheStart: an application that is on both sides when the event
// of its start is to be called once more is waited for, with --wait; each policy
// of the event does as it says.
func TestWaitingBeforeTheStart(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"", api.OnFailureContinue} {
		t.Run("onFailure="+policy, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			calls, failing := 0, true
			in := w.input(&killtest.Killer{})
			in.Notify = notifier(func(api.Event, []byte) error {
				if calls++; failing {
					return errors.New("not now")
				}
				return nil
			})
			c := checked()
			c.Spec.Events = []api.Event{{On: []string{string(Moved)}, Command: []string{"start"}, OnFailure: policy}}
			if _, err := Create(t.Context(), in, c); err != nil {
				t.Fatal(err)
			}
			in.Wait, in.Limit = true, time.Hour
			in.Until = Moved
			out, err := Advance(t.Context(), "app", in)
			if policy == api.OnFailureContinue {
				if err != nil || calls != 1 || out.State.Step != Moved || out.State.Events[0].State != eventPassed {
					t.Fatalf("%v, called %d times, %+v", err, calls, out.State.Events)
				}
				return
			}
			if !errors.Is(err, ErrEvent) || calls != 1 {
				t.Fatalf("%v, called %d times", err, calls)
			}
			// Somebody has started it on both sides by hand.
			w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 9})
			leave := w.source.join("orders-app", "orders")
			failing = false
			slept := 0
			in.Sleep = func(context.Context, time.Duration) error {
				if slept++; slept == 3 {
					leave()
				}
				if calls > 1 && slept <= 3 {
					t.Error("called while the application is on both sides")
				}
				return nil
			}
			out, err = Advance(t.Context(), "app", in)
			if err != nil || out.State.Step != Moved || slept < 3 || calls != 2 || !out.Done() {
				t.Fatalf("%v, slept %d times, called %d times: %s waits for %+v", err, slept, calls, out.State.Step, out.Waiting)
			}
		})
	}
}
