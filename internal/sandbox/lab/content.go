package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/mover"
)

// Topic is a topic of the source with its copy.
type Topic struct {
	Source, Target string
	Partitions     int32
	// Kind says what the records are like, Mover what made the copy, Trace
	// what it has left for whoever wants to know where records came from.
	Kind, Mover, Trace string
}

// stamp makes the headers that a mover puts on the copy of a record; nil: none.
type stamp func(r *kgo.Record) []kgo.RecordHeader

// content is a topic and how it is made.
type content struct {
	Topic
	// trim of the source's records, as a share, were deleted by retention
	// before the mover came.
	trim float64
	// compacted: each key is written often, and the cleaner has been there.
	compacted bool
	// transactions: written in transactions, some of them aborted.
	transactions bool
	stamp        stamp
	// upTo is the share of the records that the mover has copied so far; 0: all.
	upTo float64

	// starts and ends are the source's bounds per partition, copied what the
	// target partition has: h of each target offset.
	starts, ends []int64
	copied       [][]int64
}

// contents are all topics of the lab.
func (*Lab) contents() []*content {
	return []*content{
		{
			Topic: Topic{"orders", "orders", 3, "plain; retention has taken the first tenth", mover.Armory, "header __original_offset, decimal text"},
			trim:  0.1, stamp: armory,
		},
		{
			Topic:     Topic{"customers", "customers", 2, "compacted, mostly holes", mover.KafkaBackup, "header x-original-offset, 8 bytes little-endian"},
			compacted: true, stamp: kafkaBackup,
		},
		{
			Topic:        Topic{"payments", "payments", 1, "transactions, one in six aborted", mover.RedpandaMigrator, "header redpanda-migrator-offset, 8 bytes big-endian"},
			transactions: true, stamp: redpanda,
		},
		{
			Topic: Topic{"invoices", SourceName + ".invoices", 2, "plain; retention has taken the first fifth", "MirrorMaker 2", "offset syncs in " + syncTopic + ", checkpoints in " + checkpointTopic},
			trim:  0.2,
		},
		{
			Topic: Topic{"clicks", "clicks", 1, "plain; retention has taken the first tenth", "a home-made job", "none: keys, values and timestamps only"},
			trim:  0.1,
		},
		{
			Topic: Topic{"returns", "returns", 1, "plain, from the first record on", "a home-made job", "none: offsets are equal"},
		},
		{
			Topic: Topic{slowTopic, slowTopic, 1, "plain; the mover is still copying", mover.Armory, "header __original_offset, decimal text"},
			trim:  0.1, stamp: armory, upTo: slowBegin,
		},
	}
}

func armory(r *kgo.Record) []kgo.RecordHeader {
	return []kgo.RecordHeader{{Key: "__original_offset", Value: mover.EncodeNumber(r.Offset, mover.Decimal)}}
}

func kafkaBackup(r *kgo.Record) []kgo.RecordHeader {
	return []kgo.RecordHeader{
		{Key: "x-original-offset", Value: mover.EncodeNumber(r.Offset, mover.Int64LE)},
		{Key: "x-original-timestamp", Value: mover.EncodeNumber(r.Timestamp.UnixMilli(), mover.Int64LE)},
		{Key: "x-source-partition", Value: mover.EncodeNumber(int64(r.Partition), mover.Int32LE)},
		{Key: "x-source-cluster", Value: []byte(SourceName)},
	}
}

func redpanda(r *kgo.Record) []kgo.RecordHeader {
	return []kgo.RecordHeader{{Key: "redpanda-migrator-offset", Value: mover.EncodeNumber(r.Offset, mover.Int64BE)}}
}

// make fills the topic on the source and copies it to the target.
func (c *content) make(ctx context.Context, l *Lab) error {
	src, err := client(l.Source())
	if err != nil {
		return err
	}
	defer src.Close()
	tgt, err := client(l.Target())
	if err != nil {
		return err
	}
	defer tgt.Close()
	if err := errors.Join(c.create(ctx, src, c.Source), c.create(ctx, tgt, c.Target)); err != nil {
		return fmt.Errorf("creating it: %w", err)
	}
	if c.transactions {
		err = c.produceInTransactions(ctx, l)
	} else {
		err = c.produce(ctx, l, src)
	}
	if err != nil {
		return err
	}
	if c.compacted {
		l.source.Compact()
	}
	adm := kadm.NewClient(src)
	if err := c.retention(ctx, adm); err != nil {
		return err
	}
	if err := c.bounds(ctx, adm); err != nil {
		return err
	}
	return c.copy(ctx, l, tgt)
}

