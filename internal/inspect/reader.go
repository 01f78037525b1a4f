package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Sizes of reads, in bytes. A broker answers with one whole batch at least.
const (
	sampleBytes  = 32 << 10
	throughBytes = 1 << 20
)

// emptyTries is how often a partition is asked again, with a wait, when it
// answers nothing below its end: tiered storage answers so before it has fetched
// (fixed in Kafka 3.8.0).
const emptyTries = 2

// errCut says that a log now ends before what was read of it.
var errCut = errors.New("the log was cut back while it was read")

// reader reads one log and counts what that costs. It is safe for concurrent
// use.
type reader struct {
	log            translate.Log
	bytes, fetches atomic.Int64
}

// place is one read: the records of the batches around an offset.
type place struct {
	part   topic.Partition
	bounds topic.Bounds
	at     int64
	max    int32
}

// stretch is what one read returned: all records in [from, next).
type stretch struct {
	from, next int64
	recs       []batch.Entry
	err        error // of this partition
}

// at reads around every place, in one round and another for each empty answer.
// The error is the context's or that of a whole request.
func (r *reader) at(ctx context.Context, places []place) ([]stretch, error) {
	out := make([]stretch, len(places))
	todo := make([]int, 0, len(places))
	for i, p := range places {
		if p.at < p.bounds.Start || p.at >= p.bounds.End {
			out[i] = stretch{from: p.at, next: p.at}
			continue
		}
		todo = append(todo, i)
	}
	for try := 0; len(todo) > 0; try++ {
		asks := make([]batch.Ask, len(todo))
		for j, i := range todo {
			p := places[i]
			asks[j] = batch.Ask{Partition: p.part, Offset: p.at, MaxBytes: p.max, Committed: p.at < p.bounds.Stable, Wait: try > 0}
		}
		chunks, err := r.log.Fetch(ctx, asks)
		if err != nil {
			return nil, err
		}
		r.fetches.Add(1)
		var again []int
		for j, i := range todo {
			r.bytes.Add(int64(len(chunks[j].Raw)))
			out[i] = decode(&places[i], chunks[j])
			if out[i].err != nil || out[i].next > places[i].at {
				continue
			}
			if try < emptyTries {
				again = append(again, i)
				continue
			}
			out[i] = beyond(&places[i], chunks[j])
		}
		todo = again
	}
	return out, nil
}

// each reads around every place, some in one round, and hands over what was
// read around the one of a number.
func (r *reader) each(ctx context.Context, places []place, take func(i int, got *stretch)) error {
	for i := 0; i < len(places); i += atOnce {
		got, err := r.at(ctx, places[i:min(i+atOnce, len(places))])
		if err != nil {
			return err
		}
		for j := range got {
			take(i+j, &got[j])
		}
	}
	return nil
}

// decode takes the records out of a chunk, also those of the first batch that
// lie below the offset that was asked for.
func decode(p *place, c batch.Chunk) stretch {
	if c.Err != nil {
		return stretch{from: p.at, next: p.at, err: fmt.Errorf("reading %s at offset %d: %w", p.part, p.at, c.Err)}
	}
	got := stretch{from: p.at, next: p.at}
	for b, err := range batch.Walk(c.Raw) {
		if err != nil {
			got.err = fmt.Errorf("reading %s: %w", p.part, err)
			return got
		}
		c.Offset = max(min(b.BaseOffset, p.at), p.bounds.Start)
		break
	}
	next, err := c.Next()
	if err != nil {
		got.err = err
		return got
	}
	limit := p.limit()
	for e, err := range batch.Visible(&c) {
		if err != nil {
			got.err = err
			return got
		}
		if e.Offset >= limit {
			break
		}
		got.recs = append(got.recs, e)
	}
	if next > p.at {
		got.from, got.next = c.Offset, min(next, limit)
	}
	return got
}

// limit is where an answer ends: what was aborted is only told below the last
// stable offset.
func (p *place) limit() int64 {
	if p.at < p.bounds.Stable {
		return min(p.bounds.End, p.bounds.Stable)
	}
	return p.bounds.End
}

// beyond is the answer where nothing comes however long one waits: a hole up to
// the end (a cleaner may empty the tail of a log), or a log that was cut back.
func beyond(p *place, c batch.Chunk) stretch {
	end := c.HighWatermark
	if p.at < p.bounds.Stable && c.Stable >= 0 {
		end = c.Stable
	}
	if end >= 0 && end <= p.at {
		return stretch{from: p.at, next: p.at, err: fmt.Errorf("reading %s at offset %d: %w to %d", p.part, p.at, errCut, end)}
	}
	return stretch{from: p.at, next: p.limit()}
}

// through reads a partition from one offset to another, a stretch at a time.
// each returns false to stop.
func (r *reader) through(ctx context.Context, p place, to int64, each func(recs []batch.Entry, next int64) bool) error {
	p.max = throughBytes
	for to = min(to, p.bounds.End); p.at < to; {
		got, err := r.at(ctx, []place{p})
		if err != nil {
			return err
		}
		one := got[0]
		if one.err != nil {
			return one.err
		}
		from := p.at
		recs := slices.DeleteFunc(one.recs, func(e batch.Entry) bool { return e.Offset < from || e.Offset >= to })
		if one.next <= from {
			return fmt.Errorf("reading %s at offset %d: the answer has earlier records only", p.part, from)
		}
		p.at = one.next
		if !each(recs, p.at) {
			return nil
		}
	}
	return nil
}
