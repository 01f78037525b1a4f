package kafka_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// odd is metadata that only survives byte for byte if nobody looks at it:
// control characters, quotes, what JSON escapes, more than two bytes a
// character. Bytes that are no UTF-8 never reach a group on Apache Kafka, which
// reads them as U+FFFD (org.apache.kafka.common.protocol.types.Type.STRING).
const odd = "\x00\x01\x7f\"\\\r\n\t</script>\u2028 µ 日本 🐢\ufffd"

// move is a group that is to cross from one cluster to another.
type move struct {
	from, to *node
	group    string
	orders   [2]string // on the source, on the target
	payments [2]string
	bucket   *store.Bucket
	// want are the offsets that the group must have on the target.
	want map[topic.Partition]int64
}

// newMove makes two topics with three partitions in all, a copy of them at other
// offsets under other names, and a group of a consumer that has read some.
func newMove(t *testing.T, from, to *node) *move {
	t.Helper()
	m := &move{from: from, to: to, group: kafkatest.Name(t, "shop"), bucket: store.New(memstore.New(), "mem://state", nil)}
	for i, n := range []*node{from, to} {
		m.orders[i], m.payments[i] = kafkatest.Name(t, "orders"), kafkatest.Name(t, "payments")
		n.create(t, m.orders[i], 2, nil)
		n.create(t, m.payments[i], 1, nil)
	}
	in, out := from.manual(t), to.manual(t)
	for i, p := range m.partitions(0) {
		kafkatest.Produce(t, in, numbered(p, 0, 60)...)
		q := m.partitions(1)[i]
		kafkatest.Produce(t, out, numbered(q, 1000, 7*i+2)...) // not copies
		kafkatest.Produce(t, out, copies(from.scan(t, p), q)...)
	}
	m.consume(t, 45)
	var at kadm.Offsets
	for i, offset := range []int64{17, 60, 41} {
		p := m.partitions(0)[i]
		at.Add(kadm.Offset{Topic: p.Topic, Partition: p.Partition, At: offset, LeaderEpoch: 0, Metadata: odd})
	}
	if err := from.k.Admin(t).CommitAllOffsets(t.Context(), m.group, at); err != nil {
		t.Fatalf("committing on the source: %v", err)
	}
	m.want = map[topic.Partition]int64{m.partitions(1)[0]: 17 + 2, m.partitions(1)[1]: 60 + 9, m.partitions(1)[2]: 41 + 16}
	return m
}

func (m *move) partitions(side int) []topic.Partition {
	return []topic.Partition{part(m.orders[side], 0), part(m.orders[side], 1), part(m.payments[side], 0)}
}

// consume reads some records as a classic group, which makes it a real one,
// commits with leader epochs and leaves.
func (m *move) consume(t *testing.T, most int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	cl := m.from.k.Client(t, kgo.ConsumerGroup(m.group), kgo.ConsumeTopics(m.orders[0], m.payments[0]), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for read := 0; read < most; {
		fs := cl.PollRecords(ctx, most)
		if err := fs.Err(); err != nil {
			t.Fatalf("consuming: %v", err)
		}
		read += fs.NumRecords()
	}
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatalf("committing as a consumer: %v", err)
	}
	cl.Close()
}

// side is a cluster as package plan sees it.
func (n *node) side() plan.Side {
	return plan.Side{
		ID: n.c.ID(), Name: n.c.Name(), Bootstrap: n.c.Bootstrap(),
		Topics: n.c, Log: n.c, Read: n.g, List: n.g, Write: n.g,
	}
}

