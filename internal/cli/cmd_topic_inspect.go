package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/inspect"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

type topicInspectOptions struct {
	cluster           clusterFlags
	from              string
	fromCommandConfig string
	mapTopics         []string
	partitions        []string
	header            string
	full              bool
	output            choice
}

func newTopicInspectCmd(f *Factory) *cobra.Command {
	o := &topicInspectOptions{}
	cmd := &cobra.Command{
		Use:   "inspect TOPIC...",
		Short: "Say what copied a topic, from where, how far it is, and whether positions can be exact on it",
		Long: "Looks at samples from the start, the middle and the end of each partition, or at every record\n" +
			"(--full), and at the topics that MirrorMaker 2 keeps. With --from it compares the copies with the\n" +
			"source and says how far each partition is. TOPIC may be a glob. It writes nothing.\n\n" +
			"The exit code is 3 when something stands in the way of exact positions on a topic as it is.",
		Example: "  kferry topic inspect orders -c new --from old\n" +
			"  kferry topic inspect 'old.*' -b localhost:9093 --from localhost:9092 --map-topic '*=old.*' --full",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%s: argument TOPIC is missing", cmd.CommandPath())
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return runTopicInspect(cmd.Context(), f, o, args) },
		ValidArgsFunction: completeTopics(f),
	}
	o.cluster.add(f, cmd)
	fs := cmd.Flags()
	fs.StringVar(&o.from, "from", "", "source cluster to compare with: `NAME` of the config file, or HOST:PORT[,...]")
	fs.StringVar(&o.fromCommandConfig, "from-command-config", "", "Java client.properties `FILE` with the login to the source")
	completeClusters(f, cmd, "from")
	fs.StringArrayVar(&o.mapTopics, "map-topic", nil, "the source topic A is B here, `A=B`; one * on each side carries over (default: found out)")
	fs.StringArrayVar(&o.partitions, "partition", nil, "of a topic only these partitions, `TOPIC:0,1,4-7`")
	fs.StringVarP(&o.header, "header", "H", "", "header with the source offset, `NAME[:ENCODING]`; encodings: decimal, int64be, int64le, int32be")
	fs.BoolVar(&o.full, "full", false, "read every record: counts passes, repeats, holes, foreign records and aborted copies exactly")
	addOutput(cmd, &o.output, asTable, asJSON)
	return cmd
}

func runTopicInspect(ctx context.Context, f *Factory, o *topicInspectOptions, args []string) error {
	opts, names, sel, err := o.parse(args)
	if err != nil {
		return err
	}
	target, source, err := o.open(ctx, f)
	if err != nil {
		return err
	}
	here, err := target.cluster.Topics(ctx)
	if err != nil {
		return err
	}
	asks, err := chooseTopics(target, here, sel)
	if err != nil {
		return err
	}
	var from *inspect.Side
	if source != nil {
		from = &inspect.Side{Log: source.cluster}
		if from.Topics, err = source.cluster.Topics(ctx); err != nil {
			return err
		}
		if err := sourcesOf(asks, names, from.Topics); err != nil {
			return err
		}
	}
	st := stages{f: f}
	defer st.end()
	opts.Now = f.streams.now
	if o.full {
		opts.Progress = func(done, total int64) {
			st.set("reading "+count(len(asks), "topic", "topics"), "offsets", done, total)
		}
	} else {
		opts.Topic = func(done, total int) { st.set("sampling topics", "topics", int64(done), int64(total)) }
	}
	got, err := inspect.Inspect(ctx, inspect.Side{Log: target.cluster, Topics: here}, from, asks, &opts)
	if err != nil {
		return err
	}
	st.end()
	return o.show(f, target, source, got)
}

// parse checks flags and arguments.
func (o *topicInspectOptions) parse(args []string) (inspect.Options, *position.Route, *position.Selection, error) {
	opts := inspect.Options{Full: o.full}
	fail := func(err error) (inspect.Options, *position.Route, *position.Selection, error) {
		return opts, nil, nil, err
	}
	if o.header != "" {
		name, enc, err := parseHeader(o.header)
		if err != nil {
			return fail(err)
		}
		opts.Header, opts.Encoding = name, mover.Encoding(enc)
	}
	if o.from == "" && (len(o.mapTopics) > 0 || o.fromCommandConfig != "") {
		return fail(&usageError{err: errors.New("--map-topic and --from-command-config say something of the source, which --from does not name")})
	}
	names, err := position.NewRoute(position.RouteOptions{MapTopics: o.mapTopics})
	if err != nil {
		return fail(&usageError{err: err})
	}
	sel, err := position.Selector{Topics: args, Partitions: o.partitions}.Compile()
	if err != nil {
		return fail(&usageError{err: err})
	}
	for _, name := range sel.LiteralTopics() {
		if strings.Contains(name, "/") {
			return fail(&usageError{err: fmt.Errorf("%q is no topic", name), hint: "partitions are chosen with --partition TOPIC:0,1"})
		}
	}
	return opts, names, sel, nil
}

