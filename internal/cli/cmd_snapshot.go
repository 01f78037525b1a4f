package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/topic"
)

func newSnapshotCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "snapshot COMMAND",
		Short:   "Save positions of groups, and look at saved ones",
		GroupID: "groups",
		Args:    cobra.ArbitraryArgs,
		RunE:    runParent,

		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newSnapshotCreateCmd(f), newSnapshotListCmd(f), newSnapshotShowCmd(f))
	return cmd
}

type snapshotCreateOptions struct {
	cluster     clusterFlags
	sel         selectFlags
	state       string
	description string
	output      choice
}

// snapshotJSON is one snapshot for programs: docs/formats.md has its fields.
type snapshotJSON struct {
	header
	*snapshot.Snapshot
}

func newSnapshotCreateCmd(f *Factory) *cobra.Command {
	o := &snapshotCreateOptions{}
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Save the positions of groups as they are now",
		Long:    "Reads positions, states and log ends and keeps them in the state. It writes nothing to the cluster.",
		Example: "  kferry snapshot create -c old -g 'order-*' --description 'before the move'",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runSnapshotCreate(cmd.Context(), f, o) },
	}
	o.cluster.add(f, cmd)
	o.sel.addGroups(cmd.Flags())
	addState(cmd.Flags(), &o.state)
	cmd.Flags().StringVar(&o.description, "description", "", "a `TEXT` to find it by")
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
	s, err := f.open(ctx, c)
	if err != nil {
		return err
	}
	names, complete, err := f.chooseGroups(ctx, s, sel)
	if err != nil {
		return err
	}
	readings, err := f.read(ctx, s, names)
	if err != nil {
		return err
	}
	for _, n := range sel.LiteralGroups() {
		if err := f.exists(ctx, s, readings[n]); err != nil {
			return err
		}
	}
	bounds, err := f.bounds(ctx, s, readings)
	if err != nil {
		return err
	}
	topics, err := topicsUnder(ctx, s, readings)
	if err != nil {
		return err
	}
	snap := &snapshot.Snapshot{Summary: snapshot.Summary{
		Created: f.streams.now(), ClusterID: s.cluster.ID(), ClusterName: c.Name, Bootstrap: s.cluster.Bootstrap(),
		Description: o.description, Tool: toolName(), Trigger: snapshot.Trigger{Kind: snapshot.Manual},
		Incomplete: complete.Missing,
	}}
	plan.FillSnapshot(snap, readings, topics, bounds)
	bucket, err := f.bucket(ctx, o.state)
	if err != nil {
		return err
	}
	id, err := snapshot.Save(ctx, bucket, snap)
	if err != nil {
		return err
	}
	f.sayState()
	saved, err := snapshot.Load(ctx, bucket, id)
	if err != nil {
		return err
	}
	if o.output.value == asJSON {
		return writeJSON(f.stdout(), snapshotJSON{head("snapshot"), saved})
	}
	for _, m := range saved.Incomplete {
		f.remark("warning: the snapshot may lack %s", clean(m))
	}
	_, err = fmt.Fprintf(f.stdout(), "%s  %s, %s\n", saved.ID, count(saved.GroupCount, "group", "groups"), count(saved.PositionCount, "position", "positions"))
	return err
}

// topicsUnder reads the topics that positions name.
func topicsUnder(ctx context.Context, s *side, readings map[string]group.Reading) (map[string]topic.Topic, error) {
	names := map[string]bool{}
	for _, r := range readings {
		for p := range r.Positions {
			names[p.Topic] = true
		}
	}
	if len(names) == 0 {
		return map[string]topic.Topic{}, nil
	}
	return s.cluster.Topics(ctx, slices.Collect(maps.Keys(names))...)
}

// snapshotListJSON are the snapshots of a state for programs.
type snapshotListJSON struct {
	header
	State     string             `json:"state"`
	Snapshots []snapshotItemJSON `json:"snapshots"`
}

type snapshotItemJSON struct {
	snapshot.Summary
	Error string `json:"error,omitempty"`
}

