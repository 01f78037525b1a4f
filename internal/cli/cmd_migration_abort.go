package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/migration"
)

func newMigrationAbortCmd(f *Factory) *cobra.Command {
	o := &migrationOptions{}
	var leave bool
	cmd := &cobra.Command{
		Use:   "abort NAME",
		Short: "End a migration and take back whatever it has done",
		Long: "Gives the groups on the target back what they had before, so that the application may go on on the\n" +
			"source. That is possible up to its first commit on the target; from then on 'kferry migration\n" +
			"fail-back' is the way back. Where somebody else has committed nothing is overwritten, and the abort\n" +
			"waits at 'aborting'. With --leave-positions it ends, and says which positions stay.",
		Example: "  kferry migration abort shop\n  kferry migration abort shop --leave-positions",
		Args:    exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = commandLine(cmd, args)
			return runMigrationAbort(cmd.Context(), f, o, args[0], leave)
		},
	}
	o.add(f, cmd, false)
	addLeave(cmd, &leave, "the target, also when it looks as if the application had begun there, and end nevertheless: what it has read there, it reads again on the source")
	return cmd
}

// addLeave adds --leave-positions.
func addLeave(cmd *cobra.Command, leave *bool, where string) {
	cmd.Flags().BoolVar(leave, "leave-positions", false, "leave positions alone that somebody else has changed on "+where)
}

func runMigrationAbort(ctx context.Context, f *Factory, o *migrationOptions, name string, leave bool) error {
	m, err := f.openMigration(ctx, name, o)
	if err != nil {
		return err
	}
	if err := o.write.named(f, m.to); err != nil {
		return err
	}
	if !o.write.yes && m.state.Step != migration.Aborted {
		question := fmt.Sprintf("Abort migration %s, which stands at %s, and take back what it has written on %s?",
			clean(name), m.state.Step, clusterText(m.state.Target))
		if leave {
			question += " What somebody else has changed there since stays as it is."
		}
		if err := f.confirmWrite(ctx, m.to, question, &o.write); err != nil {
			return err
		}
	}
	in, err := f.migrationInput(m.from, m.to, m.bucket, &m.state.Spec, o.command)
	if err != nil {
		return unchanged(err)
	}
	live := newMigrationLive(f, m.state, false)
	in.Progress, in.LeavePositions = live.show, leave
	var work context.Context
	work, in.Stop = stopOf(ctx)
	out, err := migration.Abort(work, name, in)
	live.end()
	return o.finish(f, m, "abort", out, err)
}
