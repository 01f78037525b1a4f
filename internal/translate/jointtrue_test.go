package translate

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// unfinished is a mover that is stopped somewhere: for each source partition
// what it has yet to copy, in order.
type unfinished struct {
	src, tgt *mixLog
	left     map[int32][]int64
	to       func(from int32, h int64) int32
	dropped  map[place]bool
}

// stopped makes a copy that is not finished. drop is how many records of a
// hundred the mover leaves out.
func stopped(r *rand.Rand, drop int) *unfinished {
	sources, targets := 1+r.IntN(4), 1+r.IntN(3)
	u := &unfinished{src: newMix(false, sources), tgt: newMix(true, targets), left: map[int32][]int64{}, dropped: map[place]bool{}}
	u.src.size, u.tgt.size = int64(1+r.IntN(8)), int64(1+r.IntN(8))
	keyed := r.IntN(2) == 0
	u.to = func(from int32, h int64) int32 {
		if keyed {
			return int32(h * 7 % 5 % int64(targets))
		}
		return from % int32(targets)
	}
	for p := range int32(sources) {
		for h := range int64(r.IntN(30)) {
			k := byte('d')
			if r.IntN(8) == 0 {
				k = '.'
			}
			u.src.cells[p] = append(u.src.cells[p], cell{kind: k})
			switch {
			case k == '.':
			case r.IntN(100) < drop:
				u.dropped[place{p, h}] = true
			default:
				u.left[p] = append(u.left[p], h)
			}
		}
	}
	u.run(r, r.IntN(80))
	return u
}

// run copies at most n records. A record may overtake others of its partition
// that go elsewhere, as producers do.
func (u *unfinished) run(r *rand.Rand, n int) {
	for ; n > 0; n-- {
		var ready []int32
		for p := range int32(len(u.src.cells)) {
			if len(u.left[p]) > 0 {
				ready = append(ready, p)
			}
		}
		if len(ready) == 0 {
			return
		}
		p := ready[r.IntN(len(ready))]
		i := r.IntN(min(4, len(u.left[p])))
		for k := range i { // never past one to the same partition
			if u.to(p, u.left[p][k]) == u.to(p, u.left[p][i]) {
				i = k
				break
			}
		}
		h := u.left[p][i]
		u.tgt.copy(u.to(p, h), p, h)
		u.left[p] = slices.Delete(u.left[p], i, i+1)
	}
}

// highest is the greatest offset of a source partition that is on the target.
func (u *unfinished) highest(p int32) int64 {
	top := int64(-1)
	for _, cells := range u.tgt.cells {
		for _, c := range cells {
			if c.from == p {
				top = max(top, c.h)
			}
		}
	}
	return top
}

// TestJoinComesTrue: whatever the mover still copies, from the positions that
// were given every record is met that has not been read, and as many again as
// was said. A hold has a record that is not there yet, though it is below a position or
// later ones are there.
func TestJoinComesTrue(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	seen := map[Outcome]int{}
	for i := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, i))
		u := stopped(r, int(i%2)*4)
		at, behind := map[int32]int64{}, false
		for p, cells := range u.src.cells {
			at[p] = int64(len(cells))
			if n := r.IntN(4); n > 0 {
				at[p] = r.Int64N(int64(len(cells)) + 1)
			}
			for h := range max(at[p], u.highest(p)) {
				behind = behind || slices.Contains(u.left[p], h) || u.dropped[place{p, h}]
			}
		}
		got := askTopic(t, u.src, u.tgt, at, nil)
		u.run(r, 1<<20)
		for q, a := range got {
			seen[a.Outcome]++
			switch {
			case a.Outcome == Hold:
				if !behind {
					t.Fatalf("seed %d/%d: %s although everything is there that could be, at %v: %s", seed, i, a.Outcome, at, a.Detail)
				}
				continue
			case a.Outcome == Refused && a.Reason == ReasonLoss && len(u.dropped) > 0:
			case a.Outcome == Refused:
				t.Fatalf("seed %d/%d: %s %s", seed, i, a.Reason, a.Detail)
			}
			again := int64(0)
			for pos, c := range u.tgt.cells[q] {
				switch read := c.h < at[c.from]; {
				case int64(pos) < a.T && !read:
					t.Fatalf("seed %d/%d at %v: partition %d: %s at %d passes over %v", seed, i, at, q, a.Outcome, a.T, c)
				case int64(pos) >= a.T && read:
					again++
				}
			}
			if again != a.Repeats {
				t.Fatalf("seed %d/%d at %v: partition %d: %s at %d: %d records come again, said were %d", seed, i, at, q, a.Outcome, a.T, again, a.Repeats)
			}
		}
		u.lostIsSaid(t, seed, i, at, got)
	}
	for _, o := range []Outcome{Exact, ExactUnproven, AtEnd, Repeats, Hold, Refused} {
		if seen[o] == 0 {
			t.Errorf("no answer was %s: %v", o, seen)
		}
	}
}

// lostIsSaid: a record that was left out, and that all target partitions of its
// source partition had passed when they were looked at, is no secret.
func (u *unfinished) lostIsSaid(t *testing.T, seed, i uint64, at map[int32]int64, got map[int32]*Result) {
	t.Helper()
	for gone := range u.dropped {
		if gone.h < at[gone.partition] {
			continue
		}
		said, passed := false, false
		for _, a := range got {
			said = said || a.Outcome == Hold || a.Outcome == Refused || len(a.Unproven) > 0
			for _, f := range a.Feeds {
				passed = passed || f.Partition == gone.partition && f.CopiedThrough > gone.h
			}
		}
		if passed && !said {
			t.Fatalf("seed %d/%d at %v: %v is lost and nothing says so", seed, i, at, gone)
		}
	}
}
