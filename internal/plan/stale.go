package plan

import (
	"context"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/topic"
)

// sourceMoved reads the source groups of a group again and names the positions
// that are not what the plan was made from. A group whose source was active,
// which the user accepted, is not looked at.
func (w *writer) sourceMoved(ctx context.Context, g *Group) ([]Problem, error) {
	if len(g.Sources) == 0 || w.from == nil || g.accepted(acceptActive) {
		return nil, nil
	}
	readings := map[string]group.Reading{}
	for _, s := range g.Sources {
		r, err := readOne(ctx, w.from, s.Name)
		if err != nil {
			return nil, err
		}
		readings[s.Name] = r
	}
	return g.sourceProblems(readings), nil
}

// sourceProblems compares source readings with the plan.
func (g *Group) sourceProblems(readings map[string]group.Reading) []Problem {
	if g.accepted(acceptActive) {
		return nil
	}
	var out []Problem
	add := func(p topic.Partition, format string, args ...any) {
		out = append(out, Problem{Topic: p.Topic, Partition: p.Partition, Reason: ReasonSourceMoved, Detail: fmt.Sprintf(format, args...)})
	}
	for i := range g.Positions {
		q := &g.Positions[i]
		r, known := readings[q.SourceGroup]
		if !known || q.Blocked {
			continue
		}
		for _, from := range q.origins() {
			if slices.Contains(r.Unstable, from.partition) {
				add(from.partition, "a transactional commit of the source group is pending")
				continue
			}
			var now *Offset
			if have, ok := r.Positions[from.partition]; ok {
				now = offsetOf(have)
			}
			if !now.same(from.at) {
				add(from.partition, "the source group was at %s and is at %s", from.at, now)
			}
		}
	}
	for _, s := range g.Sources {
		if r := readings[s.Name]; len(out) == 0 && !r.Group.Stopped() {
			out = append(out, Problem{Reason: ReasonGroupActive, Detail: fmt.Sprintf("source group %q is in use: %s %v", s.Name, r.Group.State, members(r.Group))})
		}
	}
	return capProblems(out)
}

// targetProblems compares a target reading with the plan.
func (g *Group) targetProblems(r group.Reading) []Problem {
	if ob := g.standsInTheWay(r, "the target", "the target"); ob != nil {
		return []Problem{{Reason: ob.reason, Detail: ob.detail}}
	}
	if ob := g.otherKind(r, "the target"); ob != nil {
		return []Problem{{Reason: ob.reason, Detail: ob.detail}}
	}
	var out []Problem
	known, topics := map[topic.Partition]bool{}, map[string]bool{}
	for i := range g.Positions {
		q := &g.Positions[i]
		known[q.Target()], topics[q.Topic] = true, true
		var now *Offset
		if have, ok := r.Positions[q.Target()]; ok {
			now = offsetOf(have)
		}
		if !now.same(q.Before) {
			out = append(out, Problem{
				Topic: q.Topic, Partition: q.Partition, Reason: ReasonTargetMoved,
				Detail: fmt.Sprintf("the target group was at %s and is at %s", q.Before, now) + q.syncSuspected(now),
			})
		}
	}
	out = append(out, g.come(r, known, topics)...)
	if g.Delete && !exists(r.Group) && len(out) == 0 {
		out = append(out, Problem{Reason: ReasonTargetMoved, Detail: "the group does not exist any more"})
	}
	if exists(r.Group) && !g.Target.Exists && len(r.Positions) > 0 && len(out) == 0 {
		out = append(out, Problem{Reason: ReasonTargetMoved, Detail: "the target group did not exist and has positions now"})
	}
	return capProblems(out)
}

// come names positions that the target group has by now, besides those that are
// known, where the plan speaks for more than it names. Given positions leave
// alone all else; a group that is deleted loses whatever it has, and one that is
// restored as a whole, too.
func (g *Group) come(r group.Reading, known map[topic.Partition]bool, topics map[string]bool) (out []Problem) {
	whole := g.Delete || g.Scope == ScopeGroup
	if len(g.Sources) == 0 && !whole && g.Scope == "" {
		return nil
	}
	for _, p := range sortedPartitions(r.Positions) {
		if (whole || topics[p.Topic]) && !known[p] {
			out = append(out, Problem{
				Topic: p.Topic, Partition: p.Partition, Reason: ReasonTargetMoved,
				Detail: fmt.Sprintf("the target group had no position here and is at %d", r.Positions[p].Offset),
			})
		}
	}
	return out
}

// ground is what the positions of a plan stand on: topics and bounds, read
// again.
type ground struct {
	source, target map[string]topic.Topic
	bounds         map[topic.Partition]topic.Bounds
}

// readGround reads the topics of both sides and the bounds of what is to be
// written.
func readGround(ctx context.Context, p *Plan, groups []*Group, from, to *Side) (*ground, error) {
	sources, targets, parts := map[string]bool{}, map[string]bool{}, map[topic.Partition]bool{}
	for _, g := range groups {
		for i := range g.Positions {
			q := &g.Positions[i]
			if q.Blocked {
				continue
			}
			targets[q.Topic] = true
			if q.SourceTopic != "" && q.isFrom() {
				sources[q.SourceTopic] = true
			}
			if q.After != nil {
				parts[q.Target()] = true
			}
		}
	}
	out := &ground{}
	var err error
	if out.target, err = topicsOf(ctx, to, sortedKeys(targets)); err != nil {
		return nil, err
	}
	if p.Source != nil && from != nil {
		if out.source, err = topicsOf(ctx, from, sortedKeys(sources)); err != nil {
			return nil, err
		}
	}
	// Partitions that are gone are said by the topics.
	for q := range parts {
		if t := out.target[q.Topic]; t.Err != nil || !slices.Contains(t.Partitions, q.Partition) {
			delete(parts, q)
		}
	}
	if len(parts) > 0 {
		if out.bounds, err = to.Log.Bounds(ctx, sortedPartitions(parts)); err != nil {
			return nil, fmt.Errorf("reading offsets of %s: %w", to.label(), err)
		}
	}
	return out, nil
}

