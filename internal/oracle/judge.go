package oracle

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/translate"
)

// Verdict is what is wrong with an answer.
type Verdict string

// The verdicts. Every one but Fine must never be given.
const (
	Fine          Verdict = ""
	Lost          Verdict = "lost"
	Repeated      Verdict = "repeated unsaid"
	Disordered    Verdict = "wrong order unsaid"
	WronglyHeld   Verdict = "wrongly held"
	WronglyRefuse Verdict = "wrongly refused"
	Worse         Verdict = "not the greatest good position"
	WrongWord     Verdict = "wrong outcome word"
	HoldMissed    Verdict = "hold missed"
	RefuseMissed  Verdict = "refusal missed"
	Needless      Verdict = "needless doubt"
	Malformed     Verdict = "malformed answer"
)

// Verdicts are all of them, in the order of the table.
func Verdicts() []Verdict {
	return []Verdict{
		Lost, Repeated, Disordered, HoldMissed, RefuseMissed, WronglyHeld, WronglyRefuse, Worse, WrongWord, Needless, Malformed,
	}
}

// Judgement is a verdict with its reason.
type Judgement struct {
	Verdict Verdict
	Why     string
	// Tolerated names a choice that the definition leaves open and that the
	// answer has made; "" where there was none.
	Tolerated string
	// Alike: the answer leaves open which of several positions is right, and
	// nobody who sees only contents could tell.
	Alike bool
	// Doubt says what an observer could be unsure of where the verdict is given.
	Doubt string
}

func verdict(v Verdict, format string, args ...any) Judgement {
	return Judgement{Verdict: v, Why: fmt.Sprintf(format, args...)}
}

// Judge is the verdict on one answer to q. Of a log that grew meanwhile any
// state that it was in may have been seen, so that the mildest verdict counts;
// but what arrived last must be met in any case.
func (f *Facts) Judge(q Question, r *translate.Result) Judgement {
	var first Judgement
	seen := f.states[0]
	for i, state := range f.states {
		j := state.judge(q, r)
		if j.Verdict == Fine {
			return f.judgeLate(q, r, j, state)
		}
		if i == 0 || first.harmful() && !j.harmful() {
			first, seen = j, state
		}
	}
	if first.harmful() {
		return first
	}
	return f.judgeLate(q, r, first, seen)
}

// harmful: the answer would move a group to a wrong place.
func (j Judgement) harmful() bool {
	switch j.Verdict {
	case Fine, WronglyHeld, WronglyRefuse, Needless:
		return false
	case Lost, Repeated, Disordered, Worse, WrongWord, HoldMissed, RefuseMissed, Malformed:
	}
	return true
}

// judgeLate looks at what arrived while the answer was being looked for: from
// T on all of it must be met, whatever was seen. What stood there when the logs
// were as seen was judged with them.
func (f *Facts) judgeLate(q Question, r *translate.Result, j Judgement, seen *facts) Judgement {
	if r.T < 0 || r.Outcome == translate.Refused || len(f.states) == 1 {
		return j
	}
	m, before := f.states[0].consume(r.T, q.S), seen.consume(r.T, q.S)
	if m.lost > before.lost && r.Outcome != translate.ExactUnproven && !f.states[0].metAlike(q, r) {
		return verdict(Lost, "%d records that arrived meanwhile are not met from %d on", m.lost, r.T)
	}
	return j
}

// Facts is all that can be known of a pair, worked out once. states[0] is the
// final one.
type Facts struct{ states []*facts }

// NewFacts works out what the judge needs to know.
func NewFacts(p *Pair) *Facts {
	f := &Facts{}
	f.add(p)
	if p.LateSource == 0 && p.LateTarget == 0 {
		return f
	}
	for _, late := range [][2]int{{p.LateSource, p.LateTarget}, {p.LateSource, 0}, {0, p.LateTarget}} {
		early := *p
		early.Source = cut(&p.Source, late[0])
		early.Target = cut(&p.Target, late[1])
		f.add(&early)
	}
	return f
}

func (f *Facts) add(p *Pair) {
	f.states = append(f.states, newFacts(p.headless()))
}

// cut is the log without its last n slots.
func cut(l *Log, n int) Log {
	c := *l
	c.Slots = c.Slots[:max(0, len(c.Slots)-n)]
	c.Start = min(c.Start, c.End())
	return c
}

