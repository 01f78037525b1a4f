package oracle

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// TopicPair is one source topic and its copy; Pairs[i] is partition i.
type TopicPair struct {
	Policies
	Name   string
	Header Header
	Pairs  []Pair
	// SyncsOnTarget says where MirrorMaker 2 keeps its offset syncs.
	SyncsOnTarget bool
	// described are the topics as real brokers describe them, or nil.
	described [2]*topic.Topic
}

// source and target are the names of the two topics.
func (t *TopicPair) source() string { return t.Name }

func (t *TopicPair) target() string {
	if t.Kind == translate.KindMM2 {
		return "west." + t.Name
	}
	return t.Name + ".copy"
}

func syncTopics() [2]string { return [2]string{syncTopic(false), syncTopic(true)} }

// syncTopic is the name of MirrorMaker 2's topic on a cluster, which names the
// other one.
func syncTopic(onTarget bool) string {
	if onTarget {
		return "mm2-offset-syncs.west.internal"
	}
	return "mm2-offset-syncs.east.internal"
}

// syncRecords are what stands in the topic of one side: syncs of all topics,
// mixed, but of each partition in order.
func syncRecords(r *rand.Rand, topics []TopicPair, onTarget bool) []batch.Record {
	type queue struct {
		of    topic.Partition
		syncs []Sync
	}
	var all []queue
	for i := range topics {
		if t := &topics[i]; t.SyncsOnTarget == onTarget {
			for p := range t.Pairs {
				if len(t.Pairs[p].Syncs) > 0 {
					all = append(all, queue{topic.Partition{Topic: t.source(), Partition: int32(p)}, t.Pairs[p].Syncs})
				}
			}
		}
	}
	var out []batch.Record
	for len(all) > 0 {
		i := r.IntN(len(all))
		q := &all[i]
		for range min(len(q.syncs), 1+r.IntN(3)) {
			key, value := q.syncs[0].record(q.of)
			off := int64(len(out))
			out = append(out, batch.Record{Offset: off, Timestamp: stampOf(off), Key: key, Value: value})
			q.syncs = q.syncs[1:]
		}
		if len(q.syncs) == 0 {
			all = slices.Delete(all, i, i+1)
		}
	}
	return out
}

// syncSpans are the batches of syncRecords.
func syncSpans(r *rand.Rand, topics []TopicPair, onTarget bool) []span {
	records := syncRecords(r, topics, onTarget)
	var out []span
	for len(records) > 0 {
		n := min(len(records), 1+r.IntN(200))
		out = append(out, span{base: records[0].Offset, last: records[n-1].Offset, records: records[:n]})
		records = records[n:]
	}
	return out
}

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
			Config: topic.Config{
				Known: !t.ConfigUnknown, Compacted: compacted && !t.ConfigUnknown, Retention: -1, RetentionBytes: -1,
				AppendTime: first == 2 && t.Stamps == Appended && !t.ConfigUnknown,
			},
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
	// Syncs are the topics of offset syncs, on the source and on the target.
	Syncs [2]string
	Close func()
}
