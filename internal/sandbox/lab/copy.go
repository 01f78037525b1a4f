package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// because joins what went wrong, or says that the answer was incomplete.
func because(errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return errors.New("the broker left it out")
}

// copy does what the mover did: it reads committed records from the source and
// writes them to the same partition of the target.
func (c *content) copy(ctx context.Context, l *Lab, tgt *kgo.Client) error {
	c.copied = make([][]int64, c.Partitions)
	for p := range c.Partitions {
		end := c.ends[p]
		if c.upTo > 0 {
			end = c.share(p, c.upTo)
		}
		records, err := c.read(ctx, l, p, c.starts[p], end)
		if err != nil {
			return err
		}
		if err := send(ctx, tgt, records); err != nil {
			return fmt.Errorf("copying partition %d: %w", p, err)
		}
	}
	return nil
}

// share is the source offset up to which this share of a partition goes.
func (c *content) share(p int32, share float64) int64 {
	return c.starts[p] + int64(float64(c.ends[p]-c.starts[p])*share)
}

// read gives the copies of [from, to) of a source partition, as they are to be
// written, and notes their source offsets.
func (c *content) read(ctx context.Context, l *Lab, p int32, from, to int64) ([]*kgo.Record, error) {
	if from >= to {
		return nil, nil
	}
	cl, err := reader(l.Source(), c.Source, p, from)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var out []*kgo.Record
	for next := from; next < to; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("reading partition %d from %d: %w", p, next, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset >= to {
				next = to
				return
			}
			next = r.Offset + 1
			if !r.Attrs.IsControl() {
				c.copied[p] = append(c.copied[p], r.Offset)
				out = append(out, c.copyOf(r))
			}
		})
	}
	return out, nil
}

// copyOf is the record as the mover writes it.
func (c *content) copyOf(r *kgo.Record) *kgo.Record {
	w := &kgo.Record{Topic: c.Target, Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp, Headers: r.Headers}
	if c.stamp != nil {
		w.Headers = append(append([]kgo.RecordHeader{}, r.Headers...), c.stamp(r)...)
	}
	return w
}

// reader consumes committed records of one partition, and the markers between
// them, so that the end is seen also where the last record is one.
func reader(address, topic string, p int32, from int64) (*kgo.Client, error) {
	return kgo.NewClient(
		kgo.SeedBrokers(address), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {p: kgo.NewOffset().At(from)}}),
	)
}
