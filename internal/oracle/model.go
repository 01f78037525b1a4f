package oracle

// SlotKind says what stands, or stood, at one offset of a log.
type SlotKind uint8

// The kinds of slots.
const (
	// Data is a record.
	Data SlotKind = iota
	// Commit and Abort are transaction markers of Slot.Producer.
	Commit
	Abort
)

// Native is the H of records that are no copies.
const Native int64 = -1

// Slot is one offset of a log.
type Slot struct {
	Kind SlotKind
	// Producer numbers the transactional producer, from 1; 0 is none.
	Producer uint8
	// Gone says that compaction has removed the record.
	Gone bool
	// H is the source offset of a copy, or Native. On the source it is the
	// slot's own offset.
	H int64
	// Key numbers the record's key.
	Key int64
	// Value numbers what else is in the record; two of one key and value are
	// alike. On the source it is mostly the slot's own offset.
	Value int64
	// Time is the record's time, in milliseconds after all that this package
	// writes; on the target that of the source record. Mostly a second each.
	Time int64
	// Epoch is the leader epoch that a source record was written in; 0 where
	// the log has none.
	Epoch int32
	// Damage is what is wrong with the header of a copy.
	Damage Damage
}

// Stamps is what the target topic makes of the times of copies.
type Stamps uint8

// The ways of times.
const (
	// Kept times are those of the source records.
	Kept Stamps = iota
	// Seconds: the mover cuts them to seconds.
	Seconds
	// Appended: message.timestamp.type is LogAppendTime.
	Appended
)

// tick is the time between two records where nothing else is said.
const tick = 1000

// Fate is what became of a record's transaction.
type Fate uint8

// The fates.
const (
	// Plain records were written outside a transaction.
	Plain Fate = iota
	// Committed and Aborted transactions have their marker.
	Committed
	Aborted
	// Open transactions have none yet.
	Open
)

// Log is one partition: Slots[i] stands at offset Base+i.
type Log struct {
	// Base is the offset of the first slot; below it there never was anything
	// that matters.
	Base int64
	// Start is the log start offset: what lies below was deleted by retention.
	Start int64
	Slots []Slot
}

// End is the high watermark.
func (l *Log) End() int64 { return l.Base + int64(len(l.Slots)) }

// Fates says for every slot what became of its transaction.
func (l *Log) Fates() []Fate {
	fates := make([]Fate, len(l.Slots))
	var next [256]Fate // of a record met now, going backwards
	for i := range next {
		next[i] = Open
	}
	next[0] = Plain
	for i := len(l.Slots) - 1; i >= 0; i-- {
		s := &l.Slots[i]
		switch s.Kind {
		case Commit:
			next[s.Producer] = Committed
		case Abort:
			next[s.Producer] = Aborted
		case Data:
			fates[i] = next[s.Producer]
		}
	}
	return fates
}

// Stable is the last stable offset: the first record of an open transaction,
// or the end.
func (l *Log) Stable(fates []Fate) int64 {
	for i, f := range fates {
		if f == Open && l.Slots[i].Kind == Data {
			return max(l.Base+int64(i), l.Start)
		}
	}
	return l.End()
}

// readable says whether a reader finds the record of slot i.
func (l *Log) readable(i int) bool {
	s := &l.Slots[i]
	return s.Kind == Data && !s.Gone && l.Base+int64(i) >= l.Start
}

// record makes a plain record of the log's next offset.
func (l *Log) record(producer uint8) Slot {
	h := l.End()
	return Slot{Producer: producer, H: h, Key: h, Value: h, Time: h * tick}
}

// move shifts a copy or source slot by n offsets, and what is named after it.
func (s *Slot) move(n int64) {
	if s.Key == s.H {
		s.Key += n
	}
	if s.Value == s.H {
		s.Value += n
	}
	if s.Time == s.H*tick {
		s.Time += n * tick
	}
	s.H += n
}

// clone copies the log, so that a change does not show elsewhere.
func (l *Log) clone() Log {
	c := *l
	c.Slots = append([]Slot(nil), l.Slots...)
	return c
}
