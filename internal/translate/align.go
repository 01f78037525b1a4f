package translate

import "slices"

// mark is a record reduced to what alignment compares.
type mark struct {
	off int64
	fp  [16]byte
	// keyless records are never taken by compaction.
	keyless bool
	// aborted ones are left out by movers that read committed.
	aborted bool
	ms      int64 // timestamp
}

// frame is the stretch of the source with which records of the target are
// aligned.
//
// Records whose content is unique on both sides are anchors (the idea of
// patience diff). Between two anchors the copies of one pass stand in source
// order, so that the records in between have an earliest and a latest original
// that keeps this order: where both are the same it is certain.
type frame struct {
	source    []mark // every record of the source in [low, high)
	low, high int64
	// anchored: the original of the copy before the first record is known, and
	// left is its index, -1 where it is the last one below low.
	anchored bool
	left     int
	// front is that copy; nil where it is not known.
	front *mark
	// whole: nothing outside of source can be like a record in it, so that what
	// is there once is the original of everything like it.
	whole bool
	// fixed gives the original of a target offset where it is known; nil none.
	fixed func(pos int64) (int64, bool)
	// syncs are MirrorMaker 2's; nil none.
	syncs *syncs
	// forgets: below this offset the source may have had records that it does
	// not have any more.
	forgets int64
	// start and end are where the source's log begins and ends.
	start, end int64
	// markers are the offsets of the source's markers in [low, high).
	markers []int64
	// alone: nobody else writes to the target, so that a record without an
	// original is a copy of one that the source has forgotten.
	alone bool
	// dense: the target has every copy that was made, so that copies of one pass
	// stand in step with the source.
	dense bool
	// timed: copies have the timestamps of their originals, which are out of
	// order by no more than disorder.
	// ordered is how many have shown that.
	timed    bool
	disorder int64
	ordered  int64
	// likes are the bounds of what is alike in source, once they are asked for.
	likes map[[16]byte]span
	// of is the frame that this one was cut from; nil none.
	of *frame
}

// like are the lowest and the highest offset of the records that are like m, of
// all of the source that was looked at.
func (f *frame) like(m *mark) (least, most int64) {
	if f.of != nil {
		return f.of.like(m)
	}
	if f.likes == nil {
		f.likes = make(map[[16]byte]span, len(f.source))
		for j := range f.source {
			s, ok := f.likes[f.source[j].fp]
			if !ok {
				s.from = f.source[j].off
			}
			s.next = f.source[j].off + 1
			f.likes[f.source[j].fp] = s
		}
	}
	s := f.likes[m.fp]
	return s.from, s.next - 1
}

// pair is an anchor: target[i] is a copy of source[j].
type pair struct{ i, j int }

// align says for every record of the target what it is a copy of; noCopy where
// the frame has no record like it.
func (f *frame) align(target []mark) []origin {
	out := make([]origin, len(target))
	for i := range out {
		out[i] = noCopy
	}
	anchors := f.anchors(target)
	for _, a := range anchors {
		out[a.i] = certain(f.source[a.j].off)
	}
	// Gaps: before the first anchor, between anchors, behind the last.
	left := pair{-1, -1}
	if f.anchored {
		left.j = f.left
	}
	for n := 0; n <= len(anchors); n++ {
		right := pair{len(target), len(f.source)}
		if n < len(anchors) {
			right = anchors[n]
		}
		g := gap{
			f: f, base: left.j + 1,
			target: target[left.i+1 : right.i], out: out[left.i+1 : right.i],
			leftSure: n > 0 || f.anchored, rightSure: n < len(anchors),
		}
		if right.j > left.j {
			g.source = f.source[left.j+1 : right.j]
			g.fill()
		} else {
			g.fall(left.j, right.j)
		}
		left = right
	}
	return out
}

// anchors are the records that stand once on either side (on the source, where
// that is whole), and those whose original is known, in target order.
func (f *frame) anchors(target []mark) []pair {
	type count struct{ n, at int }
	here := make(map[[16]byte]count, len(f.source))
	for j := range f.source {
		c := here[f.source[j].fp]
		here[f.source[j].fp] = count{c.n + 1, j}
	}
	there := make(map[[16]byte]int, len(target))
	for i := range target {
		there[target[i].fp]++
	}
	var out []pair
	for i := range target {
		if f.fixed != nil {
			if h, ok := f.fixed(target[i].off); ok {
				if j, ok := f.find(h); ok && f.source[j].fp == target[i].fp {
					out = append(out, pair{i, j})
					continue
				}
			}
		}
		if c := here[target[i].fp]; c.n == 1 && (f.whole || there[target[i].fp] == 1) {
			out = append(out, pair{i, c.at})
		}
	}
	return out
}

func (f *frame) find(off int64) (int, bool) {
	return slices.BinarySearchFunc(f.source, off, func(m mark, off int64) int { return int(min(max(m.off-off, -1), 1)) })
}

// cut is the part of the frame in [low, high); high 0 is its end.
func (f *frame) cut(low, high int64) *frame {
	part := *f
	part.likes, part.of = nil, f
	i, _ := f.find(low)
	part.source, part.low = f.source[i:], max(low, f.low)
	if j, _ := f.find(high); high > 0 && j >= i {
		part.source, part.high = f.source[i:j], min(high, f.high)
	}
	part.whole = false
	return &part
}
