package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/topic"
)

// header is what the movers of these tests leave on every copy.
const header = "__original_offset"

// fate is what became of a record, as far as the log tells.
type fate string

const (
	committed fate = "committed"
	aborted   fate = "aborted"
	undecided fate = "undecided" // its transaction is open
	control   fate = "control"   // a transaction marker
)

// entry is one record of a log as a full scan finds it.
type entry struct {
	*kgo.Record
	fate fate
}

// scan reads a partition from its start to its end with a plain consumer that
// sees everything, and works out each record's fate from the markers. It shares
// nothing with the code under test.
func (n *node) scan(t *testing.T, p topic.Partition) []entry {
	t.Helper()
	if known, ok := n.written[p]; ok {
		return known
	}
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	admin := n.k.Admin(t)
	starts, err := admin.ListStartOffsets(ctx, p.Topic)
	if err != nil {
		t.Fatalf("scanning %s: %v", p, err)
	}
	ends, err := admin.ListEndOffsets(ctx, p.Topic)
	if err != nil {
		t.Fatalf("scanning %s: %v", p, err)
	}
	start, _ := starts.Lookup(p.Topic, p.Partition)
	end, _ := ends.Lookup(p.Topic, p.Partition)
	cl := n.k.Client(t, kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{p.Topic: {p.Partition: kgo.NewOffset().At(start.Offset)}}))
	defer cl.Close()
	var all []entry
	for next := start.Offset; next < end.Offset; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("scanning %s: at %d of %d: %v", p, next, end.Offset, err)
		}
		for _, r := range fs.Records() {
			next = r.Offset + 1
			if r.Offset < end.Offset {
				all = append(all, entry{Record: r})
			}
		}
	}
	decide(all)
	return all
}

// decide sets the fates: a marker decides what its producer has written since
// the one before it.
func decide(all []entry) {
	open := map[int64][]int{}
	for i, e := range all {
		switch {
		case e.Attrs.IsControl():
			all[i].fate = control
			word := aborted
			if len(e.Key) >= 4 && e.Key[3] == 1 { // EndTransactionMarker: version, type
				word = committed
			}
			for _, j := range open[e.ProducerID] {
				all[j].fate = word
			}
			delete(open, e.ProducerID)
		case e.Attrs.IsTransactional():
			all[i].fate = undecided
			open[e.ProducerID] = append(open[e.ProducerID], i)
		default:
			all[i].fate = committed
		}
	}
}

// only returns the entries with one of the fates.
func only(all []entry, fates ...fate) []entry {
	return slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return !slices.Contains(fates, e.fate) })
}

// copies makes the records that a mover writes for the entries.
func copies(from []entry, to topic.Partition) []*kgo.Record {
	out := make([]*kgo.Record, 0, len(from))
	for _, e := range from {
		out = append(out, &kgo.Record{
			Topic: to.Topic, Partition: to.Partition, Key: e.Key, Value: e.Value, Timestamp: e.Timestamp,
			Headers: append(slices.Clone(e.Headers), kgo.RecordHeader{Key: header, Value: strconv.AppendInt(nil, e.Offset, 10)}),
		})
	}
	return out
}

// numbered makes n records with keys and values that tell them apart.
func numbered(p topic.Partition, from, n int) []*kgo.Record {
	out := make([]*kgo.Record, 0, n)
	for i := from; i < from+n; i++ {
		out = append(out, &kgo.Record{
			Topic: p.Topic, Partition: p.Partition,
			Key: []byte(strconv.Itoa(i)), Value: fmt.Appendf(nil, "%s record %d", p, i),
		})
	}
	return out
}

// transactional is a producer whose transactions the test begins and ends.
func (n *node) transactional(t *testing.T, id string) *kgo.Client {
	t.Helper()
	return n.manual(t, kgo.TransactionalID(id), kgo.TransactionTimeout(10*kafkatest.Patience))
}

// transaction writes records in one transaction and ends it as told; nil leaves
// it open until the test has ended.
func transaction(t *testing.T, cl *kgo.Client, end *kgo.TransactionEndTry, records ...*kgo.Record) {
	t.Helper()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatalf("beginning a transaction: %v", err)
	}
	kafkatest.Produce(t, cl, records...)
	if end == nil {
		t.Cleanup(func() {
			if err := cl.EndTransaction(context.WithoutCancel(t.Context()), kgo.TryAbort); err != nil {
				t.Errorf("ending the transaction that was left open: %v", err)
			}
		})
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	if err := cl.EndTransaction(ctx, *end); err != nil {
		t.Fatalf("ending a transaction: %v", err)
	}
}
