package oracle

import (
	"slices"

	"github.com/kferry/kferry/internal/translate"
)

func (f *facts) expectWhy(q Question) string { return f.expect(q).why }

// noted says whether an offset sync is there whose records can be seen to be
// equal.
func (f *facts) noted() bool {
	return slices.ContainsFunc(f.p.Syncs, func(s Sync) bool {
		return slices.ContainsFunc(f.copies, func(c copied) bool {
			return c.offset == s.Target && c.h == s.Source && c.h < f.srcEnd && f.src.readable(int(c.h-f.src.Base))
		})
	})
}

// judgeDoubt is for answers that say that several positions fit: it must be
// so, and the answer must be on the safe side.
func (f *facts) judgeDoubt(e *expectation, q Question, r *translate.Result) Judgement {
	why := f.doubtful(q)
	if why == "" {
		return verdict(Needless, "%s (%s), but only one position fits: %s", r.Outcome, r.Reason, e.why)
	}
	if r.Outcome == translate.Hold || r.Outcome == translate.Refused {
		return Judgement{Tolerated: "in doubt: " + why, Alike: true}
	}
	if r.T < f.tgt.Start || r.T > f.tgt.End() {
		return verdict(Malformed, "T %d is outside of the target", r.T)
	}
	j := f.safe(e, q, r)
	if j.Verdict == Fine || f.excusedDoubt(q, r, j.Verdict) {
		return Judgement{Tolerated: "in doubt: " + why, Alike: true}
	}
	return j
}

// safe checks that from T on nothing is lost, and no more comes again than is
// said.
func (f *facts) safe(e *expectation, q Question, r *translate.Result) Judgement {
	m := f.consume(r.T, q.S)
	switch {
	case e.hold && !e.position:
		return verdict(HoldMissed, "answered %s %d (%s), but %s", r.Outcome, r.T, r.Reason, e.why)
	case e.lost > 0 || m.lost > 0:
		return verdict(Lost, "from %s %d (%s) on %d copied records are not met, %d are nowhere; %s", r.Outcome, r.T, r.Reason, m.lost, e.lost, e.why)
	case m.repeats > r.Repeats:
		return verdict(Repeated, "from %s %d (%s) on %d records repeat, said are up to %d; %s", r.Outcome, r.T, r.Reason, m.repeats, r.Repeats, e.why)
	}
	return Judgement{}
}
