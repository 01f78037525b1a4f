package lab

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

// What MirrorMaker 2 calls its own topics with the aliases old and new, the
// default separator and the default place of the offset syncs, which is the
// source.
const (
	syncTopic       = "mm2-offset-syncs." + TargetName + ".internal"
	checkpointTopic = SourceName + ".checkpoints.internal"
	heartbeatTopic  = "heartbeats"

	mirrored = "invoices"
	// offsetLagMax is MirrorMaker 2's offset.lag.max.
	offsetLagMax = 100
)

// mirrorMakerNotes writes what MirrorMaker 2 would have left for the topic that
// it copied: offset syncs, checkpoints of the groups on it, heartbeats.
func (l *Lab) mirrorMakerNotes(ctx context.Context) error {
	c := l.topic(mirrored)
	syncs := map[int32][]mover.OffsetSync{}
	var notes, checkpoints []*kgo.Record
	for p := range c.Partitions {
		syncs[p] = c.offsetSyncs(p)
		for _, s := range syncs[p] {
			key, value := s.Encode()
			notes = append(notes, &kgo.Record{Topic: syncTopic, Key: key, Value: value, Timestamp: l.began})
		}
	}
	for _, m := range l.groups {
		at, ok := m.at[mirrored]
		if !ok {
			continue
		}
		for p := range c.Partitions {
			pos := max(at(l, c, p), c.starts[p])
			t, ok := checkpoint(syncs[p], pos)
			if !ok {
				continue
			}
			key, value := mover.Checkpoint{
				Group: m.Name, Target: topic.Partition{Topic: c.Target, Partition: p}, SourceOffset: pos, TargetOffset: t,
			}.Encode()
			checkpoints = append(checkpoints, &kgo.Record{Topic: checkpointTopic, Key: key, Value: value, Timestamp: l.began})
		}
	}
	key, value := mover.Heartbeat{SourceAlias: SourceName, TargetAlias: TargetName, Timestamp: l.began.UnixMilli()}.Encode()
	beat := func(name string) []*kgo.Record {
		return []*kgo.Record{{Topic: name, Key: key, Value: value, Timestamp: l.began}}
	}
	for _, one := range []struct {
		address, topic string
		records        []*kgo.Record
	}{
		{l.Source(), syncTopic, notes},
		{l.Source(), heartbeatTopic, beat(heartbeatTopic)},
		{l.Target(), checkpointTopic, checkpoints},
		{l.Target(), SourceName + "." + heartbeatTopic, beat(SourceName + "." + heartbeatTopic)},
	} {
		if err := l.note(ctx, one.address, one.topic, one.records); err != nil {
			return fmt.Errorf("%s: %w", one.topic, err)
		}
	}
	return nil
}

// note creates a compacted topic of one partition, as MirrorMaker 2 does, and
// writes the records.
func (*Lab) note(ctx context.Context, address, name string, records []*kgo.Record) error {
	cl, err := client(address)
	if err != nil {
		return err
	}
	defer cl.Close()
	config := map[string]*string{"cleanup.policy": new("compact")}
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, config, name); err != nil {
		return err
	}
	return send(ctx, cl, records)
}

// offsetSyncs are the pairs that MirrorMaker 2 notes while it copies a
// partition: the first record, one after each gap of the source, and one
// whenever the last is offset.lag.max behind (MirrorSourceTask.PartitionState).
func (c *content) offsetSyncs(p int32) []mover.OffsetSync {
	var out []mover.OffsetSync
	lastTarget, previous := int64(-1), int64(-1)
	for t, h := range c.copied[p] {
		at := int64(t)
		if lastTarget < 0 || at-(lastTarget+1) >= offsetLagMax || h-previous != 1 {
			out = append(out, mover.OffsetSync{Source: topic.Partition{Topic: c.Source, Partition: p}, SourceOffset: h, TargetOffset: at})
			lastTarget = at
		}
		previous = h
	}
	return out
}

// checkpoint is what MirrorMaker 2 makes of a position: it keeps ever fewer
// syncs the further they lie back (each about twice as far as the next,
// OffsetSyncStore), and takes the last one it still has at or below the
// position, plus one when that is not the position itself.
func checkpoint(syncs []mover.OffsetSync, pos int64) (int64, bool) {
	if len(syncs) == 0 {
		return 0, false
	}
	last := syncs[len(syncs)-1]
	far := int64(1)
	for i, s := range slices.Backward(syncs) {
		if back := last.SourceOffset - s.SourceOffset; back != 0 && back < far && i > 0 {
			continue
		}
		far = 2 * max(far, last.SourceOffset-s.SourceOffset)
		if s.SourceOffset == pos {
			return s.TargetOffset, true
		}
		if s.SourceOffset < pos {
			return s.TargetOffset + 1, true
		}
	}
	return 0, false
}
