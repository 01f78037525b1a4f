package oracle

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Sync is one offset sync of MirrorMaker 2: the record at Source was copied to
// Target.
type Sync struct{ Source, Target int64 }

// ParseSyncs reads "5:7 10:12".
func ParseSyncs(s string) ([]Sync, error) {
	var out []Sync
	for word := range strings.FieldsSeq(s) {
		from, to, _ := strings.Cut(word, ":")
		source, err := strconv.ParseInt(from, 10, 64)
		target, err2 := strconv.ParseInt(to, 10, 64)
		if err := cmp.Or(err, err2); err != nil {
			return nil, fmt.Errorf("offset sync %q: %w", word, err)
		}
		out = append(out, Sync{source, target})
	}
	return out, nil
}

// FormatSyncs writes syncs as ParseSyncs reads them.
func FormatSyncs(all []Sync) string {
	words := make([]string, len(all))
	for i, s := range all {
		words[i] = fmt.Sprintf("%d:%d", s.Source, s.Target)
	}
	return strings.Join(words, " ")
}

// record is the sync as MirrorMaker 2 writes it (OffsetSync).
func (s Sync) record(of topic.Partition) (key, value []byte) {
	key = binary.BigEndian.AppendUint16(nil, uint16(len(of.Topic)))
	key = append(key, of.Topic...)
	key = binary.BigEndian.AppendUint32(key, uint32(of.Partition))
	value = binary.BigEndian.AppendUint64(nil, uint64(s.Source))
	return key, binary.BigEndian.AppendUint64(value, uint64(s.Target))
}

// syncer notes syncs as OffsetSyncWriter does: of the first record of a task,
// where an offset was passed over or has gone back, and when the last sync is
// lag target records old. What could not be sent at once waits, and a later one
// takes its place.
type syncer struct {
	on, off bool
	lag     int64
	// up and down are the offsets of the record before, last the target offset
	// of the last sync; -1 when the task has begun anew.
	up, down, last int64
	waits          *Sync
	out            []Sync
	// stale are syncs of earlier incarnations, which stand before the others,
	// beyond those that lie beyond the log.
	stale, beyond []Sync
	// thin is how many of the last syncs the cleaner has left; negative: all.
	thin int
}

// plan decides what becomes of the syncs.
func (w *syncer) plan(m *mover) {
	r := m.r
	w.on = m.s.kind == translate.KindMM2
	w.thin = -1
	w.restart()
	if m.s.kind != translate.KindMM2 && (m.s.kind != translate.KindContent || r.IntN(8) > 0) {
		return
	}
	w.lag = 1 + r.Int64N(20)
	if r.IntN(3) == 0 || !w.on {
		at := Sync{m.s.base + int64(r.IntN(20)), int64(r.IntN(20))}
		for range 1 + r.IntN(12) {
			w.stale = append(w.stale, at)
			at.Source += 1 + r.Int64N(20)
			at.Target += 1 + r.Int64N(20)
		}
	}
	if r.IntN(8) == 0 {
		w.beyond = []Sync{{m.s.base + int64(r.IntN(m.s.slots+1)), 1 << 20}}
	}
	if r.IntN(4) == 0 {
		w.thin = r.IntN(3)
	}
}

func (w *syncer) restart() { w.up, w.down, w.last, w.waits = -1, -1, -1, nil }

func (w *syncer) note(r *rand.Rand, s Sync) {
	if !w.on || w.off {
		return
	}
	due := w.last == -1 || s.Target-(w.last+1) >= w.lag || s.Source-w.up != 1 || s.Target < w.down
	w.up, w.down = s.Source, s.Target
	if due {
		w.last = s.Target
	}
	// A sync that is not due waits too, for when the task commits.
	w.waits = &s
	if due && r.IntN(4) > 0 || r.IntN(40) == 0 {
		w.out = append(w.out, s)
		w.waits = nil
	}
}

// move shifts the target offsets of what the task has noted.
func (w *syncer) move(by int64) {
	for i := range w.out {
		w.out[i].Target += by
	}
}

// left is what stands in the topic in the end.
func (w *syncer) left() []Sync {
	all := slices.Concat(w.stale, w.out)
	if w.thin >= 0 {
		all = all[max(0, len(all)-w.thin):]
	}
	return slices.Concat(all, w.beyond)
}

// earlierSyncs says whether syncs of an earlier life of the target stand
// before those of this one, and can be told by that: offsets of the target fall.
func (p *Pair) earlierSyncs() bool {
	for i := 1; i < len(p.Syncs); i++ {
		if p.Syncs[i].Target < p.Syncs[i-1].Target {
			return true
		}
	}
	return false
}

// ofEarlierLife says whether a sync was noted before offsets of the target fell
// for the last time, and not since.
func (p *Pair) ofEarlierLife(source, target int64) bool {
	for i, s := range slices.Backward(p.Syncs) {
		if s == (Sync{source, target}) {
			return false
		}
		if i > 0 && s.Target < p.Syncs[i-1].Target {
			return slices.Contains(p.Syncs[:i], Sync{source, target})
		}
	}
	return false
}
