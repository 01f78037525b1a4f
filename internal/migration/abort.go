package migration

import (
	"context"
	"fmt"

	"github.com/kferry/kferry/internal/group"
)

// Abort ends a migration and undoes whatever it has done: positions on the
// target are as they were before it, and the application may go on on the
// source. That is possible up to the first commit of the application on the
// target; after it the error is ErrInUse, nothing is changed, and FailBack is
// the way back. An abort that was cut short goes on when it is called again.
//
// Positions that somebody else has changed since stay as they are, and keep it
// from its end: at Aborting, with what is in the way to wait for. With
// Input.LeavePositions it ends nevertheless, also when these look like commits of
// the application, and State.Left has them. Nobody may be at work in the groups
// then.
func Abort(ctx context.Context, name string, in Input) (*Outcome, error) {
	return with(ctx, "aborting", name, in, func(e *engine, ctx context.Context) (*Outcome, error) {
		switch s := e.st.Step; {
		case s == Aborting || s == Aborted: // an event of it may be left
		case s == Across || s == Resumed && !e.in.LeavePositions:
			return nil, e.inUse(fmt.Errorf("%w: it stands at %s", ErrInUse, s))
		case s.ordinal() < 0:
			return nil, &Error{Op: "aborting", Name: name, Err: fmt.Errorf("%w: it stands at %s", ErrEnded, s), Hint: "kferry migration fail-back goes on with a way back"}
		default:
			if err := e.mayAbort(ctx); err != nil {
				return nil, err
			}
			if err := e.finishKeep(ctx); err != nil {
				return nil, err
			}
			if err := e.reach(ctx, stepBody{Step: Aborting}); err != nil {
				return nil, err
			}
		}
		return e.walk(ctx, Aborted, func() step { return e.abort })
	})
}

func (e *engine) inUse(err error) error {
	return &Error{Op: "aborting", Name: e.st.Name, Err: err, Hint: "kferry migration fail-back moves the application back with what it has read" + orLeave(e.st.Step)}
}

// orLeave is how to end where it was not the application that has committed.
func orLeave(s Step) string {
	if s == Across {
		return ""
	}
	return "; if it was something else that has committed there, and the application has read nothing, abort --leave-positions ends it and leaves those positions as they are"
}

// mayAbort refuses when the application has begun on the target.
func (e *engine) mayAbort(ctx context.Context) error {
	if !e.st.Step.Reached(Applied) {
		return nil // the rollback itself looks at what an unfinished apply has written
	}
	return e.unused(ctx)
}

// unused is an error when the application is on the target.
func (e *engine) unused(ctx context.Context) error {
	if e.st.Plan == "" {
		return nil
	}
	p, err := e.attached(ctx, e.st.Plan, e.st.PlanDigest)
	if err != nil {
		return err
	}
	all, _, err := e.arrivals(ctx, p)
	if err != nil {
		return err
	}
	for _, name := range e.st.targets() {
		a := all[name]
		switch {
		case a.committed && !e.in.LeavePositions:
			return e.inUse(fmt.Errorf("%w: group %q: %s", ErrInUse, name, a.detail))
		case a.members > 0:
			return &Error{
				Op: "aborting", Name: e.st.Name, Err: fmt.Errorf("%w: %q on %s, %d of them", group.ErrActive, name, e.in.To.Name, a.members),
				Hint: "stop the application there first; it has not committed yet",
			}
		}
	}
	return nil
}

// abort takes back what the plan has written.
func (e *engine) abort(ctx context.Context, _ *Outcome) ([]Wait, error) {
	t, err := e.takeBack(ctx, &e.in.To, e.st.PlanDigest)
	if err != nil {
		return nil, err
	}
	if err := t.inUse(); err != nil && !e.in.LeavePositions {
		return []Wait{{
			Kind: WaitApply, Detail: "taking back what was written: " + err.Error(),
			Remedy: "what could be taken back is; stop who is there and abort again; where the application has committed on " + e.in.To.Name +
				", kferry migration fail-back moves it back with what it has read; else kferry migration abort --leave-positions ends it, leaves those positions as they are and says which",
		}}, nil
	}
	b := stepBody{Step: Aborted, Detail: "nothing had been written"}
	if len(t.left) > 0 {
		p, err := e.attached(ctx, e.st.Plan, e.st.PlanDigest)
		if err != nil {
			return nil, err
		}
		left, waiting, err := e.staying(ctx, &e.in.To, p, t.groups)
		if err != nil || len(waiting) > 0 {
			return waiting, err
		}
		b.Left, b.Detail = left, leftText(e.in.To.Name, left)
	} else if t.run != "" {
		b.Detail = "the positions on " + e.in.To.Name + " are as they were: run " + t.run
	}
	return nil, e.reach(ctx, b)
}
