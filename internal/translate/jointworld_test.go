package translate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// world is a mover between two topics whose partitions do not correspond one to
// one, and all that ever happened to both logs. The truth is told from it and
// not from what can be seen now.
type world struct {
	src, tgt *mixLog
	// left is what the mover has yet to copy, in order. A record may be there
	// that the source has lost since: the mover does not find it any more.
	left map[int32][]int64
	// copied are the records that were copied at least once, dropped those that
	// the mover leaves out.
	copied, dropped map[place]bool
	to              func(from int32, h int64) int32
	key             func(from int32, h int64) string
	aborted         bool // the mover copies aborted records
	transactions    bool // and writes in transactions, some of which it aborts
	twice           int  // copies of what had been copied
	running         bool // the last pass is not through
	class           map[string]bool
}

// newWorld makes one. drop is how many records of a hundred the mover leaves
// out.
func newWorld(r *rand.Rand, drop int) *world {
	sources, targets := 1+r.IntN(4), 1+r.IntN(3)
	w := &world{
		src: newMix(false, sources), tgt: newMix(true, targets), left: map[int32][]int64{},
		copied: map[place]bool{}, dropped: map[place]bool{}, class: map[string]bool{},
		aborted: r.IntN(3) == 0, transactions: r.IntN(3) == 0,
	}
	w.src.size, w.tgt.size = int64(1+r.IntN(8)), int64(1+r.IntN(8))
	w.src.compacted, w.tgt.compacted = r.IntN(3) > 0, r.IntN(5) > 1
	keys, shared := int64(2+r.IntN(8)), int32(r.IntN(4))
	w.key = func(from int32, h int64) string {
		if shared == 0 {
			from = 0 // the same key comes in several partitions
		}
		return fmt.Sprint(from, "-", h*h/3%keys)
	}
	w.src.key, w.tgt.key = w.key, w.key
	switch how := r.IntN(3); {
	case how == 0:
		w.to = func(from int32, _ int64) int32 { return from % int32(targets) }
	case how == 1 || w.tgt.compacted: // as compaction takes equal keys to be in one partition
		w.to = func(from int32, h int64) int32 {
			k := w.key(from, h)
			return int32(k[len(k)-1]) * 7 % 5 % int32(targets)
		}
	default:
		w.to = func(_ int32, h int64) int32 { return int32(h * 7 % 5 % int64(targets)) }
	}
	for p := range int32(sources) {
		w.produce(r, p, r.IntN(40), drop)
	}
	return w
}

// produce writes the source partition p.
func (w *world) produce(r *rand.Rand, p int32, n, drop int) {
	kind, left := byte('d'), 0
	for h := range int64(n) {
		k := kind
		switch {
		case left > 0: // in a transaction
			if left--; left == 0 {
				k = map[byte]byte{'a': 'x', 'd': 'c'}[kind]
				kind = 'd'
				w.class["source has markers"] = true
			}
		case r.IntN(10) == 0:
			k = '.'
		case r.IntN(10) == 0 && h+3 < int64(n):
			left = 1 + r.IntN(min(4, n-int(h)-1))
			if r.IntN(3) > 0 {
				kind = 'a'
			}
			k = kind
		}
		w.src.cells[p] = append(w.src.cells[p], cell{kind: k})
		switch {
		case k == 'a':
			w.class["source has aborted records"] = true
			if w.aborted {
				w.left[p] = append(w.left[p], h)
			}
		case k != 'd':
		case r.IntN(100) < drop:
			w.dropped[place{p, h}] = true
		default:
			w.left[p] = append(w.left[p], h)
		}
	}
}

// happen lets the mover work and both logs change, in some order.
func (w *world) happen(r *rand.Rand) {
	w.run(r, r.IntN(40))
	if r.IntN(3) > 0 {
		w.change(r, w.src, "source")
	}
	if r.IntN(4) == 0 {
		w.change(r, w.tgt, "target")
	}
	if r.IntN(4) == 0 {
		w.again(r)
	}
	w.run(r, r.IntN(40))
	if r.IntN(5) == 0 {
		w.run(r, 1<<20)
	}
	switch {
	case r.IntN(5) > 0:
		w.change(r, w.tgt, "target")
	case w.class["target begins later"] || w.class["target is compacted"]:
	case r.IntN(2) == 0: // what the target still has shows that the mover went back
		w.running = true
		w.again(r)
	}
	if r.IntN(2) == 0 {
		w.change(r, w.src, "source")
	}
}

