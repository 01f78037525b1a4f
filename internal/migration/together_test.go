package migration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/topic"
)

// asProcess is the input of a process of its own, whose lease is respected.
func (w *world) asProcess(user string, pid int) Input {
	in := w.input(&killtest.Killer{})
	in.Run = &run.Options{Who: &run.Who{User: user, Host: user + "-host", PID: pid}, Gone: func(run.Who) bool { return false }}
	return in
}

// TestManyAtOnce advances ten migrations of one state at once, each by a process
// of its own: all arrive, each with its own group, plan and positions.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const n = 10
	w := newWorld(t)
	name := func(i int) string { return fmt.Sprintf("m-%d", i) }
	app := func(i int) string { return fmt.Sprintf("worker-%d", i) }
	for i := range n {
		w.source.commit(app(i), map[topic.Partition]int64{part("orders", 0): int64(i) + 1, part("orders", 1): int64(n - i)})
		c := &Checkup{
			Spec:   api.Migration{Name: name(i), From: "old", To: "new", Groups: []string{app(i)}},
			Groups: []Pair{{app(i), app(i)}},
		}
		if _, err := Create(t.Context(), w.asProcess("anna", i), c); err != nil {
			t.Fatal(err)
		}
	}
	// together advances all of them, and wants each at a step.
	together := func(want Step) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				in := w.asProcess("anna", i)
				in.Notify = notifier(func(api.Event, []byte) error { return nil })
				out, err := Advance(context.WithoutCancel(t.Context()), name(i), in)
				if err != nil || out.State.Step != want {
					t.Errorf("%s: %v: stands at %s and waits for %+v", name(i), err, out.State.Step, out.Waiting)
				}
			})
		}
		wg.Wait()
	}
	together(Moved)
	runs := map[string]string{}
	for i := range n {
		if diff := cmp.Diff(map[topic.Partition]int64{part("orders", 0): int64(i) + 1 + shift(0), part("orders", 1): int64(n-i) + shift(1)}, w.target.positions(app(i))); diff != "" {
			t.Errorf("positions of %s (-want +got):\n%s", app(i), diff)
		}
		st, err := Load(t.Context(), w.bucket, name(i))
		if err != nil {
			t.Fatal(err)
		}
		if other := runs[st.ApplyRun]; other != "" || st.ApplyRun == "" {
			t.Errorf("%s was applied by run %q, which belongs to %q", name(i), st.ApplyRun, other)
		}
		runs[st.ApplyRun] = name(i)
		if len(st.Groups) != 1 || st.Groups[0].Source != app(i) || len(st.Returns) != 0 || len(st.Steps) != len(Steps())-2 {
			t.Errorf("%s: %+v, steps %+v, returns %+v", name(i), st.Groups, st.Steps, st.Returns)
		}
	}
	// The first commit of one says nothing of another one.
	w.target.commit(app(3), map[topic.Partition]int64{part("orders", 0): 9})
	for i := range n {
		out, err := Advance(t.Context(), name(i), w.asProcess("ben", i))
		if want := map[bool]Step{true: Across, false: Moved}[i == 3]; err != nil || out.State.Step != want {
			t.Errorf("%s: %v: stands at %s", name(i), err, out.State.Step)
		}
	}
	for i := range n {
		if i != 3 {
			w.target.commit(app(i), map[topic.Partition]int64{part("orders", 0): int64(i) + shift(0) + 2})
		}
	}
	for i := range n {
		if out, err := Advance(t.Context(), name(i), w.asProcess("ben", i)); err != nil || out.State.Step != Across {
			t.Errorf("%s: %v: stands at %s", name(i), err, out.State.Step)
		}
	}
}

// TestTwoAtOneMigration: while one process is at it, another one is kept out
// and told who that is, and changes nothing; when the first has ended it goes on.
func TestTwoAtOneMigration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	first, second := w.asProcess("anna", 1), w.asProcess("ben", 2)
	asked := 0
	first.Confirm = func(ctx context.Context, _ *plan.Plan) error {
		asked++
		before, err := Load(ctx, w.bucket, "app")
		if err != nil {
			return err
		}
		for what, do := range map[string]func(context.Context, string, Input) (*Outcome, error){"advance": Advance, "abort": Abort, "fail back": FailBack, "stay": Stay} {
			_, err := do(ctx, "app", second)
			var held *run.HeldError
			if !errors.As(err, &held) || held.Holder.User != "anna" || !strings.Contains(err.Error(), "anna@anna-host") {
				t.Errorf("%s: got error %v", what, err)
			}
		}
		s, err := LookOffline(ctx, "app", second)
		if err != nil || s.Holder == nil || s.Holder.User != "anna" {
			t.Errorf("held by %+v, %v", s.Holder, err)
		}
		if s != nil && s.State.seq != before.seq {
			t.Errorf("the journal has %d entries after %d", s.State.seq, before.seq)
		}
		return nil
	}
	out, err := Advance(t.Context(), "app", first)
	if err != nil || out.State.Step != Moved || asked != 1 {
		t.Fatalf("%v %+v, asked %d times", err, out, asked)
	}
	w.wantTarget(wanted)
	if out, err = Advance(t.Context(), "app", second); err != nil || out.State.Step != Moved {
		t.Fatalf("%v %+v", err, out)
	}
}
