package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

var (
	_ ShareCommitter = (*group.Client)(nil)
	_ shareJudge     = (*group.Client)(nil)
)

func (q *quick) CommitShare(ctx context.Context, name string, ps []position.Position) (map[topic.Partition]error, error) {
	if s, ok := q.Committer.(ShareCommitter); ok {
		return s.CommitShare(ctx, name, ps)
	}
	return nil, errNoShareCommitter
}

func (q *quick) ForgetShare(ctx context.Context, name string, ps []topic.Partition) (map[topic.Partition]error, error) {
	if s, ok := q.Committer.(ShareCommitter); ok {
		return s.ForgetShare(ctx, name, ps)
	}
	return nil, errNoShareCommitter
}

// start sets start offsets of a share group.
func (w *world) start(n *node, name string, at map[topic.Partition]string) {
	w.t.Helper()
	var ps []position.Position
	for p, text := range at {
		ps = append(ps, parsePosition(w.t, name, p, text))
	}
	answers, err := n.Groups.CommitShare(context.Background(), name, ps)
	for _, e := range answers {
		err = errors.Join(err, e)
	}
	if err != nil {
		w.t.Fatalf("setting start offsets of %s: %v", name, err)
	}
}

// work has a member of a share group finish some records of orders/0, other
// than the first that is open, and leave.
func (w *world) work(n *node, name string, records int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	member, err := kgo.NewClient(kgo.SeedBrokers(n.Fake.ListenAddrs()...), kgo.ShareGroup(name), kgo.ConsumeTopics("orders"))
	if err != nil {
		w.t.Fatal(err)
	}
	first := w.reading(n, name).Positions[part("orders", 0)].Offset
	for done := 0; done < records; {
		fs := member.PollRecords(ctx, 100)
		if ctx.Err() != nil {
			w.t.Fatal("the share group reads nothing")
		}
		fs.EachRecord(func(r *kgo.Record) {
			if r.Partition == 0 && r.Offset > first && done < records {
				done++
				r.Ack(kgo.AckAccept)
				return
			}
			r.Ack(kgo.AckRelease)
		})
		if err := member.FlushAcks(ctx); err != nil {
			w.t.Fatal(err)
		}
	}
	member.Close()
	for !w.reading(n, name).Group.Stopped() {
		if ctx.Err() != nil {
			w.t.Fatal("the member does not leave")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *world) reading(n *node, name string) group.Reading {
	w.t.Helper()
	all, err := n.Groups.Read(context.Background(), []string{name})
	if err != nil || all[name].Err != nil {
		w.t.Fatalf("reading group %s: %v %v", name, err, all[name].Err)
	}
	return all[name]
}

func acceptRepeatsInput(in *Input) { in.Accept.Repeats = true }

func TestShareGroupMovesAtLeastOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.source, "workers", at{part("orders", 0): "4", part("orders", 1): "10"})
	w.work(w.source, "workers", 3)

	p := w.build()
	g := p.Group("workers")
	if g.Verdict != VerdictRefused || g.Reason != ReasonShareGroup || !strings.Contains(g.Hint, "--accept-repeats") {
		t.Fatalf("without the override: %+v", g)
	}
	want := map[int32]struct{ after, repeats int64 }{0: {7, 3}, 1: {15, 0}}
	for i := range g.Positions {
		q := &g.Positions[i]
		if q.Outcome != translate.Repeats || q.Reason != ReasonShareGroup || q.After.Offset != want[q.Partition].after || q.Repeats != want[q.Partition].repeats || !q.Blocked {
			t.Errorf("%+v", q)
		}
	}
	if !strings.Contains(g.Positions[0].Detail, "3 records above its start offset are done already and will be delivered again") {
		t.Errorf("detail %q", g.Positions[0].Detail)
	}

	p = w.build(acceptRepeatsInput)
	if p.Groups[0].Verdict != VerdictApply {
		t.Fatalf("with the override: %+v", p.Groups[0])
	}
	rep := w.apply(p)
	if !rep.Complete() || rep.Groups[0].Set != 2 {
		t.Fatalf("report: %+v", rep)
	}
	r := w.reading(w.target, "workers")
	if r.Group.Kind != group.Share || r.Positions[part("orders", 0)].Offset != 7 || r.Positions[part("orders", 1)].Offset != 15 {
		t.Errorf("target: %+v", r)
	}
	if v := w.verify(p); !v.Right() || v.Counts[AsWritten] != 2 {
		t.Errorf("verify: %+v", v)
	}
	if again := w.apply(p); !again.AlreadyApplied {
		t.Errorf("second apply: %+v", again)
	}
	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil || !back.Complete() || back.Groups[0].Result != RolledBack {
		t.Fatalf("rollback: %+v %v", back, err)
	}
	if got := w.positions(w.target, "workers"); got != nil {
		t.Errorf("the group did not exist before, and has %v", got)
	}
}

