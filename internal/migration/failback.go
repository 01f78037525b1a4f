package migration

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/topic"
)

// FailBack takes an application back to the source with what it has read on
// the target: it waits until the groups are at rest there, finds the equal
// positions on the source, and commits them by a plan of its own. Records that
// exist on the target only have no place on the source; the plan says which. A
// way back that was cut short goes on when it is called again. Before the
// application is to be started on the target Abort is the way.
func FailBack(ctx context.Context, name string, in Input) (*Outcome, error) {
	return with(ctx, "failing back", name, in, func(e *engine, ctx context.Context) (*Outcome, error) {
		switch s := e.st.Step; {
		case s == FailingBack || s == FailedBack: // an event of it may be left
		case e.st.returning != nil:
			return nil, &Error{
				Op: "failing back", Name: name, Err: fmt.Errorf("it is on its way back from %s to %s", s, e.st.returning.To),
				Hint: "kferry migration advance goes on with that",
			}
		case s == Moved || s == Resumed || s == Across || e.begun(ctx):
			if err := e.beginBack(ctx); err != nil {
				return nil, err
			}
		case s.ordinal() >= 0:
			return nil, &Error{
				Op: "failing back", Name: name, Err: fmt.Errorf("it stands at %s: the application was not started on %s", s, e.in.To.Name),
				Hint: "kferry migration abort undoes what was done",
			}
		default:
			return nil, &Error{Op: "failing back", Name: name, Err: fmt.Errorf("%w: it stands at %s", ErrEnded, s), Hint: "kferry migration show tells what was done"}
		}
		return e.walk(ctx, FailedBack, func() step {
			if e.st.returning != nil {
				return e.resumeReturn
			}
			if e.st.Back == "" {
				return e.planBack
			}
			return e.applyBack
		})
	})
}

// begun reports whether the application was seen to have begun on the target
// before it was told to, or before everything was undone: this is the way back
// then.
func (e *engine) begun(ctx context.Context) bool {
	if !e.st.Step.Reached(Applied) && e.st.Step != Aborting {
		return false
	}
	return errors.Is(e.unused(ctx), ErrInUse)
}

// planBack waits until the application is at rest on the target, and plans the
// way back.
func (e *engine) planBack(ctx context.Context, out *Outcome) ([]Wait, error) {
	there, waiting, err := e.rest(ctx, &e.in.To, e.st.targets(), WaitTargetMembers)
	if err != nil || len(waiting) > 0 {
		return waiting, err
	}
	forward, err := e.attached(ctx, e.st.Plan, e.st.PlanDigest)
	if err != nil {
		return nil, err
	}
	if fallen := e.fallen(forward, there); len(fallen) > 0 {
		return fallen, nil
	}
	p, err := e.buildBack(ctx, forward)
	if err != nil {
		return nil, err
	}
	out.Plan = p
	if held := heldWaits(p, nil); len(held) > 0 {
		return held, nil
	}
	if refused := refusedWaits(p); len(refused) > 0 {
		return refused, nil
	}
	return nil, e.attach(ctx, entryBack, "back", e.st.backs, p)
}

// buildBack plans the way back of what was moved; to be applied, or only to be
// looked at.
func (e *engine) buildBack(ctx context.Context, forward *plan.Plan) (*plan.Plan, error) {
	return plan.BuildBack(ctx, plan.BackInput{
		From: e.in.To, To: e.in.From, Forward: forward, Accept: acceptBack(&e.in, e.spec()), Settle: -1,
		Tool: e.in.Tool, Asked: []string{"migration fail-back " + e.st.Name}, Now: e.in.Now, Progress: e.planProgress,
	})
}

// beginBack notes where the groups stand on the target while the application is
// still there: from then on they must not fall.
func (e *engine) beginBack(ctx context.Context) error {
	if err := e.finishKeep(ctx); err != nil {
		return err
	}
	there, err := read(ctx, &e.in.To, e.st.targets())
	if err != nil {
		return err
	}
	b := stepBody{Step: FailingBack}
	for _, name := range e.st.targets() {
		for _, tp := range sortedParts(there.groups[name].Positions) {
			b.Stood = append(b.Stood, stood{Group: name, Topic: tp.Topic, Partition: tp.Partition, Offset: there.groups[name].Positions[tp].Offset})
		}
	}
	return e.reach(ctx, b)
}

