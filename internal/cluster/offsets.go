package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/kferry/kferry/internal/topic"
)

// Timestamps with a meaning, and isolation levels (ListOffsetsRequest).
const (
	latest   = -1
	earliest = -2

	uncommitted = 0
	committed   = 1
)

// listed is what ListOffsets said of one partition.
type listed struct {
	offset    int64
	timestamp int64
	epoch     int32
	err       error
}

// Bounds returns where each partition can be read: its start, its high
// watermark and its last stable offset, with one request per leader for each.
// The three come from different requests, so a log that is written or trimmed
// meanwhile may show them of slightly different moments; Stable is never above
// End and Start never above Stable. What is wrong with a partition is in its
// Err; an error of the call means that nothing is known.
func (c *Cluster) Bounds(ctx context.Context, partitions []topic.Partition) (map[topic.Partition]topic.Bounds, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	var start, stable, end map[topic.Partition]listed
	var g errgroup.Group
	at := func(t int64) map[topic.Partition]int64 {
		out := make(map[topic.Partition]int64, len(partitions))
		for _, p := range partitions {
			out[p] = t
		}
		return out
	}
	g.Go(func() (err error) { start, err = c.list(ctx, at(earliest), uncommitted); return err })
	g.Go(func() (err error) { stable, err = c.list(ctx, at(latest), committed); return err })
	g.Go(func() (err error) { end, err = c.list(ctx, at(latest), uncommitted); return err })
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("reading the bounds of %d partitions: %w", len(partitions), err)
	}
	out := make(map[topic.Partition]topic.Bounds, len(partitions))
	for _, p := range partitions {
		s, l, e := start[p], stable[p], end[p]
		b := topic.Bounds{Start: s.offset, Stable: l.offset, End: e.offset, Epoch: e.epoch}
		for _, one := range []listed{s, l, e} {
			if one.err != nil {
				b = topic.Bounds{Start: -1, Stable: -1, End: -1, Epoch: -1, Err: one.err}
				break
			}
		}
		if b.Err == nil {
			// A log grows and is trimmed; it does not shrink under the same
			// leader. So the later of two readings is the better one.
			b.End = max(b.End, b.Stable, b.Start)
			b.Stable = max(b.Stable, b.Start)
		}
		out[p] = b
	}
	return out, nil
}

// Since finds, for each partition, the first record with a timestamp at or
// above the given one, in milliseconds since the epoch (ListOffsets by time,
// committed or not). It is a hint where timestamps do not rise.
func (c *Cluster) Since(ctx context.Context, at map[topic.Partition]int64) (map[topic.Partition]topic.Stamp, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	for p, ms := range at {
		if ms < 0 {
			return nil, fmt.Errorf("looking up %s by time: %d is no time in milliseconds", p, ms)
		}
	}
	got, err := c.list(ctx, at, uncommitted)
	if err != nil {
		return nil, fmt.Errorf("looking up %d partitions by time: %w", len(at), err)
	}
	out := make(map[topic.Partition]topic.Stamp, len(at))
	for p, l := range got {
		out[p] = topic.Stamp{Offset: l.offset, Timestamp: l.timestamp, Err: l.err}
	}
	return out, nil
}

// list asks ListOffsets until no answer is one that passes. Every partition
// asked for is in the result.
func (c *Cluster) list(ctx context.Context, at map[topic.Partition]int64, isolation int8) (map[topic.Partition]listed, error) {
	ask := func(ctx context.Context, ps []topic.Partition) (map[topic.Partition]listed, error) {
		some := make(map[topic.Partition]int64, len(ps))
		for _, p := range ps {
			some[p] = at[p]
		}
		return c.listOnce(ctx, some, isolation)
	}
	return persist(ctx, slices.Collect(maps.Keys(at)), ask, func(l listed) error { return l.err })
}

