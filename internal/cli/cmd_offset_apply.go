package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
)

type offsetApplyOptions struct {
	cluster clusterFlags
	input   inputFlags
	accept  acceptFlags
	keep    keepFlag
	write   writeFlags
	output  choice
	asked   []string
	command string
}

func newOffsetApplyCmd(f *Factory) *cobra.Command {
	o := &offsetApplyOptions{}
	cmd := &cobra.Command{
		Use:   "apply -b TARGET -i FILE",
		Short: "Commit the positions of a file: a plan and its apply in one",
		Long: "Checks every row against the log of the target, shows what would change, asks, takes a snapshot,\n" +
			"journals and commits: all of a group or nothing of it. Offsets outside the log are refused, never\n" +
			"moved to its edge. 'kferry rollback RUN' takes it back.",
		Example: "  kferry offset apply -b localhost:9093 -i target.csv\n" +
			"  kferry offset apply -c new -i refunds.csv --group refunds --yes",
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.asked = asked(cmd, "input", "group")
			o.command = commandLine(cmd, args)
			return runOffsetApply(cmd.Context(), f, o)
		},
	}
	flags := cmd.Flags()
	o.cluster.add(f, cmd)
	o.input.add(cmd)
	flags.BoolVar(&o.accept.Rewind, "accept-rewind", false, "let a group go back behind the position that it has")
	flags.BoolVar(&o.accept.PartialGroup, "accept-partial-group", false, "commit a group although some of its rows cannot be: there it keeps what it has")
	o.keep.add(flags)
	o.write.add(flags, true)
	o.write.addConcurrent(flags)
	addOutput(cmd, &o.output, asTable, asJSON)
	return cmd
}

func runOffsetApply(ctx context.Context, f *Factory, o *offsetApplyOptions) error {
	set, err := o.input.read(f)
	if err != nil {
		return err
	}
	c, err := o.cluster.resolve(f)
	if err != nil {
		return err
	}
	to, err := f.open(ctx, c)
	if err != nil {
		return unchanged(err)
	}
	p, err := build(ctx, f, plan.Input{
		To: to.plan(), Given: set.All(), AsGiven: true, Accept: o.accept.Accept, Settle: -1, Keep: o.keep.length,
		Tool: toolName(), Asked: o.asked, Now: f.streams.Now,
	})
	if err != nil {
		return err
	}
	o.write.login = o.cluster.login.text()
	return f.planAndApply(ctx, p, nil, to, &o.write, o.output.value, o.command)
}
