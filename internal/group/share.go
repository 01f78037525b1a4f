package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// Share groups (KIP-932) have no committed offsets. What they keep for each
// partition is a start offset, below which everything is done, and above it a
// state for each record, of which other clients are shown nothing but a count
// (KIP-1226, from 4.2). They have requests of their own, from 4.1 on.

const (
	altering   = "setting start offsets"
	forgetting = "removing start offsets"
)

// noStart is the start offset of a partition that has none yet: the first
// fetch begins where share.auto.offset.reset of the group says.
const noStart = -1

// shareFeature is what a cluster must have switched on for share groups.
const shareFeature = "share.version"

// shareReadings reads the start offsets of share groups as their positions,
// one request per coordinator.
func (c *Client) shareReadings(ctx context.Context, names []string) map[string]Reading {
	return c.gather(ctx, names, c.startOffsets)
}

// startOffsets asks one coordinator about its share groups
// (DescribeShareGroupOffsets, KIP-932).
func (c *Client) startOffsets(ctx context.Context, node int32, names []string) (map[string]Reading, map[string]error) {
	if err := c.knowsShare(ctx, node, kmsg.DescribeShareGroupOffsets); err != nil {
		return nil, each(names, err)
	}
	req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	for _, name := range names {
		g := kmsg.NewDescribeShareGroupOffsetsRequestGroup()
		g.GroupID, g.Topics = name, nil // nil asks for all
		req.Groups = append(req.Groups, g)
	}
	at := time.Now()
	resp, err := ask[*kmsg.DescribeShareGroupOffsetsResponse](ctx, c, node, req)
	if err != nil {
		return nil, each(names, err)
	}
	answers := make([]answered, len(resp.Groups))
	for i := range resp.Groups {
		g := &resp.Groups[i]
		answers[i] = answered{g.GroupID, g.ErrorCode, func(r *gathered) {
			r.Open = make(map[topic.Partition]int64)
			for _, t := range g.Topics {
				for j := range t.Partitions {
					r.start(g.GroupID, t.Topic, &t.Partitions[j])
				}
			}
		}}
	}
	return sift(at, names, answers)
}

// start takes one partition of an answer. The leader epoch in it is that of
// the last write of the state, not of a record, and is left out.
func (r *gathered) start(group, name string, p *kmsg.DescribeShareGroupOffsetsResponseGroupTopicPartition) {
	at := topic.Partition{Topic: name, Partition: p.Partition}
	switch err := codeError(p.ErrorCode); {
	case err != nil:
		r.fail(group, at, err)
	case name == "":
		r.fail(group, at, errors.New("the topic has no name in the answer"))
	case p.StartOffset == noStart:
	case p.StartOffset < 0:
		r.fail(group, at, fmt.Errorf("impossible start offset %d", p.StartOffset))
	default:
		r.Positions[at] = position.Position{Group: group, Partition: at, Offset: p.StartOffset, LeaderEpoch: -1}
		if p.Lag >= 0 {
			r.Open[at] = p.Lag
		}
	}
}

// knowsShare is nil when a broker knows a request of share groups.
func (c *Client) knowsShare(ctx context.Context, node int32, key kmsg.Key) error {
	version, err := c.speaks(ctx, node, key)
	if err == nil && version < 0 {
		err = fmt.Errorf("%w: broker %d does not know %s", ErrNoShare, node, key.Name())
	}
	return err
}

// ShareReady is nil when start offsets of share groups can be set on this
// cluster: every broker knows the request, and the feature is switched on as
// far as the brokers tell (finalized features, KIP-584). Otherwise the error is
// of kind ErrNoShare, or that of a cluster that does not answer.
func (c *Client) ShareReady(ctx context.Context) error {
	all, err := c.brokers(ctx)
	if err != nil {
		return err
	}
	for _, b := range all {
		if err := c.knowsShare(ctx, b.NodeID, kmsg.AlterShareGroupOffsets); err != nil {
			return err
		}
	}
	level, err := anyOf(ctx, all, c.shareLevel)
	if err == nil && level == 0 {
		err = fmt.Errorf("%w: they are switched off (feature %s)", ErrNoShare, shareFeature)
	}
	return err
}

// shareLevel is the level of the feature that a broker reports, -1 when it
// does not know the feature by name.
func (c *Client) shareLevel(ctx context.Context, node int32) (int16, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "kferry", "unknown"
	resp, err := ask[*kmsg.ApiVersionsResponse](ctx, c, node, req)
	if err != nil {
		return -1, err
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == shareFeature {
			return f.MaxVersionLevel, nil
		}
	}
	for _, f := range resp.SupportedFeatures {
		if f.Name == shareFeature {
			return 0, nil
		}
	}
	return -1, nil
}

