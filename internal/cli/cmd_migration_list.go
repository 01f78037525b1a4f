package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
)

func newMigrationListCmd(f *Factory) *cobra.Command {
	var state, file string
	var out choice
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the migrations, and where each one stands",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runMigrationList(cmd.Context(), f, state, file, out.value)
		},
	}
	addFleet(cmd, &file, "only the migrations of the YAML `FILE`, in its order; - is standard input")
	addState(cmd.Flags(), &state)
	addOutput(cmd, &out, asTable, asJSON)
	return cmd
}

// migrationListJSON are the migrations of a state for programs.
type migrationListJSON struct {
	header
	State      string               `json:"state"`
	Migrations []migrationEntryJSON `json:"migrations"`
}

// migrationEntryJSON is one migration. One that cannot be read has its error
// and no more.
type migrationEntryJSON struct {
	Name    string            `json:"name"`
	Run     string            `json:"run,omitempty"`
	Step    migration.Step    `json:"step,omitempty"`
	Since   *time.Time        `json:"since"`
	Created *time.Time        `json:"created"`
	Ended   bool              `json:"ended"`
	Source  *plan.Cluster     `json:"source"`
	Target  *plan.Cluster     `json:"target"`
	Groups  []migration.Pair  `json:"groups"`
	Holder  *migration.Holder `json:"holder"`
	Error   string            `json:"error,omitempty"`
	// absent: a file names it, and it was not created.
	absent bool
}

func runMigrationList(ctx context.Context, f *Factory, state, file, output string) error {
	b, err := f.bucket(ctx, state)
	if err != nil {
		return err
	}
	all, err := migration.List(ctx, b)
	if err != nil {
		return err
	}
	if file != "" {
		fleet, err := f.readMigrations(file)
		if err != nil {
			return err
		}
		all = onlyOf(fleet, all)
	}
	doc := migrationListJSON{header: head("migration-list"), State: b.URL(), Migrations: []migrationEntryJSON{}}
	for _, l := range all {
		doc.Migrations = append(doc.Migrations, describeMigration(ctx, b, l, f.streams.now()))
	}
	if output == asJSON {
		return writeJSON(f.stdout(), doc)
	}
	t := newTable(f.outPaint(), "NAME", "STEP", "SINCE", "FROM", "TO", "GROUPS", "HELD BY")
	for i := range doc.Migrations {
		m := &doc.Migrations[i]
		if m.Error != "" {
			step := "damaged"
			if m.absent {
				step = "not created"
			}
			t.row(m.Name, step, "?", "?", "?", "?", m.Error)
			continue
		}
		holder := "-"
		if m.Holder != nil {
			holder = m.Holder.String()
		}
		t.row(m.Name, string(m.Step), stamp(*m.Since), clusterName(*m.Source), clusterName(*m.Target), pairsText(m.Groups), holder)
	}
	if t.empty() {
		f.remark("There are no migrations in %s.", clean(b.URL()))
		return nil
	}
	return t.write(f.stdout())
}

// onlyOf are the migrations of a file in its order. One that was not created is
// migration.ErrNotFound.
func onlyOf(fleet *api.Fleet, all []migration.Listed) []migration.Listed {
	var out []migration.Listed
	for i := range fleet.Migrations {
		name := fleet.Migrations[i].Name
		one := migration.Listed{Name: name, Err: migration.ErrNotFound}
		if j := slices.IndexFunc(all, func(l migration.Listed) bool { return l.Name == name }); j >= 0 {
			one = all[j]
		}
		out = append(out, one)
	}
	return out
}

// clusterName is the name of a cluster, or its addresses.
func clusterName(c plan.Cluster) string { return firstOf(c.Name, strings.Join(c.Bootstrap, ","), c.ID) }

func describeMigration(ctx context.Context, b *store.Bucket, l migration.Listed, now time.Time) migrationEntryJSON {
	if l.Err != nil {
		return migrationEntryJSON{Name: l.Name, Groups: []migration.Pair{}, Error: l.Err.Error(), absent: errors.Is(l.Err, migration.ErrNotFound)}
	}
	s := l.State
	return migrationEntryJSON{
		Name: l.Name, Run: s.Run, Step: s.Step, Since: &s.Since, Created: &s.Created, Ended: s.Ended,
		Source: &s.Source, Target: &s.Target, Groups: list(s.Groups), Holder: holderOf(ctx, b, s.Run, now),
	}
}

// holderOf is who holds a run now, nil when nobody does or it cannot be read.
func holderOf(ctx context.Context, b *store.Bucket, id string, now time.Time) *migration.Holder {
	r, err := run.Open(ctx, b, id, nil)
	if err != nil {
		return nil
	}
	h, _ := migration.HolderOf(ctx, r, now) // a list goes on without it
	return h
}
