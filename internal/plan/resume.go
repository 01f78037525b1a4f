package plan

import (
	"context"
	"errors"
	"time"

	"github.com/kferry/kferry/internal/group"
)

// one brings one group of a plan to its end, from wherever the journal left it.
func (a *applier) one(ctx context.Context, g *Group, c *checked) (GroupReport, error) {
	t := taskOf(g)
	l := a.history.groups[g.Name]
	if l == nil {
		l = &groupLog{}
	}
	t.Attempt, t.KeepMS = l.attempt, a.keepMS(g)
	if l.status == statusOpen || l.status == statusUndoing {
		// What was there before is in the journal: it may be gone by now.
		t.Existed, t.DeleteGroup, t.Writes = l.first.Existed, l.first.DeleteGroup, l.first.Writes
	}
	r, err := c.target, error(nil)
	if time.Since(c.at) > freshFor || t.DeleteGroup { // what a deletion takes along must have been seen
		if r, err = a.read(ctx, g.Name); err != nil {
			return refusedUnread(g.Name, err), nil
		}
		if l.status == statusNone {
			c.pinned = g.targetProblems(r)
		}
	} else if bad := errors.Join(r.Err, r.Group.Err); bad != nil {
		return refusedUnread(g.Name, bad), nil
	}
	switch l.status {
	case statusUndoing:
		return a.takeBack(ctx, t, l.end.Reason, l.end.Detail, nil)
	case statusOpen:
		return a.reopen(ctx, t, c, r)
	default:
		return a.fresh(ctx, t, c, r)
	}
}

func refusedUnread(name string, err error) GroupReport {
	return GroupReport{Name: name, Result: Refused, Reason: ReasonGroupUnreadable, Detail: err.Error(), Err: err}
}

// fresh makes the change of a group that is as the plan found it.
func (a *applier) fresh(ctx context.Context, t task, c *checked, r group.Reading) (GroupReport, error) {
	if problems := c.problems(); len(problems) > 0 {
		rep := staleReport(t.Group, problems)
		return rep, a.note(ctx, entryRefused, endBody{Group: t.Group, Reason: rep.Reason, Detail: rep.Detail})
	}
	return a.do(ctx, t, r)
}

// reopen decides about a group whose attempt has a begin and no end: no request
// of it can be on its way any more.
func (a *applier) reopen(ctx context.Context, t task, c *checked, r group.Reading) (GroupReport, error) {
	st, problems := t.stands(r)
	stopped := r.Group.Stopped()
	switch {
	case st == strange, st == mixed && t.DeleteGroup:
		// A group goes with all its positions in one step: a part of them is
		// not our doing.
		return a.leave(ctx, &t, problems, "the run was cut short, and somebody else has committed since; left alone")
	case st == asAfter && !t.unseen(a.maxCommit):
		return a.after(ctx, t, r)
	case st == asBefore, st == asBoth:
		detail := "the attempt that was cut short changed nothing"
		if st == asBoth {
			detail = "the attempt that was cut short changed no position, and whether it was carried out cannot be seen"
		}
		if err := a.note(ctx, entryFailed, endBody{Group: t.Group, Attempt: t.Attempt, Reason: ReasonNotTaken, Detail: detail}); err != nil {
			return GroupReport{}, err
		}
		c.pinned = t.plan.targetProblems(r)
		return a.fresh(ctx, t, c, r)
	case !stopped:
		return GroupReport{
			Name: t.Group, Result: Failed, Reason: ReasonGroupActive, Err: group.ErrActive,
			Detail: "the run was cut short in the middle of this group, and the group has members by now: a part of its positions is not as planned",
			Hint:   "stop the application, and apply again",
		}, nil
	case len(c.source)+len(c.changed) > 0:
		all := c.problems()
		return a.takeBack(ctx, t, all[0].Reason, "the run was cut short in the middle of this group, and what the plan rests on has changed since: "+all[0].Detail, all)
	default:
		return a.do(ctx, t, r)
	}
}
