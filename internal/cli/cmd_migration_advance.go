package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
)

// advanceOptions are the flags of "kferry migration advance" and "fail-back".
type advanceOptions struct {
	migrationOptions
	// file has the migrations that are to be advanced, one after the other.
	file     string
	until    choice
	wait     waitLimit
	interval time.Duration
	// accepted are words of api.Accept for the way back.
	accepted []string
}

func (o *advanceOptions) addWait(cmd *cobra.Command, usage string) {
	fs := cmd.Flags()
	fs.Var(&o.wait, "wait", usage)
	fs.Lookup("wait").NoOptDefVal = noLimit
	fs.DurationVar(&o.interval, "wait-interval", 0, "with --wait: time between two looks (default: the migration's)")
	o.wait.guard(cmd, 1)
}

func (o *advanceOptions) check(cmd *cobra.Command) error {
	switch fs := cmd.Flags(); {
	case !o.wait.given && fs.Changed("wait-interval"):
		return &usageError{err: errors.New("--wait-interval is given without --wait")}
	case o.interval < 0 || o.interval == 0 && fs.Changed("wait-interval"):
		return &usageError{err: fmt.Errorf("--wait-interval %s is no time to wait", o.interval)}
	case o.sourceGone && o.write.dryRun:
		return &usageError{err: errors.New("--dry-run looks at the source, and --source-gone does not")}
	}
	return nil
}

func newMigrationAdvanceCmd(f *Factory) *cobra.Command {
	o := &advanceOptions{}
	cmd := &cobra.Command{
		Use:   "advance NAME | -f FILE",
		Short: "Take a migration as far as it can go now",
		Long: "Goes from step to step until something is needed that is not there: an application that still runs,\n" +
			"a copy that is behind, the first commit on the other side. With --wait it goes on looking. Whatever\n" +
			"it does is journalled: stop it anywhere, and call it again, also from another process.\n\n" +
			"Steps: checked, stopping, stopped, copied, planned, applied, verified, moved, resumed, across.\n" +
			"Before positions are committed the plan is shown, and you are asked.\n\n" +
			"With -f the migrations of a file are taken there one after the other, with its pauses, up to its step;\n" +
			"each one is waited for, for at most --wait=TIME. You are asked once for all of them.\n\n" +
			"Exit code 0: it is where --until says, else across; 3: something is waited for; 5: a position or a\n" +
			"proof is not as it should be; 7: another process holds the migration.",
		Example: "  kferry migration advance shop --wait\n" +
			"  kferry migration advance shop --wait=30m --until moved --yes -o json\n" +
			"  kferry migration advance -f migrations.yaml --yes",
		Args: nameOrFile(&o.file),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = commandLine(cmd, args)
			if err := o.check(cmd); err != nil {
				return err
			}
			if o.file != "" {
				return runFleetAdvance(cmd.Context(), f, o, cmd.Flags())
			}
			return runMigrationAdvance(cmd.Context(), f, o, args[0])
		},
	}
	o.add(f, cmd, true)
	o.until = choice{value: string(migration.Across)}
	addFleet(cmd, &o.file, "all migrations of the YAML `FILE`, one after the other; - is standard input")
	addChoice(cmd, &o.until, "until", "", "stop at this `STEP`", stepWords(migration.Steps())...)
	cmd.Flags().BoolVar(&o.sourceGone, "source-gone", false,
		"the source cannot be reached any more: do not look at it (only once the positions are applied)")
	cmd.Flags().Lookup("until").DefValue = o.until.value
	o.addWait(cmd, "go on looking while something is needed that can come by itself, for at most `TIME`; without one as the migration says")
	return cmd
}

func runMigrationAdvance(ctx context.Context, f *Factory, o *advanceOptions, name string) error {
	m, err := f.openMigration(ctx, name, &o.migrationOptions)
	if err != nil {
		return err
	}
	if o.write.dryRun {
		return o.rehearse(ctx, f, m)
	}
	if err := o.write.named(f, m.to); err != nil {
		return err
	}
	out, err := o.call(ctx, f, m, migration.Advance, m.to)
	return o.finish(f, m, "advance", out, err)
}

// action is what a command does with a migration.
type action func(ctx context.Context, name string, in migration.Input) (*migration.Outcome, error)

