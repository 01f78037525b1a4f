package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/topic"
)

// checked is what was seen of one group before anything is written.
type checked struct {
	target  group.Reading
	at      time.Time
	source  []Problem // S moved, or is not final
	changed []Problem // topics and logs
	pinned  []Problem // the target group is not as planned
	rights  []Problem
}

func (c *checked) problems() []Problem {
	return slices.Concat(c.rights, c.source, c.changed, c.pinned)
}

// look reads everything that the pending groups rest on.
func (a *applier) look(ctx context.Context, pending map[string]*Group) (map[string]*checked, *ground, error) {
	seen := map[string]*checked{}
	var groups []*Group
	tasks := map[string]task{}
	for _, name := range sortedKeys(pending) {
		seen[name] = &checked{}
		groups = append(groups, pending[name])
		tasks[name] = taskOf(pending[name])
	}
	if len(groups) == 0 {
		return seen, &ground{}, nil
	}
	if err := a.lookAtSource(ctx, groups, seen); err != nil {
		return nil, nil, err
	}
	a.event(Event{Stage: "checking", Total: len(groups)})
	ground, err := readGround(ctx, a.plan, groups, a.from, a.to)
	if err != nil {
		return nil, nil, err
	}
	rights, err := missingRights(ctx, a.to, tasks)
	if err != nil {
		return nil, nil, err
	}
	readings, err := a.to.Read.Read(ctx, sortedKeys(pending))
	if err != nil {
		return nil, nil, fmt.Errorf("reading groups of %s: %w", a.to.label(), err)
	}
	for _, g := range groups {
		c := seen[g.Name]
		r, ok := readings[g.Name]
		if !ok {
			r = absent(g.Name)
		}
		c.target, c.at = r, time.Now()
		c.changed, c.rights = ground.problems(a.plan, g), rights[g.Name]
		c.pinned = g.targetProblems(r)
		if l := a.history.groups[g.Name]; l != nil && (l.status == statusOpen || l.status == statusUndoing) {
			c.pinned = nil // judged against the journal
		}
	}
	return seen, ground, nil
}

// lookAtSource reads the source positions again, at least the settle time after
// the plan read them.
func (a *applier) lookAtSource(ctx context.Context, groups []*Group, seen map[string]*checked) error {
	settle := a.plan.Options.Settle()
	if a.in.Settle != 0 {
		settle = max(a.in.Settle, 0)
	}
	names, latest := map[string]bool{}, time.Time{}
	for _, g := range groups {
		if g.accepted(acceptActive) {
			continue
		}
		for _, s := range g.Sources {
			names[s.Name] = true
			if s.ReadAt.After(latest) {
				latest = s.ReadAt
			}
		}
	}
	if len(names) == 0 || a.from == nil {
		return nil
	}
	// The plan may come from a machine with another clock.
	if wait := min(latest.Add(settle).Sub(a.now()), settle); wait > 0 {
		a.event(Event{Stage: "settling", Wait: wait})
		if err := sleep(ctx, wait, a.stop); err != nil {
			return err
		}
	}
	readings, err := a.from.Read.Read(ctx, sortedKeys(names))
	if err != nil {
		return fmt.Errorf("reading groups of %s: %w", a.from.label(), err)
	}
	for _, g := range groups {
		for _, s := range g.Sources {
			r, ok := readings[s.Name]
			if err := errors.Join(r.Err, r.Group.Err); err != nil || !ok {
				seen[g.Name].source = append(seen[g.Name].source, Problem{
					Reason: ReasonGroupUnreadable, Detail: fmt.Sprintf("source group %q: %v", s.Name, err),
				})
			}
		}
		if len(seen[g.Name].source) == 0 {
			seen[g.Name].source = g.sourceProblems(readings)
		}
	}
	return nil
}

// saveBefore takes the snapshot of the groups that are about to be written for
// the first time in this run.
func (a *applier) saveBefore(ctx context.Context, seen map[string]*checked, gr *ground) error {
	readings := map[string]group.Reading{}
	for name, c := range seen {
		if l := a.history.groups[name]; len(c.problems()) == 0 && (l == nil || !l.written) {
			readings[name] = c.target
		}
	}
	if len(readings) == 0 {
		a.report.Snapshot = firstOf(a.history.snapshots)
		return nil
	}
	topics, bounds := map[string]topic.Topic{}, map[topic.Partition]topic.Bounds{}
	if gr != nil {
		topics, bounds = gr.target, gr.bounds
	}
	return a.takeSnapshot(ctx, snapshot.Apply, readings, topics, bounds)
}

func staleReport(name string, problems []Problem) GroupReport {
	first := problems[0]
	rep := GroupReport{
		Name: name, Result: Stale, Reason: first.Reason, Detail: first.Detail, Problems: capProblems(problems), Err: ErrStale,
		Hint: "plan again",
	}
	if first.Topic != "" {
		rep.Detail = fmt.Sprintf("%s: %s", topic.Partition{Topic: first.Topic, Partition: first.Partition}, first.Detail)
	}
	switch first.Reason {
	case ReasonGroupActive:
		rep.Result, rep.Err, rep.Hint = Refused, group.ErrActive, "stop the application and apply again"
	case ReasonRights:
		rep.Result, rep.Err, rep.Hint = Refused, ErrRights, "grant the right and apply again"
	case ReasonGroupUnreadable, ReasonGroupKind, ReasonNotSettled:
		rep.Result, rep.Err = Refused, nil
	default:
	}
	return rep
}
