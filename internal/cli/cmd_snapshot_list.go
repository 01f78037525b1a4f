package cli

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/store"
)

// snapshotListJSON are the snapshots of a state for programs.
type snapshotListJSON struct {
	header
	State     string             `json:"state"`
	Snapshots []snapshotItemJSON `json:"snapshots"`
}

type snapshotItemJSON struct {
	snapshot.Summary
	Mark  *snapshot.Mark `json:"mark"`
	Error string         `json:"error,omitempty"`
}

type snapshotListOptions struct {
	cluster string
	since   moment
	state   string
	output  choice
}

func newSnapshotListCmd(f *Factory) *cobra.Command {
	o := &snapshotListOptions{}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List snapshots, oldest first",
		Example: "  kferry snapshot list -c prod --since 7d",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runSnapshotList(cmd.Context(), f, o) },
	}
	snapshotClusterFlag(f, cmd, &o.cluster, "only those of the cluster with this `NAME` or ID")
	cmd.Flags().Var(&o.since, "since", "only those taken at this `TIME` or later (as 14:05, 2026-11-21, 7d)")
	addState(cmd.Flags(), &o.state)
	addOutput(cmd, &o.output, asTable, asWide, asJSON)
	return cmd
}

// chosen are the snapshots that the flags mean.
func (o *snapshotListOptions) chosen(ctx context.Context, f *Factory, b *store.Bucket) (iter.Seq2[snapshot.Listed, error], error) {
	since := o.since.time(f)
	if o.cluster != "" {
		id, err := f.snapshotCluster(ctx, b, o.cluster)
		if err != nil {
			return nil, err
		}
		return snapshot.ListCluster(ctx, b, id, since), nil
	}
	if !o.since.given() {
		return snapshot.List(ctx, b), nil
	}
	ids, err := snapshot.Clusters(ctx, b)
	if err != nil {
		return nil, err
	}
	return func(yield func(snapshot.Listed, error) bool) {
		for _, id := range ids {
			for l, err := range snapshot.ListCluster(ctx, b, id, since) {
				if !yield(l, err) {
					return
				}
			}
		}
	}, nil
}

func runSnapshotList(ctx context.Context, f *Factory, o *snapshotListOptions) error {
	b, err := f.bucket(ctx, o.state)
	if err != nil {
		return err
	}
	chosen, err := o.chosen(ctx, f, b)
	if err != nil {
		return err
	}
	doc := snapshotListJSON{header: head("snapshot-list"), State: b.URL(), Snapshots: []snapshotItemJSON{}}
	for l, err := range chosen {
		if err != nil {
			return err
		}
		item := snapshotItemJSON{Summary: l.Summary}
		if l.Err != nil {
			item.Error = l.Err.Error()
		} else if l.Selection != nil {
			if item.Mark, err = snapshot.LastMark(ctx, b, l.ClusterID, l.ID); err != nil {
				f.remark("warning: %s", clean(err.Error()))
			}
		}
		doc.Snapshots = append(doc.Snapshots, item)
	}
	if o.output.value == asJSON {
		return writeJSON(f.stdout(), doc)
	}
	if len(doc.Snapshots) == 0 {
		f.remark("There are no snapshots in %s.", clean(b.URL()))
		return nil
	}
	return doc.table(f, o.output.value == asWide).write(f.stdout())
}

func (d *snapshotListJSON) table(f *Factory, wide bool) *table {
	columns := []string{"SNAPSHOT", "CREATED", "UNTIL", "CLUSTER", "GROUPS>", "POSITIONS>", "COMPLETE", "TRIGGER"}
	if wide {
		columns = append(columns, "LOOKS>", "CLUSTER-ID", "KIND", "BASE", "SELECTION")
	}
	t := newTable(f.outPaint(), append(columns, "DESCRIPTION")...)
	for _, s := range d.Snapshots {
		row := make([]string, 0, len(columns)+1)
		if s.Error != "" {
			row = append(row, s.ID, "?", "?", "?", "?", "?", "?", "damaged")
			if wide {
				row = append(row, "?", "?", "?", orDash(s.Base), "?")
			}
			t.row(append(row, s.Error)...)
			continue
		}
		until, looks := "-", int64(0)
		if s.Mark != nil {
			until, looks = stamp(s.Mark.Last), s.Mark.Looks
		}
		row = append(row, s.ID, stamp(s.Created), until, firstOf(s.ClusterName, s.ClusterID), strconv.Itoa(s.GroupCount),
			strconv.Itoa(s.PositionCount), yesNo(s.Complete), strings.TrimSpace(string(s.Trigger.Kind)+" "+s.Trigger.Run))
		if wide {
			row = append(row, offsetText(looks), orDash(s.ClusterID), s.Kind, orDash(s.Base), orDash(s.Selection.String()))
		}
		t.row(append(row, s.Description)...)
	}
	return t
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// gapText writes a length of time for people.
func gapText(d time.Duration) string { return d.Round(time.Second).String() }