func (w *world) change(r *rand.Rand, m *mixLog, name string) {
	for p := range int32(len(m.cells)) {
		if r.IntN(3) == 0 {
			continue
		}
		if m.compacted && r.IntN(5) > 0 {
			w.compact(r, m, p, name)
		}
		if !m.compacted && r.IntN(3) > 0 || r.IntN(4) == 0 {
			n := int64(len(m.cells[p]))
			if start := r.Int64N(n + 1); start > m.start[p] {
				m.start[p] = start
				w.class[name+" begins later"] = true
			}
		}
	}
}

// compact is the cleaner on a partition: of what is below the active segment the
// last record of each key stays, and nothing that was aborted.
func (w *world) compact(r *rand.Rand, m *mixLog, p int32, name string) {
	cells := m.cells[p]
	if len(cells) < 2 {
		return
	}
	dirty := 1 + r.IntN(len(cells)-1)
	if r.IntN(2) == 0 {
		dirty = len(cells) - 1
	}
	latest := map[string]int{}
	id := func(i int) string {
		if m.copies {
			return w.key(cells[i].from, cells[i].h)
		}
		return w.key(p, int64(i))
	}
	for i := int(m.start[p]); i < dirty; i++ {
		if cells[i].kind == 'd' {
			latest[id(i)] = i
		}
	}
	for i := int(m.start[p]); i < dirty; i++ {
		gone := false
		switch cells[i].kind {
		case 'd':
			gone = latest[id(i)] != i
		case 'a':
			gone = slices.ContainsFunc(cells[i:dirty], func(c cell) bool { return c.kind == 'x' })
		case 'n': // natives have no key here
		}
		if gone {
			cells[i].kind = '.'
			if name == "source" && !m.copies {
				name = "source was compacted before copying"
				if w.copied[place{p, int64(i)}] {
					name = "source was compacted after copying"
				}
				w.class[name] = true
				name = "source"
				continue
			}
			w.class["target is compacted"] = true
		}
	}
}

// there reports whether the source still has a record that this mover copies.
func (w *world) there(p int32, h int64) bool {
	k := w.src.cells[p][h].kind
	return h >= w.src.start[p] && (k == 'd' || k == 'a')
}

