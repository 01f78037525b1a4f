package oracle

import (
	"context"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// TopicPair is one source topic and its copy; Pairs[i] is partition i.
type TopicPair struct {
	Policies
	Name   string
	Header Header
	Pairs  []Pair
	// described are the topics as real brokers describe them, or nil.
	described [2]*topic.Topic
}

// source and target are the names of the two topics.
func (t *TopicPair) source() string { return t.Name }
func (t *TopicPair) target() string { return t.Name + ".copy" }

// topics are what the two clusters say of the topics.
func (t *TopicPair) topics() (source, target topic.Topic) {
	if t.described[0] != nil && t.described[1] != nil {
		return *t.described[0], *t.described[1]
	}
	parts := make([]int32, len(t.Pairs))
	for i := range parts {
		parts[i] = int32(i)
	}
	make1 := func(name string, compacted bool, first byte) topic.Topic {
		return topic.Topic{
			Name: name, ID: topic.ID{first, byte(len(name))}, Partitions: parts,
			Config: topic.Config{Known: !t.ConfigUnknown, Compacted: compacted && !t.ConfigUnknown, Retention: -1, RetentionBytes: -1},
		}
	}
	return make1(t.source(), t.SourceCompacted, 1), make1(t.target(), t.TargetCompacted, 2)
}

// Loader brings pairs to where translate can read them.
type Loader interface {
	// Name says which loader it is, for the table.
	Name() string
	// Load writes the topics. What it gives is closed by the caller. A loader
	// that cannot make the pairs as they are writes others in their place.
	Load(ctx context.Context, seed uint64, topics []TopicPair) (*Loaded, error)
}

// Loaded are the two sides of what was loaded.
type Loaded struct {
	Source, Target translate.Log
	Close          func()
}
