package translate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/kferry/kferry/internal/batch"
)

// run is a stretch of copies on slope 1: target offsets pos.., source offsets
// h.., n of them, all committed.
type run struct{ pos, h, n int64 }

// history is every copy of a target partition, read from its first record to
// its end: what the definition of T asks for when a copy was made in several
// passes.
type history struct {
	runs    []run
	aborted []int64 // positions of aborted copies
	unsure  []unsure
	top     int64 // highest h
	read    int64
}

// unsure is a stretch of copies of which it is open what they are copies of: the
// one at pos of anything from least to most, the next of the next ones; n of them.
type unsure struct{ pos, least, most, n int64 }

// tooManyError: the copies are too fragmented to be kept in memory.
type tooManyError struct{ limit int }

func (e *tooManyError) Error() string {
	return fmt.Sprintf("the copies fall into more than the %d stretches that are kept in memory", e.limit)
}

// budget is what all partitions at work may keep in memory, in stretches.
type budget struct{ left atomic.Int64 }

// reserve is taken from the budget at a time.
const reserve = 4096

// afford reports whether the partition may keep n stretches, and takes them
// from the budget.
func (s *solver) afford(n int) bool {
	for s.taken < int64(n) {
		if s.budget.left.Add(-reserve) < 0 {
			s.budget.left.Add(reserve)
			return false
		}
		s.taken += reserve
	}
	return true
}

func (s *solver) giveBack() {
	s.budget.left.Add(s.taken)
	s.taken = 0
}

// keyStretches is what a key that is remembered costs, in stretches.
const keyStretches = 6

func (s *solver) readHistory(ctx context.Context) (*history, error) {
	h := &history{top: -1}
	f := s.tr.follow(s.tgt.bounds.Start, s.end.pos+1)
	s.doubts = nil
	after := s.tgt.bounds.Start
	for {
		e, err := f.next(ctx)
		if err != nil {
			return nil, err
		}
		if e == nil {
			h.read = f.count()
			return h, s.beyond(ctx, s.end.pos+1)
		}
		if err := s.keepDoubt(e, after); err != nil {
			return nil, err
		}
		switch {
		case !e.copy():
		case e.Kind == batch.AbortedData:
			h.aborted = append(h.aborted, e.Offset)
		default:
			h.add(e.Offset, e.h)
			h.addUnsure(e)
		}
		if e.copy() {
			after = e.Offset + 1
		}
		if !s.afford(len(h.runs) + len(h.aborted) + len(h.unsure)) {
			return nil, &tooManyError{s.opt.MaxStretches}
		}
	}
}

func (h *history) add(pos, off int64) {
	h.top = max(h.top, off)
	if n := len(h.runs); n > 0 {
		if r := &h.runs[n-1]; r.pos+r.n == pos && r.h+r.n == off {
			r.n++
			return
		}
	}
	h.runs = append(h.runs, run{pos, off, 1})
}

// addUnsure keeps a copy of which it is open what it is a copy of.
func (h *history) addUnsure(e *traced) {
	if e.sure() {
		return
	}
	if n := len(h.unsure); n > 0 {
		if u := &h.unsure[n-1]; u.pos+u.n == e.Offset && u.least+u.n == e.least && u.most+u.n == e.most {
			u.n++
			return
		}
	}
	h.unsure = append(h.unsure, unsure{e.Offset, e.least, e.most, 1})
}

// opens is how many copies from t on come again or not, by which of those like
// them they are copies of: of what they may be some is on the target, and some
// is not.
func (h *history) opens(t int64) int64 {
	all, n := h.offsets(0), int64(0)
	for _, u := range h.unsure {
		for i := max(0, t-u.pos); i < u.n; i++ {
			met, least, most := int64(0), u.least+i, u.most+i
			for k := sort.Search(len(all), func(k int) bool { return all[k].h+all[k].n > least }); k < len(all) && all[k].h <= most; k++ {
				met += min(all[k].h+all[k].n, most+1) - max(all[k].h, least)
			}
			if met > 1 && met <= most-least {
				n++
			}
		}
	}
	return n
}

// offsets are the distinct source offsets at or above s, as stretches [h, h+n).
func (h *history) offsets(s int64) []run {
	var all []run
	for _, r := range h.runs {
		if end := r.h + r.n; end > s {
			from := max(r.h, s)
			all = append(all, run{h: from, n: end - from})
		}
	}
	slices.SortFunc(all, func(a, b run) int { return int(min(max(a.h-b.h, -1), 1)) })
	var out []run
	for _, r := range all {
		if n := len(out); n > 0 && r.h <= out[n-1].h+out[n-1].n {
			out[n-1].n = max(out[n-1].n, r.h+r.n-out[n-1].h)
			continue
		}
		out = append(out, r)
	}
	return out
}

