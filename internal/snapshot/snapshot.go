// Package snapshot saves the positions of consumer groups on one cluster as
// they were at one time, so that they can be compared and restored exactly:
// groups that did not exist and metadata of any bytes included. The format is
// in docs/formats.md, section Snapshot.
package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/topic"
)

// Format is the format of a stored snapshot.
const (
	Format  = "kferry-snapshot"
	version = 2
)

// The kinds of stored snapshots: all positions, or what differs from a full
// one. What Load returns is whole, whatever the kind.
const (
	KindFull  = "full"
	KindDelta = "delta"
)

// TriggerKind says why a snapshot was taken.
type TriggerKind string

// The kinds of triggers.
const (
	Manual   TriggerKind = "manual"
	Apply    TriggerKind = "apply"
	Rollback TriggerKind = "rollback"
)

// Trigger is why a snapshot was taken, and for which run.
type Trigger struct {
	Kind TriggerKind `json:"kind"`
	Run  string      `json:"run,omitempty"`
}

// Snapshot holds the positions of groups on one cluster.
type Snapshot struct {
	Summary
	// Groups come last in the stored form, so that a summary can be read
	// without them.
	Groups []Group `json:"groups"`
}

// Summary is a snapshot without its groups.
type Summary struct {
	// ID and Kind are set by Save, and Created when it is zero.
	ID   string `json:"id"`
	Kind string `json:"kind"`
	// Base is the full snapshot that a delta builds on.
	Base        string    `json:"base,omitempty"`
	Created     time.Time `json:"created"`
	ClusterID   string    `json:"cluster_id"` // empty when the brokers have none
	ClusterName string    `json:"cluster_name"`
	Bootstrap   []string  `json:"bootstrap"`
	Description string    `json:"description"`
	Tool        string    `json:"tool"`
	Trigger     Trigger   `json:"trigger"`
	// Selection says by which patterns groups were chosen; nil when they were
	// named one by one, for a run, and in snapshots of version 1.
	Selection *Selection `json:"selection,omitempty"`
	// Complete says that everything that was asked for could be seen;
	// Incomplete says in words what could not.
	Complete   bool     `json:"complete"`
	Incomplete []string `json:"incomplete"`
	// GroupCount and PositionCount are set by Save.
	GroupCount    int `json:"group_count"`
	PositionCount int `json:"position_count"`
}

// Selection are the patterns by which groups are chosen, as the user wrote
// them. Snapshots of one cluster with equal selections are a series: the ones
// that deltas and marks are about.
type Selection struct {
	Groups        []string `json:"groups"`
	ExcludeGroups []string `json:"exclude_groups"`
	GroupRegex    []string `json:"group_regex"`
}

// All reports whether every group is meant.
func (s *Selection) All() bool {
	return s != nil && len(s.ExcludeGroups) == 0 && len(s.GroupRegex) == 0 &&
		(len(s.Groups) == 0 || slices.Equal(s.Groups, []string{"*"}))
}

// sorted is the form in which selections are stored and compared.
func (s *Selection) sorted() *Selection {
	if s == nil {
		return nil
	}
	tidy := func(in []string) []string {
		out := append([]string{}, in...)
		slices.Sort(out)
		return slices.Compact(out)
	}
	return &Selection{Groups: tidy(s.Groups), ExcludeGroups: tidy(s.ExcludeGroups), GroupRegex: tidy(s.GroupRegex)}
}

// same reports whether two selections ask for the same; nil is like none.
func (s *Selection) same(o *Selection) bool {
	if s == nil || o == nil {
		return false
	}
	a, b := s.sorted(), o.sorted()
	return slices.Equal(a.Groups, b.Groups) && slices.Equal(a.ExcludeGroups, b.ExcludeGroups) && slices.Equal(a.GroupRegex, b.GroupRegex)
}

// Group is one group as it was read.
type Group struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	State    string `json:"state"`
	Exists   bool   `json:"exists"` // false: looked for and not there; restoring it deletes the group
	Protocol string `json:"protocol"`
	Members  int    `json:"members"`
	// Error says why the group could not be read; then nothing of it is known.
	Error     string     `json:"error,omitempty"`
	Positions []Position `json:"positions"`
}

// Position is one committed offset with what was around it.
type Position struct {
	Topic     string
	TopicID   topic.ID // zero when unknown
	Partition int32
	Offset    int64 // the next record to read
	// LeaderEpoch as committed, -1 when there was none.
	LeaderEpoch int32
	// Metadata is kept byte for byte, also when it is not UTF-8.
	Metadata string
	// LogStart, LogEnd and Lag are those of the time of reading, nil when not
	// known.
	LogStart, LogEnd, Lag *int64
}

// ErrInvalid says that a snapshot contradicts itself; it is not saved, and not
// used when it was stored like that.
var ErrInvalid = errors.New("invalid snapshot")

// normalize sorts a copy of the groups and fills what Save fills.
func (s *Snapshot) normalize() {
	s.Kind, s.Base = KindFull, ""
	s.Created = s.Created.UTC()
	s.Selection = s.Selection.sorted()
	s.GroupCount, s.PositionCount = len(s.Groups), 0
	s.Groups = slices.Clone(s.Groups)
	slices.SortFunc(s.Groups, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
	for i := range s.Groups {
		g := &s.Groups[i]
		g.Positions = slices.Clone(g.Positions)
		slices.SortFunc(g.Positions, comparePositions)
		s.PositionCount += len(g.Positions)
		if g.Positions == nil {
			g.Positions = []Position{}
		}
	}
	if s.Groups == nil {
		s.Groups = []Group{}
	}
	if s.Incomplete == nil {
		s.Incomplete = []string{}
	}
	if s.Bootstrap == nil {
		s.Bootstrap = []string{}
	}
}

func comparePositions(a, b Position) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// validate checks a normalized snapshot.
func (s *Snapshot) validate() error {
	if s.Complete != (len(s.Incomplete) == 0) {
		return fmt.Errorf("%w: complete is %t with %d reasons for being incomplete", ErrInvalid, s.Complete, len(s.Incomplete))
	}
	positions := 0
	for i, g := range s.Groups {
		if i > 0 && s.Groups[i-1].Name >= g.Name {
			return fmt.Errorf("%w: group %q is there twice or out of order", ErrInvalid, g.Name)
		}
		if err := g.validate(); err != nil {
			return err
		}
		positions += len(g.Positions)
	}
	if s.GroupCount != len(s.Groups) || s.PositionCount != positions {
		return fmt.Errorf("%w: %d groups and %d positions, but its counts are %d and %d",
			ErrInvalid, len(s.Groups), positions, s.GroupCount, s.PositionCount)
	}
	return nil
}

func (g Group) validate() error {
	if (!g.Exists || g.Error != "") && len(g.Positions) > 0 {
		return fmt.Errorf("%w: group %q could not be read or did not exist, and has positions", ErrInvalid, g.Name)
	}
	for i, p := range g.Positions {
		if i > 0 && comparePositions(g.Positions[i-1], p) >= 0 {
			return fmt.Errorf("%w: group %q: %s/%d is there twice or out of order", ErrInvalid, g.Name, p.Topic, p.Partition)
		}
		if p.Topic == "" || p.Partition < 0 || p.Offset < 0 || p.LeaderEpoch < -1 {
			return fmt.Errorf("%w: group %q: %q/%d at offset %d, epoch %d", ErrInvalid, g.Name, p.Topic, p.Partition, p.Offset, p.LeaderEpoch)
		}
	}
	return nil
}
