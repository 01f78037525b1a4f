package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
)

func newHistoryCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "history COMMAND",
		Short:   "List runs and show what they did",
		GroupID: "move",
		Args:    cobra.ArbitraryArgs,
		RunE:    runParent,

		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newHistoryListCmd(f), newHistoryShowCmd(f))
	return cmd
}

// historyListJSON are the runs of a state for programs.
type historyListJSON struct {
	header
	State string    `json:"state"`
	Runs  []runJSON `json:"runs"`
}

// runJSON is one run. A run that cannot be read has its error and no more.
type runJSON struct {
	Run        string        `json:"run"`
	Kind       string        `json:"kind"`
	Name       string        `json:"name,omitempty"`
	Status     string        `json:"status"`
	Command    string        `json:"command"`
	Tool       string        `json:"tool"`
	User       string        `json:"user"`
	Host       string        `json:"host"`
	Created    *time.Time    `json:"created"`
	PlanDigest string        `json:"plan_digest,omitempty"`
	Undoes     string        `json:"undoes,omitempty"`
	After      string        `json:"after,omitempty"`
	Clusters   []run.Cluster `json:"clusters"`
	Error      string        `json:"error,omitempty"`
}

func newHistoryListCmd(f *Factory) *cobra.Command {
	var state string
	var out choice
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the runs, the newest first",
		Args:  exactArgs(),
		RunE:  func(cmd *cobra.Command, _ []string) error { return runHistoryList(cmd.Context(), f, state, out.value) },
	}
	addState(cmd.Flags(), &state)
	addOutput(cmd, &out, asTable, asJSON)
	return cmd
}

func runHistoryList(ctx context.Context, f *Factory, state, output string) error {
	b, err := f.bucket(ctx, state)
	if err != nil {
		return err
	}
	doc := historyListJSON{header: head("history-list"), State: b.URL(), Runs: []runJSON{}}
	for l, err := range run.List(ctx, b) {
		if err != nil {
			return err
		}
		doc.Runs = append(doc.Runs, describeRun(ctx, b, l, f.streams.now()))
	}
	if output == asJSON {
		return writeJSON(f.stdout(), doc)
	}
	t := newTable(f.outPaint(), "RUN", "KIND", "STATUS", "CREATED", "USER", "TARGET", "COMMAND")
	for _, r := range doc.Runs {
		if r.Error != "" {
			t.row(r.Run, "?", "damaged", "?", "?", "?", r.Error)
			continue
		}
		t.row(r.Run, r.Kind, r.Status, stamp(*r.Created), r.User+"@"+r.Host, targetOf(r.Clusters), r.Command)
	}
	if t.empty() {
		f.remark("There are no runs in %s.", clean(b.URL()))
		return nil
	}
	return t.write(f.stdout())
}

func describeRun(ctx context.Context, b *store.Bucket, l run.Listed, now time.Time) runJSON {
	if l.Err != nil {
		return runJSON{Run: l.ID, Clusters: []run.Cluster{}, Error: l.Err.Error()}
	}
	i := l.Info
	status := string(plan.RunDamaged)
	if r, err := run.Open(ctx, b, l.ID, nil); err == nil {
		status = statusOf(ctx, r, now)
	}
	return runJSON{
		Run: l.ID, Kind: string(i.Kind), Name: i.Name, Status: status, Command: i.Command, Tool: i.Tool,
		User: i.Who.User, Host: i.Who.Host, Created: &i.Created, PlanDigest: i.PlanDigest, Undoes: i.Undoes,
		After: i.After, Clusters: list(i.Clusters),
	}
}

// statusOf is how a run stands, in a word: a migration by its step.
func statusOf(ctx context.Context, r *run.Run, now time.Time) string {
	if r.Info().Kind != run.KindMigration {
		return string(plan.Status(ctx, r, now))
	}
	st, err := migration.OfRun(ctx, r)
	switch {
	case err != nil:
		return string(plan.RunDamaged)
	case st.Step == "":
		return string(plan.RunUnfinished)
	}
	return string(st.Step)
}

func targetOf(cs []run.Cluster) string {
	var names []string
	for _, c := range cs {
		if c.Role == "target" {
			names = append(names, firstOf(c.Name, strings.Join(c.Bootstrap, ","), c.ID))
		}
	}
	return orDash(strings.Join(names, " "))
}