// has reports whether stretches, as offsets returned them, contain off.
func has(stretches []run, off int64) bool {
	i := sort.Search(len(stretches), func(i int) bool { return stretches[i].h+stretches[i].n > off })
	return i < len(stretches) && stretches[i].h <= off
}

// good looks for the greatest good position of s: only where the lowest
// wanted offset stands can one begin, as the first copies must come in order.
// It returns the position of that copy and how many copies are met that a
// consumer at s has read or meets twice.
func (h *history) good(s int64) (pos, repeats int64, ok bool) {
	want := h.offsets(s)
	if len(want) == 0 {
		return 0, 0, false
	}
	for i, r := range slices.Backward(h.runs) {
		if want[0].h < r.h || want[0].h >= r.h+r.n {
			continue
		}
		at := want[0].h - r.h
		if n, ok := h.walk(i, at, s, want); ok {
			return r.pos + at, n, true
		}
	}
	return 0, 0, false
}

// walk reads on from copy at of run i and reports whether every wanted offset
// is met for the first time in order.
func (h *history) walk(i int, at, s int64, want []run) (repeats int64, ok bool) {
	k, next := 0, want[0].h // the next offset to meet for the first time
	for ; i < len(h.runs); i, at = i+1, 0 {
		r := h.runs[i]
		off, left := r.h+at, r.n-at
		if old := min(left, max(0, s-off)); old > 0 { // below s: read before
			repeats, off, left = repeats+old, off+old, left-old
		}
		for left > 0 {
			if k == len(want) || off < next {
				stop := left
				if k < len(want) {
					stop = min(left, next-off)
				}
				repeats, off, left = repeats+stop, off+stop, left-stop
				continue
			}
			if off > next {
				return 0, false // next comes too late or never
			}
			step := min(left, want[k].h+want[k].n-next)
			off, left, next = off+step, left-step, next+step
			if next == want[k].h+want[k].n {
				if k++; k < len(want) {
					next = want[k].h
				}
			}
		}
	}
	return repeats, k == len(want)
}

// before is 1 + the last copy, committed or aborted, below pos.
func (h *history) before(pos, start int64) int64 {
	after := start
	for _, r := range h.runs {
		if r.pos >= pos {
			break
		}
		after = min(r.pos+r.n, pos)
	}
	for _, p := range h.aborted {
		if p < pos {
			after = max(after, p+1)
		}
	}
	return after
}

// passes answers from the whole history, by the definition itself.
func (s *solver) passes(ctx context.Context, asks []*ask) error {
	h, err := s.readHistory(ctx)
	if err != nil {
		return err
	}
	if h.top > s.end.h && !s.opt.CopyComplete {
		s.holdRunning(asks, h.top)
		return nil
	}
	if s.mayRun() && !s.opt.CopyComplete {
		s.holdOpen(asks)
		return nil
	}
	for _, a := range asks {
		if err := s.fromHistory(ctx, a, h); err != nil {
			return err
		}
	}
	return nil
}

func (s *solver) fromHistory(ctx context.Context, a *ask, h *history) error {
	a.res.Proof.ReadTarget = h.read
	want := h.offsets(a.s)
	if len(want) == 0 {
		a.res.T = s.idx.after(s.tgt.limit, s.tgt.bounds.Start)
		s.settle(a, AtEnd, KnownRead)
		s.severalFit(a, h)
		return nil
	}
	if s.fromDoubts(a, h) {
		return s.nowhere(ctx, a, h, want)
	}
	pos, repeats, ok := h.good(a.s)
	if !ok {
		s.refuse([]*ask{a}, ReasonNoGoodPosition,
			fmt.Sprintf("from no offset of %s are all records from source offset %d on met in order: they were copied out of order", s.tgt.part, a.s),
			"make a fresh copy, or stop the consumers and let them read all again")
		return nil
	}
	a.res.T = h.before(pos, s.tgt.bounds.Start)
	out := Exact
	if repeats > 0 {
		out = Repeats
		a.res.Repeats = repeats
		a.res.Detail = fmt.Sprintf("the copy was made in more than one pass: %d records are met again", repeats)
		a.res.Hint = "--accept-repeats lets it through; a fresh copy would be exact"
	}
	if h.top > s.end.h {
		a.res.Notes = append(a.res.Notes, fmt.Sprintf("on the word of --copy-complete: the mover went back from source offset %d and ended at %d", h.top, s.end.h))
	}
	s.settle(a, out, KnownRead)
	s.severalFit(a, h)
	s.openRepeat(a, h)
	s.unknownRepeat(a)
	return s.nowhere(ctx, a, h, want)
}