func (w *world) ready() (out []int32) {
	for p := range int32(len(w.src.cells)) {
		w.left[p] = slices.DeleteFunc(w.left[p], func(h int64) bool { return !w.there(p, h) })
		if len(w.left[p]) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// run copies at most n records. A record may overtake others of its partition
// that go elsewhere, as producers do.
func (w *world) run(r *rand.Rand, n int) {
	for ; n > 0; n-- {
		ready := w.ready()
		if len(ready) == 0 {
			return
		}
		p := ready[r.IntN(len(ready))]
		left := w.left[p]
		i := r.IntN(min(4, len(left)))
		for k := range i { // never past one to the same partition
			if w.to(p, left[k]) == w.to(p, left[i]) {
				i = k
				break
			}
		}
		h := left[i]
		q := w.to(p, h)
		if w.transactions && r.IntN(6) == 0 {
			w.tgt.cells[q] = append(w.tgt.cells[q], cell{'a', p, h}, cell{kind: 'x', from: -1})
			w.class["target has aborted copies"] = true
			continue
		}
		w.tgt.copy(q, p, h)
		if w.transactions {
			w.tgt.cells[q] = append(w.tgt.cells[q], cell{kind: 'c', from: -1})
		}
		if w.copied[place{p, h}] {
			w.twice++
		}
		w.copied[place{p, h}] = true
		w.left[p] = slices.Delete(left, i, i+1)
	}
}

// again has the mover go back on one source partition, and come back to where
// it was.
func (w *world) again(r *rand.Rand) {
	p := int32(r.IntN(len(w.src.cells)))
	top := int64(-1)
	for at := range w.copied {
		if at.partition == p {
			top = max(top, at.h)
		}
	}
	if top < 0 {
		return
	}
	from := r.Int64N(top + 1)
	w.class["in several passes"] = true
	rest := w.left
	w.left = map[int32][]int64{}
	for h := from; h <= top; h++ {
		if k := w.src.cells[p][h].kind; (k == 'd' || k == 'a' && w.aborted) && !w.dropped[place{p, h}] {
			w.left[p] = append(w.left[p], h)
		}
	}
	// What was left and lies below the restart is never copied any more, unless
	// it was on its way already.
	first := map[int32][]int64{}
	for _, h := range rest[p] {
		if h < from {
			first[p] = append(first[p], h)
		}
	}
	todo := w.left
	w.left = first
	w.run(r, 1<<20)
	w.left = todo
	if w.running {
		before := w.twice
		w.run(r, r.IntN(len(todo[p])+1))
		for len(w.ready()) > 0 && w.twice == before {
			w.run(r, 1) // until it shows that the mover has gone back
		}
		after := slices.DeleteFunc(rest[p], func(h int64) bool { return h <= top })
		rest[p] = slices.Concat(w.left[p], after)
		w.left = rest
		return
	}
	w.run(r, 1<<20)
	w.left = rest
	w.left[p] = slices.DeleteFunc(w.left[p], func(h int64) bool { return h <= top })
}

// worldClasses are what worlds are like; each has its share of the positions.
var worldClasses = []string{
	"a source partition is split", "source partitions are merged", "not finished", "in several passes",
	"source begins later", "target begins later",
	"source was compacted before copying", "source was compacted after copying", "target is compacted",
	"source has markers", "source has aborted records", "target has aborted copies",
}

// sort says what is to be said of the world as it is now.
func (w *world) sort() {
	over, of := map[int32]map[int32]bool{}, map[int32]map[int32]bool{}
	for q, cells := range w.tgt.cells {
		for _, c := range cells {
			if c.kind != 'd' {
				continue
			}
			if over[c.from] == nil {
				over[c.from] = map[int32]bool{}
			}
			if of[q] == nil {
				of[q] = map[int32]bool{}
			}
			over[c.from][q], of[q][c.from] = true, true
		}
	}
	for _, qs := range over {
		w.class["a source partition is split"] = w.class["a source partition is split"] || len(qs) > 1
	}
	for _, ps := range of {
		w.class["source partitions are merged"] = w.class["source partitions are merged"] || len(ps) > 1
	}
	w.class["not finished"] = len(w.ready()) > 0
}

func (w *world) size() (n int) {
	for _, m := range []*mixLog{w.src, w.tgt} {
		for _, cells := range m.cells {
			n += len(cells)
		}
	}
	return n
}

// String is the world as it is now.
func (w *world) String() string {
	var b strings.Builder
	row := func(name string, m *mixLog, p int32) {
		fmt.Fprintf(&b, "%s %d (from %d, compacted %v):", name, p, m.start[p], m.compacted)
		for i, c := range m.cells[p] {
			switch {
			case !m.copies || c.from < 0 || c.kind == '.':
				fmt.Fprintf(&b, " %c", c.kind)
			default:
				fmt.Fprintf(&b, " %c%d/%d", c.kind, c.from, c.h)
			}
			if c.kind == 'd' && m.compacted || c.kind == 'd' && w.tgt.compacted {
				k := w.key(p, int64(i))
				if m.copies {
					k = w.key(c.from, c.h)
				}
				fmt.Fprintf(&b, "[%s]", k)
			}
		}
		b.WriteByte('\n')
	}
	for p := range int32(len(w.src.cells)) {
		row("source", w.src, p)
	}
	for q := range int32(len(w.tgt.cells)) {
		row("target", w.tgt, q)
	}
	fmt.Fprintf(&b, "left %v dropped %v copies aborted %v\n", w.left, w.dropped, w.aborted)
	return b.String()
}
