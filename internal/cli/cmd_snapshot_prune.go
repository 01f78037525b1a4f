package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/store"
)

type snapshotPruneOptions struct {
	cluster     string
	keepLast    atLeastOne
	keepFor     span
	includeRuns bool
	dryRun, yes bool
	state       string
	output      choice
}

// snapshotPruneJSON is what was removed, or would be.
type snapshotPruneJSON struct {
	header
	State     string            `json:"state"`
	ClusterID string            `json:"cluster_id"`
	DryRun    bool              `json:"dry_run"`
	Removed   int               `json:"removed"`
	Snapshots []pruneChoiceJSON `json:"snapshots"`
}

type pruneChoiceJSON struct {
	Snapshot string `json:"snapshot"`
	Kind     string `json:"kind"`
	Base     string `json:"base"`
	Keep     bool   `json:"keep"`
	Why      string `json:"why"`
}

func newSnapshotPruneCmd(f *Factory) *cobra.Command {
	o := &snapshotPruneOptions{}
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete old snapshots of a cluster",
		Long: "What --keep-last or --keep-for wants kept is kept: that many of each selection of groups; what\n" +
			"was taken since, and the one that still stood then. So is a full snapshot that a kept one builds\n" +
			"on, and what was saved for a run that can still be taken back or gone on with, unless\n" +
			"--include-runs. What would go is shown first.",
		Example: "  kferry snapshot prune -c prod --keep-for 30d --dry-run\n  kferry snapshot prune -c prod --keep-last 100 --keep-for 30d --yes",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runSnapshotPrune(cmd.Context(), f, o) },
	}
	snapshotClusterFlag(f, cmd, &o.cluster, "the cluster with this `NAME` or ID")
	fs := cmd.Flags()
	fs.Var(&o.keepLast, "keep-last", "keep the last `NUMBER` of each selection, 1 to 1024")
	fs.Var(&o.keepFor, "keep-for", "keep what stood within this `DURATION` (as 36h, 30d, 4w)")
	fs.BoolVar(&o.includeRuns, "include-runs", false, "delete also what was saved for runs that can be taken back")
	fs.BoolVar(&o.dryRun, "dry-run", false, "show what would go, and delete nothing")
	fs.BoolVar(&o.yes, "yes", false, "do not ask for a confirmation")
	addState(fs, &o.state)
	addOutput(cmd, &o.output, asTable, asJSON)
	return cmd
}

func (o *snapshotPruneOptions) check() error {
	switch {
	case o.cluster == "":
		return &usageError{err: errors.New("no cluster is named"), hint: "give -c NAME, or the cluster's ID: 'kferry snapshot list -o wide' shows it"}
	case o.keepLast == 0 && o.keepFor.length == 0:
		return &usageError{err: errors.New("what is to stay? Give --keep-last NUMBER, --keep-for DURATION or both")}
	}
	return nil
}

func runSnapshotPrune(ctx context.Context, f *Factory, o *snapshotPruneOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	b, err := f.bucket(ctx, o.state)
	if err != nil {
		return unchanged(err)
	}
	id, err := f.snapshotCluster(ctx, b, o.cluster)
	if err != nil {
		return unchanged(err)
	}
	opts := snapshot.PruneOptions{KeepLast: int(o.keepLast), KeepFor: o.keepFor.length, Now: f.streams.now()}
	if !o.includeRuns {
		opts.Protect = func(ctx context.Context, s snapshot.Summary) (string, error) { return neededByRun(ctx, f, b, s) }
	}
	p, err := snapshot.PlanPrune(ctx, b, id, opts)
	if err != nil {
		return unchanged(err)
	}
	going := p.Going()
	if o.output.value != asJSON {
		if err := showPrune(f, p); err != nil {
			return err
		}
	}
	removed := 0
	if !o.dryRun && len(going) > 0 {
		if !o.yes {
			question := fmt.Sprintf("Delete %s of %s in %s?", count(len(going), "snapshot", "snapshots"), clean(o.cluster), clean(b.URL()))
			if err := f.confirm(ctx, question, "delete"); err != nil {
				return err
			}
		}
		if removed, err = p.Remove(ctx, b); err != nil {
			return withState(err, count(removed, "snapshot was", "snapshots were")+" deleted; the others are as they were")
		}
	}
	if o.output.value == asJSON {
		return writeJSON(f.stdout(), pruneDoc(b, id, o.dryRun, removed, p))
	}
	switch {
	case o.dryRun:
		f.remark("Nothing was deleted (--dry-run).")
	case removed < len(going):
		f.remark("%s deleted; %d have gone or are needed since", count(removed, "snapshot was", "snapshots were"), len(going)-removed)
	}
	return nil
}