// call holds the migration and works on it. to is the cluster that is written
// to.
func (o *advanceOptions) call(ctx context.Context, f *Factory, m *opened, do action, to *side) (*migration.Outcome, error) {
	in, err := f.migrationInput(m.from, m.to, m.bucket, &m.state.Spec, o.command)
	if err != nil {
		return nil, unchanged(err)
	}
	live := newMigrationLive(f, m.state, o.wait.given)
	defer live.end()
	in.Progress, in.SourceGone = live.show, o.sourceGone
	in.Until = migration.Step(o.until.value)
	in.Accept = o.accepted
	in.Wait, in.Limit, in.Interval = o.wait.given, o.wait.limit, o.interval
	if !o.write.yes {
		// The first interrupt ends a question at once: nothing was begun.
		in.Confirm = func(_ context.Context, p *plan.Plan) error {
			live.end()
			return o.confirm(ctx, f, p, to)
		}
	}
	var work context.Context
	work, in.Stop = stopOf(ctx)
	return do(work, m.state.Name, in)
}

// confirm shows a plan and asks. A plan that writes nothing needs no answer.
func (o *advanceOptions) confirm(ctx context.Context, f *Factory, p *plan.Plan, to *side) error {
	if p.Summary.Applicable == 0 {
		return nil
	}
	if err := (planView{w: f.stderr(), paint: f.errPaint()}).showBack(p); err != nil {
		return err
	}
	err := f.confirmPlan(ctx, p, to, p.Options.Keep(), &o.write)
	if refused, ok := errors.AsType[*failure](err); ok {
		refused.state = "" // where the migration stands says more
	}
	return err
}

// finish shows where a call has left a migration, and is its exit code.
func (o *migrationOptions) finish(f *Factory, m *opened, verb string, out *migration.Outcome, err error) error {
	if out == nil || out.State == nil {
		return heldMigration(m.state.Name, unchanged(err))
	}
	switch {
	case o.output.value == asJSON:
		if serr := writeJSON(f.stdout(), outcomeDoc(out)); serr != nil {
			return errors.Join(err, serr)
		}
	case err == nil:
		v := migrationView{w: f.stdout(), paint: f.outPaint(), now: f.streams.now()}
		if serr := v.outcome(out); serr != nil {
			return serr
		}
	}
	if err == nil && out.Done() {
		if next := o.next(f, out.State); next != "" {
			f.remark("%s", next)
		}
		return nil
	}
	fail := &failure{err: err, state: standText(out, err)}
	again := o.migrationCall(f, verb, m.state.Name, "")
	if err != nil {
		return o.broken(fail, again)
	}
	o.waits(fail, out, again)
	return fail
}

// broken fills in the failure of a call that has an error.
func (o *migrationOptions) broken(fail *failure, again string) error {
	if inner, ok := errors.AsType[*failure](fail.err); ok {
		fail.code, fail.hint = inner.code, inner.hint
	}
	switch {
	case errors.Is(fail.err, errNoConfirmation):
		fail.next = []string{again}
	case errors.Is(fail.err, migration.ErrInterrupted), errors.Is(fail.err, ErrInterrupted), errors.Is(fail.err, context.Canceled):
		fail.code, fail.err = ExitInterrupted, ErrInterrupted
		fail.next = []string{again + "   (goes on where it stopped)"}
	case errors.Is(fail.err, migration.ErrEvent):
		fail.next = []string{again + "   (calls the event again)"}
	case errors.Is(fail.err, migration.ErrInUse), errors.Is(fail.err, migration.ErrEnded), errors.Is(fail.err, migration.ErrForeign):
		// Calling the same once more would end the same.
	case !hinted(fail.err):
		fail.next = []string{again + "   (goes on where it stopped)"}
	}
	return fail
}

// hinted reports whether the room itself has said what to do.
func hinted(err error) bool {
	e, ok := errors.AsType[*migration.Error](err)
	return ok && e.Hint != ""
}

