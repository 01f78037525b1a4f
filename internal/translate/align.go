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
	timed    bool
	disorder int64
	// likes are the indices of source by content, once they are asked for.
	likes map[[16]byte][]int
}

// like are the indices of the records of the source that are like m.
func (f *frame) like(m *mark) []int {
	if f.likes == nil {
		f.likes = make(map[[16]byte][]int, len(f.source))
		for j := range f.source {
			f.likes[f.source[j].fp] = append(f.likes[f.source[j].fp], j)
		}
	}
	return f.likes[m.fp]
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
	part.likes = nil
	i, _ := f.find(low)
	part.source, part.low = f.source[i:], max(low, f.low)
	if j, _ := f.find(high); high > 0 && j >= i {
		part.source, part.high = f.source[i:j], min(high, f.high)
	}
	part.whole = false
	return &part
}

// gap is what stands between two anchors on both sides.
type gap struct {
	target, source      []mark
	out                 []origin // of target
	leftSure, rightSure bool     // an anchor is there
}

// fill bounds every record of the gap by its earliest and its latest original
// that keeps the order.
func (g *gap) fill() {
	if len(g.target) == 0 || len(g.source) == 0 {
		return
	}
	where := map[[16]byte][]int{}
	for j := range g.source {
		where[g.source[j].fp] = append(where[g.source[j].fp], j)
	}
	var known []int // records of the target that the source has here
	for i := range g.target {
		if len(where[g.target[i].fp]) > 0 {
			known = append(known, i)
		}
	}
	first, last := make([]int, len(known)), make([]int, len(known))
	next, fits := 0, true
	for n, i := range known {
		js := where[g.target[i].fp]
		k := sort.SearchInts(js, next)
		if k == len(js) {
			fits = false
			break
		}
		first[n], next = js[k], js[k]+1
	}
	next = len(g.source)
	for n := len(known) - 1; n >= 0 && fits; n-- {
		js := where[g.target[known[n]].fp]
		k := sort.SearchInts(js, next) - 1
		if k < 0 {
			fits = false
			break
		}
		last[n], next = js[k], js[k]
	}
	if !fits {
		g.loose(known, where)
		return
	}
	chosen := first
	if !g.leftSure && g.rightSure {
		chosen = last
	}
	for n, i := range known {
		o := origin{h: g.source[chosen[n]].off, least: g.source[first[n]].off, most: g.source[last[n]].off}
		o.loose = !o.sure() && !g.inStep(chosen, n)
		o.alike = !g.leftSure || !g.rightSure || len(known) != len(g.source)
		g.out[i] = o
	}
}

// inStep reports whether the originals run on without a hole from the anchor
// in front to record n, or from it to the anchor behind.
func (g *gap) inStep(chosen []int, n int) bool {
	return g.leftSure && chosen[n] == n || g.rightSure && len(g.source)-chosen[n] == len(chosen)-n
}

// loose bounds records that do not stand in source order by all that are like
// them: a pass has begun in between, or records were doubled.
func (g *gap) loose(known []int, where map[[16]byte][]int) {
	prev := -1
	for _, i := range known {
		js := where[g.target[i].fp]
		j := js[0]
		if k := sort.SearchInts(js, prev+1); k < len(js) {
			j = js[k]
		}
		o := origin{h: g.source[j].off, least: g.source[js[0]].off, most: g.source[js[len(js)-1]].off}
		o.loose, o.alike = !o.sure(), true
		g.out[i] = o
		prev = j
	}
}

// fall handles the place where a new pass begins: the anchor behind the gap
// stands at or before the one in front of it. Records that go on with the old
// pass in step, and those that lead to the new anchor in step, are found.
func (g *gap) fall(source []mark, left, right int) {
	for n := 0; n < len(g.target) && left+1+n < len(source) && source[left+1+n].fp == g.target[n].fp; n++ {
		g.out[n] = certain(source[left+1+n].off)
		g.out[n].alike = true
	}
	for n := 1; n <= len(g.target) && right-n >= 0; n++ {
		i := len(g.target) - n
		from := source[right-n]
		if from.fp != g.target[i].fp {
			return
		}
		if o := g.out[i]; o.copy() {
			g.out[i] = origin{h: from.off, least: from.off, most: o.h, alike: true}
			continue
		}
		g.out[i] = certain(from.off)
		g.out[i].alike = true
	}
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
		low, high, alone := int64(0), f.high, f.alone
		switch {
		case i > 0:
			low = out[i-1].least + 1
		case f.anchored:
			low = f.low
		}
		if n < len(out) {
			if high = out[n].most; high <= low {
				low, alone = 0, false // a pass begins in between
			}
		}
		tied := i > 0 || n < len(out) || f.anchored
		last := n == len(out)
		f.forgotten(target[i:n], out[i:n], low, min(high, f.forgets), i == 0 && !f.anchored, last, tied && alone && low >= f.start)
		i = n
	}
}

// forgotten judges one run of records without original, by the free offsets of
// [low, high). Where no known copy goes before or follows, what they are is
// open even if there are as many offsets; at the end they may be of another
// pass. Where there are too few offsets they are others', or of another pass.
func (f *frame) forgotten(target []mark, run []origin, low, high int64, first, last, alone bool) {
	var some []int // what compaction or retention can have taken
	for i := range run {
		if !target[i].keyless || low < f.start {
			some = append(some, i)
		}
	}
	least, most := f.free(len(some), low, high)
	fit := len(least) == len(some)
	for k, i := range some {
		switch {
		case fit && !first && !last && least[k] == most[k], fit && alone:
			run[i] = origin{h: least[k], least: least[k], most: most[k]}
		case fit && !last:
			run[i] = origin{h: -1, least: least[0], most: most[len(most)-1], maybe: true}
		case last && f.forgets > 0:
			run[i] = origin{h: -1, least: 0, most: min(f.forgets, f.end) - 1, maybe: true}
		case f.forgets >= f.end:
			run[i] = origin{h: -1, least: 0, most: -1, maybe: true}
		}
	}
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
