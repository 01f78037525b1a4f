package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/store"
)

type snapshotRestoreOptions struct {
	pair     pairFlags
	sel      selectFlags
	route    routeFlags
	evidence evidenceFlags
	mirror   mirrorFlags
	accept   acceptFlags
	keep     keepFlag
	at       string
	write    writeFlags
	out      string
	output   choice
	asked    []string
	command  string
	// elsewhere are flags that only a plan for another cluster knows.
	elsewhere []string
}

func newSnapshotRestoreCmd(f *Factory) *cobra.Command {
	o := &snapshotRestoreOptions{}
	cmd := &cobra.Command{
		Use:   "restore ID --to CLUSTER",
		Short: "Give groups back what a snapshot has, on its cluster or translated to another",
		Long: "A plan and its apply in one: on the cluster of the snapshot every chosen group gets exactly what the\n" +
			"snapshot has. Positions that came since are deleted, and so are groups that the snapshot looked for\n" +
			"and did not find. On another cluster the positions are translated, which needs the cluster of the\n" +
			"snapshot too: --from. Another life of a topic, and what is outside its log by now, is refused.\n\n" +
			"'kferry rollback RUN' takes it back. With --out the plan is only saved, for 'kferry apply'.",
		Example: "  kferry snapshot restore 20261121T114527Z-7f3a9c --to prod --dry-run\n" +
			"  kferry snapshot restore --at 2026-11-21T11:00:00Z --to prod -g orders --accept-rewind\n" +
			"  kferry snapshot restore 20261121T114527Z-7f3a9c --from prod --to dr -g 'orders-*' --out plan.json",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return errors.New("kferry snapshot restore takes one ID")
			case len(args) == 0 && o.at == "":
				return errors.New("which snapshot? Give its ID, or --at TIME")
			case len(args) == 1 && o.at != "":
				return errors.New("an ID and --at exclude each other")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.asked = append([]string{"snapshot restore " + quoteArgs(args)}, asked(cmd, append([]string{"at"}, askedFlags...)...)...)
			o.command = commandLine(cmd, args)
			cmd.Flags().Visit(func(fl *pflag.Flag) {
				switch fl.Name {
				case "map-topic", "map-group", "route", "evidence", "header", "quick", "copy-complete", "accept-repeats", "mm2-alias", "keep-offsets":
					o.elsewhere = append(o.elsewhere, fl.Name)
				}
			})
			return runSnapshotRestore(cmd.Context(), f, o, args)
		},
		ValidArgsFunction: completeSnapshots(f, 1),
	}
	flags := cmd.Flags()
	o.pair.add(f, cmd)
	flags.StringVar(&o.at, "at", "", "the snapshot that shows what stood at `TIME`, as 2026-11-21T11:45:00Z; UTC without a zone")
	o.sel.add(flags)
	o.route.add(cmd)
	o.evidence.add(cmd)
	o.mirror.add(f, cmd)
	o.accept.addMoving(flags)
	o.accept.addRewind(flags, "target")
	o.keep.add(flags)
	flags.StringVar(&o.out, "out", "", "only save the plan to `FILE`, for apply, verify and rollback")
	o.write.add(flags, true)
	o.write.addConcurrent(flags)
	addOutput(cmd, &o.output, asTable, asJSON)
	completeSelection(f, cmd)
	return cmd
}

func runSnapshotRestore(ctx context.Context, f *Factory, o *snapshotRestoreOptions, args []string) error {
	only := &onlyPlan{out: o.out, write: &o.write, output: o.output.value, login: o.pair.toCommandConfig, fromLogin: o.pair.fromCommandConfig}
	if err := errors.Join(only.check(), o.pair.check()); err != nil {
		return err
	}
	sel, err := o.sel.compile()
	if err != nil {
		return err
	}
	bucket, err := f.bucket(ctx, o.write.state)
	if err != nil {
		return unchanged(err)
	}
	from, to, err := o.open(ctx, f)
	if err != nil {
		return unchanged(err)
	}
	s, err := o.load(ctx, f, bucket, from, to, args)
	if err != nil {
		return unchanged(err)
	}
	p, err := o.build(ctx, f, s, sel, from, to)
	if err != nil {
		return unchanged(err)
	}
	if p.Source == nil {
		from = nil
	}
	o.write.login = (&loginFlags{commandConfig: o.pair.toCommandConfig}).text()
	return f.planOrApply(ctx, p, from, to, only, o.command)
}

