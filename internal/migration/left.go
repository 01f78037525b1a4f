package migration

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/plan"
)

// LeftPosition is a position that a migration has left as it found it: somebody
// else has committed in its group since, so that all of the group is left alone,
// and the user has asked to end nevertheless.
type LeftPosition struct {
	// Cluster is the name of the one on which it is.
	Cluster   string `json:"cluster"`
	Group     string `json:"group"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Offset is where the group stands, Put where the migration had put it and
	// Before where it stood before that; -1 is no position.
	Offset int64 `json:"offset"`
	Put    int64 `json:"put"`
	Before int64 `json:"before"`
}

// String is "app on orders/0: 9, was put at 7, before that none".
func (l LeftPosition) String() string {
	word := func(n int64) string {
		if n < 0 {
			return "none"
		}
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s on %s/%d: %s, was put at %s, before that %s", l.Group, l.Topic, l.Partition, word(l.Offset), word(l.Put), word(l.Before))
}

// takenBack is what became of taking back a run.
type takenBack struct {
	// run is the run that did it, "" when there was nothing.
	run string
	// left says of each group why it was left alone, whose names groups are.
	left, groups []string
}

// inUse is an error when something was left.
func (t *takenBack) inUse() error {
	if len(t.left) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrInUse, strings.Join(t.left, "; "))
}

// staying reads what stays of a plan in groups that were left alone. Somebody who
// is at work in one of them is to be stopped first: he would read there, and the
// application where it is started, the same records.
func (e *engine) staying(ctx context.Context, side *plan.Side, p *plan.Plan, groups []string) ([]LeftPosition, []Wait, error) {
	if len(groups) == 0 {
		return nil, nil, nil
	}
	r, err := read(ctx, side, groups)
	if err != nil {
		return nil, nil, err
	}
	kind := WaitTargetMembers
	if side == &e.in.From {
		kind = WaitMembers
	}
	if w := r.busy(kind, side.Name, groups, leaves(side)); len(w) > 0 {
		return nil, w, nil
	}
	var out []LeftPosition
	for _, name := range groups {
		g := p.Group(name)
		if g == nil {
			continue
		}
		for i := range g.Positions {
			pos := &g.Positions[i]
			if pos.After == nil && pos.Before == nil {
				continue
			}
			l := LeftPosition{Cluster: side.Name, Group: name, Topic: pos.Topic, Partition: pos.Partition, Offset: -1, Put: -1, Before: -1}
			if now, ok := r.groups[name].Positions[pos.Target()]; ok {
				l.Offset = now.Offset
			}
			if pos.After != nil {
				l.Put = pos.After.Offset
			}
			if pos.Before != nil {
				l.Before = pos.Before.Offset
			}
			if l.Offset != l.Before {
				out = append(out, l)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b LeftPosition) int { return strings.Compare(a.Group, b.Group) })
	return out, nil, nil
}

// leftText says how many there are; State.Left has them.
func leftText(side string, left []LeftPosition) string {
	if len(left) == 0 {
		return "nothing of it is left on " + side
	}
	text := fmt.Sprintf("%s on %s, in groups in which somebody else has committed since: %s", count(len(left), "position was left", "positions were left"), side, left[0])
	if more := len(left) - 1; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
