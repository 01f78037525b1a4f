package migration

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/topic"
)

// TestForgottenOnTheSource has the source forget positions at each step: before
// they are moved nobody is told to start without them, and once they are moved
// they stay where they are.
func TestForgottenOnTheSource(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{true, false} {
		for _, at := range []Step{Stopped, Copied, Planned, Applied, Verified, Moved} {
			t.Run(string(at), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.create()
				w.advance(func(in *Input) { in.Until = at })
				if all {
					w.source.forget("orders-app")
				} else {
					w.source.forget("orders-app", part("orders", 0))
				}
				for range 2 {
					out := w.advance()
					if at.Reached(Applied) {
						if out.State.Step != Moved || len(out.State.Returns) != 0 {
							t.Fatalf("stands at %s after %+v", out.State.Step, out.State.Returns)
						}
						w.wantTarget(wanted)
						continue
					}
					if out.State.Step.Reached(Applied) || len(out.Waiting) != 1 || out.Waiting[0].Kind != WaitPlan {
						t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
					}
					w.wantTarget(map[string]map[topic.Partition]int64{"orders-app": nil, "payments-app": nil})
				}
				// Put back, or gone for good, it goes on.
				w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 4, part("orders", 1): 10})
				if out := w.advance(); out.State.Step != Moved {
					t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
				}
				w.wantTarget(wanted)
			})
		}
	}
}

// TestForgottenWhileStoppingAgain has the application go on at one partition
// while the source forgets another one.
func TestForgottenWhileStoppingAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance(func(in *Input) { in.Until = Planned })
	w.source.commit("payments-app", map[topic.Partition]int64{part("payments", 0): 8})
	w.source.forget("orders-app", part("orders", 0))
	out := w.advance()
	if out.State.Step != Stopping || len(out.Waiting) != 1 || out.Waiting[0].Kind != WaitPlan {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
	w.wantTarget(map[string]map[topic.Partition]int64{"orders-app": nil, "payments-app": nil})
}

// forget takes positions away as a broker does, all of them with the group.
func (n *node) forget(name string, ps ...topic.Partition) {
	n.t.Helper()
	if len(ps) == 0 {
		if err := n.Groups.DeleteGroup(context.Background(), name); err != nil {
			n.t.Fatal(err)
		}
		return
	}
	if _, err := n.Groups.DeleteOffsets(context.Background(), name, ps); err != nil {
		n.t.Fatal(err)
	}
}

func TestEveryStepHasItsEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var got []Step
	notify := func(in *Input) {
		in.Notify = notifier(func(_ api.Event, body []byte) error {
			var b EventBody
			if err := json.Unmarshal(body, &b); err != nil {
				return err
			}
			got = append(got, b.Step)
			return nil
		})
	}
	c := checked()
	c.Spec.Events = []api.Event{{On: []string{"*"}, Command: []string{"x"}}}
	in := w.input(&killtest.Killer{})
	notify(&in)
	if _, err := Create(t.Context(), in, c); err != nil {
		t.Fatal(err)
	}
	w.advance(notify)
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 9})
	w.target.commit("payments-app", map[topic.Partition]int64{part("payments", 0): 11})
	w.advance(notify)
	if !slices.Equal(got, Steps()) {
		t.Errorf("called for %v", got)
	}
}

// TestBothSidesAndStoppedAgain has the application commit on both sides, and
// stop on the source: that is said, and both ways stay open.
func TestBothSidesAndStoppedAgain(t *testing.T) {
	t.Parallel()
	for _, at := range []Step{Applied, Verified, Moved} {
		for _, back := range []bool{false, true} {
			t.Run(string(at), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.create()
				w.advance(func(in *Input) { in.Until = at })
				w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 9})
				w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 5})
				leave := w.source.join("orders-app", "orders")
				for range 2 {
					out := w.advance()
					if out.Done() || !slices.ContainsFunc(out.Waiting, func(x Wait) bool { return x.Kind == WaitBoth }) {
						t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
					}
				}
				leave()
				if out := w.advance(); !slices.ContainsFunc(out.Waiting, func(x Wait) bool { return x.Kind == WaitBoth }) {
					t.Fatalf("not said: stands at %s and waits for %+v", out.State.Step, out.Waiting)
				}
				if back {
					out, err := FailBack(t.Context(), "app", w.input(&killtest.Killer{}))
					if err != nil || out.State.Step != FailedBack {
						t.Fatalf("%v %+v", err, out)
					}
					return
				}
				w.target.commit("payments-app", map[topic.Partition]int64{part("payments", 0): 11})
				if out := w.advance(); out.State.Step != Across {
					t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
				}
				if at := w.target.positions("orders-app")[part("orders", 0)]; at != 9 {
					t.Errorf("its own commit is %d now", at)
				}
			})
		}
	}
}

