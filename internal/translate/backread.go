package translate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// back answers for one source partition and the target partition that it was
// copied to, for all groups. It is used by one goroutine.
type back struct {
	req  *BackRequest
	s    *solver
	asks []*backAsk

	copies  history // certain committed copies from the lowest T on
	doubts  []doubt // records of which it is open what they are copies of
	pending int64   // records of transactions that are still open
	read    int64   // records of the target
	source  int64   // records of the source
	row     row     // of the target, that is being read
	cuts    []int64 // every T and U, in order: a row of records ends there
	held    int     // what is kept for single groups, in stretches
}

// row is a row of records that are no certain copies of anything.
type row struct {
	OffsetRange
	unclear bool
	// joins: the record in front of it is of the same row; a group stands in
	// between.
	joins bool
}

// backAsk is one group on its way to a BackResult.
type backAsk struct {
	res  BackResult
	done bool
	// got are the source offsets at or above S that the group has read, as
	// stretches [h, h+n) in order.
	got []run
	// unread is the lowest record of the source that the group has not read;
	// -1 there is none.
	unread int64
}

func newBack(req *BackRequest, s *solver) *back {
	b := &back{req: req, s: s, copies: history{top: -1}}
	for _, a := range req.Asks {
		b.cuts = append(b.cuts, a.T, a.U)
		b.asks = append(b.asks, &backAsk{unread: -1, res: BackResult{
			BackAsk: a, Back: -1, SourceBounds: s.src.bounds, TargetBounds: s.tgt.bounds,
			OnlyThere: OnlyThere{Read: noRanges(), Unread: noRanges(), Unclear: noRanges()}, Marks: Marks{Own: []string{}},
		}})
	}
	slices.Sort(b.cuts)
	return b
}

func noRanges() OffsetRanges { return OffsetRanges{Ranges: []OffsetRange{}} }

func (b *back) open() bool {
	return slices.ContainsFunc(b.asks, func(a *backAsk) bool { return !a.done })
}

func (b *back) results() []BackResult {
	out := make([]BackResult, len(b.asks))
	for i, a := range b.asks {
		out[i] = a.res
	}
	return out
}

// refuse ends everything that has no answer yet.
func (b *back) refuse(why Reason, detail, hint string) {
	for _, a := range b.asks {
		if !a.done {
			a.refuse(why, detail, hint)
		}
	}
}

func (a *backAsk) refuse(why Reason, detail, hint string) {
	a.res.Outcome, a.res.Reason, a.res.Detail, a.res.Hint, a.res.Back, a.done = Refused, why, detail, hint, -1, true
}

// use takes the evidence. Others may have written to the target since the move,
// so equal offsets alone say nothing, and MirrorMaker 2 is not alone there.
func (b *back) use(ev evidence) {
	s := b.s
	switch ev.(type) {
	case *none:
		s.use(ev)
		for _, a := range b.asks {
			if !a.done && a.res.U > a.res.T {
				a.refuse(ReasonNoEvidence, s.detected(), "without evidence it is not known what the group has read; set the position by hand, or let the group read the records again from where it was")
			}
		}
		return
	case *identity:
		s.ev, s.tr = ev, &sameOffset{s: s}
	default:
		s.use(ev)
		if al, ok := s.tr.(*aligner); ok {
			al.others = true
		}
	}
	for _, a := range b.asks {
		a.res.Evidence, a.res.Detected = ev.what()
		a.res.Marks = marksOf(ev)
	}
}

// run fills all results. The error is the context's, or that of a whole request.
func (b *back) run(ctx context.Context) error {
	if !b.open() {
		return nil
	}
	err := b.solve(ctx)
	if err == nil {
		return nil
	}
	bad, other, many, lost, foreign := (*evidenceError)(nil), (*contentError)(nil), (*tooManyError)(nil), (*lostError)(nil), (*foreignError)(nil)
	switch {
	case errors.As(err, &foreign):
		b.refuse(ReasonSourcePartitions, err.Error(), "partitions that do not correspond one to one have no way back yet; set the positions by hand")
	case errors.As(err, &other):
		for _, a := range b.asks {
			a.done = false
		}
		b.refuse(ReasonIncarnation, err.Error(), "one of the two topics was created anew or holds something else; set the position by hand")
	case errors.As(err, &many):
		b.refuse(ReasonTooManyPasses, err.Error(), "go back with fewer topics at once")
	case errors.As(err, &lost):
		b.refuse(ReasonNoEvidence, err.Error(), "without evidence it is not known what the group has read; set the position by hand")
	case errors.As(err, &bad):
		b.refuse(ReasonBadHeader, err.Error(), "a record with such a header was written by somebody else; set the position by hand")
	case errors.Is(err, errUnreadable) && ctx.Err() == nil:
		b.refuse(ReasonUnreadable, err.Error(), "try again when the partition can be read")
	default:
		return err
	}
	return nil
}

