package oracle

import (
	"math"
	"slices"
)

// facts is all that can be known of a pair, worked out once.
type facts struct {
	p         *Pair
	src, tgt  *Log
	srcFates  []Fate
	tgtFates  []Fate
	srcEnd    int64
	srcStable int64
	stable    int64 // of the target
	copies    []copied
	// backs are the offsets of committed and aborted copies below the last
	// stable offset: what T is moved back to.
	backs []int64
	// last and highest are h of the last and the highest committed copy, -1
	// where there is none.
	last, highest int64
	// present are the h of committed copies, and heights the same as a list.
	present map[int64]bool
	heights []int64
	// met[h-base] == mark: met in the trial that is going on.
	met  []int32
	mark int32
	// superseded are the h whose last committed copy compaction has removed.
	superseded map[int64]bool
	// newest is the h of the last source record with a key of which a copy is
	// present.
	newest map[int64]int64
	// seesAborted: aborted source data is among the copies. skipsAborted: some
	// that the mover has passed is not, and no cleaner can have removed it.
	seesAborted, skipsAborted bool
	// fell: h fell somewhere, also where retention and compaction have been.
	fell bool
	// headless: copies are among the records that anybody takes for others'.
	headless bool
	// openBehind: copies above the last stable offset, committed or not.
	openBehind bool
	doubt      *doubt
	// stamps are what an observer can know of times.
	stamps   Stamps
	unknowns []uint8
}

func newFacts(p *Pair) *facts {
	f := &facts{
		p: p, src: &p.Source, tgt: &p.Target, srcFates: p.Source.Fates(), srcEnd: p.Source.End(),
		last: -1, highest: -1, present: map[int64]bool{}, superseded: map[int64]bool{}, newest: map[int64]int64{},
		doubt: &doubt{},
	}
	f.srcStable = f.src.Stable(f.srcFates)
	fates := f.tgt.Fates()
	f.tgtFates = fates
	f.stable = f.tgt.Stable(fates)
	f.copies = committedCopies(f.tgt)
	f.met = make([]int32, len(f.src.Slots)+p.LateSource)
	for _, c := range f.copies {
		if !f.present[c.h] {
			f.heights = append(f.heights, c.h)
		}
		f.present[c.h] = true
		f.last = c.h
		f.highest = max(f.highest, c.h)
	}
	before := int64(-1)
	for i := range f.tgt.Slots {
		s := &f.tgt.Slots[i]
		off := f.tgt.Base + int64(i)
		if s.Damage == NoHeader {
			// It stands for every earlier record of its key, whoever wrote it.
			f.headless, f.newest[s.Key] = true, math.MaxInt64
		}
		if s.Kind != Data || s.H == Native {
			continue
		}
		if off >= f.stable {
			f.openBehind = true
			continue
		}
		if f.tgt.readable(i) {
			f.backs = append(f.backs, off)
		}
		if fates[i] != Aborted {
			f.fell, before = f.fell || s.H <= before, s.H
			f.superseded[s.H] = s.Gone
			if !s.Gone {
				f.newest[s.Key] = max(f.newest[s.Key], s.H)
			}
		}
	}
	f.judgeAborted()
	f.judgeStamps()
	return f
}

// judgeAborted finds out what can be seen of how the mover treats aborted
// source data.
func (f *facts) judgeAborted() {
	for i, fate := range f.srcFates {
		h := f.src.Base + int64(i)
		if fate != Aborted || !f.src.readable(i) {
			continue
		}
		if f.present[h] {
			f.seesAborted = true
		} else if _, copied := f.superseded[h]; !copied && !f.p.TargetCompacted && !f.p.ConfigUnknown && len(f.copies) > 0 && h < f.highest && h > f.copies[0].h {
			f.skipsAborted = true
		}
	}
}

