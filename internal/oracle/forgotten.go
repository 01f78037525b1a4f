package oracle

import (
	"math/rand/v2"
	"slices"
)

// What an observer makes of a record of the target.
const (
	noRecord uint8 = iota // none that a consumer meets, or one that is surely no copy
	known                 // the source has one like it
	unknown               // it may be a copy of one that the source has forgotten
)

// forgets says whether the source may have lost records, as far as anybody can
// see.
func (f *facts) forgets() bool { return f.p.SourceCompacted || f.p.ConfigUnknown || f.src.Start > 0 }

// unknown says it of every slot of the target.
func (f *facts) unknown() []uint8 {
	if f.unknowns != nil {
		return f.unknowns
	}
	seen := map[sight]bool{}
	for i := range f.src.Slots {
		if f.src.readable(i) {
			seen[f.see(&f.src.Slots[i])] = true
		}
	}
	forgets := f.forgets()
	f.unknowns = make([]uint8, len(f.tgt.Slots))
	for i := range f.tgt.Slots {
		t, off := &f.tgt.Slots[i], f.tgt.Base+int64(i)
		switch {
		case !f.tgt.readable(i) || off >= f.stable || f.fate(i) == Aborted || t.H == Native && !forgets:
		case t.H == Native || !seen[f.see(t)]:
			f.unknowns[i] = unknown
		default:
			f.unknowns[i] = known
		}
	}
	return f.unknowns
}

// forgotten says whether, at a place where copies of records below s and at or
// above it meet, stands a record without an equal on the source, which may
// have forgotten it.
func (f *facts) forgotten(s int64) bool {
	open, last := false, -1
	for i, what := range f.unknown() {
		if what == unknown {
			open = true
		}
		if what != known {
			continue
		}
		side := 0
		if f.tgt.Slots[i].H >= s {
			side = 1
		}
		if open && (last < 0 || side != last) {
			return true
		}
		open, last = false, side
	}
	return open
}

// forgottenAt says the same of the records next to t.
func (f *facts) forgottenAt(t int64) bool {
	all := f.unknown()
	at := int(min(max(t-f.tgt.Base, 0), int64(len(all))))
	for _, what := range all[at:] {
		if what != noRecord {
			if what == unknown {
				return true
			}
			break
		}
	}
	for _, what := range slices.Backward(all[:at]) {
		if what != noRecord {
			return what == unknown
		}
	}
	return false
}

// straighter are some other histories in which the copies of what the source
// has forgotten, of which nobody can tell which they are, are of other offsets
// that it has forgotten, with the least going back and forth, if that is less
// than there was.
func (f *facts) straighter() []*facts {
	w := newWeb(f)
	var free []int64
	for i := range f.src.Slots {
		if s := &f.src.Slots[i]; !f.src.readable(i) && (s.Kind == Data || f.src.Base+int64(i) < f.src.Start) {
			free = append(free, f.src.Base+int64(i))
		}
	}
	for i, what := range f.unknown() {
		if what == unknown && f.tgt.Slots[i].H != Native {
			at, _ := slices.BinarySearch(w.slots, i)
			w.slots, w.could = slices.Insert(w.slots, at, i), slices.Insert(w.could, at, free)
		}
	}
	truth, _ := w.truth()
	if len(w.slots) == 0 || len(w.could[0]) == 0 || w.work() > enough {
		return nil
	}
	rest := w.rest()
	least := slices.Min(rest[0])
	if least >= truth {
		return nil
	}
	return w.imagine(rand.New(rand.NewPCG(uint64(len(w.slots)), uint64(len(free)))), f.p, rest, least)
}
