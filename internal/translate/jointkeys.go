package translate

import (
	"encoding/binary"
	"sync"
)

// keptKeys is how many keys of a compacted topic are remembered at most.
const keptKeys = 1 << 16

// keyOwners remembers of which source partition the records of a key are on a
// compacted target, and in which of its partitions: the cleaner takes a record
// when one of another source partition with its key comes later, and only in its
// own target partition. With more keys than are kept a share of
// them is, chosen by the key itself. It is safe for concurrent use.
type keyOwners struct {
	mu    sync.Mutex
	of    map[uint64]keyPlace
	shift uint // only keys with so many zero bits at their end are kept
	// spread: records of one key are on several target partitions, so that one of
	// them does not show that the cleaner took an earlier one.
	spread bool
}

// keyPlace is the last copy of a key: from which source partition, and where it
// stands. The target is several when copies are on more than one.
type keyPlace struct {
	source, target int32
	pos            int64
}

const several = int32(-2)

func hashKey(key []byte) uint64 {
	fp := fingerKey(key)
	return binary.BigEndian.Uint64(fp[:])
}

func (k *keyOwners) keeps(h uint64) bool { return h&(1<<k.shift-1) == 0 }

// add notes that a copy has the key.
func (k *keyOwners) add(key []byte, at keyPlace) {
	h := hashKey(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.keeps(h) {
		return
	}
	if p, ok := k.of[h]; ok {
		if p.target != at.target {
			k.spread, at.target = true, several
		}
		if p.target == at.target && p.pos > at.pos {
			return
		}
		k.of[h] = at
		return
	}
	if k.of == nil {
		k.of = map[uint64]keyPlace{}
	}
	k.of[h] = at
	for len(k.of) > keptKeys {
		k.shift++
		for h := range k.of {
			if !k.keeps(h) {
				delete(k.of, h)
			}
		}
	}
}

// last is the last copy of a key, if it is known.
func (k *keyOwners) last(key []byte) (keyPlace, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.of[hashKey(key)]
	return p, ok
}

// taken reports whether a copy of the next record of f may have stood on the
// target until one of another source partition came with its key.
func (f *feeder) taken(key []byte) bool {
	if key == nil {
		return false
	}
	at, ok := f.t.keys.last(key)
	if !ok || at.target == several {
		return ok
	}
	if at.source == f.side.part.Partition {
		return false
	}
	for _, s := range f.t.sinks {
		if fl := s.flows[f.side.part.Partition]; fl != nil && s.side.part.Partition == at.target {
			return at.pos > fl.last.pos
		}
	}
	return true
}
