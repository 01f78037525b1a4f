package translate

import (
	"context"
	"errors"
	"fmt"
)

// prove shows, for the open asks, that from T on nothing is missing and
// nothing comes twice, and settles them. Cheapest first: counting, reading,
// and where the copy was made in several passes the whole definition.
func (s *solver) prove(ctx context.Context) error {
	asks := s.open()
	if len(asks) == 0 {
		return nil
	}
	if s.opt.Quick {
		return s.leaveOut(ctx, asks)
	}
	if err := s.beyond(ctx, s.end.pos+1); err != nil {
		return err
	}
	if s.mayGoBack() && !s.opt.CopyComplete {
		s.holdForgotten(asks, fmt.Sprintf("records behind the last copy on %s, of source offset %d, are copies from below it", s.tgt.part, s.end.h))
		return nil
	}
	var again, plain []*ask
	for _, a := range asks {
		if s.looksBack(a) {
			again = append(again, a)
		} else {
			plain = append(plain, a)
		}
	}
	more, err := s.onePass(ctx, plain)
	if err != nil {
		return err
	}
	again = append(again, more...)
	if len(again) == 0 {
		return nil
	}
	return s.passes(ctx, again)
}

// onePass settles the asks that stand in a single pass, and returns the others.
func (s *solver) onePass(ctx context.Context, asks []*ask) (again []*ask, err error) {
	if len(asks) == 0 {
		return nil, nil
	}
	read, known, err := s.rest(ctx, asks)
	if err != nil {
		return nil, err
	}
	if !read.drop {
		read.drop, err = s.strayBefore(ctx, asks[0], read, known)
		if err != nil {
			return nil, err
		}
	}
	for _, a := range asks {
		// Below a gap the good position may lie in an earlier pass.
		if read.drop || a.s <= read.lastGap || s.looksBack(a) {
			again = append(again, a)
			continue
		}
		s.accept(a, read, known)
	}
	return again, nil
}

// rest looks at everything from the lowest T to the end.
func (s *solver) rest(ctx context.Context, asks []*ask) (reading, Known, error) {
	var inner []*ask
	for _, a := range asks {
		if a.s <= s.end.h {
			inner = append(inner, a)
		}
	}
	if len(inner) == 0 {
		return reading{lastGap: -1, least: -1}, KnownRead, nil
	}
	counted, err := s.count(ctx, inner[0])
	if err != nil || counted {
		return reading{lastGap: -1, least: -1}, KnownCounted, err
	}
	read, err := s.readThrough(ctx, inner)
	return read, KnownRead, err
}

// accept settles a position on a single pass.
func (s *solver) accept(a *ask, read reading, known Known) {
	out := Exact
	if a.s > s.end.h {
		out = AtEnd
	}
	s.settle(a, out, known)
	s.severalFit(a, nil)
	p := &a.res.Proof
	if known == KnownCounted {
		p.Slots, p.Offsets = s.end.pos+1-a.res.T, s.end.h+1-a.s
	}
	p.ReadTarget, p.ReadSource = read.target, read.source
	if s.idx.aborted || read.abortedCopies > 0 {
		a.res.Notes = append(a.res.Notes, "the target has aborted copies: exact for read_committed consumers; a read_uncommitted one meets them too")
	}
	if read.others > 0 {
		a.res.Notes = append(a.res.Notes, fmt.Sprintf("%d records between the lowest position of this partition and its last copy are no copies by this mover; they will be read, too", read.others))
	}
	if read.abortedValid > 0 {
		a.res.Notes = append(a.res.Notes, fmt.Sprintf("%d aborted source records were copied as valid ones and will be read", read.abortedValid))
	}
}

// leaveOut is --quick: the search's answer as it is, with what that risks.
func (s *solver) leaveOut(ctx context.Context, asks []*ask) error {
	if s.idx.highest() > s.end.h && !s.opt.CopyComplete {
		s.holdRunning(asks, s.idx.highest())
		return nil
	}
	for _, a := range asks {
		if lost, err := s.quickLoss(ctx, a); err != nil || lost {
			if err != nil {
				return err
			}
			continue
		}
		s.settle(a, ExactUnproven, KnownLeftOut)
		a.res.Unproven = append(a.res.Unproven,
			"nothing after the position was read (--quick): records could be missing or come twice if the copy was made in more than one pass")
	}
	return nil
}

