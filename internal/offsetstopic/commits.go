package offsetstopic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// Versions of the keys and values of __consumer_offsets (Kafka's
// OffsetCommitKey.json, OffsetCommitValue.json, CoordinatorRecordType). Keys of
// version 0 and 1 are commits, all others are about groups.
const (
	lastCommitKey   = 1
	lastKnownKey    = 255
	lastCommitValue = 4
)

// commit is the last value of a key.
type commit struct {
	offset   int64
	epoch    int32
	metadata string
	expires  int64 // milliseconds since the epoch, -1: the broker decides
	at       int64 // offset of the record in the log
}

// commits is what one partition of the topic says so far.
type commits struct {
	last map[position.Key]commit
	// open has what transactions have written that are not ended, by producer
	// ID. A nil commit is a deletion.
	open map[int64]map[position.Key]*commit

	aborted, removed, unnamed int64
}

func newCommits() commits {
	return commits{last: map[position.Key]commit{}, open: map[int64]map[position.Key]*commit{}}
}

// undecided counts what open transactions have written.
func (c *commits) undecided() (n int64) {
	for _, keys := range c.open {
		n += int64(len(keys))
	}
	return n
}

// entry takes one record. The slices of it are not kept.
func (c *commits) entry(e *batch.Entry) error {
	if e.Kind == batch.Marker {
		c.ended(e.ProducerID, e.Commit)
		return nil
	}
	key, isCommit, err := decodeKey(e.Key)
	if err != nil || !isCommit {
		return err
	}
	if key.Group == "" || key.Partition.Topic == "" || key.Partition.Partition < 0 {
		// Clients of old releases could commit for a group without a name.
		c.unnamed++
		return nil
	}
	var value *commit
	if e.Value != nil {
		v, err := decodeValue(e.Value)
		if err != nil {
			return err
		}
		v.at = e.Offset
		value = &v
	}
	if e.Transactional {
		if c.open[e.ProducerID] == nil {
			c.open[e.ProducerID] = map[position.Key]*commit{}
		}
		c.open[e.ProducerID][key] = value
		return nil
	}
	c.put(key, value)
	return nil
}

func (c *commits) put(key position.Key, value *commit) {
	if value != nil {
		c.last[key] = *value
		return
	}
	if _, had := c.last[key]; had {
		c.removed++
	}
	delete(c.last, key)
}

// ended ends the transaction of a producer. As in the coordinator, a commit
// outside of it that came later in the log wins over it.
func (c *commits) ended(producer int64, isCommit bool) {
	keys := c.open[producer]
	delete(c.open, producer)
	for key, value := range keys {
		have, there := c.last[key]
		switch {
		case !isCommit:
			c.aborted++
		case value == nil || !there || have.at < value.at:
			c.put(key, value)
		}
	}
}

// decodeKey reads the key of a record; isCommit is false for what is about
// groups and their members.
func decodeKey(raw []byte) (key position.Key, isCommit bool, err error) {
	if len(raw) < 2 {
		return key, false, errors.New("the key is missing or too short")
	}
	version := int16(binary.BigEndian.Uint16(raw)) //nolint:gosec // the version is signed on the wire
	switch {
	case version < 0 || version > lastKnownKey:
		return key, false, fmt.Errorf("key version %d is not known", version)
	case version > lastCommitKey:
		return key, false, nil
	}
	k := kmsg.NewOffsetCommitKey()
	if err := k.ReadFrom(raw); err != nil {
		return key, false, fmt.Errorf("decoding the key: %w", err)
	}
	if len(k.AppendTo(nil)) != len(raw) {
		return key, false, fmt.Errorf("decoding the key: %w", errTrailing)
	}
	return position.Key{Group: k.Group, Partition: topic.Partition{Topic: k.Topic, Partition: k.Partition}}, true, nil
}

func decodeValue(raw []byte) (commit, error) {
	if len(raw) < 2 {
		return commit{}, errors.New("the value is too short")
	}
	version := int16(binary.BigEndian.Uint16(raw)) //nolint:gosec // the version is signed on the wire
	if version < 0 || version > lastCommitValue {
		return commit{}, fmt.Errorf("value version %d is not known: versions 0 to %d are", version, lastCommitValue)
	}
	v := kmsg.NewOffsetCommitValue()
	if err := v.ReadFrom(raw); err != nil {
		return commit{}, fmt.Errorf("decoding the value: %w", err)
	}
	if len(v.AppendTo(nil)) != len(raw) {
		return commit{}, fmt.Errorf("decoding the value: %w", errTrailing)
	}
	out := commit{offset: v.Offset, epoch: -1, metadata: v.Metadata, expires: -1}
	if version >= 3 {
		out.epoch = max(v.LeaderEpoch, -1)
	}
	if version == 1 && v.ExpireTimestamp >= 0 && v.ExpireTimestamp < math.MaxInt64 {
		out.expires = v.ExpireTimestamp
	}
	return out, nil
}
