package batch

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// Kind tells what a record in the log is to a consumer.
type Kind uint8

const (
	// Data is what a consumer gets.
	Data Kind = iota
	// AbortedData belongs to an aborted transaction: a read_committed consumer
	// never sees it, a read_uncommitted one does.
	AbortedData
	// Marker is a control record, which no consumer sees: the end of a
	// transaction, or another control type.
	Marker
)

// String names the kind.
func (k Kind) String() string {
	switch k {
	case Data:
		return "data"
	case AbortedData:
		return "aborted"
	case Marker:
		return "marker"
	default:
		return "unknown"
	}
}

// Entry is one record of a chunk and what it is.
type Entry struct {
	Record
	Kind Kind
	// Transactional says that the record was written in a transaction. In the
	// answer to an Ask without Committed such a record is Data whatever became
	// of its transaction, because the broker then sends no list of aborts.
	Transactional bool
	// Commit is whether a transaction marker commits; false for an abort and
	// for every other kind.
	Commit bool
	// ProducerID is -1 when the producer was not idempotent.
	ProducerID int64
}

// Visible yields the records of a chunk from the offset that was asked for on.
// It stops with the chunk's own error, with one that wraps ErrCorrupt or
// ErrTooLarge, or with ErrCut when the chunk has bytes but no whole batch.
// Where to go on is said by Chunk.Next.
//
// Aborted data is found as Kafka's consumer does it (CompletedFetch): a
// producer is in an aborted transaction from the first batch whose last offset
// reaches the transaction's first offset, until its abort marker.
func Visible(c *Chunk) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if c.Err != nil {
			yield(Entry{}, c.Err)
			return
		}
		aborts := newAborts(c.Aborted)
		whole := false
		for b, err := range Walk(c.Raw) {
			if err != nil {
				yield(Entry{}, fmt.Errorf("reading %s: %w", c.Partition, err))
				return
			}
			whole = true
			e := aborts.judge(b)
			// Batches below the asked offset still count above: a marker in
			// one of them ends a transaction.
			if b.LastOffset() < c.Offset {
				continue
			}
			stopped := false
			err = b.each(func(r Record) bool {
				if r.Offset < c.Offset {
					return true
				}
				e.Record = r
				stopped = !yield(e, nil)
				return !stopped
			})
			if stopped {
				return
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("reading %s: %w", c.Partition, err))
				return
			}
		}
		if !whole && len(c.Raw) > 0 {
			yield(Entry{}, fmt.Errorf("reading %s at offset %d: %w", c.Partition, c.Offset, ErrCut))
		}
	}
}

// Next is the offset to ask for after this chunk: one past its last whole
// batch, and never below the offset that was asked for. It counts batches that
// compaction has left empty (KAFKA-5443), so that a reader moves on over them.
// It equals Offset when the chunk holds nothing. The error is that of Walk.
func (c *Chunk) Next() (int64, error) {
	next := c.Offset
	for b, err := range Walk(c.Raw) {
		if err != nil {
			return next, fmt.Errorf("reading %s: %w", c.Partition, err)
		}
		next = max(next, b.LastOffset()+1)
	}
	return next, nil
}

// aborts keeps which producers are in an aborted transaction.
type aborts struct {
	ahead []Aborted // sorted by First
	open  map[int64]bool
}

func newAborts(list []Aborted) *aborts {
	// Kafka sends the list sorted, Redpanda does not.
	ahead := slices.Clone(list)
	slices.SortStableFunc(ahead, func(a, b Aborted) int { return cmp.Compare(a.First, b.First) })
	return &aborts{ahead: ahead, open: map[int64]bool{}}
}

// judge says what the records of b are. Batches must come in order.
func (a *aborts) judge(b Batch) Entry {
	e := Entry{ProducerID: b.ProducerID, Transactional: b.Transactional()}
	for len(a.ahead) > 0 && a.ahead[0].First <= b.LastOffset() {
		a.open[a.ahead[0].ProducerID] = true
		a.ahead = a.ahead[1:]
	}
	if b.Control() {
		commit, ok := b.Marker()
		e.Kind, e.Commit = Marker, commit
		if ok && !commit {
			delete(a.open, b.ProducerID)
		}
		return e
	}
	if e.Transactional && a.open[b.ProducerID] {
		e.Kind = AbortedData
	}
	return e
}
