package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/kferry/kferry/internal/store"
)

// sealDelta returns s as what differs from base, a stored object.
func (s *Snapshot) sealDelta(base *Snapshot) ([]byte, error) {
	body, err := s.begin(4096)
	if err != nil {
		return nil, err
	}
	n := 0
	var gone []string
	walkGroups(base, s, func(before, after *Group) {
		switch {
		case after == nil:
			gone = append(gone, before.Name)
		case before == nil:
			body = appendChange(separate(body, n), nil, after)
			n++
		case !equalGroups(before, after):
			body = appendChange(separate(body, n), before, after)
			n++
		}
	})
	body = append(body, ']')
	if len(gone) > 0 {
		body = append(body, `,"gone":[`...)
		for i, name := range gone {
			body = appendString(separate(body, i), name)
		}
		body = append(body, ']')
	}
	data, _, err := store.EncodeRaw(Format, version, append(body, '}'))
	return data, err
}

// walkGroups calls do for each name that either of two snapshots has, sorted;
// nil stands for the one that does not have it.
func walkGroups(a, b *Snapshot, do func(before, after *Group)) {
	i, j := 0, 0
	for i < len(a.Groups) || j < len(b.Groups) {
		switch {
		case j == len(b.Groups) || i < len(a.Groups) && a.Groups[i].Name < b.Groups[j].Name:
			do(&a.Groups[i], nil)
			i++
		case i == len(a.Groups) || b.Groups[j].Name < a.Groups[i].Name:
			do(nil, &b.Groups[j])
			j++
		default:
			do(&a.Groups[i], &b.Groups[j])
			i, j = i+1, j+1
		}
	}
}

// walkPositions does the same for the positions of a group.
func walkPositions(a, b []Position, do func(before, after *Position)) {
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		order := 0
		switch {
		case j == len(b):
			order = -1
		case i == len(a):
			order = 1
		default:
			order = comparePositions(a[i], b[j])
		}
		switch {
		case order < 0:
			do(&a[i], nil)
			i++
		case order > 0:
			do(nil, &b[j])
			j++
		default:
			do(&a[i], &b[j])
			i, j = i+1, j+1
		}
	}
}

// equalGroups reports whether nothing at all differs.
func equalGroups(a, b *Group) bool {
	return equalHeads(a, b) && a.Members == b.Members && slices.EqualFunc(a.Positions, b.Positions, func(p, q Position) bool {
		return comparePositions(p, q) == 0 && p.Offset == q.Offset && sameRest(&p, &q) && sameNumbers(&p, &q)
	})
}

// equalHeads leaves out the number of members, which comes and goes without
// anything having happened.
func equalHeads(a, b *Group) bool {
	return a.Name == b.Name && a.Kind == b.Kind && a.State == b.State && a.Exists == b.Exists && a.Protocol == b.Protocol && a.Error == b.Error
}

// sameRest compares what does not change when a position moves.
func sameRest(p, q *Position) bool {
	return p.TopicID == q.TopicID && p.LeaderEpoch == q.LeaderEpoch && p.Metadata == q.Metadata
}

func sameNumbers(p, q *Position) bool {
	return equalKnown(p.LogStart, q.LogStart) && equalKnown(p.LogEnd, q.LogEnd) && equalKnown(p.Lag, q.Lag)
}

func equalKnown(a, b *int64) bool { return a == b || a != nil && b != nil && *a == *b }

