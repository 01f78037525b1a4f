package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
)

type offsetDeleteOptions struct {
	cluster clusterFlags
	sel     selectFlags
	write   writeFlags
	out     string
	output  choice
	asked   []string
	command string
}

func newOffsetDeleteCmd(f *Factory) *cobra.Command {
	o := &offsetDeleteOptions{}
	cmd := &cobra.Command{
		Use:   "delete -g GROUP -t TOPIC",
		Short: "Delete chosen positions of groups, and leave their others",
		Long: "For what a split or a topic that is not read any more leaves behind: false lag. A plan and its apply\n" +
			"in one: shows each position that goes with its lag, asks, takes a snapshot, journals and deletes.\n" +
			"A group may be in use; a topic that its members read is refused, with their names.\n" +
			"'kferry rollback RUN' puts the positions back, once the group has no members.",
		Example: "  kferry offset delete -c prod -g orders -t refunds --dry-run\n" +
			"  kferry offset delete -b localhost:9092 -g 'orders-*' --partition refunds:0,1 --yes",
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.asked = append([]string{"offset delete"}, asked(cmd, askedFlags...)...)
			o.command = commandLine(cmd, args)
			return runOffsetDelete(cmd.Context(), f, o)
		},
	}
	o.cluster.add(f, cmd)
	o.sel.add(cmd.Flags())
	cmd.Flags().StringVar(&o.out, "out", "", "only save the plan to `FILE`, for apply, verify and rollback")
	o.write.add(cmd.Flags(), true)
	o.write.addConcurrent(cmd.Flags())
	addOutput(cmd, &o.output, asTable, asJSON)
	completeSelection(f, cmd)
	return cmd
}

func runOffsetDelete(ctx context.Context, f *Factory, o *offsetDeleteOptions) error {
	switch {
	case len(o.sel.Groups)+len(o.sel.GroupRegex) == 0:
		return &usageError{err: errors.New("which groups? -g/--group is missing"), hint: "-g NAME, or -g '*' for all"}
	case len(o.sel.Topics)+len(o.sel.TopicRegex)+len(o.sel.Partitions) == 0:
		return &usageError{err: errors.New("which topics? -t/--topic is missing"), hint: "-t NAME, --partition TOPIC:0,1, or -t '*' for all; kferry group delete deletes a group as a whole"}
	}
	sel, err := o.sel.compile()
	if err != nil {
		return err
	}
	only := &onlyPlan{out: o.out, write: &o.write, output: o.output.value, login: o.cluster.login.commandConfig}
	if err := only.check(); err != nil {
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
	st := &stages{f: f}
	p, err := plan.BuildForget(ctx, plan.ForgetInput{
		To: s.plan(), Selection: sel, Tool: toolName(), Asked: o.asked, Now: f.streams.Now, Progress: st.event,
	})
	st.end()
	if err != nil {
		return unchanged(err)
	}
	o.write.login = o.cluster.login.text()
	return f.planOrApply(ctx, p, nil, s, only, o.command)
}
