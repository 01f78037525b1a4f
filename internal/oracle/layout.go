package oracle

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/translate"
)

// Header is how the copies of one topic name their source offset.
type Header struct {
	Name     string
	Encoding translate.Encoding
	// First puts it before the record's own headers, as few movers do.
	First bool
	// Also is the name of a further header that the mover adds, with the same
	// value everywhere; "" is none. A mover that adds no header has no Name.
	Also string
	// Stamps is what becomes of the times of copies.
	Stamps Stamps
}

// value is the header's value for source offset h.
func (h Header) value(offset int64) []byte {
	switch h.Encoding {
	case translate.EncodingBig:
		return binary.BigEndian.AppendUint64(nil, uint64(offset))
	case translate.EncodingLittle:
		return binary.LittleEndian.AppendUint64(nil, uint64(offset))
	case translate.EncodingBig32:
		return binary.BigEndian.AppendUint32(nil, uint32(offset))
	case translate.EncodingDecimal, translate.EncodingAuto:
	}
	return strconv.AppendInt(nil, offset, 10)
}

// span is one batch of a log, before it is encoded.
type span struct {
	// base and last are the first and last offset that the batch covers.
	base, last int64
	records    []batch.Record
	producer   uint8
	marker     bool
	commit     bool
	codec      batch.Codec
	appendTime bool
	epoch      int32
}

// Bytes encodes the batch. With contiguous the header declares as many records
// as the batch covers offsets, and the first offset is 0: so the in-process
// broker takes it. sequence is used when producer is not 0.
func (s *span) bytes(contiguous bool, producerID int64, epoch int16, sequence int32) ([]byte, error) {
	o := batch.EncodeOptions{
		Codec: s.codec, BaseOffset: s.base, KeepOffsets: true, LastOffsetDelta: int32(s.last - s.base),
		Transactional: s.producer != 0, Control: s.marker,
		ProducerID: producerID, ProducerEpoch: epoch, BaseSequence: sequence, AppendTime: s.appendTime,
	}
	records := s.records
	if contiguous {
		o.BaseOffset, o.DeclaredCount = 0, int32(s.last-s.base+1)
		records = make([]batch.Record, len(s.records))
		for i, r := range s.records {
			r.Offset -= s.base
			records[i] = r
		}
	}
	if s.marker {
		r := batch.MarkerRecord(s.commit, stampOf(s.base))
		r.Offset = s.base
		records, o.BaseSequence = []batch.Record{r}, -1
	}
	raw, err := batch.Encode(records, o)
	if err != nil {
		return nil, fmt.Errorf("encoding the batch of offsets %d to %d: %w", s.base, s.last, err)
	}
	return raw, nil
}

// layout cuts a log into batches of 1 to 50 slots. A batch ends at borders
// too, of which arriving slots begin one.
func layout(l *Log, r *rand.Rand, h *Header, late int) []span {
	var out []span
	border := len(l.Slots) - late
	size := 1 + r.IntN(50)
	for i := 0; i < len(l.Slots); {
		first := l.Slots[i]
		s := span{base: l.Base + int64(i), producer: first.Producer, epoch: first.Epoch, appendTime: h != nil && h.Stamps == Appended}
		if first.Kind != Data {
			s.last, s.marker, s.commit = s.base, true, first.Kind == Commit
			out = append(out, s)
			i++
			continue
		}
		n := 1 + r.IntN(size)
		for range n {
			slot := l.Slots[i]
			if !slot.Gone {
				s.records = append(s.records, record(slot, l.Base+int64(i), h))
			}
			i++
			if i == border || i == len(l.Slots) || l.Slots[i].Kind != Data || l.Slots[i].Producer != first.Producer || l.Slots[i].Epoch != first.Epoch {
				break
			}
		}
		s.last = l.Base + int64(i) - 1
		if s.appendTime && len(s.records) > 0 {
			for j := range s.records { // the batch has one time
				s.records[j].Timestamp = s.records[len(s.records)-1].Timestamp
			}
		}
		if r.IntN(16) == 0 {
			s.codec = []batch.Codec{batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd}[r.IntN(4)]
		}
		out = append(out, s)
	}
	return out
}

func stampOf(offset int64) int64 { return 1_700_000_000_000 + offset*1000 }

// keyOf is the key of a slot's record. Copies and native records share none.
func keyOf(s Slot) []byte {
	if s.H == Native {
		return fmt.Appendf(nil, "n%d", s.Key)
	}
	return fmt.Appendf(nil, "k%d", s.Key)
}

// record is the content of a slot. h is nil on the source, whose record of
// the same offset has the same content but for what the mover adds.
func record(s Slot, offset int64, h *Header) batch.Record {
	r := batch.Record{Offset: offset}
	r.Key = keyOf(s)
	if s.H == Native {
		r.Timestamp = stampOf(offset)
		r.Value = fmt.Appendf(nil, "native %d", offset)
		return r
	}
	r.Timestamp = stampOf(0) + s.Time
	if s.Value%17 != 3 {
		r.Value = fmt.Appendf(nil, "value %d", s.Value)
	}
	if s.Value%5 == 0 {
		r.Headers = append(r.Headers, batch.RecordHeader{Key: "trace", Value: []byte{byte(s.Value)}})
	}
	if h == nil {
		return r
	}
	switch h.Stamps {
	case Kept:
	case Seconds:
		r.Timestamp -= s.Time % 1000
	case Appended:
		r.Timestamp = appendedAt(offset)
	}
	if h.Also != "" {
		r.Headers = append(r.Headers, batch.RecordHeader{Key: h.Also, Value: []byte("west")})
	}
	if h.Name == "" || s.Damage == NoHeader {
		return r
	}
	own := batch.RecordHeader{Key: h.Name, Value: h.damaged(s)}
	if h.First {
		r.Headers = append([]batch.RecordHeader{own}, r.Headers...)
	} else {
		r.Headers = append(r.Headers, own)
	}
	return r
}

// appendedAt is when a broker that stamps records itself took one.
func appendedAt(offset int64) int64 { return stampOf(0) + 2_000_000_000 + offset/8*40 }
