package cluster

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/topic"
)

// configBatch is how many topics one DescribeConfigs request asks for.
const configBatch = 500

// The configuration keys that topic.Config is made of.
const (
	keyPolicy         = "cleanup.policy"
	keyTimestampType  = "message.timestamp.type"
	keyRetention      = "retention.ms"
	keyRetentionBytes = "retention.bytes"
)

// Topics describes the named topics, or without names all that we may see
// (a missing DESCRIBE right hides topics without an error). A topic that does
// not exist or may not be seen is in the result with its Err. Config.Known is
// false where DESCRIBE_CONFIGS is missing or asking failed.
func (c *Cluster) Topics(ctx context.Context, names ...string) (map[string]topic.Topic, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	if len(names) == 0 {
		names = nil
	} else {
		names = slices.Compact(slices.Sorted(slices.Values(names)))
	}
	meta, err := c.loadMetadata(ctx, names)
	if err != nil {
		return nil, err
	}
	out := make(map[string]topic.Topic, len(meta))
	var describe []string
	for name, m := range meta {
		out[name] = topic.Topic{Name: name, ID: m.id, Internal: m.internal, Partitions: m.numbers(), Err: m.err}
		if m.err == nil {
			describe = append(describe, name)
		}
	}
	slices.Sort(describe)
	for group := range slices.Chunk(describe, configBatch) {
		configs, err := c.configs(ctx, group)
		if err != nil {
			// The topics are known and their configuration is not: that is an
			// answer (Known false), unless the caller gave up.
			if ctxErr := context.Cause(ctx); ctxErr != nil && !errors.Is(ctxErr, context.DeadlineExceeded) {
				return nil, err
			}
			continue
		}
		for name, cfg := range configs {
			t := out[name]
			t.Config = cfg
			out[name] = t
		}
	}
	return out, nil
}

// configs asks any broker for the configuration of topics; those that we may
// not read are left out.
func (c *Cluster) configs(ctx context.Context, names []string) (map[string]topic.Config, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, name := range names {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType = kmsg.ConfigResourceTypeTopic
		r.ResourceName = name
		r.ConfigNames = []string{keyPolicy, keyTimestampType, keyRetention, keyRetentionBytes}
		req.Resources = append(req.Resources, r)
	}
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return nil, err
	}
	out := make(map[string]topic.Config, len(names))
	for _, r := range resp.Resources {
		if kerr.ErrorForCode(r.ErrorCode) != nil {
			continue
		}
		values := make(map[string]string, len(r.Configs))
		for _, kv := range r.Configs {
			if kv.Value != nil {
				values[kv.Name] = *kv.Value
			}
		}
		if cfg, ok := topicConfig(values); ok {
			out[r.ResourceName] = cfg
		}
	}
	return out, nil
}

// topicConfig reads the keys; ok is false when one that judgements rest on is
// missing or is no number.
func topicConfig(values map[string]string) (topic.Config, bool) {
	policy, okPolicy := values[keyPolicy]
	stamp, okStamp := values[keyTimestampType]
	ms, errMS := strconv.ParseInt(values[keyRetention], 10, 64)
	size, errSize := strconv.ParseInt(values[keyRetentionBytes], 10, 64)
	if !okPolicy || !okStamp || errMS != nil || errSize != nil {
		return topic.Config{}, false
	}
	cfg := topic.Config{
		Known: true, AppendTime: stamp == "LogAppendTime",
		Retention: -1, RetentionBytes: size,
	}
	for p := range strings.SplitSeq(policy, ",") {
		if strings.TrimSpace(p) == "compact" {
			cfg.Compacted = true
		}
	}
	// Values that a Duration cannot hold (292 years) are unlimited as well;
	// Long.MAX_VALUE is what some people write for it.
	if ms >= 0 && ms <= int64(1<<63-1)/int64(time.Millisecond) {
		cfg.Retention = time.Duration(ms) * time.Millisecond
	}
	return cfg, true
}
