package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

// errNoAnswer stands where a broker left a partition out of its answer.
var errNoAnswer = errors.New("the broker left the partition out of its answer")

const (
	// defaultAskBytes is the size of an ask that names none.
	defaultAskBytes = 64 << 10
	// waitMillis is how long a broker may wait to answer an Ask.Wait.
	waitMillis = 500
	// firstBackoff and lastBackoff bound the pauses while leaders move.
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = time.Second
)

// pending is one ask that has no final answer yet.
type pending struct {
	ask   batch.Ask
	index int // in the result
	// alone: the answer was empty only because others filled the request.
	alone bool
	err   error // of the last try
}

// Fetch reads raw batches. Asks are grouped by partition leader, one request
// per broker and round as far as that goes: an ask that waits goes alone, and
// so does the second ask of a partition (a broker keeps only the last of two
// in one request). Requests for several brokers go out at the same time.
//
// While a leader is moving (NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH,
// UNKNOWN_TOPIC_ID, a broker that does not answer, …) Fetch asks for the new
// leader and tries again until Login.RequestTimeout is over. The chunks are in
// the order of the asks; what is wrong with a partition is in Chunk.Err, an
// error of the call is that of ctx.
//
// An empty chunk below HighWatermark is not the end of the log: ask again with
// Wait.
func (c *Cluster) Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	out := make([]batch.Chunk, len(asks))
	todo := make([]*pending, 0, len(asks))
	for i, a := range asks {
		if a.MaxBytes <= 0 {
			a.MaxBytes = defaultAskBytes
		}
		out[i] = emptyChunk(a)
		todo = append(todo, &pending{ask: a, index: i})
	}
	deadline := time.Now().Add(c.login.RequestTimeout)
	limited, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	pause := firstBackoff
	for len(todo) > 0 {
		moved := c.round(limited, todo, out)
		todo = slices.DeleteFunc(todo, func(p *pending) bool { return !moved.again[p.index] })
		if ctx.Err() != nil {
			return nil, fmt.Errorf("fetching %d partitions of cluster %q: %w", len(asks), c.Name(), context.Cause(ctx))
		}
		if len(todo) == 0 || !moved.backoff {
			continue
		}
		if !sleep(limited, pause) {
			break
		}
		pause = min(2*pause, lastBackoff)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("fetching %d partitions of cluster %q: %w", len(asks), c.Name(), context.Cause(ctx))
	}
	for _, p := range todo {
		out[p.index].Err = fmt.Errorf("no answer within %s: %w", c.login.RequestTimeout, p.lastError())
	}
	return out, nil
}

func (p *pending) lastError() error {
	if p.err == nil {
		return context.DeadlineExceeded
	}
	return p.err
}

func emptyChunk(a batch.Ask) batch.Chunk {
	return batch.Chunk{Partition: a.Partition, Offset: a.Offset, HighWatermark: -1, Stable: -1, Start: -1}
}

// sleep waits; false means that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// verdict is what one round left over.
type verdict struct {
	mu    sync.Mutex
	again map[int]bool
	// backoff: something must change on the brokers first.
	backoff bool
}

// retry has an ask sent again. A try that the end of ctx cut off says nothing of
// the brokers: the error of the one before it stands.
func (v *verdict) retry(ctx context.Context, p *pending, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p.err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		p.err = err
	}
	v.again[p.index] = true
	v.backoff = true
}

func (v *verdict) askAlone(p *pending) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p.alone = true
	v.again[p.index] = true
}

