package oracle

import (
	"math/rand/v2"
	"slices"
)

// web is every committed copy of the target with the source records that it
// could be a copy of.
type web struct {
	p     *Pair
	slots []int     // of the target
	could [][]int64 // source offsets, rising
	// before[h-base] is how many records that a mover copies the source has
	// below h.
	before []int
}

// newWeb weaves it. Records that have no equal on the source are left out.
func newWeb(f *facts) *web {
	p := f.p
	w := &web{p: p, before: make([]int, len(p.Source.Slots)+1)}
	seen := map[sight][]int64{}
	for i := range p.Source.Slots {
		w.before[i+1] = w.before[i]
		if !p.Source.readable(i) {
			continue
		}
		what := f.see(&p.Source.Slots[i])
		seen[what] = append(seen[what], p.Source.Base+int64(i))
		if f.srcFates[i] == Plain || f.srcFates[i] == Committed {
			w.before[i+1]++
		}
	}
	for _, c := range f.copies {
		i := int(c.offset - p.Target.Base)
		if could := seen[f.see(&p.Target.Slots[i])]; len(could) > 0 {
			w.slots, w.could = append(w.slots, i), append(w.could, could)
		}
	}
	return w
}

// cost is 0 when a mover that has copied a goes on with b, and 1 when it must
// have gone elsewhere in between.
func (w *web) cost(a, b int64) int32 {
	switch {
	case b <= a:
		return 1
	case w.p.TargetCompacted || w.p.ConfigUnknown || w.p.Filters:
		return 0
	case w.below(b) > w.below(a+1):
		return 1
	}
	return 0
}

// below is before of h, also of one that has arrived late.
func (w *web) below(h int64) int {
	return w.before[min(h-w.p.Source.Base, int64(len(w.before))-1)]
}

// truth is what the copies have really cost; false where an observer cannot
// find it, as the source has lost records.
func (w *web) truth() (int32, bool) {
	sum, ok := int32(0), true
	last := int64(-1)
	for i, at := range w.slots {
		h := w.p.Target.Slots[at].H
		if _, found := slices.BinarySearch(w.could[i], h); !found {
			ok = false
		}
		if last >= 0 {
			sum += w.cost(last, h)
		}
		last = h
	}
	return sum, ok
}

// rest[i][k] is the least cost behind copy i when it is of could[i][k].
func (w *web) rest() [][]int32 {
	n := len(w.slots)
	out := make([][]int32, n)
	for i := n - 1; i >= 0; i-- {
		out[i] = make([]int32, len(w.could[i]))
		if i == n-1 {
			continue
		}
		for k, a := range w.could[i] {
			best := int32(1 << 30)
			for l, b := range w.could[i+1] {
				best = min(best, w.cost(a, b)+out[i+1][l])
			}
			out[i][k] = best
		}
	}
	return out
}

func (w *web) work() int {
	sum := 0
	for i := 1; i < len(w.could); i++ {
		sum += len(w.could[i-1]) * len(w.could[i])
	}
	return sum
}

// draw chooses a way that costs no more than budget: the n-th of some that
// differ a lot, by the lowest and the highest offsets that fit, and any.
func (w *web) draw(r *rand.Rand, n int, rest [][]int32, budget int32) []int64 {
	out := make([]int64, 0, len(w.slots))
	turn := r.IntN(len(w.slots) + 1)
	if n < 2 {
		turn = len(w.slots)
	}
	for i := range w.slots {
		var fits []int
		for k, h := range w.could[i] {
			c := rest[i][k]
			if i > 0 {
				c += w.cost(out[i-1], h)
			}
			if c <= budget {
				fits = append(fits, k)
			}
		}
		if len(fits) == 0 {
			return nil
		}
		k := fits[r.IntN(len(fits))]
		switch {
		case n%3 == 2:
		case (n%3 == 0) == (i < turn):
			k = fits[0]
		default:
			k = fits[len(fits)-1]
		}
		h := w.could[i][k]
		if i > 0 {
			budget -= w.cost(out[i-1], h)
		}
		out = append(out, h)
	}
	return out
}

// noted is the web of an observer who knows the offset syncs that are true; nil
// where that leaves it as it is.
func (w *web) noted() *web {
	out := *w
	out.could = slices.Clone(w.could)
	some := false
	for i, at := range w.slots {
		y := Sync{w.p.Target.Slots[at].H, w.p.Target.Base + int64(at)}
		if len(w.could[i]) > 1 && slices.Contains(w.p.Syncs, y) && slices.Contains(w.could[i], y.Source) {
			out.could[i], some = []int64{y.Source}, true
		}
	}
	if !some {
		return nil
	}
	return &out
}
