package translate

import (
	"context"

	"github.com/kferry/kferry/internal/batch"
)

// reading is what was found between the lowest T and the end.
type reading struct {
	// drop: h fell, so the copy was made in more than one pass.
	drop bool
	// lastGap is the greatest committed source offset that is missing on the
	// target without being explained; -1 if none is.
	lastGap int64
	// abortedCopies are copies in aborted transactions of the target,
	// abortedValid aborted source records whose copies are valid.
	abortedCopies, abortedValid int64
	others                      int64 // records of the target that are no copies
	// hidden: there are holes of which the source cannot show that they always
	// were holes, as it is compacted or has lost them to retention. A copy of
	// such a record may stand before T.
	hidden bool
	// least is the least timestamp read on either side; -1 if none was.
	least          int64
	target, source int64 // records read
	compared       int   // pairs whose content was compared
}

// comparePairs is how many pairs of source record and copy are compared by
// content while reading: enough to notice a copy of another incarnation.
const comparePairs = 64

// readThrough reads the headers from the lowest T to the last copy and the
// source offsets from the lowest S on, side by side, and sets the T of every
// ask on the way. Memory does not grow with the lag, but for the keys of
// records that a compacted target seems to have dropped.
func (s *solver) readThrough(ctx context.Context, asks []*ask) (reading, error) {
	m := &merge{s: s, asks: asks, low: asks[0].s, prev: -1, lastAborted: -1, pending: map[[16]byte][]int64{}}
	m.r.lastGap, m.r.least = -1, -1
	m.after = asks[0].res.T
	m.expect = asks[0].s
	tgt := s.tr.follow(asks[0].res.T, s.end.pos+1)
	if s.src != nil {
		m.src = s.src.stream(asks[0].s, s.end.h+1)
		if err := m.advance(ctx); err != nil {
			return m.r, err
		}
	}
	for !m.r.drop {
		e, err := tgt.next(ctx)
		if err != nil {
			return m.r, err
		}
		if e == nil {
			break
		}
		if err := m.take(ctx, e); err != nil {
			return m.r, err
		}
	}
	m.finish()
	m.r.target = tgt.count()
	if m.src != nil {
		m.r.source = m.src.read
	}
	return m.r, nil
}

// merge walks target and source in step.
type merge struct {
	s     *solver
	asks  []*ask // those without their final T, lowest S first
	r     reading
	low   int64 // the lowest position asked for, below which no copy may come
	src   *stream
	here  *batch.Entry // the source's next record, nil at its end
	prev  int64        // h of the last copy
	after int64        // 1 + the last copy, committed or aborted
	// expect is the next source offset if there were no holes.
	expect int64

	lastAborted int64 // greatest aborted or undecided source offset without a copy
	copiesAll   bool  // an aborted or undecided source record has a copy
	// pending are missing source records by key: a later record of the same
	// key on a compacted target explains them.
	pending map[[16]byte][]int64
	held    int
}

func (m *merge) advance(ctx context.Context) (err error) {
	if m.here, err = m.src.data(ctx); m.here != nil {
		m.r.stamp(m.here.Timestamp)
	}
	return err
}

func (r *reading) stamp(ms int64) {
	if r.least < 0 || ms < r.least {
		r.least = ms
	}
}

// take looks at one record of the target.
func (m *merge) take(ctx context.Context, e *traced) error {
	h, ok := e.h, e.copy()
	if e.Kind == batch.AbortedData {
		if ok {
			m.r.abortedCopies++
			m.after = e.Offset + 1
		}
		return nil
	}
	if !ok {
		if !e.maybe {
			m.explain(e.Key)
		}
		m.r.others++
		return m.s.keepDoubt(e, m.after)
	}
	m.r.drop = m.r.drop || e.loose // a pass may begin here
	if h <= m.prev || e.most < m.low {
		m.r.drop = true
		return nil
	}
	if err := m.s.keepDoubt(e, m.after); err != nil {
		return err
	}
	// Where it is open what it is a copy of, T is on the safe side.
	for len(m.asks) > 0 && m.asks[0].s <= e.most {
		m.asks[0].res.T = m.after
		m.asks = m.asks[1:]
	}
	m.prev, m.after = h, e.Offset+1
	m.r.stamp(e.Timestamp)
	hole := h != m.expect
	m.r.hidden = m.r.hidden || hole && m.forgets()
	if hole && m.src == nil {
		m.r.lastGap = h - 1
	}
	m.expect = h + 1
	if m.src == nil {
		return nil
	}
	err := m.match(ctx, h, e.Entry)
	m.explain(e.Key)
	return err
}

// forgets reports whether the source may have had records at expect or above
// that it does not have any more.
func (m *merge) forgets() bool {
	cfg := m.s.req.SourceTopic.Config
	return m.src == nil || !cfg.Known || cfg.Compacted || m.expect < m.s.src.bounds.Start
}

// match brings the source up to h.
func (m *merge) match(ctx context.Context, h int64, e *batch.Entry) error {
	for m.here != nil && m.here.Offset < h {
		m.miss()
		if err := m.advance(ctx); err != nil {
			return err
		}
	}
	if m.here == nil || m.here.Offset != h {
		return nil // the source has lost it since: compaction
	}
	if m.here.Kind == batch.AbortedData {
		m.r.abortedValid++
	}
	m.copiesAll = m.copiesAll || m.here.Kind == batch.AbortedData || m.src.undecided(m.here)
	if m.r.compared < comparePairs {
		m.r.compared++
		if m.s.differ(m.here, e) {
			return &contentError{source: m.here.Offset, target: e.Offset}
		}
	}
	return m.advance(ctx)
}

// miss notes that the source's record has no copy after T.
func (m *merge) miss() {
	e := m.here
	if e.Kind == batch.AbortedData || m.src.undecided(e) {
		m.lastAborted = e.Offset
		return
	}
	if m.s.req.TargetTopic.Config.Compacted && e.Key != nil && m.s.afford(keyStretches*m.held) {
		key := fingerKey(e.Key)
		m.pending[key] = append(m.pending[key], e.Offset)
		m.held++
		return
	}
	m.r.lastGap = e.Offset
}

// explain forgets missing records that a later record of their key explains. (A
// copy of what the source has forgotten is none: what compaction has left there
// of a key is later than all that it took.)
func (m *merge) explain(key []byte) {
	if len(m.pending) == 0 || key == nil {
		return
	}
	k := fingerKey(key)
	if n := len(m.pending[k]); n > 0 {
		m.held -= n
		delete(m.pending, k)
		// Compaction explains why they are not behind T; an earlier pass that
		// was not cleaned yet may have them all the same.
		m.r.hidden = true
	}
}

func (m *merge) finish() {
	for _, offsets := range m.pending {
		m.r.lastGap = max(m.r.lastGap, offsets[len(offsets)-1])
	}
	// A mover that copied some aborted records copies them all.
	if m.copiesAll {
		m.r.lastGap = max(m.r.lastGap, m.lastAborted)
	}
}

func fingerKey(key []byte) [16]byte { return batch.Fingerprint(key, nil, nil, nil) }