// build makes the plan, and hands it on through its file.
func (m *move) build(t *testing.T) *plan.Plan {
	t.Helper()
	sel, err := position.Selector{Groups: []string{m.group}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	route, err := position.NewRoute(position.RouteOptions{MapTopics: []string{m.orders[0] + "=" + m.orders[1], m.payments[0] + "=" + m.payments[1]}})
	if err != nil {
		t.Fatal(err)
	}
	from := m.from.side()
	p, err := plan.Build(t.Context(), plan.Input{
		From: &from, To: m.to.side(), Selection: sel, Route: route, Settle: -1, Tool: "kferry test",
	})
	if err != nil {
		t.Fatalf("building the plan: %v", err)
	}
	var file bytes.Buffer
	if err := plan.Write(&file, p); err != nil {
		t.Fatal(err)
	}
	got, err := plan.Read(&file, "plan.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got, cmpopts.IgnoreUnexported(plan.Plan{})); diff != "" {
		t.Errorf("the file is not the plan (-want +got):\n%s", diff)
	}
	return got
}

func (m *move) apply(t *testing.T, p *plan.Plan, change ...func(*plan.ApplyInput)) *plan.Report {
	t.Helper()
	from := m.from.side()
	in := plan.ApplyInput{From: &from, To: m.to.side(), Bucket: m.bucket, Tool: "kferry test", Command: "kferry apply plan.json"}
	for _, f := range change {
		f(&in)
	}
	rep, err := plan.Apply(t.Context(), p, in)
	if err != nil {
		t.Fatalf("applying: %v", err)
	}
	return rep
}

func (m *move) verify(t *testing.T, p *plan.Plan) *plan.VerifyReport {
	t.Helper()
	from := m.from.side()
	v, err := plan.Verify(t.Context(), p, plan.VerifyInput{From: &from, To: m.to.side(), Bucket: m.bucket})
	if err != nil {
		t.Fatalf("verifying: %v", err)
	}
	return v
}

func (m *move) rollback(t *testing.T, run string) *plan.Report {
	t.Helper()
	rep, err := plan.Rollback(t.Context(), run, plan.RollbackInput{To: m.to.side(), Bucket: m.bucket, Tool: "kferry test", Command: "kferry rollback"})
	if err != nil {
		t.Fatalf("rolling back: %v", err)
	}
	return rep
}

// described is what Kafka's own tool says of the group on the target.
func (m *move) described(t *testing.T) map[topic.Partition]int64 {
	t.Helper()
	got := map[topic.Partition]int64{}
	for _, r := range m.to.k.ConsumerGroupsDescribe(t, m.group) {
		if r.Current >= 0 {
			got[part(r.Topic, r.Partition)] = r.Current
		}
	}
	return got
}

// checkStored looks at what the target's coordinator keeps, through a client of
// its own: offset, metadata byte for byte, and no leader epoch.
func (m *move) checkStored(t *testing.T) {
	t.Helper()
	all, err := m.to.k.Admin(t).FetchOffsets(t.Context(), m.group)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range m.want {
		got, ok := all.Lookup(p.Topic, p.Partition)
		if !ok || got.Err != nil || got.At != want || got.LeaderEpoch != -1 || got.Metadata != odd {
			t.Errorf("%s: stored is %+v, want offset %d, leader epoch -1, metadata %q", p, got, want, odd)
		}
	}
}

// A group crosses between two releases and back again, judged by Kafka's own
// tools.
func TestPairs(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{kafkatest.Newest, kafkatest.Previous}, {kafkatest.Previous, kafkatest.Newest}, {kafkatest.Old, kafkatest.Newest},
	} {
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
			t.Parallel()
			kafkatest.Need(t, pair[:]...)
			m := newMove(t, shared(t, pair[0]), shared(t, pair[1]))
			p := m.build(t)
			m.checkPlan(t, p)
			rep := m.apply(t, p)
			if !rep.Complete() || rep.Count(plan.Applied) != 1 || rep.Groups[0].Set != 3 {
				t.Errorf("apply: %+v", rep)
			}
			if diff := cmp.Diff(m.want, m.described(t)); diff != "" {
				t.Errorf("kafka-consumer-groups --describe (-want +got):\n%s", diff)
			}
			m.checkStored(t)
			if v := m.verify(t, p); !v.Right() || v.Counts[plan.AsWritten] != 3 || v.Proofs[plan.ProofHolds] != 3 {
				t.Errorf("verify: %+v %+v", v.Counts, v.Proofs)
			}
			if again := m.apply(t, p); !again.AlreadyApplied {
				t.Errorf("second apply: %+v", again)
			}
			back := m.rollback(t, rep.Run)
			if !back.Complete() || !back.Groups[0].DeletedGroup {
				t.Errorf("rollback: %+v", back)
			}
			if r := m.to.k.Tool(t, "kafka-consumer-groups", "--bootstrap-server", m.to.k.Bootstrap(), "--list"); strings.Contains(r.Stdout, m.group) {
				t.Errorf("the group is listed after the rollback:\n%s", r.Stdout)
			}
			if rows := m.to.k.ConsumerGroupsDescribe(t, m.group); len(rows) != 0 {
				t.Errorf("after the rollback the group has %+v", rows)
			}
		})
	}
}

