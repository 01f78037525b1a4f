package plan

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// two source groups: "steady" never changes, "app" is what the case is about.
func (w *world) pair() {
	w.commit(w.source, "steady", at{part("payments", 0): "2"})
	w.usual()
}

func TestStaleGroupsAreRefusedAndOthersApplied(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*testing.T, *world)
		result Result
		reason Reason
	}{
		"source moved":                       {func(_ *testing.T, w *world) { w.commit(w.source, "app", at{part("orders", 0): "5"}) }, Stale, ReasonSourceMoved},
		"source metadata":                    {func(_ *testing.T, w *world) { w.commit(w.source, "app", at{part("orders", 0): "4 other"}) }, Stale, ReasonSourceMoved},
		"source committed where it had none": {func(_ *testing.T, w *world) { w.commit(w.source, "app", at{part("orders", 1): "1"}) }, Stale, ReasonSourceMoved},
		"target moved":                       {func(_ *testing.T, w *world) { w.commit(w.target, "app", at{part("orders", 0): "3 old"}) }, Stale, ReasonTargetMoved},
		"target gone": {func(t *testing.T, w *world) {
			t.Helper()
			if err := w.target.Groups.DeleteGroup(t.Context(), "app"); err != nil {
				t.Fatal(err)
			}
		}, Stale, ReasonTargetMoved},
		"target in use": {func(t *testing.T, w *world) { t.Helper(); join(t, w.target, "app", "orders") }, Refused, ReasonGroupActive},
		"topic created again": {func(t *testing.T, w *world) {
			t.Helper()
			if _, err := w.target.Admin.DeleteTopics(t.Context(), "orders"); err != nil {
				t.Fatal(err)
			}
			w.create(w.target, "orders", 2)
			w.commit(w.target, "app", at{part("orders", 0): "2 old", part("orders", 1): "3"})
		}, Stale, ReasonTopicChanged},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pair()
			p := w.build()
			tc.change(t, w)
			before := w.positions(w.target, "app")

			in := w.applyInput()
			in.AllOrNothing = true
			if rep, err := Apply(t.Context(), p, in); !errors.Is(err, ErrStale) {
				t.Errorf("all or nothing: %+v %v", rep, err)
			}
			if got := w.positions(w.target, "steady"); got != nil {
				t.Errorf("all or nothing wrote %v", got)
			}

			rep := w.apply(p)
			if got := rep.Groups[0]; got.Name != "app" || got.Result != tc.result || got.Reason != tc.reason {
				t.Errorf("app: %+v", got)
			}
			if rep.Complete() || rep.Groups[1].Result != Applied {
				t.Errorf("report: %+v", rep.Groups)
			}
			if d := cmp.Diff(before, w.positions(w.target, "app")); d != "" {
				t.Errorf("the stale group was changed (-want +got):\n%s", d)
			}
			if d := cmp.Diff(at{part("payments", 0): "5"}, w.positions(w.target, "steady")); d != "" {
				t.Errorf("the other group (-want +got):\n%s", d)
			}
		})
	}
}

// join has a consumer be a member of a group until the test ends.
func join(t *testing.T, n *node, name, topicName string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.Fake.ListenAddrs()...), kgo.ConsumerGroup(name), kgo.ConsumeTopics(topicName),
		kgo.DisableAutoCommit(), kgo.ClientID("an-app"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		poll, stop := context.WithTimeout(ctx, 50*time.Millisecond)
		cl.PollFetches(poll)
		stop()
		if r, err := n.Groups.Read(ctx, []string{name}); err == nil && r[name].Group.State == group.Stable {
			return
		}
	}
	t.Fatal("the consumer did not join")
}

func TestForeignPlanIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.usual()
	p := w.build()
	in := w.applyInput()
	in.To.ID = "elsewhere"
	if _, err := Apply(t.Context(), p, in); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("foreign target: %v", err)
	}
	in = w.applyInput()
	in.From.ID = "elsewhere"
	if _, err := Apply(t.Context(), p, in); !errors.Is(err, ErrForeign) {
		t.Errorf("foreign source: %v", err)
	}
	to := w.target.side()
	to.ID = "elsewhere"
	if _, err := Verify(t.Context(), p, VerifyInput{To: to}); !errors.Is(err, ErrForeign) {
		t.Errorf("verify: %v", err)
	}
	rep := w.apply(p)
	if _, err := Rollback(t.Context(), rep.Run, RollbackInput{To: to, Bucket: w.bucket}); !errors.Is(err, ErrForeign) {
		t.Errorf("rollback: %v", err)
	}
}

func TestSettleWaitsAndAStopEndsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.usual()
	p := w.build(func(in *Input) { in.Settle = time.Hour })
	stop := make(chan struct{})
	var waited time.Duration
	in := w.applyInput()
	in.Stop = stop
	in.Progress = func(e Event) {
		if e.Stage == "settling" {
			waited = e.Wait
			close(stop)
		}
	}
	rep, err := Apply(t.Context(), p, in)
	if !errors.Is(err, ErrInterrupted) || waited < 59*time.Minute || rep.Groups[0].Result != NotTried {
		t.Errorf("report %+v, %v, waited %s", rep, err, waited)
	}
	if got := w.apply(p, func(in *ApplyInput) { in.Settle = -1 }); !got.Complete() || !got.Resumed || got.Run != rep.Run {
		t.Errorf("afterwards: %+v", got)
	}
}

// hooked calls before and after each commit.
type hooked struct {
	Committer
	before func()
	after  func()
	once   sync.Once
}

