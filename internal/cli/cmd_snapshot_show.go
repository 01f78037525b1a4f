package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/topic"
)

type snapshotShowOptions struct {
	cluster string
	at      moment
	sel     selectFlags
	state   string
	output  choice
}

func newSnapshotShowCmd(f *Factory) *cobra.Command {
	o := &snapshotShowOptions{}
	cmd := &cobra.Command{
		Use:   "show [SNAPSHOT]",
		Short: "Show the positions of one snapshot, or those that stood at a time",
		Long: "With --at the last snapshot of the cluster at or before that time is shown, of those that\n" +
			"'snapshot create' has taken: one of all groups where there is one. What is known of the time\n" +
			"between it and the next one is said beside it. No cluster is asked.",
		Example: "  kferry snapshot show 20261121T114527Z-7f3a9c\n  kferry snapshot show --at 14:05 -c prod -g order-processor",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return fmt.Errorf("one argument too many: %q", args[1])
			case len(args) == 1 && (o.at.given() || o.cluster != ""):
				return errors.New("SNAPSHOT and --at with -c exclude each other")
			case len(args) == 0 && !o.at.given():
				return errors.New("which one? Give SNAPSHOT, or --at TIME -c CLUSTER")
			case len(args) == 0 && o.cluster == "":
				return errors.New("--at needs -c CLUSTER")
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return runSnapshotShow(cmd.Context(), f, o, args) },
		ValidArgsFunction: completeSnapshots(f, 1),
	}
	snapshotClusterFlag(f, cmd, &o.cluster, "with --at: the cluster with this `NAME` or ID")
	cmd.Flags().Var(&o.at, "at", "what stood at this `TIME` (as 14:05, '2026-11-21 14:05'; 90m is 90 minutes ago)")
	o.sel.add(cmd.Flags())
	addState(cmd.Flags(), &o.state)
	addOutput(cmd, &o.output, asTable, asWide, asJSON, asCSV)
	return cmd
}

func runSnapshotShow(ctx context.Context, f *Factory, o *snapshotShowOptions, args []string) error {
	sel, err := o.sel.compile()
	if err != nil {
		return err
	}
	b, err := f.bucket(ctx, o.state)
	if err != nil {
		return err
	}
	doc := snapshotJSON{header: head("snapshot")}
	if len(args) == 1 {
		doc.Snapshot, err = f.loadSnapshot(ctx, b, args[0])
	} else {
		doc.Snapshot, doc.Evidence, err = f.stoodAt(ctx, b, o)
	}
	if err != nil {
		return err
	}
	if doc.Selection != nil {
		if doc.Mark, err = snapshot.LastMark(ctx, b, doc.ClusterID, doc.ID); err != nil {
			f.remark("warning: %s", clean(err.Error()))
		}
	}
	onlySelected(doc.Snapshot, sel)
	switch o.output.value {
	case asJSON:
		return writeJSON(f.stdout(), doc)
	case asCSV:
		for _, m := range doc.Incomplete {
			f.remark("warning: the snapshot may lack %s", clean(m))
		}
		return writeSnapshotCSV(f, doc.Snapshot)
	}
	doc.show(f)
	return snapshotTable(f, doc.Snapshot, o.output.value == asWide).write(f.stdout())
}

// stoodAt is the snapshot of a time.
func (f *Factory) stoodAt(ctx context.Context, b *store.Bucket, o *snapshotShowOptions) (*snapshot.Snapshot, *evidenceJSON, error) {
	at := o.at.time(f)
	if now := f.streams.now(); at.After(now) {
		return nil, nil, &usageError{err: fmt.Errorf("--at %s is in the future: it is %s", stamp(at), stamp(now))}
	}
	id, err := f.snapshotCluster(ctx, b, o.cluster)
	if err != nil {
		return nil, nil, err
	}
	s, e, err := snapshot.At(ctx, b, id, at)
	switch {
	case errors.Is(err, snapshot.ErrNoneThen):
		return nil, nil, &failure{err: err, hint: "'kferry snapshot list -c " + quoteArg(o.cluster) + "' shows from when on there are some"}
	case err != nil:
		return nil, nil, snapshotFailure(err, b, "")
	}
	doc := &evidenceJSON{
		At: e.At, Covered: e.Covered(), Until: e.Until.UTC(), Looks: e.Looks, LongestGap: e.Gap.Milliseconds(), Next: e.Next,
	}
	if e.Next != "" {
		doc.NextTaken = &e.NextTaken
	}
	if e.Doubt != nil {
		doc.Doubt = e.Doubt.Error()
	}
	return s, doc, nil
}

