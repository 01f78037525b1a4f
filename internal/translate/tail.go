package translate

import (
	"context"
	"fmt"

	"github.com/kferry/kferry/internal/batch"
)

// tail holds the positions above the last copy of which the target does not
// have everything below. The others get their T, after the last copy, and stay
// open for the proof.
func (s *solver) tail(ctx context.Context) error {
	for _, a := range s.open() {
		if a.s <= s.end.h {
			continue
		}
		missing, why, err := s.missingBelow(ctx, a.s)
		if err != nil {
			return err
		}
		if missing && !s.opt.CopyComplete {
			reason, hint := ReasonNotCopied, "wait until the mover has copied them; if it has ended, say so with --copy-complete"
			if s.tgt.limit < s.tgt.bounds.End {
				reason, hint = ReasonOpenTransaction, "transactions are open on "+s.tgt.part.String()+"; wait until they end"
			}
			s.hold([]*ask{a}, reason, fmt.Sprintf("copied through %d of %d: %s", s.end.h+1, a.s, why), hint)
			continue
		}
		a.res.CopyComplete = missing
		a.res.T = s.idx.after(s.tgt.limit, s.tgt.bounds.Start)
	}
	return nil
}

// missingBelow reports whether the source has records between the last copy
// and offset that this mover copies.
func (s *solver) missingBelow(ctx context.Context, offset int64) (missing bool, why string, err error) {
	if offset == s.end.h+1 {
		return false, "", nil
	}
	if s.src == nil {
		return true, "without the source it cannot be seen whether there are records in between", nil
	}
	st := s.src.stream(s.end.h+1, offset)
	aborted := int64(-1)
	for {
		e, err := st.data(ctx)
		if err != nil {
			return false, "", err
		}
		if e == nil {
			break
		}
		switch {
		case st.undecided(e):
			return true, fmt.Sprintf("the transaction of source offset %d is still open", e.Offset), nil
		case e.Kind == batch.Data:
			return true, fmt.Sprintf("source offset %d is not on the target", e.Offset), nil
		case aborted < 0:
			aborted = e.Offset
		}
	}
	if aborted < 0 {
		return false, "", nil
	}
	skips, err := s.skipsAborted(ctx)
	if err != nil || skips {
		return false, "", err
	}
	return true, fmt.Sprintf("source offset %d, of an aborted transaction, is not on the target, and this mover is not known to leave those out", aborted), nil
}

// abortsAnswer remembers what is known about aborted source records.
type abortsAnswer struct{ asked, skips bool }

// skipsAborted reports whether this mover is known to read committed: the last
// aborted source record in the stretch that it has copied is not on the
// target. MirrorMaker 2 copies them by default, so unknown means no.
func (s *solver) skipsAborted(ctx context.Context) (bool, error) {
	if s.aborted.asked {
		return s.aborted.skips, nil
	}
	s.aborted.asked = true
	for next, step := s.end.h+1, int64(256); next > s.src.bounds.Start; step *= 4 {
		from := max(s.src.bounds.Start, next-step)
		last, err := s.lastAborted(ctx, from, next)
		if err != nil {
			return false, err
		}
		if last >= 0 {
			s.aborted.skips, err = s.notCopied(ctx, last)
			return s.aborted.skips, err
		}
		next = from
	}
	return false, nil
}

func (s *solver) lastAborted(ctx context.Context, from, next int64) (int64, error) {
	last := int64(-1)
	for st := s.src.stream(from, next); ; {
		e, err := st.data(ctx)
		if err != nil || e == nil {
			return last, err
		}
		if e.Kind == batch.AbortedData {
			last = e.Offset
		}
	}
}

// notCopied reports whether the copies either side of offset are there and the
// one of offset itself is not.
func (s *solver) notCopied(ctx context.Context, offset int64) (bool, error) {
	br, err := s.place(ctx, offset)
	if err != nil {
		return false, err
	}
	return br.lo != nil && br.hi != nil && br.hi.h != offset, nil
}

// firstData is the first record of the source in [from, next) that a consumer
// could be given, committed or not decided yet; nil if there is none.
func (s *solver) firstData(ctx context.Context, from, next int64) (*batch.Entry, error) {
	for st := s.src.stream(from, next); ; {
		e, err := st.data(ctx)
		if err != nil || e == nil || e.Kind == batch.Data {
			return e, err
		}
	}
}
