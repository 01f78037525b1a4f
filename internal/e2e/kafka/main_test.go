// Package kafka_test checks the rooms on a real Apache Kafka: what differs
// between releases, and from the in-process broker that the tests of each room
// use. Kafka's own tools and plain scans of the logs are the judges.
//
// Tests that need brokers of their own stand in files named broker_*; all others
// share one broker per release and keep apart by names. Most of their time is
// waiting for brokers, so they run side by side.
package kafka_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/topic"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// node is one cluster with the rooms that look at it.
type node struct {
	k *kafkatest.Kafka
	c *cluster.Cluster
	g *group.Client
	// written are logs that the plain consumer of scan cannot read: all that
	// was produced, as it was acknowledged.
	written map[topic.Partition][]entry
}

// shared is the cluster of a release that all tests share.
func shared(t *testing.T, version string) *node {
	t.Helper()
	k := kafkatest.Shared(t, version)
	return enter(t, k, cluster.Login{Name: "kafka-" + version, Seeds: strings.Split(k.Bootstrap(), ",")})
}

// enter opens a cluster with a login.
func enter(t *testing.T, k *kafkatest.Kafka, l cluster.Login) *node {
	t.Helper()
	if l.Name == "" {
		l.Name = "kafka-" + k.Version
	}
	c, err := cluster.Open(t.Context(), l, nil)
	if err != nil {
		t.Fatalf("opening Kafka %s: %v", k.Version, err)
	}
	t.Cleanup(c.Close)
	return &node{k: k, c: c, g: group.New(c, &group.Options{RequestTimeout: 30 * time.Second})}
}

// create makes a topic on the cluster.
func (n *node) create(t *testing.T, name string, partitions int32, config map[string]string) {
	t.Helper()
	n.k.CreateTopic(t, name, partitions, config)
}

// manual is a client that produces where records say.
func (n *node) manual(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	return n.k.Client(t, append([]kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
}

func part(name string, p int32) topic.Partition { return topic.Partition{Topic: name, Partition: p} }
