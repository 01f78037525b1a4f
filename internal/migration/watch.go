package migration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/topic"
)

// watch looks for the first commits of the application on the target. Until
// there are some, an application that is back on the source takes the
// positions back.
func (e *engine) watch(ctx context.Context, out *Outcome) ([]Wait, error) {
	var waiting []Wait
	unkept, err := e.tryToKeep(ctx)
	if err != nil {
		return nil, err
	}
	if unkept != nil {
		waiting = append(waiting, *unkept)
	}
	p, err := e.attached(ctx, e.st.Plan, e.st.PlanDigest)
	if err != nil {
		return nil, err
	}
	out.Plan = p
	all, _, err := e.arrivals(ctx, p)
	if err != nil {
		return nil, err
	}
	live := false
	for _, name := range e.st.targets() {
		if _, ok := e.st.Resumed[name]; ok {
			live = true
			continue
		}
		a := all[name]
		live = live || a.members > 0 || a.committed
		if w := e.absence(name, a); w != nil {
			waiting = append(waiting, *w)
			continue
		}
		if err := e.put(ctx, entryResumed, resumedBody{Group: name, Detail: a.detail}); err != nil {
			return nil, err
		}
	}
	back, err := e.sourceBack(ctx, live)
	if err != nil || back == nil && e.st.Step != Moved && e.st.Step != Resumed {
		return nil, err
	}
	if back != nil {
		waiting = append(waiting, *back)
	}
	return e.arrive(ctx, waiting, all)
}

// arrive journals how far the watching has come.
func (e *engine) arrive(ctx context.Context, waiting []Wait, all map[string]arrived) ([]Wait, error) {
	switch {
	case len(e.st.Resumed) > 0 && e.st.Step == Moved:
		return nil, e.reach(ctx, stepBody{Step: Resumed, Detail: fmt.Sprintf("%d of %s", len(e.st.Resumed), count(len(e.st.targets()), "group", "groups")) + e.unsure(all)})
	case len(waiting) > 0:
		return waiting, nil
	}
	return nil, e.reach(ctx, stepBody{Step: Across, Detail: fmt.Sprintf("%s gone on on %s", count(len(e.st.targets()), "group has", "groups have"), e.in.To.Name) + e.unsure(all)})
}

// sourceBack looks whether the application runs on the source again. While
// nobody has begun on the target its positions there are taken back, and the
// migration waits for it to stop once more; after that it can only be said.
func (e *engine) sourceBack(ctx context.Context, live bool) (*Wait, error) {
	if e.in.SourceGone {
		return nil, nil //nolint:nilnil // nobody is seen where nobody can look
	}
	reason, detail, now, err := e.wokenBy(ctx)
	if err != nil || reason == "" || reason == reasonForgot {
		return nil, err // what was moved is not lost with where it came from
	}
	both := &Wait{
		Kind: WaitBoth, Detail: "the application is on both sides: " + detail,
		Remedy: "stop it on " + e.in.From.Name + "; what it reads there, it or its other half reads again on " + e.in.To.Name,
	}
	if live {
		return both, e.leave(ctx, reason, detail, now)
	}
	err = e.retreat(ctx, Return{To: Stopping, Reason: reason, Detail: detail})
	if errors.Is(err, ErrInUse) {
		return both, e.leave(ctx, reason, detail, now) // it began there just now
	}
	return nil, err
}

// leave journals that positions which moved on the source are left as they are,
// so that an application that has stopped there again holds nothing up for ever.
// While it has members there it is said each time.
func (e *engine) leave(ctx context.Context, reason, detail string, now *reading) error {
	if reason != reasonMoved {
		return nil
	}
	return e.put(ctx, entryStayed, stayedBody{Detail: detail, Positions: now.sum, Committed: now.committed()})
}

// ends reads the ends of the partitions on which groups of a side have
// positions.
func ends(ctx context.Context, side *plan.Side, r *reading) (map[topic.Partition]int64, error) {
	parts := map[topic.Partition]bool{}
	for _, g := range r.groups {
		for tp := range g.Positions {
			parts[tp] = true
		}
	}
	var list []topic.Partition
	for tp := range parts {
		list = append(list, tp)
	}
	if len(list) == 0 {
		return nil, nil
	}
	bounds, err := side.Log.Bounds(ctx, list)
	if err != nil {
		return nil, fmt.Errorf("reading the ends of partitions of %s: %w", side.Name, err)
	}
	out := map[topic.Partition]int64{}
	for tp, b := range bounds {
		if b.Err == nil {
			out[tp] = b.End
		}
	}
	return out, nil
}

// leaves says when static members of a side's groups leave at the latest, as
// far as it is known.
func leaves(side *plan.Side) func(group.Reading, group.Member) *time.Time {
	return func(g group.Reading, m group.Member) *time.Time {
		if m.InstanceID == "" {
			return nil
		}
		s, ok := side.Topics.(sessions)
		if !ok {
			return nil
		}
		d, known := s.LongestSession(g.Group.Kind == group.Consumer)
		if !known {
			return nil
		}
		at := g.At.Add(d)
		return &at
	}
}

// sessions is the optional ability of a cluster to say how long a member may
// stay silent at most before it is put out of its group.
type sessions interface {
	LongestSession(consumerProtocol bool) (time.Duration, bool)
}
