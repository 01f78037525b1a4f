package translate

import "context"

// scout reads the target at x and adds what it shows.
func (s *solver) scout(ctx context.Context, x int64) error {
	st, err := s.tgt.at(ctx, x)
	if err != nil {
		return err
	}
	origins, err := s.trace(ctx, st)
	if err != nil {
		return err
	}
	s.idx.add(s.idx.look(st, origins))
	return nil
}

// cover reads until nothing in [from, next) is unknown. limit bounds how many
// reads it may take; it reports whether that was enough.
func (s *solver) cover(ctx context.Context, from, next int64) error {
	for {
		open := s.idx.unknown(from, next)
		if len(open) == 0 {
			return nil
		}
		if err := s.scout(ctx, open[0].from); err != nil {
			return err
		}
	}
}

// findLast finds the last committed copy below the limit: it reads backwards
// from the end in steps that double, as other producers may have written
// behind the copies.
func (s *solver) findLast(ctx context.Context) (copied, bool, error) {
	x := s.tgt.limit - 1
	for step := int64(1); ; step *= 2 {
		if err := s.scout(ctx, x); err != nil {
			return copied{}, false, err
		}
		if err := s.cover(ctx, x, s.tgt.limit); err != nil {
			return copied{}, false, err
		}
		if c, ok := s.idx.last(); ok && c.pos >= s.coveredFrom() {
			return c, true, nil
		}
		from := s.coveredFrom()
		if from <= s.tgt.bounds.Start {
			return copied{}, false, nil
		}
		x = max(s.tgt.bounds.Start, from-step)
	}
}

// coveredFrom is where the known stretch begins that reaches to the limit.
func (s *solver) coveredFrom() int64 {
	from := s.tgt.limit
	for i := len(s.idx.views) - 1; i >= 0 && s.idx.views[i].next >= from; i-- {
		from = s.idx.views[i].from
	}
	return from
}

// place finds the border of S: the copy at or above it whose known
// predecessor lies below it. On a single pass that is the border; several
// passes may have more than one, which the proof finds out.
//
// The guess is slope 1 from the nearest known copy, which hits on a log
// without holes; then a line through the bracket, and its middle whenever the
// bracket did not halve, so that log2 of the batches is the worst case.
func (s *solver) place(ctx context.Context, offset int64) (bracket, error) {
	size, slow := int64(-1), false
	for try := 0; ; try++ {
		br := s.idx.bracket(offset, s.tgt.bounds.Start, s.tgt.limit)
		if len(br.open) == 0 {
			return br, nil
		}
		left := br.open[len(br.open)-1].next - br.open[0].from
		slow = size >= 0 && left > size/2
		size = left
		x := guess(br, offset, try, slow)
		if err := s.scout(ctx, x); err != nil {
			return br, err
		}
	}
}

// guess picks an unread offset of the bracket.
func guess(br bracket, offset int64, try int, slow bool) int64 {
	first, last := br.open[0].from, br.open[len(br.open)-1].next-1
	x := first + (last-first)/2
	switch {
	case slow && try > 1:
	case br.hi != nil && try == 0:
		// One below the guess: its batch then shows both sides of the border.
		x = br.hi.pos - (br.hi.h - offset) - 1
	case br.lo != nil && try == 0:
		x = br.lo.pos + (offset - br.lo.h) - 1
	case br.lo != nil && br.hi != nil && br.hi.h > br.lo.h:
		part := float64(offset-br.lo.h) / float64(br.hi.h-br.lo.h)
		x = br.lo.pos + int64(part*float64(br.hi.pos-br.lo.pos)) - 1
	case br.lo == nil && try == 1:
		x = first
	}
	return nearest(br.open, x)
}

// nearest is the unread offset that is closest to x.
func nearest(open []span, x int64) int64 {
	best := open[0].from
	for _, o := range open {
		c := min(max(x, o.from), o.next-1)
		if abs(c-x) < abs(best-x) {
			best = c
		}
	}
	return best
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
