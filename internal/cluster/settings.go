package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The settings of brokers that are looked at (KafkaConfig, GroupCoordinatorConfig).
const (
	keyOffsetsRetention   = "offsets.retention.minutes"
	keyMaxSession         = "group.max.session.timeout.ms"
	keyMaxConsumerSession = "group.consumer.max.session.timeout.ms"
)

const (
	// settingsPause lies between two tries when the settings could not be read.
	settingsPause = 30 * time.Second
	// settingsShort bounds a look that nobody waits for.
	settingsShort = 3 * time.Second
)

// settings keeps what a broker said of its configuration.
type settings struct {
	mu     sync.Mutex
	values map[string]string // nil until a broker has answered
	again  time.Time         // a broker that does not tell is not asked before
	silent time.Time         // nor one that does not answer, where nobody waits
}

// OffsetsRetention is how long the brokers keep committed offsets when a commit
// names no time of its own (offsets.retention.minutes; of a group without
// members, counted as KIP-211 says). known is false when DESCRIBE_CONFIGS on the
// cluster is missing, or when the brokers do not tell: then there is no error.
// The answer is that of one broker, and is kept. The error is that of a cluster
// that does not answer, or of ctx.
func (c *Cluster) OffsetsRetention(ctx context.Context) (keep time.Duration, known bool, err error) {
	values, err := c.brokerSettings(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("asking a broker of cluster %q for its settings: %w", c.Name(), err)
	}
	keep, known = durationOf(values[keyOffsetsRetention], time.Minute)
	return keep, known, nil
}

// LongestSession is how long a member may stay silent at most before it is put
// out of its group: of the classic protocol (group.max.session.timeout.ms), or
// of that of KIP-848 (group.consumer.max.session.timeout.ms, which bounds what a
// group may be configured to). known is false when the brokers do not tell. It
// takes a few seconds at most, and none once a broker has answered.
func (c *Cluster) LongestSession(consumerProtocol bool) (longest time.Duration, known bool) {
	s := &c.settings
	s.mu.Lock()
	silent := time.Now().Before(s.silent)
	s.mu.Unlock()
	if silent {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), settingsShort)
	defer cancel()
	values, err := c.brokerSettings(ctx)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.silent = time.Now().Add(settingsPause)
		return 0, false
	}
	key := keyMaxSession
	if consumerProtocol {
		key = keyMaxConsumerSession
	}
	return durationOf(values[key], time.Millisecond)
}

// durationOf reads a number of units; false for what is none, and for what a
// Duration cannot hold.
func durationOf(text string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/int64(unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// brokerSettings asks a broker once; what it may not tell is an empty answer.
func (c *Cluster) brokerSettings(ctx context.Context) (map[string]string, error) {
	s := &c.settings
	s.mu.Lock()
	values, wait := s.values, time.Now().Before(s.again)
	s.mu.Unlock()
	if values != nil {
		return values, nil
	}
	if wait {
		return nil, nil
	}
	values, err := c.askSettings(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.values = values
	case errors.Is(err, errSettingsHidden):
		s.again = time.Now().Add(settingsPause)
		return nil, nil
	}
	return values, err
}

// errSettingsHidden: a broker has answered, and does not tell.
var errSettingsHidden = errors.New("the brokers do not tell their settings")

func (c *Cluster) askSettings(ctx context.Context) (map[string]string, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	if c.versions.Highest(kmsg.DescribeConfigs) < 0 {
		return nil, errSettingsHidden
	}
	meta, err := c.admin.BrokerMetadata(ctx)
	if err != nil {
		return nil, err
	}
	last := errSettingsHidden
	for _, b := range meta.Brokers {
		// A broker tells of itself only.
		values, err := c.settingsOf(ctx, b.NodeID)
		if err == nil || errors.Is(err, errSettingsHidden) || ctx.Err() != nil {
			return values, err
		}
		last = err // that broker may be gone
	}
	return nil, last
}

func (c *Cluster) settingsOf(ctx context.Context, node int32) (map[string]string, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(node))
	r.ConfigNames = []string{keyOffsetsRetention, keyMaxSession, keyMaxConsumerSession}
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(ctx, c.cl.Broker(int(node)))
	if err != nil {
		return nil, err
	}
	if len(resp.Resources) != 1 || kerr.ErrorForCode(resp.Resources[0].ErrorCode) != nil {
		return nil, errSettingsHidden
	}
	values := map[string]string{}
	for _, kv := range resp.Resources[0].Configs {
		if kv.Value != nil && !kv.IsSensitive {
			values[kv.Name] = *kv.Value
		}
	}
	return values, nil
}
