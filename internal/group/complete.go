package group

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokers are those that any question can be put to.
type brokers = kadm.BrokerDetails

// anyOf puts a question to one broker after the other until one answers.
func anyOf[R any](ctx context.Context, from brokers, question func(context.Context, int32) (R, error)) (R, error) {
	var none R
	var errs []error
	for _, b := range from {
		r, err := question(ctx, b.NodeID)
		if err == nil {
			return r, nil
		}
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		// A code is an answer, and that of all brokers.
		if _, answered := errors.AsType[*kerr.Error](err); answered {
			return none, err
		}
		errs = append(errs, fmt.Errorf("broker %d (%s:%d): %w", b.NodeID, b.Host, b.Port, err))
	}
	return none, errors.Join(errs...)
}

// listComplete judges whether ListGroups tells all groups. With DESCRIBE on the
// cluster it does; without, it leaves out each group that we have no DESCRIBE
// on, without a word (KafkaApis.handleListGroupsRequest). Without an authorizer
// the broker reports all operations.
func (c *Client) listComplete(ctx context.Context, from brokers) Completeness {
	const remedy = "DESCRIBE on the cluster, or on each group, would show them"
	ops, err := anyOf(ctx, from, c.clusterOperations)
	switch {
	case err != nil:
		return Completeness{Missing: []string{fmt.Sprintf("groups that may not be described, which cannot be told (%v); %s", err, remedy)}}
	case ops == nil:
		return Completeness{Missing: []string{"groups that may not be described, which the brokers do not tell; " + remedy}}
	case !slices.Contains(ops, "DESCRIBE"):
		return Completeness{Missing: []string{"groups that may not be described, if there are any; " + remedy}}
	}
	return Completeness{Known: true}
}

// clusterOperations asks a broker for our rights on the cluster; nil when it
// does not tell (before 2.3).
func (c *Client) clusterOperations(ctx context.Context, node int32) ([]string, error) {
	version, err := c.speaks(ctx, node, kmsg.DescribeCluster)
	if err != nil {
		return nil, err
	}
	if version >= 0 {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.IncludeClusterAuthorizedOperations = true
		resp, err := ask[*kmsg.DescribeClusterResponse](ctx, c, node, req)
		if err != nil {
			return nil, err
		}
		return operations(resp.ClusterAuthorizedOperations), codeError(resp.ErrorCode)
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none; nil would be all
	req.AllowAutoTopicCreation, req.IncludeClusterAuthorizedOperations = false, true
	resp, err := ask[*kmsg.MetadataResponse](ctx, c, node, &capped{Request: req, max: clusterOperations})
	if err != nil {
		return nil, err
	}
	if resp.Version < 8 {
		return nil, nil
	}
	return operations(resp.AuthorizedOperations), nil
}

// visible judges whether OffsetFetch tells all positions: it leaves out topics
// that we have no DESCRIBE on, without a word. The answer is kept once there
// is one; a cluster that does not answer is asked again the next time.
func (c *Client) visible(ctx context.Context) Completeness {
	c.mu.Lock()
	known := c.topics
	c.mu.Unlock()
	if known != nil {
		return Completeness{Known: known.Known, Missing: slices.Clone(known.Missing)}
	}
	complete, err := c.judgeVisible(ctx)
	if err != nil {
		return Completeness{Missing: []string{fmt.Sprintf("positions on topics that may not be described, which cannot be told: %v", err)}}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.topics = &complete
	return Completeness{Known: complete.Known, Missing: slices.Clone(complete.Missing)}
}

const topicRemedy = "DESCRIBE on all topics would show them"

// judgeVisible finds out whether any topic can be hidden from us. There is no
// request for that; what there is:
//   - no authorizer at all (SECURITY_DISABLED): nothing is hidden;
//   - a topic of a name that nobody can know: if we may not describe that,
//     others can be hidden as well;
//   - if we may, only a rule on single topics or prefixes can hide one. Each
//     rule that there is gets the same question. Reading the rules needs
//     DESCRIBE on the cluster, and without that it stays open.
func (c *Client) judgeVisible(ctx context.Context) (Completeness, error) {
	from, err := c.brokers(ctx)
	if err != nil {
		return Completeness{}, err
	}
	rules, rulesErr := anyOf(ctx, from, c.topicRules)
	if errors.Is(rulesErr, kerr.SecurityDisabled) {
		return Completeness{Known: true}, nil
	}
	if ctx.Err() != nil {
		return Completeness{}, ctx.Err()
	}
	unguessable := "kferry-" + rand.Text()
	for batch := range slices.Chunk(append([]string{unguessable}, rules...), c.batch) {
		answers, err := c.topicAnswers(ctx, from, batch)
		if err != nil {
			return Completeness{}, err
		}
		for _, name := range batch {
			if seen(answers, name) {
				continue
			}
			if name == unguessable {
				return Completeness{Missing: []string{"positions on topics that may not be described, if there are any; " + topicRemedy}}, nil
			}
			return Completeness{Missing: []string{fmt.Sprintf("positions on topics that a rule hides, such as %q; %s", name, topicRemedy)}}, nil
		}
	}
	if rulesErr != nil {
		return Completeness{Missing: []string{"positions on topics that a rule hides, if there is one: the rules cannot be read without DESCRIBE on the cluster"}}, nil
	}
	return Completeness{Known: true}, nil
}

// seen reports whether we may describe a topic, be it there or not.
func seen(answers map[string]topicAnswer, name string) bool {
	a, ok := answers[name]
	return ok && (a.err == nil || errors.Is(a.err, kerr.UnknownTopicOrPartition) || errors.Is(a.err, kerr.LeaderNotAvailable))
}

// topicRules reads for which topics there are rules of their own, as names to
// ask about: the topic itself, or one that starts with the prefix.
func (c *Client) topicRules(ctx context.Context, node int32) ([]string, error) {
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType = kmsg.ACLResourceTypeTopic
	req.ResourcePatternType = kmsg.ACLResourcePatternTypeAny
	req.Operation = kmsg.ACLOperationAny
	req.PermissionType = kmsg.ACLPermissionTypeAny
	resp, err := ask[*kmsg.DescribeACLsResponse](ctx, c, node, req)
	if err != nil {
		return nil, err
	}
	if err := codeError(resp.ErrorCode); err != nil {
		return nil, err
	}
	const longest = 249 // of a topic name
	var names []string
	for _, r := range resp.Resources {
		switch {
		case r.ResourceName == "*":
		case r.ResourcePatternType == kmsg.ACLResourcePatternTypePrefixed:
			name := r.ResourceName + "-" + rand.Text()
			names = append(names, name[:min(len(name), longest)])
		default:
			names = append(names, r.ResourceName)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