// round sends each pending ask once. Final answers are in out.
func (c *Cluster) round(ctx context.Context, todo []*pending, out []batch.Chunk) *verdict {
	v := &verdict{again: map[int]bool{}}
	names := make([]string, 0, len(todo))
	for _, p := range todo {
		names = append(names, p.ask.Partition.Topic)
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	meta, err := c.leaders(ctx, names)
	if err != nil {
		for _, p := range todo {
			v.retry(ctx, p, err)
		}
		return v
	}
	byBroker := map[int32][]*pending{}
	for _, p := range todo {
		leader, again, err := leaderOf(meta, p.ask.Partition)
		switch {
		case err == nil:
			byBroker[leader] = append(byBroker[leader], p)
		case again:
			c.meta.forget(p.ask.Partition.Topic)
			v.retry(ctx, p, err)
		default:
			out[p.index].Err = err
		}
	}
	var wg sync.WaitGroup
	for broker, asks := range byBroker {
		wg.Go(func() {
			// One at a time: a broker serves one request per connection anyway,
			// and so memory is bounded.
			for _, req := range c.pack(asks, meta) {
				c.send(ctx, broker, req, v, out)
			}
		})
	}
	wg.Wait()
	return v
}

// leaderOf finds the leader of a partition; again says that the error may pass.
func leaderOf(meta map[string]topicMeta, p topic.Partition) (leader int32, again bool, err error) {
	t, ok := meta[p.Topic]
	if !ok {
		return -1, false, kerr.UnknownTopicOrPartition
	}
	if t.err != nil {
		return -1, transient(t.err), t.err
	}
	one, ok := t.partitions[p.Partition]
	switch {
	case !ok:
		return -1, false, kerr.UnknownTopicOrPartition
	case one.leader >= 0:
		// A partition can have an error and a leader (a replica is missing).
		return one.leader, false, nil
	case one.err != nil:
		return -1, transient(one.err), one.err
	default:
		return -1, true, kerr.LeaderNotAvailable
	}
}

// transient tells errors that a new leader or a little time cures.
// UNKNOWN_TOPIC_OR_PARTITION is not among them: from the metadata it is an
// answer.
func transient(err error) bool {
	for _, e := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.ReplicaNotAvailable, kerr.FencedLeaderEpoch,
		kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable, kerr.KafkaStorageError, kerr.ListenerNotFound,
		kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.FetchSessionTopicIDError, kerr.RequestTimedOut,
		kerr.BrokerNotAvailable, kerr.NetworkException,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// packed is one request and the asks in it.
type packed struct {
	req   kmsg.Request
	parts map[topic.Partition]*pending
	names map[topic.ID]string
	// shared: more than one partition, so that size limits can leave one empty.
	shared bool
}

// pack puts asks into as few requests as the rules allow.
func (c *Cluster) pack(asks []*pending, meta map[string]topicMeta) []packed {
	type open struct {
		asks  []*pending
		has   map[topic.Partition]bool
		bytes int64
		kind  [2]bool // committed, with topic ID
	}
	var opens []*open
	for _, p := range asks {
		kind := [2]bool{p.ask.Committed, !meta[p.ask.Partition.Topic].id.IsZero()}
		var into *open
		for _, o := range opens {
			fits := o.bytes+int64(p.ask.MaxBytes) <= int64(c.options.FetchBytes)
			if o.kind == kind && !o.has[p.ask.Partition] && fits && !p.ask.Wait && !p.alone {
				into = o
				break
			}
		}
		if into == nil {
			into = &open{has: map[topic.Partition]bool{}, kind: kind}
			opens = append(opens, into)
		}
		into.asks = append(into.asks, p)
		into.has[p.ask.Partition] = true
		into.bytes += int64(p.ask.MaxBytes)
		if p.ask.Wait || p.alone {
			into.bytes = int64(c.options.FetchBytes) + 1 // nothing else joins
		}
	}
	out := make([]packed, 0, len(opens))
	for _, o := range opens {
		out = append(out, build(o.asks, meta, o.kind[0], o.kind[1]))
	}
	return out
}

// nameFetch is a FetchRequest held at version 12, the last one that carries
// topic names: from 13 on there are topic IDs only (KIP-516), and this topic
// has none.
type nameFetch struct{ *kmsg.FetchRequest }

// MaxVersion makes the client choose 12 at most.
func (nameFetch) MaxVersion() int16 { return 12 }

func build(asks []*pending, meta map[string]topicMeta, isCommitted, ids bool) packed {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID = -1
	req.SessionEpoch = -1 // no fetch session (KIP-227)
	if isCommitted {
		req.IsolationLevel = committed
	}
	out := packed{parts: map[topic.Partition]*pending{}, names: map[topic.ID]string{}, shared: len(asks) > 1}
	index := map[string]int{}
	for _, p := range asks {
		name := p.ask.Partition.Topic
		i, ok := index[name]
		if !ok {
			i = len(req.Topics)
			index[name] = i
			t := kmsg.NewFetchRequestTopic()
			t.Topic, t.TopicID = name, meta[name].id
			out.names[meta[name].id] = name
			req.Topics = append(req.Topics, t)
		}
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition = p.ask.Partition.Partition
		rp.FetchOffset = p.ask.Offset
		rp.PartitionMaxBytes = p.ask.MaxBytes
		// With our epoch a leader that does not know yet that it lost its
		// office refuses instead of answering from an old log (KIP-320).
		rp.CurrentLeaderEpoch = meta[name].partitions[rp.Partition].epoch
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
		out.parts[p.ask.Partition] = p
		if p.ask.Wait {
			req.MaxWaitMillis, req.MinBytes = waitMillis, 1
		}
	}
	// The limits of the partitions add up to what pack allows. A limit of the
	// whole request beside them would do no more, and a broker that meets it
	// may end its answer there, before the list of aborted transactions (the
	// in-process one does).
	req.MaxBytes = maxRead / 2
	out.req = req
	if !ids {
		out.req = nameFetch{req}
	}
	return out
}

// send sends one request and judges the answer partition by partition.
func (c *Cluster) send(ctx context.Context, broker int32, r packed, v *verdict, out []batch.Chunk) {
	resp, err := c.request(ctx, broker, r.req)
	if err != nil {
		for _, p := range r.parts {
			if isAuth(err) || errors.Is(err, kgo.ErrClientClosed) {
				out[p.index].Err = err
				continue
			}
			// The broker may be gone: ask who leads now.
			c.meta.forget(p.ask.Partition.Topic)
			v.retry(ctx, p, err)
		}
		return
	}
	for _, t := range resp.Topics {
		name := t.Topic
		if name == "" {
			name = r.names[topic.ID(t.TopicID)]
		}
		for i := range t.Partitions {
			id := topic.Partition{Topic: name, Partition: t.Partitions[i].Partition}
			p := r.parts[id]
			if p == nil {
				continue // not asked for, or answered twice
			}
			delete(r.parts, id)
			c.judge(ctx, p, &t.Partitions[i], r.shared, v, out)
		}
	}
	for _, p := range r.parts {
		c.meta.forget(p.ask.Partition.Topic)
		v.retry(ctx, p, errNoAnswer)
	}
}

// request sends a fetch to one broker and turns its top-level error into one.
func (c *Cluster) request(ctx context.Context, broker int32, req kmsg.Request) (*kmsg.FetchResponse, error) {
	got, err := c.cl.Broker(int(broker)).Request(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("fetching from broker %d: %w", broker, err)
	}
	resp, ok := got.(*kmsg.FetchResponse)
	if !ok {
		return nil, fmt.Errorf("fetching from broker %d: the answer is a %T", broker, got)
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetching from broker %d: %w", broker, err)
	}
	return resp, nil
}

// judge takes the answer for one partition, or has it asked again.
func (c *Cluster) judge(ctx context.Context, p *pending, rp *kmsg.FetchResponseTopicPartition, shared bool, v *verdict, out []batch.Chunk) {
	err := kerr.ErrorForCode(rp.ErrorCode)
	if err != nil && (transient(err) || errors.Is(err, kerr.UnknownTopicOrPartition)) {
		// The metadata says whether the topic is gone or only its leader.
		c.meta.forget(p.ask.Partition.Topic)
		v.retry(ctx, p, err)
		return
	}
	chunk := emptyChunk(p.ask)
	chunk.Raw, chunk.Err = rp.RecordBatches, err
	chunk.HighWatermark, chunk.Stable, chunk.Start = rp.HighWatermark, rp.LastStableOffset, rp.LogStartOffset
	for _, a := range rp.AbortedTransactions {
		chunk.Aborted = append(chunk.Aborted, batch.Aborted{ProducerID: a.ProducerID, First: a.FirstOffset})
	}
	limit := rp.HighWatermark
	if p.ask.Committed && rp.LastStableOffset >= 0 {
		limit = min(limit, rp.LastStableOffset)
	}
	if err == nil && shared && len(rp.RecordBatches) == 0 && p.ask.Offset < limit {
		// Only the first non-empty partition of a request is exempt from the
		// size limits (ReplicaManager.readFromLog, KIP-74): alone it is that.
		v.askAlone(p)
		return
	}
	out[p.index] = chunk
}
