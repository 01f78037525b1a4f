package cli

import (
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/plan"
)

// placed reports whether a plan is about where groups of one cluster stand, and
// no translation: such a plan has a table and words of its own.
func placed(p *plan.Plan) bool {
	return p.Kind == plan.Reset || p.Kind == plan.Forget || p.Kind == plan.Restore && p.Source == nil
}

// placedTable has a row per position: what it is, what it is to be, and how.
func (v planView) placedTable(p *plan.Plan) *table {
	t := newTable(v.paint, "", "GROUP", "TOPIC", "PARTITION>", "CURRENT>", "TARGET>", "LAG>", "ACTION")
	for i := range p.Groups {
		g := &p.Groups[i]
		for j := range g.Positions {
			q := &g.Positions[j]
			target := offsetOf(q.After)
			if q.Action == plan.Delete {
				target = "-"
			}
			text, paint := v.placedAction(q)
			t.cells(cell{text: q.Action.Sign(), paint: paint}, cell{text: g.Name}, cell{text: q.Topic},
				cell{text: strconv.Itoa(int(q.Partition))}, cell{text: offsetOf(q.Before)}, cell{text: target, paint: v.paint.bold},
				cell{text: placedLag(q)}, cell{text: text, paint: paint})
		}
	}
	return t
}

// placedAction is what is done with a position, with the distance that it goes.
func (v planView) placedAction(q *plan.Position) (string, func(string) string) {
	switch {
	case q.Blocked:
		return "refused, " + string(q.Reason), v.paint.red
	case q.Action == plan.New:
		return "set", v.paint.green
	case q.Action == plan.Delete:
		return "delete", v.paint.red
	case q.Action == plan.Change && q.Rewind > 0:
		return "back " + strconv.FormatInt(q.Rewind, 10), v.paint.yellow
	case q.Action == plan.Change && q.Before != nil && q.After != nil && q.After.Offset > q.Before.Offset:
		return "ahead " + strconv.FormatInt(q.After.Offset-q.Before.Offset, 10), v.paint.yellow
	case q.Action == plan.Change:
		return "metadata", v.paint.yellow
	default:
		return "nothing", v.paint.green
	}
}

// placedLag is the lag now, and what it becomes.
func placedLag(q *plan.Position) string {
	if q.After == nil {
		return offsetText(q.LagBefore)
	}
	return offsetText(q.LagBefore) + " → " + offsetText(q.LagAfter)
}

// placedSum counts the positions of such a plan by what is done with them.
func placedSum(p *plan.Plan) string {
	s, blocked, idle := p.Summary, 0, 0
	for i := range p.Groups {
		for j := range p.Groups[i].Positions {
			switch q := &p.Groups[i].Positions[j]; {
			case q.Blocked:
				blocked++
			case q.Action == plan.None:
				idle++
			}
		}
	}
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{{s.New, "to set"}, {s.Changed, "to change"}, {s.Deleted, "to delete"}, {s.Same, "already there"}, {idle, "left"}, {blocked, "refused"}} {
		if c.n > 0 {
			parts = append(parts, strconv.Itoa(c.n)+" "+c.word)
		}
	}
	return strings.Join(parts, ", ")
}
