package translate

import (
	"context"
	"errors"
	"fmt"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

// errUnreadable marks errors of one partition, which refuse its positions and
// leave the others alone.
var errUnreadable = errors.New("partition cannot be read")

// emptyTries is how often a partition is asked again, alone and with a wait,
// when it answers nothing below its end. Only then is the rest taken for a
// hole (a cleaner may empty the tail of a log), because an empty answer is not
// the end: tiered storage answers so before it has fetched (fixed in 3.8.0).
const emptyTries = 2

// side is one partition of one log.
type side struct {
	rounds *rounds
	of     which
	part   topic.Partition
	bounds topic.Bounds
	// limit is where judging ends: on the target the last stable offset, as
	// nothing above is known to be a copy; on the source the high watermark.
	limit int64
	// max is the size of an answer that is read through, in bytes.
	max int32
	// recent are the last stretches, which the proof mostly finds again.
	recent []*stretch

	bytes int64 // read so far
}

// stretch is what one read returned: every record in [from, next).
type stretch struct {
	from, next int64
	recs       []batch.Entry
	origins    []origin // of recs, on the target, once asked for
}

// keep is how many stretches a side remembers.
const keep = 4

// at reads the stretch around x: it may begin below x, as brokers answer with
// whole batches, and it always ends above x. x lies below the limit.
func (s *side) at(ctx context.Context, x int64) (*stretch, error) {
	for _, r := range s.recent {
		if r.from <= x && x < r.next {
			return r, nil
		}
	}
	got, err := s.read(ctx, x, 0)
	if err != nil {
		return nil, err
	}
	if len(s.recent) == keep {
		s.recent = s.recent[1:]
	}
	s.recent = append(s.recent, got)
	return got, nil
}

// windowBytes is the size of an answer that is looked at around a place.
const windowBytes = 32 << 10

// records reads the records of [from, next), in small answers.
func (s *side) records(ctx context.Context, from, next int64) ([]batch.Entry, error) {
	var out []batch.Entry
	st := s.stream(from, next)
	st.max = min(st.max, windowBytes)
	for {
		e, err := st.entry(ctx)
		if err != nil || e == nil {
			return out, err
		}
		out = append(out, *e)
	}
}

func (s *side) read(ctx context.Context, x int64, size int32) (*stretch, error) {
	if x < s.bounds.Start || x >= s.limit {
		return nil, fmt.Errorf("%w: reading %s at offset %d, outside %d to %d", errUnreadable, s.part, x, s.bounds.Start, s.limit)
	}
	// Below the last stable offset the broker says what was aborted; above it
	// nothing is decided.
	committed, end := x < s.bounds.Stable, s.limit
	if committed {
		end = min(end, s.bounds.Stable)
	}
	for try := 0; ; try++ {
		ask := batch.Ask{Partition: s.part, Offset: x, MaxBytes: size, Committed: committed, Wait: try > 0}
		chunk, err := s.rounds.fetch(ctx, s.of, ask)
		if err != nil {
			return nil, err
		}
		s.bytes += int64(len(chunk.Raw))
		if chunk.Err != nil {
			return nil, fmt.Errorf("%w: reading %s at offset %d: %w", errUnreadable, s.part, x, chunk.Err)
		}
		got, err := s.decode(x, chunk)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUnreadable, err)
		}
		if got.next > x {
			return got, nil
		}
		if len(got.recs) > 0 {
			return nil, fmt.Errorf("%w: reading %s at offset %d was answered with earlier records only", errUnreadable, s.part, x)
		}
		// A log that ends below x has been cut back since its bounds were read.
		if end := answeredEnd(chunk, committed); end >= 0 && end <= x {
			return nil, fmt.Errorf("%w: %s now ends at %d, below the %d seen before", errUnreadable, s.part, end, s.limit)
		}
		if try == emptyTries {
			return &stretch{from: x, next: end}, nil
		}
	}
}

// answeredEnd is the end of the log in the answer itself, -1 if it has none.
func answeredEnd(c batch.Chunk, committed bool) int64 {
	if committed && c.Stable >= 0 {
		return c.Stable
	}
	return c.HighWatermark
}

// decode takes the records out of a chunk, also those of the first batch that
// lie below the asked offset, and cuts at the limit, so that what arrives
// while we look does not move the ground under the search.
func (s *side) decode(x int64, chunk batch.Chunk) (*stretch, error) {
	got := &stretch{from: x, next: x}
	wide := chunk
	for b, err := range batch.Walk(chunk.Raw) {
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.part, err)
		}
		wide.Offset = max(min(b.BaseOffset, x), s.bounds.Start)
		break
	}
	next, err := wide.Next()
	if err != nil {
		return nil, err
	}
	for e, err := range batch.Visible(&wide) {
		if err != nil {
			return nil, err
		}
		if e.Offset >= s.limit {
			break
		}
		got.recs = append(got.recs, e)
	}
	if next > x {
		got.from = wide.Offset
		got.next = min(next, s.limit)
	}
	return got, nil
}

// record is the record at x, nil if there is none.
func (s *side) record(ctx context.Context, x int64) (*batch.Entry, error) {
	if x < s.bounds.Start || x >= s.limit {
		return nil, nil
	}
	st, err := s.at(ctx, x)
	if err != nil {
		return nil, err
	}
	for i := range st.recs {
		if st.recs[i].Offset == x {
			return &st.recs[i], nil
		}
	}
	return nil, nil
}

// since looks up the first record with timestamp ms or later.
func (s *side) since(ctx context.Context, ms int64) (topic.Stamp, error) {
	found, err := s.rounds.logs[s.of].Since(ctx, map[topic.Partition]int64{s.part: ms})
	if err != nil {
		return topic.Stamp{}, err
	}
	return found[s.part], nil
}
