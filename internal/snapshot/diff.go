package snapshot

import (
	"errors"
	"fmt"

	"github.com/kferry/kferry/internal/topic"
)

// ErrOtherCluster says that two snapshots are of different clusters.
var ErrOtherCluster = errors.New("snapshots of different clusters cannot be compared")

// Change says what became of a group or position between two snapshots.
type Change string

// The changes.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Changed Change = "changed"
	// Unknown: on one side the group could not be read, or was not looked for.
	Unknown Change = "unknown"
)

// What has changed about a position that is on both sides.
type What string

// What can change. Only an epoch is no difference in what is read next.
const (
	Offset   What = "offset"
	Metadata What = "metadata"
	Topic    What = "topic" // it was deleted and created anew
	Epoch    What = "epoch"
)

// PositionDiff is one position that differs.
type PositionDiff struct {
	topic.Partition
	Change Change
	What   []What // of Changed
	// Before and After are nil where there is none.
	Before, After *Position
}

// By is how many offsets a position has moved, backwards below 0; 0 when it is
// not on both sides.
func (d *PositionDiff) By() int64 {
	if d.Before == nil || d.After == nil {
		return 0
	}
	return d.After.Offset - d.Before.Offset
}

// Differs reports whether something else is read next, or with other metadata.
func (d *PositionDiff) Differs() bool {
	return d.Change != Changed || len(d.What) != 1 || d.What[0] != Epoch
}

// GroupDiff is one group that differs, or that cannot be compared.
type GroupDiff struct {
	Name   string
	Change Change
	// Detail says why it cannot be compared.
	Detail string
	// Before and After are nil where the group is not in the snapshot.
	Before, After *Group
	Positions     []PositionDiff // by topic and partition
}

// Differs reports whether the group came or went, or a position differs. State,
// kind, members and epochs alone do not count.
func (d *GroupDiff) Differs() bool {
	if d.Change == Added || d.Change == Removed {
		return true
	}
	for i := range d.Positions {
		if d.Positions[i].Differs() {
			return true
		}
	}
	return false
}

// Diff is what differs between two snapshots.
type Diff struct {
	Groups []GroupDiff // by name
}

// Count counts positions that were added and removed, that have moved, and that
// differ in something else.
func (d *Diff) Count() (added, removed, moved, other int) {
	for i := range d.Groups {
		for j := range d.Groups[i].Positions {
			switch p := &d.Groups[i].Positions[j]; {
			case p.Change == Added:
				added++
			case p.Change == Removed:
				removed++
			case p.By() != 0:
				moved++
			default:
				other++
			}
		}
	}
	return added, removed, moved, other
}

// Equal reports whether nothing Differs, and everything could be compared.
func (d *Diff) Equal() bool { return !d.Differs() && len(d.Unknown()) == 0 }

// Differs reports whether a group or position differs for sure.
func (d *Diff) Differs() bool {
	for i := range d.Groups {
		if d.Groups[i].Differs() {
			return true
		}
	}
	return false
}

// Unknown are the groups that could not be compared.
func (d *Diff) Unknown() []*GroupDiff {
	var out []*GroupDiff
	for i := range d.Groups {
		if d.Groups[i].Change == Unknown {
			out = append(out, &d.Groups[i])
		}
	}
	return out
}

// Covers tells whether a snapshot would have a group of that name, had it been
// there; nil: it has looked for every group.
type Covers func(group string) bool

// Compare tells two snapshots of one cluster apart. A group that is in one of
// them and that the other one was not asked for is unknown, never gone.
// Snapshots of different clusters are ErrOtherCluster.
func Compare(before, after *Snapshot, ofBefore, ofAfter Covers) (*Diff, error) {
	if before.ClusterID != after.ClusterID {
		return nil, fmt.Errorf("%w: %s is of cluster %q (%s), %s of %q (%s)", ErrOtherCluster,
			named(before), before.ClusterID, before.ClusterName, named(after), after.ClusterID, after.ClusterName)
	}
	d := &Diff{}
	walkGroups(before, after, func(g, h *Group) {
		one := compareGroups(g, h, ofBefore, ofAfter)
		if one != nil {
			d.Groups = append(d.Groups, *one)
		}
	})
	return d, nil
}

func named(s *Snapshot) string {
	if s.ID == "" {
		return "the other one"
	}
	return s.ID
}

// compareGroups returns nil when nothing differs.
func compareGroups(before, after *Group, ofBefore, ofAfter Covers) *GroupDiff {
	d := &GroupDiff{Change: Changed, Before: before, After: after}
	switch {
	case before == nil:
		d.Name = after.Name
		before = &Group{Name: after.Name}
		if ofBefore != nil && !ofBefore(after.Name) {
			d.Change, d.Detail = Unknown, "the earlier snapshot was not asked for it"
			return d
		}
	case after == nil:
		d.Name = before.Name
		after = &Group{Name: before.Name}
		if ofAfter != nil && !ofAfter(before.Name) {
			d.Change, d.Detail = Unknown, "the later snapshot was not asked for it"
			return d
		}
	default:
		d.Name = before.Name
	}
	if text := before.Error + after.Error; text != "" {
		d.Change, d.Detail = Unknown, text
		return d
	}
	walkPositions(before.Positions, after.Positions, func(p, q *Position) {
		if one := comparePosition(p, q); one != nil {
			d.Positions = append(d.Positions, *one)
		}
	})
	switch {
	case !before.Exists && after.Exists:
		d.Change = Added
	case before.Exists && !after.Exists:
		d.Change = Removed
	case len(d.Positions) == 0 && before.State == after.State && before.Kind == after.Kind:
		return nil
	}
	return d
}

// comparePosition returns nil when nothing differs but log ends.
func comparePosition(p, q *Position) *PositionDiff {
	switch {
	case p == nil:
		return &PositionDiff{Partition: topic.Partition{Topic: q.Topic, Partition: q.Partition}, Change: Added, After: q}
	case q == nil:
		return &PositionDiff{Partition: topic.Partition{Topic: p.Topic, Partition: p.Partition}, Change: Removed, Before: p}
	}
	d := &PositionDiff{Partition: topic.Partition{Topic: p.Topic, Partition: p.Partition}, Change: Changed, Before: p, After: q}
	if p.Offset != q.Offset {
		d.What = append(d.What, Offset)
	}
	if p.Metadata != q.Metadata {
		d.What = append(d.What, Metadata)
	}
	// An unknown incarnation is neither the same nor another one.
	if p.TopicID != q.TopicID && !p.TopicID.IsZero() && !q.TopicID.IsZero() {
		d.What = append(d.What, Topic)
	}
	if p.LeaderEpoch != q.LeaderEpoch {
		d.What = append(d.What, Epoch)
	}
	if len(d.What) == 0 {
		return nil
	}
	return d
}

// SortForCompare puts a snapshot that was never stored, one of the live
// cluster, into the order that Compare needs, and counts it.
func (s *Snapshot) SortForCompare() error {
	s.normalize()
	return s.validate()
}
