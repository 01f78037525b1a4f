package position

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/kferry/kferry/internal/topic"
)

// Key names a position within one cluster.
type Key struct {
	Group     string
	Partition topic.Partition
}

// String returns "group topic/partition", the form used in messages.
func (k Key) String() string { return fmt.Sprintf("%q %s", k.Group, k.Partition) }

// CompareKeys orders keys by group, topic and partition number.
func CompareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), topic.Compare(a.Partition, b.Partition))
}

// Key returns what names the position.
func (p Position) Key() Key { return Key{Group: p.Group, Partition: p.Partition} }

// Compare orders positions by group, topic and partition number.
func Compare(a, b Position) int { return CompareKeys(a.Key(), b.Key()) }

// Validate reports the first thing that no committed position can have: an
// empty group or topic, a negative partition or a negative offset.
func (p Position) Validate() error {
	switch {
	case p.Group == "":
		return fmt.Errorf("position of %s: the group has no name", p.Partition)
	case p.Partition.Topic == "":
		return fmt.Errorf("position of group %q: the topic has no name", p.Group)
	case p.Partition.Partition < 0:
		return fmt.Errorf("position %s: the partition is negative", p.Key())
	case p.Offset < 0:
		return fmt.Errorf("position %s: offset %d is negative", p.Key(), p.Offset)
	}
	return nil
}

// DuplicateError says that a set has a position of this group and partition
// already.
type DuplicateError struct {
	Key Key
	// Have is the offset in the set, Got the one that was refused.
	Have, Got int64
}

// Error implements error.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("position %s is there twice, with offsets %d and %d", e.Key, e.Have, e.Got)
}

// Set is a collection of positions, at most one for each group and partition.
// Whatever it lists is in the order of Compare. The zero value is empty and
// ready; a nil Set can be read. It is not safe for concurrent writing.
type Set struct {
	groups map[string]map[topic.Partition]Position
	n      int
}

// NewSet returns the set of these positions. Errors are those of Add.
func NewSet(ps ...Position) (*Set, error) {
	s := new(Set)
	for _, p := range ps {
		if err := s.Add(p); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Add puts a position into the set. It refuses what Validate refuses, and with
// a *DuplicateError a second position of the same group and partition, equal
// or not; the set then stays as it was.
func (s *Set) Add(p Position) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if have, dup := s.groups[p.Group][p.Partition]; dup {
		return &DuplicateError{Key: p.Key(), Have: have.Offset, Got: p.Offset}
	}
	if s.groups == nil {
		s.groups = make(map[string]map[topic.Partition]Position)
	}
	if s.groups[p.Group] == nil {
		s.groups[p.Group] = make(map[topic.Partition]Position)
	}
	s.groups[p.Group][p.Partition] = p
	s.n++
	return nil
}

// Len returns the number of positions.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return s.n
}

// Get returns the position of a group on a partition.
func (s *Set) Get(group string, tp topic.Partition) (Position, bool) {
	if s == nil {
		return Position{}, false
	}
	p, ok := s.groups[group][tp]
	return p, ok
}

// Groups returns the names of the groups that have a position.
func (s *Set) Groups() []string {
	if s == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.groups))
}

// ByGroup returns the positions of one group.
func (s *Set) ByGroup(group string) []Position {
	if s == nil {
		return nil
	}
	return slices.SortedFunc(maps.Values(s.groups[group]), Compare)
}

// Each yields every position. The set must not be written meanwhile.
func (s *Set) Each() iter.Seq[Position] {
	return func(yield func(Position) bool) {
		for _, g := range s.Groups() {
			for _, p := range s.ByGroup(g) {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// All returns every position.
func (s *Set) All() []Position { return slices.AppendSeq(make([]Position, 0, s.Len()), s.Each()) }

// Partitions returns every partition on which some group has a position, once.
func (s *Set) Partitions() []topic.Partition {
	if s == nil {
		return nil
	}
	seen := make(map[topic.Partition]struct{})
	for _, ps := range s.groups {
		for tp := range ps {
			seen[tp] = struct{}{}
		}
	}
	return slices.SortedFunc(maps.Keys(seen), topic.Compare)
}

// Topics returns every topic on which some group has a position, once.
func (s *Set) Topics() []string {
	var names []string
	for _, tp := range s.Partitions() {
		names = append(names, tp.Topic)
	}
	return slices.Compact(names)
}

// Select returns a new set with the positions that the selection has.
func (s *Set) Select(sel *Selection) *Set {
	out := new(Set)
	for p := range s.Each() {
		if !sel.Group(p.Group) || !sel.Partition(p.Partition) {
			continue
		}
		// What a set holds is valid and there once, so Add has nothing to
		// refuse.
		_ = out.Add(p)
	}
	return out
}
