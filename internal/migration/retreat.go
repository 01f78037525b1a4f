package migration

import (
	"context"
	"errors"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
)

// retreat takes back what the plan in force has written, and goes back to an
// earlier step. That it is going back is journalled first: a process that finds
// it so goes on with that before anything else, whatever the groups look like
// by then. ErrInUse when an application has begun there meanwhile; then the
// migration stays where it is.
func (e *engine) retreat(ctx context.Context, r Return) error {
	r.From = e.st.Step
	_, digest := e.written()
	begun, err := run.ByPlan(ctx, e.in.Bucket, digest)
	if err != nil {
		return err
	}
	if digest == "" || len(begun) == 0 {
		return e.back(ctx, r)
	}
	if err := e.put(ctx, entryReturning, r); err != nil {
		return err
	}
	return e.finishReturn(ctx)
}

// finishReturn does what was journalled to be done on the way back to an
// earlier step.
func (e *engine) finishReturn(ctx context.Context) error {
	r := *e.st.returning
	side, digest := e.written()
	undone, err := e.rollBack(ctx, side, digest)
	if errors.Is(err, ErrInUse) {
		return errors.Join(err, e.put(ctx, entryStayed, stayedBody{Detail: err.Error()}))
	}
	if err != nil {
		return err
	}
	r.Rollback = undone
	return e.back(ctx, r)
}

// written is the side that the plan in force writes to, and its digest.
func (e *engine) written() (*plan.Side, string) {
	if e.st.Step == FailingBack {
		return &e.in.From, e.st.BackDigest
	}
	return &e.in.To, e.st.PlanDigest
}

// resumeReturn is the step that comes before all others when a process has
// ended on the way back to an earlier one.
func (e *engine) resumeReturn(ctx context.Context, _ *Outcome) ([]Wait, error) {
	err := e.finishReturn(ctx)
	if errors.Is(err, ErrInUse) {
		return nil, nil // it stays where it is, and goes on from there
	}
	return nil, err
}
