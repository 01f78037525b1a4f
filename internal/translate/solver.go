package translate

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// solver answers for one source partition on one target partition. It is used
// by one goroutine.
type solver struct {
	req *Request
	opt *Options
	ev  evidence
	tr  tracer
	src *side // nil without a source
	tgt *side
	idx index

	end     copied // the last committed copy
	budget  *budget
	taken   int64 // of the budget
	asks    []*ask
	aborted abortsAnswer
	doubts  []doubt
}

// ask is one position on its way to a Result. Equal positions share one.
type ask struct {
	s   int64
	epo int32
	res Result
	// next is the copy that T is before, as the search found it.
	next copied
	// vague: the copies that the search found around it are like others.
	vague bool
	// settled: res is final but for its proof.
	settled bool
}

func newSolver(req *Request, opt *Options, src, tgt *side) *solver {
	s := &solver{req: req, opt: opt, src: src, tgt: tgt}
	for i, off := range req.Offsets {
		epoch := int32(-1)
		if i < len(req.Epochs) {
			epoch = req.Epochs[i]
		}
		if slices.ContainsFunc(s.asks, func(a *ask) bool { return a.s == off && a.epo == epoch }) {
			continue
		}
		a := &ask{s: off, epo: epoch, res: Result{
			Source: req.Source, Target: req.Target, S: off, T: -1, Lost: 0, CopiedThrough: -1,
			LagBefore: -1, LagAfter: -1, TargetBounds: tgt.bounds,
		}}
		if src != nil {
			a.res.SourceBounds = src.bounds
			a.res.LagBefore = max(0, src.bounds.End-max(off, src.bounds.Start))
		}
		s.asks = append(s.asks, a)
	}
	slices.SortFunc(s.asks, func(a, b *ask) int {
		if a.s != b.s {
			return int(min(max(a.s-b.s, -1), 1))
		}
		return int(a.epo - b.epo)
	})
	return s
}

// open lists what has no answer yet, lowest S first.
func (s *solver) open() []*ask {
	var out []*ask
	for _, a := range s.asks {
		if !a.settled {
			out = append(out, a)
		}
	}
	return out
}

// run fills the result of every ask. The error is the context's or that of a
// whole request; what goes wrong with this partition is in the results.
func (s *solver) run(ctx context.Context) error {
	err := s.solve(ctx)
	if foreign := (*foreignError)(nil); errors.As(err, &foreign) {
		s.refuse(s.asks, ReasonSourcePartitions, foreign.Error(), "such a copy is judged with all its partitions together, which takes the source: --from")
		return nil
	}
	bad, other, many, lost := (*evidenceError)(nil), (*contentError)(nil), (*tooManyError)(nil), (*lostError)(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &other):
		s.refuse(s.asks, ReasonIncarnation, other.Error(),
			"the copy is of an earlier incarnation of the topic or of another topic, or the mover changes records")
		return nil
	case errors.As(err, &many):
		s.refuse(s.open(), ReasonTooManyPasses, many.Error(), "make a fresh copy, or plan fewer topics at once")
		return nil
	case errors.As(err, &lost):
		s.refuse(s.open(), ReasonNoEvidence, lost.Error(), "if the copy names its source offsets in a header, give its name with -H NAME; else make a copy that does")
		return nil
	case errors.As(err, &bad):
		s.refuse(s.open(), ReasonBadHeader, bad.Error(),
			"name the header and its encoding with -H NAME:ENCODING (decimal, int64be, int64le)")
		return nil
	case errors.Is(err, errUnreadable) && ctx.Err() == nil:
		s.refuse(s.open(), ReasonUnreadable, err.Error(), "try again when the partition can be read")
		return nil
	}
	return err
}

func (s *solver) refuse(asks []*ask, why Reason, detail, hint string) {
	for _, a := range asks {
		a.res.Outcome, a.res.Reason, a.res.Detail, a.res.Hint = Refused, why, detail, hint
		a.res.T = -1
		a.settled = true
	}
}

func (s *solver) hold(asks []*ask, why Reason, detail, hint string) {
	for _, a := range asks {
		a.res.Outcome, a.res.Reason, a.res.Detail, a.res.Hint = Hold, why, detail, hint
		a.res.T = -1
		a.settled = true
	}
}

func (s *solver) solve(ctx context.Context) error {
	if s.req.SameLog {
		return s.sameLog(ctx)
	}
	if len(s.open()) == 0 {
		return nil
	}
	if err := s.locate(ctx); err != nil {
		return err
	}
	return s.show(ctx)
}

// checkSource refuses what cannot be a position on the source's log.
func (s *solver) checkSource() {
	if s.src == nil {
		return
	}
	for _, a := range s.asks {
		if a.s > s.src.bounds.End {
			s.refuse([]*ask{a}, ReasonBeyondEnd,
				fmt.Sprintf("position %d lies beyond the end of %s (first %d, end %d)", a.s, s.src.part, s.src.bounds.Start, s.src.bounds.End),
				"the topic may have been deleted and created again, or its log cut back; look at the group on the source")
		}
	}
}

