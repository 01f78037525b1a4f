package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/offsetstopic"
	"github.com/kferry/kferry/internal/position"
)

type offsetConvertOptions struct {
	cluster   clusterFlags
	input     inputFlags
	fromTopic string
	sel       selectFlags
	to        choice
	out       string
	metadata  bool
}

func newOffsetConvertCmd(f *Factory) *cobra.Command {
	o := &offsetConvertOptions{}
	cmd := &cobra.Command{
		Use:   "convert -i FILE | convert --from-topic TOPIC -b CLUSTER",
		Short: "Write positions of one file format, or of a copy of __consumer_offsets, in another",
		Long: "Reads a file of positions, or a topic that __consumer_offsets was restored to, and writes the positions in\n" +
			"the format of --to-format, unchanged: nothing is translated. What that format has no place for is said;\n" +
			"metadata is only dropped with --accept-metadata-loss. Rows of three columns belong to the one group that\n" +
			"--group names; csv-topic writes them so. It writes nothing to a cluster.",
		Example: "  kferry offset convert -i offsets.json -g order-processor > order-processor.csv\n" +
			"  kferry offset convert -i source.csv --to-format kmap --out offsets.json\n" +
			"  kferry offset convert --from-topic restored-offsets -b localhost:9093 --to-format json --out restored.json",
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return runOffsetConvert(cmd.Context(), f, o) },
	}
	o.cluster.add(f, cmd)
	o.input.addFile(cmd)
	cmd.Flags().StringVar(&o.fromTopic, "from-topic", "", "read a `TOPIC` with the records of __consumer_offsets in place of a file")
	o.sel.add(cmd.Flags())
	words := make([]string, 0, len(position.OutputFormats()))
	for _, w := range position.OutputFormats() {
		words = append(words, string(w))
	}
	addChoice(cmd, &o.to, "to-format", "", "format to write", words...)
	cmd.Flags().StringVar(&o.out, "out", "", "write to `FILE`, which must not exist yet, instead of stdout")
	cmd.Flags().BoolVar(&o.metadata, "accept-metadata-loss", false, "let metadata go that the format has no place for: Kafka Streams and others keep notes there")
	completeSelection(f, cmd)
	_ = cmd.RegisterFlagCompletionFunc("from-topic", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return live(f, cmd, topicNames), noFiles
	})
	return cmd
}

