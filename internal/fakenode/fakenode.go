// Package fakenode is one Kafka in this process, for tests: its cluster, its
// groups, and what other programs would do there.
package fakenode

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// Node is a cluster of one broker that ends with the test.
type Node struct {
	Fake    *kfake.Cluster
	Cluster *cluster.Cluster
	Groups  *group.Client
	Admin   *kadm.Client

	tb testing.TB
}

// Start starts a cluster whose ID and name are id.
func Start(tb testing.TB, id string, opts ...kfake.Opt) *Node {
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
	return &Node{
		Fake: fake, Cluster: c, Admin: c.Admin(), tb: tb,
		Groups: group.New(c, &group.Options{RequestTimeout: 5 * time.Second, UnstableWait: 50 * time.Millisecond}),
	}
}

// Create creates a topic.
func (n *Node) Create(name string, partitions int32) {
	n.tb.Helper()
	if _, err := n.Admin.CreateTopic(context.Background(), partitions, 1, nil, name); err != nil {
		n.tb.Fatalf("creating %s: %v", name, err)
	}
}

// Produce writes records to the partitions that they name.
func (n *Node) Produce(records ...*kgo.Record) {
	n.tb.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.Fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		n.tb.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		n.tb.Fatalf("producing: %v", err)
	}
}

// Commit sets positions of a group, as another program would.
func (n *Node) Commit(name string, ps ...position.Position) {
	n.tb.Helper()
	answers, err := n.Groups.Commit(context.Background(), name, ps)
	if err != nil {
		n.tb.Fatalf("committing for %s: %v", name, err)
	}
	for p, err := range answers {
		if err != nil {
			n.tb.Fatalf("committing %s for %s: %v", p, name, err)
		}
	}
}

// Positions are those of a group, and nil when the group does not exist.
func (n *Node) Positions(name string) map[topic.Partition]position.Position {
	n.tb.Helper()
	all, err := n.Groups.Read(context.Background(), []string{name})
	if err != nil || all[name].Err != nil {
		n.tb.Fatalf("reading group %s: %v %v", name, err, all[name].Err)
	}
	r := all[name]
	if r.Group.State == group.Absent || r.Group.State == group.Dead {
		return nil
	}
	if r.Positions == nil {
		return map[topic.Partition]position.Position{}
	}
	return r.Positions
}
