package mover

import (
	"encoding/binary"
	"math"
	"strconv"
)

// Encoding is how the value of a header holds a number.
type Encoding string

// The encodings.
const (
	Decimal Encoding = "decimal" // digits without sign
	Int64BE Encoding = "int64be" // 8 bytes, big-endian
	Int64LE Encoding = "int64le" // 8 bytes, little-endian
	Int32BE Encoding = "int32be" // 4 bytes, big-endian
	Int32LE Encoding = "int32le" // 4 bytes, little-endian
)

// The movers that leave the source offset in a header of each copy.
const (
	Armory           = "Kannika Armory"
	KafkaBackup      = "OSO kafka-backup"
	RedpandaMigrator = "Redpanda Migrator"
	LensesK2K        = "Lenses K2K"
)

// The movers that leave topics of their own and nothing on the copies.
const (
	MirrorMaker = "MirrorMaker 2"
	Kferry      = "kferry"
)

// OffsetMapTopic is the topic of the target in which kferry keeps which source
// offset each copy has.
const OffsetMapTopic = "__kferry_offset_map"

// Header describes the headers that one mover writes on each copy: the one with
// the source offset, and what stands beside it. A name that is "" is of a header
// that this mover does not write.
type Header struct {
	Mover string
	// Offset names the header with the source offset. Encodings are those it
	// was seen or documented in, the usual one first; they only decide where
	// the values themselves do not.
	Offset    string
	Encodings []Encoding
	// Partition names the header with the source partition.
	Partition          string
	PartitionEncodings []Encoding
	// Topic, Cluster and Pipeline name headers whose text says where the record
	// came from and what brought it.
	Topic, Cluster, Pipeline string
	// Timestamp names the header with the record's own timestamp.
	Timestamp string
	// Also are all further headers that this mover adds: a copy is equal to its
	// source without Offset and these.
	Also []string
}

// Headers are the known ones, one per header that can hold the source offset.
// The name of Armory's is the user's choice; the one here is of its tutorial.
// The names and encodings are from the movers' documents and, of kafka-backup,
// from its records, which differ from its documents: it has two entries.
func Headers() []Header {
	return []Header{
		{Mover: Armory, Offset: "__original_offset", Encodings: []Encoding{Decimal}},
		{
			Mover: KafkaBackup, Offset: "x-original-offset", Encodings: []Encoding{Int64LE, Decimal},
			Partition: "x-source-partition", PartitionEncodings: []Encoding{Int32LE, Decimal},
			Cluster: "x-source-cluster", Timestamp: "x-original-timestamp",
			Also: []string{"x-original-timestamp", "x-source-partition", "x-source-cluster"},
		},
		{
			Mover: KafkaBackup, Offset: "x-kafka-backup-offset", Encodings: []Encoding{Decimal, Int64LE},
			Partition: "x-kafka-backup-partition", PartitionEncodings: []Encoding{Decimal, Int32LE},
			Timestamp: "x-kafka-backup-timestamp",
			Also:      []string{"x-kafka-backup-timestamp", "x-kafka-backup-partition"},
		},
		{Mover: RedpandaMigrator, Offset: "redpanda-migrator-offset", Encodings: []Encoding{Int64BE}},
		{
			Mover: LensesK2K, Offset: "k2k_offset", Encodings: []Encoding{Decimal, Int64BE, Int32BE},
			Partition: "k2k_partition", PartitionEncodings: []Encoding{Decimal, Int32BE, Int64BE},
			Topic: "k2k_topic", Pipeline: "k2k_pipeline", Timestamp: "k2k_timestamp",
			Also: []string{"k2k_partition", "k2k_topic", "k2k_pipeline", "k2k_timestamp"},
		},
	}
}

// HeaderNamed is the known header that holds source offsets under this name.
func HeaderNamed(offset string) (Header, bool) {
	for _, h := range Headers() {
		if h.Offset == offset {
			return h, true
		}
	}
	return Header{}, false
}

// DecodeOffset reads a source offset; ok is false for what is none in this
// encoding.
func DecodeOffset(value []byte, enc Encoding) (offset int64, ok bool) {
	switch enc {
	case Decimal:
		return decodeDecimal(value)
	case Int64BE, Int64LE:
		if len(value) != 8 {
			return 0, false
		}
		n := order(enc).Uint64(value)
		return int64(n), n <= math.MaxInt64 //nolint:gosec // ok says whether it fits
	case Int32BE, Int32LE:
		if len(value) != 4 {
			return 0, false
		}
		n := order(enc).Uint32(value)
		return int64(n), n <= math.MaxInt32
	default:
		return 0, false
	}
}

// DecodePartition reads a source partition; ok is false for what is none in
// this encoding.
func DecodePartition(value []byte, enc Encoding) (partition int32, ok bool) {
	n, ok := DecodeOffset(value, enc)
	if !ok || n > math.MaxInt32 {
		return 0, false
	}
	return int32(n), true //nolint:gosec // compared above
}

// EncodeNumber is the opposite of DecodeOffset and DecodePartition: what a mover
// writes. It is nil for a negative number, one that does not fit, and an
// unknown encoding.
func EncodeNumber(n int64, enc Encoding) []byte {
	if n < 0 {
		return nil
	}
	switch enc {
	case Decimal:
		return strconv.AppendInt(nil, n, 10)
	case Int64BE, Int64LE:
		out := make([]byte, 8)
		order(enc).PutUint64(out, uint64(n))
		return out
	case Int32BE, Int32LE:
		if n > math.MaxInt32 {
			return nil
		}
		out := make([]byte, 4)
		order(enc).PutUint32(out, uint32(n))
		return out
	default:
		return nil
	}
}

func decodeDecimal(v []byte) (int64, bool) {
	if len(v) == 0 || len(v) > 19 {
		return 0, false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
}

func order(enc Encoding) binary.ByteOrder {
	if enc == Int64LE || enc == Int32LE {
		return binary.LittleEndian
	}
	return binary.BigEndian
}