func (c *content) create(ctx context.Context, cl *kgo.Client, name string) error {
	var config map[string]*string
	if c.compacted {
		config = map[string]*string{"cleanup.policy": new("compact")}
	}
	_, err := kadm.NewClient(cl).CreateTopic(ctx, c.Partitions, 1, config, name)
	return err
}

// random is the generator of one topic, so that topics do not depend on the
// order in which they are made.
func (c *content) random(seed uint64) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(c.Source))              // never an error
	return rand.New(rand.NewPCG(seed, h.Sum64())) //nolint:gosec // records to try things on, no secrets
}

// records makes n records of the topic, spread over its partitions and over
// the two hours before now.
func (c *content) records(l *Lab, n int) []*kgo.Record {
	rnd := c.random(l.opt.Seed)
	first, span := l.began.Add(-2*time.Hour), 2*time.Hour-time.Minute
	out := make([]*kgo.Record, n)
	for i := range out {
		key := c.Source + "-" + strconv.Itoa(i)
		if c.compacted {
			// A twentieth as many keys as records; some are written often.
			key = c.Source + "-" + strconv.Itoa(min(rnd.IntN(n/20+1), rnd.IntN(n/20+1)))
		}
		out[i] = &kgo.Record{
			Topic: c.Source, Partition: int32(i % int(c.Partitions)), //nolint:gosec // a few partitions
			Key: []byte(key), Timestamp: first.Add(span * time.Duration(i) / time.Duration(n)).Truncate(time.Millisecond),
			Value: fmt.Appendf(nil, `{"id":%d,"amount":%d.%02d,"note":"%x"}`, i, rnd.IntN(1000), rnd.IntN(100), noise(rnd)),
		}
		if c.compacted && rnd.IntN(40) == 0 {
			out[i].Value = nil // a tombstone
		}
	}
	return out
}

func noise(rnd *rand.Rand) []byte {
	return binary.BigEndian.AppendUint64(nil, rnd.Uint64())
}

func (c *content) produce(ctx context.Context, l *Lab, cl *kgo.Client) error {
	return send(ctx, cl, c.records(l, l.opt.Records))
}

// send buffers the records and sends them, in their order per partition.
func send(ctx context.Context, cl *kgo.Client, records []*kgo.Record) error {
	var failed error // promises are called one at a time, all before Flush returns
	for _, r := range records {
		cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil && failed == nil {
				failed = err
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return fmt.Errorf("producing: %w", err)
	}
	if failed != nil {
		return fmt.Errorf("producing: %w", failed)
	}
	return nil
}

// produceInTransactions commits five of six transactions.
func (c *content) produceInTransactions(ctx context.Context, l *Lab) error {
	cl, err := client(l.Source(), kgo.TransactionalID(c.Source+"-writer"))
	if err != nil {
		return err
	}
	defer cl.Close()
	rnd := c.random(l.opt.Seed + 1)
	for records, i := c.records(l, l.opt.Records), 0; len(records) > 0; i++ {
		n := min(len(records), 20+rnd.IntN(200))
		if err := cl.BeginTransaction(); err != nil {
			return fmt.Errorf("beginning a transaction: %w", err)
		}
		if err := send(ctx, cl, records[:n]); err != nil {
			return err
		}
		if err := cl.EndTransaction(ctx, kgo.TransactionEndTry(i%6 != 3)); err != nil {
			return fmt.Errorf("ending a transaction: %w", err)
		}
		records = records[n:]
	}
	return nil
}

// retention deletes the beginning of each partition.
func (c *content) retention(ctx context.Context, adm *kadm.Client) error {
	if c.trim == 0 {
		return nil
	}
	ends, err := adm.ListEndOffsets(ctx, c.Source)
	if err != nil {
		return err
	}
	at := kadm.Offsets{}
	ends.Each(func(o kadm.ListedOffset) {
		at.AddOffset(o.Topic, o.Partition, int64(float64(o.Offset)*c.trim), -1)
	})
	if _, err := adm.DeleteRecords(ctx, at); err != nil {
		return fmt.Errorf("deleting old records: %w", err)
	}
	return nil
}

// bounds notes where the source begins and ends.
func (c *content) bounds(ctx context.Context, adm *kadm.Client) error {
	starts, err := adm.ListStartOffsets(ctx, c.Source)
	if err != nil {
		return err
	}
	ends, err := adm.ListEndOffsets(ctx, c.Source)
	if err != nil {
		return err
	}
	for p := range c.Partitions {
		start, _ := starts.Lookup(c.Source, p)
		end, ok := ends.Lookup(c.Source, p)
		if !ok || start.Err != nil || end.Err != nil {
			return fmt.Errorf("asking for the offsets of partition %d: %w", p, because(start.Err, end.Err))
		}
		c.starts, c.ends = append(c.starts, start.Offset), append(c.ends, end.Offset)
	}
	return nil
}
