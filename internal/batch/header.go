// Package batch reads and writes Kafka record batches as bytes: it walks the
// answer of a fetch, checks it, decodes records, tells data from transaction
// markers and aborted data, and encodes batches. It speaks to no broker.
package batch

import (
	"encoding/binary"
	"hash/crc32"
)

// headerSize is the size in bytes of a v2 batch header, from the base offset
// to the record count (KIP-98, DefaultRecordBatch).
const headerSize = 61

// Attribute bits of a v2 batch (DefaultRecordBatch).
const (
	attrCodec         = 0x07
	attrAppendTime    = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
	attrDeleteHorizon = 0x40
)

// castagnoli is the polynomial of the v2 checksum; message sets (magic 0 and
// 1) use the IEEE one.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Codec is a compression codec by its number in the batch attributes.
type Codec int8

// The codecs that Kafka defines (CompressionType).
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// String returns the name that Kafka's compression.type uses.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	default:
		return "unknown"
	}
}

// Header is the fixed part of a v2 record batch. A message of an old message
// set (magic 0 and 1) is shown in the same fields: its offsets, codec,
// timestamps and record count, with producer fields of -1.
type Header struct {
	// BaseOffset is the offset of the first record that the batch was written
	// with; compaction may have removed that record.
	BaseOffset int64
	// Length counts the bytes after the length field itself: the whole batch
	// is Length+12 bytes.
	Length      int32
	LeaderEpoch int32 // -1 when unknown
	Magic       int8
	CRC         uint32
	Attributes  int16
	// LastOffsetDelta survives compaction even when the last record does not
	// (KAFKA-5443), so it and not the records say where the batch ends.
	LastOffsetDelta int32
	// FirstTimestamp and MaxTimestamp are milliseconds since the epoch. With
	// the delete-horizon bit FirstTimestamp is that horizon (KIP-534); the
	// records' deltas are relative to it all the same.
	FirstTimestamp int64
	MaxTimestamp   int64
	ProducerID     int64 // -1 when the producer was not idempotent
	ProducerEpoch  int16
	BaseSequence   int32
	// Count is the number of records that the header declares.
	Count int32
}

// LastOffset is the offset of the last record the batch was written with.
func (h Header) LastOffset() int64 { return h.BaseOffset + int64(h.LastOffsetDelta) }

// Codec is how the records are compressed.
func (h Header) Codec() Codec { return Codec(h.Attributes & attrCodec) }

// Control reports a batch of control records, such as transaction markers.
func (h Header) Control() bool { return h.Attributes&attrControl != 0 }

// Transactional reports a batch that belongs to a transaction; so do markers.
func (h Header) Transactional() bool { return h.Attributes&attrTransactional != 0 }

// AppendTime reports that the broker set the time (LogAppendTime): every
// record has MaxTimestamp.
func (h Header) AppendTime() bool { return h.Attributes&attrAppendTime != 0 }

// DeleteHorizon reports the bit with which the cleaner marks batches whose
// tombstones or markers it will remove (KIP-534).
func (h Header) DeleteHorizon() bool { return h.Attributes&attrDeleteHorizon != 0 }

// readHeader reads a v2 header. The caller has checked that b holds one.
func readHeader(b []byte) Header {
	be := binary.BigEndian
	return Header{
		BaseOffset:      int64(be.Uint64(b)),
		Length:          int32(be.Uint32(b[8:])),
		LeaderEpoch:     int32(be.Uint32(b[12:])),
		Magic:           int8(b[16]),
		CRC:             be.Uint32(b[17:]),
		Attributes:      int16(be.Uint16(b[21:])),
		LastOffsetDelta: int32(be.Uint32(b[23:])),
		FirstTimestamp:  int64(be.Uint64(b[27:])),
		MaxTimestamp:    int64(be.Uint64(b[35:])),
		ProducerID:      int64(be.Uint64(b[43:])),
		ProducerEpoch:   int16(be.Uint16(b[51:])),
		BaseSequence:    int32(be.Uint32(b[53:])),
		Count:           int32(be.Uint32(b[57:])),
	}
}
