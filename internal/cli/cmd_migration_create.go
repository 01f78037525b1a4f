package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/store"
)

// migrationCreateOptions are the flags of "kferry migration create".
type migrationCreateOptions struct {
	flags   migrationFlags
	state   string
	dryRun  bool
	output  choice
	command string
}

func newMigrationCreateCmd(f *Factory) *cobra.Command {
	o := &migrationCreateOptions{}
	cmd := &cobra.Command{
		Use:   "create NAME --from SOURCE --to TARGET --group GLOB",
		Short: "Look at all that a move needs, while the application still runs, and begin it",
		Long: "Checks rights, names, partitions, evidence, retention and groups in use, and shows what would be\n" +
			"held now. When nothing stands in the way the migration is stored under its name. It writes to\n" +
			"neither cluster. A file with several is created one by one; what is stored with the same words\n" +
			"stays as it is, so that the call can be repeated.\n\n" +
			"Exit code 0: stored; 3: there are problems, and nothing was stored.",
		Example: "  kferry migration create shop --from old --to new --group 'shop-*'\n" +
			"  kferry migration create shop --from old --to new -g shop --mover mirrormaker2 \\\n" +
			"      --on 'stopping=deploy stop shop' --on 'moved=deploy start shop --cluster new'\n" +
			"  kferry migration create -f migrations.yaml --dry-run",
		Args: atMostOne("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = commandLine(cmd, args)
			fleet, err := o.flags.fleet(f, cmd, args)
			if err != nil {
				return err
			}
			if fleet != nil {
				return runFleetCreate(cmd.Context(), f, o, fleet)
			}
			m, err := o.flags.spec(f, cmd, args)
			if err != nil {
				return err
			}
			return runMigrationCreate(cmd.Context(), f, o, m)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.flags.add(f, cmd)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "check only, and store nothing")
	addState(cmd.Flags(), &o.state)
	addOutput(cmd, &o.output, asTable, asJSON)
	return cmd
}

// atMostOne takes an argument that may be left out.
func atMostOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("%s takes one %s, and was given another one: %q", cmd.CommandPath(), name, args[1])
		}
		return nil
	}
}

// checkInterval lies between two looks at the copy, unless the migration looks
// more often.
const checkInterval = 2 * time.Second

func runMigrationCreate(ctx context.Context, f *Factory, o *migrationCreateOptions, m api.Migration) error {
	bucket, err := f.bucket(ctx, o.state)
	if err != nil {
		return unchanged(err)
	}
	// Looking at two clusters can take minutes.
	if err := nameIsFree(ctx, bucket, m.Name); err != nil {
		return unchanged(err)
	}
	pair := o.flags.pair
	pair.from, pair.to = m.From, m.To
	from, to, err := f.openPair(ctx, &pair)
	if err != nil {
		return unchanged(err)
	}
	in, err := f.migrationInput(from, to, bucket, &m, o.command)
	if err != nil {
		return unchanged(err)
	}
	in.Interval = min(time.Duration(m.Interval), checkInterval)
	st := &stages{f: f}
	in.Progress = func(e migration.Event) {
		if e.Plan != nil {
			st.event(*e.Plan)
		}
	}
	c, err := migration.Check(ctx, in, m)
	st.end()
	if err != nil {
		return unchanged(err)
	}
	var made *migration.State
	problems := c.Count(migration.Problem)
	if problems == 0 && !o.dryRun {
		// What was begun is ended, and journalled.
		if made, err = migration.Create(context.WithoutCancel(ctx), in, c); made == nil || made.Step == "" {
			return withState(err, "nothing was moved")
		}
		f.sayState()
	}
	if serr := o.show(f, c, made, plan.Cluster{Name: in.From.Name, ID: in.From.ID}, plan.Cluster{Name: in.To.Name, ID: in.To.ID}); serr != nil {
		return errors.Join(err, serr)
	}
	switch {
	case err != nil:
		return withState(err, fmt.Sprintf("migration %s is stored, and nothing was moved", m.Name))
	case problems > 0:
		return &failure{
			code: ExitPartial, err: fmt.Errorf("%s in the way of migration %s", count(problems, "problem stands", "problems stand"), m.Name),
			state: "nothing was stored, and nothing was moved",
			hint:  "each problem has its remedy beside it; then call the same once more",
		}
	}
	return nil
}

// nameIsFree refuses a name that a migration has which has not ended.
func nameIsFree(ctx context.Context, b *store.Bucket, name string) error {
	st, err := migration.Load(ctx, b, name)
	switch {
	case errors.Is(err, migration.ErrNotFound):
		return nil
	case err != nil:
		return err
	case st.Ended || st.Step == "":
		return nil
	}
	return &migration.Error{
		Op: "creating", Name: name, Err: fmt.Errorf("%w and stands at %s", migration.ErrExists, st.Step),
		Hint: "'kferry migration advance' goes on with it, 'kferry migration abort' ends it; or take another name",
	}
}

func (o *migrationCreateOptions) show(f *Factory, c *migration.Checkup, made *migration.State, from, to plan.Cluster) error {
	if o.output.value == asJSON {
		return writeJSON(f.stdout(), checkDoc(c, made))
	}
	v := checkView{w: f.stdout(), paint: f.outPaint()}
	if err := v.show(c, from, to); err != nil {
		return err
	}
	switch {
	case made != nil:
		call := migrationOptions{pair: pairFlags{
			fromCommandConfig: o.flags.pair.fromCommandConfig, toCommandConfig: o.flags.pair.toCommandConfig,
		}, write: writeFlags{state: o.state}}
		f.remark("Migration %s is stored; nothing was moved, and the application may run on. When it may be stopped: %s",
			clean(c.Spec.Name), call.migrationCall(f, "advance", c.Spec.Name, "--wait"))
	case o.dryRun:
		f.remark("Nothing was stored (--dry-run).")
	}
	return nil
}
