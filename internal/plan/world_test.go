package plan

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/fakenode"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

const header = "__original_offset"

// node is one in-process cluster.
type node struct{ *fakenode.Node }

func newNode(tb testing.TB, id string, opts ...kfake.Opt) *node {
	tb.Helper()
	return &node{fakenode.Start(tb, id, opts...)}
}

// world is a source, a target with copies at other offsets, and a state.
type world struct {
	t              testing.TB
	source, target *node
	mem            *memstore.Store
	bucket         *store.Bucket
}

// newWorld has the topics orders (2 partitions) and payments (1) with 10
// records each; the copies have shift(partition) other records before them.
func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{t: tb, source: newNode(tb, "old"), target: newNode(tb, "new"), mem: memstore.New()}
	w.bucket = store.New(w.mem, "mem://state", nil)
	for _, tp := range []struct {
		name       string
		partitions int32
	}{{"orders", 2}, {"payments", 1}} {
		w.create(w.source, tp.name, tp.partitions)
		w.create(w.target, tp.name, tp.partitions)
		for p := range tp.partitions {
			w.fill(tp.name, p, 10)
		}
	}
	return w
}

func shift(p int32) int64 { return 3 + 2*int64(p) }

func (w *world) create(n *node, name string, partitions int32) {
	w.t.Helper()
	n.Create(name, partitions)
}

// fill writes records to the source and their copies to the target, after some
// copies of nothing: records without the header.
func (w *world) fill(name string, p int32, records int) {
	w.t.Helper()
	var src, tgt []*kgo.Record
	for range shift(p) {
		tgt = append(tgt, &kgo.Record{Topic: name, Partition: p, Value: []byte("warm-up")})
	}
	for i := range records {
		value := fmt.Appendf(nil, "%s-%d-%d", name, p, i)
		src = append(src, &kgo.Record{Topic: name, Partition: p, Value: value})
		tgt = append(tgt, &kgo.Record{Topic: name, Partition: p, Value: value, Headers: []kgo.RecordHeader{{Key: header, Value: []byte(strconv.Itoa(i))}}})
	}
	w.produce(w.source, src...)
	w.produce(w.target, tgt...)
}

func (w *world) produce(n *node, records ...*kgo.Record) {
	w.t.Helper()
	n.Produce(records...)
}

// commit sets positions of a group, as another program would.
func (w *world) commit(n *node, name string, at map[topic.Partition]string) {
	w.t.Helper()
	var ps []position.Position
	for p, text := range at {
		ps = append(ps, parsePosition(w.t, name, p, text))
	}
	n.Commit(name, ps...)
}

// parsePosition reads "7" or "7 metadata".
func parsePosition(tb testing.TB, name string, p topic.Partition, text string) position.Position {
	tb.Helper()
	offset, metadata, _ := cut(text)
	n, err := strconv.ParseInt(offset, 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return position.Position{Group: name, Partition: p, Offset: n, LeaderEpoch: -1, Metadata: metadata}
}

func cut(s string) (before, after string, found bool) {
	for i := range len(s) {
		if s[i] == ' ' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// positions are those of a group in the form of commit, and nil when the group
// does not exist.
func (w *world) positions(n *node, name string) map[topic.Partition]string {
	w.t.Helper()
	all := n.Positions(name)
	if all == nil {
		return nil
	}
	out := map[topic.Partition]string{}
	for p, pos := range all {
		out[p] = strconv.FormatInt(pos.Offset, 10)
		if pos.Metadata != "" {
			out[p] += " " + pos.Metadata
		}
	}
	return out
}

func part(name string, p int32) topic.Partition { return topic.Partition{Topic: name, Partition: p} }

// side is a node as plan sees it.
func (n *node) side() Side {
	return Side{
		ID: n.Cluster.ID(), Name: n.Cluster.Name(), Bootstrap: n.Cluster.Bootstrap(), Topics: n.Cluster, Log: n.Cluster,
		Read: n.Groups, List: n.Groups, Write: &quick{Committer: n.Groups},
	}
}

// quick says a short request time-out, so that waiting for late commits takes
// milliseconds.
type quick struct{ Committer }

func (*quick) RequestTimeout() time.Duration { return killtest.RequestTimeout }

func (q *quick) Rights(ctx context.Context, names, topics []string) (group.Rights, error) {
	if a, ok := q.Committer.(authority); ok {
		return a.Rights(ctx, names, topics)
	}
	return group.Rights{}, nil
}

func (w *world) input() Input {
	from := w.source.side()
	return Input{From: &from, To: w.target.side(), Settle: -1, Tool: "kferry test", Translate: quickTranslate}
}

func (w *world) build(change ...func(*Input)) *Plan {
	w.t.Helper()
	in := w.input()
	for _, f := range change {
		f(&in)
	}
	p, err := Build(context.Background(), in)
	if err != nil {
		w.t.Fatalf("building a plan: %v", err)
	}
	return p
}

// takeOver lets a run of a dead process be taken at once.
func takeOver() *run.Options { return &run.Options{Gone: func(run.Who) bool { return true }} }

func (w *world) applyInput() ApplyInput {
	from := w.source.side()
	return ApplyInput{From: &from, To: w.target.side(), Bucket: w.bucket, Run: takeOver(), Tool: "kferry test", Command: "kferry apply plan.json"}
}

func (w *world) rollbackInput() RollbackInput {
	return RollbackInput{To: w.target.side(), Bucket: w.bucket, Run: takeOver(), Tool: "kferry test", Command: "kferry rollback"}
}

func (w *world) apply(p *Plan, change ...func(*ApplyInput)) *Report {
	w.t.Helper()
	in := w.applyInput()
	for _, f := range change {
		f(&in)
	}
	rep, err := Apply(context.Background(), p, in)
	if err != nil {
		w.t.Fatalf("applying: %v", err)
	}
	return rep
}

func (w *world) verify(p *Plan) *VerifyReport {
	w.t.Helper()
	from := w.source.side()
	v, err := Verify(context.Background(), p, VerifyInput{From: &from, To: w.target.side(), Bucket: w.bucket})
	if err != nil {
		w.t.Fatalf("verifying: %v", err)
	}
	return v
}

// kill makes a side and a state die with the killer.
func (w *world) kill(k *killtest.Killer) (from, to Side, b *store.Bucket) {
	from, to = w.source.side(), w.target.side()
	from.Read = killtest.Groups(w.source.Groups, k)
	dying := killtest.Groups(w.target.Groups, k)
	to.Read, to.Write = dying, dying
	return from, to, store.New(killtest.Store(w.mem, k), "mem://state", nil)
}

// deleteRecords moves the start of a log.
func (w *world) deleteRecords(n *node, p topic.Partition, to int64) error {
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: p.Topic, Partition: p.Partition, At: to})
	resp, err := n.Admin.DeleteRecords(context.Background(), offsets)
	if err != nil {
		return err
	}
	return resp.Error()
}

// refusesWrites fails the test when something is written.
type refusesWrites struct {
	Committer
	t *testing.T
}

func (r *refusesWrites) Commit(context.Context, string, []position.Position) (map[topic.Partition]error, error) {
	r.t.Error("something was committed")
	return nil, killtest.ErrKilled
}

func (r *refusesWrites) DeleteOffsets(context.Context, string, []topic.Partition) (map[topic.Partition]error, error) {
	r.t.Error("offsets were deleted")
	return nil, killtest.ErrKilled
}

func (r *refusesWrites) DeleteGroup(context.Context, string) error {
	r.t.Error("a group was deleted")
	return killtest.ErrKilled
}
