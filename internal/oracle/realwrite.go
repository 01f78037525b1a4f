package oracle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"golang.org/x/sync/errgroup"
)

// realWriter writes to a cluster of one broker.
type realWriter struct {
	cl     *kgo.Client
	admin  *kadm.Client
	broker *kgo.Broker
	prefix string
	topics []string
	// shift moves the records' times.
	shift int64
	// queue is what write still has to write; all that it ever had are in parts.
	queue, parts []*realPart
}

// realPart is one partition on its way.
type realPart struct {
	k      *realWriter
	topic  string
	number int32
	spans  []span
	ids    [4]realProducer // by Slot.Producer; 0 is none
}

// realProducer is a transactional producer of one partition, so that its
// transactions end there alone.
type realProducer struct {
	producer
	name     string
	open     bool
	sequence int32
}

func newReal(ctx context.Context, s *RealSide, prefix string, shift int64) (*realWriter, error) {
	// Up to 3.0 topics are named in requests, and EndTxn leaves the epoch alone.
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Seeds...), kgo.MaxVersions(kversion.V3_0_0()))
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	k := &realWriter{cl: cl, admin: kadm.NewClient(cl), prefix: prefix, shift: shift}
	brokers, err := k.admin.ListBrokers(ctx)
	if err == nil && len(brokers) != 1 {
		err = fmt.Errorf("%d brokers instead of one", len(brokers))
	}
	if err != nil {
		cl.Close()
		return nil, fmt.Errorf("listing brokers: %w", err)
	}
	k.broker = cl.Broker(int(brokers[0].NodeID))
	return k, nil
}

// segmentMillis ends a segment after six records of its time.
const segmentMillis = 5500

// create makes a topic that nothing is removed from until clean says so.
func (k *realWriter) create(ctx context.Context, name string, partitions int, forget, appended bool) error {
	config := map[string]*string{}
	set := func(key, value string) { config[key] = &value }
	set(policyKey, "delete")
	set("retention.ms", "-1")
	set("segment.ms", strconv.Itoa(segmentMillis))
	set("segment.index.bytes", "4096")
	set("min.cleanable.dirty.ratio", "0.01")
	if appended {
		set("message.timestamp.type", "LogAppendTime")
	}
	if forget {
		set("delete.retention.ms", "0")
	}
	got, err := k.admin.CreateTopic(ctx, int32(partitions), 1, config, name)
	if err = errors.Join(err, got.Err); err != nil {
		return fmt.Errorf("creating %s: %w", name, err)
	}
	k.topics = append(k.topics, name)
	return nil
}

// close ends what is open and removes the topics.
func (k *realWriter) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	for _, p := range k.parts {
		for i := range p.ids {
			if p.ids[i].open {
				_ = p.endTxn(ctx, &p.ids[i], false) // it times out in the end
			}
		}
	}
	_, _ = k.admin.DeleteTopics(ctx, k.topics...) // as the test's brokers end too
	k.cl.Close()
}

// add plans to write a log, all of it.
func (k *realWriter) add(name string, number int32, l *Log, h *Header, r *rand.Rand) {
	p := &realPart{k: k, topic: name, number: number, spans: layout(l, r, h, 0)}
	for i := range p.spans {
		p.spans[i].appendTime = false // the broker sets it
		for j := range p.spans[i].records {
			p.spans[i].records[j].Timestamp += k.shift
		}
	}
	k.queue = append(k.queue, p)
	k.parts = append(k.parts, p)
}

// writeSyncs writes MirrorMaker 2's topic of offset syncs.
func (k *realWriter) writeSyncs(ctx context.Context, name string, spans []span) error {
	if err := k.create(ctx, name, 1, false, false); err != nil {
		return err
	}
	k.queue = append(k.queue, &realPart{k: k, topic: name, spans: spans})
	return k.write(ctx)
}

