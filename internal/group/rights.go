package group

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Grant is what we may do with one group or topic.
type Grant struct {
	// Known is false when the broker does not say; then nothing may be
	// concluded from Operations.
	Known bool
	// Operations in Kafka's words, sorted ("DELETE", "DESCRIBE", "READ").
	Operations []string
	// Err says why it is not known.
	Err error
}

// May reports whether an operation is allowed, and whether that is known.
func (g Grant) May(operation string) (allowed, known bool) {
	return slices.Contains(g.Operations, operation), g.Known
}

// Rights are the grants on groups and topics, by name.
type Rights struct {
	Groups map[string]Grant
	Topics map[string]Grant
}

// Rights tells what we may do with the groups and the topics, from the
// authorized operations that brokers report (KIP-430, from 2.3). Committing
// needs READ on group and topic, removing positions DELETE on the group and
// READ on the topic, removing the group DELETE on it. A topic or group that
// does not exist yet may be unknown. The error is that of ctx or of a cluster
// that does not answer.
func (c *Client) Rights(ctx context.Context, names, topics []string) (Rights, error) {
	rights := Rights{Groups: make(map[string]Grant, len(names)), Topics: make(map[string]Grant, len(topics))}
	groups, err := c.Describe(ctx, names)
	if err != nil {
		return rights, err
	}
	for name, g := range groups {
		rights.Groups[name] = grant(g.Operations, g.Err)
	}
	if len(topics) == 0 {
		return rights, nil
	}
	brokers, err := c.brokers(ctx)
	if err != nil {
		return rights, fmt.Errorf("reading rights on cluster %s: %w", c.conn.Name(), err)
	}
	for batch := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(topics))), c.batch) {
		answers, err := c.topicAnswers(ctx, brokers, batch)
		if err != nil {
			return rights, fmt.Errorf("reading rights on topics of cluster %s: %w", c.conn.Name(), err)
		}
		for _, name := range batch {
			rights.Topics[name] = grant(nil, errors.New("the answer leaves the topic out"))
			if a, ok := answers[name]; ok {
				rights.Topics[name] = grant(a.operations, a.err)
			}
		}
	}
	return rights, nil
}

// grant judges what a broker says. A refusal to describe is known to be no
// right at all: each of the others includes DESCRIBE.
func grant(ops []string, err error) Grant {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed):
		return Grant{Known: true, Operations: []string{}}
	case err != nil:
		return Grant{Err: err}
	case ops == nil:
		return Grant{Err: errors.New("the broker does not tell authorized operations")}
	}
	return Grant{Known: true, Operations: ops}
}

// topicAnswer is what a broker says of one topic by name.
type topicAnswer struct {
	operations []string
	err        error
}

func (c *Client) topicAnswers(ctx context.Context, from brokers, names []string) (map[string]topicAnswer, error) {
	resp, err := anyOf(ctx, from, func(ctx context.Context, node int32) (*kmsg.MetadataResponse, error) {
		req := kmsg.NewPtrMetadataRequest()
		req.AllowAutoTopicCreation, req.IncludeTopicAuthorizedOperations = false, true
		for _, name := range names {
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = new(name)
			req.Topics = append(req.Topics, t)
		}
		return ask[*kmsg.MetadataResponse](ctx, c, node, req)
	})
	if err != nil {
		return nil, err
	}
	answers := make(map[string]topicAnswer, len(resp.Topics))
	for i := range resp.Topics {
		t := &resp.Topics[i]
		a := topicAnswer{err: codeError(t.ErrorCode)}
		if a.err == nil && resp.Version >= 8 {
			a.operations = operations(t.AuthorizedOperations)
		}
		answers[text(t.Topic)] = a
	}
	return answers, nil
}
