package plan

import (
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// takeGiven lays out the items of given positions.
func (b *builder) takeGiven() error {
	var keys []position.Key
	for _, p := range b.in.Given {
		if !b.in.Selection.Group(p.Group) || !b.in.Selection.Partition(p.Partition) {
			continue
		}
		keys = append(keys, p.Key())
		to, ok := b.groupFor(p.Group, p.Partition.Topic)
		if !ok {
			continue
		}
		b.items[to] = append(b.items[to], &item{
			from: p.Group, source: p.Partition, have: offsetOf(p),
			target: topic.Partition{Topic: b.topicName(p.Partition.Topic), Partition: p.Partition.Partition},
		})
	}
	if !b.in.AsGiven {
		if err := b.in.Route.Check(keys); err != nil {
			return fmt.Errorf("routing the positions: %w", err)
		}
	}
	if b.plan.Source != nil {
		b.find(Finding{
			Severity: Note, Reason: ReasonUnchecked,
			Detail: "the source positions were given; whether the groups still have them was not looked at",
		})
	}
	return b.collide()
}

// takeReading lays out the items of one source group.
func (b *builder) takeReading(name string, r group.Reading) {
	left := map[leftKey][]int32{}
	add := func(p topic.Partition, have *Offset, unstable bool) {
		if !b.in.Selection.Partition(p) {
			k := leftKey{p.Topic, "not selected"}
			left[k] = append(left[k], p.Partition)
			return
		}
		to, ok := b.groupFor(name, p.Topic)
		if !ok {
			k := leftKey{p.Topic, "the route leaves it behind"}
			left[k] = append(left[k], p.Partition)
			return
		}
		b.items[to] = append(b.items[to], &item{
			from: name, source: p, have: have, unstable: unstable,
			target: topic.Partition{Topic: b.topicName(p.Topic), Partition: p.Partition},
		})
	}
	for p, pos := range r.Positions {
		if !slices.Contains(r.Unstable, p) {
			add(p, offsetOf(pos), false)
		}
	}
	for _, p := range r.Unstable {
		add(p, nil, true)
	}
	for k, partitions := range left {
		slices.Sort(partitions)
		b.plan.LeftBehind = append(b.plan.LeftBehind, LeftBehind{
			Group: name, Topic: k.topic, Partitions: partitions, Reason: ReasonOutOfRoute, Detail: k.why,
		})
	}
}

// leftKey groups what is left behind.
type leftKey struct{ topic, why string }

// collide refuses a position that would be copied onto itself and, as the last
// resort, two that would become one: the route has been checked for that.
func (b *builder) collide() error {
	for _, name := range sortedKeys(b.items) {
		slices.SortFunc(b.items[name], func(x, y *item) int { return topic.Compare(x.target, y.target) })
		for i, it := range b.items[name] {
			switch {
			case i > 0 && b.items[name][i-1].target == it.target:
				return &Error{
					Op: "planning", Object: fmt.Sprintf("group %q", name),
					Err:  fmt.Errorf("%w: two positions become %s", ErrInput, it.target),
					Hint: "each position may be given once",
				}
			case b.plan.Kind == Copy && b.in.Given == nil && it.from == name && it.source == it.target:
				return &Error{
					Op: "planning", Object: fmt.Sprintf("group %q", name),
					Err:  fmt.Errorf("%w: %s would be copied onto itself", ErrCollision, it.source),
					Hint: "source and target are the same cluster: give the group another name with --map-group",
				}
			}
		}
	}
	return nil
}
