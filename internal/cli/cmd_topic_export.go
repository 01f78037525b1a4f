package cli

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/spec"
)

type topicExportOptions struct {
	cluster clusterFlags
	topics  []string
	exclude []string
	out     scriptFlags
	output  choice
}

func newTopicExportCmd(f *Factory) *cobra.Command {
	o := &topicExportOptions{}
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write partitions, replication and configuration of topics as a file",
		Long: "Writes name, partitions, replication factor and what was set on each topic itself, for topic create\n" +
			"on another cluster, or to keep under version control. Internal topics are left out unless they are\n" +
			"named. It writes nothing to the cluster.",
		Example: "  kferry topic export -c old > topics.yaml\n" +
			"  kferry topic export -b localhost:9092 -t 'orders.*' -o json --out topics.json",
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return runTopicExport(cmd.Context(), f, o) },
	}
	o.cluster.add(f, cmd)
	addTopicSelection(f, cmd, &o.topics, &o.exclude)
	o.out.addOut(cmd)
	addOutput(cmd, &o.output, asYAML, asJSON)
	return cmd
}

// addTopicSelection adds flags that choose topics alone.
func addTopicSelection(f *Factory, cmd *cobra.Command, topics, exclude *[]string) {
	fs := cmd.Flags()
	fs.StringArrayVarP(topics, "topic", "t", nil, "only topics that match `GLOB`")
	fs.StringArrayVar(exclude, "exclude-topic", nil, "leave out topics that match `GLOB`")
	if fs.Lookup("bootstrap-server") != nil {
		// The only error is a flag that does not exist.
		_ = cmd.RegisterFlagCompletionFunc("topic", completeTopics(f))
	}
}

func runTopicExport(ctx context.Context, f *Factory, o *topicExportOptions) error {
	sel, err := position.Selector{Topics: o.topics, ExcludeTopics: o.exclude}.Compile()
	if err != nil {
		return &usageError{err: err}
	}
	c, err := o.cluster.resolve(f)
	if err != nil {
		return err
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return err
	}
	doc, err := f.exportTopics(ctx, s, sel)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if o.output.value == asJSON {
		err = writeJSON(&text, doc)
	} else {
		err = spec.WriteTopics(&text, doc)
	}
	if err != nil {
		return err
	}
	return o.out.write(f, text.Bytes())
}

// exportTopics reads the chosen topics. One whose configuration may not be read
// is an error: a file that lacks it would look complete.
func (f *Factory) exportTopics(ctx context.Context, s *side, sel *position.Selection) (*api.Topics, error) {
	here, err := s.cluster.Topics(ctx)
	if err != nil {
		return nil, err
	}
	asks, err := chooseTopics(s, here, sel)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(asks))
	for i, a := range asks {
		names[i] = a.Topic
	}
	if len(names) == 0 {
		return nil, &failure{err: fmt.Errorf("cluster %q has no topics to export", s.cluster.Name())}
	}
	layouts, err := s.cluster.Layouts(ctx, names...)
	if err != nil {
		return nil, err
	}
	doc := &api.Topics{
		Format: api.TopicsFormat, Version: api.TopicsVersion, Cluster: s.cluster.Name(), ClusterID: s.cluster.ID(),
		At: f.streams.now().UTC().Format(timeLayout),
	}
	for _, name := range slices.Sorted(maps.Keys(layouts)) {
		l := layouts[name]
		if l.Err != nil {
			return nil, &failure{
				err:  fmt.Errorf("exporting topic %q: %w", name, l.Err),
				hint: "DESCRIBE and DESCRIBE_CONFIGS on the topic are needed; --exclude-topic leaves it out",
			}
		}
		if l.Uneven {
			f.remark("topic %q: its partitions have different numbers of replicas; the file has that of partition 0, %d", name, l.Replication)
		}
		if len(l.Hidden) > 0 {
			f.remark("topic %q: the brokers do not show %s, which the file lacks", name, strings.Join(l.Hidden, ", "))
		}
		doc.Topics = append(doc.Topics, api.Topic{
			Name: name, Partitions: int(l.Partitions), ReplicationFactor: int(l.Replication), Config: l.Own,
		})
	}
	return doc, nil
}
