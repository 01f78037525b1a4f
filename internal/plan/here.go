package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// What plans have in common that begin and end on one cluster: Reset, Forget
// and Restore.

// newHere returns a builder of such a plan.
func newHere(kind Kind, in Input) *builder {
	now := in.Now()
	return &builder{in: in, now: now, plan: &Plan{
		Kind: kind, Tool: in.Tool, Asked: in.Asked, Target: in.To.cluster(),
		Created: now.UTC().Truncate(time.Millisecond), Options: Options{Accept: in.Accept},
		Findings: []Finding{}, LeftBehind: []LeftBehind{}, Topics: []Topic{}, Groups: []Group{},
	}}
}

// readChosen reads the groups of the target that are selected. One that is
// named and does not exist is among them, absent.
func (b *builder) readChosen(ctx context.Context) (map[string]group.Reading, error) {
	sel := b.in.Selection
	names := map[string]bool{}
	for _, name := range sel.LiteralGroups() {
		if sel.Group(name) {
			names[name] = true
		}
	}
	if !sel.OnlyLiteralGroups() {
		if b.in.To.List == nil {
			return nil, &Error{Op: "planning", Object: "groups of " + b.in.To.label(), Err: fmt.Errorf("%w: the cluster cannot list groups", ErrInput)}
		}
		b.event(Event{Stage: "listing groups"})
		all, complete, err := b.in.To.List.List(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing groups of %s: %w", b.in.To.label(), err)
		}
		b.incomplete(&b.in.To, complete)
		for _, g := range all {
			if sel.Group(g.Name) {
				names[g.Name] = true
			}
		}
	}
	if len(names) == 0 {
		return nil, b.nothingHere("no group that is selected")
	}
	return b.readNamed(ctx, sortedKeys(names))
}

// nothingHere is the error of a plan without a single position.
func (b *builder) nothingHere(what string) error {
	var parts []string
	for _, p := range slices.Concat(b.in.Selection.UnmatchedGroups(), b.in.Selection.UnmatchedTopics()) {
		if !strings.HasPrefix(p.Option, "--exclude") {
			parts = append(parts, p.Option+" "+p.Text)
		}
	}
	if len(parts) > 0 {
		what += "; nothing matches " + strings.Join(parts, ", ")
	}
	return &Error{
		Op: "planning", Object: "groups of " + b.in.To.label(), Err: fmt.Errorf("%w: %s has %s", ErrNothing, b.in.To.label(), what),
		Hint: "kferry group list shows the groups that can be seen, kferry group describe GROUP their positions",
	}
}

// literally reports whether a group was selected by its name.
func (b *builder) literally(name string) bool {
	return slices.Contains(b.in.Selection.LiteralGroups(), name)
}

// readHere reads topics of the target, pins those that can be used, and reads
// the bounds of the partitions that are asked for and exist.
func (b *builder) readHere(ctx context.Context, names map[string]bool, ask map[topic.Partition]bool) (err error) {
	b.event(Event{Stage: "reading topics"})
	if b.targetTopics, err = topicsOf(ctx, &b.in.To, sortedKeys(names)); err != nil {
		return err
	}
	for _, name := range sortedKeys(names) {
		if t := b.targetTopics[name]; t.Err == nil {
			b.plan.Topics = append(b.plan.Topics, Topic{Target: name, TargetID: t.ID, TargetPartitions: len(t.Partitions), OwnHeaders: []string{}})
		}
	}
	for p := range ask {
		if t := b.targetTopics[p.Topic]; t.Err != nil || !slices.Contains(t.Partitions, p.Partition) {
			delete(ask, p)
		}
	}
	b.bounds = map[topic.Partition]topic.Bounds{}
	return b.readLog(ctx, ask, nil)
}

