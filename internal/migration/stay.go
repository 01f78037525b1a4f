package migration

import (
	"context"
	"fmt"

	"github.com/kferry/kferry/internal/run"
)

// Stay ends a way back that has not written anything: the application goes on
// on the target, where it is to be started again (the events of Moved are
// called), and Advance watches it. For a way back that is refused for good, or
// is not wanted any more.
func Stay(ctx context.Context, name string, in Input) (*Outcome, error) {
	return with(ctx, "staying with", name, in, func(e *engine, ctx context.Context) (*Outcome, error) {
		if err := e.mayStay(ctx); err != nil {
			return nil, err
		}
		if err := e.reach(ctx, stepBody{Step: Moved, Detail: "the way back was given up; " + e.startText()}); err != nil {
			return nil, err
		}
		return e.walk(ctx, Moved, e.forward)
	})
}

// mayStay refuses when there is no way back to give up, or when it has been
// begun on the source.
func (e *engine) mayStay(ctx context.Context) error {
	fail := func(what, hint string) error {
		return &Error{Op: "staying with", Name: e.st.Name, Err: fmt.Errorf("%w: %s", ErrEnded, what), Hint: hint}
	}
	if e.st.Step != FailingBack || e.st.returning != nil {
		return fail(fmt.Sprintf("it stands at %s, and no way back is to be given up", e.st.Step), "kferry migration show tells where it is")
	}
	if n := len(e.st.Steps); n < 2 || e.st.Steps[n-2].Step == Aborting {
		return fail("it was being aborted before, and positions on "+e.in.To.Name+" may be gone", "kferry migration fail-back goes on with the way back")
	}
	begun, err := run.ByPlan(ctx, e.in.Bucket, e.st.BackDigest)
	if err != nil || e.st.BackDigest == "" || len(begun) == 0 {
		return err
	}
	return fail("positions on "+e.in.From.Name+" were begun to be written", "kferry migration fail-back finishes that")
}
