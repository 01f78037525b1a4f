package oracle

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/translate"
)

// Shrink makes a failing pair and question smaller as long as the answer stays
// wrong in the same way, and a mover could have made them. What fails only on
// a broker comes back as it was, with false.
func Shrink(ctx context.Context, f Translate, p Pair, q Question, j Judgement) (Pair, Question, bool) {
	s := &shrinker{v: j.Verdict, doubt: j.Doubt, deadline: time.Now().Add(15 * time.Second)}
	s.ask = func(seed uint64, p Pair, q Question) (translate.Result, Judgement, error) {
		return Ask(ctx, f, Memory{}, seed, p, q)
	}
	if !s.fails(p, q) {
		return p, q, false
	}
	s.p, s.q = p, q
	for again := true; again && time.Now().Before(s.deadline); {
		again = s.simplify()
		again = s.dropSource() || again
		again = s.dropSyncs() || again
		again = s.dropTarget() || again
	}
	return s.p, s.q, true
}

type shrinker struct {
	ask      func(seed uint64, p Pair, q Question) (translate.Result, Judgement, error)
	v        Verdict
	doubt    string
	p        Pair
	q        Question
	deadline time.Time
}

// fails asks again, of logs laid out in several ways.
func (s *shrinker) fails(p Pair, q Question) bool {
	for seed := range tries(&p) {
		if _, j, err := s.ask(seed, p, q); err != nil || j.Verdict == s.v && j.Doubt == s.doubt {
			return err == nil
		}
	}
	return false
}

// tries is in how many ways a pair is laid out and asked: what arrives
// meanwhile must hit the right moment.
func tries(p *Pair) uint64 {
	if p.LateSource+p.LateTarget > 0 {
		return 60
	}
	return 6
}

// Ask asks one question of one pair, and judges.
func Ask(ctx context.Context, f Translate, l Loader, seed uint64, p Pair, q Question) (translate.Result, Judgement, error) {
	header := Header{Name: "__original_offset", Encoding: translate.EncodingDecimal, Stamps: p.Stamps}
	if p.Kind != translate.KindHeader {
		header.Name = ""
	}
	topics := []TopicPair{{Name: "orders", Header: header, Policies: p.Policies, Pairs: []Pair{p}}}
	loaded, err := l.Load(ctx, seed, topics)
	if err != nil {
		return translate.Result{}, Judgement{}, err
	}
	defer loaded.Close()
	q.Given = true
	a := &asked{topic: &topics[0], pair: &topics[0].Pairs[0], facts: NewFacts(&p), qs: []Question{q}}
	k := callKey{noSource: q.NoSource, quick: q.Quick, complete: q.CopyComplete, countFrom: q.CountFrom, header: header, evidence: cmp.Or(q.Evidence, p.Kind)}
	results, err := translateAll(ctx, f, loaded, k, []*asked{a})
	if err != nil {
		return translate.Result{}, Judgement{}, err
	}
	return results[0][0], a.facts.Judge(q, &results[0][0]), nil
}

// try keeps a change when the answer is still wrong and the pair possible.
func (s *shrinker) try(change func(p *Pair, q *Question) bool) bool {
	if time.Now().After(s.deadline) {
		return false
	}
	p, q := s.p, s.q
	p.Source, p.Target = p.Source.clone(), p.Target.clone()
	if !change(&p, &q) || !possible(&p) || !s.fails(p, q) {
		return false
	}
	s.p, s.q = p, q
	return true
}

