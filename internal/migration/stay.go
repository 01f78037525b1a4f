package migration

import (
	"context"
	"fmt"
)

// Stay ends a way back: what it has written on the source is taken back, and
// the application goes on on the target, where it is to be started again (the
// events of Moved are called), and Advance watches it. For a way back that is
// refused for good, or is not wanted any more. One that was begun while the
// migration was being aborted goes back to Aborting: positions on the target may
// be gone. Positions on the source that somebody else has changed since are
// ErrInUse; with Input.LeavePositions they stay as they are.
func Stay(ctx context.Context, name string, in Input) (*Outcome, error) {
	return with(ctx, "staying with", name, in, func(e *engine, ctx context.Context) (*Outcome, error) {
		fail := func(err error, hint string) error {
			return &Error{Op: "staying with", Name: e.st.Name, Err: err, Hint: hint}
		}
		if e.st.Step != FailingBack {
			return nil, fail(fmt.Errorf("%w: it stands at %s, and no way back is to be given up", ErrEnded, e.st.Step), "kferry migration show tells where it is")
		}
		t, err := e.takeBack(ctx, &e.in.From, e.st.BackDigest)
		if err != nil {
			return nil, err
		}
		b := stepBody{Step: Moved, Detail: "the way back was given up; " + e.startText()}
		if err := t.inUse(); err != nil {
			if !e.in.LeavePositions {
				return nil, fail(fmt.Errorf("on %s: %w", e.in.From.Name, err),
					"see who that is, and stop it there; what could be taken back is; fail-back --give-up --leave-positions ends the way back, leaves those positions as they are and says which")
			}
			p, err := e.attached(ctx, e.st.Back, e.st.BackDigest)
			if err != nil {
				return nil, err
			}
			left, waiting, err := e.staying(ctx, &e.in.From, p, t.groups)
			if err != nil {
				return nil, err
			}
			if len(waiting) > 0 {
				return nil, fail(fmt.Errorf("%w: %s", ErrInUse, waiting[0].Detail), waiting[0].Remedy)
			}
			b.Left, b.Detail = left, b.Detail+"; "+leftText(e.in.From.Name, left)
		}
		if n := len(e.st.Steps); n > 1 && e.st.Steps[n-2].Step == Aborting {
			b.Step, b.Detail = Aborting, "the way back was given up; it was being aborted before, and positions on "+e.in.To.Name+" may be gone"
			if len(b.Left) > 0 {
				b.Detail += "; " + leftText(e.in.From.Name, b.Left)
			}
		}
		if err := e.reach(ctx, b); err != nil {
			return nil, err
		}
		return e.walk(ctx, b.Step, e.forward)
	})
}