// problems names what has changed under the positions of a group.
func (gr *ground) problems(p *Plan, g *Group) []Problem {
	pairs := map[[2]string]*Topic{}
	for i := range p.Topics {
		pairs[[2]string{p.Topics[i].Source, p.Topics[i].Target}] = &p.Topics[i]
		if pairs[[2]string{"", p.Topics[i].Target}] == nil {
			pairs[[2]string{"", p.Topics[i].Target}] = &p.Topics[i]
		}
	}
	var out []Problem
	said := map[string]bool{}
	add := func(q *Position, detail string) {
		if !said[detail] {
			said[detail] = true
			out = append(out, Problem{Topic: q.Topic, Partition: q.Partition, Reason: ReasonTopicChanged, Detail: detail})
		}
	}
	for i := range g.Positions {
		q := &g.Positions[i]
		if q.Blocked || q.Action == None {
			continue
		}
		pinned := pairs[[2]string{"", q.Topic}]
		if pair := pairs[[2]string{q.SourceTopic, q.Topic}]; pair != nil && q.SourceTopic != "" {
			pinned = pair
			if t, ok := gr.source[q.SourceTopic]; ok {
				if why := changed(t, pair.SourceID, pair.SourcePartitions); why != "" {
					add(q, fmt.Sprintf("source topic %s %s", q.SourceTopic, why))
				}
			}
		}
		if pinned != nil {
			if why := changed(gr.target[q.Topic], pinned.TargetID, pinned.TargetPartitions); why != "" {
				add(q, fmt.Sprintf("topic %s %s", q.Topic, why))
				continue
			}
		}
		if q.After == nil {
			continue
		}
		switch b, ok := gr.bounds[q.Target()]; {
		case !ok:
			add(q, fmt.Sprintf("topic %s has no partition %d any more", q.Topic, q.Partition))
		case p.Kind == KeepOffsets: // wherever it is, there it stays
		case b.Err != nil:
			add(q, fmt.Sprintf("offsets of %s: %v", q.Target(), b.Err))
		case b.Start > q.After.Offset:
			add(q, fmt.Sprintf("the log of %s begins at %d by now: records from %d on are gone", q.Target(), b.Start, q.After.Offset))
		case b.End < max(q.After.Offset, q.TargetEnd):
			add(q, fmt.Sprintf("the log of %s ends at %d and ended at %d: it was cut or created anew", q.Target(), b.End, max(q.After.Offset, q.TargetEnd)))
		}
	}
	return capProblems(out)
}

// changed says how a topic is not the one that was pinned.
func changed(t topic.Topic, id topic.ID, count int) string {
	switch {
	case t.Err != nil:
		return fmt.Sprintf("cannot be used: %v", t.Err)
	case t.ID != id && (!t.ID.IsZero() || !id.IsZero()):
		return fmt.Sprintf("was deleted and created again: its ID was %s and is %s", id, t.ID)
	case count != 0 && len(t.Partitions) != count:
		return fmt.Sprintf("had %s and has %d", partitions(count), len(t.Partitions))
	}
	return ""
}

// authority is the optional ability of a Committer to tell rights.
type authority interface {
	Rights(ctx context.Context, names, topics []string) (group.Rights, error)
}

// missingRights names per group the rights to commit and to undo that are
// known to be missing.
func missingRights(ctx context.Context, to *Side, tasks map[string]task) (map[string][]Problem, error) {
	a, ok := to.Write.(authority)
	if !ok || len(tasks) == 0 {
		return nil, nil
	}
	topics := map[string]bool{}
	for _, t := range tasks {
		for _, e := range t.Writes {
			topics[e.Topic] = true
		}
	}
	rights, err := a.Rights(ctx, sortedKeys(tasks), sortedKeys(topics))
	if err != nil {
		return nil, fmt.Errorf("reading rights on %s: %w", to.label(), err)
	}
	out := map[string][]Problem{}
	for name, t := range tasks {
		need := []string{"READ"}
		removes := t.Kind != group.Share && (len(t.deletes()) > 0 || len(t.reverse().deletes()) > 0)
		if removes || !t.Existed || t.DeleteGroup {
			need = append(need, "DELETE")
		}
		for _, op := range need {
			if allowed, known := rights.Groups[name].May(op); known && !allowed {
				out[name] = append(out[name], Problem{Reason: ReasonRights, Detail: fmt.Sprintf("the right %s on group %q is missing", op, name)})
			}
		}
		said := map[string]bool{}
		for _, e := range t.Writes {
			if allowed, known := rights.Topics[e.Topic].May("READ"); known && !allowed && !said[e.Topic] {
				said[e.Topic] = true
				out[name] = append(out[name], Problem{Topic: e.Topic, Reason: ReasonRights, Detail: fmt.Sprintf("the right READ on topic %q is missing", e.Topic)})
			}
		}
	}
	return out, nil
}
