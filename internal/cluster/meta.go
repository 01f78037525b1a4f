package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/topic"
)

// metadata keeps who leads which partition, for the fetches. It is filled when
// needed and thrown away per topic when a broker says that it is out of date.
type metadata struct {
	mu     sync.Mutex
	topics map[string]topicMeta
}

// topicMeta is what a metadata answer said of one topic. It is not changed
// after it was stored.
type topicMeta struct {
	id         topic.ID
	internal   bool
	err        error // of the topic
	partitions map[int32]partitionMeta
}

type partitionMeta struct {
	leader int32
	epoch  int32 // -1 where the broker has none
	err    error
}

// numbers returns the partitions in order.
func (t topicMeta) numbers() []int32 {
	out := make([]int32, 0, len(t.partitions))
	for p := range t.partitions {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// known returns what is kept about names; the second result are those that
// are missing.
func (m *metadata) known(names []string) (map[string]topicMeta, []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string]topicMeta, len(names))
	var missing []string
	for _, name := range names {
		if t, ok := m.topics[name]; ok {
			out[name] = t
		} else {
			missing = append(missing, name)
		}
	}
	return out, missing
}

func (m *metadata) store(topics map[string]topicMeta) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.topics == nil {
		m.topics = map[string]topicMeta{}
	}
	for name, t := range topics {
		if t.err == nil {
			m.topics[name] = t
		} else {
			delete(m.topics, name)
		}
	}
}

// forget drops what is kept about a topic.
func (m *metadata) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.topics, name)
}

// leaders returns the metadata of names, asking for what is not kept.
func (c *Cluster) leaders(ctx context.Context, names []string) (map[string]topicMeta, error) {
	out, missing := c.meta.known(names)
	if len(missing) == 0 {
		return out, nil
	}
	fresh, err := c.loadMetadata(ctx, missing)
	if err != nil {
		return nil, err
	}
	maps.Copy(out, fresh)
	return out, nil
}

// loadMetadata sends one Metadata request for names, or for all topics when
// names is nil, and keeps the answer.
func (c *Cluster) loadMetadata(ctx context.Context, names []string) (map[string]topicMeta, error) {
	req := kmsg.NewPtrMetadataRequest()
	// A look must never create a topic (auto.create.topics.enable).
	req.AllowAutoTopicCreation = false
	if names != nil {
		req.Topics = make([]kmsg.MetadataRequestTopic, 0, len(names))
		for _, name := range names {
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = &name
			req.Topics = append(req.Topics, t)
		}
	}
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return nil, fmt.Errorf("asking cluster %q for its topics: %w", c.Name(), err)
	}
	out := make(map[string]topicMeta, len(resp.Topics))
	for _, t := range resp.Topics {
		if t.Topic == nil {
			continue
		}
		m := topicMeta{
			id: topic.ID(t.TopicID), internal: t.IsInternal, err: kerr.ErrorForCode(t.ErrorCode),
			partitions: make(map[int32]partitionMeta, len(t.Partitions)),
		}
		for _, p := range t.Partitions {
			m.partitions[p.Partition] = partitionMeta{leader: p.Leader, epoch: p.LeaderEpoch, err: kerr.ErrorForCode(p.ErrorCode)}
		}
		out[*t.Topic] = m
	}
	for _, name := range names {
		if _, ok := out[name]; !ok {
			// Kafka answers for every name; a missing answer is not "exists".
			out[name] = topicMeta{err: kerr.UnknownTopicOrPartition}
		}
	}
	c.meta.store(out)
	return out, nil
}