// simplify turns off what is not needed.
func (s *shrinker) simplify() bool {
	changed := false
	off := func(b *bool) bool {
		was := *b
		*b = false
		return was
	}
	for _, change := range []func(p *Pair, q *Question) bool{
		func(p *Pair, _ *Question) bool { return off(&p.ConfigUnknown) },
		func(p *Pair, _ *Question) bool { return off(&p.ReadsCommitted) },
		func(p *Pair, _ *Question) bool { return off(&p.Mute) },
		func(p *Pair, q *Question) bool { return p.noEpochs(q) },
		func(p *Pair, _ *Question) bool { return p.eachData(func(s *Slot) { s.Damage = Whole }) },
		func(p *Pair, _ *Question) bool { return plainKeys(&p.Source, &p.Target) },
		func(p *Pair, _ *Question) bool { return off(&p.SourceCompacted) },
		func(p *Pair, _ *Question) bool { return off(&p.TargetCompacted) },
		func(_ *Pair, q *Question) bool { return off(&q.Quick) },
		func(_ *Pair, q *Question) bool { return off(&q.CopyComplete) },
		func(_ *Pair, q *Question) bool { return off(&q.NoSource) },
		func(_ *Pair, q *Question) bool { was := q.Evidence; q.Evidence = ""; return was != "" },
		func(p *Pair, _ *Question) bool { was := p.Syncs; p.Syncs = nil; return was != nil },
		func(p *Pair, _ *Question) bool { return off(&p.Filters) },
		func(p *Pair, _ *Question) bool { was := p.Stamps; p.Stamps = Kept; return was != Kept },
		func(p *Pair, _ *Question) bool { return p.eachData(func(s *Slot) { s.Time = s.H * tick }) },
		func(p *Pair, _ *Question) bool { return p.eachData(func(s *Slot) { s.Time = 0 }) },
		func(p *Pair, _ *Question) bool { return p.eachData(func(s *Slot) { s.Value = s.H }) },
		func(p *Pair, _ *Question) bool { return p.eachData(func(s *Slot) { s.Key = 0 }) },
		func(p *Pair, _ *Question) bool { return p.toZero() },
		func(_ *Pair, q *Question) bool { was := q.CountFrom; q.CountFrom = 0; return was != 0 },
		func(p *Pair, _ *Question) bool { return fromStart(&p.Source) },
		func(p *Pair, _ *Question) bool { return fromStart(&p.Target) },
		func(p *Pair, _ *Question) bool { was := p.LateSource; p.LateSource = 0; return was != 0 },
		func(p *Pair, _ *Question) bool { was := p.LateTarget; p.LateTarget = 0; return was != 0 },
		func(p *Pair, q *Question) bool { return p.rebase(q) },
	} {
		changed = s.try(change) || changed
	}
	for n := range 4 {
		producer := uint8(n + 1)
		changed = s.try(func(p *Pair, _ *Question) bool { return dropProducer(&p.Source, producer) }) || changed
		changed = s.try(func(p *Pair, _ *Question) bool { return dropProducer(&p.Target, producer) }) || changed
	}
	return changed
}

// eachData changes every record of the source and every copy.
func (p *Pair) eachData(change func(s *Slot)) bool {
	changed := false
	for _, l := range []*Log{&p.Source, &p.Target} {
		for i := range l.Slots {
			s := &l.Slots[i]
			if s.Kind == Data && s.H != Native {
				was := *s
				change(s)
				changed = changed || was != *s
			}
		}
	}
	return changed
}

// dropSyncs takes out the offset syncs one by one.
func (s *shrinker) dropSyncs() bool {
	changed := false
	for i := 0; i < len(s.p.Syncs); {
		if s.try(func(p *Pair, _ *Question) bool { p.Syncs = slices.Delete(slices.Clone(p.Syncs), i, i+1); return true }) {
			changed = true
		} else {
			i++
		}
	}
	return changed
}

// plainKeys gives every record a key of its own, and so nothing is compacted.
func plainKeys(logs ...*Log) bool {
	changed := false
	for _, l := range logs {
		for i := range l.Slots {
			s := &l.Slots[i]
			changed = changed || s.Gone || s.Key != s.H
			s.Key, s.Gone = s.H, false
		}
	}
	return changed
}

func fromStart(l *Log) bool {
	was := l.Start
	l.Start = l.Base
	return was != l.Base
}

// toZero moves the target to offset 0.
func (p *Pair) toZero() bool {
	was := p.Target.Base
	p.Syncs = slices.Clone(p.Syncs)
	for i := range p.Syncs {
		p.Syncs[i].Target = max(0, p.Syncs[i].Target-was)
	}
	p.Target.Base, p.Target.Start = 0, p.Target.Start-was
	return was != 0
}

