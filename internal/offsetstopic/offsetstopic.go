// Package offsetstopic reads committed positions out of a topic with the
// records of __consumer_offsets: the internal topic itself, or a copy of it that
// was restored from a backup under another name. It reads as Kafka's group
// coordinator does when it loads a partition of that topic
// (GroupMetadataManager, and OffsetMetadataManager since KIP-848).
package offsetstopic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// Log is what is read from. A cluster satisfies it.
type Log interface {
	Topics(ctx context.Context, names ...string) (map[string]topic.Topic, error)
	Bounds(ctx context.Context, partitions []topic.Partition) (map[topic.Partition]topic.Bounds, error)
	Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error)
}

// Options say what is read. The zero value reads everything.
type Options struct {
	// Selection of groups and partitions; nil is all.
	Selection *position.Selection
	// MaxBytes bounds one answer of one partition; 0 is 1 MiB.
	MaxBytes int32
	// Progress is called with the offsets that were passed and all of them; it
	// may be nil.
	Progress func(done, total int64)
}

// Result is what the topic says.
type Result struct {
	// Set has the position that each group had committed last.
	Set *position.Set
	// Newest is the time of the newest record: the copy shows how it was then.
	// It is zero for a topic without records.
	Newest time.Time
	// Partitions and Records count what was read.
	Partitions int
	Records    int64
	// Undecided are positions that open transactions would commit, Aborted
	// those that aborted ones would have, Expired those whose own time of
	// expiry was past at Newest, Removed those that were deleted or never were
	// (offset -1), Unnamed those without a group or topic, which nothing can be
	// done with.
	Undecided, Aborted, Expired, Removed, Unnamed int64
}

// Error is a topic that cannot be read as a copy of __consumer_offsets.
type Error struct {
	Partition topic.Partition
	// Offset of the record, -1 when none is meant.
	Offset int64
	Reason string
	Hint   string
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "reading positions from topic %q", e.Partition.Topic)
	if e.Partition.Partition >= 0 {
		fmt.Fprintf(&b, ", partition %d", e.Partition.Partition)
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, ", record %d", e.Offset)
	}
	b.WriteString(": " + e.Reason)
	if e.Err != nil {
		if e.Reason != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause, nil if there is none.
func (e *Error) Unwrap() error { return e.Err }

const (
	// atOnce is how many partitions are read at a time: with MaxBytes it
	// bounds the memory beside the positions themselves.
	atOnce = 16
	// standsStill is how many answers in a row may be empty below the end.
	standsStill = 10
)

// Read reads the topic to the end that it has when reading begins. What is kept
// is the last commit of each group and partition, and what transactions that
// are open at the moment have written. It writes nothing. Errors are an *Error
// or those of the Log.
func Read(ctx context.Context, log Log, name string, o Options) (*Result, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 20
	}
	r := &reader{log: log, o: o, out: &Result{Set: new(position.Set)}}
	if err := r.open(ctx, name); err != nil {
		return nil, err
	}
	for part := range slices.Chunk(r.parts, atOnce) {
		if err := r.read(ctx, part); err != nil {
			return nil, err
		}
	}
	if err := r.gather(name); err != nil {
		return nil, err
	}
	return r.out, nil
}

type reader struct {
	log         Log
	o           Options
	out         *Result
	parts       []*part
	done, total int64
}

// part is one partition on its way to its end.
type part struct {
	tp       topic.Partition
	at, end  int64
	nothing  int // empty answers in a row
	commits  commits
	newestMs int64
}

func (r *reader) open(ctx context.Context, name string) error {
	whole := topic.Partition{Topic: name, Partition: -1}
	topics, err := r.log.Topics(ctx, name)
	if err != nil {
		return fmt.Errorf("reading topic %q: %w", name, err)
	}
	t, ok := topics[name]
	if !ok || t.Err != nil {
		return &Error{Partition: whole, Offset: -1, Reason: "the topic cannot be read", Err: t.Err}
	}
	tps := make([]topic.Partition, 0, len(t.Partitions))
	for _, n := range t.Partitions {
		tps = append(tps, topic.Partition{Topic: name, Partition: n})
	}
	bounds, err := r.log.Bounds(ctx, tps)
	if err != nil {
		return fmt.Errorf("reading topic %q: %w", name, err)
	}
	for _, tp := range tps {
		b, ok := bounds[tp]
		if !ok || b.Err != nil {
			// A partition that is left out is a part of the groups that is.
			return &Error{Partition: tp, Offset: -1, Reason: "its first and last offset are not known", Err: b.Err}
		}
		r.out.Partitions++
		r.total += b.End - b.Start
		r.parts = append(r.parts, &part{tp: tp, at: b.Start, end: b.End, newestMs: -1, commits: newCommits()})
	}
	return nil
}

