package translate

import (
	"math"
	"slices"
)

// orderedLeast is how many records must have shown how far times are out of
// order, before times show that a record is younger than another.
const orderedLeast = 16

// orphans are records of the target in a row that have no original on the
// source.
type orphans struct {
	marks []mark
	out   []origin
	// low and high bound what they are copies of.
	low, high int64
	// first: no known copy goes before, last: none follows, fall: the one behind
	// is not above the one in front, so that a pass begins in between.
	first, last, fall bool
	// stays: the mover went on behind them where it was in front of them.
	stays bool
	// younger: timestamps show that they are no copies of what the source had
	// before the copy in front.
	younger bool
	// again: one comes twice, or their timestamps fall.
	again bool
	// sure: nobody else has written them, and the mover has not gone back.
	sure bool
}

// rank looks at the records without an original where the source has forgotten
// some: copies of those cannot be told from records of others. What stands
// between two known copies comes from the free offsets between the two, those
// at which the source has no other record; where there are as many of both it
// is certain which is which.
func (f *frame) rank(target []mark, out []origin) {
	for i := 0; i < len(out); i++ {
		if out[i].copy() {
			continue
		}
		n := i
		for n < len(out) && !out[n].copy() {
			n++
		}
		o := f.orphans(target, out, i, n)
		f.forgotten(&o)
		i = n
	}
}

// orphans are the records i to n-1 with what the copies around bound.
func (f *frame) orphans(target []mark, out []origin, i, n int) orphans {
	o := orphans{marks: target[i:n], out: out[i:n], high: f.high, first: i == 0 && !f.anchored, last: n == len(out)}
	switch {
	case i > 0:
		o.low = out[i-1].least + 1
	case f.anchored:
		o.low = f.low
	}
	if !o.last {
		o.high = out[n].most
		o.fall = o.high <= o.low || f.later(target[i:n], &target[n])
	}
	if i > 0 && !o.last {
		o.stays = f.adjoin(out[i-1], out[n])
	}
	f.tie(&o, target, i, n)
	return o
}

// tie finds what syncs and timestamps tell of the records i to n-1.
func (f *frame) tie(o *orphans, target []mark, i, n int) {
	front := f.front
	if i > 0 {
		front = &target[i-1]
	}
	low, high := int64(0), int64(math.MaxInt64)
	if front != nil {
		low = front.off + 1
	}
	if !o.last {
		high = target[n].off
	}
	o.fall = o.fall || f.syncs.falls(low, high, o.low, o.high)
	if o.fall {
		o.low, o.high = 0, f.end
	}
	o.younger = f.timed && f.ordered >= orderedLeast && front != nil && !slices.ContainsFunc(o.marks, func(m mark) bool { return m.ms <= front.ms+f.disorder })
	o.again = f.twice(o.marks)
	o.sure = f.alone && !o.fall && !o.again && (i > 0 || !o.last || f.anchored) && o.low >= f.start && (!o.last || o.younger)
}

// twice reports whether records stand there twice, or go back in time. (Where
// nobody else writes and no copy was lost, a pass that begins in between has some
// of them twice, and times show nothing more.)
func (f *frame) twice(marks []mark) bool {
	timed := f.timed && (!f.alone || !f.dense)
	met, newest := make(map[[16]byte]bool, len(marks)), int64(math.MinInt64)
	for i := range marks {
		if met[marks[i].fp] || timed && marks[i].ms < newest-f.disorder {
			return true
		}
		met[marks[i].fp], newest = true, max(newest, marks[i].ms)
	}
	return false
}

// later reports whether timestamps show that one of the records stands behind
// a copy although it comes before.
func (f *frame) later(marks []mark, than *mark) bool {
	return f.timed && slices.ContainsFunc(marks, func(m mark) bool { return m.ms > than.ms+f.disorder })
}

// adjoin reports whether the source has nothing between the originals of two
// copies that a mover would have copied, and has not forgotten anything there.
func (f *frame) adjoin(a, b origin) bool {
	if b.h <= a.h || b.h-a.h > int64(len(f.source)+len(f.markers)) {
		return false
	}
	for at := a.h + 1; at < b.h; at++ {
		i, ok := f.find(at)
		if ok && !f.source[i].aborted || !ok && !f.has(at) {
			return false
		}
	}
	return true
}