// show writes what stands above the table.
func (d *snapshotJSON) show(f *Factory) {
	w, s := f.stdout(), d.Snapshot
	_, _ = fmt.Fprintf(w, "%s of %s, %s: %s, %s\n", s.ID, clean(firstOf(s.ClusterName, s.ClusterID)), stamp(s.Created),
		count(s.GroupCount, "group", "groups"), count(s.PositionCount, "position", "positions"))
	if text := s.Selection.String(); text != "" {
		_, _ = fmt.Fprintf(w, "selection: %s\n", clean(text))
	}
	if m := d.Mark; m != nil {
		_, _ = fmt.Fprintf(w, "unchanged until %s: looked %s, never longer than %s apart\n", stamp(m.Last), count(m.Looks, "time", "times"), gapText(m.Gap()))
	}
	if d.Evidence != nil {
		d.Evidence.show(w)
	}
	for _, m := range s.Incomplete {
		_, _ = fmt.Fprintf(w, "incomplete: %s\n", clean(m))
	}
}

// show says what is known of the time that was asked for.
func (e *evidenceJSON) show(w io.Writer) {
	switch {
	case e.Covered:
		_, _ = fmt.Fprintf(w, "at %s this stood: nothing had changed when it was looked at then or later\n", stamp(e.At))
	case e.Next != "":
		_, _ = fmt.Fprintf(w, "at %s: last seen like this at %s, otherwise at %s (%s): when it changed between is not known\n",
			stamp(e.At), stamp(e.Until), stamp(*e.NextTaken), e.Next)
	default:
		_, _ = fmt.Fprintf(w, "at %s: last seen like this at %s, and nobody has looked since\n", stamp(e.At), stamp(e.Until))
	}
	if e.Doubt != "" {
		_, _ = fmt.Fprintf(w, "looks are not known: %s\n", clean(e.Doubt))
	}
}

// onlySelected leaves the groups and positions that a selection means.
func onlySelected(s *snapshot.Snapshot, sel *position.Selection) {
	var groups []snapshot.Group
	s.PositionCount = 0
	for _, g := range s.Groups {
		if !sel.Group(g.Name) {
			continue
		}
		kept := []snapshot.Position{}
		for _, p := range g.Positions {
			if sel.Partition(topic.Partition{Topic: p.Topic, Partition: p.Partition}) {
				kept = append(kept, p)
			}
		}
		g.Positions = kept
		s.PositionCount += len(kept)
		groups = append(groups, g)
	}
	s.Groups = list(groups)
	s.GroupCount = len(groups)
}

func snapshotTable(f *Factory, s *snapshot.Snapshot, wide bool) *table {
	columns := []string{"GROUP", "STATE", "TOPIC", "PARTITION>", "OFFSET>", "LOG-END>", "LAG>"}
	if wide {
		columns = append(columns, "LOG-START>", "EPOCH>", "METADATA")
	}
	t := newTable(f.outPaint(), columns...)
	for _, g := range s.Groups {
		if len(g.Positions) == 0 {
			t.row(g.Name, firstOf(g.Error, g.State))
		}
		for _, p := range g.Positions {
			row := []string{g.Name, g.State, p.Topic, strconv.Itoa(int(p.Partition)), strconv.FormatInt(p.Offset, 10), maybe(p.LogEnd), maybe(p.Lag)}
			if wide {
				row = append(row, maybe(p.LogStart), strconv.Itoa(int(p.LeaderEpoch)), p.Metadata)
			}
			t.row(row...)
		}
	}
	return t
}

// writeSnapshotCSV writes what every command that takes positions reads.
func writeSnapshotCSV(f *Factory, s *snapshot.Snapshot) error {
	set := new(position.Set)
	for _, g := range s.Groups {
		for _, p := range g.Positions {
			err := set.Add(position.Position{
				Group: g.Name, Partition: topic.Partition{Topic: p.Topic, Partition: p.Partition}, Offset: p.Offset,
				LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata,
			})
			if err != nil {
				return err
			}
		}
	}
	f.sayDropped(set)
	return position.WriteCSV(f.stdout(), set, nil)
}
