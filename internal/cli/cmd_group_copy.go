package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
)

type groupCopyOptions struct {
	cluster clusterFlags
	sel     selectFlags
	route   routeFlags
	accept  acceptFlags
	settle  settleFlag
	keep    keepFlag
	write   writeFlags
	output  choice
	asked   []string
	command string
}

func newGroupCopyCmd(f *Factory) *cobra.Command {
	o := &groupCopyOptions{}
	cmd := &cobra.Command{
		Use:   "copy OLD NEW | copy OLD --route SPLIT.yaml",
		Short: "Give a new group the positions of an old one on the same cluster, or split a group",
		Long: "A plan and its apply in one: the new group starts exactly where the old one stands. With --route\n" +
			"the topics of the old group go to several new groups, each topic to exactly one, none forgotten.\n" +
			"The old group must have stopped and stays as it is.",
		Example: "  kferry group copy orders orders-v2 -c prod --dry-run\n" +
			"  kferry group copy orders refunds -c prod -t 'refund-*'\n" +
			"  kferry group copy orders --route split.yaml -c prod",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return errors.New("kferry group copy takes OLD NEW, or OLD with --route")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.asked = asked(cmd, askedFlags...)
			o.command = commandLine(cmd, args)
			return runGroupCopy(cmd.Context(), f, o, args)
		},
		ValidArgsFunction: completeGroups(f),
	}
	flags := cmd.Flags()
	o.cluster.add(f, cmd)
	o.sel.addTopics(flags)
	o.route.addFile(cmd)
	flags.BoolVar(&o.accept.Repeats, "accept-repeats", false, "copy a share group although what it has done above its start offsets is delivered again")
	flags.BoolVar(&o.accept.Rewind, "accept-rewind", false, "let the new group go back behind the position that it has")
	flags.BoolVar(&o.accept.ActiveSource, "accept-active-source", false, "go on while the old group still reads: its positions still move")
	flags.BoolVar(&o.accept.Loss, "accept-loss", false, "go on although records that the old group has not read are gone")
	flags.BoolVar(&o.accept.PartialGroup, "accept-partial-group", false, "copy the group although some of its positions cannot be: there auto.offset.reset decides")
	o.settle.add(flags)
	o.keep.add(flags)
	o.write.add(flags, true)
	o.write.addConcurrent(flags)
	addOutput(cmd, &o.output, asTable, asJSON)
	completeSelection(f, cmd)
	return cmd
}

func runGroupCopy(ctx context.Context, f *Factory, o *groupCopyOptions, args []string) error {
	in, err := o.input(f, args)
	if err != nil {
		return err
	}
	c, err := o.cluster.resolve(f)
	if err != nil {
		return err
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return unchanged(err)
	}
	in.From, in.To = s.planRef(), s.plan()
	p, err := build(ctx, f, in)
	if err != nil {
		return err
	}
	o.write.login = o.cluster.login.text()
	return f.planAndApply(ctx, p, s, s, &o.write, o.output.value, o.command)
}

func (o *groupCopyOptions) input(f *Factory, args []string) (plan.Input, error) {
	none := plan.Input{}
	o.sel.Groups = []string{escapeGlob(args[0])}
	sel, err := o.sel.compile()
	if err != nil {
		return none, err
	}
	names, err := o.names(args)
	if err != nil {
		return none, err
	}
	settle, err := o.settle.value(f)
	if err != nil {
		return none, err
	}
	return plan.Input{
		Selection: sel, Route: names, Settle: settle, Accept: o.accept.Accept, Keep: o.keep.length,
		Tool: toolName(), Asked: append([]string{"group copy " + quoteArgs(args)}, o.asked...), Now: f.streams.Now,
	}, nil
}

// names is the route from the old group to the new ones.
func (o *groupCopyOptions) names(args []string) (*position.Route, error) {
	switch {
	case len(args) == 2 && o.route.file != "":
		return nil, &usageError{err: errors.New("NEW and --route exclude each other"), hint: "the route file names the new groups"}
	case len(args) == 2 && args[0] == args[1]:
		return nil, &usageError{err: fmt.Errorf("group %q cannot be copied to itself", args[0])}
	case len(args) == 1 && o.route.file == "":
		return nil, &usageError{err: errors.New("the name of the new group is missing"), hint: "kferry group copy OLD NEW, or OLD --route SPLIT.yaml"}
	case len(args) == 2:
		rename := position.Rename{From: escapeRename(args[0]), To: escapeRename(args[1])}
		return position.NewRoute(position.RouteOptions{Groups: []position.GroupRule{{Rename: rename}}})
	}
	names, split, err := o.route.load()
	if err == nil && split != args[0] && split != escapeRename(args[0]) {
		err = &usageError{
			err:  fmt.Errorf("%s splits group %q and not %q", o.route.file, split, args[0]),
			hint: "from: at the top of the file names the group that is split",
		}
	}
	return names, err
}

// planAndApply shows a plan that was just made, asks, and applies it.
func (f *Factory) planAndApply(ctx context.Context, p *plan.Plan, from, to *side, w *writeFlags, output, command string) error {
	asDoc := output == asJSON
	if w.dryRun {
		if asDoc {
			if err := writeJSON(f.stdout(), planDoc(p)); err != nil {
				return err
			}
		} else if err := (planView{w: f.stdout(), paint: f.outPaint()}).show(p); err != nil {
			return err
		}
		f.remark("Nothing was changed (--dry-run).")
		return planVerdict(p)
	}
	if err := (planView{w: f.stderr(), paint: f.errPaint()}).show(p); err != nil {
		return err
	}
	if p.Summary.Applicable == 0 {
		if asDoc {
			if err := writeJSON(f.stdout(), planDoc(p)); err != nil {
				return err
			}
		}
		if p.AllApplicable() {
			f.remark("Nothing to do: everything is as planned.")
		}
		return planVerdict(p)
	}
	if err := w.named(f, to); err != nil {
		return err
	}
	if !w.yes {
		if err := f.confirmPlan(ctx, p, to, 0, w); err != nil {
			return err
		}
	}
	in := plan.ApplyInput{To: to.plan(), Command: command}
	if from != nil {
		in.From = from.planRef()
	}
	return f.apply(ctx, p, in, w, output)
}