// appendChange writes a group of a delta; before is nil when the base does not
// have it.
func appendChange(b []byte, before, after *Group) []byte {
	if before != nil && equalHeads(before, after) && before.Members == after.Members {
		b = append(appendString(append(b, `{"name":`...), after.Name), `,"same":true`...)
	} else {
		b = appendHead(b, after)
	}
	if before == nil {
		before = &Group{}
	}
	var set []Position
	var moved, removed []*Position
	from := map[*Position]*Position{}
	walkPositions(before.Positions, after.Positions, func(p, q *Position) {
		switch {
		case q == nil:
			removed = append(removed, p)
		case p == nil || !sameRest(p, q) || !sameKnown(p, q):
			set = append(set, *q)
		case p.Offset != q.Offset || !sameNumbers(p, q):
			moved = append(moved, q)
			from[q] = p
		}
	})
	if len(set) > 0 {
		b = appendPositions(append(b, `,"set":`...), set)
	}
	b = appendRows(b, `,"moved":`, moved, func(b []byte, q *Position) []byte { return appendBy(b, from[q], q) })
	b = appendRows(b, `,"removed":`, removed, func(b []byte, _ *Position) []byte { return b })
	return append(b, '}')
}

// sameKnown reports whether a row of differences can say what has changed: the
// same numbers are known, and the lag is what the others make it.
func sameKnown(p, q *Position) bool {
	return (p.LogStart == nil) == (q.LogStart == nil) && (p.LogEnd == nil) == (q.LogEnd == nil) && equalKnown(q.Lag, lagOf(q)) &&
		equalKnown(p.Lag, lagOf(p))
}

// lagOf is how many offsets lie before a position.
func lagOf(p *Position) *int64 {
	if p.LogEnd == nil {
		return nil
	}
	return new(max(0, *p.LogEnd-p.Offset))
}

// appendBy writes by how much log end, offset and log start have moved, up to
// the last that has. Differences of any two numbers come back when they are
// added, also where they overflow.
func appendBy(b []byte, p, q *Position) []byte {
	by := []int64{0, q.Offset - p.Offset, 0}
	if q.LogEnd != nil {
		by[0] = *q.LogEnd - *p.LogEnd
	}
	if q.LogStart != nil {
		by[2] = *q.LogStart - *p.LogStart
	}
	for len(by) > 0 && by[len(by)-1] == 0 {
		by = by[:len(by)-1]
	}
	for _, n := range by {
		b = strconv.AppendInt(append(b, ','), n, 10)
	}
	return b
}

// move adds a row of differences to a position.
func (p *Position) move(row []int64) {
	by := [3]int64{}
	copy(by[:], row[1:])
	if p.LogEnd != nil {
		p.LogEnd = new(*p.LogEnd + by[0])
	}
	p.Offset += by[1]
	if p.LogStart != nil {
		p.LogStart = new(*p.LogStart + by[2])
	}
	p.Lag = lagOf(p)
}

// appendRows writes rows of numbers topic by topic, each after its partition.
func appendRows(b []byte, name string, ps []*Position, rest func([]byte, *Position) []byte) []byte {
	if len(ps) == 0 {
		return b
	}
	b = append(append(b, name...), '[')
	for i, p := range ps {
		switch {
		case i > 0 && ps[i-1].Topic == p.Topic:
			b = append(b, ',')
		default:
			if i > 0 {
				b = append(b, "]},"...)
			}
			b = appendString(append(b, `{"topic":`...), p.Topic)
			b = append(b, `,"partitions":[`...)
		}
		b = strconv.AppendInt(append(b, '['), int64(p.Partition), 10)
		b = append(rest(b, p), ']')
	}
	return append(b, "]}]"...)
}