// locate gives every ask its T and outcome, without the proof.
func (s *solver) locate(ctx context.Context) error {
	last, ok, err := copied{}, false, error(nil)
	if s.tgt.limit > s.tgt.bounds.Start {
		if last, ok, err = s.findLast(ctx); err != nil {
			return err
		}
	}
	if !ok {
		return s.nothingCopied(ctx)
	}
	s.end = last
	for _, a := range s.asks {
		a.res.CopiedThrough = last.h + 1
	}
	if s.src != nil && last.h >= s.src.bounds.End {
		s.refuse(s.open(), ReasonIncarnation,
			fmt.Sprintf("%s holds a copy of source offset %d, but %s ends at %d", s.tgt.part, last.h, s.src.part, s.src.bounds.End),
			"the copy is of an earlier incarnation of the source topic, or of another topic")
		return nil
	}
	if err := s.tail(ctx); err != nil {
		return err
	}
	for _, a := range s.open() {
		if a.s > s.end.h {
			continue
		}
		br, err := s.place(ctx, a.s)
		if err != nil {
			return err
		}
		a.res.T = br.after
		if br.hi != nil {
			a.next = *br.hi
			a.vague = !br.hi.sure
		}
		a.vague = a.vague || br.lo != nil && !br.lo.sure
	}
	return s.prove(ctx)
}

// nothingCopied answers where the target has no committed copy at all, or none
// that can be told: records may be copies of what the source has forgotten.
func (s *solver) nothingCopied(ctx context.Context) error {
	s.doubts = nil
	if s.src != nil {
		if err := s.beyond(ctx, s.tgt.bounds.Start); err != nil {
			return err
		}
	}
	open := slices.ContainsFunc(s.doubts, func(d doubt) bool { return d.maybe && d.least <= d.most })
	if s.opt.CopyComplete && !open {
		s.refuseUncopied(s.open())
		return nil
	}
	for _, a := range s.open() {
		a.res.CopiedThrough = -1
		if s.src == nil {
			s.refuse([]*ask{a}, ReasonNoEvidence, s.noCopyText(), "with --from kferry can see whether anything should have been copied")
			continue
		}
		below, err := s.firstData(ctx, s.src.bounds.Start, a.s)
		if err != nil {
			return err
		}
		switch {
		case below != nil && s.opt.CopyComplete:
			s.refuseUncopied([]*ask{a})
		case below != nil && s.tgt.limit < s.tgt.bounds.End:
			s.hold([]*ask{a}, ReasonOpenTransaction,
				fmt.Sprintf("no copy is committed on %s; the source has records below %d, from offset %d on", s.tgt.part, a.s, below.Offset),
				s.openTransactions(ctx))
		case below != nil:
			s.hold([]*ask{a}, ReasonNotCopied,
				fmt.Sprintf("%s; the source has records below %d, from offset %d on", s.noCopyText(), a.s, below.Offset),
				"wait until the mover has copied them")
		case s.tgt.limit > s.tgt.bounds.Start && s.tgt.limit < s.tgt.bounds.End:
			s.hold([]*ask{a}, ReasonOpenTransaction, "transactions are open on "+s.tgt.part.String(), s.openTransactions(ctx))
		case open && !s.opt.CopyComplete:
			s.holdForgotten([]*ask{a}, "records on "+s.tgt.part.String()+" are copies")
		default:
			a.res.T = s.idx.after(s.tgt.limit, s.tgt.bounds.Start)
			s.settle(a, AtEnd, KnownRead)
			s.severalFit(a, nil)
		}
	}
	return nil
}

func (s *solver) refuseUncopied(asks []*ask) {
	s.refuse(asks, ReasonNoEvidence, s.noCopyText(), "give the evidence that this mover leaves, with -H NAME")
}

func (s *solver) noCopyText() string {
	if s.tgt.limit <= s.tgt.bounds.Start {
		return s.tgt.part.String() + " is empty"
	}
	return "no record of " + s.tgt.part.String() + " is a copy by " + s.detected()
}

// use takes the evidence for this partition.
func (s *solver) use(ev evidence) { s.ev, s.tr = ev, ev.tracer(s) }

// name says in a result which evidence it rests on.
func (s *solver) name(r *Result) {
	r.Evidence, r.Detected = s.ev.what()
	r.Marks = marksOf(s.ev)
}

func (s *solver) kind() Kind {
	k, _ := s.ev.what()
	return k
}

func (s *solver) detected() string {
	_, words := s.ev.what()
	return words
}

// settle makes an ask final with a position.
func (s *solver) settle(a *ask, out Outcome, how Known) {
	a.res.Outcome, a.res.Proof.Known, a.settled = out, how, true
	if s.opt.CopyComplete {
		a.res.CopyComplete = true
	}
}