// bad refuses a position whose partition is not there, or whose log cannot be
// read; false when it is as it should be.
func (b *builder) bad(q *Position) bool {
	t, label := b.targetTopics[q.Topic], b.in.To.label()
	switch bounds, ok := b.bounds[q.Target()]; {
	case gone(t):
		q.refuse(ReasonTopicMissing, fmt.Sprintf("%s has no topic %s", label, q.Topic), near(q.Topic, b.targetTopics))
	case t.Err != nil:
		q.refuse(ReasonTopicUnreadable, fmt.Sprintf("topic %s of %s: %v", q.Topic, label, t.Err), "grant DESCRIBE on the topic")
	case !slices.Contains(t.Partitions, q.Partition):
		q.refuse(ReasonPartitionMissing, fmt.Sprintf("topic %s of %s has %s and no partition %d", q.Topic, label, partitions(len(t.Partitions)), q.Partition), "")
	case !ok:
		q.refuse(ReasonTopicUnreadable, fmt.Sprintf("offsets of %s: no answer", q.Target()), "")
	case bounds.Err != nil:
		q.refuse(ReasonTopicUnreadable, fmt.Sprintf("offsets of %s: %v", q.Target(), bounds.Err), "")
	default:
		return false
	}
	return true
}

// here is a position of a plan on one cluster, with what the group has and what
// that lags.
func (b *builder) here(r group.Reading, p topic.Partition) Position {
	q := Position{
		Topic: p.Topic, Partition: p.Partition, Action: None,
		CopiedThrough: -1, LagBefore: -1, LagAfter: -1, TargetStart: -1, TargetEnd: -1,
	}
	if have, ok := r.Positions[p]; ok {
		q.Before = offsetOf(have)
	}
	if bounds, ok := b.bounds[p]; ok && bounds.Err == nil {
		q.TargetStart, q.TargetEnd = bounds.Start, bounds.End
		if q.Before != nil {
			q.LagBefore = max(0, bounds.End-q.Before.Offset)
		}
	}
	return q
}

// becomes plans what a position is to be.
func (q *Position) becomes(o *Offset, share bool) {
	if share {
		o.Metadata = "" // there is no place for it
	}
	q.After, q.LagAfter = o, max(0, q.TargetEnd-o.Offset)
	q.Action = q.action(false)
	if q.Before != nil {
		q.Rewind = max(0, q.Before.Offset-o.Offset)
		q.Lost = max(0, o.Offset-max(q.Before.Offset, q.TargetStart))
	}
}

// unmatchedHere says which parts of the selection selected nothing, and
// refuses a topic that is named and does not exist.
func (b *builder) unmatchedHere(ctx context.Context) error {
	for _, name := range b.in.Selection.LiteralTopics() {
		if t, asked := b.targetTopics[name]; !asked || !gone(t) {
			continue
		}
		all, err := b.in.To.Topics.Topics(ctx)
		if err != nil {
			return fmt.Errorf("reading topics of %s: %w", b.in.To.label(), err)
		}
		return &Error{
			Op: "planning", Object: "topic " + name, Err: fmt.Errorf("%w: %s has no topic %s", ErrNothing, b.in.To.label(), name),
			Hint: orElse(near(name, all), "name a topic of the cluster, or a pattern with * in it"),
		}
	}
	for _, p := range slices.Concat(b.in.Selection.UnmatchedGroups(), b.in.Selection.UnmatchedTopics()) {
		b.find(Finding{Severity: Warning, Reason: ReasonUnmatched, Detail: fmt.Sprintf("%s %s selects nothing", p.Option, p.Text)})
	}
	return nil
}

// refuseGroup says why a group cannot be written as a whole; the first reason
// stays.
func (g *Group) refuseGroup(reason Reason, detail, hint string) {
	if g.Reason == "" {
		g.Reason, g.Detail, g.Hint = reason, detail, hint
	}
}

// unseen refuses a group some of whose positions may be hidden: what a plan
// leaves or removes must have been seen.
func (b *builder) unseen(g *Group, r group.Reading) {
	switch {
	case len(r.Complete.Missing) > 0:
		g.refuseGroup(ReasonIncomplete, fmt.Sprintf("group %q may have positions that cannot be seen: %s", g.Name, strings.Join(r.Complete.Missing, "; ")), "grant the rights that are named and plan again")
	case !r.Complete.Known:
		b.incomplete(&b.in.To, r.Complete)
	}
}

// positionsOf are the selected partitions on which a group has a position.
func positionsOf(r group.Reading, sel *position.Selection) []topic.Partition {
	return slices.DeleteFunc(sortedPartitions(r.Positions), func(p topic.Partition) bool { return !sel.Partition(p) })
}
