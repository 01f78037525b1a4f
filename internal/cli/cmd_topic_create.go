package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/spec"
	"github.com/kferry/kferry/internal/topicspec"
)

// topicsFlags take a topics file and say what of it is to be otherwise.
type topicsFlags struct {
	file        string
	topics      []string
	exclude     []string
	mapTopics   []string
	replication int
	set, unset  []string
}

func (o *topicsFlags) add(f *Factory, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&o.file, "file", "f", "", "topics `FILE` of topic export, - for stdin")
	_ = cmd.MarkFlagFilename("file", "yaml", "json") // the flag was added just above
	addTopicSelection(f, cmd, &o.topics, &o.exclude)
	fs.StringArrayVar(&o.mapTopics, "map-topic", nil, "topic A of the file is B there, `A=B`; one * on each side carries over")
	fs.IntVar(&o.replication, "replication-factor", 0, "`NUMBER` of replicas of every topic, instead of that of the file")
	fs.StringArrayVar(&o.set, "set", nil, "setting of every topic, `KEY=VALUE`, instead of that of the file")
	fs.StringArrayVar(&o.unset, "unset", nil, "leave the setting `KEY` of the file out")
}

// options are the flags as the room takes them.
func (o *topicsFlags) options() (*topicspec.Options, *position.Selection, error) {
	sel, err := position.Selector{Topics: o.topics, ExcludeTopics: o.exclude}.Compile()
	if err != nil {
		return nil, nil, &usageError{err: err}
	}
	names, err := position.NewRoute(position.RouteOptions{MapTopics: o.mapTopics})
	if err != nil {
		return nil, nil, &usageError{err: err}
	}
	if o.replication < 0 || o.replication > 1<<15-1 {
		return nil, nil, &usageError{err: fmt.Errorf("--replication-factor: %d is no number of replicas", o.replication)}
	}
	opts := &topicspec.Options{Select: sel.Topic, Rename: names.Topic, Replication: o.replication, Set: map[string]string{}, Unset: o.unset}
	for _, kv := range o.set {
		key, value, ok := strings.Cut(kv, "=")
		if !ok || key == "" {
			return nil, nil, &usageError{err: fmt.Errorf("--set %q is not KEY=VALUE", kv)}
		}
		opts.Set[key] = value
	}
	for _, key := range o.unset {
		if _, both := opts.Set[key]; both {
			return nil, nil, &usageError{err: fmt.Errorf("--set and --unset both name %s", key)}
		}
	}
	return opts, sel, nil
}

// wanted reads the file and applies the flags.
func (o *topicsFlags) wanted(f *Factory) ([]topicspec.Wanted, error) {
	if o.file == "" {
		return nil, &usageError{err: errors.New("-f/--file is missing"), hint: "-f topics.yaml, or -f - for stdin"}
	}
	name, r := "stdin", f.streams.In
	if o.file != "-" {
		file, err := os.Open(o.file)
		if err != nil {
			return nil, pathError("reading topics", o.file, err)
		}
		defer func() { _ = file.Close() }() // only read
		name, r = o.file, file
	}
	doc, err := spec.ReadTopics(name, r)
	if err != nil {
		return nil, err
	}
	return o.chosen(doc)
}

func (o *topicsFlags) chosen(doc *api.Topics) ([]topicspec.Wanted, error) {
	opts, sel, err := o.options()
	if err != nil {
		return nil, err
	}
	wanted, err := opts.Apply(doc)
	if err != nil {
		return nil, &usageError{err: err, hint: "choose topics with -t, or other names with --map-topic"}
	}
	for _, p := range sel.UnmatchedTopics() {
		return nil, &failure{err: fmt.Errorf("no topic of the file matches %s", p.Text)}
	}
	if len(wanted) == 0 {
		return nil, &failure{err: errors.New("no topic of the file is chosen")}
	}
	return wanted, nil
}

type topicCreateOptions struct {
	cluster clusterFlags
	topics  topicsFlags
	write   writeFlags
	output  choice
}

func newTopicCreateCmd(f *Factory) *cobra.Command {
	o := &topicCreateOptions{}
	cmd := &cobra.Command{
		Use:   "create -f FILE",
		Short: "Create the topics of a file, and refuse what differs from what is there",
		Long: "Compares the topics of a file with those of the cluster, and has the brokers check the others before\n" +
			"the first is created. Nothing is created when a topic is there and differs (partitions, settings), when\n" +
			"the cluster does not know a setting, or has too few brokers; each is shown, and the exit code is 3.\n" +
			"Topics that are there and equal are left alone, so what was cut short goes on with the same command.\n" +
			"Existing topics are never changed.",
		Example: "  kferry topic create -c new -f topics.yaml --dry-run\n" +
			"  kferry topic create -b localhost:9093 -f topics.yaml --map-topic 'prod.*=qa.*' --replication-factor 1 --yes",
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return runTopicCreate(cmd.Context(), f, o) },
	}
	o.cluster.add(f, cmd)
	o.topics.add(f, cmd)
	fs := cmd.Flags()
	fs.BoolVar(&o.write.dryRun, "dry-run", false, "show what would be created, have it checked, and create nothing")
	fs.BoolVarP(&o.write.yes, "yes", "y", false, "do not ask")
	fs.StringVar(&o.write.cluster, "confirm-cluster", "", "`NAME` of the cluster, once more, where it is protected")
	addOutput(cmd, &o.output, asTable, asJSON)
	return cmd
}

func runTopicCreate(ctx context.Context, f *Factory, o *topicCreateOptions) error {
	wanted, err := o.topics.wanted(f)
	if err != nil {
		return unchanged(err)
	}
	c, err := o.cluster.resolve(f)
	if err != nil {
		return err
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return unchanged(err)
	}
	job := &topicJob{cluster: s.cluster, wanted: wanted}
	if err := job.look(ctx); err != nil {
		return unchanged(err)
	}
	if job.refused() || o.write.dryRun || len(job.missing()) == 0 {
		return o.end(f, job)
	}
	if err := o.write.named(f, s); err != nil {
		return err
	}
	if !o.write.yes {
		if err := job.table(f.errPaint()).write(f.stderr()); err != nil {
			return err
		}
		n := len(job.missing())
		question := fmt.Sprintf("Create %s on %s?", count(n, "topic", "topics"), s.cluster.Name())
		if err := f.confirmWrite(ctx, s, question, &o.write); err != nil {
			return err
		}
	}
	failed := job.create(ctx)
	return errors.Join(o.end(f, job), failed)
}

// end shows what came of it.
func (o *topicCreateOptions) end(f *Factory, job *topicJob) error {
	if o.output.value == asJSON {
		if err := writeJSON(f.stdout(), job.doc(o.write.dryRun)); err != nil {
			return err
		}
	} else if err := job.table(f.outPaint()).write(f.stdout()); err != nil {
		return err
	}
	for _, n := range job.notes {
		f.remark("%s", n)
	}
	if job.created {
		return nil // the caller has what failed
	}
	bad := 0
	for _, w := range job.topics {
		if w.Action == topicDiffers || w.Action == topicRefused {
			bad++
		}
	}
	if bad > 0 {
		return unchanged(&failure{
			code: ExitPartial, err: fmt.Errorf("%d of %s cannot be created as asked", bad, count(len(job.topics), "topic", "topics")),
			hint: "leave topics out with --exclude-topic, settings with --unset KEY, or change them with --set KEY=VALUE",
		})
	}
	if o.write.dryRun {
		f.remark("Nothing was created (--dry-run).")
	} else {
		f.remark("Nothing to do: all topics are there and equal.")
	}
	return nil
}