// TestExpiredOnTheTarget has the target forget what was verified: the
// application is not told to start before it is there again.
func TestExpiredOnTheTarget(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{true, false} {
		w := newWorld(t)
		w.create()
		w.advance(func(in *Input) { in.Until = Verified })
		if all {
			w.target.forget("orders-app")
		} else {
			w.target.forget("orders-app", part("orders", 1))
		}
		out := w.advance()
		if out.State.Step != Moved || len(out.State.Returns) != 1 {
			t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
		}
		w.wantTarget(wanted)
	}
}

// TestTakingBackFails has a broker refuse to take one of two groups back, and
// the application stop as if it had never been on the source again: it is not
// started on the target before both are there.
func TestTakingBackFails(t *testing.T) {
	t.Parallel()
	for _, at := range []Step{Applied, Verified, Moved} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create()
			w.advance(func(in *Input) { in.Until = at })
			w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 6})
			w.target.Fake.ControlKey(kmsg.DeleteGroups.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
				w.target.Fake.KeepControl()
				r := req.(*kmsg.DeleteGroupsRequest)
				if !slices.Contains(r.Groups, "payments-app") {
					return nil, nil, false
				}
				res := r.ResponseKind().(*kmsg.DeleteGroupsResponse)
				g := kmsg.NewDeleteGroupsResponseGroup()
				g.Group, g.ErrorCode = "payments-app", kerr.GroupAuthorizationFailed.Code
				res.Groups = append(res.Groups, g)
				return res, nil, true
			})
			in := w.input(&killtest.Killer{})
			if out, err := Advance(t.Context(), "app", in); err == nil {
				t.Fatalf("no error: stands at %s and waits for %+v", out.State.Step, out.Waiting)
			}
			w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 4})
			if out, err := Advance(t.Context(), "app", in); err == nil {
				t.Fatalf("no error: stands at %s and waits for %+v", out.State.Step, out.Waiting)
			} else if at != Moved && out.State.Step == Moved {
				t.Fatal("told to start")
			}
			w.target.Fake.ControlKey(kmsg.DeleteGroups.Int16(), nil)
		})
	}
}

// TestOtherTopicsOnTheTarget: a position that the group has there on a topic
// that is not moved is no sign of the application.
func TestOtherTopicsOnTheTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.target.Create("other", 1)
	w.target.commit("orders-app", map[topic.Partition]int64{part("other", 0): 0})
	c := checked()
	c.Spec.Topics = []string{"orders", "payments"}
	if _, err := Create(t.Context(), w.input(&killtest.Killer{}), c); err != nil {
		t.Fatal(err)
	}
	out := w.advance()
	if out.State.Step != Moved || len(out.State.Resumed) != 0 {
		t.Fatalf("stands at %s: %+v", out.State.Step, out.State.Resumed)
	}
	if out, err := Abort(t.Context(), "app", w.input(&killtest.Killer{})); err != nil || out.State.Step != Aborted {
		t.Fatal(out, err)
	}
	w.wantTarget(map[string]map[topic.Partition]int64{"orders-app": {part("other", 0): 0}, "payments-app": nil})
}

// TestOverridesOfTheWayBack: what stands in the way back is not known when a
// migration is created.
func TestOverridesOfTheWayBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance()
	w.write(part("orders", 0), 10, 14)
	w.copy(part("orders", 0), 12, 14) // and what is before them later
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 15})
	w.copy(part("orders", 0), 10, 12)
	in := w.input(&killtest.Killer{})
	out, err := FailBack(t.Context(), "app", in)
	if err != nil || out.State.Step != FailingBack || len(out.Waiting) != 1 || out.Waiting[0].Kind != WaitPlan {
		t.Fatalf("%v %+v", err, out)
	}
	in.Accept = []string{api.AcceptRepeats}
	if out, err = FailBack(t.Context(), "app", in); err != nil || out.State.Step != FailedBack {
		t.Fatalf("%v %+v", err, out)
	}
	w.wantSource(map[string]map[topic.Partition]int64{
		"orders-app": {part("orders", 0): 10, part("orders", 1): 10}, "payments-app": {part("payments", 0): 7},
	})
}