// CommitShare sets start offsets of a share group with one request
// (AlterShareGroupOffsets, KIP-932). The broker makes the group if there is
// none, and refuses one that has members. What the group has acknowledged above
// its old start offsets is forgotten for the partitions that are set. Map and
// error are as with Commit; besides, ErrNoShare where the brokers do not know
// share groups, and ErrAbsent where a group of another kind has the name:
// nothing is stored then. Positions with metadata are ErrInput, because there
// is no place for it.
func (c *Client) CommitShare(ctx context.Context, group string, ps []position.Position) (map[topic.Partition]error, error) {
	err := checkPositions(group, ps)
	for _, p := range ps {
		if err == nil && p.Metadata != "" {
			err = fmt.Errorf("%w: a share group keeps no metadata, and the position of %s has some", ErrInput, p.Partition)
		}
	}
	if err != nil {
		return nil, c.wrap(altering, group, err)
	}
	starts := make(map[topic.Partition]int64, len(ps))
	for _, p := range ps {
		starts[p.Partition] = p.Offset
	}
	return c.alterShare(ctx, altering, group, starts)
}

// ForgetShare removes the start offsets of a share group on some partitions, so
// that the group begins there as one that was never there. It sends the start
// offset that stands for none: DeleteShareGroupOffsets can only remove a topic
// as a whole. Map and error are as with CommitShare; a broker would make a
// group that does not exist.
func (c *Client) ForgetShare(ctx context.Context, group string, parts []topic.Partition) (map[topic.Partition]error, error) {
	starts := make(map[topic.Partition]int64, len(parts))
	for _, p := range parts {
		starts[p] = noStart
	}
	return c.alterShare(ctx, forgetting, group, starts)
}

func (c *Client) alterShare(ctx context.Context, op, group string, starts map[topic.Partition]int64) (map[topic.Partition]error, error) {
	parts := slices.SortedFunc(maps.Keys(starts), topic.Compare)
	if len(parts) == 0 {
		return map[topic.Partition]error{}, nil
	}
	node, err := c.coordinator(ctx, group)
	if err == nil {
		err = c.knowsShare(ctx, node, kmsg.AlterShareGroupOffsets)
	}
	if err != nil {
		err = kindError(err, group, "DESCRIBE")
		return everyPart(parts, err), c.wrap(op, group, err)
	}
	resp, err := c.send(ctx, write{
		group:    group,
		request:  func() kmsg.Request { return alterRequest(group, parts, starts) },
		harmless: func() kmsg.Request { return kmsg.NewPtrAlterShareGroupOffsetsRequest() },
		judge:    func(r kmsg.Response) verdict { return judgeCodes(slices.Collect(maps.Values(alterCodes(r, parts)))) },
	})
	if err != nil {
		return everyPart(parts, err), c.wrap(op, group, err)
	}
	return c.outcome(ctx, op, group, parts, alterCodes(resp, parts))
}

func alterRequest(group string, parts []topic.Partition, starts map[topic.Partition]int64) *kmsg.AlterShareGroupOffsetsRequest {
	req := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	req.GroupID = group
	for _, p := range parts {
		n := len(req.Topics)
		if n == 0 || req.Topics[n-1].Topic != p.Topic {
			t := kmsg.NewAlterShareGroupOffsetsRequestTopic()
			t.Topic = p.Topic
			req.Topics = append(req.Topics, t)
			n++
		}
		rp := kmsg.NewAlterShareGroupOffsetsRequestTopicPartition()
		rp.Partition, rp.StartOffset = p.Partition, starts[p]
		req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, rp)
	}
	return req
}

// alterCodes are the codes per partition; one for the whole request is that of
// each of them.
func alterCodes(r kmsg.Response, parts []topic.Partition) map[topic.Partition]int16 {
	codes := make(map[topic.Partition]int16, len(parts))
	resp, ok := r.(*kmsg.AlterShareGroupOffsetsResponse)
	if !ok {
		return codes
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			codes[topic.Partition{Topic: t.Topic, Partition: p.Partition}] = p.ErrorCode
		}
	}
	if resp.ErrorCode != 0 {
		for _, p := range parts {
			codes[p] = resp.ErrorCode
		}
	}
	return codes
}

// shareHint says what would help where the brokers do not know share groups.
func shareHint(err error) string {
	switch {
	case errors.Is(err, ErrNoShare):
		return "share groups need Apache Kafka 4.1 or newer; where it is, kafka-features upgrade --feature share.version=1 switches them on"
	case errors.Is(err, kerr.GroupIDNotFound):
		return "a group of another kind has this name: delete it first, or choose another name"
	}
	return ""
}
