package inspect

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/mover"
)

// node is one embedded cluster.
type node struct {
	t  *testing.T
	k  *kfake.Cluster
	cl *kgo.Client
	c  *cluster.Cluster
}

// newPair is an old and a new cluster with a topic orders of so many partitions.
func newPair(t *testing.T, old, fresh int32) (src, tgt *node) {
	t.Helper()
	src, tgt = newNode(t, "old"), newNode(t, "new")
	src.topic("orders", old)
	tgt.topic("orders", fresh)
	return src, tgt
}

func newNode(t *testing.T, name string) *node {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	c, err := cluster.Open(t.Context(), cluster.Login{Name: name, Seeds: k.ListenAddrs()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &node{t: t, k: k, cl: cl, c: c}
}

func (n *node) topic(name string, partitions int32, config ...string) {
	n.t.Helper()
	configs := map[string]*string{}
	for _, kv := range config {
		k, v, _ := strings.Cut(kv, "=")
		configs[k] = &v
	}
	if _, err := kadm.NewClient(n.cl).CreateTopic(n.t.Context(), partitions, 1, configs, name); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) produce(records ...*kgo.Record) {
	n.t.Helper()
	if err := n.cl.ProduceSync(n.t.Context(), records...).FirstErr(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) trim(topic string, partition int32, below int64) {
	n.t.Helper()
	os := kadm.Offsets{}
	os.AddOffset(topic, partition, below, -1)
	if _, err := kadm.NewClient(n.cl).DeleteRecords(n.t.Context(), os); err != nil {
		n.t.Fatal(err)
	}
}

// side is the cluster as Inspect takes it.
func (n *node) side() Side {
	n.t.Helper()
	topics, err := n.c.Topics(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return Side{Log: n.c, Topics: topics}
}

var began = time.Now().Add(-time.Hour).Truncate(time.Millisecond)

// record is number h of a source partition.
func recordOf(topic string, partition int32, h int64) *kgo.Record {
	return &kgo.Record{
		Topic: topic, Partition: partition, Key: fmt.Appendf(nil, "key %d", h%7), Value: fmt.Appendf(nil, "%d of %d", h, partition),
		Headers:   []kgo.RecordHeader{{Key: "app", Value: []byte("shop")}},
		Timestamp: began.Add(time.Duration(h) * time.Millisecond),
	}
}

// fill writes source records [from, to) of a partition.
func (n *node) fill(topic string, partition int32, from, to int64) {
	n.t.Helper()
	var rs []*kgo.Record
	for h := from; h < to; h++ {
		rs = append(rs, recordOf(topic, partition, h))
	}
	n.produce(rs...)
}

// style is how a mover marks its copies.
type style struct {
	header  mover.Header
	enc     mover.Encoding
	part    mover.Encoding
	cluster string
	topic   string
}

func styleOf(t *testing.T, header string, enc, part mover.Encoding) style {
	t.Helper()
	h, ok := mover.HeaderNamed(header)
	if !ok {
		t.Fatalf("header %s is not known", header)
	}
	return style{header: h, enc: enc, part: part, cluster: "old", topic: "orders"}
}

// mark adds the headers of the mover to a copy of record h of a partition.
func (s style) mark(r *kgo.Record, partition int32, h int64) *kgo.Record {
	add := func(name string, v []byte) {
		if name != "" {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: v})
		}
	}
	add(s.header.Offset, mover.EncodeNumber(h, s.enc))
	if s.part != "" {
		add(s.header.Partition, mover.EncodeNumber(int64(partition), s.part))
	}
	add(s.header.Cluster, []byte(s.cluster))
	add(s.header.Topic, []byte(s.topic))
	add(s.header.Pipeline, []byte("pipe-1"))
	return r
}

// copies are marked copies of [from, to) of a source partition, for a partition
// of the target.
func (s style) copies(topic string, to int32, from int32, h, end int64) []*kgo.Record {
	var rs []*kgo.Record
	for ; h < end; h++ {
		r := s.mark(recordOf("orders", from, h), from, h)
		r.Topic, r.Partition = topic, to
		rs = append(rs, r)
	}
	return rs
}

func inspectOne(t *testing.T, target, source *node, ask Ask, opts *Options) Topic {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var from *Side
	if source != nil {
		s := source.side()
		from = &s
	}
	got, err := Inspect(ctx, target.side(), from, []Ask{ask}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return got.Topics[0]
}

// findings are the reasons with their severity.
func findings(t Topic) []string {
	out := []string{}
	for _, f := range t.Findings {
		out = append(out, string(f.Severity)+" "+string(f.Reason))
	}
	return out
}

func describe(t Topic) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s mover=%q evidence=%q mapping=%s how=%q\n", t.Name, t.Mover, t.Evidence, t.Mapping, t.How)
	for _, p := range t.Partitions {
		fmt.Fprintf(&b, "  %d %+v\n", p.Partition, p)
	}
	for _, f := range t.Findings {
		fmt.Fprintf(&b, "  %s %s %d: %s (%s)\n", f.Severity, f.Reason, f.Partition, f.Detail, f.Hint)
	}
	return b.String()
}
