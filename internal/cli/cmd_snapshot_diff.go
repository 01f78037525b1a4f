package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/snapshot"
)

type snapshotDiffOptions struct {
	cluster  clusterFlags
	sel      selectFlags
	state    string
	detailed bool
	output   choice
}

func newSnapshotDiffCmd(f *Factory) *cobra.Command {
	o := &snapshotDiffOptions{}
	cmd := &cobra.Command{
		Use:   "diff SNAPSHOT [SNAPSHOT]",
		Short: "Show what has moved between two snapshots, or since one",
		Long: "With one snapshot and a cluster (-c or -b) it is compared with what the cluster has now. It\n" +
			"writes nothing. The exit code is 0 also when there are differences, but with --detailed-exitcode.",
		Example: "  kferry snapshot diff 20261121T114527Z-7f3a9c 20261121T140527Z-8a01bc\n" +
			"  kferry snapshot diff 20261121T114527Z-7f3a9c -c prod -g 'order-*'",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return errors.New("which snapshot? Its ID is missing")
			case len(args) > 2:
				return fmt.Errorf("one argument too many: %q", args[2])
			case len(args) == 2 && o.cluster.given():
				return errors.New("give either a second snapshot or a cluster")
			case len(args) == 1 && !o.cluster.given():
				return errors.New("compared with what? Give a second snapshot, or the cluster (-c NAME or -b HOST:PORT)")
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return runSnapshotDiff(cmd.Context(), f, o, args) },
		ValidArgsFunction: completeSnapshots(f, 2),
	}
	o.cluster.add(f, cmd)
	o.sel.add(cmd.Flags())
	addState(cmd.Flags(), &o.state)
	cmd.Flags().BoolVar(&o.detailed, "detailed-exitcode", false, "exit code 5 when something differs")
	addOutput(cmd, &o.output, asTable, asJSON, asCSV)
	completeSelection(f, cmd)
	return cmd
}

func runSnapshotDiff(ctx context.Context, f *Factory, o *snapshotDiffOptions, args []string) error {
	sel, err := o.sel.compile()
	if err != nil {
		return err
	}
	b, err := f.bucket(ctx, o.state)
	if err != nil {
		return err
	}
	before, err := f.loadSnapshot(ctx, b, args[0])
	if err != nil {
		return err
	}
	var after *snapshot.Snapshot
	if len(args) == 2 {
		after, err = f.loadSnapshot(ctx, b, args[1])
	} else {
		after, err = f.liveLike(ctx, &o.cluster, before)
	}
	if err != nil {
		return err
	}
	onlySelected(before, sel)
	onlySelected(after, sel)
	d, err := compareSnapshots(before, after)
	if err != nil {
		return err
	}
	v := diffView{before: before, after: after, diff: d}
	if err := v.write(f, "snapshot-diff", o.output.value); err != nil {
		return err
	}
	if o.detailed && !d.Equal() {
		return &failure{code: ExitDiffers, err: errors.New("the snapshots differ"), silent: true}
	}
	return nil
}

func newSnapshotVerifyCmd(f *Factory) *cobra.Command {
	o := &snapshotDiffOptions{}
	cmd := &cobra.Command{
		Use:   "verify SNAPSHOT",
		Short: "Check that a cluster has exactly what a snapshot has",
		Long: "Positions and groups that are missing, that are there besides, or that stand elsewhere are all\n" +
			"differences, also those of groups that the patterns of the snapshot mean and that came later.\n" +
			"It writes nothing. Exit code 5: there are differences. 3: there are none, but some groups could\n" +
			"not be read.",
		Example: "  kferry snapshot verify 20261121T114527Z-7f3a9c -c prod",
		Args:    exactArgs("SNAPSHOT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSnapshotVerify(cmd.Context(), f, o, args[0])
		},
		ValidArgsFunction: completeSnapshots(f, 1),
	}
	o.cluster.add(f, cmd)
	o.sel.add(cmd.Flags())
	addState(cmd.Flags(), &o.state)
	addOutput(cmd, &o.output, asTable, asJSON, asCSV)
	completeSelection(f, cmd)
	return cmd
}

