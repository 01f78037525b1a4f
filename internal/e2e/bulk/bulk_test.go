// Package bulk_test moves thousands of groups at once on a real Apache Kafka,
// and measures what the guarded apply costs beside bare requests.
package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/topic"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// world is one cluster with a topic of that many partitions, ten records in
// each.
type world struct {
	k          *kafkatest.Kafka
	cluster    *cluster.Cluster
	groups     *group.Client
	topic      string
	id         topic.ID
	partitions int32
	bucket     *store.Bucket
}

const recordsEach = 10

func enter(t testing.TB, partitions int32) *world {
	t.Helper()
	kafkatest.Need(t, kafkatest.Newest)
	k := kafkatest.Start(t, kafkatest.Options{Version: kafkatest.Newest})
	c, err := cluster.Open(t.Context(), cluster.Login{Name: "bulk", Seeds: []string{k.Bootstrap()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w := &world{k: k, cluster: c, groups: group.New(c, nil), topic: "orders", partitions: partitions}
	k.CreateTopic(t, w.topic, partitions, nil)
	kafkatest.Produce(t, k.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner())), numbered(w.topic, partitions, recordsEach)...)
	topics, err := c.Topics(t.Context(), w.topic)
	if err != nil {
		t.Fatal(err)
	}
	w.id = topics[w.topic].ID
	if w.bucket, err = store.Open(t.Context(), t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) side() plan.Side {
	return plan.Side{
		ID: w.cluster.ID(), Name: w.cluster.Name(), Bootstrap: w.cluster.Bootstrap(),
		Topics: w.cluster, Log: w.cluster, Read: w.groups, List: w.groups, Write: w.groups,
	}
}

// positions are one of each partition for each group.
func (w *world) positions(groups []string, offset int64) []position.Position {
	var out []position.Position
	for _, g := range groups {
		for p := range w.partitions {
			out = append(out, position.Position{
				Group: g, Partition: topic.Partition{Topic: w.topic, Partition: p}, Offset: offset, LeaderEpoch: -1,
			})
		}
	}
	return out
}

func (w *world) plan(t testing.TB, groups []string, offset int64) *plan.Plan {
	t.Helper()
	p, err := plan.Build(t.Context(), plan.Input{To: w.side(), Given: w.positions(groups, offset), AsGiven: true, Settle: -1, Tool: "bulk", Accept: plan.Accept{Rewind: true}})
	if err != nil {
		t.Fatal(err)
	}
	if p.Summary.Applicable != len(groups) {
		t.Fatalf("%d of %d groups can be applied: %+v", p.Summary.Applicable, len(groups), p.Groups[0])
	}
	return p
}

func (w *world) apply(ctx context.Context, p *plan.Plan, change ...func(*plan.ApplyInput)) (*plan.Report, error) {
	in := plan.ApplyInput{To: w.side(), Bucket: w.bucket, Settle: -1, Parallel: parallel, Tool: "bulk", Command: "bulk"}
	for _, f := range change {
		f(&in)
	}
	return plan.Apply(ctx, p, in)
}

// bare sends one OffsetCommit for each group, as plain as it can be.
func (w *world) bare(ctx context.Context, groups []string, offset int64, parallel int) error {
	return each(ctx, groups, parallel, func(ctx context.Context, name string) error {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation = name, -1
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID = w.topic, w.id // by name or by ID, as the version has it
		for p := range w.partitions {
			rp := kmsg.NewOffsetCommitRequestTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch = p, offset, -1
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(ctx, w.cluster.Client())
		if err != nil {
			return err
		}
		for _, rt := range resp.Topics {
			for _, rp := range rt.Partitions {
				err = errors.Join(err, kerr.ErrorForCode(rp.ErrorCode))
			}
		}
		return err
	})
}

// commit sends the same through room group.
func (w *world) commit(ctx context.Context, groups []string, offset int64, parallel int) error {
	return each(ctx, groups, parallel, func(ctx context.Context, name string) error {
		codes, err := w.groups.Commit(ctx, name, w.positions([]string{name}, offset))
		for _, code := range codes {
			err = errors.Join(err, code)
		}
		return err
	})
}

func each(ctx context.Context, names []string, parallel int, do func(context.Context, string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, name := range names {
		g.Go(func() error { return do(ctx, name) })
	}
	return g.Wait()
}

func names(stem string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%04d", stem, i)
	}
	return out
}

// where is at which offsets a group stands, and how many partitions have none.
func (w *world) where(t testing.TB, names []string) map[string]map[int64]int {
	t.Helper()
	got, err := w.groups.Read(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[int64]int{}
	for name, r := range got {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		out[name] = map[int64]int{}
		for _, p := range r.Positions {
			out[name][p.Offset]++
		}
	}
	return out
}
