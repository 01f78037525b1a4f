package oracle

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/translate"
)

// Damage is what is wrong with the header in which a copy names its source
// offset.
type Damage uint8

// The damages.
const (
	// Whole headers say where the copy is from.
	Whole Damage = iota
	// NoHeader: the mover has left it out, so that the record looks like one
	// that somebody else has written.
	NoHeader
	// Short ones have a byte too few, or none at all.
	Short
	// NoNumber, Negative and Foreign ones are text, a number below 0, and the
	// right number in another encoding.
	NoNumber
	Negative
	Foreign
	damageEnd
)

// damaged is the header's value of a copy.
func (h Header) damaged(s Slot) []byte {
	text := h.Encoding == translate.EncodingDecimal || h.Encoding == translate.EncodingAuto
	value := h.value(s.H)
	switch s.Damage {
	case Short:
		if text {
			return nil
		}
		return value[1:]
	case NoNumber:
		return []byte("12x4")
	case Negative:
		if text {
			return []byte("-5")
		}
		return binary.BigEndian.AppendUint64(nil, 1<<64-5)
	case Foreign:
		if text {
			return binary.BigEndian.AppendUint64(nil, uint64(s.H))
		}
		return strconv.AppendInt(nil, s.H, 10)
	case Whole, NoHeader, damageEnd:
	}
	return value
}

// damage spoils the headers of a stretch of copies, or of a few of them.
func (l *Log) damage(r *rand.Rand) {
	if len(l.Slots) == 0 {
		return
	}
	how := NoHeader
	if r.IntN(2) == 0 {
		how = Short + Damage(r.IntN(int(damageEnd-Short)))
	}
	from, n, every := r.IntN(len(l.Slots)), 1+r.IntN(4), 1
	if r.IntN(3) == 0 {
		n, every = 1+r.IntN(len(l.Slots)), 1+r.IntN(6)
	}
	for i := from; i < min(from+n*every, len(l.Slots)); i += every {
		if s := &l.Slots[i]; s.Kind == Data && s.H != Native && !s.Gone {
			s.Damage = how
		}
	}
}

// dice are thrown for what comes on top of a pair, so that pairs stay what they
// are.
func (p *Pair) dice(n int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(len(p.Source.Slots))<<32|uint64(len(p.Target.Slots)), uint64(p.Source.Base)<<16|uint64(n)))
}

// trouble adds leader epochs to some of the sources, a few of which do not tell
// of them, and in a few topics spoils headers.
func (t *TopicPair) trouble(number int, memory bool) {
	for i := range t.Pairs {
		p := &t.Pairs[i]
		r := p.dice(number)
		if i == 0 {
			t.Damaged = t.Kind == translate.KindHeader && r.IntN(8) == 0
		}
		if p.Damaged = t.Damaged; p.Damaged && r.IntN(3) > 0 {
			p.Target.damage(r)
		}
		if r.IntN(3) == 0 {
			p.Source.elect(r)
			p.Mute = memory && r.IntN(8) == 0
		}
	}
}

// headless is the pair as anybody sees it: copies without a header are no
// copies.
func (p *Pair) headless() *Pair {
	out := *p
	cloned := false
	for i := range p.Target.Slots {
		if p.Target.Slots[i].Damage != NoHeader {
			continue
		}
		if !cloned {
			out.Target, cloned = p.Target.clone(), true
		}
		out.Target.Slots[i].H = Native
	}
	return &out
}

// spoilt says whether the header at an offset is there and cannot be read.
func (l *Log) spoilt(i int) bool { return l.readable(i) && l.Slots[i].Damage > NoHeader }

// unreadable says whether an answer is a refusal that names a header that
// cannot be read: always right where there is one, as the record may be a copy
// of anything. Where the encoding is to be recognised, and some values in the
// topic do not fit it, the topic may be refused as a whole.
func (f *facts) unreadable(q Question, r *translate.Result) bool {
	if !f.p.Damaged || r.Outcome != translate.Refused || !strings.Contains(r.Detail, "header ") {
		return false
	}
	if r.Reason != translate.ReasonBadHeader {
		return r.Reason == translate.ReasonNoEvidence && !q.Given
	}
	for i := range f.tgt.Slots {
		if off := f.tgt.Base + int64(i); f.tgt.spoilt(i) && off < f.stable && strings.Contains(r.Detail, fmt.Sprintf("offset %d ", off)) {
			return true
		}
	}
	return !q.Given
}

// traits are what there is to say of a position beside its classes.
func (f *Facts) traits(p *Pair, q Question) []string {
	var out []string
	add := func(name string, is bool) {
		if is {
			out = append(out, name)
		}
	}
	missing, spoilt := false, false
	for i := range p.Target.Slots {
		missing = missing || p.Target.readable(i) && p.Target.Slots[i].Damage == NoHeader
		spoilt = spoilt || p.Target.spoilt(i)
	}
	add("copies without a header", missing)
	add("headers that cannot be read", spoilt)
	add("with a leader epoch", q.Epoch > 0 && !q.NoSource)
	add("cut away by an unclean election", f.states[0].cutAway(q))
	add("syncs of an earlier life", p.earlierSyncs())
	return out
}
