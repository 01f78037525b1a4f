package migration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kferry/kferry/internal/plan"
)

// Outcome is where a call has left a migration.
type Outcome struct {
	State *State
	// Waiting is what the next step needs; empty when the migration has come to
	// where it was to go.
	Waiting []Wait
	// Plan is the plan that is in force, with reports on it, as far as this call
	// has made them.
	Plan   *plan.Plan
	Apply  *plan.Report
	Verify *plan.VerifyReport
	// TimedOut: the limit has passed while something was waited for.
	TimedOut bool
}

// Done reports whether nothing is left to wait for.
func (o *Outcome) Done() bool { return len(o.Waiting) == 0 }

// Advance takes a migration as far as it can go: to Input.Until, or to where
// something is needed that is not there. Whatever it does is journalled, so
// that another call, also of another process, goes on from there. A migration
// that somebody else holds is a *run.HeldError. The outcome is given with an
// error, too, once the migration is held.
func Advance(ctx context.Context, name string, in Input) (*Outcome, error) {
	return with(ctx, "advancing", name, in, func(e *engine, ctx context.Context) (*Outcome, error) {
		if s := e.st.Step; s.ordinal() < 0 {
			hint, ok := map[Step]string{
				Aborting:    "kferry migration abort goes on with it",
				FailingBack: "kferry migration fail-back goes on with it",
			}[s]
			if !ok {
				hint = "create it again to move the application once more"
			}
			return nil, &Error{Op: "advancing", Name: name, Err: fmt.Errorf("%w: it stands at %s", ErrEnded, s), Hint: hint}
		}
		return e.walk(ctx, e.in.Until, e.forward)
	})
}

// mayGoOn is nil unless the call is asked to end, or what comes next cannot be
// done without the source.
func (e *engine) mayGoOn() error {
	if e.in.stopped() {
		return ErrInterrupted
	}
	if !e.in.SourceGone || e.st.Step.Reached(Applied) && e.st.returning == nil {
		return nil
	}
	return &Error{
		Op: "advancing", Name: e.st.Name, Err: fmt.Errorf("%w: it stands at %s, and its positions are not applied", ErrSourceNeeded, e.st.Step),
		Hint: "when the source cannot come back, what its groups had committed is in no place but there, or in a snapshot: kferry snapshot list",
	}
}

// with opens a migration, holds it while do works, and gives it back.
func with(ctx context.Context, op, name string, in Input, do func(*engine, context.Context) (*Outcome, error)) (*Outcome, error) {
	in.defaults()
	r, err := open(ctx, in.Bucket, op, name, in.Run)
	if err != nil {
		return nil, err
	}
	e, held, err := hold(ctx, r, in)
	if err != nil {
		return nil, err
	}
	var out *Outcome
	if err = e.same(op); err == nil {
		out, err = do(e, held)
	}
	if out == nil {
		out = &Outcome{}
	}
	out.State = e.st
	if err == nil && held.Err() != nil {
		err = context.Cause(held)
	}
	return out, errors.Join(err, e.release(ctx))
}

// pinnedSide is a cluster as it was when the migration was created, and as it is
// given now.
type pinnedSide struct {
	what   string
	pinned plan.Cluster
	side   *plan.Side
}

func (e *engine) sides() [2]pinnedSide {
	return [2]pinnedSide{{"source", e.st.Source, &e.in.From}, {"target", e.st.Target, &e.in.To}}
}