// open opens the target, and the cluster of the snapshot where it is named.
func (o *snapshotRestoreOptions) open(ctx context.Context, f *Factory) (from, to *side, err error) {
	target, err := o.pair.target(f)
	if err != nil {
		return nil, nil, err
	}
	if to, err = f.open(ctx, target); err != nil || o.pair.from == "" {
		return nil, to, err
	}
	source, err := o.pair.source(f)
	if err != nil {
		return nil, nil, err
	}
	from, err = f.open(ctx, source)
	return from, to, err
}

// load reads the snapshot that was named, or the one of a time.
func (o *snapshotRestoreOptions) load(ctx context.Context, f *Factory, b *store.Bucket, from, to *side, args []string) (*snapshot.Snapshot, error) {
	if len(args) == 1 {
		return f.loadSnapshot(ctx, b, args[0])
	}
	at, err := parseTime(o.at)
	if err != nil {
		return nil, usage("--at", err)
	}
	of := to
	if from != nil {
		of = from
	}
	s, ev, err := snapshot.At(ctx, b, of.cluster.ID(), at)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("Snapshot %s of %s", s.ID, s.Created.UTC().Format(time.RFC3339))
	if ev.Covered() {
		f.remark("%s: nothing had changed until %s.", text, ev.Until.UTC().Format(time.RFC3339))
	} else {
		f.remark("%s: what changed between %s and %s was not looked at.", text, ev.Until.UTC().Format(time.RFC3339), at.Format(time.RFC3339))
	}
	return s, nil
}

func (o *snapshotRestoreOptions) build(ctx context.Context, f *Factory, s *snapshot.Snapshot, sel *position.Selection, from, to *side) (*plan.Plan, error) {
	target := to.plan()
	st := &stages{f: f}
	defer st.end()
	if plan.SnapshotOf(s, &target) {
		if len(o.elsewhere) > 0 {
			return nil, &usageError{
				err:  fmt.Errorf("--%s is given, and the snapshot is of the cluster that it is restored to: groups get exactly what it has, under their own names", o.elsewhere[0]),
				hint: "kferry group copy gives positions to groups of other names",
			}
		}
		return plan.BuildRestore(ctx, plan.RestoreInput{
			Snapshot: s, To: target, Selection: sel, PartOnly: o.part(), Accept: o.accept.Accept,
			Tool: toolName(), Asked: o.asked, Now: f.streams.Now, Progress: st.event,
		})
	}
	if from == nil {
		return nil, &failure{
			err:  fmt.Errorf("snapshot %s is of cluster %q (%s) and not of %s (%s)", s.ID, s.ClusterID, s.ClusterName, to.cluster.Name(), to.cluster.ID()),
			hint: "its offsets mean other records there: name the cluster of the snapshot with --from, and they are translated",
		}
	}
	tr, err := o.evidence.options()
	if err != nil {
		return nil, err
	}
	mirror, err := o.mirror.value(true)
	if err != nil {
		return nil, err
	}
	route, _, err := o.route.load()
	if err != nil {
		return nil, err
	}
	return plan.BuildRestoreElsewhere(ctx, s, plan.Input{
		From: from.planRef(), To: target, Selection: sel, Route: route, Translate: tr, Mirror: mirror, Settle: -1, Accept: o.accept.Accept, Keep: o.keep.length,
		Tool: toolName(), Asked: o.asked, Now: f.streams.Now, Progress: st.event,
	})
}

// part reports whether the selection leaves topics or partitions out.
func (o *snapshotRestoreOptions) part() bool {
	s := &o.sel
	return len(s.Topics)+len(s.ExcludeTopics)+len(s.TopicRegex)+len(s.Partitions) > 0
}
