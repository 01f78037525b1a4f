package plan

import (
	"context"
	"fmt"

	"github.com/kferry/kferry/internal/topic"
)

// MirrorPosition is where a group of the target stands, which MirrorMaker 2 may
// have put there.
type MirrorPosition struct {
	// Group is its name on both sides: MirrorMaker 2 does not rename groups.
	Group       string
	Target      topic.Partition
	Offset      int64
	LeaderEpoch int32
}

// AtCheckpoint reports of each position whether MirrorMaker 2's group sync can
// have put it there: it is the offset of its last checkpoint about it, or of an
// earlier one and without a leader epoch, as MirrorMaker 2 commits. names are the
// checkpoints topics on the target; one that is gone has no checkpoints.
func AtCheckpoint(ctx context.Context, to *Side, names []string, at []MirrorPosition) ([]bool, error) {
	out := make([]bool, len(at))
	topics, err := topicsOf(ctx, to, names)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		t := topics[name]
		if gone(t) {
			continue
		}
		r := &checkpointReader{log: to.Log, left: checkpointBytes, found: map[checkpointKey]*Checkpoint{}, wanted: map[checkpointKey]bool{}}
		for _, m := range at {
			r.wanted[checkpointKey{m.Group, m.Target}] = true
		}
		err := t.Err
		for _, n := range t.Partitions {
			if err == nil {
				err = r.read(ctx, topic.Partition{Topic: name, Partition: n})
			}
		}
		if err != nil {
			return nil, fmt.Errorf("reading the checkpoints of MirrorMaker 2 in topic %s of %s: %w", name, to.label(), err)
		}
		for i, m := range at {
			k := checkpointKey{m.Group, m.Target}
			last := r.found[k]
			out[i] = out[i] || last != nil && last.TargetOffset == m.Offset || m.LeaderEpoch < 0 && r.seen[checkpointAt{k, m.Offset}]
		}
	}
	return out, nil
}
