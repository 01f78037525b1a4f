package mover

import "github.com/kferry/kferry/internal/topic"

// OffsetSync is one record of an offset-syncs topic: the record at
// SourceOffset of the source partition was written to TargetOffset of the
// partition of the same number of the replicated topic (class OffsetSync).
// MirrorMaker 2 writes one after its start, after each gap and about each
// offset.lag.max records.
type OffsetSync struct {
	// Source has the topic's name on the source cluster.
	Source       topic.Partition
	SourceOffset int64
	TargetOffset int64
}

// ParseOffsetSync reads a record of an offset-syncs topic; the error is a
// *FormatError. A tombstone (null value) is an error too: MirrorMaker 2 writes
// none.
func ParseOffsetSync(key, value []byte) (OffsetSync, error) {
	const record = "offset sync"
	var s OffsetSync
	k := parsing(record, PartKey, key)
	s.Source = k.partition()
	if err := k.end(); err != nil {
		return OffsetSync{}, err
	}
	v := parsing(record, PartValue, value)
	s.SourceOffset, s.TargetOffset = v.int64("source offset"), v.int64("target offset")
	v.atLeast("source offset", s.SourceOffset, 0)
	// A record that Connect did not write has no target offset: -1.
	v.atLeast("target offset", s.TargetOffset, -1)
	if err := v.end(); err != nil {
		return OffsetSync{}, err
	}
	return s, nil
}

// Encode is what MirrorMaker 2 would write.
func (s OffsetSync) Encode() (key, value []byte) {
	key = putInt32(putText(nil, s.Source.Topic), s.Source.Partition)
	value = putInt64(putInt64(nil, s.SourceOffset), s.TargetOffset)
	return key, value
}

// Checkpoint is one record of a checkpoints topic: where MirrorMaker 2 would
// let a group go on (class Checkpoint). The last one of a key counts.
type Checkpoint struct {
	Group string
	// Target has the topic's name on the target cluster.
	Target topic.Partition
	// SourceOffset is the position of the group on the source that was
	// translated, TargetOffset what MirrorMaker 2 made of it.
	SourceOffset int64
	TargetOffset int64
	Metadata     string
}

// ParseCheckpoint reads a record of a checkpoints topic; the error is a
// *FormatError.
func ParseCheckpoint(key, value []byte) (Checkpoint, error) {
	const record = "checkpoint"
	var c Checkpoint
	k := parsing(record, PartKey, key)
	// The empty group is a name that Kafka allows.
	c.Group = k.text("group")
	c.Target = k.partition()
	if err := k.end(); err != nil {
		return Checkpoint{}, err
	}
	v := parsing(record, PartValue, value)
	v.version()
	c.SourceOffset, c.TargetOffset = v.int64("source offset"), v.int64("target offset")
	v.atLeast("source offset", c.SourceOffset, 0)
	v.atLeast("target offset", c.TargetOffset, -1)
	c.Metadata = v.text("metadata")
	if err := v.end(); err != nil {
		return Checkpoint{}, err
	}
	return c, nil
}

// Encode is what MirrorMaker 2 would write.
func (c Checkpoint) Encode() (key, value []byte) {
	key = putInt32(putText(putText(nil, c.Group), c.Target.Topic), c.Target.Partition)
	value = putText(putInt64(putInt64(putInt16(nil, 0), c.SourceOffset), c.TargetOffset), c.Metadata)
	return key, value
}

// Heartbeat is one record of a heartbeats topic: that MirrorMaker 2 copies from
// one alias to another (class Heartbeat).
type Heartbeat struct {
	SourceAlias, TargetAlias string
	// Timestamp in milliseconds since the epoch.
	Timestamp int64
}

// ParseHeartbeat reads a record of a heartbeats topic; the error is a
// *FormatError.
func ParseHeartbeat(key, value []byte) (Heartbeat, error) {
	const record = "heartbeat"
	var h Heartbeat
	k := parsing(record, PartKey, key)
	h.SourceAlias, h.TargetAlias = k.name("source alias"), k.name("target alias")
	if err := k.end(); err != nil {
		return Heartbeat{}, err
	}
	v := parsing(record, PartValue, value)
	v.version()
	h.Timestamp = v.int64("timestamp")
	v.atLeast("timestamp", h.Timestamp, 0)
	if err := v.end(); err != nil {
		return Heartbeat{}, err
	}
	return h, nil
}

// Encode is what MirrorMaker 2 would write.
func (h Heartbeat) Encode() (key, value []byte) {
	key = putText(putText(nil, h.SourceAlias), h.TargetAlias)
	value = putInt64(putInt16(nil, 0), h.Timestamp)
	return key, value
}

// partition reads a topic's name and a partition number.
func (r *reader) partition() topic.Partition {
	p := topic.Partition{Topic: r.name("topic"), Partition: r.int32("partition")}
	r.atLeast("partition", int64(p.Partition), 0)
	return p
}