// fallen are positions on the target that stand before where they have been:
// something has put them back, MirrorMaker 2's group sync or a reset, and what
// was read from there on cannot be known any more.
func (e *engine) fallen(forward *plan.Plan, there *reading) []Wait {
	if acceptBack(&e.in, e.spec()).Repeats {
		return nil
	}
	type place struct {
		group string
		tp    topic.Partition
	}
	least, order := map[place]int64{}, []place{}
	note := func(group string, tp topic.Partition, offset int64) {
		p := place{group, tp}
		if _, ok := least[p]; !ok {
			order = append(order, p)
		}
		least[p] = max(least[p], offset)
	}
	for i := range forward.Groups {
		g := &forward.Groups[i]
		for j := range g.Positions {
			if pos := &g.Positions[j]; pos.After != nil && g.Applicable() {
				note(g.Name, pos.Target(), pos.After.Offset)
			}
		}
	}
	had := map[place]bool{}
	for _, s := range e.st.stood {
		tp := topic.Partition{Topic: s.Topic, Partition: s.Partition}
		note(s.Group, tp, s.Offset)
		had[place{s.Group, tp}] = true
	}
	var out []Wait
	for _, p := range order {
		r, ok := there.groups[p.group]
		if !ok {
			continue
		}
		at, ok := r.Positions[p.tp]
		if _, began := e.st.Resumed[p.group]; !ok && !began && !had[p] {
			continue // what was put there was taken back before anybody began
		}
		if !ok || at.Offset < least[p] {
			now := "has no position there any more"
			if ok {
				now = fmt.Sprintf("stands at %d now", at.Offset)
			}
			out = append(out, Wait{
				Kind: WaitPlan, Group: p.group, Topic: p.tp.Topic,
				Detail: fmt.Sprintf("group %q stood at %d of %s on %s and %s: something has put it back, and what it has read is not known", p.group, least[p], p.tp, e.in.To.Name, now),
				Remedy: "see what writes there (MirrorMaker 2 with sync.group.offsets.enabled, a reset) and end it; put the group where it stood with kferry offset apply and fail back again, or let it read again with --accept-repeats",
			})
		}
	}
	return out
}

// applyBack commits the way back, looks at it once more, and ends it.
func (e *engine) applyBack(ctx context.Context, out *Outcome) ([]Wait, error) {
	p, err := e.attached(ctx, e.st.Back, e.st.BackDigest)
	if err != nil {
		return nil, err
	}
	out.Plan = p
	begun, err := run.ByPlan(ctx, e.in.Bucket, e.st.BackDigest)
	if err != nil {
		return nil, err
	}
	if len(begun) == 0 && e.in.Confirm != nil {
		if err := e.in.Confirm(ctx, p); err != nil {
			return nil, err
		}
	}
	rep, err := plan.Apply(ctx, p, e.applyInput(&e.in.To, e.in.From))
	out.Apply = rep
	if err != nil && !errors.Is(err, plan.ErrStale) && !errors.Is(err, plan.ErrRun) {
		return nil, err
	}
	if err != nil || !rep.Complete() {
		return e.undo(ctx, rep, err, undoing{side: &e.in.From, to: FailingBack, unsettled: FailingBack})
	}
	v, err := plan.Verify(ctx, p, plan.VerifyInput{From: &e.in.To, To: e.in.From, Bucket: e.in.Bucket, Now: e.in.Now, Progress: e.planProgress})
	if err != nil {
		return nil, err
	}
	out.Verify = v
	if w := verifyWaits(v); len(w) > 0 {
		return w, nil
	}
	return nil, e.reach(ctx, stepBody{Step: FailedBack, Run: rep.Run, Detail: appliedText(rep) + onlyThereText(p) + "; " + startText(e.st.sources(), &e.in.From)})
}

// onlyThereText says which records have no place on the source, as the plan
// found: nobody may have been asked who saw it.
func onlyThereText(p *plan.Plan) string {
	var b strings.Builder
	for i := range p.Findings {
		if f := &p.Findings[i]; f.Reason == plan.ReasonOnlyThere {
			_, _ = fmt.Fprintf(&b, "; %s, group %q: %s", f.Topic, f.Group, f.Detail)
		}
	}
	return b.String()
}
