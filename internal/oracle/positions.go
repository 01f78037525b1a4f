package oracle

import (
	"math/rand/v2"
	"slices"
)

// positions chooses n offsets of the source to ask for: the edges where a
// search goes wrong by one, and some at random. Repeats are possible, as two
// groups may stand at the same place.
func positions(r *rand.Rand, p *Pair, n int) []int64 {
	l := &p.Source
	edges := []int64{l.Base, l.Start, l.End(), l.End() + 1, 0}
	around := func(h int64) { edges = append(edges, h-1, h, h+1) }
	around(l.Start)
	around(l.End())
	for i, s := range l.Slots {
		if (s.Kind != Data || s.Gone) && r.IntN(4) == 0 {
			around(l.Base + int64(i))
		}
	}
	copies := committedCopies(&p.Target)
	for i, c := range copies {
		if i == 0 || i == len(copies)-1 || c.h != copies[i-1].h+1 {
			around(c.h)
			if i > 0 {
				around(copies[i-1].h)
			}
		}
	}
	out := make([]int64, 0, n)
	for len(out) < n {
		s := l.Base - 2 + r.Int64N(int64(len(l.Slots))+5)
		if r.IntN(5) > 0 {
			s = edges[r.IntN(len(edges))]
		}
		if s < 0 {
			s = 0
		}
		// Most repeats are a waste.
		if slices.Contains(out, s) && r.IntN(8) > 0 && r.IntN(n) > 0 {
			if r.IntN(4) == 0 {
				out = append(out, s)
			}
			continue
		}
		out = append(out, s)
	}
	return out
}
