package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
)

func newOffsetCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "offset COMMAND",
		Short:   "Fetch, translate and apply positions as files",
		GroupID: "groups",
		Args:    cobra.ArbitraryArgs,
		RunE:    runParent,

		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newOffsetFetchCmd(f), newOffsetTranslateCmd(f), newOffsetApplyCmd(f), newOffsetConvertCmd(f), newOffsetResetCmd(f), newOffsetDeleteCmd(f), newOffsetScriptCmd(f))
	return cmd
}

type offsetFetchOptions struct {
	cluster clusterFlags
	sel     selectFlags
	output  choice
}

func newOffsetFetchCmd(f *Factory) *cobra.Command {
	o := &offsetFetchOptions{}
	cmd := &cobra.Command{
		Use:   "fetch",
		Short: "Write the committed positions of groups to stdout",
		Long: "Writes group,topic,partition,offset without a header row; -o json also has leader epochs and\n" +
			"metadata. Only commits that are decided are read. It writes nothing to the cluster.",
		Example: "  kferry offset fetch -b localhost:9092 -g order-processor > source.csv",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runOffsetFetch(cmd.Context(), f, o) },
	}
	o.cluster.add(f, cmd)
	o.sel.add(cmd.Flags())
	addOutput(cmd, &o.output, asCSV, asJSON, asKmap, asTable)
	completeSelection(f, cmd)
	return cmd
}

func runOffsetFetch(ctx context.Context, f *Factory, o *offsetFetchOptions) error {
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
	set, err := f.fetchPositions(ctx, s, sel)
	if err != nil {
		return err
	}
	origin := position.Origin{Cluster: c.Name, ClusterID: s.cluster.ID(), At: f.streams.now()}
	w := bufio.NewWriter(f.stdout())
	switch o.output.value {
	case asJSON:
		err = position.WriteJSON(w, set, origin)
	case asKmap:
		err = position.WriteKmap(w, set, origin)
	case asTable:
		t := newTable(f.outPaint(), "GROUP", "TOPIC", "PARTITION>", "OFFSET>", "METADATA")
		for p := range set.Each() {
			t.row(p.Group, p.Partition.Topic, partitionsText([]int32{p.Partition.Partition}), offsetText(p.Offset), p.Metadata)
		}
		err = t.write(w)
	default:
		err = position.WriteCSV(w, set, nil)
	}
	if o.output.value == asKmap || o.output.value == asCSV {
		f.sayDropped(set)
	}
	return errors.Join(err, w.Flush())
}

// sayDropped warns of metadata, which Kafka Streams and others keep their own
// notes in, that a file of offsets has no place for.
func (f *Factory) sayDropped(set *position.Set) {
	n := 0
	for p := range set.Each() {
		if p.Metadata != "" {
			n++
		}
	}
	if n > 0 {
		f.remark("warning: the metadata of %s has no place in this file; kferry plan and offset fetch -o json keep it", count(n, "position", "positions"))
	}
}

// fetchPositions reads the selected positions. A group that is named and does
// not exist, and one that cannot be read, is an error: a file that lacks it
// would look complete.
func (f *Factory) fetchPositions(ctx context.Context, s *side, sel *position.Selection) (*position.Set, error) {
	names, complete, err := f.chooseGroups(ctx, s, sel)
	if err != nil {
		return nil, err
	}
	f.sayHidden("the list of groups", complete)
	readings, err := f.read(ctx, s, names)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, n := range sel.LiteralGroups() {
		named[n] = true
	}
	set := new(position.Set)
	for _, name := range names {
		r := readings[name]
		if r.Err != nil {
			return nil, r.Err
		}
		if named[name] {
			if err := f.exists(ctx, s, r); err != nil {
				return nil, err
			}
		}
		if r.Group.Kind == group.Share {
			if err := f.leaveShare(name, named[name]); err != nil {
				return nil, err
			}
			continue
		}
		f.sayHidden("group "+name, r.Complete)
		for _, p := range r.Unstable {
			f.remark("warning: group %s: %s has transactional commits that are not decided, and is left out", clean(name), clean(p.String()))
		}
		for _, p := range sortedPositions(r) {
			if !sel.Partition(p.Partition) {
				continue
			}
			if err := set.Add(p); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range append(sel.UnmatchedGroups(), sel.UnmatchedTopics()...) {
		f.remark("warning: %s %s matched nothing", p.Option, quoteArg(p.Text))
	}
	return set, nil
}

// leaveShare keeps a share group out of a file of positions, where its start
// offsets would be taken for committed ones.
func (f *Factory) leaveShare(name string, asked bool) error {
	const hint = "kferry group describe shows its start offsets, kferry plan and kferry group copy move them"
	if asked {
		return &failure{err: fmt.Errorf("group %q is a share group: it has start offsets and no committed positions", name), hint: hint}
	}
	f.remark("warning: group %s is a share group without committed positions, and is left out; %s", clean(name), hint)
	return nil
}