// waits fills in the failure of a call that something is missing for.
func (o *migrationOptions) waits(fail *failure, out *migration.Outcome, again string) {
	first := &out.Waiting[0]
	text := first.Detail
	if n := len(out.Waiting) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	if out.TimedOut {
		text = "the time limit has passed: " + text
	}
	fail.code, fail.err, fail.hint = waitCode(out.Waiting), errors.New(text), first.Remedy
	fail.waits = fail.code == ExitPartial && !refusal(out.Waiting)
	fail.next = []string{again + " --wait"}
	if !fail.waits {
		fail.next = []string{again}
	}
	if first.Kind == migration.WaitFirstCommit {
		fail.err = errors.New("the positions are moved; what is left to see is the first commit of the application: " + text)
		fail.hint = ""
	}
}

// waitCode is the exit code of what is waited for.
func waitCode(ws []migration.Wait) int {
	for i := range ws {
		if ws[i].Kind == migration.WaitVerify {
			return ExitDiffers
		}
	}
	return ExitPartial
}

// refusal reports whether some of it does not come by waiting.
func refusal(ws []migration.Wait) bool {
	for i := range ws {
		switch ws[i].Kind {
		case migration.WaitPlan, migration.WaitApply, migration.WaitVerify, migration.WaitEvent, migration.WaitAdvance:
			return true
		case migration.WaitMembers, migration.WaitUnsettled, migration.WaitCopy, migration.WaitFirstCommit,
			migration.WaitBoth, migration.WaitTargetMembers, migration.WaitKeep, migration.WaitGone:
		}
	}
	return false
}

// heldMigration says in the words of a migration that another process has it.
func heldMigration(name string, err error) error {
	held, ok := errors.AsType[*run.HeldError](err)
	if !ok {
		return err
	}
	return &failure{
		code: ExitLocked, state: "nothing was changed",
		err: fmt.Errorf("migration %q is held by %s since %s", name, held.Holder, stamp(held.Since)),
		hint: fmt.Sprintf("'kferry migration show %s' shows how far it is; wait until that process has ended, or until %s, when its hold ends unless it renews it",
			quoteArg(name), stamp(held.Until)),
	}
}

// standText is where a migration stands, and what that means for the clusters.
func standText(out *migration.Outcome, err error) string {
	st := out.State
	text := fmt.Sprintf("migration %s stands at %s", st.Name, st.Step)
	written := st.Target
	if st.Step == migration.FailingBack {
		written = st.Source
	}
	to, takingBack := st.TakingBack()
	switch s := st.Step; {
	case takingBack:
		return text + fmt.Sprintf("; what it had committed on %s is being taken back, to return to %s: do not start the application there", clusterText(written), to)
	case out.Apply != nil && out.Apply.Run != "" && !st.Step.Reached(migration.Applied):
		return text + "; " + doneSoFar(out.Apply) + "; run " + out.Apply.Run
	case st.Plan == "" && migration.Planned.Reached(s) && slices.ContainsFunc(st.Returns, func(r migration.Return) bool { return r.Rollback != "" }):
		return text + "; what it had committed on " + clusterText(written) + " was taken back"
	case st.Plan == "" && migration.Planned.Reached(s), errors.Is(err, errNoConfirmation):
		return text + "; nothing was committed on " + clusterText(written)
	case s == migration.Planned:
		return text + "; what was begun is journalled"
	case s.Reached(migration.Applied) && st.ApplyRun != "":
		return text + "; its positions are committed on " + clusterText(st.Target) + ", run " + st.ApplyRun
	}
	return text
}

// next is what comes after a call that came to where it should.
func (o *migrationOptions) next(f *Factory, st *migration.State) string {
	switch st.Step { //nolint:exhaustive // everything else goes on with advance
	case migration.Across:
		return "The application is across. To move it back with what it has read by now: " + o.migrationCall(f, "fail-back", st.Name, "")
	case migration.Aborted:
		return fmt.Sprintf("The application may go on on %s. The name is free for another try.", clusterText(st.Source))
	case migration.FailedBack:
		return fmt.Sprintf("Start the application on %s: bootstrap.servers=%s", clusterText(st.Source), clean(joinComma(st.Source.Bootstrap)))
	case migration.Aborting:
		return "Next: " + o.migrationCall(f, "abort", st.Name, "")
	case migration.FailingBack:
		return "Next: " + o.migrationCall(f, "fail-back", st.Name, "--wait")
	case migration.Moved, migration.Resumed:
		return "Next, once it is started there: " + o.migrationCall(f, "advance", st.Name, "--wait")
	}
	return "Next: " + o.migrationCall(f, "advance", st.Name, "--wait")
}
