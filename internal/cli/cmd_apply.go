package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
)

// applyOptions are the flags of "kferry apply".
type applyOptions struct {
	pair         pairFlags
	write        writeFlags
	settle       settleFlag
	keep         keepFlag
	allOrNothing bool
	again        bool
	output       choice
	command      string
}

func newApplyCmd(f *Factory) *cobra.Command {
	o := &applyOptions{}
	cmd := &cobra.Command{
		Use:   "apply PLAN",
		Short: "Do exactly what a saved plan says, or refuse",
		Long: "Reads everything again that the plan rests on, takes a snapshot of the groups, writes a journal\n" +
			"and commits the planned positions, group by group: all of a group or nothing of it. Groups that\n" +
			"have changed since the plan was made are left alone and named. What was cut short goes on with\n" +
			"the same command; 'kferry rollback RUN' takes everything back.",
		Example: "  kferry apply plan.json\n  kferry apply plan.json --yes -o json",
		GroupID: "move",
		Args:    exactArgs("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = commandLine(cmd, args)
			return runApply(cmd.Context(), f, o, args[0])
		},
	}
	flags := cmd.Flags()
	o.pair.add(f, cmd)
	o.write.add(flags, true)
	o.write.addConcurrent(flags)
	o.settle.addPlans(flags)
	o.keep.add(flags)
	flags.BoolVar(&o.allOrNothing, "all-or-nothing", false, "apply no group when one of them is stale or blocked")
	flags.BoolVar(&o.again, "again", false, "apply the plan once more after its run was finished, for example after a rollback")
	addOutput(cmd, &o.output, asTable, asJSON)
	return cmd
}

func runApply(ctx context.Context, f *Factory, o *applyOptions, path string) error {
	p, err := readPlan(f, path)
	if err != nil {
		return err
	}
	from, to, err := f.openPlan(ctx, p, &o.pair)
	if err != nil {
		return unchanged(err)
	}
	in := o.input(from, to)
	if o.write.dryRun {
		return f.rehearse(ctx, p, in, &o.write, o.output.value)
	}
	if err := o.write.named(f, to); err != nil {
		return err
	}
	writes := p.Summary.Applicable > 0 || o.keep.length > 0 && p.Summary.Unchanged > 0
	if writes && !o.write.yes {
		if err := (planView{w: f.stderr(), paint: f.errPaint()}).show(p); err != nil {
			return err
		}
		if err := f.confirmPlan(ctx, p, to, o.keep.length, &o.write); err != nil {
			return err
		}
	}
	o.write.login = (&loginFlags{commandConfig: o.pair.toCommandConfig}).text()
	return f.apply(ctx, p, in, &o.write, o.output.value)
}

func (o *applyOptions) input(from, to *side) plan.ApplyInput {
	settle := o.settle.length
	if !o.settle.given.Changed {
		settle = 0
	} else if settle == 0 {
		settle = -1
	}
	return plan.ApplyInput{
		From: from.planRef(), To: to.plan(), AllOrNothing: o.allOrNothing, Again: o.again,
		Settle: settle, Keep: o.keep.length, Command: o.command,
	}
}

// rehearse shows a plan and what applying it would do now.
func (f *Factory) rehearse(ctx context.Context, p *plan.Plan, in plan.ApplyInput, w *writeFlags, output string) error {
	bucket, err := f.bucket(ctx, w.state)
	if err != nil {
		return unchanged(err)
	}
	in.Bucket, in.Tool, in.Now = bucket, toolName(), f.streams.Now
	if in.Parallel, err = f.parallel(w); err != nil {
		return err
	}
	st := &stages{f: f}
	in.Progress = st.event
	report, err := plan.Rehearse(ctx, p, in)
	st.end()
	if report == nil {
		return unchanged(err)
	}
	if output != asJSON {
		if serr := (planView{w: f.stdout(), paint: f.outPaint()}).show(p); serr != nil {
			return serr
		}
		_, _ = fmt.Fprintln(f.stdout()) // a closed pipe shows when the report is written
	}
	if serr := f.showReport("apply", report, err, output); serr != nil {
		return errors.Join(err, serr)
	}
	f.remark("Nothing was changed (--dry-run).")
	if err != nil || report.Complete() {
		return unchanged(err)
	}
	return &failure{code: reportCode(report), err: errors.New("not every group could be applied: " + reportSum(report)), state: "nothing was changed"}
}