// same refuses other clusters than those that the migration was created for.
func (e *engine) same(op string) error {
	for i, one := range e.sides() {
		if i == 0 && e.in.SourceGone {
			continue
		}
		if err := e.sameSide(op, one); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) sameSide(op string, c pinnedSide) error {
	if c.pinned.ID == c.side.ID {
		return nil
	}
	return &Error{
		Op: op, Name: e.st.Name,
		Err:  fmt.Errorf("%w: the %s is cluster %q (%s), and the migration was created for cluster %q (%s)", ErrForeign, c.what, c.side.ID, c.side.Name, c.pinned.ID, c.pinned.Name),
		Hint: "name the cluster that it was created for with --from and --to",
	}
}

// step does what takes a migration from where it stands to the next step.
// What it returns is what the next step needs; the step is journalled when
// there is nothing.
type step func(ctx context.Context, out *Outcome) ([]Wait, error)

// maxReturns bounds how often one call goes back to an earlier step: an
// application that starts and stops for ever is not to be raced.
const maxReturns = 5

// walk goes from step to step until there is nothing to do, or something to
// wait for.
func (e *engine) walk(ctx context.Context, until Step, next func() step) (*Outcome, error) {
	out := &Outcome{}
	e.until = e.deadline()
	returns := len(e.st.Returns)
	for {
		// On the way back to an earlier step nothing of this one is to be done.
		if e.st.returning == nil {
			at := e.st.seq
			waiting, err := e.beforeStart(ctx)
			switch {
			case err != nil:
				return out, err
			case len(waiting) > 0:
				if again, err := e.pause(ctx, out, waiting); !again {
					return out, err
				}
				continue
			case e.st.seq != at && len(e.st.Returns)-returns <= maxReturns:
				continue // it has gone back
			}
			if err := e.events(ctx); err != nil {
				return out, err
			}
			if e.st.Ended || e.st.Step.Reached(until) {
				return out, nil
			}
		}
		if err := e.mayGoOn(); err != nil {
			return out, err
		}
		if len(e.st.Returns)-returns > maxReturns {
			last := e.st.Returns[len(e.st.Returns)-1]
			out.Waiting = []Wait{{Kind: WaitAdvance, Detail: "went back too often: " + last.Detail, Remedy: "see why, then advance again"}}
			return out, nil
		}
		at := e.st.seq
		waiting, err := next()(ctx, out)
		if err != nil {
			return out, err
		}
		if len(waiting) == 0 {
			if e.st.seq == at {
				return out, fmt.Errorf("migration %q does not get beyond %s", e.st.Name, e.st.Step)
			}
			continue
		}
		if again, err := e.pause(ctx, out, waiting); !again {
			return out, err
		}
	}
}

// pause tells what is waited for, and waits a while when the call is to and all
// of it can come by itself; again is false when the call ends with it.
func (e *engine) pause(ctx context.Context, out *Outcome, waiting []Wait) (again bool, err error) {
	e.tell(waiting, nil)
	out.Waiting = waiting
	if !e.in.Wait || !patient(waiting) {
		return false, nil
	}
	d := interval(&e.in, e.spec())
	if !e.until.IsZero() {
		left := e.until.Sub(e.in.Now())
		if left <= 0 {
			out.TimedOut = true
			return false, nil
		}
		d = min(d, left)
	}
	if err := e.in.Sleep(ctx, d); err != nil {
		return false, err
	}
	if e.in.stopped() {
		return false, ErrInterrupted
	}
	out.Waiting = nil
	return true, nil
}

// deadline is when waiting ends, zero for never.
func (e *engine) deadline() time.Time {
	limit := e.in.Limit
	if limit == 0 {
		limit = time.Duration(e.spec().Timeout)
	}
	if !e.in.Wait || limit <= 0 {
		return time.Time{}
	}
	return e.in.Now().Add(limit)
}

// patient reports whether all of it can come by itself.
func patient(ws []Wait) bool {
	for i := range ws {
		switch ws[i].Kind {
		case WaitMembers, WaitUnsettled, WaitCopy, WaitFirstCommit, WaitBoth, WaitTargetMembers, WaitKeep, WaitGone:
		case WaitPlan, WaitApply, WaitVerify, WaitEvent, WaitAdvance:
			return false
		}
	}
	return true
}

// tell reports progress.
func (e *engine) tell(waiting []Wait, look *plan.Look) {
	if e.in.Progress != nil {
		e.in.Progress(Event{State: e.st, Waiting: waiting, Look: look})
	}
}

func (e *engine) planProgress(ev plan.Event) {
	if e.in.Progress != nil {
		e.in.Progress(Event{State: e.st, Plan: &ev})
	}
}

// forward is what comes after the step at which the migration stands.
func (e *engine) forward() step {
	if e.st.returning != nil {
		return e.resumeReturn
	}
	switch e.st.Step {
	case Checked:
		return func(ctx context.Context, _ *Outcome) ([]Wait, error) {
			return nil, e.reach(ctx, stepBody{Step: Stopping})
		}
	case Stopping:
		return e.stop
	case Stopped, Copied:
		return e.copyAndPlan
	case Planned:
		return e.apply
	case Applied:
		return e.verify
	case Verified:
		return e.move
	case Moved, Resumed:
		return e.watch
	case Across, Aborting, Aborted, FailingBack, FailedBack:
	}
	return func(context.Context, *Outcome) ([]Wait, error) {
		return nil, fmt.Errorf("migration %q: nothing follows %q", e.st.Name, e.st.Step)
	}
}
