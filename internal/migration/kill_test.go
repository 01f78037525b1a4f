package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

// again brings target and state back to the beginning.
func (w *world) again() {
	w.t.Helper()
	w.mem = memstore.New()
	w.bucket = store.New(w.mem, "mem://state", nil)
	for name := range wanted {
		if w.target.positions(name) != nil {
			if err := w.target.Groups.DeleteGroup(context.Background(), name); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// TestKilledAnywhereAndAdvanced lets the process die at each of its steps,
// before and after the step takes effect, and has another one go on.
func TestKilledAnywhereAndAdvanced(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%t", after), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for n := 1; ; n++ {
				w.again()
				w.create()
				k := &killtest.Killer{At: n, After: after}
				_, err := Advance(t.Context(), "app", w.input(k))
				if !k.Dead() {
					if n < 20 {
						t.Fatalf("only %d steps", n)
					}
					t.Logf("%d steps", n-1)
					break
				}
				where := "killed at " + k.Where()
				if err == nil {
					t.Fatalf("%s: nobody noticed", where)
				}
				st, err := Load(t.Context(), w.bucket, "app")
				if err != nil {
					t.Fatalf("%s: %v", where, err)
				}
				if st.Step.Reached(Applied) {
					w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 9})
				}
				out := w.advance()
				if !out.State.Step.Reached(Moved) {
					t.Fatalf("%s: stands at %s and waits for %+v", where, out.State.Step, out.Waiting)
				}
				want := map[string]map[topic.Partition]int64{"payments-app": wanted["payments-app"], "orders-app": wanted["orders-app"]}
				if st.Step.Reached(Applied) {
					want["orders-app"] = map[topic.Partition]int64{part("orders", 0): 9, part("orders", 1): 15}
				}
				w.wantTarget(want)
				if t.Failed() {
					t.Fatal(where)
				}
			}
		})
	}
}

// TestKilledAnywhereAndAborted does the same, and the other process aborts.
func TestKilledAnywhereAndAborted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := 1; ; n++ {
		w.again()
		w.create()
		k := &killtest.Killer{At: n, After: n%2 == 0}
		_, _ = Advance(t.Context(), "app", w.input(k)) // dies
		out, err := Abort(t.Context(), "app", w.input(&killtest.Killer{}))
		if err != nil || out.State.Step != Aborted {
			t.Fatalf("killed at step %d: %v, %+v", n, err, out)
		}
		w.wantTarget(map[string]map[topic.Partition]int64{"orders-app": nil, "payments-app": nil})
		if t.Failed() {
			t.Fatalf("killed at step %d of %v", n, k.Steps())
		}
		if !k.Dead() {
			break
		}
	}
}

// TestAbortKilledAnywhere lets abort die.
func TestAbortKilledAnywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := 1; ; n++ {
		w.again()
		w.create()
		w.advance()
		k := &killtest.Killer{At: n, After: n%2 == 0}
		_, _ = Abort(t.Context(), "app", w.input(k)) // dies
		out, err := Abort(t.Context(), "app", w.input(&killtest.Killer{}))
		if err != nil || out.State.Step != Aborted {
			t.Fatalf("killed at step %d: %v, %+v", n, err, out)
		}
		w.wantTarget(map[string]map[topic.Partition]int64{"orders-app": nil, "payments-app": nil})
		if t.Failed() || !k.Dead() {
			break
		}
	}
}

func TestAbortAfterTheFirstCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	w.advance()
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 8})
	_, err := Abort(t.Context(), "app", w.input(&killtest.Killer{}))
	if !errors.Is(err, ErrInUse) {
		t.Fatal(err)
	}
	w.wantTarget(map[string]map[topic.Partition]int64{
		"orders-app": {part("orders", 0): 8, part("orders", 1): 15}, "payments-app": wanted["payments-app"],
	})
}

// TestRestartedOnTheSource has the application read on at each step before
// anything is committed: nothing of the old positions may arrive.
func TestRestartedOnTheSource(t *testing.T) {
	t.Parallel()
	for _, at := range []Step{Stopped, Copied, Planned, Applied, Verified, Moved} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create()
			if out := w.advance(func(in *Input) { in.Until = at }); out.State.Step != at {
				t.Fatalf("stands at %s", out.State.Step)
			}
			w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 6})
			leave := w.source.join("payments-app", "payments")
			out := w.advance()
			if out.State.Step != Stopping || len(out.Waiting) != 1 || out.Waiting[0].Kind != WaitMembers || len(out.Waiting[0].Members) != 1 {
				t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
			}
			w.wantTarget(map[string]map[topic.Partition]int64{"orders-app": nil, "payments-app": nil})
			if at != Moved && slices.ContainsFunc(out.State.Steps, func(s Stamp) bool { return s.Step == Moved }) {
				t.Error("it said that the application is to be started on the target")
			}
			leave()
			out = w.advance(func(in *Input) { in.Wait = true; in.Until = Moved })
			if out.State.Step != Moved {
				t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
			}
			w.wantTarget(map[string]map[topic.Partition]int64{
				"orders-app": {part("orders", 0): 9, part("orders", 1): 15}, "payments-app": wanted["payments-app"],
			})
		})
	}
}

// TestKilledWhileGoingBack has the application read on at the source once the
// positions are on the target, lets the process die while it takes them back,
// and has the application stop again as if it had never been there: the next
// process must not start it on the target before its positions are there again.
func TestKilledWhileGoingBack(t *testing.T) {
	t.Parallel()
	for _, at := range []Step{Applied, Verified, Moved} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			started := []string{}
			notify := notifier(func(_ api.Event, body []byte) error {
				var b EventBody
				if err := json.Unmarshal(body, &b); err != nil {
					return err
				}
				started = append(started, fmt.Sprint(len(w.target.positions("orders-app")), len(w.target.positions("payments-app"))))
				return nil
			})
			for n := 1; ; n++ {
				w.again()
				c := checked()
				c.Spec.Events = []api.Event{{On: []string{string(Moved)}, Command: []string{"start"}}}
				in := w.input(&killtest.Killer{})
				in.Notify = notify
				if _, err := Create(t.Context(), in, c); err != nil {
					t.Fatal(err)
				}
				w.advance(func(in *Input) { in.Until, in.Notify = at, notify })
				w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 6})
				k := &killtest.Killer{At: n, After: n%2 == 0}
				dying := w.input(k)
				dying.Notify = notify
				_, _ = Advance(t.Context(), "app", dying) // dies
				if st := w.look(); st.State.returning != nil && (len(st.Waiting) != 1 || !strings.Contains(st.Waiting[0].Detail, "taken back")) {
					t.Fatalf("killed at step %d: waits for %+v", n, st.Waiting)
				}
				w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 4})
				started = nil
				out := w.advance(func(in *Input) { in.Notify = notify })
				if out.State.Step != Moved {
					t.Fatalf("killed at step %d of %d: stands at %s and waits for %+v", n, len(k.Steps()), out.State.Step, out.Waiting)
				}
				w.wantTarget(wanted)
				for _, s := range started {
					if s != "2 1" {
						t.Errorf("killed at step %d (%v): started with %s positions", n, k.Steps(), s)
					}
				}
				if t.Failed() || !k.Dead() {
					return
				}
			}
		})
	}
}

// notifier is a function as a Notifier.
type notifier func(api.Event, []byte) error

func (n notifier) Notify(_ context.Context, ev api.Event, body []byte) error { return n(ev, body) }
