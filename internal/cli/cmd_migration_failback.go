package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/run"
)

func newMigrationFailBackCmd(f *Factory) *cobra.Command {
	o := &advanceOptions{}
	var accept acceptFlags
	var giveUp, leave bool
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
			if leave && !giveUp {
				return &usageError{err: errors.New("--leave-positions is given without --give-up")}
			}
			if giveUp {
				return runMigrationStay(cmd.Context(), f, o, args[0], leave)
			}
			return runMigrationFailBack(cmd.Context(), f, o, args[0])
		},
	}
	o.add(f, cmd, true)
	accept.addMoving(cmd.Flags())
	accept.addRewind(cmd.Flags(), "source")
	cmd.Flags().BoolVar(&giveUp, "give-up", false, "end a way back, and take back what it has written on the source: the application is to be started on the target again")
	addLeave(cmd, &leave, "the source (with --give-up)")
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

// runMigrationStay gives a way back up. What it has written on the source is
// taken back, and that is asked for.
func runMigrationStay(ctx context.Context, f *Factory, o *advanceOptions, name string, leave bool) error {
	m, err := f.openMigration(ctx, name, &o.migrationOptions)
	if err != nil {
		return err
	}
	if m.state.Step == migration.FailingBack && m.state.BackDigest != "" {
		if err := o.confirmStay(ctx, f, m); err != nil {
			return err
		}
	}
	stay := func(ctx context.Context, name string, in migration.Input) (*migration.Outcome, error) {
		in.LeavePositions = leave
		return migration.Stay(ctx, name, in)
	}
	out, err := o.call(ctx, f, m, stay, m.to)
	return o.finish(f, m, "advance", out, err)
}

// confirmStay asks before what a way back has written is taken back.
func (o *advanceOptions) confirmStay(ctx context.Context, f *Factory, m *opened) error {
	begun, err := run.ByPlan(ctx, m.bucket, m.state.BackDigest)
	if err != nil || len(begun) == 0 {
		return unchanged(err)
	}
	if err := o.write.named(f, m.from); err != nil || o.write.yes {
		return err
	}
	question := fmt.Sprintf("Give up the way back of migration %s, and take back what it has written on %s?", clean(m.state.Name), clusterText(m.state.Source))
	return f.confirmWrite(ctx, m.from, question, &o.write)
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
	in.Accept = o.accepted
	p, out, err := migration.LookBack(ctx, m.state.Name, in)
	progress.end()
	if err != nil {
		return unchanged(err)
	}
	if !out.Done() {
		return o.rehearsedBack(f, out)
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

// rehearsedBack shows what keeps the way back from being planned.
func (o *advanceOptions) rehearsedBack(f *Factory, out *migration.Outcome) error {
	if err := o.rehearsed(f, out, nil); err != nil {
		return err
	}
	f.remark("Nothing was changed (--dry-run).")
	fail := &failure{state: standText(out, nil)}
	o.waits(fail, out, o.migrationCall(f, "fail-back", out.State.Name, "--dry-run"))
	return fail
}