func pruneDoc(b *store.Bucket, clusterID string, dryRun bool, removed int, p *snapshot.Pruning) *snapshotPruneJSON {
	doc := &snapshotPruneJSON{
		header: head("snapshot-prune"), State: b.URL(), ClusterID: clusterID, DryRun: dryRun, Removed: removed, Snapshots: []pruneChoiceJSON{},
	}
	for _, d := range p.All {
		doc.Snapshots = append(doc.Snapshots, pruneChoiceJSON{Snapshot: d.ID, Kind: d.Kind, Base: d.Base, Keep: d.Keep, Why: d.Why})
	}
	return doc
}

func showPrune(f *Factory, p *snapshot.Pruning) error {
	t := newTable(f.outPaint(), "", "SNAPSHOT", "CREATED", "KIND", "SELECTION", "WHY")
	gone := 0
	for _, d := range p.All {
		sign := ""
		if !d.Keep {
			sign = "-"
			gone++
		}
		t.row(sign, d.ID, stamp(d.Created), d.Kind, orDash(d.Summary.Selection.String()), d.Why)
	}
	if err := t.write(f.stdout()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(f.stdout(), "%s of %d go (-)\n", strings.TrimSuffix(count(gone, "", ""), " "), len(p.All))
	return err
}

// neededByRun says why a snapshot that was saved for a run stays.
func neededByRun(ctx context.Context, f *Factory, b *store.Bucket, s snapshot.Summary) (string, error) {
	id := s.Trigger.Run
	if id == "" {
		return "", nil
	}
	r, err := run.Open(ctx, b, id, nil)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", nil
	case ctx.Err() != nil:
		return "", err
	case err != nil:
		return "run " + id + " cannot be read", nil //nolint:nilerr // a run that cannot be read keeps its snapshot
	}
	switch status := plan.Status(ctx, r, f.streams.now()); {
	case status == plan.RunUndone, status == plan.RunFinished && r.Info().Kind == run.KindRollback:
		return "", nil
	case status == plan.RunFinished:
		return "run " + id + " can be taken back", nil
	default:
		return "run " + id + " is " + string(status), nil
	}
}

func newSnapshotDeleteCmd(f *Factory) *cobra.Command {
	var state string
	var yes bool
	cmd := &cobra.Command{
		Use:     "delete SNAPSHOT…",
		Short:   "Delete snapshots by their IDs",
		Long:    "Asks first. A full snapshot on which others build is refused, unless they go with it.",
		Example: "  kferry snapshot delete 20261121T114527Z-7f3a9c",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || slices.Contains(args, "") {
				return errors.New("which snapshot? Its ID is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSnapshotDelete(cmd.Context(), f, state, yes, args)
		},
		ValidArgsFunction: completeSnapshots(f, 0),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask for a confirmation")
	addState(cmd.Flags(), &state)
	return cmd
}

func runSnapshotDelete(ctx context.Context, f *Factory, state string, yes bool, ids []string) error {
	b, err := f.bucket(ctx, state)
	if err != nil {
		return unchanged(err)
	}
	if !yes {
		question := fmt.Sprintf("Delete %s in %s?", strings.Join(ids, ", "), clean(b.URL()))
		if err := f.confirm(ctx, question, "delete"); err != nil {
			return err
		}
	}
	err = snapshot.Delete(ctx, b, ids...)
	var used *snapshot.UsedError
	switch {
	case errors.As(err, &used):
		return unchanged(&failure{err: err, hint: "delete those first, or with it: kferry snapshot delete " + strings.Join(append([]string{used.ID}, used.By...), " ")})
	case errors.Is(err, store.ErrNotFound):
		return unchanged(snapshotFailure(err, b, strings.Join(ids, ", ")))
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(f.stdout(), "%s deleted\n", count(len(ids), "snapshot was", "snapshots were"))
	return err
}
