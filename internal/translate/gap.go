package translate

import (
	"slices"
	"sort"
)

// gap is what stands between two anchors on both sides.
type gap struct {
	f                   *frame
	base                int // index of source[0] in the frame
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
	g.bound(known, first, last)
}

// bound takes for every known record its first or its last original, and what
// else it can be.
func (g *gap) bound(known, first, last []int) {
	chosen := first
	if !g.leftSure && g.rightSure {
		chosen = last
	}
	tied := g.tied(chosen, last)
	lost := !g.f.dense && !g.leftSure && !g.rightSure // what shows a step
	for n, i := range known {
		o := origin{h: g.source[chosen[n]].off, least: g.source[first[n]].off, most: g.source[last[n]].off}
		o.loose = !o.sure() && !g.inStep(chosen, n)
		o.alike = !g.leftSure || !g.rightSure || len(known) != len(g.source)
		if lost || g.f.dense && !tied[n] {
			g.widen(&o, i) // a pass may begin here
		}
		g.out[i] = o
	}
}

// tied reports for every record whether the mover can have come to it from an
// anchor, or gone on from it to one, with nothing left out but what was aborted,
// or all of them stand in step between no anchors.
func (g *gap) tied(chosen, latest []int) []bool {
	out := make([]bool, len(chosen))
	last := len(chosen) - 1
	i := 0
	for ; i <= last; i++ {
		if i == 0 && g.leftSure && !g.passed(0, chosen[0]) || i > 0 && !g.passed(chosen[i-1]+1, chosen[i]) {
			break
		}
	}
	if g.leftSure || i > last && !g.rightSure {
		for k := range i {
			out[k] = true
		}
	}
	for k, to := last, len(g.source); k >= 0 && g.rightSure && g.passed(latest[k]+1, to); k-- {
		out[k], to = true, latest[k]
	}
	return out
}

// passed reports whether a mover can have left out source[from:to].
func (g *gap) passed(from, to int) bool {
	return !slices.ContainsFunc(g.source[from:to], func(m mark) bool { return !m.aborted })
}

// widen bounds record i by everything that is like it: a pass may begin at it.
func (g *gap) widen(o *origin, i int) {
	least, most := g.f.like(&g.target[i])
	o.least, o.most = min(o.least, least), max(o.most, most)
	o.loose = !o.sure()
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
		o := certain(g.source[j].off)
		g.widen(&o, i)
		o.alike = true
		g.out[i] = o
		prev = j
	}
}

// fall handles the place where a new pass begins: the anchor behind the gap
// stands at or before the one in front of it. Records that go on with the old
// pass in step, and those that lead to the new anchor in step, are found. Where
// the target may have lost copies, being in step shows less.
func (g *gap) fall(left, right int) {
	source := g.f.source
	for n := 0; n < len(g.target) && left+1+n < len(source) && source[left+1+n].fp == g.target[n].fp; n++ {
		g.out[n] = certain(source[left+1+n].off)
		if !g.f.dense {
			g.widen(&g.out[n], n)
		}
		g.out[n].alike = true
	}
	for n := 1; n <= len(g.target) && right-n >= 0; n++ {
		i := len(g.target) - n
		from := source[right-n]
		if from.fp != g.target[i].fp {
			return
		}
		o := g.out[i]
		switch {
		case o.copy():
			g.out[i] = origin{h: from.off, least: min(from.off, o.least), most: max(o.h, o.most), loose: true} // of either pass
		case !g.f.dense:
			g.out[i] = certain(from.off)
			g.widen(&g.out[i], i)
		default:
			g.out[i] = certain(from.off)
		}
		g.out[i].alike = true
	}
}
