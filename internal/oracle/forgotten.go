package oracle

import "slices"

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