// forgotten judges one run of records without original, by the free offsets of
// [low, high). Where no known copy goes before or follows, what they are is
// open even if there are as many offsets; at the end they may be of another
// pass. Where there are too few offsets they are others', or of another pass.
func (f *frame) forgotten(o *orphans) {
	var some []int // what compaction or retention can have taken
	for i := range o.out {
		if !o.marks[i].keyless || o.low < f.start {
			some = append(some, i)
		}
	}
	least, most := f.free(len(some), o.low, min(o.high, f.forgets))
	fit := len(least) == len(some)
	for k, i := range some {
		// A sync that says otherwise may be of an earlier life of the target, or
		// others have written here.
		if h, ok := f.syncs.at(o.marks[i].off); ok && fit && (h < least[k] || h > most[k]) {
			o.again = true
		}
	}
	for k, i := range some {
		if fit {
			o.out[i] = f.may(o, fit, least[k], most[k], least[0], most[len(most)-1])
		} else {
			o.out[i] = f.may(o, fit, -1, -1, -1, -1)
		}
	}
}

// certain reports whether their rank tells what they are copies of; only is that
// one place is left for it.
func (o *orphans) certain(only bool) bool {
	return !o.fall && !o.again && (!o.first && !o.last && only || o.sure)
}

// may is what one of the records may be a copy of: where there are places
// enough (fit), from least to most by its rank, and from low to high in any case.
func (f *frame) may(o *orphans, fit bool, least, most, low, high int64) origin {
	whole := f.low <= f.start && f.high >= f.end
	switch {
	case o.stays && o.younger:
		// Younger than what the source had up to there: others'.
		return noCopy
	case fit && o.certain(least == most) && !f.passesOver(o.low, least):
		return origin{h: least, least: least, most: most}
	case o.last && o.younger && !o.fall:
		if o.low >= f.forgets {
			return noCopy // above what the source may have forgotten: others'
		}
		return origin{h: -1, least: o.low, most: min(f.forgets, f.end) - 1, maybe: true}
	case (o.last || o.fall && !whole) && f.forgets > 0:
		return origin{h: -1, least: 0, most: min(f.forgets, f.end) - 1, maybe: true, loose: true}
	case fit:
		return origin{h: -1, least: low, most: high, maybe: true, loose: o.again || o.fall}
	case f.unsureOf(o):
		// Some are others', or copied again: each may be of anything forgotten.
		return origin{h: -1, least: 0, most: f.lastFree(), maybe: true, loose: !o.stays}
	}
	return noCopy
}

// unsureOf reports whether too many records for what is forgotten there may still
// be of that: where the mover stayed on, only times show that they are older than
// what stands in front, or nobody else writes.
func (f *frame) unsureOf(o *orphans) bool {
	return f.forgets > 0 && (f.alone || !o.stays || f.timed) || f.forgets >= f.end
}

// passesOver reports whether a mover that has come to low would have left out
// records to copy the one at h. (A compacted target may have lost their copies.)
func (f *frame) passesOver(low, h int64) bool {
	from, _ := f.find(low)
	to, _ := f.find(h)
	return slices.ContainsFunc(f.source[from:max(from, to)], func(m mark) bool { return !m.aborted })
}

// lastFree is the highest offset whose record the source may have forgotten, -1
// where there is none.
func (f *frame) lastFree() int64 {
	for at := min(f.forgets, f.end) - 1; at >= 0; at-- {
		if !f.has(at) {
			return at
		}
	}
	return -1
}

// free are the lowest and the highest n free offsets of [low, high), in order;
// nil where there are fewer.
func (f *frame) free(n int, low, high int64) (least, most []int64) {
	for at := low; len(least) < n && at < high; at++ {
		if !f.has(at) {
			least = append(least, at)
		}
	}
	if len(least) < n {
		return nil, nil
	}
	for at := high - 1; len(most) < n && at >= low; at-- {
		if !f.has(at) {
			most = append(most, at)
		}
	}
	slices.Reverse(most)
	return least, most
}

func (f *frame) has(off int64) bool {
	if _, ok := slices.BinarySearch(f.markers, off); ok {
		return true
	}
	_, ok := f.find(off)
	return ok
}
