package mm2_test

import (
	"context"
	"hash/maphash"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/topic"
)

// fate is what became of a record, as far as the log tells.
type fate byte

const (
	committed fate = iota
	aborted
	control // a transaction marker
)

// entry is one record of a log as a full scan finds it. What is no marker has a
// mark of its key and value, and one of its key.
type entry struct {
	offset    int64
	fate      fate
	mark, key uint64
}

var seed = maphash.MakeSeed()

func markOf(r *kgo.Record) (mark, key uint64) {
	key = maphash.Bytes(seed, r.Key)
	var h maphash.Hash
	h.SetSeed(seed)
	_, _ = h.Write(r.Key)
	_ = h.WriteByte(0)
	if r.Value == nil {
		_ = h.WriteByte(1)
	}
	_, _ = h.Write(r.Value)
	return h.Sum64(), key
}

// read passes the records of a partition, markers included, from an offset
// (negative: its start) to its end, with a plain consumer that sees everything.
func (n *node) read(t *testing.T, p topic.Partition, from int64, each func(*kgo.Record)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	start, end := n.bounds(t, p)
	from = max(from, start)
	if from >= end {
		return
	}
	cl := n.k.Client(t, kgo.KeepControlRecords(), kgo.FetchMaxPartitionBytes(8<<20),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{p.Topic: {p.Partition: kgo.NewOffset().At(from)}}))
	defer cl.Close()
	for next := from; next < end; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("scanning %s: at %d of %d: %v", p, next, end, err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if next = r.Offset + 1; r.Offset < end {
				each(r)
			}
		})
	}
}

// scan reads a partition and works out each record's fate from the markers. It
// shares nothing with the code under test.
func (n *node) scan(t *testing.T, p topic.Partition, from int64) []entry {
	t.Helper()
	var all []entry
	open := map[int64][]int{}
	n.read(t, p, from, func(r *kgo.Record) {
		e := entry{offset: r.Offset}
		switch {
		case r.Attrs.IsControl():
			e.fate = control
			if len(r.Key) >= 4 && r.Key[3] == 0 { // EndTransactionMarker: version, type
				for _, i := range open[r.ProducerID] {
					all[i].fate = aborted
				}
			}
			delete(open, r.ProducerID)
		case r.Attrs.IsTransactional():
			open[r.ProducerID] = append(open[r.ProducerID], len(all))
		}
		if e.fate != control {
			e.mark, e.key = markOf(r)
		}
		all = append(all, e)
	})
	return all
}

func (n *node) bounds(t *testing.T, p topic.Partition) (start, end int64) {
	t.Helper()
	starts, err := n.k.Admin(t).ListStartOffsets(t.Context(), p.Topic)
	if err != nil {
		t.Fatalf("asking where %s begins: %v", p, err)
	}
	ends, err := n.k.Admin(t).ListEndOffsets(t.Context(), p.Topic)
	if err != nil {
		t.Fatalf("asking where %s ends: %v", p, err)
	}
	s, _ := starts.Lookup(p.Topic, p.Partition)
	e, ok := ends.Lookup(p.Topic, p.Partition)
	if !ok || s.Err != nil || e.Err != nil {
		t.Fatalf("asking for the bounds of %s: %v, %v", p, s.Err, e.Err)
	}
	return s.Offset, e.Offset
}

// stable is the last stable offset: transactions below it have ended.
func (n *node) stable(t *testing.T, p topic.Partition) int64 {
	t.Helper()
	ends, err := n.k.Admin(t).ListCommittedOffsets(t.Context(), p.Topic)
	if err != nil {
		t.Fatalf("asking for the last stable offset of %s: %v", p, err)
	}
	e, ok := ends.Lookup(p.Topic, p.Partition)
	if !ok || e.Err != nil {
		t.Fatalf("asking for the last stable offset of %s: %v", p, e.Err)
	}
	return e.Offset
}