// expectation is what an answer may be.
type expectation struct {
	// hold and refuse are right, and which reasons.
	hold   bool
	refuse []translate.Reason
	// position: T is right, with this many repeats; above: copies at or above S
	// exist.
	position   bool
	t, repeats int64
	above      bool
	// loose accepts any position under a word that admits what may be wrong
	// with it, because the reading was left out.
	loose bool
	// unproven: exact-unproven is as good as exact.
	unproven bool
	// gap: something is missing, which cannot be seen but must not be denied.
	gap bool
	// onWord: the position rests on --copy-complete.
	onWord bool
	// lost bounds what a refusal for loss may count.
	lost, lostAtMost int64
	// open names what the definition leaves open here, by outcome.
	open map[translate.Outcome]string
	why  string
}

func (e *expectation) tolerate(o translate.Outcome, what string) {
	if e.open == nil {
		e.open = map[translate.Outcome]string{}
	}
	e.open[o] = what
}

// expect works out what the answer to q may be.
func (f *facts) expect(q Question) expectation {
	var e expectation
	if q.S > f.srcEnd && !q.NoSource {
		e.refuse, e.why = []translate.Reason{translate.ReasonBeyondEnd}, "S is above the source's end"
		if len(f.copies) == 0 {
			e.refuse = append(e.refuse, translate.ReasonNoEvidence)
		}
		return e
	}
	running := f.highest > f.last
	certain, perhaps := f.missing(q.S)
	if len(f.copies) == 0 {
		return f.expectNoCopies(q, certain, perhaps)
	}
	e.lost, e.lostAtMost = f.gone(q.S)
	e.lostAtMost += e.lost
	if !q.CopyComplete && (running || certain) {
		e.hold, e.why = true, "a pass is running"
		if !running {
			e.why = fmt.Sprintf("records between %d and S are missing", f.last)
		}
		if e.lost > 0 {
			e.refuse = []translate.Reason{translate.ReasonLoss}
		}
		e.loose = q.Quick && f.fell
		if q.Quick && len(e.refuse) == 0 {
			e.refuse = []translate.Reason{translate.ReasonLoss}
			e.tolerate(translate.Refused, "a reading that was left out would have found the records")
		}
		return e
	}
	e.onWord = running || certain
	if perhaps && !q.CopyComplete {
		e.hold = true
		e.tolerate(translate.Hold, "only aborted or undecided records are missing below S")
	}
	if q.NoSource && f.last+1 < q.S && !q.CopyComplete {
		e.hold = true
	}
	f.expectPosition(&e, q)
	return e
}

// expectNoCopies is for a target without a single committed copy.
func (f *facts) expectNoCopies(q Question, certain, perhaps bool) expectation {
	e := expectation{refuse: []translate.Reason{translate.ReasonNoEvidence}, why: "there is no committed copy", unproven: true}
	e.hold = certain || perhaps || f.openBehind || q.NoSource || f.stable < f.tgt.End()
	e.position = !certain || q.CopyComplete
	e.onWord = certain
	e.t, _ = f.position(q.S)
	return e
}

// expectPosition is for when nothing is to be waited for.
func (f *facts) expectPosition(e *expectation, q Question) {
	t, ok := f.position(q.S)
	m := f.consume(t, q.S)
	e.t, e.repeats, e.above, e.position = t, m.repeats, m.above, ok
	e.unproven = q.Quick || q.NoSource
	e.loose = q.Quick && (f.fell || e.lost > 0 && f.unread(q.S))
	e.why = fmt.Sprintf("the greatest good position is %d, with %d repeats", t, m.repeats)
	loss := []translate.Reason{translate.ReasonLoss, translate.ReasonNoGoodPosition}
	if !ok {
		e.refuse, e.why = loss[1:], "there is no good position"
	}
	// Without the source a gap is not seen, unless nothing stands before it.
	unseen := t < 0 || !f.copyBefore(t, q.S) && !f.present[q.S]
	e.gap = q.NoSource && e.lost > 0
	switch {
	case e.lost > 0 && (!q.NoSource || unseen):
		e.refuse, e.position = loss, false
		e.why = fmt.Sprintf("%d records at or above S are on the source and not on the target", e.lost)
	case q.NoSource && unseen:
		e.refuse = loss
	case q.NoSource && e.lost > 0:
		e.refuse = loss
	case e.lostAtMost > e.lost:
		e.refuse = loss
		e.tolerate(translate.Refused, "only keys tell that missing records are superseded")
	case e.loose:
		e.refuse = loss
		e.tolerate(translate.Refused, "a reading that was left out would have found the records")
	}
}

// unread reports that what is missing at or above s may be seen by reading only.
func (f *facts) unread(s int64) bool {
	return f.p.TargetCompacted || f.p.ConfigUnknown || f.headless || f.p.Filters && f.copiedFrom(s)
}

// copiedFrom reports that the first record of the source at or above s is on the
// target, so that only what stands further on is missing.
func (f *facts) copiedFrom(s int64) bool {
	for i, fate := range f.srcFates {
		if h := f.src.Base + int64(i); h >= s && f.src.readable(i) && fate != Aborted {
			return f.present[h]
		}
	}
	return false
}

