package oracle

import (
	"math/rand/v2"

	"github.com/kferry/kferry/internal/translate"
)

// likeness is how many records of a source are alike.
type likeness uint8

const (
	// unlike: every record is the only one of its kind.
	unlike likeness = iota
	// runs: many records are like the one before.
	runs
	// periodic: records are like those a few before.
	periodic
	// few: there are a few kinds of records in all.
	few
	// sparse: now and then a record is like one before.
	sparse
	// echo: a stretch of records comes again.
	echo
	likenessEnd
)

// timing is what times the records of a source have.
type timing uint8

const (
	// apart: a second between two.
	apart timing = iota
	// dense: several in a millisecond.
	dense
	// close: several in a second.
	close1
	// equal: all the same.
	equal
	// disorder: apart, give or take some seconds.
	disorder
	timingEnd
)

// contents decides what is in the records, where that matters.
func (s *shape) contents(r *rand.Rand, pol Policies) {
	s.kind = pol.Kind
	if s.kind == translate.KindHeader || s.kind == "" {
		return
	}
	if r.IntN(weigh(pol.Kind, pol.Tame).alike) == 0 {
		s.likes = likeness(r.IntN(int(likenessEnd)))
	}
	s.times = timing(r.IntN(int(timingEnd)))
	switch s.kind {
	case translate.KindContent:
		s.filters = r.IntN(10) == 0
	case translate.KindMM2:
		s.natives, s.nativeTransactions = s.natives && r.IntN(2) == 0, s.nativeTransactions && r.IntN(2) == 0
	case translate.KindIdentity:
		s.natives, s.nativeTransactions, s.exactlyOnce, s.openTarget = false, false, false, false
		s.readsCommitted = false
	case translate.KindHeader, translate.KindAuto:
	}
	if pol.Tame && s.kind != translate.KindIdentity { // whose offsets leave no doubt
		s.early, s.filters = true, false
		if s.likes != unlike {
			s.restarts, s.windows, s.running = 0, 0, false
			s.compactSource, s.truncateSource = false, false
		}
	}
}

// contents fills in the records of the source.
func (m *mover) contents() {
	if m.s.kind == translate.KindHeader || m.s.kind == "" {
		return
	}
	t := twins{r: m.r, likes: m.s.likes, period: 1 + m.r.IntN(6), kinds: 1 + m.r.IntN(4), odds: 3 + m.r.IntN(8)}
	var data []int
	for i := range m.src.Slots {
		s := &m.src.Slots[i]
		if s.Kind != Data {
			continue
		}
		s.Time = m.time(s.H)
		if like := t.next(len(data)); like >= 0 {
			twin := m.src.Slots[data[like]]
			s.Key, s.Value = twin.Key, twin.Value
			if m.r.IntN(4) == 0 && !m.s.steady {
				s.Time = twin.Time
			}
		}
		data = append(data, i)
	}
}

// twins chooses which records are like earlier ones.
type twins struct {
	r                   *rand.Rand
	likes               likeness
	period, kinds, odds int
	// echoes is how many more records are like those back before.
	echoes, back int
}

// next is the number of the record that the n-th is like, or negative.
func (t *twins) next(n int) int {
	switch t.likes {
	case runs:
		if n > 0 && t.r.IntN(5) < 3 {
			return n - 1
		}
	case periodic:
		return n - t.period
	case few:
		if n >= t.kinds {
			return t.r.IntN(t.kinds)
		}
	case sparse:
		if n > 0 && t.r.IntN(t.odds) == 0 {
			return t.r.IntN(n)
		}
	case echo:
		if t.echoes == 0 && n > 3 && t.r.IntN(t.odds) == 0 {
			t.back = 1 + t.r.IntN(n)
			t.echoes = 1 + t.r.IntN(t.back)
		}
		if t.echoes > 0 {
			t.echoes--
			return n - t.back
		}
	case unlike, likenessEnd:
	}
	return -1
}

// time is when the record of an offset was written.
func (m *mover) time(h int64) int64 {
	switch {
	case m.s.steady || m.s.times == apart:
	case m.s.times == dense:
		return h / 3
	case m.s.times == close1:
		return h * 230
	case m.s.times == equal:
		return 5000
	case m.s.times == disorder:
		return max(0, h*tick+m.r.Int64N(10*tick)-5*tick)
	}
	return h * tick
}

// leavesOut says whether the mover filters source slot i out.
func (m *mover) leavesOut(i int) bool {
	return m.s.filters && m.src.Slots[i].Value%7 == 2
}

// replicate copies with all offsets as they are, markers too, as far as it
// has come: the copy of a mover that keeps offsets.
func (m *mover) replicate() {
	if m.s.truncateSource && m.r.IntN(3) == 0 {
		m.truncate(&m.src)
	}
	if m.s.compactSource && m.r.IntN(2) == 0 {
		m.compactSource()
	}
	end := len(m.src.Slots)
	if m.s.lags {
		end = m.r.IntN(end + 1)
	}
	m.tgt = m.src.clone()
	if m.tgt.Slots = m.tgt.Slots[:end]; end == 0 {
		m.tgt.Slots = nil
	}
	m.tgt.Start = min(m.tgt.Start, m.tgt.End())
	for i := range m.tgt.Slots {
		if s := &m.tgt.Slots[i]; s.Kind == Data && s.Gone {
			*s = Slot{H: Native, Key: Native, Value: Native, Time: Native * tick, Producer: s.Producer, Gone: true}
		}
	}
	m.high = end
}
