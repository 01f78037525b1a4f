// Package topic has the words that every room uses for topics and their
// partitions: names, incarnations, bounds. It is pure and knows of nothing.
package topic

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
)

// Partition names one partition of one topic on a cluster that the context
// gives.
type Partition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

// String returns "topic/partition", the form used in messages.
func (p Partition) String() string {
	return p.Topic + "/" + strconv.Itoa(int(p.Partition))
}

// Compare orders partitions by topic and then by number.
func Compare(a, b Partition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// ID is a topic ID (KIP-516): it tells one incarnation of a topic from the
// next one of the same name. The zero ID means unknown (brokers before 2.8 and
// some services), and unknown is never "the same".
type ID [16]byte

// IsZero reports whether the incarnation is unknown.
func (id ID) IsZero() bool { return id == ID{} }

// String writes the ID as Kafka's tools do (URL-safe base64 without padding),
// or "unknown".
func (id ID) String() string {
	if id.IsZero() {
		return "unknown"
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// MarshalText makes JSON show the ID as String does; unknown is empty.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(b []byte) error {
	*id = ID{}
	if len(b) == 0 {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(string(b))
	if err != nil || len(raw) != len(id) {
		return fmt.Errorf("topic ID %q is not 16 bytes of URL-safe base64", b)
	}
	copy(id[:], raw)
	return nil
}

// Bounds are the offsets between which one partition can be read.
type Bounds struct {
	// Start is the log start offset, the first that can be read.
	Start int64
	// End is the high watermark: one past the last record that can be read.
	End int64
	// Stable is the last stable offset: from here on transactions are open.
	// It equals End where none is.
	Stable int64
	// Epoch is the current leader epoch, or -1 where the broker has none.
	Epoch int32
	// Err says why this partition has no bounds (unknown, not authorized, …).
	Err error
}

// Config is the part of a topic's configuration that decides how its log may
// be judged. A broker that does not let us read it leaves Known false, and
// then nothing may be concluded from the other fields.
type Config struct {
	Known bool
	// Compacted: cleanup.policy contains compact.
	Compacted bool
	// AppendTime: message.timestamp.type is LogAppendTime, so timestamps are
	// the broker's and not the producer's.
	AppendTime bool
	// Retention is retention.ms; negative means unlimited.
	Retention time.Duration
	// RetentionBytes is retention.bytes per partition; negative means unlimited.
	RetentionBytes int64
}

// Topic is what a cluster says of one topic.
type Topic struct {
	Name       string
	ID         ID
	Internal   bool
	Partitions []int32 // sorted
	Config     Config
	// Err says why the topic cannot be used (unknown, not authorized, …).
	Err error
}

// Stamp is what a look-up by time found.
type Stamp struct {
	// Offset of the first record with a timestamp at or above the one asked
	// for; -1 when the log has none.
	Offset int64
	// Timestamp of that record in milliseconds since the epoch; -1 when none.
	Timestamp int64
	Err       error
}

// EpochAsk asks where a leader epoch ended on a partition (KIP-320).
type EpochAsk struct {
	Partition Partition
	Epoch     int32
}

// EpochEnd is the answer to an EpochAsk.
type EpochEnd struct {
	// Epoch is the largest epoch at or below the one asked for that the log
	// has; -1 when it has none.
	Epoch int32
	// End is one past the last offset of that epoch; -1 when it has none.
	End int64
	Err error
}

// OpenTransaction is a transaction that has begun on a partition and not
// ended. One that never ends is a hanging transaction: the last stable offset
// stands still at its start.
type OpenTransaction struct {
	ProducerID    int64
	ProducerEpoch int32
	// Start is the offset of its first record on the partition.
	Start int64
	// LastTimestamp of its producer on the partition, in milliseconds since
	// the epoch; -1 when unknown. Its age is counted from there.
	LastTimestamp int64
}

// Producers are the open transactions of one partition.
type Producers struct {
	Open []OpenTransaction
	// Err says why they are not known: DescribeProducers needs READ on the
	// topic.
	Err error
}
