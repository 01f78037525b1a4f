package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/translate"
)

// stop waits until the application is at rest on the source.
func (e *engine) stop(ctx context.Context, _ *Outcome) ([]Wait, error) {
	r, waiting, err := e.rest(ctx, &e.in.From, e.st.sources(), WaitMembers)
	if err != nil || len(waiting) > 0 {
		return waiting, err
	}
	if lost, _ := e.st.forgotten(r.groups); len(lost) > 0 {
		return []Wait{e.forgotWait(forgotText(e.in.From.Name, lost))}, nil
	}
	return nil, e.reach(ctx, stepBody{
		Step: Stopped, Positions: r.sum, Committed: r.committed(),
		Detail: fmt.Sprintf("%s empty on %s, %s final", count(len(e.st.sources()), "group is", "groups are"), e.in.From.Name, count(r.count, "position is", "positions are")),
	})
}

// back returns to an earlier step, because the ground has moved.
func (e *engine) back(ctx context.Context, r Return) error {
	r.From = e.st.Step
	return e.put(ctx, entryReturn, r)
}

// atRest looks whether the source is as it was when the groups were stopped,
// before anything was written on the target. gone: it is not, and the migration
// has gone back to where the application is to be stopped.
func (e *engine) atRest(ctx context.Context) (waiting []Wait, gone bool, err error) {
	reason, detail, err := e.woken(ctx)
	switch {
	case err != nil || reason == "":
		return nil, false, err
	case reason == reasonForgot:
		return []Wait{e.forgotWait(detail)}, false, nil
	}
	return nil, true, e.back(ctx, Return{To: Stopping, Reason: reason, Detail: detail})
}

// errWoken ends a wait for the copy when the application is back on the source.
var errWoken = errors.New("the application is back on the source")

// copyAndPlan waits for the copy and makes the plan.
func (e *engine) copyAndPlan(ctx context.Context, out *Outcome) ([]Wait, error) {
	if waiting, gone, err := e.atRest(ctx); err != nil || gone || len(waiting) > 0 {
		return waiting, err
	}
	in, err := planInput(&e.in, e.spec(), e.st.Groups)
	if err != nil {
		return nil, err
	}
	in.Progress = e.planProgress
	p, look, err := e.await(ctx, in)
	switch {
	case errors.Is(err, errWoken):
		return nil, nil // the reason is journalled
	case err != nil:
		return nil, err
	}
	out.Plan = p
	// The plan has read the positions anew.
	if waiting, gone, err := e.atRest(ctx); err != nil || gone || len(waiting) > 0 {
		return waiting, err
	}
	if held := heldWaits(p, look); len(held) > 0 {
		return held, nil
	}
	if e.st.Step == Stopped {
		if err := e.reach(ctx, stepBody{Step: Copied, Detail: copiedText(p)}); err != nil {
			return nil, err
		}
		if err := e.events(ctx); err != nil || e.in.Until == Copied {
			return nil, err
		}
		if err := e.events(ctx); err != nil {
			return nil, err
		}
	}
	if refused := append(refusedWaits(p), e.foreignWaits(p)...); len(refused) > 0 {
		return refused, nil
	}
	if err := e.attach(ctx, entryPlan, "plan", e.st.plans, p); err != nil {
		return nil, err
	}
	return nil, e.reach(ctx, stepBody{Step: Planned, Detail: planText(p)})
}