// TestBegunWhileAborting has the application begin on the target when an abort
// was cut short: it is left alone, and can be moved back.
func TestBegunWhileAborting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tried := 0
	for n := 1; ; n++ {
		w.again()
		w.create()
		w.advance()
		k := &killtest.Killer{At: n}
		_, _ = Abort(t.Context(), "app", w.input(k)) // dies
		if !k.Dead() {
			break
		}
		st, err := Load(t.Context(), w.bucket, "app")
		if err != nil {
			t.Fatal(err)
		}
		if st.Step != Aborting || len(w.target.positions("orders-app")) != 2 {
			continue
		}
		tried++
		w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 9})
		in := w.input(&killtest.Killer{})
		if out, err := Abort(t.Context(), "app", in); err != nil || out.State.Step != Aborting || out.Done() {
			t.Fatalf("killed at %d: %v %+v", n, err, out)
		}
		out, err := FailBack(t.Context(), "app", in)
		if err != nil || out.State.Step != FailedBack {
			t.Fatalf("killed at %d: %v %+v", n, err, out)
		}
		w.wantSource(map[string]map[topic.Partition]int64{
			"orders-app": {part("orders", 0): 6, part("orders", 1): 10}, "payments-app": {part("payments", 0): 7},
		})
		w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 4})
		if tried == 3 || t.Failed() {
			break
		}
	}
	if tried == 0 {
		t.Fatal("never")
	}
}

// TestStartedLate has the event that starts the application on the target fail,
// and the application go back to the source before it is called again.
func TestStartedLate(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]func(w *world){
		"committed on the source": func(w *world) {
			w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 6})
		},
		"runs on the source":    func(w *world) { w.source.join("orders-app", "orders") },
		"expired on the target": func(w *world) { w.target.forget("orders-app") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			failing, bad := true, false
			in := w.input(&killtest.Killer{})
			in.Notify = notifier(func(api.Event, []byte) error {
				if failing {
					return context.DeadlineExceeded
				}
				at, running := w.target.positions("orders-app"), false
				if all, err := w.source.Groups.Describe(t.Context(), []string{"orders-app"}); err == nil {
					running = len(all["orders-app"].Members) > 0
				}
				want := int64(7)
				if name == "committed on the source" {
					want = 9
				}
				bad = bad || running || len(at) != 2 || at[part("orders", 0)] != want
				return nil
			})
			c := checked()
			c.Spec.Events = []api.Event{{On: []string{string(Moved)}, Command: []string{"start"}}}
			if _, err := Create(t.Context(), in, c); err != nil {
				t.Fatal(err)
			}
			if _, err := Advance(t.Context(), "app", in); err == nil {
				t.Fatal("the event did not fail")
			}
			between(w)
			failing = false
			out, err := Advance(t.Context(), "app", in)
			if err != nil || len(out.State.Returns) != 1 || bad {
				t.Fatalf("%v: started badly: %t, %+v waits for %+v", err, bad, out.State.Returns, out.Waiting)
			}
		})
	}
}

// TestTheSourceIsGone: a migration of which the positions are applied comes to
// its end without the source, and one before that does not move.
func TestTheSourceIsGone(t *testing.T) {
	t.Parallel()
	gone := func(in *Input) { in.From, in.SourceGone = plan.Side{}, true }
	w := newWorld(t)
	w.create()
	w.advance(func(in *Input) { in.Until = Planned })
	in := w.input(&killtest.Killer{})
	gone(&in)
	if _, err := Advance(t.Context(), "app", in); !errors.Is(err, ErrSourceNeeded) {
		t.Fatal(err)
	}
	w.advance(func(in *Input) { in.Until = Applied })
	if out := w.advance(gone); out.State.Step != Moved || len(out.Waiting) != 2 {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 8})
	w.target.commit("payments-app", map[topic.Partition]int64{part("payments", 0): 13})
	if out := w.advance(gone); out.State.Step != Across {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
}
