package inspect

import (
	"cmp"
	"slices"
	"sort"
	"sync/atomic"
)

// run is a stretch of source offsets [from, to).
type run struct{ from, to int64 }

// coverage is the set of source offsets that were copied, kept as runs. Offsets
// come in passes that rise; each pass is a sorted list of its own, and lists of
// like size are merged, so that adding n runs costs n log n steps however they
// come.
type coverage struct {
	levels  [][]run // merged, each sorted and free of overlap with itself
	current []run   // the pass that is being added
	runs    int     // in all lists
	budget  *budget
	gone    bool // over the budget: nothing is known any more
}

// budget bounds the runs of all partitions that are read at once.
type budget struct{ left atomic.Int64 }

// take reserves n more runs; a negative n gives them back.
func (b *budget) take(n int) bool {
	if left := b.left.Add(int64(-n)); left >= 0 || n <= 0 {
		return true
	}
	b.left.Add(int64(n))
	return false
}

// add takes the next source offset of a pass and reports whether it is there
// already. fell says that it begins a new pass.
func (c *coverage) add(h int64, fell bool) (repeated bool) {
	if c.gone {
		return false
	}
	if fell {
		c.settle()
	}
	repeated = c.has(h)
	if n := len(c.current); n > 0 && c.current[n-1].to == h {
		c.current[n-1].to++
		return repeated
	}
	if !c.budget.take(1) {
		c.budget.take(-c.runs)
		*c = coverage{budget: c.budget, gone: true}
		return repeated
	}
	c.runs++
	c.current = append(c.current, run{h, h + 1})
	return repeated
}

// has looks in the passes before the current one.
func (c *coverage) has(h int64) bool {
	for _, l := range c.levels {
		i := sort.Search(len(l), func(i int) bool { return l[i].to > h })
		if i < len(l) && l[i].from <= h {
			return true
		}
	}
	return false
}

// settle ends the current pass.
func (c *coverage) settle() {
	if len(c.current) == 0 {
		return
	}
	c.levels = append(c.levels, c.current)
	c.current = nil
	for n := len(c.levels); n > 1 && len(c.levels[n-2]) <= 2*len(c.levels[n-1]); n = len(c.levels) {
		c.levels[n-2] = c.merge(c.levels[n-2], c.levels[n-1])
		c.levels = c.levels[:n-1]
	}
}

// merge makes one list of two.
func (c *coverage) merge(a, b []run) []run {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y run) int { return cmp.Compare(x.from, y.from) })
	out := all[:1]
	for _, r := range all[1:] {
		if last := &out[len(out)-1]; r.from <= last.to {
			last.to = max(last.to, r.to)
			continue
		}
		out = append(out, r)
	}
	c.budget.take(len(out) - len(a) - len(b))
	c.runs += len(out) - len(a) - len(b)
	return out
}

// union is everything as one sorted list; ok is false when the budget did not
// suffice.
func (c *coverage) union() (all []run, ok bool) {
	if c.gone {
		return nil, false
	}
	c.settle()
	for len(c.levels) > 1 {
		n := len(c.levels)
		c.levels[n-2] = c.merge(c.levels[n-2], c.levels[n-1])
		c.levels = c.levels[:n-1]
	}
	if len(c.levels) == 0 {
		return nil, true
	}
	return c.levels[0], true
}

// release gives the budget back.
func (c *coverage) release() {
	c.budget.take(-c.runs)
	*c = coverage{budget: c.budget, gone: true}
}
