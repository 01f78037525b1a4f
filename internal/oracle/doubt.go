package oracle

import (
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/kferry/kferry/internal/translate"
)

// doubt is what an observer cannot tell apart in a pair of which he sees
// contents alone: other ways in which the same two logs could have come about.
type doubt struct {
	once sync.Once
	// ways are some of them, at random, as the facts that would then hold:
	// none with more going back and forth than there was. simpler are those with
	// less.
	ways, simpler []*facts
	// wilder are those with a little more.
	wilder []*facts
	// blind are the facts without the copies that have no equal on the source.
	blind *facts
	// told is the same pair to who knows what became of times.
	asked sync.Once
	told  *facts
	// many: there were too many to be looked at.
	many bool
	// hidden: a copy is of a record that the source has forgotten, and like one
	// that it has.
	hidden bool
}

// trials is how many other ways are drawn of each sort.
const trials = 16

// enough bounds the work of looking for other ways.
const enough = 8_000_000

// sight is a record as an observer sees it.
type sight struct{ key, value, time int64 }

// see is what is seen of a record; of its time what the target kept.
func (f *facts) see(s *Slot) sight {
	switch f.stamps {
	case Kept:
		return sight{s.Key, s.Value, s.Time}
	case Seconds:
		return sight{s.Key, s.Value, s.Time / 1000}
	case Appended:
	}
	return sight{s.Key, s.Value, 0}
}

// judgeStamps finds out what an observer can know of times: they say something
// only when a record that there is once shows what has become of them.
func (f *facts) judgeStamps() {
	type name struct{ key, value int64 }
	once := map[name]int{}
	for i := range f.src.Slots {
		if s := &f.src.Slots[i]; f.src.readable(i) {
			once[name{s.Key, s.Value}]++
		}
	}
	f.stamps = Appended
	for _, c := range f.copies {
		if s := f.tgt.Slots[c.offset-f.tgt.Base]; s.H < f.srcEnd && f.src.readable(int(s.H-f.src.Base)) && once[name{s.Key, s.Value}] == 1 {
			f.stamps = f.p.Stamps
		}
	}
}

// imagine finds other ways in which the target could have come about.
func (d *doubt) imagine(f *facts) {
	w := newWeb(f)
	known := map[int]bool{}
	for _, at := range w.slots {
		known[at] = true
	}
	blind := *f.p
	blind.Target = f.p.Target.clone()
	for i := range blind.Target.Slots {
		if s := &blind.Target.Slots[i]; s.Kind == Data && !known[i] && f.fate(i) != Aborted {
			s.H = Native
		}
	}
	d.blind = newFacts(&blind)
	if len(w.slots) == 0 {
		return
	}
	if d.many = w.work() > enough; d.many {
		return
	}
	rest := w.rest()
	budget, visible := w.truth()
	least := slices.Min(rest[0])
	budget, d.hidden = max(budget, least), !visible
	r := rand.New(rand.NewPCG(uint64(len(w.slots)), uint64(len(f.p.Source.Slots))))
	d.ways = w.imagine(r, &blind, rest, budget)
	d.wilder = w.imagine(r, &blind, rest, budget+2)
	if least < budget {
		d.simpler = w.imagine(r, &blind, rest, budget-1)
		d.simpler = append(d.simpler, w.imagine(r, &blind, rest, least)...)
	} else if !visible {
		d.simpler = d.ways
	}
	if noted := w.noted(); noted != nil && least < budget {
		rest := noted.rest()
		d.simpler = append(d.simpler, noted.imagine(r, &blind, rest, min(budget-1, slices.Min(rest[0])))...)
	}
}