func runOffsetConvert(ctx context.Context, f *Factory, o *offsetConvertOptions) error {
	sel, err := o.sel.compile()
	if err != nil {
		return err
	}
	set, origin, err := o.read(ctx, f, sel)
	if err != nil {
		return err
	}
	to := position.Format(o.to.value)
	if err := o.mayWrite(f, to, set); err != nil {
		return err
	}
	if origin.At.IsZero() && (to == position.FormatKmap || to == position.FormatKafkaBackup) {
		origin.At = f.streams.now()
		f.remark("the input does not say when the positions were read: the file says now")
	}
	var text bytes.Buffer
	if err := position.Write(&text, to, set, origin); err != nil {
		return unchanged(err)
	}
	if o.out != "" {
		return unchanged(writeNew(o.out, text.Bytes(), 0o644))
	}
	if _, err := f.stdout().Write(text.Bytes()); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// read reads the selected positions from wherever they are.
func (o *offsetConvertOptions) read(ctx context.Context, f *Factory, sel *position.Selection) (*position.Set, position.Origin, error) {
	switch {
	case o.fromTopic != "" && o.input.file != "":
		return nil, position.Origin{}, &usageError{err: errors.New("-i/--input and --from-topic exclude each other")}
	case o.fromTopic != "":
		return o.readTopic(ctx, f, sel)
	case o.cluster.given():
		return nil, position.Origin{}, &usageError{err: errors.New("a file is converted without a cluster"), hint: "leave out -b and -c, or name a topic with --from-topic"}
	}
	var ro position.ReadOptions
	if names := sel.LiteralGroups(); len(names) == 1 {
		ro.RowGroup = names[0]
	}
	set, origin, err := o.input.readAs(f, ro)
	if err != nil {
		return nil, origin, err
	}
	set, err = f.selected(set, sel, o.input.file)
	return set, origin, err
}

// selected is what a selection has of a file. A group that is named and not
// there is an error: the result would look complete.
func (f *Factory) selected(set *position.Set, sel *position.Selection, name string) (*position.Set, error) {
	out := set.Select(sel)
	for _, g := range sel.LiteralGroups() {
		if len(out.ByGroup(g)) == 0 {
			return nil, unchanged(&failure{err: fmt.Errorf("%s has no position of group %q in the selection", name, g), hint: didYouMean(position.Near(g, set.Groups(), 3))})
		}
	}
	if out.Len() == 0 {
		return nil, unchanged(fmt.Errorf("%s has no position in the selection", name))
	}
	for _, p := range append(sel.UnmatchedGroups(), sel.UnmatchedTopics()...) {
		f.remark("warning: %s %s matched nothing", p.Option, quoteArg(p.Text))
	}
	return out, nil
}

// readTopic reads a copy of __consumer_offsets to its end.
func (o *offsetConvertOptions) readTopic(ctx context.Context, f *Factory, sel *position.Selection) (*position.Set, position.Origin, error) {
	c, err := o.cluster.resolve(f)
	if err != nil {
		return nil, position.Origin{}, err
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return nil, position.Origin{}, unchanged(err)
	}
	st := &stages{f: f}
	got, err := offsetstopic.Read(ctx, s.cluster, o.fromTopic, offsetstopic.Options{
		Progress: func(done, total int64) { st.set("reading "+o.fromTopic, "offsets", done, total) },
	})
	st.end()
	if err != nil {
		return nil, position.Origin{}, unchanged(err)
	}
	f.remark("read %s in %s of %s", count(int(got.Records), "record", "records"), count(got.Partitions, "partition", "partitions"), clean(o.fromTopic))
	for _, left := range []struct {
		n    int64
		what string
	}{
		{got.Undecided, "written by transactions that are still open"},
		{got.Aborted, "written by transactions that were aborted"},
		{got.Expired, "expired by the time of the newest record"},
		{got.Unnamed, "of the group without a name, or of no topic"},
	} {
		if left.n > 0 {
			f.remark("%s left out: %s", count(int(left.n), "position", "positions"), left.what)
		}
	}
	if got.Set.Len() == 0 {
		return nil, position.Origin{}, unchanged(fmt.Errorf("topic %q has no positions", o.fromTopic))
	}
	// The cluster that holds the copy is not the one whose positions they are.
	origin := position.Origin{At: got.Newest}
	set, err := f.selected(got.Set, sel, "topic "+o.fromTopic)
	return set, origin, err
}

// mayWrite says what a format has no place for, and refuses what must not go
// by itself.
func (o *offsetConvertOptions) mayWrite(f *Factory, to position.Format, set *position.Set) error {
	if groups := set.Groups(); to == position.FormatCSVTopic && len(groups) > 1 {
		return &failure{
			code: ExitUsage, err: fmt.Errorf("csv-topic has no column for the group, and there are positions of %d groups", len(groups)),
			hint: "choose one with --group NAME, or write --to-format csv",
		}
	}
	lost := position.LossOf(to, set)
	if lost.Epochs > 0 {
		f.remark("%s without the leader epoch, which %s has no place for; kferry commits none", count(lost.Epochs, "position", "positions"), to)
	}
	if lost.Metadata == 0 {
		return nil
	}
	what := fmt.Sprintf("the metadata of %s has no place in %s", count(lost.Metadata, "position", "positions"), to)
	if !o.metadata {
		return &failure{code: ExitUsage, err: errors.New(what), hint: "--accept-metadata-loss leaves it out; --to-format json keeps it"}
	}
	f.remark("warning: %s", what)
	return nil
}
