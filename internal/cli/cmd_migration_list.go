package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
)

func newMigrationListCmd(f *Factory) *cobra.Command {
	var state string
	var out choice
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the migrations, and where each one stands",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runMigrationList(cmd.Context(), f, state, out.value)
		},
	}
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
	Name    string           `json:"name"`
	Run     string           `json:"run,omitempty"`
	Step    migration.Step   `json:"step,omitempty"`
	Since   *time.Time       `json:"since"`
	Created *time.Time       `json:"created"`
	Ended   bool             `json:"ended"`
	Source  *plan.Cluster    `json:"source"`
	Target  *plan.Cluster    `json:"target"`
	Groups  []migration.Pair `json:"groups"`
	Holder  *holderJSON      `json:"holder"`
	Error   string           `json:"error,omitempty"`
}

// holderJSON is the process that works on a migration now.
type holderJSON struct {
	User  string    `json:"user"`
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	text  string
}

func runMigrationList(ctx context.Context, f *Factory, state, output string) error {
	b, err := f.bucket(ctx, state)
	if err != nil {
		return err
	}
	all, err := migration.List(ctx, b)
	if err != nil {
		return err
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
			t.row(m.Name, "damaged", "?", "?", "?", "?", m.Error)
			continue
		}
		holder := "-"
		if m.Holder != nil {
			holder = m.Holder.text
		}
		t.row(m.Name, string(m.Step), stamp(*m.Since), clusterName(*m.Source), clusterName(*m.Target), pairsText(m.Groups), holder)
	}
	if t.empty() {
		f.remark("There are no migrations in %s.", clean(b.URL()))
		return nil
	}
	return t.write(f.stdout())
}

// clusterName is the name of a cluster, or its addresses.
func clusterName(c plan.Cluster) string { return firstOf(c.Name, strings.Join(c.Bootstrap, ","), c.ID) }

func describeMigration(ctx context.Context, b *store.Bucket, l migration.Listed, now time.Time) migrationEntryJSON {
	if l.Err != nil {
		return migrationEntryJSON{Name: l.Name, Groups: []migration.Pair{}, Error: l.Err.Error()}
	}
	s := l.State
	return migrationEntryJSON{
		Name: l.Name, Run: s.Run, Step: s.Step, Since: &s.Since, Created: &s.Created, Ended: s.Ended,
		Source: &s.Source, Target: &s.Target, Groups: list(s.Groups), Holder: holderOf(ctx, b, s.Run, now),
	}
}

// holderOf is who holds a run now, nil when nobody does or it cannot be read.
func holderOf(ctx context.Context, b *store.Bucket, id string, now time.Time) *holderJSON {
	r, err := run.Open(ctx, b, id, nil)
	if err != nil {
		return nil
	}
	s, ok, err := r.LeaseState(ctx)
	if err != nil || !ok || !s.Held() || !now.Before(s.Until) || s.Holder.Gone() {
		return nil
	}
	return &holderJSON{
		User: s.Holder.User, Host: s.Holder.Host, PID: s.Holder.PID, Since: s.Since.UTC(), Until: s.Until.UTC(), text: s.Holder.String(),
	}
}
