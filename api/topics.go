package api

import (
	"fmt"
	"regexp"
	"slices"
)

// TopicsFormat and TopicsVersion name the topics file of this program.
const (
	TopicsFormat  = "kferry-topics"
	TopicsVersion = 1
)

// Topics is the topics file: what topics are to be, as topic export writes it
// and topic create reads it. People may edit it.
type Topics struct {
	// Format is TopicsFormat, and Version TopicsVersion; both must be there.
	Format  string `json:"format" yaml:"format"`
	Version int    `json:"version" yaml:"version"`
	// Cluster, ClusterID and At say where and when it was exported, for people.
	Cluster   string `json:"cluster,omitempty" yaml:"cluster"`
	ClusterID string `json:"clusterID,omitempty" yaml:"clusterID"`
	At        string `json:"at,omitempty" yaml:"at"`
	// Topics, each name once.
	Topics []Topic `json:"topics" yaml:"topics"`
}

// Topic is what one topic is to be.
type Topic struct {
	Name string `json:"name" yaml:"name"`
	// Partitions is how many, at least 1.
	Partitions int `json:"partitions" yaml:"partitions"`
	// ReplicationFactor is how many replicas each partition has; 0 (left out)
	// leaves it to the cluster.
	ReplicationFactor int `json:"replicationFactor,omitempty" yaml:"replicationFactor"`
	// Config are the settings that differ from those of the brokers: keys and
	// values as Kafka writes them.
	Config map[string]string `json:"config,omitempty" yaml:"config"`
}

// topicName is what Kafka allows (org.apache.kafka.common.internals.Topic).
var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

const (
	maxTopicName  = 249
	maxPartitions = 1<<31 - 1
	maxReplicas   = 1<<15 - 1
)

// SetDefaults fills what was left out: nothing so far.
func (t *Topics) SetDefaults() {}

// Validate reports everything that is wrong.
func (t *Topics) Validate() []Problem {
	var ps []Problem
	switch {
	case t.Format == "":
		ps = append(ps, Problem{Path: "format", Message: "format is missing", Hint: "format: " + TopicsFormat})
	case t.Format != TopicsFormat:
		ps = append(ps, Problem{Path: "format", Message: fmt.Sprintf("%q is another kind of file", t.Format), Hint: "format: " + TopicsFormat})
	}
	if t.Version != TopicsVersion {
		ps = append(ps, Problem{
			Path: "version", Message: fmt.Sprintf("version %d is not known", t.Version),
			Hint: fmt.Sprintf("this kferry reads version: %d", TopicsVersion),
		})
	}
	if len(t.Topics) == 0 {
		ps = append(ps, Problem{Path: "topics", Message: "the file has no topics"})
	}
	first := make(map[string]int, len(t.Topics))
	for i := range t.Topics {
		at := fmt.Sprintf("topics[%d]", i)
		ps = append(ps, join(at, t.Topics[i].Validate())...)
		name := t.Topics[i].Name
		if before, there := first[name]; there && name != "" {
			ps = append(ps, Problem{Path: at + ".name", Message: fmt.Sprintf("topic %q is there already, as topics[%d]", name, before)})
			continue
		}
		first[name] = i
	}
	return ps
}

// Validate reports everything that is wrong.
func (t *Topic) Validate() []Problem {
	var ps []Problem
	if problem := TopicNameProblem(t.Name); problem != "" {
		ps = append(ps, Problem{Path: "name", Message: problem})
	}
	if t.Partitions < 1 || t.Partitions > maxPartitions {
		ps = append(ps, Problem{Path: "partitions", Message: fmt.Sprintf("a topic has 1 partition or more, this is %d", t.Partitions)})
	}
	if t.ReplicationFactor < 0 || t.ReplicationFactor > maxReplicas {
		ps = append(ps, Problem{
			Path: "replicationFactor", Message: fmt.Sprintf("%d is no number of replicas", t.ReplicationFactor),
			Hint: "leave it out to take the cluster's own",
		})
	}
	for _, key := range sortedKeys(t.Config) {
		if key == "" {
			ps = append(ps, Problem{Path: "config", Message: "a key is empty"})
		}
	}
	return ps
}

// TopicNameProblem says what is wrong with a name of a topic, "" if nothing is.
func TopicNameProblem(name string) string {
	switch {
	case name == "":
		return "the topic has no name"
	case len(name) > maxTopicName:
		return fmt.Sprintf("the name has %d characters, and Kafka allows %d", len(name), maxTopicName)
	case name == "." || name == ".." || !topicName.MatchString(name):
		return fmt.Sprintf("%q is no name of a topic: letters, digits, '.', '_' and '-' only", name)
	}
	return ""
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
