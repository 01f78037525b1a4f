package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/topic"
)

func newSnapshotCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "snapshot COMMAND",
		Short:   "Save positions of groups, look at saved ones, compare them",
		GroupID: "groups",
		Args:    cobra.ArbitraryArgs,
		RunE:    runParent,

		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newSnapshotCreateCmd(f), newSnapshotListCmd(f), newSnapshotShowCmd(f), newSnapshotDiffCmd(f), newSnapshotVerifyCmd(f))
	cmd.AddCommand(newSnapshotPruneCmd(f), newSnapshotDeleteCmd(f), newSnapshotRestoreCmd(f))
	return cmd
}

// snapshotJSON is one snapshot for programs: docs/formats.md has its fields.
type snapshotJSON struct {
	header
	*snapshot.Snapshot
	// Mark is until when nothing has changed after it; null: nobody has looked,
	// or it was not looked for.
	Mark *snapshot.Mark `json:"mark"`
	// Evidence is how well a snapshot shows what stood at a time; null: none
	// was asked for.
	Evidence *evidenceJSON `json:"evidence"`
}

type evidenceJSON struct {
	At         time.Time  `json:"at"`
	Covered    bool       `json:"covered"`
	Until      time.Time  `json:"until"`
	Looks      int64      `json:"looks"`
	LongestGap int64      `json:"longest_gap_ms"`
	Next       string     `json:"next"`
	NextTaken  *time.Time `json:"next_taken"`
	Doubt      string     `json:"doubt"`
}

// loadSnapshot loads a snapshot that the user has named.
func (f *Factory) loadSnapshot(ctx context.Context, b *store.Bucket, id string) (*snapshot.Snapshot, error) {
	s, err := snapshot.Load(ctx, b, id)
	return s, snapshotFailure(err, b, id)
}

// snapshotFailure adds what to do about a snapshot that cannot be used.
func snapshotFailure(err error, b *store.Bucket, id string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return &failure{err: fmt.Errorf("no snapshot %s in %s", quoteArg(id), b.URL()), hint: "'kferry snapshot list' shows the snapshots"}
	case errors.Is(err, snapshot.ErrBase):
		return &failure{err: err, hint: "restore the base from a copy of the state; without it only snapshots with another base can be read ('kferry snapshot list -o wide' shows the bases)"}
	}
	return err
}

// snapshotCluster finds the ID of the cluster that is meant by an ID, or by the
// name that its snapshots have. It needs no connection.
func (f *Factory) snapshotCluster(ctx context.Context, b *store.Bucket, name string) (string, error) {
	ids, err := snapshot.Clusters(ctx, b)
	if err != nil {
		return "", err
	}
	if slices.Contains(ids, name) {
		return name, nil
	}
	var found, names []string
	for _, id := range ids {
		l, ok, err := snapshot.Latest(ctx, b, id, f.streams.now())
		if err != nil {
			return "", err
		}
		if !ok || l.Err != nil {
			continue
		}
		names = append(names, l.ClusterName)
		if l.ClusterName == name {
			found = append(found, id)
		}
	}
	if len(found) == 0 {
		if found, err = clustersEverNamed(ctx, b, name); err != nil {
			return "", err
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		hint := didYouMean(position.Near(name, names, maxNear))
		return "", &failure{
			err:  fmt.Errorf("there is no snapshot of cluster %q in %s", name, b.URL()),
			hint: firstOf(hint, "'kferry snapshot list -o wide' shows the clusters with their IDs"),
		}
	}
	return "", &failure{
		code: ExitUsage, err: fmt.Errorf("%d clusters were named %q when snapshots were taken: %s", len(found), name, strings.Join(found, ", ")),
		hint: "give the cluster's ID: -c " + quoteArg(found[0]),
	}
}

// clustersEverNamed looks into all snapshots.
func clustersEverNamed(ctx context.Context, b *store.Bucket, name string) ([]string, error) {
	ids := map[string]bool{}
	for l, err := range snapshot.List(ctx, b) {
		if err != nil {
			return nil, err
		}
		if l.Err == nil && l.ClusterName == name {
			ids[l.ClusterID] = true
		}
	}
	return slices.Sorted(maps.Keys(ids)), nil
}

// snapshotClusterFlag adds -c for commands that look at the state only.
func snapshotClusterFlag(f *Factory, cmd *cobra.Command, name *string, usage string) {
	cmd.Flags().StringVarP(name, "cluster", "c", "", usage)
	completeClusters(f, cmd, "cluster")
}

// liveSnapshot reads groups of a cluster into a snapshot that is not stored.
func (f *Factory) liveSnapshot(ctx context.Context, s *side, names []string, complete group.Completeness) (*snapshot.Snapshot, map[string]group.Reading, error) {
	readings, err := f.read(ctx, s, names)
	if err != nil {
		return nil, nil, err
	}
	bounds, err := f.bounds(ctx, s, readings)
	if err != nil {
		return nil, nil, err
	}
	topics, err := topicsUnder(ctx, s, readings)
	if err != nil {
		return nil, nil, err
	}
	snap := &snapshot.Snapshot{Summary: snapshot.Summary{
		Created: f.streams.now(), ClusterID: s.cluster.ID(), ClusterName: s.cluster.Name(), Bootstrap: s.cluster.Bootstrap(),
		Tool: toolName(), Trigger: snapshot.Trigger{Kind: snapshot.Manual}, Incomplete: complete.Missing,
	}}
	plan.FillSnapshot(snap, readings, topics, bounds)
	return snap, readings, nil
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

// completeSnapshots completes up to limit arguments with the snapshots of the
// state that are not named yet, the newest first; 0 is no limit.
func completeSnapshots(f *Factory, limit int) completed {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if limit > 0 && len(args) >= limit {
			return nil, noFiles
		}
		ids, directive := completeStored(f, snapshotIDs)(cmd, nil, prefix)
		return slices.DeleteFunc(ids, func(s string) bool {
			id, _, _ := strings.Cut(s, "\t")
			return slices.Contains(args, id)
		}), directive
	}
}

func snapshotIDs(ctx context.Context, b *store.Bucket) []string {
	var ids []string
	for l, err := range snapshot.List(ctx, b) {
		if err != nil {
			break
		}
		if l.Err == nil {
			what := strings.TrimSpace(firstOf(l.ClusterName, l.ClusterID) + " " + l.Description)
			ids = append(ids, cobra.CompletionWithDesc(l.ID, what))
		}
	}
	slices.Reverse(ids)
	return ids
}
