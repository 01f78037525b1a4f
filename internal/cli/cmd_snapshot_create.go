package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/store"
)

type snapshotCreateOptions struct {
	cluster     clusterFlags
	sel         selectFlags
	state       string
	description string
	take        snapshot.TakeOptions
	output      choice
}

func newSnapshotCreateCmd(f *Factory) *cobra.Command {
	o := &snapshotCreateOptions{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Save the positions of groups as they are now",
		Long: "Reads positions, states and log ends and keeps them in the state. It writes nothing to the cluster.\n" +
			"Of the second snapshot with the same selection only what differs is stored. --if-changed is for\n" +
			"schedules: where nothing has moved it notes the time, and stores no snapshot.",
		Example: "  kferry snapshot create -c old -g 'order-*' --description 'before the move'\n" +
			"  kferry snapshot create -c prod --if-changed --quiet     # each minute, from cron",
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return runSnapshotCreate(cmd.Context(), f, o) },
	}
	o.cluster.add(f, cmd)
	o.sel.addGroups(cmd.Flags())
	addState(cmd.Flags(), &o.state)
	cmd.Flags().StringVar(&o.description, "description", "", "a `TEXT` to find it by")
	cmd.Flags().BoolVar(&o.take.Full, "full", false, "store all positions, also those that the snapshot before has")
	cmd.Flags().BoolVar(&o.take.IfChanged, "if-changed", false, "store nothing but the time when no position, group or state has changed")
	addOutput(cmd, &o.output, asTable, asJSON)
	completeSelection(f, cmd)
	return cmd
}

func runSnapshotCreate(ctx context.Context, f *Factory, o *snapshotCreateOptions) error {
	sel, err := o.sel.compile()
	if err != nil {
		return err
	}
	c, err := o.cluster.resolve(f)
	if err != nil {
		return err
	}
	bucket, err := f.bucket(ctx, o.state)
	if err != nil {
		return err
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return err
	}
	names, complete, err := f.chooseGroups(ctx, s, sel)
	if err != nil {
		return err
	}
	snap, readings, err := f.liveSnapshot(ctx, s, names, complete)
	if err != nil {
		return err
	}
	for _, n := range sel.LiteralGroups() {
		if err := f.exists(ctx, s, readings[n]); err != nil {
			return err
		}
	}
	snap.Description = o.description
	snap.Selection = &snapshot.Selection{Groups: o.sel.Groups, ExcludeGroups: o.sel.ExcludeGroups, GroupRegex: o.sel.GroupRegex}
	taken, err := snapshot.Take(ctx, bucket, snap, o.take)
	for _, r := range taken.Remarks {
		f.remark("warning: %s", clean(r))
	}
	if err != nil {
		return err
	}
	f.sayState()
	return f.showTaken(ctx, bucket, taken, o.output.value)
}

// showTaken reads back what was stored and says what it is.
func (f *Factory) showTaken(ctx context.Context, b *store.Bucket, taken snapshot.Taken, output string) error {
	if taken.Mark != nil && output != asJSON {
		_, err := fmt.Fprintf(f.stdout(), "unchanged since %s, looked %s\n", taken.ID, count(taken.Mark.Looks, "time", "times"))
		return err
	}
	saved, err := f.loadSnapshot(ctx, b, taken.ID)
	if err != nil {
		return err
	}
	if output == asJSON {
		return writeJSON(f.stdout(), snapshotJSON{header: head("snapshot"), Snapshot: saved, Mark: taken.Mark})
	}
	for _, m := range saved.Incomplete {
		f.remark("warning: the snapshot may lack %s", clean(m))
	}
	how := ""
	if saved.Base != "" {
		how = ", stored as what differs from " + saved.Base
	}
	_, err = fmt.Fprintf(f.stdout(), "%s  %s, %s%s\n", saved.ID, count(saved.GroupCount, "group", "groups"), count(saved.PositionCount, "position", "positions"), how)
	return err
}
