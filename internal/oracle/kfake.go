package oracle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kferry/kferry/internal/cluster"
)

// Kfake loads pairs into two in-process brokers, which are made anew each
// time, and reads them through the product's own cluster room.
type Kfake struct{}

// Name is the loader's name in the table.
func (Kfake) Name() string { return "kfake" }

// Load writes the topics.
func (Kfake) Load(ctx context.Context, seed uint64, topics []TopicPair) (*Loaded, error) {
	r := rand.New(rand.NewPCG(seed, 3))
	var closers []func()
	out := &Loaded{Syncs: syncTopics(), Close: func() {
		for _, c := range closers {
			c()
		}
	}}
	sides := []struct {
		target bool
		log    **cluster.Cluster
	}{{false, new(*cluster.Cluster)}, {true, new(*cluster.Cluster)}}
	for _, side := range sides {
		c, stop, err := loadKfake(ctx, r, topics, side.target)
		closers = append(closers, stop)
		if err != nil {
			out.Close()
			return nil, err
		}
		*side.log = c
	}
	out.Source, out.Target = *sides[0].log, *sides[1].log
	return out, nil
}

// loadKfake makes one cluster with one side of every topic. stop is never nil.
func loadKfake(ctx context.Context, r *rand.Rand, topics []TopicPair, target bool) (c *cluster.Cluster, stop func(), err error) {
	var opts []kfake.Opt
	for i := range topics {
		name := topics[i].source()
		if target {
			name = topics[i].target()
		}
		opts = append(opts, kfake.SeedTopics(int32(len(topics[i].Pairs)), name))
	}
	opts = append(opts, kfake.SeedTopics(1, syncTopic(target)))
	fake, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		return nil, func() {}, fmt.Errorf("starting an in-process broker: %w", err)
	}
	stop = fake.Close
	w, err := newWriter(ctx, fake.ListenAddrs())
	if err != nil {
		return nil, stop, err
	}
	defer w.cl.Close()
	w.elect = func(topic string, partition int32) error { return fake.MoveTopicPartition(topic, partition, 0) }
	for i := range topics {
		t := &topics[i]
		for p := range t.Pairs {
			if target {
				w.add(t.target(), int32(p), &t.Pairs[p].Target, &t.Header, r)
			} else {
				w.add(t.source(), int32(p), &t.Pairs[p].Source, nil, r)
			}
		}
	}
	w.all = append(w.all, &partition{topic: syncTopic(target), spans: syncSpans(r, topics, target)})
	if err := w.run(ctx); err != nil {
		return nil, stop, err
	}
	c, err = cluster.Open(ctx, cluster.Login{Name: "oracle", Seeds: fake.ListenAddrs()}, nil)
	if err != nil {
		return nil, stop, fmt.Errorf("opening the in-process broker: %w", err)
	}
	return c, func() { c.Close(); fake.Close() }, nil
}

// writer writes many partitions at once, in rounds: one batch or marker each.
type writer struct {
	cl  *kgo.Client
	ids [4]producer // by Slot.Producer; 0 is none
	all []*partition
	// elect begins the next leader epoch of a partition.
	elect func(topic string, partition int32) error
}

type producer struct {
	id    int64
	epoch int16
}

// partition is what is still to be written.
type partition struct {
	topic    string
	number   int32
	start    int64
	spans    []span
	sequence [4]int32
	epoch    int32
}

func newWriter(ctx context.Context, seeds []string) (*writer, error) {
	// Up to 3.0 topics are named and not numbered in requests.
	cl, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.MaxVersions(kversion.V3_0_0()))
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	w := &writer{cl: cl}
	for i := 1; i < len(w.ids); i++ {
		req := kmsg.NewInitProducerIDRequest()
		req.ProducerID, req.ProducerEpoch = -1, -1
		resp, err := req.RequestWith(ctx, cl)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err != nil {
			cl.Close()
			return nil, fmt.Errorf("asking for a producer id: %w", err)
		}
		w.ids[i] = producer{resp.ProducerID, resp.ProducerEpoch}
	}
	return w, nil
}

// add plans to write a log. A base above 0 becomes an empty batch in front.
func (w *writer) add(name string, number int32, l *Log, h *Header, r *rand.Rand) {
	p := &partition{topic: name, number: number, start: l.Start}
	if l.Base > 0 {
		p.spans = append(p.spans, span{last: l.Base - 1})
	}
	p.spans = append(p.spans, layout(l, r, h, 0)...)
	w.all = append(w.all, p)
}