func newSnapshotListCmd(f *Factory) *cobra.Command {
	var state string
	var out choice
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the snapshots of all clusters, oldest first",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runSnapshotList(cmd.Context(), f, state, out.value)
		},
	}
	addState(cmd.Flags(), &state)
	addOutput(cmd, &out, asTable, asJSON)
	return cmd
}

func runSnapshotList(ctx context.Context, f *Factory, state, output string) error {
	b, err := f.bucket(ctx, state)
	if err != nil {
		return err
	}
	doc := snapshotListJSON{header: head("snapshot-list"), State: b.URL(), Snapshots: []snapshotItemJSON{}}
	for l, err := range snapshot.List(ctx, b) {
		if err != nil {
			return err
		}
		item := snapshotItemJSON{Summary: l.Summary}
		if l.Err != nil {
			item.Error = l.Err.Error()
		}
		doc.Snapshots = append(doc.Snapshots, item)
	}
	if output == asJSON {
		return writeJSON(f.stdout(), doc)
	}
	t := newTable(f.outPaint(), "SNAPSHOT", "CREATED", "CLUSTER", "GROUPS>", "POSITIONS>", "COMPLETE", "TRIGGER", "DESCRIPTION")
	for _, s := range doc.Snapshots {
		if s.Error != "" {
			t.row(s.ID, "?", "?", "?", "?", "?", "damaged", s.Error)
			continue
		}
		t.row(s.ID, stamp(s.Created), firstOf(s.ClusterName, s.ClusterID), strconv.Itoa(s.GroupCount), strconv.Itoa(s.PositionCount),
			yesNo(s.Complete), strings.TrimSpace(string(s.Trigger.Kind)+" "+s.Trigger.Run), s.Description)
	}
	if t.empty() {
		f.remark("There are no snapshots in %s.", clean(b.URL()))
		return nil
	}
	return t.write(f.stdout())
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func newSnapshotShowCmd(f *Factory) *cobra.Command {
	var state string
	var out choice
	cmd := &cobra.Command{
		Use:   "show SNAPSHOT",
		Short: "Show the positions of one snapshot",
		Args:  exactArgs("SNAPSHOT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSnapshotShow(cmd.Context(), f, state, out.value, args[0])
		},
	}
	addState(cmd.Flags(), &state)
	addOutput(cmd, &out, asTable, asWide, asJSON)
	return cmd
}

func runSnapshotShow(ctx context.Context, f *Factory, state, output, id string) error {
	b, err := f.bucket(ctx, state)
	if err != nil {
		return err
	}
	s, err := snapshot.Load(ctx, b, id)
	if err != nil {
		return err
	}
	if output == asJSON {
		return writeJSON(f.stdout(), snapshotJSON{head("snapshot"), s})
	}
	w := f.stdout()
	_, _ = fmt.Fprintf(w, "%s of %s, %s: %s, %s\n", s.ID, clean(firstOf(s.ClusterName, s.ClusterID)), stamp(s.Created),
		count(s.GroupCount, "group", "groups"), count(s.PositionCount, "position", "positions"))
	for _, m := range s.Incomplete {
		_, _ = fmt.Fprintf(w, "incomplete: %s\n", clean(m))
	}
	columns := []string{"GROUP", "STATE", "TOPIC", "PARTITION>", "OFFSET>", "LOG-END>", "LAG>"}
	if output == asWide {
		columns = append(columns, "LOG-START>", "EPOCH>", "METADATA")
	}
	t := newTable(f.outPaint(), columns...)
	for _, g := range s.Groups {
		if len(g.Positions) == 0 {
			t.row(g.Name, firstOf(g.Error, g.State))
		}
		for _, p := range g.Positions {
			row := []string{g.Name, g.State, p.Topic, strconv.Itoa(int(p.Partition)), strconv.FormatInt(p.Offset, 10), maybe(p.LogEnd), maybe(p.Lag)}
			if output == asWide {
				row = append(row, maybe(p.LogStart), strconv.Itoa(int(p.LeaderEpoch)), p.Metadata)
			}
			t.row(row...)
		}
	}
	return t.write(w)
}
