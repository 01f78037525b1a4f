package translate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// wrong is the smallest world in which a kind of mistake was found, and how many
// there were.
type wrong struct {
	n, size int
	text    string
}

// TestJoinComesTrue: whatever the mover still copies, and whatever either log
// has forgotten, from the positions that were given every record is met that
// has not been read, and no more again than was said. A hold has a record that
// is not there yet.
func TestJoinComesTrue(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	answers, classes, all := map[Outcome]int{}, map[string]int{}, 0
	found := map[string]wrong{}
	for i := range uint64(joinWorlds) {
		r := rand.New(rand.NewPCG(seed, i))
		w := newWorld(r, int(i%2)*4)
		w.happen(r)
		at, opt := w.positions(r), &Options{}
		if i%5 == 0 {
			w.run(r, 1<<20)
			opt.CopyComplete = true
		}
		w.sort()
		shown := w.String()
		got := askTopic(t, w.src, w.tgt, at, opt)
		all += len(got)
		for _, a := range got {
			answers[a.Outcome]++
			for c, is := range w.class {
				if is {
					classes[c]++
				}
			}
		}
		for _, v := range w.judge(r, at, got) {
			x := found[v.kind]
			if x.n++; x.n == 1 || w.size() < x.size {
				x.size, x.text = w.size(), fmt.Sprintf("seed %d/%d at %v, complete %v: %s\n%s", seed, i, at, opt.CopyComplete, v.text, shown)
			}
			found[v.kind] = x
		}
	}
	for _, k := range slices.Sorted(maps.Keys(found)) {
		t.Errorf("%s: %d times, as with %s", k, found[k].n, found[k].text)
	}
	for _, c := range worldClasses {
		share := 100 * classes[c] / all
		t.Logf("%2d %% %s", share, c)
		if share < 20 {
			t.Errorf("%s: %d of %d positions", c, classes[c], all)
		}
	}
	for _, o := range []Outcome{Exact, ExactUnproven, AtEnd, Repeats, Hold, Refused} {
		t.Logf("%2d %% %s", 100*answers[o]/all, o)
		if answers[o] == 0 {
			t.Errorf("no answer was %s", o)
		}
	}
}

// joinWorlds is how many of them are made.
const joinWorlds = 2000

// positions of a group: on each source partition anywhere, its end more often.
func (w *world) positions(r *rand.Rand) map[int32]int64 {
	at := map[int32]int64{}
	for p, cells := range sorted(w.src.cells) {
		at[p] = int64(len(cells))
		if r.IntN(4) > 0 {
			at[p] = r.Int64N(int64(len(cells)) + 1)
		}
	}
	return at
}

func sorted(m map[int32][]cell) func(func(int32, []cell) bool) {
	return func(yield func(int32, []cell) bool) {
		for p := range int32(len(m)) {
			if !yield(p, m[p]) {
				return
			}
		}
	}
}

type verdict struct{ kind, text string }

// judge plays the mover to its end and compares.
func (w *world) judge(r *rand.Rand, at map[int32]int64, got map[int32]*Result) (out []verdict) {
	say := func(kind, format string, args ...any) {
		out = append(out, verdict{kind, fmt.Sprintf(format, args...)})
	}
	then := map[int32][]cell{}
	for q, cells := range w.tgt.cells {
		then[q] = slices.Clone(cells)
	}
	passed, plain := w.passed(), w.plain()
	behind := w.behind(at)
	w.run(r, 1<<20)
	open := false
	for q, a := range got {
		switch {
		case !plain || behind || len(w.dropped) > 0:
		case a.Outcome == Hold || a.Outcome == Refused:
			say("needless", "partition %d: %s %s although everything is there that could be: %s", q, a.Outcome, a.Reason, a.Detail)
		}
		open = open || a.Outcome == Hold || a.Outcome == Refused || len(a.Unproven) > 0
		if a.Outcome == Hold || a.Outcome == Refused {
			continue
		}
		to, again, ok := jointByDefinition(then[q], w.tgt.start[q], at)
		if !ok || a.T != to || a.Repeats != again || again > 0 != (a.Outcome == Repeats) {
			say("definition", "partition %d: %s T=%d repeats=%d, want %d %d %v", q, a.Outcome, a.T, a.Repeats, to, again, ok)
		}
		seen, last, more := map[place]bool{}, map[int32]int64{}, int64(0)
		for i, c := range w.tgt.cells[q] {
			if c.kind != 'd' || int64(i) < a.T {
				continue
			}
			switch p := (place{c.from, c.h}); {
			case c.h < at[c.from] || seen[p]:
				more++
			default:
				if l, ok := last[c.from]; ok && c.h < l {
					say("order", "partition %d: %s T=%d: %v after %d", q, a.Outcome, a.T, p, l)
				}
				seen[p], last[c.from] = true, c.h
			}
		}
		for i, c := range w.tgt.cells[q] {
			if c.kind == 'd' && int64(i) >= w.tgt.start[q] && c.h >= at[c.from] && !seen[place{c.from, c.h}] {
				say("passed over", "partition %d: %s T=%d passes over %v", q, a.Outcome, a.T, c)
			}
		}
		if more > a.Repeats {
			say("repeats unsaid", "partition %d: %s T=%d: %d come again, said %d", q, a.Outcome, a.T, more, a.Repeats)
		}
	}
	if open {
		return out
	}
	for p, cells := range sorted(w.src.cells) {
		for h := max(at[p], w.src.start[p]); h < int64(len(cells)); h++ {
			if x := (place{p, h}); cells[h].kind == 'd' && !w.onTarget(x) && (w.copied[x] || passed[x]) {
				say("lost", "%v is lost and nothing says so", x)
			}
		}
	}
	return out
}

// passed are the records that were left out and that copies of later ones have
// passed in every target partition that has any.
func (w *world) passed() map[place]bool {
	out := map[place]bool{}
	for x := range w.dropped {
		least := int64(-1)
		for q, cells := range w.tgt.cells {
			last := int64(-1)
			for i, c := range cells {
				if c.kind == 'd' && c.from == x.partition && int64(i) >= w.tgt.start[q] {
					last = c.h
				}
			}
			if last >= 0 && (least < 0 || last < least) {
				least = last
			}
		}
		out[x] = least > x.h
	}
	return out
}

// onTarget reports whether a record is met on the target, or, when it is
// compacted, a later one of its source partition and key.
func (w *world) onTarget(x place) bool {
	for q, cells := range w.tgt.cells {
		for i, c := range cells {
			if c.kind != 'd' || c.from != x.partition || int64(i) < w.tgt.start[q] {
				continue
			}
			if c.h == x.h || w.tgt.compacted && c.h > x.h && w.key(c.from, c.h) == w.key(x.partition, x.h) {
				return true
			}
		}
	}
	return false
}

// plain reports whether everything that was copied is still there, and in one
// pass.
func (w *world) plain() bool {
	if w.tgt.compacted {
		return false // what is still to come may look like what the cleaner took
	}
	for _, c := range []string{"target begins later", "target is compacted", "in several passes", "source has aborted records"} {
		if w.class[c] {
			return false
		}
	}
	return true
}

// behind reports whether a record is yet to be copied that is below a position
// or below one that has been.
func (w *world) behind(at map[int32]int64) bool {
	for p, left := range w.left {
		top := int64(-1)
		for x := range w.copied {
			if x.partition == p {
				top = max(top, x.h)
			}
		}
		for _, h := range left {
			if w.there(p, h) && h < max(at[p], top) {
				return true
			}
		}
	}
	return false
}
