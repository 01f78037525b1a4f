package inspect

import (
	"math/rand/v2"
	"testing"
)

func budgetOf(n int64) *budget {
	b := &budget{}
	b.left.Store(n)
	return b
}

// The set of source offsets says what a map of all of them says, whatever the
// order in which they come, and gives its memory back.
func TestCoverageIsASet(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := budgetOf(1 << 20)
		c := &coverage{budget: b}
		seen := map[int64]bool{}
		last, highest := int64(-1), int64(0)
		for range 1 + r.IntN(30) {
			from, step := r.Int64N(200), 1+r.Int64N(3)
			for h := from; h < from+r.Int64N(80); h += step {
				fell := last >= 0 && h <= last
				if got := c.add(h, fell); got != seen[h] {
					t.Fatalf("seed %d: offset %d is said to be repeated: %v, want %v", seed, h, got, seen[h])
				}
				seen[h] = true
				last, highest = h, max(highest, h)
			}
		}
		all, ok := c.union()
		if !ok {
			t.Fatalf("seed %d: the budget was not enough", seed)
		}
		count := 0
		for i, x := range all {
			if x.from >= x.to || i > 0 && x.from <= all[i-1].to {
				t.Fatalf("seed %d: runs %v", seed, all)
			}
			for h := x.from; h < x.to; h++ {
				count++
				if !seen[h] {
					t.Fatalf("seed %d: %d was never added", seed, h)
				}
			}
		}
		if count != len(seen) {
			t.Fatalf("seed %d: %d offsets, want %d", seed, count, len(seen))
		}
		if used := 1<<20 - b.left.Load(); used != int64(len(all)) {
			t.Fatalf("seed %d: %d runs are booked for %d", seed, used, len(all))
		}
		c.release()
		if b.left.Load() != 1<<20 {
			t.Fatalf("seed %d: %d runs are not given back", seed, 1<<20-b.left.Load())
		}
	}
}

// Beyond the budget nothing is claimed, and the memory is given back.
func TestCoverageEndsAtItsBudget(t *testing.T) {
	t.Parallel()
	b := budgetOf(100)
	c := &coverage{budget: b}
	for h := int64(0); h < 1000; h += 2 {
		if c.add(h, false) {
			t.Fatalf("%d is said to be repeated", h)
		}
	}
	if _, ok := c.union(); ok {
		t.Error("a set that was given up claims to be whole")
	}
	if b.left.Load() != 100 {
		t.Errorf("%d runs are left of 100", b.left.Load())
	}
}

// Adding offsets in any order costs about n log n: two movers that write in turn
// make every record a pass of its own.
func TestCoverageOfManyPasses(t *testing.T) {
	t.Parallel()
	c := &coverage{budget: budgetOf(1 << 20)}
	const n = 200_000
	repeats := 0
	for i := range int64(n) {
		for _, h := range []int64{n + i, i} {
			if c.add(h, h == i || i > 0) {
				repeats++
			}
		}
	}
	if all, ok := c.union(); !ok || len(all) != 1 || all[0] != (run{0, 2 * n}) || repeats != 0 {
		t.Errorf("%d runs, %d repeats", len(all), repeats)
	}
}
