package migration

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/fakenode"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

const header = "__original_offset"

// node is one in-process cluster.
type node struct {
	*fakenode.Node
	t testing.TB
}

func newNode(tb testing.TB, id string) *node {
	tb.Helper()
	return &node{fakenode.Start(tb, id), tb}
}

func part(name string, p int32) topic.Partition { return topic.Partition{Topic: name, Partition: p} }

// commit sets positions of a group as an application would.
func (n *node) commit(name string, at map[topic.Partition]int64) {
	n.t.Helper()
	var ps []position.Position
	for p, offset := range at {
		ps = append(ps, position.Position{Group: name, Partition: p, Offset: offset, LeaderEpoch: -1})
	}
	n.Commit(name, ps...)
}

// positions are those of a group, nil when it does not exist.
func (n *node) positions(name string) map[topic.Partition]int64 {
	n.t.Helper()
	all := n.Positions(name)
	if all == nil {
		return nil
	}
	out := map[topic.Partition]int64{}
	for p, pos := range all {
		out[p] = pos.Offset
	}
	return out
}

// join puts a member into a group until the test ends or leave is called.
func (n *node) join(name, topicName string, opts ...kgo.Opt) (leave func()) {
	n.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(n.Fake.ListenAddrs()...), kgo.ConsumerGroup(name), kgo.ConsumeTopics(topicName),
		kgo.DisableAutoCommit(), kgo.ClientID("reader"),
	}, opts...)...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(cl.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		cl.PollFetches(ctxShort(ctx))
		all, err := n.Groups.Describe(ctx, []string{name})
		if err == nil && len(all[name].Members) > 0 && all[name].State == group.Stable {
			return cl.Close
		}
	}
	n.t.Fatalf("group %s has no members", name)
	return nil
}

func ctxShort(ctx context.Context) context.Context {
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	context.AfterFunc(short, cancel)
	return short
}

// world is an application on the source, a copy of its topics on the target,
// and a state.
type world struct {
	t              testing.TB
	source, target *node
	mem            *memstore.Store
	bucket         *store.Bucket
}

// shift is by how much the copies of a partition are further than the originals.
func shift(p int32) int64 { return 3 + 2*int64(p) }

// newWorld has the topics orders (2 partitions) and payments (1) with 10
// records each, copied but for what a test copies itself, and the groups
// orders-app and payments-app, which have read a part of them.
func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{t: tb, source: newNode(tb, "old"), target: newNode(tb, "new"), mem: memstore.New()}
	w.bucket = store.New(w.mem, "mem://state", nil)
	for _, tp := range []topic.Partition{part("orders", 2), part("payments", 1)} {
		w.source.Create(tp.Topic, tp.Partition)
		w.target.Create(tp.Topic, tp.Partition)
		for p := range tp.Partition {
			var warm []*kgo.Record
			for range shift(p) {
				warm = append(warm, &kgo.Record{Topic: tp.Topic, Partition: p, Value: []byte("warm-up")})
			}
			w.target.Produce(warm...)
			w.write(part(tp.Topic, p), 0, 10)
			w.copy(part(tp.Topic, p), 0, 10)
		}
	}
	w.source.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 4, part("orders", 1): 10})
	w.source.commit("payments-app", map[topic.Partition]int64{part("payments", 0): 7})
	return w
}

// write produces the records [from, to) on the source.
func (w *world) write(tp topic.Partition, from, to int) {
	w.t.Helper()
	var rs []*kgo.Record
	for i := from; i < to; i++ {
		rs = append(rs, &kgo.Record{Topic: tp.Topic, Partition: tp.Partition, Value: fmt.Appendf(nil, "%s-%d", tp, i)})
	}
	w.source.Produce(rs...)
}

// copy copies the records [from, to) to the target.
func (w *world) copy(tp topic.Partition, from, to int) {
	w.t.Helper()
	var rs []*kgo.Record
	for i := from; i < to; i++ {
		rs = append(rs, &kgo.Record{
			Topic: tp.Topic, Partition: tp.Partition, Value: fmt.Appendf(nil, "%s-%d", tp, i),
			Headers: []kgo.RecordHeader{{Key: header, Value: []byte(strconv.Itoa(i))}},
		})
	}
	w.target.Produce(rs...)
}

func (n *node) side(k *killtest.Killer) plan.Side {
	g := killtest.Groups(n.Groups, k)
	return plan.Side{ID: n.Cluster.ID(), Name: n.Cluster.Name(), Bootstrap: n.Cluster.Bootstrap(), Topics: n.Cluster, Log: n.Cluster, Read: g, List: g, Write: g}
}

// input is that of a process that dies with the killer.
func (w *world) input(k *killtest.Killer) Input {
	return Input{
		From: w.source.side(k), To: w.target.side(k), Bucket: store.New(killtest.Store(w.mem, k), "mem://state", nil),
		Settle: -1, Interval: time.Millisecond, Tool: "kferry test", Command: "kferry migration",
		Run: &run.Options{Gone: func(run.Who) bool { return true }},
	}
}

// spec is a migration of the two groups.
func spec() api.Migration {
	return api.Migration{Name: "app", From: "old", To: "new", Groups: []string{"*-app"}}
}

// checked is what Check would say, without looking.
func checked() *Checkup {
	return &Checkup{Spec: spec(), Groups: []Pair{{"orders-app", "orders-app"}, {"payments-app", "payments-app"}}}
}

func (w *world) create() {
	w.t.Helper()
	if _, err := Create(context.Background(), w.input(&killtest.Killer{}), checked()); err != nil {
		w.t.Fatalf("creating: %v", err)
	}
}

func (w *world) advance(change ...func(*Input)) *Outcome {
	w.t.Helper()
	in := w.input(&killtest.Killer{})
	for _, f := range change {
		f(&in)
	}
	out, err := Advance(context.Background(), "app", in)
	if err != nil {
		w.t.Fatalf("advancing: %v", err)
	}
	return out
}
