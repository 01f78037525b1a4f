package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/hook"
	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/spec"
	"github.com/kferry/kferry/internal/store"
)

func newMigrationCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migration COMMAND",
		Short: "Move an application to another cluster, step by step, with a way back",
		Long: "Moves an application, which is one or several consumer groups, to another cluster, over whatever\n" +
			"keeps the copy there. 'create' looks at everything while the application still runs. 'advance' then\n" +
			"waits until it is stopped and copied, moves its positions, proves them, and watches it begin on the\n" +
			"other side. Each step is journalled: stop anywhere, and go on from any process.",
		Example: "  kferry migration create shop --from old --to new --group 'shop-*'\n" +
			"  kferry migration advance shop --wait\n" +
			"  kferry migration list\n" +
			"  kferry migration abort shop",
		GroupID: "move",
		Args:    cobra.ArbitraryArgs,
		RunE:    runParent,

		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(
		newMigrationCreateCmd(f), newMigrationListCmd(f), newMigrationShowCmd(f), newMigrationAdvanceCmd(f),
		newMigrationAbortCmd(f), newMigrationFailBackCmd(f),
	)
	return cmd
}

// migrationOptions are the flags of commands that work on a migration that was
// created.
type migrationOptions struct {
	pair    pairFlags
	write   writeFlags
	output  choice
	command string
	// sourceGone: the source is not opened.
	sourceGone bool
}

func (o *migrationOptions) add(f *Factory, cmd *cobra.Command, dryRun bool) {
	o.pair.add(f, cmd)
	for flag, usage := range sideUsage {
		cmd.Flags().Lookup(flag).Usage = usage
	}
	o.write.add(cmd.Flags(), dryRun)
	addOutput(cmd, &o.output, asTable, asJSON)
	cmd.ValidArgsFunction = completeMigrations(f)
}

// opened is a migration with its clusters.
type opened struct {
	state  *migration.State
	bucket *store.Bucket
	// from is nil when the source is gone.
	from, to *side
}

// openMigration reads a migration and opens its clusters: those that the flags
// name, else the clusters of the same names in the config file, else the
// addresses that the migration was created with. The migration room refuses
// when they are not the same clusters.
func (f *Factory) openMigration(ctx context.Context, name string, o *migrationOptions) (*opened, error) {
	if err := o.pair.checkLogins(); err != nil {
		return nil, err
	}
	bucket, err := f.bucket(ctx, o.write.state)
	if err != nil {
		return nil, unchanged(err)
	}
	m := &opened{bucket: bucket}
	if m.state, err = f.loadMigration(ctx, bucket, name); err != nil {
		return nil, unchanged(err)
	}
	if o.sourceGone {
		target, err := f.planCluster(m.state.Target, "--to", o.pair.to, o.pair.toCommandConfig)
		if err != nil {
			return nil, unchanged(err)
		}
		m.to, err = f.open(ctx, target)
		return m, unchanged(err)
	}
	source, err := f.planCluster(m.state.Source, "--from", o.pair.from, o.pair.fromCommandConfig)
	if err != nil {
		return nil, unchanged(err)
	}
	target, err := f.planCluster(m.state.Target, "--to", o.pair.to, o.pair.toCommandConfig)
	if err != nil {
		return nil, unchanged(err)
	}
	if m.from, err = f.open(ctx, source); err != nil {
		return nil, unchanged(err)
	}
	m.to, err = f.open(ctx, target)
	return m, unchanged(err)
}

// loadMigration reads a migration; one that is not there has near names.
func (f *Factory) loadMigration(ctx context.Context, b *store.Bucket, name string) (*migration.State, error) {
	st, err := migration.Load(ctx, b, name)
	if !errors.Is(err, migration.ErrNotFound) {
		return st, err
	}
	all, lerr := migration.List(ctx, b)
	if lerr != nil {
		return nil, err
	}
	var names []string
	for _, l := range all {
		names = append(names, l.Name)
	}
	hint := "'kferry migration list' shows the migrations"
	if len(names) == 0 {
		hint = "there are no migrations in " + b.URL() + " (--state names another place)"
	}
	return nil, &failure{err: err, hint: firstOf(didYouMean(position.Near(name, names, maxNear)), hint)}
}

// migrationInput is what the room needs beside the migration. A time between
// two readings that the spec leaves open is that of the config file.
func (f *Factory) migrationInput(from, to *side, bucket *store.Bucket, m *api.Migration, command string) (migration.Input, error) {
	in := migration.Input{
		To: to.plan(), Bucket: bucket, Notify: f.notifier(),
		Tool: toolName(), Command: command, Now: f.streams.Now,
	}
	if from != nil {
		in.From = from.plan()
	}
	if m.Settle == nil {
		cfg, err := f.loadConfig()
		if err != nil {
			return in, err
		}
		in.Settle = time.Duration(cfg.Config.Defaults.Settle)
	}
	return in, nil
}

// notifier calls the events of migrations. A token is fetched for each call, so
// that one which was changed is the new one.
func (f *Factory) notifier() migration.Notifier {
	return hook.New(hook.Options{
		Token: func(ctx context.Context, ref api.SecretRef) (string, error) {
			secret, warnings, err := spec.Resolve(ctx, ref, &spec.SecretOptions{Stderr: f.stderr()})
			if err != nil {
				return "", err
			}
			f.warn(warnings)
			return secret.Reveal(), nil
		},
		Stderr: f.stderr(),
	})
}

// again are the flags that another call on the migration needs, each with a
// blank after it.
func (o *migrationOptions) again(f *Factory) string {
	var b strings.Builder
	for _, fl := range [][2]string{
		{"--config", f.configPath},
		{"--state", o.write.state},
		{"--from", o.pair.from},
		{"--to", o.pair.to},
		{"--from-command-config", o.pair.fromCommandConfig},
		{"--to-command-config", o.pair.toCommandConfig},
	} {
		if fl[1] != "" {
			b.WriteString(fl[0] + " " + quoteArg(fl[1]) + " ")
		}
	}
	if o.sourceGone {
		b.WriteString("--source-gone ")
	}
	return b.String()
}

// migrationCall is a command line on a migration, to go on with.
func (o *migrationOptions) migrationCall(f *Factory, verb, name, more string) string {
	return strings.TrimSpace("kferry migration " + verb + " " + o.again(f) + quoteArg(name) + " " + more)
}

// completeMigrations completes the first argument with the migrations of the
// state.
func completeMigrations(f *Factory) completed {
	return completeStored(f, func(ctx context.Context, b *store.Bucket) []string {
		all, err := migration.List(ctx, b)
		if err != nil {
			return nil
		}
		var names []string
		for _, l := range all {
			text := "damaged"
			if l.Err == nil {
				text = string(l.State.Step)
			}
			names = append(names, cobra.CompletionWithDesc(l.Name, text))
		}
		return names
	})
}

// sidesText is "old (ID) to new (ID)".
func sidesText(from, to plan.Cluster) string {
	return clusterText(from) + " to " + clusterText(to)
}

// pairsText are groups with their names on the target where they differ.
func pairsText(groups []migration.Pair) string {
	var names []string
	for i, g := range groups {
		if i == maxShown {
			names = append(names, fmt.Sprintf("and %d more", len(groups)-i))
			break
		}
		name := clean(g.Source)
		if g.Target != g.Source {
			name += " → " + clean(g.Target)
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
