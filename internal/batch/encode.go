package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// EncodeOptions says how Encode makes a batch. The zero value makes a plain,
// uncompressed one that a producer can send.
type EncodeOptions struct {
	Codec Codec
	// BaseOffset is the first offset; a produced batch must have 0.
	BaseOffset int64
	// KeepOffsets takes each record's own Offset, which must rise and not lie
	// below BaseOffset. Otherwise the records are numbered from BaseOffset on.
	KeepOffsets bool
	// LastOffsetDelta, when above that of the last record, lets the batch end
	// with a hole.
	LastOffsetDelta int32
	// DeclaredCount, when above the number of records, is what the header says
	// instead. Kafka refuses to take such a batch; the in-process test broker
	// takes it, and wants LastOffsetDelta+1 here: so tests make holes.
	DeclaredCount int32
	// ProducerID, ProducerEpoch and BaseSequence are written when the batch is
	// Idempotent, Transactional or Control, or when ProducerID is not 0; else
	// -1, the mark of a plain producer, stands there.
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
	Idempotent    bool
	Transactional bool
	Control       bool
	// AppendTime sets the LogAppendTime bit: every record then counts as
	// having MaxTimestamp. Brokers set it, producers must not.
	AppendTime bool
	// MaxTimestamp in milliseconds, when above that of the records.
	MaxTimestamp int64
}

// Encode makes one v2 batch with leader epoch -1 and a right checksum.
func Encode(records []Record, o EncodeOptions) ([]byte, error) {
	h, body, err := o.body(records)
	if err != nil {
		return nil, fmt.Errorf("encoding %d records: %w", len(records), err)
	}
	body, err = compress(body, o.Codec)
	if err != nil {
		return nil, fmt.Errorf("encoding %d records: %w", len(records), err)
	}
	if len(body) > math.MaxInt32-headerSize {
		return nil, fmt.Errorf("encoding %d records: %d bytes do not fit into one batch", len(records), len(body))
	}
	h.Length = int32(len(body) + headerSize - frameSize)
	out := make([]byte, 0, headerSize+len(body))
	out = appendHeader(out, h)
	out = append(out, body...)
	seal(out)
	return out, nil
}

// body encodes the records and fills the header but for length and checksum.
func (o EncodeOptions) body(records []Record) (Header, []byte, error) {
	h := Header{
		BaseOffset: o.BaseOffset, LeaderEpoch: -1, Magic: 2, Attributes: o.attributes(),
		FirstTimestamp: -1, MaxTimestamp: -1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1,
	}
	if o.Idempotent || o.Transactional || o.Control || o.ProducerID != 0 {
		h.ProducerID, h.ProducerEpoch, h.BaseSequence = o.ProducerID, o.ProducerEpoch, o.BaseSequence
	}
	var body, one []byte
	last := int64(-1)
	for i, r := range records {
		delta := int64(i)
		if o.KeepOffsets {
			delta = r.Offset - o.BaseOffset
		}
		if delta <= last || delta > math.MaxInt32 {
			return h, nil, fmt.Errorf("record %d of offset %d cannot follow offset %d", i, r.Offset, o.BaseOffset+last)
		}
		last = delta
		if i == 0 {
			h.FirstTimestamp = r.Timestamp
		}
		h.MaxTimestamp = max(h.MaxTimestamp, r.Timestamp)
		one = appendRecord(one[:0], r, r.Timestamp-h.FirstTimestamp, delta)
		body = binary.AppendVarint(body, int64(len(one)))
		body = append(body, one...)
	}
	if o.BaseOffset < 0 || len(records) > math.MaxInt32 {
		return h, nil, errors.New("the offsets are out of range")
	}
	h.MaxTimestamp = max(h.MaxTimestamp, o.MaxTimestamp)
	h.LastOffsetDelta = max(int32(last), o.LastOffsetDelta, 0)
	h.Count = max(int32(len(records)), o.DeclaredCount)
	return h, body, nil
}

func (o EncodeOptions) attributes() int16 {
	a := int16(o.Codec) & attrCodec
	if o.AppendTime {
		a |= attrAppendTime
	}
	if o.Transactional {
		a |= attrTransactional
	}
	if o.Control {
		a |= attrControl
	}
	return a
}

// appendRecord appends a v2 record without its length (DefaultRecord).
func appendRecord(dst []byte, r Record, stamp, delta int64) []byte {
	dst = append(dst, 0) // attributes, unused
	dst = binary.AppendVarint(dst, stamp)
	dst = binary.AppendVarint(dst, delta)
	dst = appendBytes(dst, r.Key)
	dst = appendBytes(dst, r.Value)
	dst = binary.AppendVarint(dst, int64(len(r.Headers)))
	for _, h := range r.Headers {
		dst = binary.AppendVarint(dst, int64(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = appendBytes(dst, h.Value)
	}
	return dst
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	dst = binary.AppendVarint(dst, int64(len(b)))
	return append(dst, b...)
}

func appendHeader(dst []byte, h Header) []byte {
	be := binary.BigEndian
	dst = be.AppendUint64(dst, uint64(h.BaseOffset))
	dst = be.AppendUint32(dst, uint32(h.Length))
	dst = be.AppendUint32(dst, uint32(h.LeaderEpoch))
	dst = append(dst, byte(h.Magic))
	dst = be.AppendUint32(dst, h.CRC)
	dst = be.AppendUint16(dst, uint16(h.Attributes))
	dst = be.AppendUint32(dst, uint32(h.LastOffsetDelta))
	dst = be.AppendUint64(dst, uint64(h.FirstTimestamp))
	dst = be.AppendUint64(dst, uint64(h.MaxTimestamp))
	dst = be.AppendUint64(dst, uint64(h.ProducerID))
	dst = be.AppendUint16(dst, uint16(h.ProducerEpoch))
	dst = be.AppendUint32(dst, uint32(h.BaseSequence))
	return be.AppendUint32(dst, uint32(h.Count))
}

// seal writes the checksum of a v2 batch; base offset and leader epoch are
// outside it.
func seal(b []byte) {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
}

// MarkerRecord is the control record that ends a transaction
// (EndTransactionMarker), to be encoded with Control and Transactional.
func MarkerRecord(commit bool, timestamp int64) Record {
	key := []byte{0, 0, 0, controlAbort}
	if commit {
		key[3] = controlCommit
	}
	// Value: version and coordinator epoch.
	return Record{Timestamp: timestamp, Key: key, Value: make([]byte, 6)}
}
