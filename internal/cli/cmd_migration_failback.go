package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/migration"
)

func newMigrationFailBackCmd(f *Factory) *cobra.Command {
	o := &advanceOptions{}
	var accept acceptFlags
	var giveUp bool
	cmd := &cobra.Command{
		Use:   "fail-back NAME",
		Short: "Move an application back, with what it has read on the target",
		Long: "For an application that has already gone on on the target: finds the equal positions on the source\n" +
			"for what was read on the target, and says which records have no place there. The application has to\n" +
			"be stopped on the target first. Up to its first commit there, 'kferry migration abort' is the way.\n\n" +
			"Before positions are committed on the source the plan is shown, and you are asked.",
		Example: "  kferry migration fail-back shop --wait\n  kferry migration fail-back shop --dry-run",
		Args:    exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = commandLine(cmd, args)
			if err := o.check(cmd); err != nil {
				return err
			}
			o.accepted = accept.words()
			if giveUp && (o.write.dryRun || o.wait.given) {
				return &usageError{err: errors.New("--give-up goes with neither --dry-run nor --wait: it ends the way back at once")}
			}
			if giveUp {
				return runMigrationStay(cmd.Context(), f, o, args[0])
			}
			return runMigrationFailBack(cmd.Context(), f, o, args[0])
		},
	}
	o.add(f, cmd, true)
	accept.addMoving(cmd.Flags())
	accept.addRewind(cmd.Flags(), "source")
	cmd.Flags().BoolVar(&giveUp, "give-up", false, "end a way back that has not written anything: the application is to be started on the target again")
	o.addWait(cmd, "go on looking while the application still runs on the target, for at most `TIME`; without one as the migration says")
	return cmd
}

func runMigrationFailBack(ctx context.Context, f *Factory, o *advanceOptions, name string) error {
	m, err := f.openMigration(ctx, name, &o.migrationOptions)
	if err != nil {
		return err
	}
	if o.write.dryRun {
		return o.rehearseBack(ctx, f, m)
	}
	if err := o.write.named(f, m.from); err != nil {
		return err
	}
	out, err := o.call(ctx, f, m, migration.FailBack, m.from)
	return o.finish(f, m, "fail-back", out, err)
}

// runMigrationStay gives a way back up.
func runMigrationStay(ctx context.Context, f *Factory, o *advanceOptions, name string) error {
	m, err := f.openMigration(ctx, name, &o.migrationOptions)
	if err != nil {
		return err
	}
	out, err := o.call(ctx, f, m, migration.Stay, m.to)
	return o.finish(f, m, "advance", out, err)
}

// rehearseBack shows the plan of the way back. It neither takes hold of the
// migration nor writes anything.
func (o *advanceOptions) rehearseBack(ctx context.Context, f *Factory, m *opened) error {
	in, err := f.migrationInput(m.from, m.to, m.bucket, &m.state.Spec, o.command)
	if err != nil {
		return unchanged(err)
	}
	progress := &stages{f: f}
	in.Progress = func(e migration.Event) {
		if e.Plan != nil {
			progress.event(*e.Plan)
		}
	}
	p, err := migration.LookBack(ctx, m.state.Name, in)
	progress.end()
	if err != nil {
		return unchanged(err)
	}
	if o.output.value == asJSON {
		err = writeJSON(f.stdout(), planDoc(p))
	} else {
		err = (planView{w: f.stdout(), paint: f.outPaint()}).showBack(p)
	}
	if err != nil {
		return err
	}
	f.remark("Nothing was changed (--dry-run).")
	return planVerdict(p)
}
