package translate

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/kferry/kferry/internal/batch"
)

// elsewhere looks for records that were not found where they were expected: a
// mover that went back copies what stands far away.
func (a *aligner) elsewhere(ctx context.Context, entries []batch.Entry, marks []mark, where []int, origins []origin) error {
	wanted := map[[16]byte]bool{}
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	for n, o := range origins {
		if !o.copy() {
			wanted[marks[n].fp] = true
			ms := entries[where[n]].Timestamp
			oldest, newest = min(oldest, ms), max(newest, ms)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	hits := a.all
	if hits == nil {
		var err error
		if hits, err = a.scan(ctx, wanted, oldest, newest); err != nil {
			return err
		}
	}
	f := a.frame(hits, a.s.src.bounds.Start, a.s.src.bounds.End)
	f.whole = f.whole || a.by.time == timeLost || a.all != nil
	f.again(marks, origins)
	return nil
}

// again aligns what has no original yet, run by run: each round finds at least
// one pass more.
func (f *frame) again(marks []mark, origins []origin) {
	for found := len(f.source) > 0; found; {
		found = false
		for i := 0; i < len(origins); i++ {
			if origins[i].copy() {
				continue
			}
			n := i
			for n < len(origins) && !origins[n].copy() {
				n++
			}
			got := f.align(marks[i:n])
			found = found || countCopies(got) > 0
			copy(origins[i:n], got)
			i = n
		}
	}
}

// scanMost is how often, counted in sizes of its log, the source may be read in
// search of records that were not found where they were expected.
const scanMost = 16

// lostError: too many records of the target have no original.
type lostError struct{ read int64 }

func (e *lostError) Error() string {
	return fmt.Sprintf("too many records of the target have none like them on the source: %d were read in search of them", e.read)
}

// scan reads the source for records like the wanted ones: all of it, or what
// is of their time where the mover keeps times.
func (a *aligner) scan(ctx context.Context, wanted map[[16]byte]bool, oldest, newest int64) ([]mark, error) {
	src := a.s.src
	from := src.bounds.Start
	timed := a.by.time != timeLost && oldest >= 0
	if timed {
		found, err := src.since(ctx, floorSecond(oldest))
		if err = errors.Join(err, found.Err); err == nil && found.Offset < 0 {
			return nil, nil
		} else if err == nil {
			from = found.Offset
		} else if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	var hits []mark
	past := 0 // records read behind the time that is looked for
	for st := src.stream(from, src.bounds.End); ; {
		e, err := a.record(ctx, st)
		if err != nil || e == nil {
			return hits, err
		}
		if m := a.by.mark(e); wanted[m.fp] {
			hits = append(hits, m)
			past = 0
		}
		if a.scanned++; a.scanned > scanMost*(src.bounds.End-src.bounds.Start)+1<<20 {
			return nil, &lostError{a.scanned}
		}
		if timed && e.Timestamp > newest+1000+2*a.disorder {
			if past++; past > 4*nearby {
				return hits, nil
			}
		}
	}
}
