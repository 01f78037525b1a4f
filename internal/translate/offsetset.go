package translate

// offsetSet is a set of source offsets: a bit per offset in pages, and pages in
// which every bit is set take no memory. It is not safe for concurrent use.
type offsetSet struct {
	pages map[int64]*offsetPage // nil: full
	// spend takes memory of n stretches from the budget; false when none is
	// left.
	spend func(n int) bool
	// low is the offset below which nothing is kept any more.
	low int64
	// floor is what low may be raised to when memory is short.
	floor int64
	// blind: there was no memory for all of it, so that what is not in the set
	// may have been added all the same.
	blind bool
}

// pageOffsets is how many offsets a page has.
const pageOffsets = 1 << 16

type offsetPage struct {
	bits [pageOffsets / 64]uint64
	n    int
}

// pageStretches is what a page costs, in stretches of 24 bytes.
const pageStretches = pageOffsets / 8 / 24

func newOffsetSet(floor int64, spend func(n int) bool) *offsetSet {
	return &offsetSet{pages: map[int64]*offsetPage{}, spend: spend, floor: floor}
}

func (s *offsetSet) add(h int64) {
	if h < s.low || s.blind {
		return
	}
	at := h / pageOffsets
	p, ok := s.pages[at]
	if ok && p == nil {
		return
	}
	if !ok {
		if !s.room() {
			return
		}
		if h < s.low {
			return
		}
		p = new(offsetPage)
		s.pages[at] = p
	}
	word, bit := h%pageOffsets/64, uint64(1)<<(h%64)
	if p.bits[word]&bit != 0 {
		return
	}
	p.bits[word] |= bit
	if p.n++; p.n == pageOffsets {
		s.pages[at] = nil
		s.spend(-pageStretches)
	}
}

// room takes memory for a page. When none is left, what lies below the floor is
// forgotten first.
func (s *offsetSet) room() bool {
	if s.spend(pageStretches) {
		return true
	}
	if s.low < s.floor {
		s.low = s.floor
		for at, p := range s.pages {
			if (at+1)*pageOffsets > s.low {
				continue
			}
			if p != nil {
				s.spend(-pageStretches)
			}
			delete(s.pages, at)
		}
		if s.spend(pageStretches) {
			return true
		}
	}
	s.blind = true
	return false
}

// has reports whether h was added; known is false where that is not known.
func (s *offsetSet) has(h int64) (in, known bool) {
	if p, ok := s.pages[h/pageOffsets]; ok && h >= s.low {
		if p == nil || p.bits[h%pageOffsets/64]&(1<<(h%64)) != 0 {
			return true, true
		}
	}
	return false, h >= s.low && !s.blind
}
