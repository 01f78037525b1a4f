package cluster

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/topic"
)

// The words of these answers stand in topic.
type (
	// OpenTransaction has begun on a partition and not ended.
	OpenTransaction = topic.OpenTransaction
	// Producers are the open transactions of one partition.
	Producers = topic.Producers
)

// OpenTransactions asks the leaders for open transactions (DescribeProducers,
// KIP-664). The second result is false where the brokers are older than 2.8
// and cannot tell; the map is then empty.
func (c *Cluster) OpenTransactions(ctx context.Context, partitions []topic.Partition) (map[topic.Partition]Producers, bool, error) {
	if !c.versions.HasDescribeProducers {
		return nil, false, nil
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	out, err := persist(ctx, partitions, c.producersOnce, func(p Producers) error { return p.Err })
	if err != nil {
		return nil, true, fmt.Errorf("asking for the open transactions of %d partitions: %w", len(partitions), err)
	}
	return out, true, nil
}

func (c *Cluster) producersOnce(ctx context.Context, ps []topic.Partition) (map[topic.Partition]Producers, error) {
	out := make(map[topic.Partition]Producers, len(ps))
	req := kmsg.NewPtrDescribeProducersRequest()
	index := map[string]int{}
	for _, p := range ps {
		if _, twice := out[p]; twice {
			continue
		}
		out[p] = Producers{Err: errNoAnswer}
		i, ok := index[p.Topic]
		if !ok {
			i = len(req.Topics)
			index[p.Topic] = i
			rt := kmsg.NewDescribeProducersRequestTopic()
			rt.Topic = p.Topic
			req.Topics = append(req.Topics, rt)
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p.Partition)
	}
	for _, shard := range c.cl.RequestSharded(ctx, req) {
		if err := producerShard(ctx, shard.Req, shard.Resp, shard.Err, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func producerShard(ctx context.Context, req kmsg.Request, resp kmsg.Response, err error, out map[topic.Partition]Producers) error {
	if err != nil {
		failed, ok := req.(*kmsg.DescribeProducersRequest)
		if ctx.Err() != nil || !ok {
			return err
		}
		for _, t := range failed.Topics {
			for _, p := range t.Partitions {
				out[topic.Partition{Topic: t.Topic, Partition: p}] = Producers{Err: err}
			}
		}
		return nil
	}
	answer, ok := resp.(*kmsg.DescribeProducersResponse)
	if !ok {
		return nil
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			one := Producers{Err: kerr.ErrorForCode(p.ErrorCode)}
			for _, a := range p.ActiveProducers {
				// -1: the producer has no transaction open here.
				if a.CurrentTxnStartOffset >= 0 {
					one.Open = append(one.Open, OpenTransaction{
						ProducerID: a.ProducerID, ProducerEpoch: a.ProducerEpoch,
						Start: a.CurrentTxnStartOffset, LastTimestamp: a.LastTimestamp,
					})
				}
			}
			out[topic.Partition{Topic: t.Topic, Partition: p.Partition}] = one
		}
	}
	return nil
}
