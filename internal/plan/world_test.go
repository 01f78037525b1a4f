package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

const header = "__original_offset"

// requestTimeout is what the writers of these tests say that a commit can be on
// its way.
const requestTimeout = 10 * time.Millisecond

// node is one in-process cluster.
type node struct {
	fake  *kfake.Cluster
	c     *cluster.Cluster
	g     *group.Client
	admin *kadm.Client
}

// world is a source, a target with copies at other offsets, and a state.
type world struct {
	t              testing.TB
	source, target *node
	mem            *memstore.Store
	bucket         *store.Bucket
}

func newNode(tb testing.TB, id string, opts ...kfake.Opt) *node {
	tb.Helper()
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.ClusterID(id)}, opts...)...)
	if err != nil {
		tb.Fatalf("starting cluster %s: %v", id, err)
	}
	tb.Cleanup(fake.Close)
	c, err := cluster.Open(tb.Context(), cluster.Login{Name: id, Seeds: fake.ListenAddrs()}, nil)
	if err != nil {
		tb.Fatalf("connecting to %s: %v", id, err)
	}
	tb.Cleanup(c.Close)
	return &node{fake: fake, c: c, g: group.New(c, &group.Options{RequestTimeout: 5 * time.Second, UnstableWait: 50 * time.Millisecond}), admin: c.Admin()}
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
	if _, err := n.admin.CreateTopic(context.Background(), partitions, 1, nil, name); err != nil {
		w.t.Fatalf("creating %s: %v", name, err)
	}
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
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		w.t.Fatalf("producing: %v", err)
	}
}

// commit sets positions of a group, as another program would.
func (w *world) commit(n *node, name string, at map[topic.Partition]string) {
	w.t.Helper()
	var ps []position.Position
	for p, text := range at {
		ps = append(ps, parsePosition(w.t, name, p, text))
	}
	answers, err := n.g.Commit(context.Background(), name, ps)
	if err != nil {
		w.t.Fatalf("committing for %s: %v", name, err)
	}
	for p, err := range answers {
		if err != nil {
			w.t.Fatalf("committing %s for %s: %v", p, name, err)
		}
	}
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
	all, err := n.g.Read(context.Background(), []string{name})
	if err != nil || all[name].Err != nil {
		w.t.Fatalf("reading group %s: %v %v", name, err, all[name].Err)
	}
	if !exists(all[name].Group) {
		return nil
	}
	out := map[topic.Partition]string{}
	for p, pos := range all[name].Positions {
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
		ID: n.c.ID(), Name: n.c.Name(), Bootstrap: n.c.Bootstrap(), Topics: n.c, Log: n.c,
		Read: n.g, List: n.g, Write: &quick{Committer: n.g},
	}
}

// quick says a short request time-out, so that waiting for late commits takes
// milliseconds.
type quick struct{ Committer }

func (*quick) RequestTimeout() time.Duration { return requestTimeout }

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

// errKilled is what everything answers to a process that is dead.
var errKilled = errors.New("killed")

// killer counts what a process does and lets it die at step n, before or after
// that step takes effect. Steps are writes of the store and requests to groups.
type killer struct {
	mu    sync.Mutex
	at    int
	after bool
	steps int
	dead  bool
	names []string
}

// step runs one step, or dies.
func (k *killer) step(name string, do func() error) error {
	k.mu.Lock()
	k.steps++
	k.names = append(k.names, name)
	if k.dead {
		k.mu.Unlock()
		return errKilled
	}
	die := k.at > 0 && k.steps == k.at
	k.dead = die
	k.mu.Unlock()
	if die && !k.after {
		return errKilled
	}
	err := do()
	if die {
		return errKilled
	}
	return err
}

// killedStore dies on writes; a dead process reads nothing either.
type killedStore struct {
	driver.Driver
	k *killer
}

func (s *killedStore) Put(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	return s.k.step("put "+key, func() error { return s.Driver.Put(ctx, key, body, size) })
}

func (s *killedStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.k.mu.Lock()
	dead := s.k.dead
	s.k.mu.Unlock()
	if dead {
		return nil, errKilled
	}
	return s.Driver.Get(ctx, key, offset, length)
}

func (s *killedStore) List(ctx context.Context, q driver.Query) iter.Seq2[driver.Object, error] {
	s.k.mu.Lock()
	dead := s.k.dead
	s.k.mu.Unlock()
	if dead {
		return func(yield func(driver.Object, error) bool) { yield(driver.Object{}, errKilled) }
	}
	return s.Driver.List(ctx, q)
}

func (s *killedStore) Delete(ctx context.Context, key string) error {
	return s.k.step("delete "+key, func() error { return s.Driver.Delete(ctx, key) })
}

// killedGroups dies on any request to groups.
type killedGroups struct {
	g *group.Client
	k *killer
}

// stepOf is a step with an answer, which is kept when the step is the last one
// that took effect.
func stepOf[T any](k *killer, name string, do func() (T, error)) (out T, err error) {
	err = k.step(name, func() error {
		var failed error
		out, failed = do()
		return failed
	})
	return out, err
}

func (x *killedGroups) Read(ctx context.Context, names []string) (map[string]group.Reading, error) {
	return stepOf(x.k, "read", func() (map[string]group.Reading, error) { return x.g.Read(ctx, names) })
}

func (x *killedGroups) Commit(ctx context.Context, name string, ps []position.Position) (map[topic.Partition]error, error) {
	return stepOf(x.k, "commit "+name, func() (map[topic.Partition]error, error) { return x.g.Commit(ctx, name, ps) })
}

func (x *killedGroups) DeleteOffsets(ctx context.Context, name string, ps []topic.Partition) (map[topic.Partition]error, error) {
	return stepOf(x.k, "delete offsets "+name, func() (map[topic.Partition]error, error) { return x.g.DeleteOffsets(ctx, name, ps) })
}

func (x *killedGroups) DeleteGroup(ctx context.Context, name string) error {
	return x.k.step("delete group "+name, func() error { return x.g.DeleteGroup(ctx, name) })
}

func (*killedGroups) RequestTimeout() time.Duration { return requestTimeout }

// kill makes a side and a state die with the killer.
func (w *world) kill(k *killer) (from, to Side, b *store.Bucket) {
	from, to = w.source.side(), w.target.side()
	from.Read = &killedGroups{w.source.g, k}
	dying := &killedGroups{w.target.g, k}
	to.Read, to.Write = dying, dying
	return from, to, store.New(&killedStore{w.mem, k}, "mem://state", nil)
}

// deleteRecords moves the start of a log.
func (w *world) deleteRecords(n *node, p topic.Partition, to int64) error {
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: p.Topic, Partition: p.Partition, At: to})
	resp, err := n.admin.DeleteRecords(context.Background(), offsets)
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
	return nil, errKilled
}

func (r *refusesWrites) DeleteOffsets(context.Context, string, []topic.Partition) (map[topic.Partition]error, error) {
	r.t.Error("offsets were deleted")
	return nil, errKilled
}

func (r *refusesWrites) DeleteGroup(context.Context, string) error {
	r.t.Error("a group was deleted")
	return errKilled
}
