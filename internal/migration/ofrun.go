package migration

import (
	"context"
	"fmt"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
)

// OfRun reads the migration that a run is, whether or not its name means
// another run by now. It needs no lease. The Step is "" when its process died
// before it was stored in full.
func OfRun(ctx context.Context, r *run.Run) (*State, error) { return readState(ctx, r) }

// LookBack makes the plan of the way back of a migration as FailBack would make
// it now, or reads the one that it has made. It writes nothing and needs no
// lease. What FailBack would wait for before it plans is given instead of a plan:
// groups that something has put back on the target. Members show in the plan.
func LookBack(ctx context.Context, name string, in Input) (*plan.Plan, *Outcome, error) {
	in.defaults()
	r, err := open(ctx, in.Bucket, "reading", name, in.Run)
	if err != nil {
		return nil, nil, err
	}
	st, err := readState(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	e := &engine{in: in, run: r, st: st}
	if err := e.same("reading"); err != nil {
		return nil, nil, err
	}
	out := &Outcome{State: st}
	switch {
	case st.returning == nil && st.Back != "":
		p, err := e.attached(ctx, st.Back, st.BackDigest)
		return p, out, err
	case st.Step != FailingBack && (st.returning != nil || !st.Step.Reached(Moved) && !e.begun(ctx)):
		return nil, nil, &Error{
			Op: "planning the way back of", Name: name, Err: fmt.Errorf("it stands at %s, from which no way leads back", st.Step),
			Hint: "up to the first commit on the target kferry migration abort undoes what was done",
		}
	}
	forward, err := e.attached(ctx, st.Plan, st.PlanDigest)
	if err != nil {
		return nil, nil, err
	}
	there, err := read(ctx, &in.To, st.targets())
	if err != nil {
		return nil, nil, err
	}
	if out.Waiting = e.fallen(forward, there); len(out.Waiting) > 0 {
		return nil, out, nil
	}
	p, err := e.buildBack(ctx, forward)
	return p, out, err
}