// onto is the whole snapshot that a stored delta and its base make. A delta
// that does not fit its base is ErrInvalid.
func (s *stored) onto(base *Snapshot) (*Snapshot, error) {
	changed, err := s.changes(base)
	if err != nil {
		return nil, err
	}
	gone := make(map[string]bool, len(s.Gone))
	for _, name := range s.Gone {
		if gone[name] || changed[name] != nil {
			return nil, fmt.Errorf("%w: group %q is gone twice, or gone and changed", ErrInvalid, name)
		}
		gone[name] = true
	}
	out := &Snapshot{Summary: s.Summary}
	for _, g := range base.Groups {
		switch c := changed[g.Name]; {
		case gone[g.Name]:
			delete(gone, g.Name)
		case c != nil:
			out.Groups = append(out.Groups, *c)
			delete(changed, g.Name)
		default:
			out.Groups = append(out.Groups, g)
		}
	}
	for name := range gone {
		return nil, fmt.Errorf("%w: group %q is gone, and %s does not have it", ErrInvalid, name, base.ID)
	}
	for _, c := range changed {
		out.Groups = append(out.Groups, *c)
	}
	slices.SortFunc(out.Groups, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
	if out.Groups == nil {
		out.Groups = []Group{}
	}
	return out, nil
}

// changes are the groups of a delta, whole.
func (s *stored) changes(base *Snapshot) (map[string]*Group, error) {
	byName := make(map[string]*Group, len(base.Groups))
	for i := range base.Groups {
		byName[base.Groups[i].Name] = &base.Groups[i]
	}
	out := make(map[string]*Group, len(s.Groups))
	for i := range s.Groups {
		g := &s.Groups[i]
		if out[g.Name] != nil || len(g.Positions) > 0 {
			return nil, fmt.Errorf("%w: group %q is changed twice, or has positions in a delta", ErrInvalid, g.Name)
		}
		c, err := g.onto(byName[g.Name])
		if err != nil {
			return nil, fmt.Errorf("%w: group %q: %w", ErrInvalid, g.Name, err)
		}
		out[g.Name] = c
	}
	return out, nil
}

// partKey names a position within a group.
type partKey struct {
	topic     string
	partition int64
}

// onto is the whole group that a changed one and that of the base make; nil
// when the base does not have it.
func (g *storedGroup) onto(before *Group) (*Group, error) {
	out := g.head()
	switch {
	case g.Same && before == nil:
		return nil, errors.New("it is said to be as in the base, which does not have it")
	case g.Same:
		out = *before
		out.Positions = []Position{}
	case before == nil:
		before = &Group{}
	}
	set, err := positions(g.Set)
	if err != nil {
		return nil, err
	}
	rows, removed := map[partKey][]int64{}, map[partKey][]int64{}
	if err := collect(rows, g.Moved, 4); err != nil {
		return nil, err
	}
	if err := collect(removed, g.Removed, 1); err != nil {
		return nil, err
	}
	replaced := make(map[partKey]bool, len(set))
	for i := range set {
		k := partKey{set[i].Topic, int64(set[i].Partition)}
		if replaced[k] || rows[k] != nil || removed[k] != nil {
			return nil, fmt.Errorf("%s/%d is changed twice", k.topic, k.partition)
		}
		replaced[k] = true
	}
	for _, p := range before.Positions {
		k := partKey{p.Topic, int64(p.Partition)}
		row, gone := rows[k], removed[k] != nil
		if gone && row != nil {
			return nil, fmt.Errorf("%s/%d has moved and is gone", k.topic, k.partition)
		}
		delete(rows, k)
		delete(removed, k)
		if gone || replaced[k] {
			continue
		}
		if row != nil {
			p.move(row)
		}
		out.Positions = append(out.Positions, p)
	}
	for _, left := range []map[partKey][]int64{rows, removed} {
		for k := range left {
			return nil, fmt.Errorf("%s/%d has changed, and the base does not have it", k.topic, k.partition)
		}
	}
	out.Positions = append(out.Positions, set...)
	slices.SortFunc(out.Positions, comparePositions)
	return &out, nil
}

// collect puts rows under their partitions; each must be there once and have
// 1 to width numbers.
func collect(into map[partKey][]int64, topics []storedRows, width int) error {
	for _, t := range topics {
		for _, row := range t.Partitions {
			if len(row) < 1 || len(row) > width {
				return fmt.Errorf("a row of topic %q has %d numbers", t.Topic, len(row))
			}
			k := partKey{t.Topic, row[0]}
			if into[k] != nil {
				return fmt.Errorf("%s/%d is changed twice", k.topic, k.partition)
			}
			into[k] = row
		}
	}
	return nil
}