func runSnapshotVerify(ctx context.Context, f *Factory, o *snapshotDiffOptions, id string) error {
	sel, err := o.sel.compile()
	if err != nil {
		return err
	}
	b, err := f.bucket(ctx, o.state)
	if err != nil {
		return err
	}
	before, err := f.loadSnapshot(ctx, b, id)
	if err != nil {
		return err
	}
	after, err := f.liveLike(ctx, &o.cluster, before)
	if err != nil {
		return err
	}
	onlySelected(before, sel)
	onlySelected(after, sel)
	d, err := compareSnapshots(before, after)
	if err != nil {
		return err
	}
	v := diffView{before: before, after: after, diff: d, verify: true}
	if err := v.write(f, "snapshot-verify", o.output.value); err != nil {
		return err
	}
	switch {
	case d.Differs():
		return &failure{code: ExitDiffers, err: fmt.Errorf("cluster %q does not have what snapshot %s has: %s", after.ClusterName, id, v.sum())}
	case len(d.Unknown()) > 0 || !before.Complete || !after.Complete:
		return &failure{code: ExitPartial, err: fmt.Errorf("nothing differs, but not everything could be seen: %s", v.unseen())}
	}
	return nil
}

// liveLike reads from a cluster what a snapshot is about: its groups, and those
// that its patterns mean today.
func (f *Factory) liveLike(ctx context.Context, flags *clusterFlags, like *snapshot.Snapshot) (*snapshot.Snapshot, error) {
	c, err := flags.resolve(f)
	if err != nil {
		return nil, err
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return nil, err
	}
	if id := s.cluster.ID(); id != like.ClusterID {
		return nil, &failure{
			err:  fmt.Errorf("snapshot %s is of cluster %q (ID %s), and %q has the ID %s", like.ID, like.ClusterName, orDash(like.ClusterID), c.Name, orDash(id)),
			hint: "name the cluster that the snapshot is of; to bring it to another one: kferry snapshot restore",
		}
	}
	names := map[string]bool{}
	for _, g := range like.Groups {
		names[g.Name] = true
	}
	complete := group.Completeness{Known: true}
	if like.Selection != nil {
		sel, err := selectorOf(like.Selection).Compile()
		if err != nil {
			return nil, fmt.Errorf("the patterns of snapshot %s: %w", like.ID, err)
		}
		var now []string
		if now, complete, err = f.chooseGroups(ctx, s, sel); err != nil {
			return nil, err
		}
		for _, n := range now {
			names[n] = true
		}
	}
	snap, _, err := f.liveSnapshot(ctx, s, slices.Sorted(maps.Keys(names)), complete)
	if err != nil {
		return nil, err
	}
	err = snap.SortForCompare()
	return snap, err
}

func selectorOf(s *snapshot.Selection) position.Selector {
	return position.Selector{Groups: s.Groups, ExcludeGroups: s.ExcludeGroups, GroupRegex: s.GroupRegex}
}

// compareSnapshots compares, knowing what each was asked for.
func compareSnapshots(before, after *snapshot.Snapshot) (*snapshot.Diff, error) {
	d, err := snapshot.Compare(before, after, coverOf(before), coverOf(after))
	if errors.Is(err, snapshot.ErrOtherCluster) {
		return nil, &failure{err: err, hint: "compare snapshots of one cluster: 'kferry snapshot list -c NAME' shows them"}
	}
	return d, err
}

// coverOf tells for which groups a snapshot has looked. One of the live cluster
// has looked for all that the other one is about.
func coverOf(s *snapshot.Snapshot) snapshot.Covers {
	switch {
	case s.ID == "":
		return nil
	case s.Selection == nil:
		return func(string) bool { return false }
	}
	sel, err := selectorOf(s.Selection).Compile()
	if err != nil {
		return func(string) bool { return false }
	}
	return sel.Group
}
