package translate

import (
	"context"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// doubt is a record of the target of which it is open what it is a copy of,
// because records are alike: anything from least to most, or none (maybe).
// after is 1 + the copy before it.
type doubt struct {
	pos, after, least, most int64
	loose, maybe            bool
}

// keepDoubt remembers a record that matters to one of the positions.
func (s *solver) keepDoubt(e *traced, after int64) error {
	if e.Kind != batch.Data || e.sure() && !e.maybe {
		return nil
	}
	matters := e.loose || e.maybe
	for _, a := range s.asks {
		matters = matters || e.doubtful(a.s)
	}
	if matters {
		s.doubts = append(s.doubts, doubt{e.Offset, after, e.least, e.most, e.loose, e.maybe})
	}
	if !s.afford(len(s.doubts)) {
		return &tooManyError{s.opt.MaxStretches}
	}
	return nil
}

// severalFit looks whether more than one position fits, because records around
// T may be copies of records either side of S, or no copies at all. T then is
// the lowest position that fits: records may come twice, and none is lost. h is
// nil where the records from T on were read as one pass.
func (s *solver) severalFit(a *ask, h *history) {
	if a.res.Outcome == Hold || a.res.Outcome == Refused {
		return
	}
	t, found, why := a.res.T, false, ReasonSeveralFit
	for _, d := range s.doubts {
		switch {
		case d.maybe && d.pos < t && d.most >= a.s, !d.maybe && d.least < a.s && a.s <= d.most:
			a.res.T = min(a.res.T, d.after)
		case d.maybe && d.pos >= t && (d.least < a.s || d.loose):
		default:
			continue
		}
		found = true
		if d.maybe {
			why = ReasonForgotten
		}
	}
	if found {
		s.settleSeveral(a, s.mayRepeat(a, h), why)
		return
	}
	if a.res.Outcome == AtEnd && slices.ContainsFunc(s.doubts, func(d doubt) bool { return d.maybe && d.pos >= t && d.most >= a.s }) {
		s.doubt(a, "the source has no record any more that tells whether records behind the position are copies")
	}
}

// unknownRepeat adds to the repeats of several passes the records from T on that
// have no original any more: they may be what comes again.
func (s *solver) unknownRepeat(a *ask) {
	if a.res.Outcome != Repeats || a.res.Reason != "" {
		return
	}
	n := int64(0)
	for _, d := range s.doubts {
		if d.maybe && d.pos >= a.res.T {
			n++
		}
	}
	if n > 0 {
		a.res.Detail = fmt.Sprintf("the copy was made in more than one pass: %d records are met again, and up to %d more that the source has forgotten", a.res.Repeats, n)
		a.res.Repeats += n
		a.res.Reason = ReasonForgotten
	}
}

// openRepeat says that the repeats of several passes are not certain where a
// record from T on comes again or not, by which of those like it it is a copy of.
func (s *solver) openRepeat(a *ask, h *history) {
	if a.res.Outcome != Repeats || a.res.Reason != "" {
		return
	}
	if n := h.opens(a.res.T); n > 0 {
		s.settleSeveral(a, a.res.Repeats+n, ReasonSeveralFit)
	}
}

// looksBack reports whether records before T matter to a position that one
// reading from T on does not show: copies of what the source has forgotten.
func (s *solver) looksBack(a *ask) bool {
	if s.src == nil || a.vague {
		return a.vague
	}
	if _, ok := s.tr.(*aligner); !ok {
		return false
	}
	return a.s < s.src.bounds.Start || slices.ContainsFunc(s.doubts, func(d doubt) bool {
		return d.maybe && d.pos < a.res.T && d.most >= a.s
	})
}

// mayRepeat counts the records from T on that a group at S may have read, or
// may meet twice.
func (s *solver) mayRepeat(a *ask, h *history) int64 {
	n := int64(0)
	for _, d := range s.doubts {
		if d.pos >= a.res.T && (d.least < a.s || d.loose) {
			n++
		}
	}
	if h == nil {
		return n
	}
	for _, r := range h.runs {
		n += max(0, r.n-max(0, a.res.T-r.pos))
	}
	for _, w := range h.offsets(a.s) {
		n -= w.n
	}
	return max(1, n)
}

func (s *solver) settleSeveral(a *ask, repeats int64, why Reason) {
	a.res.Repeats, a.res.Outcome, a.res.Reason = repeats, Repeats, why
	what := fmt.Sprintf("records on %s are like others on both sides of %d", s.tgt.part, a.s)
	a.res.Hint = "wait until the group has read on or the mover has caught up and plan again; --accept-repeats takes the lowest position that fits"
	if why == ReasonForgotten {
		what = fmt.Sprintf("the source has no record any more that tells whether records on %s are copies from below %d", s.tgt.part, a.s)
		a.res.Hint = "--accept-repeats takes the lowest position that fits; a copy that names source offsets in a header would be exact"
	}
	a.res.Detail = fmt.Sprintf("%s: from %d on nothing is lost, and up to %d records that the group has read may be met again", what, a.res.T, repeats)
}

// fromDoubts answers where records with several possible originals leave open
// how many passes there were: T is before the first record that may be a copy
// of one at or above S. It reports whether there was such a doubt.
func (s *solver) fromDoubts(a *ask, h *history) bool {
	first, open := int64(-1), false
	for _, d := range s.doubts {
		if d.most < a.s {
			continue
		}
		open = open || d.loose && !d.maybe
		if first < 0 || d.pos < first {
			first = d.pos
		}
	}
	if !open {
		return false
	}
	for _, r := range h.runs {
		if end := r.h + r.n; end > a.s {
			if p := r.pos + max(0, a.s-r.h); p < first {
				first = p
			}
			break
		}
	}
	s.settle(a, Repeats, KnownRead)
	a.res.T = h.before(first, s.tgt.bounds.Start)
	s.settleSeveral(a, s.mayRepeat(a, h), ReasonSeveralFit)
	return true
}

// mayRun reports whether the copy may have been further than it ends now: then
// a pass is running.
func (s *solver) mayRun() bool {
	return slices.ContainsFunc(s.doubts, func(d doubt) bool { return d.loose && !d.maybe && d.pos < s.end.pos && d.most > s.end.most })
}

// mayGoBack reports whether records behind the last copy may be copies of what
// stood before it and the source has forgotten.
func (s *solver) mayGoBack() bool {
	return slices.ContainsFunc(s.doubts, func(d doubt) bool { return d.maybe && d.pos > s.end.pos && d.least <= s.end.h })
}

func (s *solver) holdOpen(asks []*ask) {
	s.hold(asks, ReasonSeveralFit,
		fmt.Sprintf("records on %s are like others behind source offset %d, where the copy ends: whether the mover went back and a pass is running cannot be told", s.tgt.part, s.end.h),
		"wait until the mover has caught up; if it has ended, say so with --copy-complete")
}

// holdForgotten holds because nobody can tell whether what is a copy of records
// that the source has forgotten.
func (s *solver) holdForgotten(asks []*ask, what string) {
	s.hold(asks, ReasonForgotten,
		fmt.Sprintf("the source has no record any more that tells whether %s: whether the mover went back and a pass is running cannot be told", what),
		"wait until the mover has caught up; if it has ended, say so with --copy-complete")
}

// mostTop is the highest source offset that the copies may have reached, where
// the position was found on the safe side: what is missing below it may have
// been left out.
func (s *solver) mostTop(a *ask, h *history) int64 {
	top := h.top
	if a.res.Reason != ReasonSeveralFit {
		return top
	}
	for _, d := range s.doubts {
		if d.loose && !d.maybe {
			top = max(top, d.most)
		}
	}
	return top
}

// beyond adds the doubts about records behind the last copy: from is 1 + that,
// or the log start.
func (s *solver) beyond(ctx context.Context, from int64) error {
	al, ok := s.tr.(*aligner)
	if !ok || al.forgets() <= s.src.bounds.Start && s.src.bounds.Start == 0 || from >= s.tgt.limit {
		return nil
	}
	for f := s.tr.follow(from, s.tgt.limit); ; {
		e, err := f.next(ctx)
		if e == nil || err != nil {
			return err
		}
		if err := s.keepDoubt(e, from); err != nil {
			return err
		}
	}
}
