// Package sandbox runs two small Kafka clusters inside this process, filled
// with a topic, its copy and a consumer group, for the demo. They speak the
// real protocol on loopback (franz-go's kfake) and keep everything in memory.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Names and numbers of the story: five orders at offsets 100 to 104, of which
// the group has processed three.
const (
	Group       = "order-processor"
	SourceTopic = "orders-prod"
	TargetTopic = "orders-qa"
	Header      = "__original_offset"

	// FirstOffset is that of the first order on the source.
	FirstOffset = 100
	// Committed is the group's position on the source.
	Committed = 103
)

// orders are what is in the topic.
var orders = []string{"2 x espresso", "1 x flat white", "3 x croissant", "1 x cortado", "2 x lemonade"}

// Sandbox is two running clusters. Its methods may be called concurrently.
type Sandbox struct {
	source, target *kfake.Cluster
}

// Order is one record that a consumer was given.
type Order struct {
	Offset int64
	Key    string
	Value  string
}

// Start runs the clusters, on ports that are free. Close stops them.
func Start() (*Sandbox, error) {
	source, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID("prod-cluster"), kfake.DefaultNumPartitions(1))
	if err != nil {
		return nil, fmt.Errorf("starting the source cluster: %w", err)
	}
	target, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID("qa-cluster"), kfake.DefaultNumPartitions(1))
	if err != nil {
		source.Close()
		return nil, fmt.Errorf("starting the target cluster: %w", err)
	}
	return &Sandbox{source: source, target: target}, nil
}

// Close stops both clusters; everything in them is gone.
func (s *Sandbox) Close() {
	s.source.Close()
	s.target.Close()
}

// Source and Target are the addresses of the clusters.
func (s *Sandbox) Source() string { return s.source.ListenAddrs()[0] }

// Target is the address of the cluster that holds the copy.
func (s *Sandbox) Target() string { return s.target.ListenAddrs()[0] }

// Fill makes the topic, the group and the copy.
func (s *Sandbox) Fill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.fillSource(ctx); err != nil {
		return fmt.Errorf("filling the source cluster: %w", err)
	}
	if err := s.fillTarget(ctx); err != nil {
		return fmt.Errorf("filling the target cluster: %w", err)
	}
	return nil
}

// fillSource writes the orders behind older records, which are then deleted as
// retention would, so that the log begins at FirstOffset.
func (s *Sandbox) fillSource(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Source()))
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(ctx, 1, 1, nil, SourceTopic); err != nil {
		return err
	}
	old := make([]*kgo.Record, FirstOffset)
	for i := range old {
		old[i] = &kgo.Record{Topic: SourceTopic, Value: []byte("an older order")}
	}
	if err := cl.ProduceSync(ctx, old...).FirstErr(); err != nil {
		return err
	}
	if err := produce(ctx, cl, SourceTopic, nil); err != nil {
		return err
	}
	trim := kadm.Offsets{}
	trim.AddOffset(SourceTopic, 0, FirstOffset, -1)
	if _, err := adm.DeleteRecords(ctx, trim); err != nil {
		return err
	}
	at := kadm.Offsets{}
	at.AddOffset(SourceTopic, 0, Committed, -1)
	return adm.CommitAllOffsets(ctx, Group, at)
}

// fillTarget is what a restore would have left: the same records under another
// topic name and other offsets, each with the header.
func (s *Sandbox) fillTarget(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Target()))
	if err != nil {
		return err
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, nil, TargetTopic); err != nil {
		return err
	}
	return produce(ctx, cl, TargetTopic, func(i int) []kgo.RecordHeader {
		return []kgo.RecordHeader{{Key: Header, Value: strconv.AppendInt(nil, FirstOffset+int64(i), 10)}}
	})
}

// produce writes the orders, with the timestamps that both sides share.
func produce(ctx context.Context, cl *kgo.Client, topic string, headers func(i int) []kgo.RecordHeader) error {
	first := time.Now().Truncate(time.Hour).Add(-time.Hour)
	for i, o := range orders {
		r := &kgo.Record{
			Topic: topic, Key: []byte("order-" + strconv.Itoa(i+1)), Value: []byte(o),
			Timestamp: first.Add(time.Duration(i) * time.Minute),
		}
		if headers != nil {
			r.Headers = headers(i)
		}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

// Resume starts a consumer of the group on the target, as the application
// would be, and returns what it is given up to the end of the topic. It leaves
// the group again; commit says whether it commits what it has read.
func (s *Sandbox) Resume(ctx context.Context, commit bool) ([]Order, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(s.Target()), kgo.ConsumerGroup(Group), kgo.ConsumeTopics(TargetTopic),
		// A group without a position would begin here, which the demo would show.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.FetchMaxWait(50*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var got []Order
	for end := int64(len(orders)); len(got) == 0 || got[len(got)-1].Offset < end-1; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("reading %s as %s: %w", TargetTopic, Group, err)
		}
		for _, r := range fetches.Records() {
			got = append(got, Order{Offset: r.Offset, Key: string(r.Key), Value: string(r.Value)})
		}
	}
	if commit {
		if err := cl.CommitUncommittedOffsets(ctx); err != nil {
			return nil, fmt.Errorf("committing as %s: %w", Group, err)
		}
	}
	if err := cl.LeaveGroupContext(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return nil, fmt.Errorf("leaving group %s: %w", Group, err)
	}
	return got, nil
}