// rebase moves the source to offset 0.
func (p *Pair) rebase(q *Question) bool {
	by := p.Source.Base
	p.Syncs = slices.Clone(p.Syncs)
	for i := range p.Syncs {
		p.Syncs[i].Source = max(0, p.Syncs[i].Source-by)
	}
	p.Source.Base, p.Source.Start, q.S = 0, p.Source.Start-by, max(0, q.S-by)
	for _, l := range []*Log{&p.Source, &p.Target} {
		for i := range l.Slots {
			s := &l.Slots[i]
			if s.Kind != Data || s.H == Native {
				continue
			}
			s.move(-by)
		}
	}
	return by != 0
}

// dropProducer makes a producer's records plain ones.
func dropProducer(l *Log, producer uint8) bool {
	changed := false
	for i := range l.Slots {
		if s := &l.Slots[i]; s.Producer == producer && s.Kind == Data {
			s.Producer, changed = 0, true
		}
	}
	return changed
}

// dropSource takes offsets out of the world: the source slot and its copies.
func (s *shrinker) dropSource() bool {
	changed := false
	for size := max(1, len(s.p.Source.Slots)/2); size > 0; size /= 2 {
		for from := 0; from+size <= len(s.p.Source.Slots); {
			if !s.try(func(p *Pair, q *Question) bool { p.dropOffsets(q, from, size); return true }) {
				from += size
				continue
			}
			changed = true
		}
	}
	return changed
}

func (p *Pair) dropOffsets(q *Question, from, size int) {
	l := &p.Source
	first := l.Base + int64(from)
	after := first + int64(size)
	move := func(off int64) int64 {
		switch {
		case off >= after:
			return off - int64(size)
		case off > first:
			return first
		default:
			return off
		}
	}
	l.Slots = slices.Delete(l.Slots, from, from+size)
	l.Start, q.S = move(l.Start), move(q.S)
	p.Syncs = slices.DeleteFunc(slices.Clone(p.Syncs), func(one Sync) bool { return one.Source >= first && one.Source < after })
	for i := range p.Syncs {
		p.Syncs[i].Source = move(p.Syncs[i].Source)
	}
	p.LateSource = min(p.LateSource, len(l.Slots))
	t := &p.Target
	for i := len(t.Slots) - 1; i >= 0; i-- {
		if s := &t.Slots[i]; s.Kind == Data && s.H >= first && s.H < after {
			p.dropCopies(i, 1)
		}
	}
	p.LateTarget = min(p.LateTarget, len(t.Slots))
	p.LateTarget = p.lateEnough()
	for _, log := range []*Log{l, t} {
		for i := range log.Slots {
			s := &log.Slots[i]
			if s.Kind != Data || s.H < after {
				continue
			}
			s.move(-int64(size))
		}
	}
}

// dropCopies takes n slots out of the target, and what was noted of them.
func (p *Pair) dropCopies(i, n int) {
	first := p.Target.Base + int64(i)
	after := first + int64(n)
	p.Syncs = slices.DeleteFunc(slices.Clone(p.Syncs), func(s Sync) bool { return s.Target >= first && s.Target < after })
	for j := range p.Syncs {
		if p.Syncs[j].Target >= after {
			p.Syncs[j].Target -= int64(n)
		}
	}
	p.Target.drop(i, n)
}

// drop takes n slots out of a log.
func (l *Log) drop(i, n int) {
	l.Slots = slices.Delete(l.Slots, i, i+n)
	if end := l.Base + int64(i+n); l.Start >= end {
		l.Start -= int64(n)
	} else if l.Start > l.Base+int64(i) {
		l.Start = l.Base + int64(i)
	}
}

// dropTarget takes stretches out of the target.
func (s *shrinker) dropTarget() bool {
	changed := false
	for size := max(1, len(s.p.Target.Slots)/2); size > 0; size /= 2 {
		for from := 0; from+size <= len(s.p.Target.Slots); {
			ok := s.try(func(p *Pair, _ *Question) bool {
				p.dropCopies(from, size)
				p.LateTarget = min(p.LateTarget, len(p.Target.Slots))
				p.LateTarget = p.lateEnough()
				return true
			})
			if !ok {
				from += size
				continue
			}
			changed = true
		}
	}
	return changed
}
