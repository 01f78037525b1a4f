package translate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

// tail holds the positions above the last copy of which the target does not
// have everything below. The others get their T, after the last copy, and stay
// open for the proof.
func (s *solver) tail(ctx context.Context) error {
	for _, a := range s.open() {
		if a.s <= s.end.h {
			continue
		}
		if !s.end.sure && a.s <= s.end.most {
			if !s.opt.CopyComplete {
				s.hold([]*ask{a}, ReasonSeveralFit,
					fmt.Sprintf("the last copy may be of source offset %d or of any like it up to %d: whether the copy has reached %d cannot be told", s.end.h, s.end.most, a.s),
					"wait until the mover has caught up; if it has ended, say so with --copy-complete")
				continue
			}
			a.vague = true
		}
		if s.end.loose && s.end.least < s.end.h {
			if !s.opt.CopyComplete {
				s.hold([]*ask{a}, ReasonSeveralFit,
					fmt.Sprintf("the last copy may be of source offset %d or of any like it from %d on: whether the mover went back and a pass is running cannot be told", s.end.h, s.end.least),
					"wait until the mover has caught up; if it has ended, say so with --copy-complete")
				continue
			}
			a.vague = true
		}
		missing, why, err := s.missingBelow(ctx, a.s)
		if err != nil {
			return err
		}
		if missing && !s.opt.CopyComplete {
			reason, hint := ReasonNotCopied, "wait until the mover has copied them; if it has ended, say so with --copy-complete"
			if s.tgt.limit < s.tgt.bounds.End {
				reason, hint = ReasonOpenTransaction, s.openTransactions(ctx)
			}
			s.hold([]*ask{a}, reason, fmt.Sprintf("copied through %d of %d: %s", s.end.h+1, a.s, why), hint)
			continue
		}
		if missing {
			a.res.Notes = append(a.res.Notes, fmt.Sprintf("on the word of --copy-complete: copied through %d of %d: %s", s.end.h+1, a.s, why))
		}
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
	if cfg := s.req.TargetTopic.Config; !cfg.Known || cfg.Compacted {
		return false, nil // compaction on the target may have taken the copy
	}
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

// notCopied reports whether copies either side of offset are there and one of
// offset itself is not, in no pass.
func (s *solver) notCopied(ctx context.Context, offset int64) (bool, error) {
	br, err := s.place(ctx, offset)
	if err != nil || br.lo == nil || br.hi == nil || br.hi.h == offset {
		return false, err
	}
	for f := s.tr.follow(s.tgt.bounds.Start, s.end.pos+1); ; {
		e, err := f.next(ctx)
		if err != nil || e == nil {
			return err == nil, err
		}
		if e.committed() && e.least <= offset && offset <= e.most {
			return false, nil
		}
	}
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

// openTransactions names what keeps the target's last stable offset where it
// is. What cannot be learned is said and is no error: the position is held in
// any case.
func (s *solver) openTransactions(ctx context.Context) string {
	where := fmt.Sprintf("a transaction is open on %s from offset %d on", s.tgt.part, s.tgt.limit)
	advice := "; wait until it ends, or end a hanging one with kafka-transactions --abort"
	log, ok := s.tgt.rounds.logs[onTarget].(Transactions)
	if !ok {
		return where + advice
	}
	found, known, err := log.OpenTransactions(ctx, []topic.Partition{s.tgt.part})
	switch p := found[s.tgt.part]; {
	case err != nil:
		return fmt.Sprintf("%s (its producer is not known: %v)%s", where, err, advice)
	case !known:
		return where + " (brokers before 2.8 do not name its producer)" + advice
	case p.Err != nil:
		return fmt.Sprintf("%s (its producer is not known: %v)%s", where, p.Err, advice)
	case len(p.Open) == 0:
		return where + advice
	default:
		first := slices.MinFunc(p.Open, func(a, b topic.OpenTransaction) int { return int(min(max(a.Start-b.Start, -1), 1)) })
		age := "of unknown age"
		if first.LastTimestamp >= 0 {
			age = "silent for " + s.opt.Now().Sub(time.UnixMilli(first.LastTimestamp)).Round(time.Second).String()
		}
		return fmt.Sprintf("producer %d (epoch %d) has a transaction open on %s since offset %d, %s%s",
			first.ProducerID, first.ProducerEpoch, s.tgt.part, first.Start, age, advice)
	}
}