// imagine draws ways that cost no more than budget.
func (w *web) imagine(r *rand.Rand, p *Pair, rest [][]int32, budget int32) []*facts {
	var had [][]int64
	var out []*facts
	for n := range trials {
		way := w.draw(r, n, rest, budget)
		if way == nil || slices.ContainsFunc(had, func(o []int64) bool { return slices.Equal(o, way) }) {
			continue
		}
		had = append(had, way)
		other := *p
		other.Target = p.Target.clone()
		for i, at := range w.slots {
			other.Target.Slots[at].H = way[i]
		}
		out = append(out, newFacts(&other))
	}
	return out
}

// fate is what became of target slot i.
func (f *facts) fate(i int) Fate { return f.tgtFates[i] }

// unseen is the doubt of the pair, or nil where the evidence leaves none.
func (f *facts) unseen() *doubt {
	if f.p.Kind == translate.KindHeader || f.p.Kind == "" {
		return nil
	}
	f.doubt.once.Do(func() { f.doubt.imagine(f) })
	return f.doubt
}

// doubtful says whether an observer could take another answer for right, and
// why.
func (f *facts) doubtful(q Question) string {
	d := f.unseen()
	if d == nil {
		return ""
	}
	why := f.doubtfulAs(d, q)
	if why == "" && f.stamps != f.p.Stamps {
		told := f.told()
		why = told.doubtfulAs(told.unseen(), q)
	}
	return why
}

func (f *facts) doubtfulAs(d *doubt, q Question) string {
	switch {
	case d.many:
		return "too many ways"
	case f.forgotten(q.S):
		return "forgotten records at the border"
	}
	mine := f.expect(q)
	if f.forgottenAt(mine.t) {
		return "forgotten records at the border"
	}
	differs := func(way *facts) bool {
		other := way.expect(q)
		return other.hold != mine.hold || other.position != mine.position || other.t != mine.t || other.repeats != mine.repeats ||
			len(other.refuse) != len(mine.refuse) || other.lost != mine.lost || other.lostAtMost != mine.lostAtMost || other.onWord != mine.onWord
	}
	switch {
	case slices.ContainsFunc(d.ways, differs):
		return "alike"
	case slices.ContainsFunc(d.wilder, differs):
		return "alike, with more going back and forth"
	}
	return ""
}

// excused says why nobody who sees only contents could have known better than
// an answer that is wrong; "" where he could.
func (f *facts) excused(q Question, r *translate.Result, v Verdict) string {
	d := f.unseen()
	if d == nil {
		return ""
	}
	why := f.excusedAs(d, q, r, v)
	if why == "" && f.stamps != f.p.Stamps {
		told := f.told()
		why = told.excusedAs(told.unseen(), q, r, v)
	}
	return why
}

// told are the facts as they look to who knows what became of times: other
// partitions of the topic may show it.
func (f *facts) told() *facts {
	f.doubt.asked.Do(func() {
		f.doubt.told = newFacts(f.p)
		f.doubt.told.stamps = f.p.Stamps
	})
	return f.doubt.told
}

func (f *facts) excusedAs(d *doubt, q Question, r *translate.Result, v Verdict) string {
	fits := func(way *facts) bool {
		e := way.expect(q)
		return way.judgeOutcome(&e, q, r).Verdict == Fine
	}
	if slices.ContainsFunc(d.simpler, fits) {
		return "with less going back and forth it would be right"
	}
	if f.consume(r.T, q.S).lost == 0 && slices.ContainsFunc(f.straighter(), fits) {
		return "with less going back and forth among what is forgotten it would be right"
	}
	if r.Outcome == translate.Hold || r.Outcome == translate.Refused {
		return f.doubtful(q)
	}
	if r.Outcome == translate.ExactUnproven && q.Quick && f.doubtful(q) != "" {
		return "a reading that was left out would have shown more"
	}
	if v == WrongWord {
		if why := f.excusedWord(d, q, r, fits); why != "" {
			return why
		}
	}
	// Of records that the source has forgotten nobody knows which they were,
	// but those that were read must not come again where none are said to.
	m := f.consume(r.T, q.S)
	if d.hidden && r.Outcome == translate.Repeats && m.lost == m.forgotten {
		return "a record that the source has forgotten is like one that it has"
	}
	if f.tooCautious(&m, q, r, v) {
		return "records of others may be copies of what the source has forgotten"
	}
	if m.lost == m.cleaned && (m.read == 0 || r.Outcome == translate.Repeats) && fits(d.blind) {
		return "what the source has forgotten is out of order, or comes twice"
	}
	return ""
}

