package script

import (
	"fmt"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
)

// Choices are what the user allows a script to do otherwise than kferry does.
type Choices struct {
	// DropMetadata: the string that was committed with a position is lost, since
	// kafka-consumer-groups.sh commits an empty one.
	DropMetadata bool
}

// Refused is a group that is not in the script.
type Refused struct {
	Group, Reason, Hint string
}

// FromPlan fills the groups of a script with what a plan would change, and says
// which groups of the plan are not in it: those that the plan blocks, and those
// that Kafka's tool cannot do. Groups that are as planned are left out.
func (o *Offsets) FromPlan(p *plan.Plan, c Choices) []Refused {
	var refused []Refused
	for i := range p.Groups {
		g := &p.Groups[i]
		no := func(reason, hint string) {
			refused = append(refused, Refused{g.Name, reason, hint})
			o.Left = append(o.Left, fmt.Sprintf("group %q: %s", g.Name, reason))
		}
		switch {
		case g.Verdict == plan.VerdictNothing:
			o.Left = append(o.Left, fmt.Sprintf("group %q: it was as planned already", g.Name))
			continue
		case !g.Applicable():
			no(fmt.Sprintf("the plan does not change it: %s %s", g.Verdict, firstOf(g.Detail, string(g.Reason))), g.Hint)
			continue
		case g.Target.Kind == group.Share || g.Target.Kind == group.Streams:
			no(fmt.Sprintf("kafka-consumer-groups.sh does not write groups of kind %s", g.Target.Kind), "use 'kferry apply'")
			continue
		case p.Options.KeepMS > 0:
			no("its positions are to be kept for a time of their own, which kafka-consumer-groups.sh cannot say", "use 'kferry apply', or plan without --keep-offsets")
			continue
		}
		out := planned(g)
		if n := withMetadata(g); n > 0 && !c.DropMetadata {
			no(fmt.Sprintf("%d of its positions carry metadata, which kafka-consumer-groups.sh would drop", n), "use 'kferry apply', or --drop-metadata where nothing reads it")
			continue
		} else if n > 0 {
			out.Notes = append(out.Notes, fmt.Sprintf("The metadata of %d positions is dropped.", n))
		}
		if bad := out.problem(); bad != nil {
			no(bad.Reason, bad.Hint)
			continue
		}
		o.Groups = append(o.Groups, out)
	}
	return refused
}

// planned is a group of a plan as the script has it.
func planned(g *plan.Group) Group {
	out := Group{Name: g.Name, Delete: g.Delete}
	if g.Verdict == plan.VerdictPartly {
		out.Notes = append(out.Notes, "Only a part of the group: the rest of it cannot be set, which was accepted in the plan.")
	}
	for i := range g.Positions {
		q := &g.Positions[i]
		if q.Blocked || !q.Writes() && q.Action != plan.Same {
			continue
		}
		r := Row{Topic: q.Topic, Partition: q.Partition, Before: None, After: None}
		if q.Before != nil {
			r.Before = q.Before.Offset
		} else if g.Target.Unread {
			r.Before = Unknown
		}
		if q.Action != plan.Delete && q.After != nil {
			r.After = q.After.Offset
		}
		out.Rows = append(out.Rows, r)
	}
	return out
}

// withMetadata counts the positions whose metadata the tool would not write.
func withMetadata(g *plan.Group) int {
	n := 0
	for i := range g.Positions {
		q := &g.Positions[i]
		if !q.Blocked && q.Writes() && q.Action != plan.Delete && q.After != nil && q.After.Metadata != "" {
			n++
		}
	}
	return n
}

// FromPositions fills the groups of a script with positions of a file: what the
// groups have now is not known and not compared.
func (o *Offsets) FromPositions(s *position.Set, c Choices) []Refused {
	var refused []Refused
	for _, name := range s.Groups() {
		out := Group{Name: name}
		carried := 0
		for _, p := range s.ByGroup(name) {
			out.Rows = append(out.Rows, Row{Topic: p.Partition.Topic, Partition: p.Partition.Partition, Before: Unknown, After: p.Offset})
			if p.Metadata != "" {
				carried++
			}
		}
		no := func(reason, hint string) {
			refused = append(refused, Refused{name, reason, hint})
			o.Left = append(o.Left, fmt.Sprintf("group %q: %s", name, reason))
		}
		if carried > 0 && !c.DropMetadata {
			no(fmt.Sprintf("%d of its positions carry metadata, which kafka-consumer-groups.sh would drop", carried), "use 'kferry offset apply', or --drop-metadata where nothing reads it")
			continue
		} else if carried > 0 {
			out.Notes = append(out.Notes, fmt.Sprintf("The metadata of %d positions is dropped.", carried))
		}
		if bad := out.problem(); bad != nil {
			no(bad.Reason, bad.Hint)
			continue
		}
		o.Groups = append(o.Groups, out)
	}
	return refused
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
