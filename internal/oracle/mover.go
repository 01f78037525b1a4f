package oracle

import (
	"math/rand/v2"

	"github.com/kferry/kferry/internal/translate"
)

// mover makes a pair: the source as it grows and loses records, and a copy
// made from what was there at the time.
type mover struct {
	r   *rand.Rand
	s   shape
	src Log
	tgt Log
	// fates of the source, final.
	fates  []Fate
	stable int64
	// high is the source index up to which (exclusive) anything was copied.
	high int
	// nativeOpen are the native producers in a transaction.
	nativeOpen [4]bool
	nativeKey  int64
	syncs      syncer
}

func newMover(r *rand.Rand, pol Policies) *mover {
	m := &mover{r: r, s: newShape(r, pol)}
	m.syncs.plan(m)
	return m
}

// Policies of the two topics that a pair will lie in, and of their mover.
type Policies struct {
	// SourceCompacted and TargetCompacted are the cleanup policies;
	// ConfigUnknown hides both.
	SourceCompacted, TargetCompacted, ConfigUnknown bool
	// Kind is the evidence that the mover leaves.
	Kind translate.Kind
	// Stamps is what becomes of times on the target.
	Stamps Stamps
	// Tame: as Run.Tame.
	Tame bool
	// Damaged: some copies in the topic have no header, or one that cannot be
	// read.
	Damaged bool
}

// NewPair makes a random pair for topics with the given policies.
func NewPair(r *rand.Rand, pol Policies) Pair {
	m := newMover(r, pol)
	m.makeSource()
	if m.s.early {
		m.loseEarly()
	}
	m.copyAll()
	m.finish()
	return m.pair(pol)
}

// pair is what has been made.
func (m *mover) pair(pol Policies) Pair {
	p := Pair{Policies: pol, Source: m.src, Target: m.tgt, ReadsCommitted: m.s.readsCommitted, Filters: m.s.filters, Syncs: m.syncs.left()}
	p.Classes = classify(&p)
	return p
}

// makeSource writes the whole source log, transactions and all.
func (m *mover) makeSource() {
	m.src = Log{Base: m.s.base, Start: m.s.base}
	keys := int64(0) // every key once
	if m.s.compactSource || m.s.compactTarget {
		keys = 1 + int64(m.s.slots)/(3+m.r.Int64N(6))
	}
	var open [3]bool
	closing := int(float64(m.s.slots) * 0.8)
	for len(m.src.Slots) < m.s.slots {
		producer := uint8(0)
		if m.s.transactions && m.r.IntN(3) > 0 {
			producer = uint8(1 + m.r.IntN(2))
		}
		if producer > 0 && open[producer] && m.r.IntN(2) == 0 {
			m.src.Slots = append(m.src.Slots, marker(producer, m.r.IntN(2) == 0))
			open[producer] = false
			continue
		}
		for range 1 + m.r.IntN(1+m.s.slots/8) {
			s := m.src.record(producer)
			if keys > 0 {
				s.Key = m.r.Int64N(keys)
			}
			m.src.Slots = append(m.src.Slots, s)
		}
		open[producer] = true
		if !m.s.openSource && len(m.src.Slots) > closing {
			break
		}
	}
	for p := uint8(1); p <= 2; p++ {
		if open[p] && (!m.s.openSource || m.r.IntN(4) == 0) {
			m.src.Slots = append(m.src.Slots, marker(p, m.r.IntN(2) == 0))
		}
	}
	m.contents()
	m.fates = m.src.Fates()
	m.stable = m.src.Stable(m.fates)
}

func marker(producer uint8, commit bool) Slot {
	s := Slot{Kind: Abort, Producer: producer, H: Native, Key: Native, Value: Native, Time: Native * tick}
	if commit {
		s.Kind = Commit
	}
	return s
}

// copyAll lets the mover work: a first pass, then restarts and re-copies, and
// meanwhile whatever happens to both logs.
func (m *mover) copyAll() {
	if m.s.kind == translate.KindIdentity {
		m.replicate()
		return
	}
	m.tgt = Log{}
	if m.r.IntN(3) == 0 {
		m.tgt.Base = int64(m.r.IntN(500))
		m.tgt.Start = m.tgt.Base
	}
	n := len(m.src.Slots)
	end := n
	if m.s.lags {
		end = m.r.IntN(n + 1)
	}
	first := 0
	if m.s.startsLater {
		first = m.r.IntN(n/2 + 1)
	}
	m.prefix()
	cursor := first
	for range m.s.restarts {
		cursor = m.copyRange(cursor, cursor+m.upTo(end-cursor))
		m.meanwhile()
		cursor -= m.upTo(cursor - first)
	}
	for range m.s.windows {
		cursor = m.copyRange(cursor, cursor+m.within(end-cursor))
		m.meanwhile()
		m.again(first, cursor)
		m.meanwhile()
	}
	cursor = m.copyRange(cursor, end)
	if m.s.running {
		m.meanwhile()
		m.again(first, cursor)
	}
}