// excusedWord is excused for answers that have the wrong word alone.
func (f *facts) excusedWord(d *doubt, q Question, r *translate.Result, fits func(way *facts) bool) string {
	switch {
	case slices.ContainsFunc(d.ways, fits):
		return "alike, and with another word"
	case f.perhapsAbove(q, r):
		return "a record of others from T on may be the copy of one that the source has forgotten, and the same is read"
	}
	return ""
}

// perhapsAbove reports that an answer is exact where it should be at-end, with
// the right T, and that a record of others from T on may as well be the copy of a
// record at or above S that the source has forgotten: nothing but the word
// depends on it.
func (f *facts) perhapsAbove(q Question, r *translate.Result) bool {
	e := f.expect(q)
	if r.Outcome != translate.Exact || !e.position || e.above || r.T != e.t || e.repeats > 0 {
		return false
	}
	gone := false
	for i := range f.src.Slots {
		h := f.src.Base + int64(i)
		gone = gone || h >= q.S && !f.src.readable(i) && (f.src.Slots[i].Kind == Data || h < f.src.Start)
	}
	for i, what := range f.unknown() {
		if gone && what == unknown && f.tgt.Slots[i].H == Native && f.tgt.Base+int64(i) >= r.T {
			return true
		}
	}
	return false
}

// tooCautious reports that an answer begins no later than it could, and says no
// fewer repeats than there are, and that unknown records behind it, were they
// copies, would make up for the rest.
func (f *facts) tooCautious(m *meal, q Question, r *translate.Result, v Verdict) bool {
	if m.lost > 0 || !m.ordered || !f.forgets() {
		return false
	}
	e := f.expect(q)
	unknowns := int64(0)
	for i, what := range f.unknown() {
		if what == unknown && f.tgt.Base+int64(i) >= r.T {
			unknowns++
		}
	}
	switch v {
	case Worse:
		return e.position && r.T < e.t && unknowns > 0
	case Repeated:
		return e.position && (r.T <= e.t || !f.copyWithin(e.t, r.T)) && m.repeats < r.Repeats && r.Repeats <= m.repeats+unknowns
	case Fine, Lost, Disordered, WronglyHeld, WronglyRefuse, WrongWord, HoldMissed, RefuseMissed, Needless, Malformed:
	}
	return false
}

// excusedDoubt says whether an answer that leaves open which position is right
// is on the safe side as far as anybody could see who sees only contents.
func (f *facts) excusedDoubt(q Question, r *translate.Result, v Verdict) bool {
	d := f.unseen()
	fits := func(way *facts) bool {
		e := way.expect(q)
		return way.safe(&e, q, r).Verdict == Fine
	}
	if slices.ContainsFunc(d.simpler, fits) {
		return true
	}
	m := f.consume(r.T, q.S)
	if v != Repeated && m.lost == 0 && slices.ContainsFunc(d.ways, fits) {
		return true // whether more is still to come, or was never copied, is open
	}
	return d.hidden && m.lost == m.forgotten || m.lost == m.cleaned && fits(d.blind)
}

// metAlike says whether, as far as anybody could see who sees only contents,
// everything at or above S is met from T on.
func (f *facts) metAlike(q Question, r *translate.Result) bool {
	d := f.unseen()
	if d == nil {
		return false
	}
	met := func(way *facts) bool { return way.consume(r.T, q.S).lost == 0 }
	return met(d.blind) || slices.ContainsFunc(d.simpler, met)
}