// quickLoss notices, also with --quick, that the source has a record between S
// and the copy that T is before: it is gone on the target, or only an earlier
// pass has it.
func (s *solver) quickLoss(ctx context.Context, a *ask) (bool, error) {
	if a.s > s.end.h || a.next.h <= a.s {
		return false, nil
	}
	if s.src == nil {
		if a.res.T > s.tgt.bounds.Start {
			return false, nil
		}
	} else {
		e, err := s.firstData(ctx, a.s, a.next.h)
		if err != nil || e == nil {
			return false, err
		}
		if s.req.TargetTopic.Config.Compacted {
			a.res.Notes = append(a.res.Notes, fmt.Sprintf("source offset %d and maybe more are not behind the position: compaction may have taken them", e.Offset))
			return false, nil
		}
	}
	s.settle(a, Refused, KnownLeftOut)
	s.loss(a, -1, a.next.h)
	a.res.Hint = "leave out --quick: an earlier pass may have them; else copy them again, or accept that with --accept-loss"
	return true, nil
}

func (s *solver) holdRunning(asks []*ask, top int64) {
	s.hold(asks, ReasonPassRunning,
		fmt.Sprintf("the mover went back: the copy had reached source offset %d and now ends at %d", top, s.end.h),
		"wait until the pass has come back; if the mover has ended, say so with --copy-complete")
	for _, a := range asks {
		a.res.Reached = top + 1
	}
}

// count proves by numbers: as many target offsets from T to the last copy as
// source offsets from S, on logs where every offset is a record, and every
// probe on slope 1. Short rests are read instead, which costs as little.
func (s *solver) count(ctx context.Context, low *ask) (bool, error) {
	slots, offsets := s.end.pos+1-low.res.T, s.end.h+1-low.s
	if slots < s.opt.CountFrom || slots != offsets || !s.countable() {
		return false, nil
	}
	for i := int64(1); i <= samples; i++ {
		if err := s.scout(ctx, low.res.T+slots*i/(samples+1)); err != nil {
			return false, err
		}
	}
	if s.src != nil {
		for _, x := range []int64{low.s, s.end.h} {
			if x < s.src.bounds.Start {
				continue
			}
			st, err := s.src.at(ctx, x)
			if err != nil {
				return false, err
			}
			for i := range st.recs {
				s.idx.transactional = s.idx.transactional || st.recs[i].Transactional
			}
		}
	}
	return s.countable() && s.idx.level(low.res.T, s.end), nil
}

// samples is how many further probes a count takes, spread over the rest.
const samples = 3

// countable reports whether nothing speaks against offsets being records.
func (s *solver) countable() bool {
	if s.kind() == KindIdentity || s.idx.natives || s.idx.markers || s.idx.aborted || s.idx.transactional {
		return false
	}
	target := s.req.TargetTopic.Config
	source := s.req.SourceTopic.Config
	return target.Known && !target.Compacted && (s.src == nil || source.Known && !source.Compacted)
}

// strayBefore reports whether the target below the lowest T holds a copy that
// belongs behind it: one from above the last copy (a pass is running, or has
// stopped short), or one of a record at or above S that the source has
// forgotten since, so that its absence behind T was not noticed.
func (s *solver) strayBefore(ctx context.Context, low *ask, read reading, known Known) (bool, error) {
	if s.idx.highest() > s.end.h {
		return true, nil
	}
	if low.res.T <= s.tgt.bounds.Start || s.kind() == KindIdentity {
		return false, nil
	}
	floor := s.end.h + 1
	if read.hidden {
		floor = low.s
	} else if none, err := s.nothingFrom(ctx, floor); none || err != nil {
		return false, err
	}
	if known == KnownCounted {
		if whole, err := s.countWhole(ctx); whole || err != nil {
			return false, err
		}
	}
	least := read.least
	if read.hidden {
		var err error
		if least, err = s.timeBefore(ctx, low, least); err != nil {
			return false, err
		}
	}
	from, err := s.notBefore(ctx, low.res.T, least)
	if err != nil {
		return false, err
	}
	for f := s.tr.follow(from, low.res.T); ; {
		e, err := f.next(ctx)
		if err != nil || e == nil {
			return false, err
		}
		if e.committed() && (e.h >= floor || e.loose && e.most >= floor) {
			return true, nil
		}
	}
}

