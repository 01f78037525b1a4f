package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/plan"
)

// applyOptions are the flags of "kferry apply".
type applyOptions struct {
	pair         pairFlags
	write        writeFlags
	settle       settleFlag
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
	o.settle.add(flags)
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
	if o.write.dryRun {
		return o.showOnly(f, p)
	}
	from, to, err := f.openPlan(ctx, p, &o.pair)
	if err != nil {
		return unchanged(err)
	}
	preview := planView{w: f.stderr(), paint: f.errPaint()}
	if p.Summary.Applicable > 0 && !o.write.yes {
		if err := preview.show(p); err != nil {
			return err
		}
		if err := f.confirmWrite(ctx, to, fmt.Sprintf("Commit %s on %s?", count(p.Summary.Applicable, "group", "groups"), clusterText(p.Target))); err != nil {
			return err
		}
	}
	settle := o.settle.length
	if !o.settle.given.Changed {
		settle = 0
	} else if settle == 0 {
		settle = -1
	}
	return f.apply(ctx, p, plan.ApplyInput{
		From: from.planRef(), To: to.plan(), AllOrNothing: o.allOrNothing, Again: o.again,
		Settle: settle, Command: o.command,
	}, o.write.state, o.output.value)
}

// showOnly shows what the plan would do, without asking the clusters.
func (o *applyOptions) showOnly(f *Factory, p *plan.Plan) error {
	var err error
	if o.output.value == asJSON {
		err = writeJSON(f.stdout(), planDoc(p))
	} else {
		err = planView{w: f.stdout(), paint: f.outPaint()}.show(p)
	}
	if err != nil {
		return err
	}
	f.remark("Nothing was changed (--dry-run). Whether the plan, made %s, is still true was not looked at: apply does that first.", stamp(p.Created))
	return planVerdict(p)
}

// apply runs a plan and shows what became of it.
func (f *Factory) apply(ctx context.Context, p *plan.Plan, in plan.ApplyInput, state, output string) error {
	bucket, err := f.bucket(ctx, state)
	if err != nil {
		return unchanged(err)
	}
	f.sayState()
	in.Bucket, in.Tool, in.Now = bucket, toolName(), f.streams.Now
	st := &stages{f: f}
	in.Progress = st.event
	var work context.Context
	work, in.Stop = stopOf(ctx)
	report, err := plan.Apply(work, p, in)
	st.end()
	if report != nil {
		if serr := f.showReport("apply", report, output); serr != nil {
			return errors.Join(err, serr)
		}
	}
	return applyVerdict(report, err, in.Command)
}

func (f *Factory) showReport(kind string, r *plan.Report, output string) error {
	if output == asJSON {
		return writeJSON(f.stdout(), reportDoc(kind, r))
	}
	if err := (reportView{w: f.stdout(), paint: f.outPaint()}).show(r); err != nil {
		return err
	}
	switch {
	case r.Run == "":
	case kind == "apply" && r.AlreadyApplied:
		f.remark("The plan was applied before: nothing was changed now.")
	case kind == "apply" && r.Count(plan.Applied) > 0:
		f.remark("To take it back: kferry rollback %s", r.Run)
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
	if r.Count(plan.Applied, plan.AlreadyApplied, plan.RolledBack, plan.Unchanged) > 0 {
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
	case g.Result == plan.Failed:
		return ExitFailure
	case g.Reason == plan.ReasonGroupActive:
		return ExitLocked
	case g.Reason == plan.ReasonRights:
		return ExitAuth
	}
	return ExitPartial
}

// readPlan reads a plan file; "-" is stdin.
func readPlan(f *Factory, path string) (*plan.Plan, error) {
	r := f.streams.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, unchanged(pathError("reading plan", path, err))
		}
		defer func() { _ = file.Close() }() // only read
		r = file
	}
	p, err := plan.Read(r, path)
	return p, unchanged(err)
}

// openPlan opens the clusters that a plan is about: those that the flags name,
// else the clusters of the same names in the config file, else the addresses
// in the plan. The plan room refuses when they are not the same clusters.
func (f *Factory) openPlan(ctx context.Context, p *plan.Plan, pair *pairFlags) (from, to *side, err error) {
	if err := pair.checkLogins(); err != nil {
		return nil, nil, err
	}
	target, err := f.planCluster(p.Target, "--to", pair.to, pair.toCommandConfig)
	if err != nil {
		return nil, nil, err
	}
	if to, err = f.open(ctx, target); err != nil || p.Source == nil {
		return nil, to, err
	}
	if p.SameCluster {
		return to, to, nil
	}
	source, err := f.planCluster(*p.Source, "--from", pair.from, pair.fromCommandConfig)
	if err != nil {
		return nil, nil, err
	}
	from, err = f.open(ctx, source)
	return from, to, err
}

func (f *Factory) planCluster(c plan.Cluster, flag, value, commandConfig string) (api.Cluster, error) {
	login := loginFlags{commandConfig: commandConfig}
	if value != "" {
		found, err := f.anyCluster(flag, value)
		if err != nil {
			return found, err
		}
		return login.apply(found)
	}
	cfg, err := f.loadConfig()
	if err != nil {
		return api.Cluster{}, err
	}
	found := api.Cluster{Name: c.Name, Bootstrap: c.Bootstrap}
	if i := slices.IndexFunc(cfg.Config.Clusters, func(k api.Cluster) bool { return k.Name == c.Name }); i >= 0 {
		found = cfg.Config.Clusters[i]
	}
	return login.apply(found)
}

// confirmWrite asks before something is written. A cluster that the config
// file protects has to be named.
func (f *Factory) confirmWrite(ctx context.Context, to *side, question string) error {
	if to.config.Protected {
		return f.confirm(ctx, question+" The cluster is protected: type its name.", to.config.Name)
	}
	return f.confirm(ctx, question, "yes")
}
