package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/script"
	"github.com/kferry/kferry/internal/topicspec"
)

type topicScriptOptions struct {
	cluster clusterFlags
	topics  topicsFlags
	out     scriptFlags
}

func newTopicScriptCmd(f *Factory) *cobra.Command {
	o := &topicScriptOptions{}
	cmd := &cobra.Command{
		Use:   "script -b CLUSTER | script -f FILE",
		Short: "Write a bash script that creates topics with Kafka's own tool",
		Long: "Writes a script for kafka-topics.sh that creates the topics of a cluster, or of a file of topic export,\n" +
			"on the cluster that BOOTSTRAP names when it is run. The script refuses topics that are there and differ,\n" +
			"leaves equal ones alone, and reads all back; DRY_RUN=1 changes nothing. It is described in\n" +
			"docs/scripts.md.",
		Example: "  kferry topic script -c old -t 'orders*' --out topics.sh\n" +
			"  kferry topic script -f topics.yaml --replication-factor 1 > topics.sh && BOOTSTRAP=new:9092 bash topics.sh",
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return runTopicScript(cmd.Context(), f, o) },
	}
	o.cluster.add(f, cmd)
	o.topics.add(f, cmd)
	o.out.addOut(cmd)
	return cmd
}

func runTopicScript(ctx context.Context, f *Factory, o *topicScriptOptions) error {
	s := &script.Topics{Head: script.Head{Tool: toolName(), Made: f.streams.now()}}
	var (
		wanted []topicspec.Wanted
		err    error
	)
	switch {
	case o.topics.file != "" && o.cluster.given():
		return &usageError{err: errors.New("-f/--file and a cluster exclude each other")}
	case o.topics.file != "":
		s.Of = []string{"topics file " + o.topics.file}
		wanted, err = o.topics.wanted(f)
	default:
		wanted, err = o.live(ctx, f, s)
	}
	if err != nil {
		return err
	}
	for _, w := range wanted {
		s.Topics = append(s.Topics, w.Topic)
	}
	var text bytes.Buffer
	if err := s.Write(&text); err != nil {
		return &failure{err: err, hint: "--unset KEY leaves a setting out; 'kferry topic create' can set any"}
	}
	f.remark("the script wants BOOTSTRAP=HOST:PORT of the cluster to create the topics on when it is run")
	return o.out.write(f, text.Bytes())
}

// live are the topics of a cluster as the flags have them.
func (o *topicScriptOptions) live(ctx context.Context, f *Factory, s *script.Topics) ([]topicspec.Wanted, error) {
	sel, err := position.Selector{Topics: o.topics.topics, ExcludeTopics: o.topics.exclude}.Compile()
	if err != nil {
		return nil, &usageError{err: err}
	}
	c, err := o.cluster.resolve(f)
	if err != nil {
		return nil, err
	}
	from, err := f.open(ctx, c)
	if err != nil {
		return nil, err
	}
	doc, err := f.exportTopics(ctx, from, sel)
	if err != nil {
		return nil, err
	}
	s.Of = []string{fmt.Sprintf("topics of cluster %s %s, as they were at %s", doc.Cluster, doc.ClusterID, doc.At)}
	return o.topics.chosen(doc)
}
