package group

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Joinable reports whether members of a kind can join their groups on this
// cluster. For the protocols of KIP-848 and KIP-1071 every broker has to know
// the heartbeat of the protocol and have it switched on: one that has not
// answers also a description with UNSUPPORTED_VERSION, before it looks at rights
// or at the group (KafkaApis.handleConsumerGroupDescribe,
// handleStreamsGroupDescribe). Classic groups can always be joined; of share
// groups ShareReady tells. The error is that of ctx or of a cluster that does
// not answer.
func (c *Client) Joinable(ctx context.Context, kind Kind) (bool, error) {
	var heartbeat kmsg.Key
	var probe func(context.Context, int32) (int16, error)
	switch kind {
	case Consumer:
		heartbeat, probe = kmsg.ConsumerGroupHeartbeat, c.probeConsumer
	case Streams:
		heartbeat, probe = kmsg.StreamsGroupHeartbeat, c.probeStreams
	case Share:
		err := c.ShareReady(ctx)
		if errors.Is(err, ErrNoShare) {
			return false, nil
		}
		return err == nil, err
	case Classic, Unknown:
		return true, nil
	}
	all, err := c.brokers(ctx)
	if err != nil {
		return false, err
	}
	for _, b := range all {
		version, err := c.speaks(ctx, b.NodeID, heartbeat)
		if err != nil || version < 0 {
			return false, err
		}
	}
	code, err := anyOf(ctx, all, probe)
	return err == nil && code != kerr.UnsupportedVersion.Code, err
}

// nobody is a group that is asked about only for how the broker answers.
const nobody = "kferry-nobody"

func (c *Client) probeConsumer(ctx context.Context, node int32) (int16, error) {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{nobody}
	resp, err := ask[*kmsg.ConsumerGroupDescribeResponse](ctx, c, node, req)
	if err != nil || len(resp.Groups) == 0 {
		return 0, err
	}
	return resp.Groups[0].ErrorCode, nil
}

func (c *Client) probeStreams(ctx context.Context, node int32) (int16, error) {
	req := kmsg.NewPtrStreamsGroupDescribeRequest()
	req.Groups = []string{nobody}
	resp, err := ask[*kmsg.StreamsGroupDescribeResponse](ctx, c, node, req)
	if err != nil || len(resp.Groups) == 0 {
		return 0, err
	}
	return resp.Groups[0].ErrorCode, nil
}