// copyWithin reports that a committed copy stands in [from, next).
func (f *facts) copyWithin(from, next int64) bool {
	return slices.ContainsFunc(f.copies, func(c copied) bool { return c.offset >= from && c.offset < next })
}

// copyBefore reports that a copy of something below s stands before t.
func (f *facts) copyBefore(t, s int64) bool {
	for _, c := range f.copies {
		if c.offset < t && c.h < s {
			return true
		}
	}
	return false
}

func (f *facts) judge(q Question, r *translate.Result) Judgement {
	if j := form(q, r); j.Verdict != Fine {
		return j
	}
	if b := r.Proof.Bracket; b != nil {
		switch {
		case max(b.TargetLow, b.TargetHigh) >= f.tgt.End():
			return verdict(Malformed, "offset syncs are shown that lie beyond the target's end: %+v", *b)
		case f.p.ofEarlierLife(b.SourceLow, b.TargetLow) || f.p.ofEarlierLife(b.SourceHigh, b.TargetHigh):
			return verdict(Malformed, "offset syncs are shown that are of an earlier life of the target: %+v", *b)
		}
	}
	if j, done := f.judgeEpoch(q, r); done {
		return j
	}
	e := f.expect(q)
	if f.unreadable(q, r) {
		return Judgement{Tolerated: "a header cannot be read"}
	}
	if r.Reason == translate.ReasonSeveralFit || r.Reason == translate.ReasonForgotten {
		return f.judgeDoubt(&e, q, r)
	}
	j := f.judgeOutcome(&e, q, r)
	if j.Verdict == Fine {
		return j
	}
	if why := f.excused(q, r, j.Verdict); why != "" {
		return Judgement{Tolerated: "in doubt: " + why, Alike: true}
	}
	if cmp.Or(q.Evidence, f.p.Kind) == translate.KindMM2 && r.Reason == translate.ReasonNoEvidence && !f.noted() {
		return Judgement{Tolerated: "no offset sync is left that is true"}
	}
	if why := f.doubtful(q); why != "" {
		j.Doubt = why
		j.Why += " (in doubt: " + why + "; of what can be seen " + f.unseen().blind.expectWhy(q) + ")"
	}
	return j
}

// judgeOutcome is for answers that leave nothing open.
func (f *facts) judgeOutcome(e *expectation, q Question, r *translate.Result) Judgement {
	tolerated := e.open[r.Outcome]
	switch r.Outcome {
	case translate.Hold:
		if !e.hold {
			return verdict(WronglyHeld, "held (%s), but %s", r.Reason, e.why)
		}
		return Judgement{Tolerated: tolerated}
	case translate.Refused:
		return f.judgeRefused(e, q, r, tolerated)
	case translate.Exact, translate.ExactUnproven, translate.AtEnd, translate.Repeats:
		j := f.judgePosition(e, q, r)
		if j.Verdict != Fine && f.passesOver(e, q, r) {
			return Judgement{Tolerated: "copies of records that the source has compacted away are passed over"}
		}
		if j.Verdict == Fine && j.Tolerated == "" {
			j.Tolerated = tolerated
		}
		return j
	case translate.Unset:
	}
	return verdict(Malformed, "outcome %q", r.Outcome)
}

func (f *facts) judgeRefused(e *expectation, q Question, r *translate.Result, tolerated string) Judgement {
	for _, reason := range e.refuse {
		if reason != r.Reason {
			continue
		}
		if reason == translate.ReasonLoss {
			if r.T >= 0 && e.t >= 0 && r.T != e.t && !q.Quick {
				what := Worse
				if m := f.consume(r.T, q.S); r.T < e.t && m.lost == 0 && m.repeats <= r.Repeats {
					what = Needless // whoever accepts the loss is on the safe side, and knows what repeats
				}
				return verdict(what, "refused for loss with T %d, but %s", r.T, e.why)
			}
			if r.Lost >= 0 && (r.Lost < e.lost || r.Lost > e.lostAtMost) && !q.NoSource {
				return verdict(WrongWord, "%d records are said to be lost, but it is %d to %d", r.Lost, e.lost, e.lostAtMost)
			}
		}
		return Judgement{Tolerated: tolerated}
	}
	return verdict(WronglyRefuse, "refused (%s), but %s", r.Reason, e.why)
}