// run writes everything.
func (w *writer) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for round := 0; ; round++ {
		var data, markers []*partition
		for _, p := range w.all {
			if err := w.lead(p, round); err != nil {
				return err
			}
			switch {
			case round >= len(p.spans):
			case p.spans[round].marker:
				markers = append(markers, p)
			default:
				data = append(data, p)
			}
		}
		if len(data)+len(markers) == 0 {
			return w.deleteRecords(ctx)
		}
		if err := w.produce(ctx, data, round); err != nil {
			return fmt.Errorf("writing batches: %w", err)
		}
		if err := w.mark(ctx, markers, round); err != nil {
			return fmt.Errorf("writing transaction markers: %w", err)
		}
	}
}

// lead elects leaders until the epoch is that of the next batch.
func (w *writer) lead(p *partition, round int) error {
	for round < len(p.spans) && p.epoch < p.spans[round].epoch {
		if err := w.elect(p.topic, p.number); err != nil {
			return fmt.Errorf("electing a leader of %s/%d: %w", p.topic, p.number, err)
		}
		p.epoch++
	}
	return nil
}

// produce writes one batch to each of ps.
func (w *writer) produce(ctx context.Context, ps []*partition, round int) error {
	if len(ps) == 0 {
		return nil
	}
	req := kmsg.NewProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	index := map[string]int{}
	for _, p := range ps {
		s := &p.spans[round]
		id := w.ids[s.producer]
		raw, err := s.bytes(true, id.id, id.epoch, p.sequence[s.producer])
		if err != nil {
			return err
		}
		p.sequence[s.producer] += int32(s.last - s.base + 1)
		i, ok := index[p.topic]
		if !ok {
			i = len(req.Topics)
			index[p.topic] = i
			t := kmsg.NewProduceRequestTopic()
			t.Topic = p.topic
			req.Topics = append(req.Topics, t)
		}
		part := kmsg.NewProduceRequestTopicPartition()
		part.Partition, part.Records = p.number, raw
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, part)
	}
	resp, err := req.RequestWith(ctx, w.cl)
	if err != nil {
		return err
	}
	answers := 0
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			answers++
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("%s/%d round %d: %w", t.Topic, p.Partition, round, err)
			}
		}
	}
	if answers != len(ps) {
		return errors.New("the broker did not answer for every partition")
	}
	return nil
}

// mark ends one transaction in each of ps. As a broker's coordinator does it:
// EndTxn would end the producer's transactions in all partitions at once.
func (w *writer) mark(ctx context.Context, ps []*partition, round int) error {
	if len(ps) == 0 {
		return nil
	}
	req := kmsg.NewWriteTxnMarkersRequest()
	for _, p := range ps {
		s := &p.spans[round]
		id := w.ids[s.producer]
		m := kmsg.NewWriteTxnMarkersRequestMarker()
		m.ProducerID, m.ProducerEpoch, m.Committed = id.id, id.epoch, s.commit
		t := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
		t.Topic, t.Partitions = p.topic, []int32{p.number}
		m.Topics = append(m.Topics, t)
		req.Markers = append(req.Markers, m)
	}
	// Only the leader takes it, and there is one broker.
	answer, err := w.cl.Broker(0).Request(ctx, &req)
	if err != nil {
		return err
	}
	resp, ok := answer.(*kmsg.WriteTxnMarkersResponse)
	if !ok {
		return errors.New("the broker answered something else")
	}
	for _, m := range resp.Markers {
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return fmt.Errorf("%s/%d: %w", t.Topic, p.Partition, err)
				}
			}
		}
	}
	return nil
}

// deleteRecords moves the log starts.
func (w *writer) deleteRecords(ctx context.Context) error {
	req := kmsg.NewDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	index := map[string]int{}
	for _, p := range w.all {
		if p.start == 0 {
			continue
		}
		i, ok := index[p.topic]
		if !ok {
			i = len(req.Topics)
			index[p.topic] = i
			t := kmsg.NewDeleteRecordsRequestTopic()
			t.Topic = p.topic
			req.Topics = append(req.Topics, t)
		}
		part := kmsg.NewDeleteRecordsRequestTopicPartition()
		part.Partition, part.Offset = p.number, p.start
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, part)
	}
	if len(req.Topics) == 0 {
		return nil
	}
	resp, err := req.RequestWith(ctx, w.cl)
	if err != nil {
		return fmt.Errorf("deleting records: %w", err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("deleting records of %s/%d: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}