// again copies part of [first, cursor) once more, and stops short of cursor.
func (m *mover) again(first, cursor int) {
	if cursor-first < 2 {
		return
	}
	from := first + m.upTo(cursor-first-2)
	to := from + max(1, m.upTo(cursor-from-2))
	m.copyRange(from, to)
}

// within is a number inside of n, rarely at its ends.
func (m *mover) within(n int) int {
	if n < 4 || m.r.IntN(6) == 0 {
		return m.upTo(n)
	}
	return 1 + m.r.IntN(n*3/4)
}

// upTo is a number from 0 to n, with the ends, one and all, more likely than
// the rest.
func (m *mover) upTo(n int) int {
	if n <= 0 {
		return 0
	}
	switch m.r.IntN(8) {
	case 0:
		return n
	case 1:
		return min(1, n)
	case 2:
		return n - 1
	default:
		return m.r.IntN(n + 1)
	}
}

// prefix writes native records before the first copy.
func (m *mover) prefix() {
	if m.s.natives && m.r.IntN(2) == 0 {
		for range m.r.IntN(20) {
			m.native(0)
		}
	}
}

// copyRange copies what is there of source slots [from, to), and returns
// where it ended: a reader of committed data stops at an open transaction.
func (m *mover) copyRange(from, to int) int {
	to = min(to, len(m.src.Slots))
	m.syncs.restart()
	chunk := 1 + m.r.IntN(25)
	for from < to {
		end := min(to, from+chunk)
		next := m.readable(from, end)
		attempts := 0
		for m.s.exactlyOnce && len(next.list) > 0 && m.r.IntN(4) == 0 && attempts < 3 {
			m.syncs.off = true
			m.send(next.list[:1+m.r.IntN(len(next.list))], 1)
			m.syncs.off = false
			m.tgt.Slots = append(m.tgt.Slots, marker(1, false))
			attempts++
		}
		if m.s.exactlyOnce {
			m.send(next.list, 1)
			if len(next.list) > 0 {
				m.tgt.Slots = append(m.tgt.Slots, marker(1, true))
			}
		} else {
			m.send(next.list, 0)
		}
		if next.stopped {
			return next.end
		}
		from = end
	}
	return from
}

// stretch is what one read of the source gives.
type stretch struct {
	list    []int
	end     int
	stopped bool
}

func (m *mover) readable(from, to int) stretch {
	var out stretch
	for i := from; i < to; i++ {
		if m.s.readsCommitted && m.src.Base+int64(i) >= m.stable {
			out.stopped, out.end = true, i
			return out
		}
		if m.src.readable(i) && (!m.s.readsCommitted || m.fates[i] != Aborted) && !m.leavesOut(i) {
			out.list = append(out.list, i)
		}
	}
	out.end = to
	return out
}

// send appends copies, with native records between them.
func (m *mover) send(list []int, producer uint8) {
	for _, i := range list {
		if m.s.natives && m.r.IntN(6) == 0 {
			m.native(0)
		}
		if m.s.nativeTransactions && m.r.IntN(4) == 0 {
			m.nativeTransaction()
		}
		s := m.src.Slots[i]
		m.syncs.note(m.r, Sync{s.H, m.tgt.End()})
		m.tgt.Slots = append(m.tgt.Slots, Slot{Producer: producer, H: s.H, Key: s.Key, Value: s.Value, Time: s.Time})
		m.high = max(m.high, i+1)
	}
}

func (m *mover) native(producer uint8) {
	m.nativeKey++
	key := m.nativeKey
	if m.r.IntN(2) == 0 {
		key = int64(m.r.IntN(5))
	}
	m.tgt.Slots = append(m.tgt.Slots, Slot{Producer: producer, H: Native, Key: key, Value: Native, Time: Native * tick})
}