// persist asks for partitions, and asks again for those whose error passes
// (see transient) until ctx ends; then the last answers stand. The Kafka client
// itself retries only where its metadata was old enough to be thrown away
// (maybeDeleteCachedMeta).
func persist[T any](
	ctx context.Context, ps []topic.Partition,
	ask func(context.Context, []topic.Partition) (map[topic.Partition]T, error), errOf func(T) error,
) (map[topic.Partition]T, error) {
	out := make(map[topic.Partition]T, len(ps))
	for pause := firstBackoff; len(ps) > 0; pause = min(2*pause, lastBackoff) {
		got, err := ask(ctx, ps)
		switch {
		case err == nil:
		case len(out) > 0 && errors.Is(err, context.DeadlineExceeded):
			return out, nil // an earlier round answered
		default:
			return nil, err
		}
		ps = nil
		for p, one := range got {
			out[p] = one
			if transient(errOf(one)) {
				ps = append(ps, p)
			}
		}
		if len(ps) > 0 && !sleep(ctx, pause) {
			break
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, context.Cause(ctx)
	}
	return out, nil
}

// listOnce sends one ListOffsets, which the Kafka client splits per leader.
func (c *Cluster) listOnce(ctx context.Context, at map[topic.Partition]int64, isolation int8) (map[topic.Partition]listed, error) {
	out := make(map[topic.Partition]listed, len(at))
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = isolation
	index := map[string]int{}
	for p, t := range at {
		out[p] = listed{offset: -1, timestamp: -1, epoch: -1, err: errNoAnswer}
		i, ok := index[p.Topic]
		if !ok {
			i = len(req.Topics)
			index[p.Topic] = i
			rt := kmsg.NewListOffsetsRequestTopic()
			rt.Topic = p.Topic
			req.Topics = append(req.Topics, rt)
		}
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = p.Partition, t
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
	}
	for _, shard := range c.cl.RequestSharded(ctx, req) {
		if err := listShard(ctx, shard.Req, shard.Resp, shard.Err, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func listShard(ctx context.Context, req kmsg.Request, resp kmsg.Response, err error, out map[topic.Partition]listed) error {
	if err != nil {
		failed, ok := req.(*kmsg.ListOffsetsRequest)
		if ctx.Err() != nil || !ok {
			return err
		}
		for _, t := range failed.Topics {
			for _, p := range t.Partitions {
				out[topic.Partition{Topic: t.Topic, Partition: p.Partition}] = listed{offset: -1, timestamp: -1, epoch: -1, err: err}
			}
		}
		return nil
	}
	answer, ok := resp.(*kmsg.ListOffsetsResponse)
	if !ok {
		return nil
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			l := listed{offset: p.Offset, timestamp: p.Timestamp, epoch: p.LeaderEpoch, err: kerr.ErrorForCode(p.ErrorCode)}
			if l.err != nil {
				l = listed{offset: -1, timestamp: -1, epoch: -1, err: l.err}
			}
			out[topic.Partition{Topic: t.Topic, Partition: p.Partition}] = l
		}
	}
	return nil
}

// The words of these answers stand in topic.
type (
	// EpochAsk asks where a leader epoch ended.
	EpochAsk = topic.EpochAsk
	// EpochEnd is the answer.
	EpochEnd = topic.EpochEnd
)

// EpochEnd asks where leader epochs end (OffsetForLeaderEpoch, KIP-320). An
// end below a position of that epoch means that the log was cut there. Each
// partition may be asked once per call.
func (c *Cluster) EpochEnd(ctx context.Context, asks []EpochAsk) (map[topic.Partition]EpochEnd, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	epochs := make(map[topic.Partition]int32, len(asks))
	for _, a := range asks {
		if _, twice := epochs[a.Partition]; twice {
			return nil, fmt.Errorf("asking for leader epochs: %s is there twice", a.Partition)
		}
		epochs[a.Partition] = a.Epoch
	}
	ask := func(ctx context.Context, ps []topic.Partition) (map[topic.Partition]EpochEnd, error) {
		return c.epochEndOnce(ctx, ps, epochs)
	}
	out, err := persist(ctx, slices.Collect(maps.Keys(epochs)), ask, func(e EpochEnd) error { return e.Err })
	if err != nil {
		return nil, fmt.Errorf("asking for the leader epochs of %d partitions: %w", len(asks), err)
	}
	return out, nil
}

func (c *Cluster) epochEndOnce(ctx context.Context, ps []topic.Partition, epochs map[topic.Partition]int32) (map[topic.Partition]EpochEnd, error) {
	out := make(map[topic.Partition]EpochEnd, len(ps))
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	index := map[string]int{}
	for _, p := range ps {
		out[p] = EpochEnd{Epoch: -1, End: -1, Err: errNoAnswer}
		i, ok := index[p.Topic]
		if !ok {
			i = len(req.Topics)
			index[p.Topic] = i
			rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
			rt.Topic = p.Topic
			req.Topics = append(req.Topics, rt)
		}
		rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		rp.Partition, rp.LeaderEpoch = p.Partition, epochs[p]
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
	}
	for _, shard := range c.cl.RequestSharded(ctx, req) {
		if err := epochShard(ctx, shard.Req, shard.Resp, shard.Err, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func epochShard(ctx context.Context, req kmsg.Request, resp kmsg.Response, err error, out map[topic.Partition]EpochEnd) error {
	if err != nil {
		failed, ok := req.(*kmsg.OffsetForLeaderEpochRequest)
		if ctx.Err() != nil || !ok {
			return err
		}
		for _, t := range failed.Topics {
			for _, p := range t.Partitions {
				out[topic.Partition{Topic: t.Topic, Partition: p.Partition}] = EpochEnd{Epoch: -1, End: -1, Err: err}
			}
		}
		return nil
	}
	answer, ok := resp.(*kmsg.OffsetForLeaderEpochResponse)
	if !ok {
		return nil
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			out[topic.Partition{Topic: t.Topic, Partition: p.Partition}] = EpochEnd{
				Epoch: p.LeaderEpoch, End: p.EndOffset, Err: kerr.ErrorForCode(p.ErrorCode),
			}
		}
	}
	return nil
}