// await builds the plan; with Wait it looks again while something is held,
// and watches the source meanwhile.
func (e *engine) await(ctx context.Context, in plan.Input) (*plan.Plan, *plan.Look, error) {
	if !e.in.Wait {
		p, err := plan.Build(ctx, in)
		return p, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var journal error
	var last *plan.Look
	// What is waited for besides is looked at in between.
	limit := 30 * interval(&e.in, e.spec())
	if !e.until.IsZero() {
		limit = max(min(limit, e.until.Sub(e.in.Now())), time.Millisecond)
	}
	w := plan.WaitInput{
		Limit: limit, Interval: interval(&e.in, e.spec()), Sleep: e.in.Sleep,
		Look: func(l *plan.Look) {
			last = l
			e.tell(nil, l)
			reason, detail, err := e.woken(ctx)
			if err != nil || reason == "" || reason == reasonForgot {
				return // what cannot be read now is read before anything is done
			}
			journal = e.back(ctx, Return{To: Stopping, Reason: reason, Detail: detail})
			cancel(errWoken)
		},
	}
	p, _, err := plan.Await(ctx, in, w)
	if journal != nil {
		return nil, nil, journal
	}
	if errors.Is(context.Cause(ctx), errWoken) {
		return nil, nil, errWoken
	}
	return p, last, err
}

// attach keeps a plan with the migration. A number at which an earlier process
// has left a plan that it did not come to journal is passed over.
func (e *engine) attach(ctx context.Context, typ, word string, have int, p *plan.Plan) error {
	for n := have + 1; ; n++ {
		name := fmt.Sprintf("%s-%d", word, n)
		err := e.run.Attach(ctx, name, plan.Format, plan.Version, p)
		if errors.Is(err, store.ErrExists) {
			continue
		}
		if err != nil {
			return err
		}
		return e.put(ctx, typ, planBody{Attachment: name, Digest: p.Digest})
	}
}

// attached reads a plan that was kept.
func (e *engine) attached(ctx context.Context, name, digest string) (*plan.Plan, error) {
	return readPlan(ctx, e.run, name, digest)
}

func readPlan(ctx context.Context, r *run.Run, name, digest string) (*plan.Plan, error) {
	p := &plan.Plan{}
	if _, err := r.Attachment(ctx, name, plan.Format, plan.Version, p); err != nil {
		return nil, err
	}
	p.Digest = digest // what applies or verifies it compares
	return p, nil
}

// heldWaits says what is held, per topic.
func heldWaits(p *plan.Plan, look *plan.Look) []Wait {
	type key struct{ group, topic string }
	held := map[key]int{}
	first := map[key]*plan.Position{}
	var keys []key
	for i := range p.Groups {
		g := &p.Groups[i]
		for j := range g.Positions {
			pos := &g.Positions[j]
			if pos.Outcome != translate.Hold {
				continue
			}
			k := key{g.Name, pos.Topic}
			if held[k] == 0 {
				keys, first[k] = append(keys, k), pos
			}
			held[k]++
		}
	}
	var out []Wait
	for _, k := range keys {
		w := Wait{
			Kind: WaitCopy, Group: k.group, Topic: k.topic, Remedy: first[k].Hint,
			Detail: fmt.Sprintf("%s of %s not copied through to where group %q stands: %s", count(held[k], "partition", "partitions"), k.topic, k.group, first[k].Detail),
		}
		if look != nil {
			for _, t := range look.Troubles {
				if t.Partition.Topic == k.topic {
					w.Detail += "; " + string(t.Kind) + ": " + t.Detail
				}
			}
		}
		out = append(out, w)
	}
	return out
}

// refusedWaits says which groups of a plan cannot be applied in full, and why.
func refusedWaits(p *plan.Plan) []Wait {
	var out []Wait
	for i := range p.Groups {
		g := &p.Groups[i]
		if g.Verdict == plan.VerdictApply || g.Verdict == plan.VerdictPartly || g.Verdict == plan.VerdictNothing {
			continue
		}
		w := Wait{Kind: WaitPlan, Group: g.Name, Detail: g.Detail, Remedy: g.Hint}
		if p.Kind == plan.Move && strings.Contains(w.Remedy, "--accept-") {
			w.Remedy += " (kferry migration abort, and create it again with that)"
		}
		out = append(out, w)
	}
	return out
}

// foreignWaits are groups that have positions on the target already which the
// plan would replace. They may be those of the application itself, started
// there before its time; so they are only replaced when the user has said so.
// What MirrorMaker 2 has put there is the copy of an older position.
func (e *engine) foreignWaits(p *plan.Plan) []Wait {
	if slices.Contains(e.spec().Accept, api.AcceptOverwrite) {
		return nil
	}
	var out []Wait
	for i := range p.Groups {
		g := &p.Groups[i]
		for j := range g.Positions {
			if pos := &g.Positions[j]; Foreign(pos) {
				out = append(out, Wait{
					Kind: WaitPlan, Group: g.Name, Topic: pos.Topic,
					Detail: fmt.Sprintf("group %q has a position of its own on %s: %d on %s", g.Name, e.in.To.Name, pos.Before.Offset, pos.Target()),
					Remedy: "if that is the application, started there before its time, look at what it has read; kferry group delete removes the group there, and --accept-overwrite of a new migration replaces its positions",
				})
				break
			}
		}
	}
	return out
}

// Foreign reports whether a position of the target group is there already, is
// another one than planned, and was not put there by MirrorMaker 2.
func Foreign(pos *plan.Position) bool {
	return pos.Before != nil && (pos.Action == plan.Change || pos.Action == plan.Delete) &&
		(pos.MirrorMaker == nil || !pos.MirrorMaker.Synced)
}

func copiedText(p *plan.Plan) string {
	return "everything is there that was read: of " + count(p.Summary.Positions, "position", "positions") + " none is held"
}

func planText(p *plan.Plan) string {
	s := p.Summary
	return fmt.Sprintf("%s, %s: %d new, %d changed, %d as they are, %d deleted", count(s.Groups, "group", "groups"), count(s.Positions, "position", "positions"), s.New, s.Changed, s.Same, s.Deleted)
}

// apply commits the plan, all of it or nothing.
func (e *engine) apply(ctx context.Context, out *Outcome) ([]Wait, error) {
	p, err := e.attached(ctx, e.st.Plan, e.st.PlanDigest)
	if err != nil {
		return nil, err
	}
	out.Plan = p
	begun, err := run.ByPlan(ctx, e.in.Bucket, e.st.PlanDigest)
	if err != nil {
		return nil, err
	}
	if len(begun) == 0 {
		if waiting, gone, err := e.atRest(ctx); err != nil || gone || len(waiting) > 0 {
			return waiting, err
		}
		if e.in.Confirm != nil {
			if err := e.in.Confirm(ctx, p); err != nil {
				return nil, err
			}
		}
	}
	rep, err := plan.Apply(ctx, p, e.applyInput(&e.in.From, e.in.To))
	out.Apply = rep
	if err != nil && !errors.Is(err, plan.ErrStale) && !errors.Is(err, plan.ErrRun) {
		return nil, err
	}
	if err == nil && rep.Complete() {
		return nil, e.reach(ctx, stepBody{Step: Applied, Run: rep.Run, Detail: appliedText(rep)})
	}
	return e.undo(ctx, rep, err, undoing{side: &e.in.To, to: Stopped, unsettled: Stopping})
}

// applyInput is the same for every apply: S was read a settle time before the
// plan, and is read again now.
func (e *engine) applyInput(from *plan.Side, to plan.Side) plan.ApplyInput {
	return plan.ApplyInput{
		From: from, To: to, Bucket: e.in.Bucket, AllOrNothing: true, Settle: -1, Stop: e.in.Stop,
		Tool: e.in.Tool, Command: e.in.Command, Run: e.in.Run, Now: e.in.Now, Progress: e.planProgress,
	}
}

func appliedText(rep *plan.Report) string {
	set, deleted := 0, 0
	for i := range rep.Groups {
		set += rep.Groups[i].Set
		deleted += rep.Groups[i].Deleted
	}
	return fmt.Sprintf("run %s: %s set, %d deleted, read back", rep.Run, count(set, "position", "positions"), deleted)
}

// undoing says whose apply is undone, and where the migration goes then.
type undoing struct {
	// side was written to.
	side *plan.Side
	// to is the step to go back to when something else was in the way than the
	// application itself; else it is unsettled.
	to, unsettled Step
}

// undo ends an apply that did not do everything: what it has written is
// taken back, and the migration goes back to where it can go on from. Groups in
// which an application already reads are left alone.
func (e *engine) undo(ctx context.Context, rep *plan.Report, cause error, u undoing) ([]Wait, error) {
	var waiting []Wait
	reason, detail := reasonStale, "the plan is stale"
	if cause != nil {
		detail = cause.Error()
	}
	for i := range rep.Groups {
		g := &rep.Groups[i]
		switch g.Result {
		case plan.TakenOver:
			waiting = append(waiting, Wait{
				Kind: WaitApply, Group: g.Name, Detail: g.Detail,
				Remedy: "the application already reads on " + u.side.Name + "; stop it there, or leave it and move the other groups by a migration of their own",
			})
		case plan.Failed:
			return nil, fmt.Errorf("applying the plan to group %q: %s", g.Name, g.Detail)
		case plan.Stale, plan.Refused, plan.TakenBack, plan.Blocked:
			reason, detail = string(g.Reason), aboutGroup(g.Name, g.Detail)
		case plan.Ready, plan.Applied, plan.AlreadyApplied, plan.Unchanged, plan.NotTried, plan.RolledBack:
		}
	}
	if len(waiting) > 0 {
		return waiting, nil
	}
	to := u.to
	awake, _, err := e.woken(ctx)
	if err != nil {
		return nil, err
	}
	// Members of the target group are a reason of the same name.
	if awake == reasonForgot {
		return nil, e.retreat(ctx, Return{To: to, Reason: reason, Detail: detail})
	}
	if awake != "" || reason == string(plan.ReasonSourceMoved) || reason == string(plan.ReasonNotSettled) {
		to = u.unsettled
	}
	return nil, e.retreat(ctx, Return{To: to, Reason: reason, Detail: detail})
}

// aboutGroup puts the name of a group before what is said of it, once.
func aboutGroup(name, detail string) string {
	if about := fmt.Sprintf("group %q", name); !strings.HasPrefix(detail, about) {
		return about + ": " + detail
	}
	return detail
}

// rollBack takes back what the runs of a plan have written on a side, and
// returns the run that did; "" when there was nothing. What cannot be taken
// back is ErrInUse.
func (e *engine) rollBack(ctx context.Context, side *plan.Side, digest string) (string, error) {
	t, err := e.takeBack(ctx, side, digest)
	if err == nil {
		err = t.inUse()
	}
	return t.run, err
}

// takeBack takes back what the runs of a plan have written on a side, but for
// groups in which somebody else was at work since. With LeavePositions that is
// as well true of groups that the brokers refuse.
func (e *engine) takeBack(ctx context.Context, side *plan.Side, digest string) (t takenBack, err error) {
	ids, err := run.ByPlan(ctx, e.in.Bucket, digest)
	if err != nil || digest == "" || len(ids) == 0 {
		return t, err
	}
	rep, err := plan.Rollback(ctx, ids[len(ids)-1], plan.RollbackInput{
		To: *side, Bucket: e.in.Bucket, Stop: e.in.Stop, Tool: e.in.Tool, Command: e.in.Command, Run: e.in.Run,
		Now: e.in.Now, Progress: e.planProgress,
	})
	if err != nil {
		return t, err
	}
	t.run = rep.Run
	var open []string
	for i := range rep.Groups {
		g := &rep.Groups[i]
		about := aboutGroup(g.Name, g.Detail)
		switch refused := errors.Is(g.Err, group.ErrAuth) || g.Reason == plan.ReasonNotTaken; {
		case g.Result == plan.RolledBack, g.Result == plan.Unchanged, g.Result == plan.AlreadyApplied:
		case g.Result == plan.NotTried, !refused && (g.Result == plan.Failed || g.Result == plan.TakenBack), refused && !e.in.LeavePositions:
			open = append(open, about)
		default:
			t.left, t.groups = append(t.left, about), append(t.groups, g.Name)
		}
	}
	if len(open) > 0 {
		// Nobody is in the way: it is tried again.
		return t, fmt.Errorf("taking back run %s: %s", ids[len(ids)-1], strings.Join(open, "; "))
	}
	if t.run != "" && (len(t.left) == 0 || e.in.LeavePositions) && e.st.RollbackRun != t.run {
		return t, e.put(ctx, entryUndone, runBody{Run: t.run})
	}
	return t, nil
}

// verify looks at positions and proofs once more.
func (e *engine) verify(ctx context.Context, out *Outcome) ([]Wait, error) {
	p, err := e.attached(ctx, e.st.Plan, e.st.PlanDigest)
	if err != nil {
		return nil, err
	}
	v, err := plan.Verify(ctx, p, plan.VerifyInput{From: e.source(), To: e.in.To, Bucket: e.in.Bucket, Now: e.in.Now, Progress: e.planProgress})
	if err != nil {
		return nil, err
	}
	out.Plan, out.Verify = p, v
	if w := verifyWaits(v); len(w) > 0 {
		return w, nil
	}
	return nil, e.reach(ctx, stepBody{Step: Verified, Detail: verifiedText(v)})
}

func verifyWaits(v *plan.VerifyReport) []Wait {
	if v.Right() {
		return nil
	}
	var out []Wait
	for i := range v.Groups {
		g := &v.Groups[i]
		for j := range g.Positions {
			pos := &g.Positions[j]
			if pos.Check == plan.AsWritten && pos.Proof != plan.ProofDiffers || pos.Check == plan.MovedOn {
				continue
			}
			detail := fmt.Sprintf("%s/%d is %s, its proof %s", pos.Topic, pos.Partition, pos.Check, pos.Proof)
			if pos.Detail != "" {
				detail += ": " + pos.Detail
			}
			if len(pos.ProofDetail) > 0 {
				detail += ": " + strings.Join(pos.ProofDetail, "; ")
			}
			out = append(out, Wait{Kind: WaitVerify, Group: g.Name, Topic: pos.Topic, Detail: detail, Remedy: pos.Hint})
		}
	}
	if len(out) == 0 {
		out = append(out, Wait{Kind: WaitVerify, Detail: "verification found differences"})
	}
	return out
}

func verifiedText(v *plan.VerifyReport) string {
	var parts []string
	for _, c := range []struct {
		check plan.ProofCheck
		words string
	}{{plan.ProofHolds, "shown"}, {plan.ProofPartly, "shown in part"}, {plan.ProofGone, "gone"}, {plan.ProofNone, "without one"}} {
		if n := v.Proofs[c.check]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c.words))
		}
	}
	text := "every position is as written"
	if len(parts) > 0 {
		text += "; proofs: " + strings.Join(parts, ", ")
	}
	return text
}