// nothingFrom reports whether the source has no record at or above floor, be it
// an aborted one, and cannot have had one that it has forgotten: such a record
// cannot have been copied.
func (s *solver) nothingFrom(ctx context.Context, floor int64) (bool, error) {
	if s.src == nil {
		return false, nil
	}
	if floor >= s.src.bounds.End {
		return true, nil
	}
	if cfg := s.req.SourceTopic.Config; !cfg.Known || cfg.Compacted || floor < s.src.bounds.Start {
		return false, nil
	}
	e, err := s.src.stream(floor, s.src.bounds.End).data(ctx)
	return e == nil, err
}

// timeBefore lowers least to the time of the copy before T: records that the
// source has forgotten, at or above S, were written after that one. It is -1,
// not known, where there is no such copy.
func (s *solver) timeBefore(ctx context.Context, low *ask, least int64) (int64, error) {
	before, _, err := s.targetSides(ctx, low.res.T)
	if err != nil || before == nil || before.SourceOffset >= low.s {
		return -1, err
	}
	if least < 0 {
		return before.Timestamp, nil
	}
	return min(least, before.Timestamp), nil
}

// countWhole is count for the whole target: from the first copy to the last
// one as many target offsets as source offsets, every probe on slope 1. A
// mover that copies every record can then not have gone back.
func (s *solver) countWhole(ctx context.Context) (bool, error) {
	start := s.tgt.bounds.Start
	for i := int64(0); i <= samples; i++ {
		if err := s.scout(ctx, start+(s.end.pos-start)*i/(samples+1)); err != nil {
			return false, err
		}
	}
	first, ok := s.idx.first()
	return ok && s.countable() && s.idx.level(start, s.end) && first.pos == start, nil
}

// notBefore is an offset below which the target cannot have a copy of what
// belongs behind low: such records have timestamps of at least the least that
// was read behind low and that the source has above the last copy, the mover
// keeps timestamps, and the target's first record with that time or later is
// there. (Of records that the source has forgotten this is no proof; only their
// timestamps being out of order hides them.) The log start where that cannot
// be said, or where reading it all is short.
func (s *solver) notBefore(ctx context.Context, low, least int64) (int64, error) {
	start := s.tgt.bounds.Start
	cfg := s.req.TargetTopic.Config
	if s.src == nil || least < 0 || low-start < s.opt.CountFrom || !cfg.Known || cfg.AppendTime || s.src.bounds.End-s.end.h-1 > low-start {
		return start, nil
	}
	same, err := s.keepsTime(ctx)
	if err != nil || !same {
		return start, err
	}
	for st := s.src.stream(s.end.h+1, s.src.bounds.End); ; {
		e, err := st.data(ctx)
		if err != nil {
			return start, err
		}
		if e == nil {
			break
		}
		least = min(least, e.Timestamp)
	}
	found, err := s.tgt.since(ctx, least)
	if err = errors.Join(err, found.Err); err != nil {
		return start, ctx.Err() // reading from the start needs no look-up
	}
	if found.Offset < 0 {
		return low, nil
	}
	return max(start, found.Offset), nil
}

// keepsTime reports whether the last copy has the timestamp of its source
// record.
func (s *solver) keepsTime(ctx context.Context) (bool, error) {
	if s.end.h < s.src.bounds.Start {
		return false, nil
	}
	there, err := s.tgt.record(ctx, s.end.pos)
	if err != nil || there == nil {
		return false, err
	}
	here, err := s.src.record(ctx, s.end.h)
	if err != nil || here == nil {
		return false, err
	}
	return here.Timestamp == there.Timestamp && here.Timestamp >= 0, nil
}