// write writes what was added, many partitions at once.
func (k *realWriter) write(ctx context.Context) error {
	if err := k.await(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(24)
	for _, p := range k.queue {
		group.Go(func() error {
			if err := p.write(ctx); err != nil {
				return fmt.Errorf("writing %s/%d: %w", p.topic, p.number, err)
			}
			return nil
		})
	}
	k.queue = nil
	return group.Wait()
}

// await waits until the new topics have leaders.
func (k *realWriter) await(ctx context.Context) error {
	return until(ctx, 100*time.Millisecond, func() (bool, error) {
		ends, err := k.admin.ListEndOffsets(ctx, k.topics...)
		if err != nil {
			return false, fmt.Errorf("waiting for topics: %w", err)
		}
		return ends.Error() == nil, nil
	})
}

// until tries again until it is done.
func until(ctx context.Context, pause time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *realPart) write(ctx context.Context) error {
	for i := range p.spans {
		s := &p.spans[i]
		var err error
		if s.marker {
			err = p.mark(ctx, s)
		} else {
			err = p.produce(ctx, s)
		}
		if err != nil {
			return fmt.Errorf("offset %d: %w", s.base, err)
		}
	}
	return nil
}

// produce writes one batch, and checks that it comes to stand where it should.
func (p *realPart) produce(ctx context.Context, s *span) error {
	id := &p.ids[s.producer]
	if s.producer != 0 {
		if err := p.begin(ctx, s.producer); err != nil {
			return err
		}
	}
	raw, err := s.bytes(true, id.id, id.epoch, id.sequence)
	if err != nil {
		return err
	}
	req := kmsg.NewProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	if s.producer != 0 {
		req.TransactionID = &id.name
	}
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = p.number, raw
	t := kmsg.NewProduceRequestTopic()
	t.Topic = p.topic
	t.Partitions = append(t.Partitions, part)
	req.Topics = append(req.Topics, t)
	answer, err := p.k.broker.RetriableRequest(ctx, &req)
	if err != nil {
		return fmt.Errorf("producing: %w", err)
	}
	resp, ok := answer.(*kmsg.ProduceResponse)
	if !ok || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errors.New("producing: the broker answered something else")
	}
	got := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return fmt.Errorf("producing: %w", err)
	}
	if got.BaseOffset != s.base {
		return fmt.Errorf("producing: the batch stands at %d", got.BaseOffset)
	}
	id.sequence += int32(len(s.records))
	return nil
}

// begin opens a transaction of the producer if none is.
func (p *realPart) begin(ctx context.Context, number uint8) error {
	id := &p.ids[number]
	if id.name == "" {
		id.name = fmt.Sprintf("%s-%s-%d-%d", p.k.prefix, p.topic, p.number, number)
		req := kmsg.NewInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = &id.name, 600_000
		req.ProducerID, req.ProducerEpoch = -1, -1
		if err := settled(ctx, func() (int16, error) {
			resp, err := req.RequestWith(ctx, p.k.cl)
			if err != nil {
				return 0, err
			}
			id.id, id.epoch = resp.ProducerID, resp.ProducerEpoch
			return resp.ErrorCode, nil
		}); err != nil {
			return fmt.Errorf("asking for a producer id: %w", err)
		}
	}
	if id.open {
		return nil
	}
	req := kmsg.NewAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = id.name, id.id, id.epoch
	t := kmsg.NewAddPartitionsToTxnRequestTopic()
	t.Topic, t.Partitions = p.topic, []int32{p.number}
	req.Topics = append(req.Topics, t)
	if err := settled(ctx, func() (int16, error) {
		resp, err := req.RequestWith(ctx, p.k.cl)
		if err != nil {
			return 0, err
		}
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return 0, errors.New("the broker answered something else")
		}
		return resp.Topics[0].Partitions[0].ErrorCode, nil
	}); err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	id.open = true
	return nil
}

// settled asks again while the coordinator is busy with the transaction before,
// or is not there yet.
func settled(ctx context.Context, ask func() (int16, error)) error {
	return until(ctx, 10*time.Millisecond, func() (bool, error) {
		code, err := ask()
		if err != nil {
			return false, err
		}
		err = kerr.ErrorForCode(code)
		if errors.Is(err, kerr.ConcurrentTransactions) || errors.Is(err, kerr.CoordinatorNotAvailable) ||
			errors.Is(err, kerr.CoordinatorLoadInProgress) || errors.Is(err, kerr.NotCoordinator) {
			return false, nil
		}
		return err == nil, err
	})
}

// mark ends a transaction and waits until its marker is in the log, where it
// must stand.
func (p *realPart) mark(ctx context.Context, s *span) error {
	if err := p.endTxn(ctx, &p.ids[s.producer], s.commit); err != nil {
		return err
	}
	return until(ctx, 5*time.Millisecond, func() (bool, error) {
		req := kmsg.NewListOffsetsRequest()
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Partition, part.Timestamp = p.number, -1
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = p.topic
		t.Partitions = append(t.Partitions, part)
		req.Topics = append(req.Topics, t)
		answer, err := p.k.broker.RetriableRequest(ctx, &req)
		if err != nil {
			return false, fmt.Errorf("waiting for a marker: %w", err)
		}
		resp, ok := answer.(*kmsg.ListOffsetsResponse)
		if !ok || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return false, errors.New("waiting for a marker: the broker answered something else")
		}
		got := resp.Topics[0].Partitions[0]
		if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
			return false, fmt.Errorf("waiting for a marker: %w", err)
		}
		if got.Offset > s.base+1 {
			return false, fmt.Errorf("waiting for a marker: the log ends at %d", got.Offset)
		}
		return got.Offset == s.base+1, nil
	})
}

func (p *realPart) endTxn(ctx context.Context, id *realProducer, commit bool) error {
	req := kmsg.NewEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = id.name, id.id, id.epoch, commit
	if err := settled(ctx, func() (int16, error) {
		resp, err := req.RequestWith(ctx, p.k.cl)
		if err != nil {
			return 0, err
		}
		return resp.ErrorCode, nil
	}); err != nil {
		return fmt.Errorf("ending a transaction: %w", err)
	}
	id.open = false
	return nil
}