// open opens the cluster with the topics, and the source when it is named.
func (o *topicInspectOptions) open(ctx context.Context, f *Factory) (target, source *side, err error) {
	c, err := o.cluster.resolve(f)
	if err != nil {
		return nil, nil, err
	}
	pair := pairFlags{from: o.from, fromCommandConfig: o.fromCommandConfig}
	if target, err = f.open(ctx, c); err != nil || o.from == "" {
		return target, nil, err
	}
	from, err := pair.source(f)
	if err != nil {
		return nil, nil, err
	}
	source, err = f.open(ctx, from)
	return target, source, err
}

// chooseTopics are the topics that the arguments mean. One that is named must
// exist; a glob leaves internal topics out.
func chooseTopics(s *side, here map[string]topic.Topic, sel *position.Selection) ([]inspect.Ask, error) {
	literal := sel.LiteralTopics()
	for _, name := range literal {
		if t, ok := here[name]; ok && t.Err == nil {
			continue
		}
		return nil, &failure{
			err:  fmt.Errorf("topic %q does not exist on cluster %q, or may not be seen", name, s.cluster.Name()),
			hint: didYouMean(position.Near(name, slices.Collect(maps.Keys(here)), maxNear)),
		}
	}
	var asks []inspect.Ask
	for _, name := range slices.Sorted(maps.Keys(here)) {
		t := here[name]
		named := slices.Contains(literal, name)
		if t.Err != nil || !sel.Topic(name) || ownTopic(t) && !named {
			continue
		}
		a := inspect.Ask{Topic: name}
		for _, n := range t.Partitions {
			if sel.Partition(topic.Partition{Topic: name, Partition: n}) {
				a.Partitions = append(a.Partitions, n)
			}
		}
		if len(a.Partitions) == len(t.Partitions) {
			a.Partitions = nil
		}
		asks = append(asks, a)
	}
	for _, p := range sel.UnmatchedTopics() {
		return nil, &failure{err: fmt.Errorf("nothing on cluster %q matches %s", s.cluster.Name(), p.Text)}
	}
	return asks, nil
}

// ownTopic reports whether a topic is one that brokers or movers keep for
// themselves.
func ownTopic(t topic.Topic) bool {
	_, heartbeats := mover.HeartbeatTopicAlias(t.Name)
	return t.Internal || heartbeats || mover.Internal(t.Name) || t.Name == mover.OffsetMapTopic
}

// sourcesOf names the source topics that --map-topic gives; the others are
// found out.
func sourcesOf(asks []inspect.Ask, names *position.Route, there map[string]topic.Topic) error {
	for i := range asks {
		source, err := names.TopicBack(asks[i].Topic)
		if err != nil {
			return &usageError{err: err}
		}
		if source == asks[i].Topic && len(names.Options().MapTopics) == 0 {
			continue
		}
		if t, ok := there[source]; source != asks[i].Topic && (!ok || t.Err != nil) {
			return &failure{
				err:  fmt.Errorf("topic %q, which --map-topic gives for %q, does not exist on the source, or may not be seen", source, asks[i].Topic),
				hint: didYouMean(position.Near(source, slices.Collect(maps.Keys(there)), maxNear)),
			}
		}
		if source != asks[i].Topic {
			asks[i].Source = source
		}
	}
	return nil
}

// show writes the answer; the code is 3 when something stands in the way.
func (o *topicInspectOptions) show(f *Factory, target, source *side, got *inspect.Report) error {
	if o.output.value == asJSON {
		if err := writeJSON(f.stdout(), inspectDoc(target, source, got)); err != nil {
			return err
		}
	} else if err := (inspectView{w: f.stdout(), paint: f.outPaint()}).show(got); err != nil {
		return err
	}
	bad := 0
	for i := range got.Topics {
		if got.Topics[i].Obstacles() {
			bad++
		}
	}
	if bad == 0 {
		return nil
	}
	return &failure{
		code: ExitPartial,
		err:  fmt.Errorf("positions cannot be exact now on %d of %s", bad, count(len(got.Topics), "topic", "topics")),
	}
}
