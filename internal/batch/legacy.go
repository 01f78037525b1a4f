package batch

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Attribute bits of old messages (KIP-31, KIP-32, AbstractLegacyRecordBatch):
// two codec bits (zstd came with v2), and from magic 1 the timestamp type.
const oldCodec = 0x03

// oldMessage is a message of magic 0 or 1 in one shape.
type oldMessage struct {
	offset    int64
	attrs     int8
	magic     int8
	timestamp int64
	key       []byte
	value     []byte
}

// readOld decodes one outer message of an old message set: one record, or a
// compressed set of them.
func readOld(whole []byte) (Batch, error) {
	m, err := readMessage(whole)
	if err != nil {
		return Batch{}, err
	}
	b := Batch{Raw: whole, Header: Header{
		BaseOffset: m.offset, Length: int32(len(whole) - frameSize), LeaderEpoch: -1, Magic: m.magic,
		CRC: binary.BigEndian.Uint32(whole[12:]), Attributes: int16(m.attrs) & (oldCodec | attrAppendTime),
		FirstTimestamp: m.timestamp, MaxTimestamp: m.timestamp,
		ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, Count: 1,
	}}
	if m.magic == 0 {
		b.Attributes &= oldCodec
	}
	if b.Codec() == None {
		b.old = []Record{m.record()}
		return b, nil
	}
	if b.old, err = m.inner(b.Codec()); err != nil {
		return Batch{}, err
	}
	first, last := b.old[0], b.old[len(b.old)-1]
	b.BaseOffset = first.Offset
	b.LastOffsetDelta = int32(last.Offset - first.Offset)
	b.Count = int32(len(b.old))
	b.FirstTimestamp = first.Timestamp
	for _, r := range b.old {
		b.MaxTimestamp = max(b.MaxTimestamp, r.Timestamp)
	}
	return b, nil
}

// readMessage reads one message that fills whole, and checks it.
func readMessage(whole []byte) (oldMessage, error) {
	base := int64(binary.BigEndian.Uint64(whole))
	want := binary.BigEndian.Uint32(whole[12:])
	if got := crc32.ChecksumIEEE(whole[16:]); got != want {
		return oldMessage{}, corrupt(base, "checksum is %08x and should be %08x", got, want)
	}
	if whole[magicEnd-1] == 0 {
		var m kmsg.MessageV0
		if err := m.ReadFrom(whole); err != nil {
			return oldMessage{}, &CorruptError{BaseOffset: base, Reason: "reading a message of format 0", Err: err}
		}
		return oldMessage{offset: m.Offset, attrs: m.Attributes, timestamp: -1, key: m.Key, value: m.Value}, nil
	}
	var m kmsg.MessageV1
	if err := m.ReadFrom(whole); err != nil {
		return oldMessage{}, &CorruptError{BaseOffset: base, Reason: "reading a message of format 1", Err: err}
	}
	return oldMessage{offset: m.Offset, attrs: m.Attributes, magic: 1, timestamp: m.Timestamp, key: m.Key, value: m.Value}, nil
}

func (m oldMessage) record() Record {
	return Record{Offset: m.offset, Timestamp: m.timestamp, Key: m.key, Value: m.value}
}

// inner decodes a compressed message. The inner offsets are absolute in magic
// 0. In magic 1 they are relative, and the wrapper has the offset of its last
// message (KIP-31); a wrapper offset of 0 leaves them as they are, which is
// what certain versions of librdkafka wrote (AbstractLegacyRecordBatch).
func (m oldMessage) inner(codec Codec) ([]Record, error) {
	value := m.value
	if m.magic == 0 && codec == LZ4 {
		value = mendLZ4(value)
	}
	body, err := decompress(value, codec)
	if err != nil {
		return nil, &CorruptError{BaseOffset: m.offset, Reason: "decompressing " + codec.String(), Err: err}
	}
	var out []Record
	for len(body) > 0 {
		if len(body) < magicEnd {
			return nil, corrupt(m.offset, "its inner messages end too early")
		}
		length := int64(int32(binary.BigEndian.Uint32(body[8:])))
		if length < minOld || length+frameSize > int64(len(body)) {
			return nil, corrupt(m.offset, "an inner message has the impossible length %d", length)
		}
		if body[magicEnd-1] > 1 || (m.magic == 0 && body[magicEnd-1] != 0) {
			return nil, corrupt(m.offset, "an inner message has format version %d", body[magicEnd-1])
		}
		in, err := readMessage(body[: length+frameSize : length+frameSize])
		if err != nil {
			return nil, &CorruptError{BaseOffset: m.offset, Reason: "reading an inner message", Err: err}
		}
		if in.attrs&oldCodec != 0 {
			return nil, corrupt(m.offset, "an inner message is compressed itself")
		}
		if len(out) == MaxRecords {
			return nil, &CorruptError{BaseOffset: m.offset, Reason: "more than 4 Mi records", Err: ErrTooLarge}
		}
		out = append(out, in.record())
		body = body[length+frameSize:]
	}
	return m.place(out)
}

// place gives inner records their absolute offsets and the wrapper's append
// time, and checks that the offsets rise.
func (m oldMessage) place(out []Record) ([]Record, error) {
	if len(out) == 0 {
		return nil, corrupt(m.offset, "a compressed message without inner messages")
	}
	last := out[len(out)-1].Offset
	shift := int64(0)
	if m.magic == 1 && m.offset != 0 {
		shift = m.offset - last
	}
	if shift < 0 || (m.magic == 0 && m.offset != last) {
		return nil, corrupt(m.offset, "its last inner message has offset %d", last)
	}
	for i := range out {
		out[i].Offset += shift
		if m.magic == 1 && m.attrs&attrAppendTime != 0 {
			out[i].Timestamp = m.timestamp
		}
		if out[i].Offset < 0 || (i > 0 && out[i].Offset <= out[i-1].Offset) {
			return nil, corrupt(m.offset, "the offsets of its inner messages do not rise")
		}
	}
	if span := out[len(out)-1].Offset - out[0].Offset; span > int64(^uint32(0)>>1) {
		return nil, corrupt(m.offset, "its inner messages span %d offsets", span)
	}
	return out, nil
}