// judgePosition is for answers that give a T to go to.
func (f *facts) judgePosition(e *expectation, q Question, r *translate.Result) Judgement {
	if r.T < f.tgt.Start || r.T > f.tgt.End() {
		return verdict(Malformed, "T %d is outside of the target", r.T)
	}
	if e.loose && r.Outcome == translate.ExactUnproven {
		if e.lost > 0 {
			return Judgement{Tolerated: "without reading, keys are not compared, nor is seen what a filter left out"}
		}
		return Judgement{}
	}
	if !e.position {
		switch {
		case e.hold:
			return verdict(HoldMissed, "answered %s %d, but %s", r.Outcome, r.T, e.why)
		case e.lost > 0:
			return verdict(Lost, "answered %s %d, but %s", r.Outcome, r.T, e.why)
		default:
			return verdict(RefuseMissed, "answered %s %d, but %s", r.Outcome, r.T, e.why)
		}
	}
	if j := f.judgeMeal(e, q, r); j.Verdict != Fine {
		return j
	}
	if r.T != e.t && f.unseen() != nil && !f.copyWithin(min(r.T, e.t), max(r.T, e.t)) {
		return Judgement{Tolerated: "elsewhere among records that are no copies to a consumer"}
	}
	if r.T != e.t {
		return verdict(Worse, "answered %s %d, but %s", r.Outcome, r.T, e.why)
	}
	if e.onWord && !r.CopyComplete {
		return verdict(WrongWord, "it is not said that %s %d rests on --copy-complete", r.Outcome, r.T)
	}
	return f.judgeWord(e, r)
}

// passesOver reports that nothing is wrong with a position but that copies are
// not met of records that compaction has removed from the source since: by the
// letter of the definition they must be, and a consumer of the source would
// not meet them either.
func (f *facts) passesOver(e *expectation, q Question, r *translate.Result) bool {
	if q.NoSource || e.hold || e.lost > 0 || r.T < f.tgt.Start || r.T > f.tgt.End() {
		return false
	}
	m := f.consume(r.T, q.S)
	return m.cleaned > 0 && m.lost == m.cleaned && m.ordered && m.repeats == r.Repeats
}

// judgeMeal lets a consumer read from the answered T, whatever T should be.
func (f *facts) judgeMeal(e *expectation, q Question, r *translate.Result) Judgement {
	m := f.consume(r.T, q.S)
	switch {
	case m.lost > 0:
		return verdict(Lost, "from %s %d on %d copied records are not met; %s", r.Outcome, r.T, m.lost, e.why)
	case !m.ordered:
		return verdict(Disordered, "from %s %d on records come out of order; %s", r.Outcome, r.T, e.why)
	case m.repeats != r.Repeats:
		return verdict(Repeated, "from %s %d on %d records repeat, said are %d; %s", r.Outcome, r.T, m.repeats, r.Repeats, e.why)
	}
	return Judgement{}
}

// judgeWord checks that the outcome is the one for the position.
func (f *facts) judgeWord(e *expectation, r *translate.Result) Judgement {
	want := translate.Exact
	switch {
	case !e.above:
		want = translate.AtEnd
	case e.repeats > 0:
		want = translate.Repeats
	}
	switch {
	case e.gap && len(r.Unproven) == 0:
		return verdict(WrongWord, "%s %d leaves nothing open, but %d records are missing", r.Outcome, r.T, e.lost)
	case r.Outcome == want:
		return Judgement{}
	case r.Outcome == translate.ExactUnproven && e.repeats == 0 && e.unproven:
		return Judgement{}
	case r.Outcome == translate.ExactUnproven && e.repeats == 0:
		return Judgement{Tolerated: "unproven although the source could be read"}
	}
	return verdict(WrongWord, "%s %d instead of %s; %s", r.Outcome, r.T, want, e.why)
}

// form checks what every answer must have.
func form(q Question, r *translate.Result) Judgement {
	position := r.Outcome != translate.Hold && r.Outcome != translate.Refused
	switch {
	case r.S != q.S:
		return verdict(Malformed, "answered S %d", r.S)
	case !position && r.T >= 0 && r.Reason != translate.ReasonLoss && r.Reason != translate.ReasonSeveralFit && r.Reason != translate.ReasonForgotten:
		return verdict(Malformed, "%s (%s) with T %d", r.Outcome, r.Reason, r.T)
	case !position && (r.Reason == "" || r.Detail == ""):
		return verdict(Malformed, "%s without a reason or without a sentence", r.Outcome)
	case r.Outcome == translate.ExactUnproven && len(r.Unproven) == 0:
		return verdict(Malformed, "exact-unproven without saying what is not proven")
	case position && (r.Outcome == translate.Repeats) != (r.Repeats > 0):
		return verdict(Malformed, "%s with %d repeats", r.Outcome, r.Repeats)
	case r.Outcome == translate.Exact && r.Proof.Known == translate.KnownNothing:
		return verdict(Malformed, "exact without saying how that is known")
	}
	return Judgement{}
}