// nowhere counts the committed source records at or above S that the target
// does not have at all, and that no later record of their key explains. They
// do not move T, but a group that goes on there would never read them.
func (s *solver) nowhere(ctx context.Context, a *ask, h *history, want []run) error {
	if s.src == nil {
		s.sayUnseen(a, h, want)
		return nil
	}
	pending, missing, held := map[[16]byte][]int64{}, int64(0), 0
	st := s.src.stream(a.s, s.mostTop(a, h)+1)
	for {
		e, err := st.data(ctx)
		if err != nil {
			return err
		}
		if e == nil {
			break
		}
		if e.Kind != batch.Data || st.undecided(e) || has(want, e.Offset) {
			continue
		}
		if s.req.TargetTopic.Config.Compacted && e.Key != nil && s.afford(len(h.runs)+len(h.aborted)+keyStretches*held) {
			k := fingerKey(e.Key)
			pending[k] = append(pending[k], e.Offset)
			held++
			continue
		}
		missing++
	}
	a.res.Proof.ReadSource = st.read
	if err := s.explain(ctx, a.res.T, pending); err != nil {
		return err
	}
	for _, offsets := range pending {
		missing += int64(len(offsets))
	}
	if missing > 0 {
		open := a.res.Reason == ReasonSeveralFit
		s.loss(a, missing, want[0].h)
		if open { // what there are copies of is, too
			a.res.Lost = -1
			a.res.Detail += "; they are like others, so that their number is not certain"
		}
	}
	return nil
}

// explain forgets the pending records that a later record of their key makes
// up for, at or after from: a copy of a higher source offset, or one that is no
// copy. (A copy of a lower one, by a later pass, may have made the cleaner take
// them too, and makes up for nothing; nor does what may be a copy of a record
// that the source has forgotten, as compaction there leaves the last of a key.)
func (s *solver) explain(ctx context.Context, from int64, pending map[[16]byte][]int64) error {
	if from >= s.tgt.limit {
		return nil
	}
	for f := s.tr.follow(from, s.tgt.limit); len(pending) > 0; {
		e, err := f.next(ctx)
		if err != nil || e == nil {
			return err
		}
		if e.Kind != batch.Data || e.Key == nil || e.maybe {
			continue
		}
		h := e.h
		if !e.copy() {
			h = math.MaxInt64
		}
		k := fingerKey(e.Key)
		left := slices.DeleteFunc(pending[k], func(offset int64) bool { return offset < h })
		if pending[k] = left; len(left) == 0 {
			delete(pending, k)
		}
	}
	return nil
}

// sayUnseen is nowhere without a source: every hole may be one of the source.
func (s *solver) sayUnseen(a *ask, h *history, want []run) {
	below := slices.ContainsFunc(h.runs, func(r run) bool { return r.h < a.s && r.pos < a.res.T })
	if want[0].h > a.s && !below {
		s.loss(a, -1, want[0].h)
		return
	}
	if len(want) > 1 || want[0].h > a.s {
		s.doubt(a, "source offsets are missing on the target; only the source can show that it has no records there")
	}
}

// doubt adds what is not proven.
func (s *solver) doubt(a *ask, what string) {
	if a.res.Outcome == Exact || a.res.Outcome == AtEnd {
		a.res.Outcome = ExactUnproven
	}
	a.res.Unproven = append(a.res.Unproven, what)
}

// loss refuses a position because records that the group has yet to read are
// not on the target: deleted there, or never copied. T is where the group would
// go on with --accept-loss. lost is -1 where the number is not known.
func (s *solver) loss(a *ask, lost, first int64) {
	a.res.Outcome, a.res.Reason, a.res.Lost = Refused, ReasonLoss, lost
	where := s.tgt.part.String()
	if a.res.T == s.tgt.bounds.Start {
		where = fmt.Sprintf("%s, which begins with the copy of source offset %d,", where, first)
	}
	count := fmt.Sprintf("%d records of the source", lost)
	switch {
	case lost < 0:
		count = fmt.Sprintf("up to %d records of the source", max(1, first-a.s))
	case lost == 1:
		count = "1 record of the source"
	}
	a.res.Detail = fmt.Sprintf("%s at or above %d would be skipped: not on %s any more, or never copied", count, a.s, where)
	a.res.Hint = "copy them again, or accept that with --accept-loss"
}
