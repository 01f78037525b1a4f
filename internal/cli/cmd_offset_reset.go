package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
)

type offsetResetOptions struct {
	cluster clusterFlags
	sel     selectFlags
	reset   resetFlags
	partial bool
	write   writeFlags
	out     string
	output  choice
	asked   []string
	command string
}

func newOffsetResetCmd(f *Factory) *cobra.Command {
	o := &offsetResetOptions{}
	cmd := &cobra.Command{
		Use:   "reset -g GROUP --to-…",
		Short: "Move groups to a place in the log: the beginning, the end, a time, an offset",
		Long: "A plan and its apply in one: shows current and target positions and what the lag becomes, asks, takes\n" +
			"a snapshot, journals and commits: all of a group or nothing of it. A place outside the log is refused\n" +
			"and shown with its range, never moved to the edge. Groups with members are refused. A topic on which a\n" +
			"group has no position is taken in when both are given by name.\n\n" +
			"'kferry rollback RUN' takes it back. With --out the plan is only saved, for 'kferry apply'.",
		Example: "  kferry offset reset -b localhost:9092 -g orders --to-earliest --dry-run\n" +
			"  kferry offset reset -c prod -g 'orders-*' -t payments --to-datetime 2026-11-21T11:45:00Z --out plan.json\n" +
			"  kferry offset reset -c prod -g orders --partition payments:3 --shift-by -100 --yes\n" +
			"  kferry offset reset -c prod -g orders --from-file positions.csv",
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.asked = append([]string{"offset reset"}, asked(cmd, append(append([]string{}, askedFlags...), resetNames...)...)...)
			o.command = commandLine(cmd, args)
			to, err := o.reset.to(cmd, f.streams.now())
			if err != nil {
				return err
			}
			return runOffsetReset(cmd.Context(), f, o, to)
		},
	}
	flags := cmd.Flags()
	o.cluster.add(f, cmd)
	o.sel.add(flags)
	o.reset.add(cmd)
	flags.BoolVar(&o.partial, "accept-partial-group", false, "reset a group although some of its positions cannot be: there it keeps what it has")
	flags.StringVar(&o.out, "out", "", "only save the plan to `FILE`, for apply, verify and rollback")
	o.write.add(flags, true)
	o.write.addConcurrent(flags)
	addOutput(cmd, &o.output, asTable, asJSON, asCSV)
	completeSelection(f, cmd)
	return cmd
}

func runOffsetReset(ctx context.Context, f *Factory, o *offsetResetOptions, to plan.ResetTo) error {
	sel, err := o.sel.compile()
	if err != nil {
		return err
	}
	if err := (&onlyPlan{out: o.out, write: &o.write, output: o.output.value}).check(); err != nil {
		return err
	}
	in := plan.ResetInput{
		Selection: sel, ResetTo: to, Accept: plan.Accept{PartialGroup: o.partial}, Tool: toolName(), Asked: o.asked, Now: f.streams.Now,
	}
	switch {
	case to.Place == plan.PlaceGiven:
		if in.Given, err = o.given(f, sel); err != nil {
			return err
		}
	case len(o.sel.Groups)+len(o.sel.GroupRegex) == 0:
		return &usageError{err: errors.New("which groups? -g/--group is missing"), hint: "-g NAME, or -g '*' for all"}
	}
	c, err := o.cluster.resolve(f)
	if err != nil {
		return err
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return unchanged(err)
	}
	st := &stages{f: f}
	in.To, in.Progress = s.plan(), st.event
	p, err := plan.BuildReset(ctx, in)
	st.end()
	if err != nil {
		return unchanged(err)
	}
	o.write.login = o.cluster.login.text()
	return f.planOrApply(ctx, p, nil, s, &onlyPlan{out: o.out, write: &o.write, output: o.output.value, login: o.cluster.login.commandConfig}, o.command)
}

// given reads --from-file. Rows of three columns are of the one group that is
// named; rows of four name theirs.
func (o *offsetResetOptions) given(f *Factory, sel *position.Selection) ([]position.Position, error) {
	in := position.ReadOptions{}
	if names := sel.LiteralGroups(); len(names) == 1 && sel.OnlyLiteralGroups() {
		in.RowGroup = names[0]
	}
	set, _, err := o.reset.input.readAs(f, in)
	if err != nil {
		return nil, err
	}
	return set.All(), nil
}

// onlyPlan is how a command that plans and applies in one is told to plan only.
type onlyPlan struct {
	out    string
	write  *writeFlags
	output string
	// login and fromLogin are the login files of target and source.
	login, fromLogin string
}

// check refuses what contradicts itself before anything is asked of a cluster.
func (o *onlyPlan) check() error {
	switch {
	case o.output == asCSV && o.out == "" && !o.write.dryRun:
		return &usageError{err: errors.New("-o csv shows the rows of a plan, and applies none"), hint: "give --dry-run or --out FILE with it"}
	case o.out != "":
		return mayWritePlan(o.out)
	}
	return nil
}

// planOrApply shows and applies a plan that was just made, or shows and saves
// it only.
func (f *Factory) planOrApply(ctx context.Context, p *plan.Plan, from, to *side, o *onlyPlan, command string) error {
	if o.out == "" && o.output != asCSV {
		return f.planAndApply(ctx, p, from, to, o.write, o.output, command)
	}
	if o.out != "" {
		if err := savePlan(o.out, p); err != nil {
			return unchanged(err)
		}
	}
	if err := f.showOnly(p, o.output); err != nil {
		return err
	}
	logins := (&planOptions{pair: pairFlags{fromCommandConfig: o.fromLogin, toCommandConfig: o.login}}).logins(f)
	switch {
	case o.out == "":
		f.remark("Nothing was changed (--dry-run).")
	case p.Summary.Applicable > 0:
		f.remark("Nothing was changed. Saved to %s; next: kferry apply %s%s", o.out, logins, quoteArg(o.out))
	default:
		f.remark("Nothing was changed. Saved to %s; nothing in it can be applied.", o.out)
	}
	return planVerdict(p)
}

// showOnly writes a plan to stdout. The rows of CSV are those of whole groups
// that can be applied; all of the plan is then on stderr.
func (f *Factory) showOnly(p *plan.Plan, output string) error {
	switch output {
	case asJSON:
		return writeJSON(f.stdout(), planDoc(p))
	case asCSV:
		if err := (planView{w: f.stderr(), paint: f.errPaint()}).show(p); err != nil {
			return err
		}
		return f.planRows(p)
	default:
		return planView{w: f.stdout(), paint: f.outPaint()}.show(p)
	}
}

// planRows writes group,topic,partition,offset of what groups are to have.
func (f *Factory) planRows(p *plan.Plan) error {
	set := new(position.Set)
	for i := range p.Groups {
		g := &p.Groups[i]
		if !g.Applicable() && g.Verdict != plan.VerdictNothing {
			continue
		}
		for j := range g.Positions {
			if q := &g.Positions[j]; q.After != nil && !q.Blocked {
				if err := set.Add(position.Position{Group: g.Name, Partition: q.Target(), Offset: q.After.Offset, LeaderEpoch: -1, Metadata: q.After.Metadata}); err != nil {
					return err
				}
			}
		}
	}
	w := bufio.NewWriter(f.stdout())
	if err := position.WriteCSV(w, set, nil); err != nil {
		return fmt.Errorf("writing rows: %w", err)
	}
	f.sayDropped(set)
	return w.Flush()
}