func (b *back) solve(ctx context.Context) error {
	b.checkBounds()
	if !b.open() {
		return nil
	}
	if err := b.readTarget(ctx); err != nil || !b.open() {
		return err
	}
	for _, a := range b.asks {
		if !a.done {
			a.got = b.gotBy(a)
			if b.held += len(a.got); !b.s.afford(b.kept()) {
				return &tooManyError{b.s.opt.MaxStretches}
			}
		}
	}
	if err := b.findUnread(ctx); err != nil {
		return err
	}
	for _, a := range b.asks {
		if !a.done {
			b.place(a)
		}
	}
	if err := b.countRepeats(ctx); err != nil {
		return err
	}
	for _, a := range b.asks {
		if a.done {
			continue
		}
		b.settle(a)
		if err := b.show(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// checkBounds refuses what cannot be positions on these logs.
func (b *back) checkBounds() {
	src, tgt := b.s.src.bounds, b.s.tgt.bounds
	for _, a := range b.asks {
		switch {
		case a.done:
		case a.res.U > tgt.End || a.res.T > tgt.End:
			a.refuse(ReasonBeyondEnd, fmt.Sprintf("position %d lies beyond the end of %s (first %d, end %d)", max(a.res.U, a.res.T), b.s.tgt.part, tgt.Start, tgt.End),
				"the topic may have been deleted and created again, or its log cut back: what the group has read there is not known")
		case a.res.S > src.End:
			a.refuse(ReasonBeyondEnd, fmt.Sprintf("the group was at %d, beyond the end of %s now (first %d, end %d)", a.res.S, b.s.src.part, src.Start, src.End),
				"the topic was deleted and created again, or its log cut back, since the move; set the position by hand")
		}
	}
}

// readTarget reads the target from the lowest T to its end, once for all groups.
func (b *back) readTarget(ctx context.Context) error {
	low := int64(-1)
	for _, a := range b.asks {
		if !a.done && (low < 0 || a.res.T < low) {
			low = a.res.T
		}
	}
	f := b.s.tr.follow(low, b.s.tgt.bounds.End)
	for {
		e, err := f.next(ctx)
		if err != nil {
			return err
		}
		if e == nil {
			break
		}
		if err := b.take(e); err != nil {
			return err
		}
	}
	b.read = f.count()
	b.flush()
	if end := b.s.src.bounds.End; b.copies.top >= end {
		b.refuse(ReasonIncarnation, fmt.Sprintf("%s holds a copy of source offset %d, but %s ends at %d", b.s.tgt.part, b.copies.top, b.s.src.part, end),
			"the source topic was created anew, or its log cut back, since the move; set the position by hand")
	}
	return nil
}

// take looks at one record of the target.
func (b *back) take(e *traced) error {
	if e.Kind != batch.Data {
		return nil
	}
	undecided := e.Transactional && e.Offset >= b.s.tgt.bounds.Stable
	switch {
	case undecided:
		b.pending++
		if e.copy() {
			b.doubts = append(b.doubts, doubt{pos: e.Offset, least: e.least, most: e.most})
		}
	case e.copy() && e.sure() && !e.loose && !e.alike:
		b.flush()
		b.copies.add(e.Offset, e.h)
	case e.copy():
		// Of records that are alike even the bounds are no more than likely.
		b.flush()
		b.doubts = append(b.doubts, doubt{pos: e.Offset, most: math.MaxInt64})
	default:
		b.stranger(e.Offset, e.maybe)
	}
	if !b.s.afford(b.kept()) {
		return &tooManyError{b.s.opt.MaxStretches}
	}
	return nil
}

// stranger takes a record that is no copy, or of which that is not clear.
func (b *back) stranger(pos int64, unclear bool) {
	cut := false
	for len(b.cuts) > 0 && b.cuts[0] <= pos {
		cut = cut || b.row.Count > 0 && b.cuts[0] > b.row.Last
		b.cuts = b.cuts[1:]
	}
	joins := false
	if b.row.Count > 0 && (cut || b.row.unclear != unclear) {
		joins = b.row.unclear == unclear
		b.flush()
	}
	if b.row.Count == 0 {
		b.row = row{OffsetRange: OffsetRange{First: pos}, unclear: unclear, joins: joins}
	}
	b.row.Last = pos
	b.row.Count++
}

// flush hands the row that ends to the groups.
func (b *back) flush() {
	r := b.row
	b.row = row{}
	if r.Count == 0 {
		return
	}
	for _, a := range b.asks {
		there := &a.res.OnlyThere
		switch {
		case r.First < a.res.T:
		case r.unclear:
			there.Unclear.add(r)
		case r.First < a.res.U:
			there.Read.add(r)
		default:
			there.Unread.add(r)
		}
	}
}

// rangesKept is how many ranges of one position are named; the records of all
// are counted.
const rangesKept = 256

func (o *OffsetRanges) add(r row) {
	o.Count += r.Count
	n := len(o.Ranges)
	switch {
	case r.joins && o.More > 0:
	case r.joins && n > 0:
		o.Ranges[n-1].Last = r.Last
		o.Ranges[n-1].Count += r.Count
	case n == rangesKept:
		o.More++
	default:
		o.Ranges = append(o.Ranges, r.OffsetRange)
	}
}