func (h *hooked) Commit(ctx context.Context, name string, ps []position.Position) (map[topic.Partition]error, error) {
	if h.before != nil {
		h.once.Do(h.before)
	}
	out, err := h.Committer.Commit(ctx, name, ps)
	if h.after != nil {
		h.once.Do(h.after)
	}
	return out, err
}

func (*hooked) RequestTimeout() time.Duration { return killtest.RequestTimeout }

func TestSourceMovesWhileWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, _ := w.usual()
	p := w.build()
	in := w.applyInput()
	in.To.Write = &hooked{Committer: w.target.Groups, after: func() { w.commit(w.source, "app", at{part("orders", 0): "6"}) }}
	rep, err := Apply(t.Context(), p, in)
	if err != nil || rep.Groups[0].Result != TakenBack || rep.Groups[0].Reason != ReasonSourceMoved {
		t.Errorf("report: %+v %v", rep, err)
	}
	if d := cmp.Diff(before, w.positions(w.target, "app")); d != "" {
		t.Errorf("not restored (-want +got):\n%s", d)
	}
	if again := w.apply(p); again.Groups[0].Result != Stale {
		t.Errorf("second apply: %+v", again.Groups)
	}
}

func TestAnApplicationReadsThereAlready(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.usual()
	p := w.build()
	in := w.applyInput()
	in.To.Write = &hooked{Committer: w.target.Groups, after: func() { w.commit(w.target, "app", at{part("orders", 0): "9 mine"}) }}
	rep, err := Apply(t.Context(), p, in)
	if err != nil || rep.Groups[0].Result != TakenOver {
		t.Errorf("report: %+v %v", rep, err)
	}
	want := at{part("orders", 0): "9 mine", part("payments", 0): "13"}
	if d := cmp.Diff(want, w.positions(w.target, "app")); d != "" {
		t.Errorf("not left alone (-want +got):\n%s", d)
	}
	if again := w.apply(p); again.AlreadyApplied && again.Complete() || again.Groups[0].Result != TakenOver {
		t.Errorf("second apply: %+v", again)
	}
	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil || back.Groups[0].Result != Refused || back.Groups[0].Reason != ReasonElsewhere {
		t.Errorf("rollback: %+v %v", back, err)
	}
}

// keepTopic makes the target store only one topic of the next n commits; the
// answer says nothing of the others.
func (w *world) keepTopic(name string, n int) {
	left := n
	w.target.Fake.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.target.Fake.KeepControl()
		if left--; left < 0 {
			return nil, nil, false
		}
		req := r.(*kmsg.OffsetCommitRequest)
		req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.OffsetCommitRequestTopic) bool { return t.Topic != name })
		return nil, nil, false
	})
}

func TestCommitTakenInPartIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "fresh", at{part("orders", 0): "1", part("payments", 0): "2"})
	before, after := w.usual()
	for _, tc := range []struct {
		group  string
		before at
	}{{"app", before}, {"fresh", nil}} {
		p := w.build(func(in *Input) { in.Selection = selection(t, tc.group) })
		w.keepTopic("orders", 1)
		rep := w.apply(p)
		if got := rep.Groups[0]; got.Result != TakenBack || got.Reason != ReasonPartTaken || len(got.Problems) == 0 {
			t.Errorf("%s: %+v", tc.group, got)
		}
		if d := cmp.Diff(tc.before, w.positions(w.target, tc.group)); d != "" {
			t.Errorf("%s: not restored (-want +got):\n%s", tc.group, d)
		}
		// The cause is gone: the same plan can be applied.
		if again := w.apply(p); !again.Complete() || again.Groups[0].Result != Applied {
			t.Errorf("%s: second apply: %+v", tc.group, again.Groups)
		}
	}
	if d := cmp.Diff(after, w.positions(w.target, "app")); d != "" {
		t.Errorf("in the end (-want +got):\n%s", d)
	}
}

func selection(tb testing.TB, groups ...string) *position.Selection {
	tb.Helper()
	s, err := position.Selector{Groups: groups}.Compile()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestRefusedCommitChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, _ := w.usual()
	p := w.build()
	in := w.applyInput()
	in.To.Write = &hooked{Committer: w.target.Groups, before: func() { join(t, w.target, "app", "orders") }}
	rep, err := Apply(t.Context(), p, in)
	if err != nil || rep.Groups[0].Result != Refused || rep.Groups[0].Reason != ReasonGroupActive {
		t.Errorf("report: %+v %v", rep, err)
	}
	if d := cmp.Diff(before, w.positions(w.target, "app")); d != "" {
		t.Errorf("changed (-want +got):\n%s", d)
	}
}

func TestStopLeavesTheRestUntried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pair()
	p := w.build()
	stop := make(chan struct{})
	in := w.applyInput()
	in.Parallel, in.Stop = 1, stop
	in.To.Write = &hooked{Committer: w.target.Groups, after: func() { close(stop) }}
	rep, err := Apply(t.Context(), p, in)
	if !errors.Is(err, ErrInterrupted) || rep.Count(Applied) != 1 || rep.Count(NotTried) != 1 {
		t.Errorf("report: %+v %v", rep, err)
	}
	var hint *Error
	if !errors.As(err, &hint) || hint.Hint == "" {
		t.Errorf("no hint how to go on: %v", err)
	}
	again := w.apply(p)
	if !again.Complete() || again.Count(AlreadyApplied) != 1 || again.Count(Applied) != 1 {
		t.Errorf("second apply: %+v", again.Groups)
	}
}
