package plan

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// task is the change of one group, in either direction.
type task struct {
	beginBody
	// undo: nothing has to be looked at on the source.
	undo bool
	plan *Group // nil in a rollback
}

// reverse is the task that restores what was before.
func (t *beginBody) reverse() *beginBody {
	// What is done with a group itself is turned round, too: one that was
	// deleted does not exist before it is restored.
	out := &beginBody{Group: t.Group, Kind: t.Kind, Attempt: t.Attempt, Existed: !t.DeleteGroup, DeleteGroup: !t.Existed}
	for _, e := range t.Writes {
		out.Writes = append(out.Writes, edit{Topic: e.Topic, Partition: e.Partition, Before: e.After, After: e.Before})
	}
	return out
}

// sets are the positions to commit, deletes those to delete.
func (t *beginBody) sets() []position.Position {
	var out []position.Position
	for _, e := range t.Writes {
		if e.After != nil {
			out = append(out, positionOf(t.Group, e.partition(), e.After))
		}
	}
	return out
}

func (t *beginBody) deletes() []topic.Partition {
	var out []topic.Partition
	for _, e := range t.Writes {
		if e.After == nil {
			out = append(out, e.partition())
		}
	}
	return out
}

// standing is how the positions of a group stand to a task.
type standing int

const (
	asBefore standing = iota
	asAfter
	mixed   // each is as before or as after
	strange // some position is neither
	asBoth  // before and after are the same: nothing of it can be seen
)

// stands compares a reading with a task, and names what is neither.
func (t *beginBody) stands(r group.Reading) (standing, []Problem) {
	before, after, kept := 0, 0, 0
	var odd []Problem
	for _, e := range t.Writes {
		var now *Offset
		if p, ok := r.Positions[e.partition()]; ok {
			now = offsetOf(p)
		}
		switch {
		case e.keeps() && now.same(e.After):
			kept++
		case now.same(e.After):
			after++
		case now.same(e.Before):
			before++
		default:
			odd = append(odd, Problem{
				Topic: e.Topic, Partition: e.Partition, Reason: ReasonElsewhere,
				Detail: fmt.Sprintf("is at %s, was at %s, was to be at %s", now, e.Before, e.After),
			})
		}
	}
	switch {
	case len(odd) > 0:
		return strange, capProblems(odd)
	case kept > 0 && before+after == 0:
		return asBoth, nil
	case before == 0 && (!t.DeleteGroup || !exists(r.Group) || hasOthers(t, r)):
		return asAfter, nil
	case after == 0:
		return asBefore, nil
	default:
		return mixed, nil
	}
}

// unseen reports whether a part of the change can have been left out although
// every position is as it was to be: one that is only kept does not show it, and
// the requests are more than one.
func (t *beginBody) unseen(maxCommit int) bool {
	return len(t.sets()) > maxCommit && slices.ContainsFunc(t.Writes, func(e edit) bool { return e.keeps() })
}

// hasOthers reports whether the group has positions that the task does not
// know of: somebody else uses it, and it must not be deleted.
func hasOthers(t *beginBody, r group.Reading) bool {
	known := make(map[topic.Partition]bool, len(t.Writes))
	for _, e := range t.Writes {
		known[e.partition()] = true
	}
	for p := range r.Positions {
		if !known[p] {
			return true
		}
	}
	return false
}

// String is for messages.
func (o *Offset) String() string {
	if o == nil {
		return "none"
	}
	if o.Metadata == "" {
		return strconv.FormatInt(o.Offset, 10)
	}
	return fmt.Sprintf("%d with %d bytes of metadata", o.Offset, len(o.Metadata))
}

func capProblems(ps []Problem) []Problem {
	if len(ps) > maxJournalProblems {
		return ps[:maxJournalProblems]
	}
	return ps
}

// taskOf is what a plan does with a group that is as the plan found it.
func taskOf(g *Group) task {
	t := task{plan: g, beginBody: beginBody{Group: g.Name, Existed: g.Target.Exists, DeleteGroup: g.Delete}}
	if g.share() {
		t.Kind = group.Share
	}
	for i := range g.Positions {
		if q := &g.Positions[i]; q.Writes() {
			e := edit{Topic: q.Topic, Partition: q.Partition, Before: q.Before}
			if q.Action != Delete {
				e.After = q.After
			}
			t.Writes = append(t.Writes, e)
		}
	}
	return t
}