// nativeTransaction goes on with somebody else's transaction on the target.
func (m *mover) nativeTransaction() {
	p := uint8(2 + m.r.IntN(2))
	if m.nativeOpen[p] && m.r.IntN(2) == 0 {
		m.tgt.Slots = append(m.tgt.Slots, marker(p, m.r.IntN(2) == 0))
		m.nativeOpen[p] = false
		return
	}
	m.native(p)
	m.nativeOpen[p] = true
}

// loseEarly is what the source loses before it is copied.
func (m *mover) loseEarly() {
	if m.s.truncateSource {
		m.truncate(&m.src)
	}
	if m.s.compactSource {
		m.compactSource()
	}
}

// meanwhile is what happens to the logs between two passes.
func (m *mover) meanwhile() {
	if m.s.compactSource && !m.s.early && m.r.IntN(2) == 0 {
		m.compactSource()
	}
	if m.s.truncateSource && !m.s.early && m.r.IntN(3) == 0 {
		m.truncate(&m.src)
	}
	if m.s.compactTarget && m.r.IntN(3) == 0 {
		m.compactTarget()
	}
}

// compactSource is what the cleaner leaves: of each key the last committed
// record below a point, no aborted data there.
func (m *mover) compactSource() {
	upTo := len(m.src.Slots) * (5 + m.r.IntN(6)) / 10
	later := map[int64]bool{}
	stable := m.src.Stable(m.fates)
	for i := upTo - 1; i >= 0; i-- {
		s := &m.src.Slots[i]
		if s.Kind != Data || m.fates[i] == Open || m.src.Base+int64(i) >= stable {
			continue
		}
		if m.fates[i] == Aborted || later[s.Key] {
			s.Gone = true
		}
		later[s.Key] = later[s.Key] || m.fates[i] != Aborted
	}
}

// compactTarget is the same on the target. A copy goes only when a copy of
// the same or of a later source record with its key stands behind it: that an
// older value, copied again, drives out a newer one is a loss that no position
// can mend, and not part of this game.
func (m *mover) compactTarget() {
	upTo := len(m.tgt.Slots) * (5 + m.r.IntN(6)) / 10
	fates := m.tgt.Fates()
	stable := m.tgt.Stable(fates)
	type key struct {
		native bool
		key    int64
	}
	later := map[key]int64{}
	for i := upTo - 1; i >= 0; i-- {
		s := &m.tgt.Slots[i]
		if s.Kind != Data || fates[i] == Open || m.tgt.Base+int64(i) >= stable {
			continue
		}
		if fates[i] == Aborted {
			s.Gone = true
			continue
		}
		k := key{s.H == Native, s.Key}
		if h, ok := later[k]; ok && h >= s.H {
			s.Gone = true
		} else {
			later[k] = s.H
		}
	}
}

// truncate moves a log's start somewhere into its first third or, now and
// then, anywhere.
func (m *mover) truncate(l *Log) {
	n := len(l.Slots)
	if m.r.IntN(5) > 0 {
		n /= 3
	}
	l.Start = max(l.Start, l.Base+int64(m.r.IntN(n+1)))
}

// finish ends or leaves open what is open, and lets time go by.
func (m *mover) finish() {
	for p := uint8(2); p <= 3; p++ {
		if m.nativeOpen[p] && (!m.s.openTarget || m.s.exactlyOnce) {
			m.tgt.Slots = append(m.tgt.Slots, marker(p, m.r.IntN(2) == 0))
			m.nativeOpen[p] = false
		}
	}
	if m.s.natives && m.r.IntN(2) == 0 {
		for range m.r.IntN(10) {
			m.native(0)
		}
	}
	if m.s.openTarget {
		m.leaveOpen()
	}
	if m.s.compactSource && !m.s.early {
		m.compactSource()
	}
	if m.s.compactTarget {
		m.compactTarget()
	}
	if m.s.truncateSource && !m.s.early {
		m.truncate(&m.src)
	}
	if m.s.truncateTarget {
		m.truncate(&m.tgt)
	}
}

// leaveOpen leaves the target's last stable offset below its end: the mover's
// own next transaction, or the last native one that has been ended.
func (m *mover) leaveOpen() {
	if m.s.exactlyOnce {
		m.syncs.off = true
		more := m.readable(m.high, min(len(m.src.Slots), m.high+1+m.r.IntN(10)))
		m.send(more.list, 1)
		return
	}
	for p := uint8(2); p <= 3; p++ {
		if m.nativeOpen[p] {
			return
		}
	}
	m.native(2)
}
