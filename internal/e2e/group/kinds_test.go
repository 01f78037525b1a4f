package group_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// bench is one real cluster with a topic and its copy, whose offsets are three
// higher, and a state.
type bench struct {
	k            *kafkatest.Kafka
	c            *cluster.Cluster
	g            *group.Client
	source, copy string
	bucket       *store.Bucket
}

const copies = 20

func newBench(t *testing.T, k *kafkatest.Kafka) *bench {
	t.Helper()
	c, err := cluster.Open(t.Context(), cluster.Login{Name: "real", Seeds: strings.Split(k.Bootstrap(), ",")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b := &bench{
		k: k, c: c, g: group.New(c, nil), source: kafkatest.Name(t, "orders"), copy: kafkatest.Name(t, "copy"),
		bucket: store.New(memstore.New(), "mem://state", nil),
	}
	b.fill(t, b.source, b.copy)
	return b
}

// fill makes a topic of one partition, and its copy on the same cluster.
func (b *bench) fill(t *testing.T, source, target string) {
	t.Helper()
	b.k.CreateTopic(t, source, 1, nil)
	b.k.CreateTopic(t, target, 1, nil)
	var all []*kgo.Record
	for range 3 {
		all = append(all, &kgo.Record{Topic: target, Value: []byte("warm-up")})
	}
	for i := range copies {
		value := []byte("v" + strconv.Itoa(i))
		all = append(all,
			&kgo.Record{Topic: source, Value: value},
			&kgo.Record{Topic: target, Value: value, Headers: []kgo.RecordHeader{{Key: "__original_offset", Value: []byte(strconv.Itoa(i))}}})
	}
	kafkatest.Produce(t, b.k.Client(t), all...)
}

func (b *bench) side() plan.Side {
	return plan.Side{ID: b.c.ID(), Name: b.c.Name(), Bootstrap: b.c.Bootstrap(), Topics: b.c, Log: b.c, Read: b.g, List: b.g, Write: b.g}
}

// build plans one group to another name and to the copies of its topics.
func (b *bench) build(t *testing.T, from, to string, accept plan.Accept, topics ...string) *plan.Plan {
	t.Helper()
	route, err := position.NewRoute(position.RouteOptions{
		MapTopics: append([]string{b.source + "=" + b.copy}, topics...), MapGroups: []string{from + "=" + to},
	})
	if err != nil {
		t.Fatal(err)
	}
	sel, err := position.Selector{Groups: []string{from}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	side := b.side()
	p, err := plan.Build(t.Context(), plan.Input{
		From: &side, To: b.side(), Selection: sel, Route: route, Settle: -1, Accept: accept, Tool: "kferry test",
		Translate: translate.Options{Evidence: translate.KindHeader, Header: "__original_offset"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (b *bench) apply(t *testing.T, p *plan.Plan, write plan.Committer) *plan.Report {
	t.Helper()
	side := b.side()
	rep, err := plan.Apply(t.Context(), p, plan.ApplyInput{
		From: &side, To: plan.Side{
			ID: side.ID, Name: side.Name, Bootstrap: side.Bootstrap, Topics: b.c, Log: b.c, Read: b.g, Write: write,
		}, Bucket: b.bucket, Tool: "kferry test", Command: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func (b *bench) rollBack(t *testing.T, run string) *plan.Report {
	t.Helper()
	rep, err := plan.Rollback(t.Context(), run, plan.RollbackInput{To: b.side(), Bucket: b.bucket, Tool: "kferry test", Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	kafkatest.Eventually(t, what, func() (bool, string) { return holds(), "not yet" })
}

// after does something behind the back of a commit that was carried out.
type after struct {
	*group.Client
	then func()
}

func (a *after) Commit(ctx context.Context, name string, ps []position.Position) (map[topic.Partition]error, error) {
	out, err := a.Client.Commit(ctx, name, ps)
	a.then()
	return out, err
}

// Consumers that only assign partitions, and producers that commit in
// transactions without being members, are noticed by what they commit: before
// the plan is applied, and right after it was written.
func TestConsumersThatNobodySees(t *testing.T) {
	t.Parallel()
	b := newBench(t, kafkatest.Shared(t, kafkatest.Newest))
	// From 4.0 on the server moves the epoch when a transaction ends (KIP-890).
	producer := b.k.Client(t, kgo.MaxVersions(kversion.V3_9_0()))
	for name, commitTo := range map[string]func(t *testing.T, name string, offset int64){
		"assigned": func(t *testing.T, name string, offset int64) {
			t.Helper()
			commit(t, b.g, name, at(b.source, 0, offset, ""))
		},
		"transactional": func(t *testing.T, name string, offset int64) {
			t.Helper()
			b.commitInTransaction(t, producer, name, offset)
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := kafkatest.Name(t, "unseen"), kafkatest.Name(t, "target")
			commitTo(t, from, 5)
			if g := read(t, b.g, from).Group; !g.Stopped() {
				t.Fatalf("the group of a consumer that is no member: %+v", g)
			}
			p := b.build(t, from, to, plan.Accept{})
			said := false
			for _, f := range p.Findings {
				said = said || f.Reason == plan.ReasonUnseen && strings.Contains(f.Detail, from)
			}
			if !said || p.Groups[0].Verdict != plan.VerdictApply {
				t.Fatalf("plan: findings %+v, group %+v", p.Findings, p.Groups[0])
			}

			// It commits while nobody has written yet.
			commitTo(t, from, 6)
			if rep := b.apply(t, p, b.g); rep.Groups[0].Result != plan.Stale || rep.Groups[0].Reason != plan.ReasonSourceMoved {
				t.Errorf("moved before: %+v", rep.Groups[0])
			}
			// It commits right after our commit.
			p = b.build(t, from, to, plan.Accept{})
			rep := b.apply(t, p, &after{b.g, func() { commitTo(t, from, 7) }})
			if rep.Groups[0].Result != plan.TakenBack || rep.Groups[0].Reason != plan.ReasonSourceMoved || rep.Complete() {
				t.Errorf("moved meanwhile: %+v", rep.Groups[0])
			}
			if r := read(t, b.g, to); len(r.Positions) > 0 || r.Group.State != group.Absent {
				t.Errorf("left on the target: %+v", r)
			}
			// It commits in the target group, where it should not be yet.
			p = b.build(t, from, to, plan.Accept{})
			rep = b.apply(t, p, &after{b.g, func() { commit(t, b.g, to, at(b.copy, 0, 11, "")) }})
			if rep.Groups[0].Result != plan.TakenOver {
				t.Errorf("somebody reads on the target: %+v", rep.Groups[0])
			}
			if got := read(t, b.g, to).Positions[topic.Partition{Topic: b.copy}].Offset; got != 11 {
				t.Errorf("what it committed is at %d, want 11 left alone", got)
			}
		})
	}
}

// commitInTransaction commits as a producer does that is no member of the
// group: nothing but the transaction guards it (KIP-98).
func (b *bench) commitInTransaction(t *testing.T, cl *kgo.Client, name string, offset int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	tx := kafkatest.Name(t, "tx")
	begin := kmsg.NewPtrInitProducerIDRequest()
	begin.TransactionalID, begin.TransactionTimeoutMillis = &tx, 60_000
	id, err := begin.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(id.ErrorCode)
	}
	if err != nil {
		t.Fatalf("beginning a transaction: %v", err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = tx, id.ProducerID, id.ProducerEpoch, name
	added, err := add.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(added.ErrorCode)
	}
	if err != nil {
		t.Fatalf("adding the group: %v", err)
	}
	store := kmsg.NewPtrTxnOffsetCommitRequest()
	store.TransactionalID, store.ProducerID, store.ProducerEpoch, store.Group = tx, id.ProducerID, id.ProducerEpoch, name
	part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	part.Offset, part.LeaderEpoch = offset, -1
	store.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: b.source, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{part}}}
	stored, err := store.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(stored.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("committing %d: %v", offset, err)
	}
	end := kmsg.NewPtrEndTxnRequest()
	end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = tx, id.ProducerID, id.ProducerEpoch, true
	ended, err := end.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(ended.ErrorCode)
	}
	if err != nil {
		t.Fatalf("ending the transaction: %v", err)
	}
	// The marker reaches the group a moment later.
	eventually(t, "the commit is decided", func() bool {
		return read(t, b.g, name).Positions[topic.Partition{Topic: b.source}].Offset == offset
	})
}

// namedBalancer is an assignor under another name.
type namedBalancer struct {
	kgo.GroupBalancer
	name string
}

func (n namedBalancer) ProtocolName() string { return n.name }

// The classic protocol of Kafka Streams: the assignor's name while it runs, and
// what it leaves in the positions once it has stopped.
func TestStreamsApplicationsAreRecognised(t *testing.T) {
	t.Parallel()
	b := newBench(t, kafkatest.Shared(t, kafkatest.Newest))
	app, renamed := kafkatest.Name(t, "app"), kafkatest.Name(t, "renamed")
	b.fill(t, app+"-by-city-repartition", renamed+"-by-city-repartition")
	b.k.CreateTopic(t, app+"-counts-changelog", 1, map[string]string{"cleanup.policy": "compact"})
	b.k.CreateTopic(t, renamed+"-counts-changelog", 1, map[string]string{"cleanup.policy": "compact"})
	member := b.k.Client(t, kgo.ConsumerGroup(app), kgo.ConsumeTopics(b.source, app+"-by-city-repartition"),
		kgo.Balancers(namedBalancer{kgo.RoundRobinBalancer(), "stream"}), kgo.DisableAutoCommit(),
		kgo.ClientID(app+"-f05cfa48-41d4-45d5-9a2f-37e54fdf8824-StreamThread-1-consumer"))
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	member.PollFetches(ctx)
	eventually(t, "the member is in", func() bool { return read(t, b.g, app).Group.State == group.Stable })
	if g := read(t, b.g, app).Group; g.Protocol != "stream" || len(g.Members) != 1 {
		t.Errorf("while it runs: %+v", g)
	}
	p := b.build(t, app, renamed, plan.Accept{}, app+"-*="+renamed+"-*")
	if g := p.Groups[0]; g.Reason != plan.ReasonGroupActive || !strings.Contains(g.Hint, "session.timeout.ms") {
		t.Errorf("while it runs: %+v", g)
	}
	member.Close()
	const state = "AgAAAaH+oGyP" // what Kafka Streams 4.3.1 leaves
	eventually(t, "the member is out", func() bool { return read(t, b.g, app).Group.Stopped() })
	commit(t, b.g, app, at(b.source, 0, 5, state), at(app+"-by-city-repartition", 0, 9, state))

	p = b.build(t, app, renamed, plan.Accept{})
	if g := p.Groups[0]; g.Reason != plan.ReasonStreamsRename || !strings.Contains(g.Hint, "--map-topic '"+app+"-*="+renamed+"-*'") {
		t.Errorf("another name alone: %+v", g)
	}
	p = b.build(t, app, renamed, plan.Accept{}, app+"-*="+renamed+"-*")
	if g := p.Groups[0]; g.Verdict != plan.VerdictApply {
		t.Fatalf("with its topics: %+v", g)
	}
	if rep := b.apply(t, p, b.g); !rep.Complete() {
		t.Fatalf("apply: %+v", rep)
	}
	want := map[string]int64{b.copy: 8, renamed + "-by-city-repartition": 12}
	for name, offset := range want {
		got := read(t, b.g, renamed).Positions[topic.Partition{Topic: name}]
		if got.Offset != offset || got.Metadata != state {
			t.Errorf("%s: %+v, want %d with the metadata", name, got, offset)
		}
	}
}

// errOf joins what a commit answered.
func errOf(parts map[topic.Partition]error, err error) error {
	for _, e := range parts {
		err = errors.Join(err, e)
	}
	return err
}
