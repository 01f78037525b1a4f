package translate

import (
	"context"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// mixture is every copy of a target partition from the first one on that some
// position wants: what the definition of T asks for when a source partition was
// copied in several passes.
type mixture struct {
	copies []mixed
	before int64 // 1 + the last copy before them
}

// mixed is one copy; from is -1 for an aborted one.
type mixed struct {
	pos, h int64
	from   int32
}

func (s *sink) readMixture(ctx context.Context) (*mixture, error) {
	if s.wanted < 0 {
		return &mixture{before: s.after}, nil
	}
	m := &mixture{before: s.before}
	for st := s.side.stream(s.wanted, s.side.limit); ; {
		e, err := st.data(ctx)
		if err != nil || e == nil {
			return m, err
		}
		from, ok, err := s.t.origin(&e.Record)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if len(m.copies)%reserve == 0 && !s.t.spend(reserve) {
			return nil, &tooManyError{s.t.opt.MaxStretches}
		}
		c := mixed{pos: e.Offset, h: from.h, from: from.partition}
		if e.Kind == batch.AbortedData {
			c.from = -1
		}
		m.copies = append(m.copies, c)
	}
}

// stand is a range of places at which reading may begin: before copy i for each
// i in [first, last].
type stand struct{ first, last int }

// combine is sink.combine by the definition: T is the greatest place from which
// the first copies of every source partition come in order and none is missing.
func (m *mixture) combine(at map[int32]At) (t, repeats int64, none, ok bool) {
	var all [][]stand
	distinct := int64(0)
	for p, a := range at {
		stands, wanted := m.stands(p, a.Offset)
		distinct += wanted
		if wanted > 0 {
			all = append(all, stands)
		}
	}
	if len(all) == 0 {
		return m.place(len(m.copies)), 0, true, true
	}
	best := -1
	for _, stands := range all {
		for _, c := range stands {
			if c.last > best && !slices.ContainsFunc(all, func(other []stand) bool {
				return !slices.ContainsFunc(other, func(o stand) bool { return o.first <= c.last && c.last <= o.last })
			}) {
				best = c.last
			}
		}
	}
	if best < 0 {
		return 0, 0, false, false
	}
	for _, c := range m.copies[best:] {
		if _, has := at[c.from]; has && c.from >= 0 {
			repeats++
		}
	}
	return m.place(best), repeats - distinct, false, true
}

// place is the offset of reading from copy i on: 1 + the last copy before it.
func (m *mixture) place(i int) int64 {
	if i == 0 {
		return m.before
	}
	return m.copies[i-1].pos + 1
}

// stands are the places from which the copies of partition p at or above s are
// met, the first of each in order; wanted is the number of distinct ones.
func (m *mixture) stands(p int32, s int64) (out []stand, wanted int64) {
	var offsets []int64
	var at []int
	for i, c := range m.copies {
		if c.from == p && c.h >= s {
			offsets, at = append(offsets, c.h), append(at, i)
		}
	}
	if len(at) == 0 {
		return nil, 0
	}
	want := slices.Clone(offsets)
	slices.Sort(want)
	want = slices.Compact(want)
	// From the last one backwards: what comes first must be the lowest.
	for k, i := range slices.Backward(at) {
		if offsets[k] != want[0] || !inOrder(offsets[k:], want) {
			continue
		}
		first := 0
		if k > 0 {
			first = at[k-1] + 1
		}
		out = append(out, stand{first, i})
	}
	return out, int64(len(want))
}

// inOrder reports whether the first of each of the wanted offsets come in order
// and none is missing.
func inOrder(offsets, want []int64) bool {
	next := 0
	for _, h := range offsets {
		switch {
		case next < len(want) && h == want[next]:
			next++
		case next < len(want) && h > want[next]:
			return false
		}
	}
	return next == len(want)
}