// historyShowJSON is one run with its journal.
type historyShowJSON struct {
	header
	runJSON
	Journal []entryJSON `json:"journal"`
}

type entryJSON struct {
	Seq   int64           `json:"seq"`
	Time  time.Time       `json:"time"`
	Fence int64           `json:"fence"`
	Type  string          `json:"type"`
	Body  json.RawMessage `json:"body"`
}

func newHistoryShowCmd(f *Factory) *cobra.Command {
	var state string
	var out choice
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "Show one run with its journal",
		Args:  exactArgs("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runHistoryShow(cmd.Context(), f, state, out.value, args[0])
		},
		ValidArgsFunction: completeRuns(f),
	}
	addState(cmd.Flags(), &state)
	addOutput(cmd, &out, asTable, asWide, asJSON)
	return cmd
}

func runHistoryShow(ctx context.Context, f *Factory, state, output, id string) error {
	b, err := f.bucket(ctx, state)
	if err != nil {
		return err
	}
	r, err := openRun(ctx, b, id)
	if err != nil {
		return err
	}
	doc := historyShowJSON{
		header: head("history"), runJSON: describeRun(ctx, b, run.Listed{ID: id, Info: r.Info()}, f.streams.now()), Journal: []entryJSON{},
	}
	for e, err := range r.Entries(ctx) {
		if err != nil {
			return err
		}
		all, err := plan.Unfold(e)
		if err != nil {
			return err
		}
		for _, one := range all {
			doc.Journal = append(doc.Journal, entryJSON{Seq: one.Seq, Time: one.Time.UTC(), Fence: one.Fence, Type: one.Type, Body: one.Body})
		}
	}
	if output == asJSON {
		return writeJSON(f.stdout(), doc)
	}
	return doc.show(f, output == asWide)
}

// openRun opens a run that the user has named.
func openRun(ctx context.Context, b *store.Bucket, id string) (*run.Run, error) {
	r, err := run.Open(ctx, b, id, nil)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &failure{err: fmt.Errorf("no run %s in %s", id, b.URL()), hint: "'kferry history list' shows the runs"}
	}
	return r, err
}

func (d historyShowJSON) show(f *Factory, wide bool) error {
	w := f.stdout()
	line := func(label, text string) {
		if text != "" {
			_, _ = fmt.Fprintf(w, "%-9s %s\n", label+":", clean(text))
		}
	}
	line("run", d.Run)
	line("kind", d.Kind)
	line("name", d.Name)
	line("status", d.Status)
	line("command", d.Command)
	line("by", d.User+"@"+d.Host+", "+d.Tool)
	line("created", stamp(*d.Created))
	line("target", targetOf(d.Clusters))
	line("plan", d.PlanDigest)
	line("undoes", d.Undoes)
	line("after", d.After)
	_, _ = fmt.Fprintln(w)
	columns := []string{"SEQ>", "TIME", "ENTRY", "GROUP"}
	if wide {
		columns = append(columns, "FENCE>", "BODY")
	}
	t := newTable(f.outPaint(), columns...)
	for _, e := range d.Journal {
		row := []string{offsetText(e.Seq), stamp(e.Time), entryText(e), orDash(groupOfEntry(e.Body))}
		if wide {
			row = append(row, offsetText(e.Fence), string(e.Body))
		}
		t.row(row...)
	}
	return t.write(w)
}

// entryText is the type of an entry, with the step of a migration that it is
// about.
func entryText(e entryJSON) string {
	var b struct {
		Step string `json:"step"`
		To   string `json:"to"`
	}
	switch {
	case e.Type != "step" && e.Type != "return" && e.Type != "event", json.Unmarshal(e.Body, &b) != nil:
		return e.Type
	}
	return strings.TrimSpace(e.Type + " " + firstOf(b.Step, b.To))
}

// groupOfEntry is the group that a journal entry is about, as far as it is
// about one.
func groupOfEntry(body json.RawMessage) string {
	var b struct {
		Group string `json:"group"`
	}
	if json.Unmarshal(body, &b) != nil {
		return ""
	}
	return b.Group
}