// apply runs a plan and shows what became of it.
func (f *Factory) apply(ctx context.Context, p *plan.Plan, in plan.ApplyInput, w *writeFlags, output string) error {
	bucket, err := f.bucket(ctx, w.state)
	if err != nil {
		return unchanged(err)
	}
	f.sayState()
	in.Bucket, in.Tool, in.Now = bucket, toolName(), f.streams.Now
	if in.Parallel, err = f.parallel(w); err != nil {
		return unchanged(err)
	}
	st := &stages{f: f}
	in.Progress = st.event
	var work context.Context
	work, in.Stop = stopOf(ctx)
	report, err := plan.Apply(work, p, in)
	st.end()
	if report != nil {
		if serr := f.showReport("apply", report, err, output); serr != nil {
			return errors.Join(err, serr)
		}
		if output != asJSON && report.Run != "" && report.Count(plan.Applied) > 0 {
			f.kept(report)
			f.remark("To take it back: kferry rollback %s%s", w.flags(f), report.Run)
		}
	}
	return applyVerdict(report, err, in.Command)
}

// showReport shows what became of each group. failed is the error with which
// the run ended, if it did: when nothing had been looked at by then (another
// process holds the run, …), it says everything, and stdout stays empty.
func (f *Factory) showReport(kind string, r *plan.Report, failed error, output string) error {
	if len(r.Groups) == 0 && (failed != nil || output != asJSON) {
		return nil //nolint:nilerr // the caller reports how the run failed
	}
	if output == asJSON {
		return writeJSON(f.stdout(), reportDoc(kind, r))
	}
	if err := (reportView{w: f.stdout(), paint: f.outPaint()}).show(r); err != nil {
		return err
	}
	if kind == "apply" && r.Run != "" && r.AlreadyApplied {
		f.remark("The plan was applied before: nothing was changed now.")
	}
	return nil
}

// applyVerdict is how an apply or a rollback ends: the exit code, what is
// done, and how to go on.
func applyVerdict(r *plan.Report, err error, command string) error {
	if r == nil {
		return unchanged(err)
	}
	state := doneSoFar(r)
	if err != nil {
		fail := &failure{err: err, state: state}
		switch {
		case errors.Is(err, plan.ErrInterrupted):
			fail.code, fail.err = ExitInterrupted, ErrInterrupted
			fail.next = []string{command + "   (goes on where it stopped)"}
		case errors.Is(err, plan.ErrRun):
			// Calling the same once more would end the same.
		case r.Run != "" && !errors.Is(err, plan.ErrStale):
			fail.next = []string{command + "   (goes on where it stopped)"}
		}
		return fail
	}
	if r.Complete() {
		return nil
	}
	return &failure{code: reportCode(r), err: errors.New("not every group is as planned: " + reportSum(r)), state: state}
}

// doneSoFar says in one line what a run has changed.
func doneSoFar(r *plan.Report) string {
	done := r.Count(plan.Applied, plan.AlreadyApplied, plan.RolledBack)
	open := r.Count(plan.Failed, plan.TakenOver)
	switch {
	case done+open == 0:
		return "nothing was changed"
	case open == 0:
		return count(done, "group is", "groups are") + " done, all others as they were before"
	default:
		return fmt.Sprintf("%s done, %d uncertain or taken over (see above), all others as they were before", count(done, "group is", "groups are"), open)
	}
}

// reportCode is 3 when something was done or the reasons differ, else the code
// of the one reason.
func reportCode(r *plan.Report) int {
	if r.Count(plan.Ready, plan.Applied, plan.AlreadyApplied, plan.RolledBack, plan.Unchanged) > 0 {
		return ExitPartial
	}
	codes := map[int]bool{}
	for i := range r.Groups {
		codes[groupCode(&r.Groups[i])] = true
	}
	if len(codes) != 1 {
		return ExitPartial
	}
	return slices.Collect(maps.Keys(codes))[0]
}

func groupCode(g *plan.GroupReport) int {
	switch {
	case g.Result == plan.Stale:
		return ExitStale
	case g.Result == plan.Failed, g.Reason == plan.ReasonGroupMissing:
		return ExitFailure
	case g.Reason == plan.ReasonGroupActive:
		return ExitLocked
	case g.Reason == plan.ReasonRights:
		return ExitAuth
	}
	return ExitPartial
}