// good is the definition, word by word: reading from u on, every copied
// record with h >= s is met, and the first copies of them come in source
// order.
func (f *facts) good(u, s int64) bool {
	f.mark++
	need := 0
	for _, h := range f.heights {
		if h >= s {
			need++
		}
	}
	highest := int64(-1)
	for _, c := range f.copies {
		at := c.h - f.src.Base
		if c.offset < u || c.h < s || f.met[at] == f.mark {
			continue
		}
		if c.h < highest {
			return false
		}
		f.met[at], highest = f.mark, c.h
		need--
	}
	return need == 0
}

// position is T by the definition: the greatest good position, every one
// tried, moved back to one past the last copy before it.
func (f *facts) position(s int64) (int64, bool) {
	for u := f.stable; u >= f.tgt.Start; u-- {
		// What is good changes only at a copy, so a position with none before
		// it needs no trial of its own.
		if u > f.tgt.Start && u < f.stable && !f.copyAt(u) {
			continue
		}
		if !f.good(u, s) {
			continue
		}
		t := f.tgt.Start
		for _, b := range f.backs {
			if b < u {
				t = b + 1
			}
		}
		return t, true
	}
	return -1, false
}

func (f *facts) copyAt(u int64) bool {
	_, ok := slices.BinarySearchFunc(f.copies, u, func(c copied, u int64) int { return int(c.offset - u) })
	return ok
}

// meal is what a read_committed consumer meets from t on.
type meal struct {
	lost, repeats int64
	// read of the repeats are of records below s.
	read int64
	// cleaned of the lost are gone on the source too, by compaction.
	cleaned int64
	// forgotten of the lost are gone on the source for any reason.
	forgotten int64
	ordered   bool
	above     bool // anything with h >= s is copied
}

// consume reads the target from t to the end as a consumer does that had
// reached s on the source.
func (f *facts) consume(t, s int64) meal {
	m := meal{ordered: true}
	met := map[int64]bool{}
	highest := int64(-1)
	for _, c := range f.copies {
		m.above = m.above || c.h >= s
		if c.offset < t {
			continue
		}
		if c.h < s || met[c.h] {
			m.repeats++
			if c.h < s {
				m.read++
			}
			continue
		}
		if c.h < highest {
			m.ordered = false
		}
		met[c.h], highest = true, c.h
	}
	for h := range f.present {
		if h < s || met[h] {
			continue
		}
		m.lost++
		if h >= f.srcEnd || !f.src.readable(int(h-f.src.Base)) {
			m.forgotten++
		}
		if at := h - f.src.Base; h >= f.src.Start && at < int64(len(f.src.Slots)) && f.src.Slots[at].Gone {
			m.cleaned++
		}
	}
	return m
}

// missing says which records of the source between the last copy and s are
// not copied yet: certain ones, and ones of which it depends on the mover
// whether it will copy them.
func (f *facts) missing(s int64) (certain, perhaps bool) {
	for i := range f.src.Slots {
		h := f.src.Base + int64(i)
		if h <= f.last || h >= s || !f.src.readable(i) {
			continue
		}
		switch f.srcFates[i] {
		case Aborted:
			certain = certain || f.seesAborted
			perhaps = perhaps || (!f.seesAborted && (!f.skipsAborted || h >= f.srcStable))
		case Open:
			certain = certain || f.seesAborted
			perhaps = perhaps || !f.seesAborted
		case Plain, Committed:
			certain = true
		}
	}
	return certain, perhaps
}

// gone counts the records that the source still has at or above s, up to the
// highest copy, and that the target has not, or no more; unsure those of which
// only their keys say that a later record stands for them, and those of open
// transactions.
func (f *facts) gone(s int64) (lost, unsure int64) {
	for i := range f.src.Slots {
		h := f.src.Base + int64(i)
		if h < s || h > f.highest || !f.src.readable(i) || f.present[h] {
			continue
		}
		switch fate := f.srcFates[i]; {
		case fate != Plain && h >= f.srcStable:
			unsure++ // above the last stable offset nobody can tell
		case fate == Aborted:
			// Nothing that a read_committed consumer would miss.
		case f.superseded[h] || f.p.TargetCompacted && h < f.newest[f.src.Slots[i].Key]:
			unsure++
		default:
			lost++
		}
	}
	return lost, unsure
}