// move tells where the application is to be started, unless it runs on the
// source again: an event of that step starts it. Offsets on the source that
// cannot be kept do not hold that up.
func (e *engine) move(ctx context.Context, _ *Outcome) ([]Wait, error) {
	both, err := e.sourceBack(ctx, false)
	switch {
	case err != nil:
		return nil, err
	case both != nil:
		return []Wait{*both}, nil
	case e.st.Step != Verified:
		return nil, nil // what was there was taken back
	}
	if waiting, err := e.stillThere(ctx); err != nil || len(waiting) > 0 || e.st.Step != Verified {
		return waiting, err
	}
	text := e.startText()
	unkept, err := e.tryToKeep(ctx)
	if err != nil {
		return nil, err
	}
	if unkept != nil {
		text += "; " + unkept.Detail
	}
	return nil, e.reach(ctx, stepBody{Step: Moved, Detail: text})
}

// beforeStart looks at both sides before an event starts the application on the
// target: the process may have died, or the event have failed, long ago.
func (e *engine) beforeStart(ctx context.Context) ([]Wait, error) {
	if e.st.Step != Moved || !e.st.due() {
		return nil, nil
	}
	live := errors.Is(e.unused(ctx), ErrInUse)
	both, err := e.sourceBack(ctx, live)
	switch {
	case err != nil:
		return nil, err
	case both != nil:
		return []Wait{*both}, nil
	case live || e.st.Step != Moved:
		return nil, nil
	}
	return e.stillThere(ctx)
}

