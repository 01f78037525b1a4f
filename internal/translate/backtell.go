package translate

import (
	"context"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// place gives a group its position: the lowest unread record, moved back to 1 +
// the last read one before it.
func (b *back) place(a *backAsk) {
	a.res.Back = a.res.S
	for _, r := range a.got {
		if a.unread >= 0 && r.h >= a.unread {
			break
		}
		a.res.Back = r.h + r.n // it does not hold what is unread
	}
}

// settle decides the outcome of a position that was counted.
func (b *back) settle(a *backAsk) {
	r := &a.res
	r.Outcome, r.Proof.Known = Exact, KnownRead
	r.Proof.ReadTarget, r.Proof.ReadSource = b.read, b.source
	open, gone := b.openOnes(a), b.gone(a)
	switch {
	case open > 0:
		r.Repeats += open + gone
		r.Reason = ReasonSeveralFit
		r.Detail = fmt.Sprintf("of records that were read on %s it is open what they are copies of, so they count as unread: from %d on nothing is lost, and up to %d records that the group has read are met again", b.s.tgt.part, r.Back, r.Repeats)
	case gone > 0:
		r.Repeats += gone
		r.Reason = ReasonForgotten
		r.Detail = fmt.Sprintf("%s begins at %d now, above %d where the group began there: what it has read below cannot be seen and counts as unread, so up to %d records are met again", b.s.tgt.part, b.s.tgt.bounds.Start, r.T, r.Repeats)
	case r.Repeats > 0:
		r.Detail = fmt.Sprintf("source offset %d was not read on %s and later ones were: %s met again", a.unread, b.s.tgt.part, counted(r.Repeats, ""))
	}
	if r.Repeats > 0 {
		r.Outcome = Repeats
		r.Hint = "--accept-repeats lets it through"
	}
	b.notes(a)
	b.unproven(a)
	b.trimmed(a)
	a.done = true
}

// unproven says what an exact answer leaves open.
func (b *back) unproven(a *backAsk) {
	r := &a.res
	if r.Outcome != Exact {
		return
	}
	say := func(text string) {
		r.Outcome = ExactUnproven
		r.Unproven = append(r.Unproven, text)
	}
	if b.s.req.SourceTopic.ID.IsZero() {
		say("the source gives no topic ID: that the topic was not deleted and created again since the move")
	}
	if a.unread < 0 {
		return
	}
	if start := b.s.tgt.bounds.Start; start > r.T && r.U > r.T {
		say(fmt.Sprintf("%s begins at %d now, above %d where the group began there: that it has not read later records there in an earlier pass", b.s.tgt.part, start, r.T))
	}
	if cfg := b.s.req.TargetTopic.Config; (cfg.Compacted || !cfg.Known) && b.copyOf(a.unread) < 0 && (a.unread < b.copies.top || r.OnlyThere.Read.Count > 0) {
		say(fmt.Sprintf("the target may have been compacted: that source offset %d was not read there before its copy was taken", a.unread))
	}
}

// notes says what changes nothing and is worth knowing.
func (b *back) notes(a *backAsk) {
	r := &a.res
	if r.U < r.T {
		r.Notes = append(r.Notes, fmt.Sprintf("the group stands at %d on the target, before %d where the move had set it: it was rewound there, and what lies before is read on the source all the same", r.U, r.T))
	}
	if b.pending > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("transactions are open on %s from %d on: %s of them are not taken for read, and are not listed", b.s.tgt.part, b.s.tgt.bounds.Stable, counted(b.pending, "")))
	}
	if n := r.OnlyThere.Unclear.Count; n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s on %s may be copies of records that the source has forgotten, or written by others; either way they have no place on the source", counted(n, ""), b.s.tgt.part))
	}
}

// openOnes counts the records that the group has read behind its position, as
// far as it is open what they are copies of.
func (b *back) openOnes(a *backAsk) int64 {
	n := int64(0)
	for _, d := range b.doubts {
		if d.pos >= a.res.T && d.pos < a.res.U && d.most >= a.res.Back {
			n++
		}
	}
	return n
}

// gone counts the offsets that the group has passed and that the target's log
// does not have any more, where the position lies before what is left.
func (b *back) gone(a *backAsk) int64 {
	if a.unread < 0 || len(b.copies.runs) > 0 && a.unread > b.copies.runs[0].h {
		return 0
	}
	return max(0, min(a.res.U, b.s.tgt.bounds.Start)-a.res.T)
}

// trimmed refuses a position when records that the group has not read are gone
// on the source.
func (b *back) trimmed(a *backAsk) {
	r := &a.res
	start := b.s.src.bounds.Start
	if r.S >= start {
		return
	}
	r.Lost = b.lostBelow(a, start)
	r.Back = max(r.Back, start)
	if r.Lost == 0 {
		return
	}
	r.Outcome, r.Reason = Refused, ReasonLoss
	r.Detail = fmt.Sprintf("%s begins at %d now, and up to %d records below that the group has not read: they are gone there", b.s.src.part, start, r.Lost)
	r.Hint = "let the group read on at the target first; --accept-loss goes on without them"
}

// lostBelow counts the source offsets below start that the group has not read
// and that held, or may have held, a record: copies that it has not come to, and
// what was not copied. The mover copies in order, so that what it passed over was
// no record.
func (b *back) lostBelow(a *backAsk, start int64) int64 {
	rest := history{}
	for _, r := range b.copies.runs {
		if r.pos+r.n > a.res.U {
			from := max(r.pos, a.res.U)
			rest.runs = append(rest.runs, run{pos: from, h: r.h + from - r.pos, n: r.pos + r.n - from})
		}
	}
	lost := int64(0)
	for _, r := range rest.offsets(a.res.S) {
		for h := r.h; h < min(r.h+r.n, start); h++ {
			if !has(a.got, h) {
				lost++
			}
		}
	}
	for _, d := range b.doubts {
		if d.least < start && d.most >= a.res.S {
			lost++
		}
	}
	return lost + max(0, start-max(a.res.S, b.copies.top+1))
}

// show fills the proof: the records either side of U and of the position.
func (b *back) show(ctx context.Context, a *backAsk) error {
	s, r := b.s, &a.res
	p := &r.Proof
	if r.Back < 0 {
		return nil
	}
	before, at, err := s.targetSides(ctx, r.U)
	if err != nil {
		return err
	}
	p.TargetBefore, p.TargetAt = before, at
	from, to, err := s.src.around(ctx, r.Back, func(st *stretch, i int) (bool, error) { return st.recs[i].Kind == batch.Data, nil })
	if err != nil {
		return err
	}
	if from != nil {
		p.SourceBefore = s.seen(from, b.copyOf(from.Offset))
	}
	if to != nil {
		p.SourceAt = s.seen(to, b.copyOf(to.Offset))
	}
	for _, e := range []*batch.Entry{from, to} {
		if e == nil {
			continue
		}
		pos := b.copyOf(e.Offset)
		if pos < 0 {
			continue
		}
		there, err := s.tgt.record(ctx, pos)
		if err != nil {
			return err
		}
		if there != nil && s.differ(e, there) {
			return &contentError{source: e.Offset, target: pos}
		}
	}
	return nil
}

// copyOf is where the target has the last certain copy of a source offset; -1
// nowhere.
func (b *back) copyOf(h int64) int64 {
	for _, r := range slices.Backward(b.copies.runs) {
		if r.h <= h && h < r.h+r.n {
			return r.pos + h - r.h
		}
	}
	return -1
}
