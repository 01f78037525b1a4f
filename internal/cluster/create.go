package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// createBatch is how many topics one CreateTopics request creates: KRaft
// refuses what is more than 10,000 records at once, partitions included
// (QuorumController.MAX_RECORDS_PER_USER_OP).
const createBatch = 50

// Layout is what a topic is made of.
type Layout struct {
	Name       string
	Partitions int32
	// Replication is the number of replicas of partition 0; Uneven says that
	// other partitions have another number.
	Replication int16
	Uneven      bool
	// Own is what was set on the topic itself: its dynamic configuration.
	Own map[string]string
	// All is what is in force on it, defaults included.
	All map[string]string
	// Hidden are keys whose values the brokers do not show.
	Hidden []string
	// Err says why this is not known: the topic does not exist, or a right is
	// missing. It is nil for a topic that is there.
	Err error
}

// Layouts describes topics with all their configuration. A topic that does not
// exist has ErrNoTopic; one whose configuration may not be read is an error of
// that topic, too: it could not be compared.
func (c *Cluster) Layouts(ctx context.Context, names ...string) (map[string]Layout, error) {
	out := make(map[string]Layout, len(names))
	if len(names) == 0 {
		return out, nil
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	details, err := c.admin.ListTopicsWithInternal(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("describing topics of cluster %q: %w", c.Name(), err)
	}
	var there []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		d, ok := details[name]
		switch {
		case !ok || errors.Is(d.Err, kerr.UnknownTopicOrPartition):
			out[name] = Layout{Name: name, Err: ErrNoTopic}
		case d.Err != nil:
			out[name] = Layout{Name: name, Err: d.Err}
		default:
			out[name] = layoutOf(d)
			there = append(there, name)
		}
	}
	for group := range slices.Chunk(there, configBatch) {
		if err := c.addConfigs(ctx, out, group); err != nil {
			return nil, fmt.Errorf("reading the configuration of topics of cluster %q: %w", c.Name(), err)
		}
	}
	return out, nil
}

// ErrNoTopic says that there is no such topic, or that it may not be seen.
var ErrNoTopic = errors.New("the topic does not exist, or may not be seen")

func layoutOf(d kadm.TopicDetail) Layout {
	l := Layout{Name: d.Topic, Partitions: int32(min(len(d.Partitions), math.MaxInt32))}
	replicas := func(p int32) int16 { return int16(min(len(d.Partitions[p].Replicas), math.MaxInt16)) }
	l.Replication = replicas(0)
	for p := range d.Partitions {
		l.Uneven = l.Uneven || replicas(p) != l.Replication
	}
	return l
}

func (c *Cluster) addConfigs(ctx context.Context, out map[string]Layout, names []string) error {
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, name := range names {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, name
		req.Resources = append(req.Resources, r)
	}
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return err
	}
	answered := make(map[string]bool, len(names))
	for _, r := range resp.Resources {
		l := out[r.ResourceName]
		answered[r.ResourceName] = true
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			l.Err = fmt.Errorf("reading its configuration: %w", err)
		}
		l.Own, l.All = map[string]string{}, map[string]string{}
		for _, kv := range r.Configs {
			// Version 0 (before Kafka 1.1) only says whether it is a default.
			own := kv.Source == kmsg.ConfigSourceDynamicTopicConfig || resp.Version == 0 && !kv.IsDefault
			switch {
			case kv.Value == nil || kv.IsSensitive:
				if own {
					l.Hidden = append(l.Hidden, kv.Name)
				}
				continue
			case own:
				l.Own[kv.Name] = *kv.Value
			}
			l.All[kv.Name] = *kv.Value
		}
		out[r.ResourceName] = l
	}
	for _, name := range names {
		if !answered[name] {
			l := out[name]
			l.Err = errors.New("the brokers did not tell its configuration")
			out[name] = l
		}
	}
	return nil
}

// Creation is a topic to create. Replication 0 leaves the number of replicas to
// the cluster (KIP-464, Kafka 2.4).
type Creation struct {
	Name        string
	Partitions  int32
	Replication int16
	Config      map[string]string
}

// CreateError is why one topic was not created.
type CreateError struct {
	Topic string
	// Message is what the broker said besides, or "".
	Message string
	// Err is the broker's code (package kerr), or that of the request.
	Err error
}

// Error implements error.
func (e *CreateError) Error() string {
	if e.Message != "" {
		return fmt.Sprintf("topic %q: %s", e.Topic, e.Message)
	}
	return fmt.Sprintf("topic %q: %v", e.Topic, e.Err)
}

// Unwrap returns the code.
func (e *CreateError) Unwrap() error { return e.Err }

// CreateTopics creates topics, some at a time, or with validate only asks
// whether they could be (KIP-4). failed are those that the
// brokers refused; after the first of them no further request is made, unless
// it only validates. The error is that of a request without an answer: its topics
// may have been created or not, and those after it were not tried.
func (c *Cluster) CreateTopics(ctx context.Context, topics []Creation, validate bool) (failed []*CreateError, err error) {
	for batch := range slices.Chunk(topics, createBatch) {
		more, err := c.createSome(ctx, batch, validate)
		failed = append(failed, more...)
		if err != nil {
			return failed, fmt.Errorf("creating %q and %d more topics: %w", batch[0].Name, len(batch)-1, err)
		}
		if len(failed) > 0 && !validate {
			return failed, nil
		}
	}
	return failed, nil
}

func (c *Cluster) createSome(ctx context.Context, topics []Creation, validate bool) ([]*CreateError, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.ValidateOnly = validate
	req.TimeoutMillis = int32(min(c.RequestTimeout().Milliseconds(), math.MaxInt32)) //nolint:gosec // bounded
	for _, t := range topics {
		r := kmsg.NewCreateTopicsRequestTopic()
		r.Topic, r.NumPartitions, r.ReplicationFactor = t.Name, t.Partitions, t.Replication
		if t.Replication == 0 {
			r.ReplicationFactor = -1
		}
		for key, value := range t.Config {
			kv := kmsg.NewCreateTopicsRequestTopicConfig()
			kv.Name, kv.Value = key, &value
			r.Configs = append(r.Configs, kv)
		}
		req.Topics = append(req.Topics, r)
	}
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return nil, err
	}
	var failed []*CreateError
	answered := map[string]bool{}
	for _, t := range resp.Topics {
		answered[t.Topic] = true
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			bad := &CreateError{Topic: t.Topic, Err: err}
			if t.ErrorMessage != nil {
				bad.Message = *t.ErrorMessage
			}
			failed = append(failed, bad)
		}
	}
	for _, t := range topics {
		if !answered[t.Name] {
			failed = append(failed, &CreateError{Topic: t.Name, Err: errors.New("the broker said nothing of it")})
		}
	}
	return failed, nil
}

// Brokers is how many brokers the cluster has now.
func (c *Cluster) Brokers(ctx context.Context) (int, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	meta, err := c.admin.BrokerMetadata(ctx)
	if err != nil {
		return 0, fmt.Errorf("asking cluster %q for its brokers: %w", c.Name(), err)
	}
	return len(meta.Brokers), nil
}