// stillThere looks whether the groups on the target are where they were put, or
// further, right before the application is to be started there: what was
// verified days ago may have expired since. What is not there is put there anew,
// unless somebody else is at work in it.
func (e *engine) stillThere(ctx context.Context) ([]Wait, error) {
	p, err := e.attached(ctx, e.st.Plan, e.st.PlanDigest)
	if err != nil {
		return nil, err
	}
	all, there, err := e.arrivals(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, name := range e.st.targets() {
		a := all[name]
		if a.synced != "" {
			return []Wait{*e.absence(name, a)}, nil
		}
		// Also on a topic that is gone: the plan is to be made without it.
		a.gone = arrival(p.Group(name), there.groups[name], nil).gone
		if a.wrong() == "" {
			continue
		}
		detail := fmt.Sprintf("group %q on %s: %s", name, e.in.To.Name, a.wrong())
		if e.in.SourceGone {
			return []Wait{{
				Kind: WaitVerify, Group: name, Detail: detail,
				Remedy: "do not start the application there: without the source the position cannot be found anew; put it back as it was planned, with kferry offset apply",
			}}, nil
		}
		err := e.retreat(ctx, Return{To: Stopped, Reason: reasonTarget, Detail: detail})
		if errors.Is(err, ErrInUse) {
			return []Wait{{
				Kind: WaitVerify, Group: name, Detail: detail,
				Remedy: "do not start the application there; somebody else commits in the groups of " + e.in.To.Name + ": kferry verify shows where; kferry migration fail-back moves the application back with what it has read there, or abort undoes it when nobody has begun",
			}}, nil
		}
		return nil, err
	}
	return nil, nil
}

// source is the source for what can do without it.
func (e *engine) source() *plan.Side {
	if e.in.SourceGone {
		return nil
	}
	return &e.in.From
}

func (e *engine) startText() string { return startText(e.st.targets(), &e.in.To) }

// startText says what is to be started where.
func startText(groups []string, on *plan.Side) string {
	return fmt.Sprintf("start %s on %s with bootstrap.servers=%s", strings.Join(groups, ", "), on.Name, strings.Join(on.Bootstrap, ","))
}
