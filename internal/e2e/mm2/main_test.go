// Package mm2_test moves groups over copies that the real MirrorMaker 2 has
// made, between two releases of Apache Kafka, and reads both logs record by
// record to judge where the groups go on: beside it, what MirrorMaker 2's own
// group sync would have them read again.
package mm2_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/topic"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// node is one cluster with the rooms that look at it.
type node struct {
	k *kafkatest.Kafka
	c *cluster.Cluster
	g *group.Client
}

// enter opens the cluster of a release that all tests share.
func enter(t *testing.T, version string) *node {
	t.Helper()
	k := kafkatest.Shared(t, version)
	c, err := cluster.Open(t.Context(), cluster.Login{Name: "kafka-" + version, Seeds: strings.Split(k.Bootstrap(), ",")}, nil)
	if err != nil {
		t.Fatalf("opening Kafka %s: %v", version, err)
	}
	t.Cleanup(c.Close)
	return &node{k: k, c: c, g: group.New(c, &group.Options{RequestTimeout: 30 * time.Second})}
}

// side is the cluster as package plan sees it.
func (n *node) side() plan.Side {
	return plan.Side{
		ID: n.c.ID(), Name: n.c.Name(), Bootstrap: n.c.Bootstrap(),
		Topics: n.c, Log: n.c, Read: n.g, List: n.g, Write: n.g,
	}
}

// producer is a client that produces where records say, in large batches.
func (n *node) producer(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	return n.k.Client(t, append([]kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(200_000),
		kgo.ProducerLinger(5 * time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()),
	}, opts...)...)
}

// numbered makes the records from and above, small, and no two alike.
func numbered(p topic.Partition, from, n int) []*kgo.Record {
	out := make([]*kgo.Record, 0, n)
	for i := from; i < from+n; i++ {
		out = append(out, &kgo.Record{
			Topic: p.Topic, Partition: p.Partition,
			Key: strconv.AppendInt(nil, int64(i%1000), 10), Value: fmt.Appendf(nil, "%d/%d", p.Partition, i),
		})
	}
	return out
}

// commit gives a group of the source its positions, as an application that has
// read so far would have left them.
func (n *node) commit(t *testing.T, group string, at map[topic.Partition]int64) {
	t.Helper()
	var offsets kadm.Offsets
	for p, offset := range at {
		offsets.AddOffset(p.Topic, p.Partition, offset, -1)
	}
	if err := n.k.Admin(t).CommitAllOffsets(t.Context(), group, offsets); err != nil {
		t.Fatalf("committing for %s: %v", group, err)
	}
}

// positions returns what a group has committed; none is an empty map.
func (n *node) positions(t *testing.T, group string) map[topic.Partition]int64 {
	t.Helper()
	all, err := n.k.Admin(t).FetchOffsets(t.Context(), group)
	if err != nil {
		t.Fatalf("reading the positions of %s: %v", group, err)
	}
	at := map[topic.Partition]int64{}
	all.Each(func(o kadm.OffsetResponse) {
		if o.Err == nil && o.At >= 0 {
			at[part(o.Topic, o.Partition)] = o.At
		}
	})
	return at
}

// merged returns the union of both maps.
func merged(a, b map[string]string) map[string]string {
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

func part(name string, p int32) topic.Partition { return topic.Partition{Topic: name, Partition: p} }
