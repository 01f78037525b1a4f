package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/run"
)

// Rehearse looks at everything that Apply looks at before its first commit
// (sources that settle, topics, rights, the groups of the target, an earlier
// run of the plan) and reports what Apply would do with each group. It writes
// nothing, neither to a cluster nor to the state. A group that would be
// written is Ready. Errors as with Apply; *run.HeldError when another process
// holds the run.
func Rehearse(ctx context.Context, p *Plan, in ApplyInput) (*Report, error) {
	if err := in.savedSource(ctx, p); err != nil {
		return nil, err
	}
	a := &applier{plan: p, in: in}
	if err := a.begin(); err != nil {
		return nil, err
	}
	a.report.CheckOnly = true
	if in.AllOrNothing && !p.AllApplicable() {
		a.reportRest()
		return a.report, a.error(ErrStale, "a group of the plan cannot be applied", "leave out --all-or-nothing, or plan again")
	}
	a.history = newHistory()
	_, done, err := a.find(ctx)
	if err == nil && !done {
		err = a.readyToKeep(ctx)
	}
	if err == nil && !done && len(a.todo) > 0 {
		if in.Again {
			// A new run, which knows nothing of the one before.
			a.run, a.history = nil, newHistory()
		}
		err = a.rehearse(ctx)
	}
	if err != nil && !errors.Is(err, ErrStale) {
		return nil, err
	}
	a.reportRest()
	slices.SortFunc(a.report.Groups, func(x, y GroupReport) int { return compareNames(x.Name, y.Name) })
	a.report.Ended = a.now().UTC()
	return a.report, err
}

// rehearse is carryOut without what it writes.
func (a *applier) rehearse(ctx context.Context) error {
	if err := a.notHeld(ctx); err != nil {
		return err
	}
	pending := a.pending()
	seen, _, err := a.look(ctx, pending)
	if err != nil {
		return err
	}
	stale := a.staleNames(pending, seen)
	if a.in.AllOrNothing && len(stale) > 0 && len(a.history.groups) == 0 {
		return a.allOrNothing(stale, seen)
	}
	for _, name := range sortedKeys(pending) {
		rep := a.ready(pending[name], seen[name])
		if slices.Contains(stale, name) {
			rep = staleReport(name, seen[name].problems())
		}
		a.report.Groups = append(a.report.Groups, rep)
	}
	return nil
}

// ready says what Apply would do with a group that nothing stands in the way
// of.
func (a *applier) ready(g *Group, c *checked) GroupReport {
	t := taskOf(g)
	rep := GroupReport{Name: g.Name, Result: Ready}
	l := a.history.groups[g.Name]
	if l == nil || l.status != statusOpen && l.status != statusUndoing {
		return rep
	}
	t.Writes, t.DeleteGroup, t.Existed = l.first.Writes, l.first.DeleteGroup, l.first.Existed
	if st, problems := t.stands(c.target); st == strange {
		rep.Result, rep.Reason, rep.Problems = TakenOver, ReasonElsewhere, problems
		rep.Detail = "an earlier call was cut short in the middle of this group, and somebody else has committed since: it would be left alone"
		return rep
	}
	rep.Detail = "an earlier call was cut short in the middle of this group: it would be looked at again, and then finished or taken back"
	return rep
}

// notHeld refuses a run that another process holds.
func (a *applier) notHeld(ctx context.Context) error {
	if a.run == nil {
		return nil
	}
	s, ok, err := a.run.LeaseState(ctx)
	if err != nil || !ok || !s.Held() {
		return err
	}
	gone := run.Who.Gone
	if a.in.Run != nil && a.in.Run.Gone != nil {
		gone = a.in.Run.Gone
	}
	if a.now().Before(s.Until) && !gone(s.Holder) {
		return fmt.Errorf("applying run %s: %w", a.run.ID(), &run.HeldError{Run: a.run.ID(), Holder: s.Holder, Since: s.Time, Until: s.Until})
	}
	return nil
}