// A group of the target that has start offsets already: what it has, what only
// it has, and a rollback partition by partition.
func TestShareGroupThatIsThereAlready(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.source, "workers", at{part("orders", 0): "4"})
	before := at{part("orders", 0): "5", part("orders", 1): "6"}
	w.start(w.target, "workers", before)
	w.work(w.target, "workers", 2)

	p := w.build(acceptRepeatsInput)
	g := p.Group("workers")
	if g.Verdict != VerdictApply || g.Positions[0].Action != Change || g.Positions[1].Action != Delete {
		t.Fatalf("plan: %+v", g)
	}
	if q := g.Positions[0]; q.Repeats != 2 || !strings.Contains(q.Detail, "forgets 2 records that it has done") {
		t.Errorf("what the target forgets: %+v", q)
	}
	rep := w.apply(p)
	if d := cmp.Diff(at{part("orders", 0): "7"}, w.positions(w.target, "workers")); d != "" || !rep.Complete() {
		t.Fatalf("applied (-want +got):\n%s\n%+v", d, rep)
	}
	if back, err := Rollback(t.Context(), rep.Run, w.rollbackInput()); err != nil || !back.Complete() {
		t.Fatalf("rollback: %+v %v", back, err)
	}
	if d := cmp.Diff(before, w.positions(w.target, "workers")); d != "" {
		t.Errorf("rolled back (-want +got):\n%s", d)
	}
}

func TestShareGroupsAndOtherKinds(t *testing.T) {
	t.Parallel()
	rename := func(groups ...string) func(*Input) {
		return func(in *Input) {
			r, err := position.NewRoute(position.RouteOptions{MapGroups: groups})
			if err != nil {
				panic(err)
			}
			in.Route = r
			in.Accept.Repeats = true
		}
	}
	for name, tc := range map[string]struct {
		prepare func(*world)
		change  func(*Input)
		group   string
		detail  string
	}{
		"a share group onto another kind": {
			func(w *world) {
				w.start(w.source, "x", at{part("orders", 0): "4"})
				w.commit(w.target, "x", at{part("payments", 0): "4"})
			}, acceptRepeatsInput, "x", "start offsets of a share group are to be set",
		},
		"another kind onto a share group": {
			func(w *world) {
				w.commit(w.source, "x", at{part("orders", 0): "4"})
				w.start(w.target, "x", at{part("payments", 0): "4"})
			}, acceptRepeatsInput, "x", "has no committed offsets",
		},
		"two kinds into one": {
			func(w *world) {
				w.commit(w.source, "plain", at{part("payments", 0): "4"})
				w.start(w.source, "shared", at{part("orders", 0): "4"})
			}, rename("plain=one", "shared=one"), "one", "cannot become one group",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tc.prepare(w)
			g := w.build(tc.change).Group(tc.group)
			if g == nil || g.Verdict != VerdictRefused || g.Reason != ReasonGroupKind || !strings.Contains(g.Detail, tc.detail) {
				t.Errorf("group %+v", g)
			}
		})
	}
}

func TestTargetThatDoesNotKnowShareGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.source, "workers", at{part("orders", 0): "4"})
	old := newNode(t, "new", kfake.MaxVersions(kversion.V3_9_0()))
	w.create(old, "orders", 2)
	g := w.build(func(in *Input) { in.To = old.side() }).Group("workers")
	if g.Reason != ReasonGroupKind || !strings.Contains(g.Detail, "AlterShareGroupOffsets") || !strings.Contains(g.Hint, "4.1") {
		t.Errorf("group %+v", g)
	}
}

// A group of another kind appears under the name between plan and apply.
func TestShareGroupMetByAnotherKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.source, "workers", at{part("orders", 0): "4"})
	p := w.build(acceptRepeatsInput)
	w.commit(w.target, "workers", at{part("payments", 0): "1"})
	rep := w.apply(p)
	if g := rep.Groups[0]; g.Result != Refused || g.Reason != ReasonGroupKind {
		t.Errorf("report %+v", g)
	}
	if d := cmp.Diff(at{part("payments", 0): "1"}, w.positions(w.target, "workers")); d != "" {
		t.Errorf("changed (-want +got):\n%s", d)
	}
}

func TestShareGroupIsDeletedAndRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := at{part("orders", 0): "5", part("orders", 1): "6"}
	w.start(w.target, "workers", before)
	p, err := BuildDelete(t.Context(), DeleteInput{To: w.target.side(), Groups: []string{"workers"}})
	if err != nil || p.Groups[0].Verdict != VerdictApply {
		t.Fatalf("plan: %+v %v", p, err)
	}
	if f := p.Findings; len(f) != 1 || f[0].Reason != ReasonShareGroup || f[0].Severity != Warning {
		t.Errorf("findings: %+v", f)
	}
	rep := w.apply(p)
	if w.positions(w.target, "workers") != nil || !rep.Groups[0].DeletedGroup {
		t.Fatalf("report: %+v", rep)
	}
	if back, err := Rollback(t.Context(), rep.Run, w.rollbackInput()); err != nil || !back.Complete() {
		t.Fatalf("rollback: %+v %v", back, err)
	}
	if r := w.reading(w.target, "workers"); r.Group.Kind != group.Share {
		t.Errorf("restored as %+v", r.Group)
	}
	if d := cmp.Diff(before, w.positions(w.target, "workers")); d != "" {
		t.Errorf("restored (-want +got):\n%s", d)
	}
}

// halfShare takes only the first start offset of a request.
type halfShare struct{ *group.Client }

func (*halfShare) RequestTimeout() time.Duration { return killtest.RequestTimeout }

func (h *halfShare) CommitShare(ctx context.Context, name string, ps []position.Position) (map[topic.Partition]error, error) {
	if len(ps) < 2 {
		return h.Client.CommitShare(ctx, name, ps)
	}
	out, err := h.Client.CommitShare(ctx, name, ps[:1])
	for _, p := range ps[1:] {
		out[p.Partition] = errors.New("the topic is not known")
	}
	return out, err
}

func TestStartOffsetsTakenInPartAreTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.source, "workers", at{part("orders", 0): "4", part("orders", 1): "10"})
	p := w.build(acceptRepeatsInput)
	rep := w.apply(p, func(in *ApplyInput) { in.To.Write = &halfShare{w.target.Groups} })
	if g := rep.Groups[0]; g.Result != TakenBack || g.Reason != ReasonPartTaken {
		t.Errorf("report: %+v", g)
	}
	if got := w.positions(w.target, "workers"); got != nil {
		t.Errorf("left behind: %v", got)
	}
}

// Partitions that become one: the lowest start offset, and no number.
func TestShareGroupOnMergedPartitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.joinedTopic("merged", 4, 2, 10, knownHeader(t, "k2k_offset"), func(p int32, _ int) int32 { return p % 2 })
	w.start(w.source, "workers", all("merged", "4", "6", "4", "3"))
	g := w.build(auto).Group("workers")
	if g.Verdict != VerdictRefused || g.Reason != ReasonShareGroup {
		t.Fatalf("without the override: %+v", g)
	}
	p := w.build(auto, acceptRepeatsInput)
	for _, q := range p.Group("workers").Positions {
		if q.Outcome != translate.Repeats || q.Repeats != -1 || q.Reason != ReasonShareGroup {
			t.Errorf("%+v", q)
		}
	}
	if rep := w.apply(p); !rep.Complete() {
		t.Fatalf("report: %+v", rep)
	}
	if d := cmp.Diff(all("merged", "8", "7"), w.positions(w.target, "workers")); d != "" {
		t.Errorf("target (-want +got):\n%s", d)
	}
}

// Brokers before 4.2 do not count what is done above a start offset.
func TestShareGroupOnBrokersThatDoNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := newNode(t, "old", kfake.MaxVersions(kversion.V4_1_0()))
	w.source = old
	w.create(old, "orders", 2)
	for i := range 10 {
		w.produce(old, &kgo.Record{Topic: "orders", Value: fmt.Appendf(nil, "orders-0-%d", i)})
	}
	w.start(old, "workers", at{part("orders", 0): "4"})
	p := w.build(acceptRepeatsInput)
	g := p.Group("workers")
	if q := g.Positions[0]; g.Verdict != VerdictApply || q.Repeats != -1 || q.After.Offset != 7 || !strings.Contains(q.Detail, "from 4.2 on") {
		t.Fatalf("%+v", g)
	}
	if rep := w.apply(p); !rep.Complete() {
		t.Errorf("report: %+v", rep)
	}
	if d := cmp.Diff(at{part("orders", 0): "7"}, w.positions(w.target, "workers")); d != "" {
		t.Errorf("target (-want +got):\n%s", d)
	}
}