// read reads some partitions to their ends.
func (r *reader) read(ctx context.Context, parts []*part) error {
	for {
		var open []*part
		var asks []batch.Ask
		for _, p := range parts {
			if p.at < p.end {
				open = append(open, p)
				asks = append(asks, batch.Ask{Partition: p.tp, Offset: p.at, MaxBytes: r.o.MaxBytes, Wait: p.nothing > 0})
			}
		}
		if len(open) == 0 {
			return nil
		}
		chunks, err := r.log.Fetch(ctx, asks)
		if err != nil {
			return fmt.Errorf("reading topic %q: %w", parts[0].tp.Topic, err)
		}
		for i := range chunks {
			before := open[i].at
			if err := r.take(open[i], &chunks[i]); err != nil {
				return err
			}
			r.done += min(open[i].at, open[i].end) - before
		}
		if r.o.Progress != nil {
			r.o.Progress(r.done, r.total)
		}
	}
}

// take takes the records of one answer.
func (r *reader) take(p *part, c *batch.Chunk) error {
	for e, err := range batch.Visible(c) {
		if err != nil {
			return &Error{Partition: p.tp, Offset: -1, Reason: "the records cannot be read", Err: err}
		}
		if e.Offset >= p.end {
			break
		}
		r.out.Records++
		p.newestMs = max(p.newestMs, e.Timestamp)
		if err := p.commits.entry(&e); err != nil {
			return &Error{
				Partition: p.tp, Offset: e.Offset, Reason: "this is no record of __consumer_offsets", Err: err,
				Hint: "name the topic that __consumer_offsets was restored to",
			}
		}
	}
	next, err := c.Next()
	if err != nil {
		return &Error{Partition: p.tp, Offset: -1, Reason: "the records cannot be read", Err: err}
	}
	if next > p.at {
		p.at, p.nothing = next, 0
		return nil
	}
	// An empty answer is not the end, but many are no progress.
	if p.nothing++; p.nothing > standsStill {
		return &Error{Partition: p.tp, Offset: -1, Reason: fmt.Sprintf("nothing comes at offset %d, and it ends at %d", p.at, p.end)}
	}
	return nil
}

// gather puts what the partitions say together.
func (r *reader) gather(name string) error {
	newest := int64(-1)
	for _, p := range r.parts {
		newest = max(newest, p.newestMs)
	}
	if newest >= 0 {
		r.out.Newest = time.UnixMilli(newest).UTC()
	}
	where := map[position.Key]*part{}
	for _, p := range r.parts {
		r.out.Aborted += p.commits.aborted
		r.out.Removed += p.commits.removed
		r.out.Unnamed += p.commits.unnamed
		r.out.Undecided += p.commits.undecided()
		for key, c := range p.commits.last {
			if first, twice := where[key]; twice {
				// A group lives in one partition of the internal topic. Where it
				// is in two, a mover has mixed them up, and nothing tells which
				// commit is the later one.
				return &Error{
					Partition: topic.Partition{Topic: name, Partition: -1}, Offset: -1,
					Reason: fmt.Sprintf("position %s is in partition %d and in partition %d", key, first.tp.Partition, p.tp.Partition),
					Hint:   "restore __consumer_offsets so that each record keeps its partition, or is placed by its key",
				}
			}
			where[key] = p
			if err := r.add(key, c, newest); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) add(key position.Key, c commit, newest int64) error {
	switch {
	case r.o.Selection != nil && (!r.o.Selection.Group(key.Group) || !r.o.Selection.Partition(key.Partition)):
		return nil
	case c.expires >= 0 && c.expires <= newest:
		r.out.Expired++
		return nil
	case c.offset < 0:
		r.out.Removed++
		return nil
	}
	err := r.out.Set.Add(position.Position{
		Group: key.Group, Partition: key.Partition, Offset: c.offset, LeaderEpoch: c.epoch, Metadata: c.metadata,
	})
	if err != nil {
		return fmt.Errorf("reading positions: %w", err)
	}
	return nil
}

// errTrailing is the error for bytes behind the last field.
var errTrailing = errors.New("bytes follow the last field")
