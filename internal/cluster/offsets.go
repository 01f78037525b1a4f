package cluster

import (
	"context"
	"fmt"

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

// list sends ListOffsets; the Kafka client splits it per leader and retries
// where a leader has moved. Every partition asked for is in the result.
func (c *Cluster) list(ctx context.Context, at map[topic.Partition]int64, isolation int8) (map[topic.Partition]listed, error) {
	out := make(map[topic.Partition]listed, len(at))
	if len(at) == 0 {
		return out, nil
	}
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
		if shard.Err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			failed, ok := shard.Req.(*kmsg.ListOffsetsRequest)
			if !ok {
				return nil, shard.Err
			}
			for _, t := range failed.Topics {
				for _, p := range t.Partitions {
					out[topic.Partition{Topic: t.Topic, Partition: p.Partition}] = listed{offset: -1, timestamp: -1, epoch: -1, err: shard.Err}
				}
			}
			continue
		}
		resp, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
		if !ok {
			continue
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				l := listed{offset: p.Offset, timestamp: p.Timestamp, epoch: p.LeaderEpoch, err: kerr.ErrorForCode(p.ErrorCode)}
				if l.err != nil {
					l = listed{offset: -1, timestamp: -1, epoch: -1, err: l.err}
				}
				out[topic.Partition{Topic: t.Topic, Partition: p.Partition}] = l
			}
		}
	}
	return out, nil
}

// EpochAsk and EpochEnd are the words of topic.
type (
	EpochAsk = topic.EpochAsk
	EpochEnd = topic.EpochEnd
)

// EpochEnd asks where leader epochs end (OffsetForLeaderEpoch, KIP-320). An
// end below a position of that epoch means that the log was cut there. Each
// partition may be asked once per call.
func (c *Cluster) EpochEnd(ctx context.Context, asks []EpochAsk) (map[topic.Partition]EpochEnd, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	out := make(map[topic.Partition]EpochEnd, len(asks))
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	index := map[string]int{}
	for _, a := range asks {
		if _, twice := out[a.Partition]; twice {
			return nil, fmt.Errorf("asking for leader epochs: %s is there twice", a.Partition)
		}
		out[a.Partition] = EpochEnd{Epoch: -1, End: -1, Err: errNoAnswer}
		i, ok := index[a.Partition.Topic]
		if !ok {
			i = len(req.Topics)
			index[a.Partition.Topic] = i
			rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
			rt.Topic = a.Partition.Topic
			req.Topics = append(req.Topics, rt)
		}
		rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		rp.Partition, rp.LeaderEpoch = a.Partition.Partition, a.Epoch
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
	}
	if len(asks) == 0 {
		return out, nil
	}
	for _, shard := range c.cl.RequestSharded(ctx, req) {
		if err := epochShard(ctx, shard.Req, shard.Resp, shard.Err, out); err != nil {
			return nil, fmt.Errorf("asking for the leader epochs of %d partitions: %w", len(asks), err)
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
