package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/translate"
)

// found is one record as the reference has read it.
type found struct {
	offset, time int64
	what         string
	kind         batch.Kind
}

func newFound(e *batch.Entry, added string) found {
	what := fmt.Sprintf("%q %q", e.Key, e.Value)
	if e.Value == nil {
		what += " null"
	}
	for _, h := range e.Headers {
		if h.Key != added {
			what += fmt.Sprintf(" %q=%q", h.Key, h.Value)
		}
	}
	return found{e.Offset, e.Timestamp, what, e.Kind}
}

// align finds the ways in which the target's records can be copies of the
// source's with the least going back and forth: some of them, at random.
func (c *scan) align() [][]copied {
	p, f := c.pretend()
	w := newWeb(f)
	for i, at := range w.slots {
		// Where nothing else is known a copy is the first that it could be.
		p.Target.Slots[at].H = w.could[i][0]
	}
	rest := w.rest()
	if len(rest) == 0 {
		return [][]copied{nil}
	}
	r := rand.New(rand.NewPCG(1, 1))
	var out [][]copied
	for n := range 40 {
		var one []copied
		for i, h := range w.draw(r, n, rest, slices.Min(rest[0])) {
			one = append(one, copied{p.Target.Base + int64(w.slots[i]), h})
		}
		if !slices.ContainsFunc(out, func(o []copied) bool { return slices.Equal(o, one) }) {
			out = append(out, one)
		}
	}
	return out
}

// pretend makes a pair of what was read.
func (c *scan) pretend() (*Pair, *facts) {
	p := &Pair{Source: Log{Base: c.srcStart}, Target: Log{Base: c.start}}
	p.TargetCompacted, p.ConfigUnknown = c.tgtCompacted, c.unknown
	f := &facts{p: p}
	numbers := map[string]int64{}
	number := func(what string) int64 {
		if _, ok := numbers[what]; !ok {
			numbers[what] = int64(len(numbers))
		}
		return numbers[what]
	}
	stamps := c.stamps()
	stamp := func(ms int64) int64 {
		switch stamps {
		case Seconds:
			return ms / 1000
		case Appended:
			return 0
		case Kept:
		}
		return ms
	}
	fill := func(l *Log, all []found, end int64) {
		l.Start = l.Base
		l.Slots = make([]Slot, max(0, end-l.Base))
		for i := range l.Slots {
			l.Slots[i] = Slot{Gone: true, H: Native}
		}
		for _, one := range all {
			n := number(one.what)
			l.Slots[one.offset-l.Base] = Slot{H: one.offset, Key: n, Value: n, Time: stamp(one.time)}
		}
	}
	fill(&p.Source, c.srcFound, c.srcEnd)
	fill(&p.Target, c.tgtFound, c.stable)
	f.srcFates = make([]Fate, len(p.Source.Slots))
	for _, one := range c.srcFound {
		if one.kind == batch.AbortedData {
			f.srcFates[one.offset-p.Source.Base] = Aborted
		}
	}
	for _, one := range c.tgtFound {
		if one.kind == batch.Data {
			f.copies = append(f.copies, copied{offset: one.offset})
		}
	}
	return p, f
}

// stamps finds out what is left of times, by records that there are once.
func (c *scan) stamps() Stamps {
	once := func(all []found) map[string]int64 {
		times := map[string]int64{}
		for _, one := range all {
			if _, ok := times[one.what]; ok {
				times[one.what] = -1
			} else {
				times[one.what] = one.time
			}
		}
		return times
	}
	src := once(c.srcFound)
	kept, seconds, any1 := true, true, false
	for what, there := range once(c.tgtFound) {
		here, ok := src[what]
		if !ok || here < 0 || there < 0 {
			continue
		}
		any1 = true
		kept = kept && here == there
		seconds = seconds && here/1000*1000 == there
	}
	switch {
	case any1 && kept:
		return Kept
	case any1 && seconds:
		return Seconds
	case any1 || c.append:
		return Appended
	}
	return c.guessStamps()
}

// guessStamps is for when every record is there several times.
func (c *scan) guessStamps() Stamps {
	kept, seconds := true, true
	for _, t := range c.tgtFound {
		alike, same, second := false, false, false
		for _, s := range c.srcFound {
			if s.what == t.what {
				alike = true
				same = same || s.time == t.time
				second = second || s.time/1000*1000 == t.time
			}
		}
		kept, seconds = kept && (same || !alike), seconds && (second || !alike)
	}
	switch {
	case kept:
		return Kept
	case seconds:
		return Seconds
	}
	return Appended
}

// fromContents answers from all ways together.
func (c *scan) fromContents(s int64) translate.Result {
	if c.aligned == nil {
		c.aligned = c.align()
	}
	var answers []translate.Result
	for _, way := range c.aligned {
		c.copies = way
		answers = append(answers, c.answer(s))
	}
	out, onWord := answers[0], answers[0].CopyComplete
	for _, a := range answers[1:] {
		onWord = onWord || a.CopyComplete
		if a.Outcome != out.Outcome || a.T != out.T || a.Reason != out.Reason || a.Repeats != out.Repeats {
			refuse := no(translate.Hold, translate.ReasonSeveralFit)
			if c.complete {
				refuse.Outcome = translate.Refused
			}
			return refuse
		}
	}
	out.CopyComplete = onWord
	if !c.forgets || out.T < 0 {
		return out
	}
	if first := c.firstUnknown(); s < c.srcStart && first >= 0 && first < out.T {
		out.T = c.back(first) // it may be one that the group has yet to read
	}
	if c.atBorder(s, out.T) {
		out.Reason, out.Detail, out.Outcome = translate.ReasonForgotten, "forgotten", translate.Repeats
		out.Repeats = c.most(s, out.T)
	}
	return out
}

// firstUnknown is the first committed record that nothing on the source is
// like; -1 if there is none.
func (c *scan) firstUnknown() int64 {
	known := map[int64]bool{}
	for _, one := range c.copies {
		known[one.offset] = true
	}
	for _, one := range c.tgtFound {
		if one.kind == batch.Data && !known[one.offset] {
			return one.offset
		}
	}
	return -1
}

// atBorder reports records from t on that are unknown where copies below s and
// at or above it meet, or that follow on t.
func (c *scan) atBorder(s, t int64) bool {
	known := map[int64]int64{}
	for _, one := range c.copies {
		known[one.offset] = one.h
	}
	unknown, last := false, -1
	for _, one := range c.tgtFound {
		if one.kind != batch.Data || one.offset < t {
			continue
		}
		h, ok := known[one.offset]
		if !ok {
			unknown = true
			continue
		}
		side := 0
		if h >= s {
			side = 1
		}
		if unknown && (last < 0 || side != last) {
			return true
		}
		unknown, last = false, side
	}
	return unknown
}

// most is the most that can be met again from t on.
func (c *scan) most(s, t int64) int64 {
	known, met, n := map[int64]int64{}, map[int64]bool{}, int64(0)
	for _, one := range c.copies {
		known[one.offset] = one.h
	}
	for _, one := range c.tgtFound {
		if one.kind != batch.Data || one.offset < t {
			continue
		}
		h, ok := known[one.offset]
		if !ok || h < s || met[h] {
			n++
		}
		met[h] = met[h] || ok
	}
	return n
}
