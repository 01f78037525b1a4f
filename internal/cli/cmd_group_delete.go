package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
)

type groupDeleteOptions struct {
	cluster clusterFlags
	write   writeFlags
	output  choice
	command string
}

func newGroupDeleteCmd(f *Factory) *cobra.Command {
	o := &groupDeleteOptions{}
	cmd := &cobra.Command{
		Use:   "delete GROUP…",
		Short: "Delete groups with all their positions, restorable with rollback",
		Long: "A plan and its apply in one: shows what the groups have, asks for their names, takes a snapshot,\n" +
			"journals, and deletes. A group with members, or with positions that cannot be seen, is refused.\n" +
			"'kferry rollback RUN' brings every position back.",
		Example: "  kferry group delete orders-old -c prod --dry-run\n  kferry group delete tmp-1 tmp-2 -b localhost:9092 --yes",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || slices.Contains(args, "") {
				return errors.New("which group? Its name is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = commandLine(cmd, args)
			return runGroupDelete(cmd.Context(), f, o, args)
		},
		ValidArgsFunction: completeMoreGroups(f),
	}
	o.cluster.add(f, cmd)
	o.write.add(cmd.Flags(), true)
	o.write.addConcurrent(cmd.Flags())
	addOutput(cmd, &o.output, asTable, asJSON)
	return cmd
}

func runGroupDelete(ctx context.Context, f *Factory, o *groupDeleteOptions, names []string) error {
	c, err := o.cluster.resolve(f)
	if err != nil {
		return err
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return unchanged(err)
	}
	st := &stages{f: f}
	p, err := plan.BuildDelete(ctx, plan.DeleteInput{
		To: s.plan(), Groups: names, Tool: toolName(), Asked: []string{"group delete " + quoteArgs(names)},
		Now: f.streams.Now, Progress: st.event,
	})
	st.end()
	if err != nil {
		return unchanged(err)
	}
	o.write.login = o.cluster.login.text()
	return f.planAndApply(ctx, p, nil, s, &o.write, o.output.value, o.command)
}