// checkPlan expects every position to be there, exact, and unproven where the
// source is too old to tell one life of a topic from the next.
func (m *move) checkPlan(t *testing.T, p *plan.Plan) {
	t.Helper()
	old := m.from.k.Version == kafkatest.Old
	g := p.Group(m.group)
	if g == nil || g.Verdict != plan.VerdictApply || len(g.Positions) != 3 {
		t.Fatalf("group of the plan: %+v", g)
	}
	for i := range g.Positions {
		q := &g.Positions[i]
		want := translate.Exact
		switch {
		case old:
			want = translate.ExactUnproven
		case q.Source.Offset == 60:
			want = translate.AtEnd
		}
		if q.Outcome != want || q.After.Offset != m.want[q.Target()] || q.After.LeaderEpoch != -1 || q.After.Metadata != odd {
			t.Errorf("%s: %s, %v, want %s %d", q.Target(), q.Outcome, q.After, want, m.want[q.Target()])
		}
		if said := strings.Contains(strings.Join(q.Unproven, "\n"), "topic ID"); said != old {
			t.Errorf("%s: unproven %q", q.Target(), q.Unproven)
		}
	}
	found := slices.ContainsFunc(p.Findings, func(f plan.Finding) bool { return f.Reason == plan.ReasonIncarnationKnown })
	if found != old {
		t.Errorf("findings: %+v", p.Findings)
	}
}

// Kafka's Java consumer goes on exactly at the next record, and what it has read
// since is left alone by a rollback.
func TestJavaConsumerGoesOn(t *testing.T) {
	t.Parallel()
	kafkatest.Need(t, kafkatest.Newest, kafkatest.Previous)
	m := newMove(t, shared(t, kafkatest.Newest), shared(t, kafkatest.Previous))
	p := m.build(t)
	rep := m.apply(t, p)
	var got []int64
	for _, r := range m.to.k.ConsoleConsume(t, m.group, m.payments[1], 19) {
		got = append(got, r.Offset)
	}
	var want []int64
	for offset := int64(57); offset < 76; offset++ {
		want = append(want, offset)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the console consumer reads (-want +got):\n%s", diff)
	}
	v := m.verify(t, p)
	if !v.Right() || v.Counts[plan.MovedOn] != 1 || v.Counts[plan.AsWritten] != 2 {
		t.Errorf("verify: %+v", v.Counts)
	}
	back := m.rollback(t, rep.Run)
	if back.Complete() || back.Groups[0].Result != plan.Refused || back.Groups[0].Reason != plan.ReasonElsewhere {
		t.Errorf("rollback: %+v", back.Groups)
	}
	m.want[part(m.payments[1], 0)] = 76
	if diff := cmp.Diff(m.want, m.described(t)); diff != "" {
		t.Errorf("after the refused rollback (-want +got):\n%s", diff)
	}
}
