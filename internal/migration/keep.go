package migration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
)

// opKeep is the operation of errors that hold nothing up but the end.
const opKeep = "keeping offsets of"

// tryToKeep is keep, with what stands in its way as something to wait for.
func (e *engine) tryToKeep(ctx context.Context) (*Wait, error) {
	err := e.keep(ctx)
	if failed, ok := errors.AsType[*Error](err); ok && failed.Op == opKeep && ctx.Err() == nil {
		return &Wait{Kind: WaitKeep, Detail: "offsets on " + e.in.From.Name + " are not kept from expiring: " + failed.Err.Error(), Remedy: failed.Hint}, nil
	}
	return nil, err
}

const withoutKeep = "the way back is open without it, too, until the source forgets the positions: create the migration without --keep-offsets"

// keep commits what the groups have on the source once more, so that it does
// not expire, where the spec asks for that and it is due. An application that is
// back there keeps its positions by itself, and is not disturbed: whoever
// watches the source notices it. A run of it that was cut short is finished first.
func (e *engine) keep(ctx context.Context) error {
	if !e.keepDue() {
		return nil
	}
	reason, _, err := e.woken(ctx)
	if err != nil || reason != "" && reason != reasonForgot {
		return err
	}
	if err := e.finishKeep(ctx); err != nil || !e.keepDue() {
		return err
	}
	asked := time.Duration(e.spec().KeepOffsets)
	p, err := plan.BuildKeep(ctx, plan.KeepInput{
		To: e.in.From, Groups: e.st.sources(), For: asked, Tool: e.in.Tool,
		Asked: []string{fmt.Sprintf("migration %s --keep-offsets %s", e.st.Name, asked)}, Now: e.in.Now, Progress: e.planProgress,
	})
	if err != nil {
		return e.unkept(err, withoutKeep)
	}
	if err := e.attach(ctx, entryKeeping, "keep", e.st.keeps, p); err != nil {
		return err
	}
	rep, err := e.applyKeep(ctx, p)
	if err != nil {
		return err
	}
	if failed := notKept(rep); len(failed) > 0 {
		return e.unkept(fmt.Errorf("on %s: %s", e.in.From.Name, strings.Join(failed, "; ")), "see that the groups can be committed on the source: READ on the groups and their topics; advance again")
	}
	// A run that has kept only some is not noted: all are kept once more.
	if rep.Count(plan.Applied) > 0 {
		return e.put(ctx, entryKept, keptBody{Run: rep.Run})
	}
	return e.put(ctx, entryKept, keptBody{})
}

func (e *engine) unkept(err error, hint string) error {
	return &Error{Op: opKeep, Name: e.st.Name, Err: err, Hint: hint}
}

func (e *engine) applyKeep(ctx context.Context, p *plan.Plan) (*plan.Report, error) {
	in := e.applyInput(nil, e.in.From)
	in.AllOrNothing = false
	rep, err := plan.Apply(ctx, p, in)
	if err != nil && !errors.Is(err, ErrInterrupted) && ctx.Err() == nil {
		err = e.unkept(err, withoutKeep)
	}
	return rep, err
}

// finishKeep goes on with a run that has kept positions and was cut short, so
// that no run is left that looks as if somebody had to finish it. What it has
// kept counts from its beginning. A run that cannot be finished any more, as the
// groups have changed since, ends as such.
func (e *engine) finishKeep(ctx context.Context) error {
	if e.st.keeping == nil || e.in.SourceGone {
		return nil
	}
	ids, err := run.ByPlan(ctx, e.in.Bucket, e.st.keeping.Digest)
	if err != nil || len(ids) == 0 {
		return err // it died before it had a run
	}
	p, err := e.attached(ctx, e.st.keeping.Attachment, e.st.keeping.Digest)
	if err != nil {
		return err
	}
	rep, err := e.applyKeep(ctx, p)
	if err != nil {
		if failed, ok := errors.AsType[*Error](err); ok && failed.Op == opKeep && ctx.Err() == nil {
			return nil // all of it is tried anew, and then said
		}
		return err
	}
	body := keptBody{}
	if len(notKept(rep)) == 0 && rep.Count(plan.Applied)+rep.Count(plan.AlreadyApplied) == len(p.Groups) {
		r, err := run.Open(ctx, e.in.Bucket, rep.Run, e.in.Run)
		if err != nil {
			return err
		}
		body.Run, body.Since = rep.Run, r.Info().Created
	}
	return e.put(ctx, entryKept, body)
}

// notKept names the groups that could not be kept for another reason than that
// somebody is at work in them.
func notKept(rep *plan.Report) []string {
	var out []string
	for i := range rep.Groups {
		g := &rep.Groups[i]
		switch g.Result {
		case plan.Ready, plan.Applied, plan.AlreadyApplied, plan.Unchanged, plan.RolledBack, plan.TakenOver, plan.NotTried:
			continue
		case plan.Blocked, plan.Stale, plan.Refused, plan.TakenBack, plan.Failed:
		}
		switch g.Reason {
		case plan.ReasonGroupActive, plan.ReasonNotSettled, plan.ReasonTargetMoved:
		case plan.ReasonGroupMissing: // it had no positions, or it would not be as it was
		default:
			out = append(out, fmt.Sprintf("group %q: %s", g.Name, g.Detail))
		}
	}
	return out
}

// keepDue reports whether offsets are to be kept, for the first time or once
// more: half of the time for which they were kept has passed.
func (e *engine) keepDue() bool {
	d := time.Duration(e.spec().KeepOffsets)
	return d > 0 && !e.in.SourceGone && (e.st.kept.IsZero() || e.in.Now().Sub(e.st.kept) > d/2)
}
