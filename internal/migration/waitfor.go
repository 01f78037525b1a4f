package migration

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrTimeout tells that the time limit has passed before a step was reached.
var ErrTimeout = errors.New("the time limit has passed")

// WaitFor waits until a migration has reached a step, which another process
// takes it to; it looks at the state only: In needs its Bucket, and Progress is
// told of each look. Limit 0 is none. A migration that will not come there is
// ErrEnded, a limit that passes ErrTimeout; the state is given with both.
func WaitFor(ctx context.Context, name string, step Step, limit, every time.Duration, in Input) (*State, error) {
	in.defaults()
	began := in.Now()
	for {
		st, err := Load(ctx, in.Bucket, name)
		if err != nil {
			return nil, err
		}
		if in.Progress != nil {
			in.Progress(Event{State: st})
		}
		left := limit - in.Now().Sub(began)
		switch {
		case st.passed(step):
			return st, nil
		case !st.mayReach(step):
			return st, &Error{
				Op: "waiting for", Name: name, Err: fmt.Errorf("%w: it stands at %s, and will not come to %s", ErrEnded, st.Step, step),
				Hint: "kferry migration show tells what has happened",
			}
		case limit > 0 && left <= 0:
			return st, &Error{
				Op: "waiting for", Name: name, Err: fmt.Errorf("%w: it stands at %s", ErrTimeout, st.Step),
				Hint: "kferry migration show tells what the next step needs",
			}
		}
		d := every
		if limit > 0 {
			d = min(d, left)
		}
		if err := in.Sleep(ctx, d); err != nil {
			return st, err
		}
	}
}

// passed reports whether the migration has come to a step, on the way on which
// it is.
func (s *State) passed(step Step) bool {
	return s.Step.Reached(step) || s.Step == Aborted && step == Aborting || s.Step == FailedBack && step == FailingBack
}

// mayReach reports whether a migration can still come to a step at which it is
// not: one that is across can still be failed back, and nothing else.
func (s *State) mayReach(step Step) bool {
	switch {
	case s.Step == "": // it is being created
		return true
	case step == Aborting || step == Aborted:
		return s.Step == Aborting || s.Step.ordinal() >= 0 && !s.Step.Reached(Resumed)
	case step == FailingBack || step == FailedBack:
		return s.Step == FailingBack || s.Step.ordinal() >= 0
	}
	return s.Step.ordinal() >= 0
}
