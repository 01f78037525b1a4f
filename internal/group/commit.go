package group

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

const (
	committing = "committing offsets"
	deleting   = "deleting"
	deletingOf = "deleting offsets"
)

// Commit stores positions in a group with one OffsetCommit request, as an
// administrator does: generation -1, no member, leader epoch -1 whatever the
// positions say (an epoch of another cluster stalls consumers), metadata byte
// for byte.
//
// The map has an entry for every partition: nil when its position is stored,
// else why it is not. The error is about the request as a whole:
//   - nil: the broker answered and stored at least one position; look at the map.
//   - ErrUnanswered: some or all positions may be stored or not; entries of
//     which that is so are errors of that kind. Never sent a second time.
//   - anything else: nothing is stored. ErrActive when the group has members,
//     ErrAuth when a right is missing, ErrInput when nothing was sent.
//
// While the coordinator moves or loads its groups, Commit asks again, for up to
// the request time-out in all.
func (c *Client) Commit(ctx context.Context, group string, ps []position.Position) (map[topic.Partition]error, error) {
	return c.commit(ctx, ps, write{
		group: group, max: maxOffsetCommit,
		request: func() kmsg.Request { return commitRequest(group, ps) },
	})
}

// commit sends an OffsetCommit of either kind.
func (c *Client) commit(ctx context.Context, ps []position.Position, w write) (map[topic.Partition]error, error) {
	group := w.group
	if len(ps) == 0 {
		return map[topic.Partition]error{}, nil
	}
	if err := checkPositions(group, ps); err != nil {
		return nil, c.wrap(committing, group, err)
	}
	parts := make([]topic.Partition, 0, len(ps))
	for _, p := range ps {
		parts = append(parts, p.Partition)
	}
	w.harmless = func() kmsg.Request { return kmsg.NewPtrOffsetCommitRequest() }
	w.judge = func(r kmsg.Response) verdict {
		codes := make([]int16, 0, len(ps))
		for _, code := range commitCodes(r) {
			codes = append(codes, code)
		}
		return judgeCodes(codes)
	}
	resp, err := c.send(ctx, w)
	if err != nil {
		return everyPart(parts, err), c.wrap(committing, group, err)
	}
	return c.outcome(ctx, committing, group, parts, commitCodes(resp))
}

func checkPositions(group string, ps []position.Position) error {
	seen := make(map[topic.Partition]bool, len(ps))
	for _, p := range ps {
		switch {
		case p.Offset < 0:
			return fmt.Errorf("%w: offset %d for %s", ErrInput, p.Offset, p.Partition)
		case p.Group != "" && p.Group != group:
			return fmt.Errorf("%w: the position of %s belongs to group %q", ErrInput, p.Partition, p.Group)
		case seen[p.Partition]:
			return fmt.Errorf("%w: two positions for %s", ErrInput, p.Partition)
		}
		seen[p.Partition] = true
	}
	return nil
}

func commitRequest(group string, ps []position.Position) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = group, -1, "", nil
	ps = slices.SortedFunc(slices.Values(ps), func(a, b position.Position) int { return topic.Compare(a.Partition, b.Partition) })
	for _, p := range ps {
		n := len(req.Topics)
		if n == 0 || req.Topics[n-1].Topic != p.Partition.Topic {
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic = p.Partition.Topic
			req.Topics = append(req.Topics, t)
			n++
		}
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = p.Partition.Partition, p.Offset, -1, &p.Metadata
		req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, rp)
	}
	return req
}

func commitCodes(r kmsg.Response) map[topic.Partition]int16 {
	codes := make(map[topic.Partition]int16)
	resp, ok := r.(*kmsg.OffsetCommitResponse)
	if !ok {
		return codes
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			codes[topic.Partition{Topic: t.Topic, Partition: p.Partition}] = p.ErrorCode
		}
	}
	return codes
}

// DeleteOffsets removes the positions of a group on some partitions
// (OffsetDelete, KIP-496, brokers from 2.4). Map and error are as with Commit;
// a partition of which there is no position counts as removed. ErrAbsent when
// there is no such group; ErrActive for topics that consumers subscribe to.
func (c *Client) DeleteOffsets(ctx context.Context, group string, parts []topic.Partition) (map[topic.Partition]error, error) {
	if len(parts) == 0 {
		return map[topic.Partition]error{}, nil
	}
	parts = slices.Compact(slices.SortedFunc(slices.Values(parts), topic.Compare))
	resp, err := c.send(ctx, write{
		group:    group,
		request:  func() kmsg.Request { return deleteRequest(group, parts) },
		harmless: func() kmsg.Request { return kmsg.NewPtrOffsetDeleteRequest() },
		judge: func(r kmsg.Response) verdict {
			return judgeCodes(deleteCodes(r, parts))
		},
	})
	if err != nil {
		return everyPart(parts, err), c.wrap(deletingOf, group, err)
	}
	codes := make(map[topic.Partition]int16, len(parts))
	for i, code := range deleteCodes(resp, parts) {
		codes[parts[i]] = code
	}
	return c.outcome(ctx, deletingOf, group, parts, codes)
}

func deleteRequest(group string, parts []topic.Partition) *kmsg.OffsetDeleteRequest {
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = group
	for _, p := range parts {
		n := len(req.Topics)
		if n == 0 || req.Topics[n-1].Topic != p.Topic {
			t := kmsg.NewOffsetDeleteRequestTopic()
			t.Topic = p.Topic
			req.Topics = append(req.Topics, t)
			n++
		}
		rp := kmsg.NewOffsetDeleteRequestTopicPartition()
		rp.Partition = p.Partition
		req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, rp)
	}
	return req
}

// missingCode stands for a partition that the answer leaves out: nothing is
// known of it.
const missingCode int16 = -1 // UNKNOWN_SERVER_ERROR

// deleteCodes are the codes in the order of parts.
func deleteCodes(r kmsg.Response, parts []topic.Partition) []int16 {
	codes := make([]int16, len(parts))
	resp, ok := r.(*kmsg.OffsetDeleteResponse)
	got := make(map[topic.Partition]int16)
	if ok {
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				got[topic.Partition{Topic: t.Topic, Partition: p.Partition}] = p.ErrorCode
			}
		}
	}
	for i, p := range parts {
		code, answered := got[p]
		switch {
		case ok && resp.ErrorCode != 0:
			codes[i] = resp.ErrorCode
		case !answered:
			codes[i] = missingCode
		default:
			codes[i] = code
		}
	}
	return codes
}

// DeleteGroup removes a group with all its positions (DeleteGroups, KIP-229).
// ErrAbsent when there is none, ErrActive when it has members, ErrAuth,
// ErrUnanswered as with Commit.
func (c *Client) DeleteGroup(ctx context.Context, group string) error {
	codeOf := func(r kmsg.Response) int16 {
		if resp, ok := r.(*kmsg.DeleteGroupsResponse); ok {
			for _, g := range resp.Groups {
				if g.Group == group {
					return g.ErrorCode
				}
			}
		}
		return missingCode
	}
	request := func(names ...string) func() kmsg.Request {
		return func() kmsg.Request {
			req := kmsg.NewPtrDeleteGroupsRequest()
			req.Groups = names
			return req
		}
	}
	resp, err := c.send(ctx, write{
		group: group, max: maxDeleteGroups, request: request(group), harmless: request(),
		judge: func(r kmsg.Response) verdict { return judgeCodes([]int16{codeOf(r)}) },
	})
	if err == nil {
		err = kindError(openError(group, codeError(codeOf(resp))), group, "DELETE")
	}
	return c.wrap(deleting, group, c.withMembers(ctx, err))
}

// outcome turns codes into the answer of a write on partitions.
func (c *Client) outcome(ctx context.Context, op, group string, parts []topic.Partition, codes map[topic.Partition]int16) (map[topic.Partition]error, error) {
	right := "READ"
	if op == deletingOf {
		right = "DELETE"
	}
	out := make(map[topic.Partition]error, len(parts))
	var first, active, auth, open error
	done := 0
	for _, p := range parts {
		code, answered := codes[p]
		if !answered {
			code = missingCode
		}
		err := partError(group, right, p, openError(group, codeError(code)))
		out[p] = err
		switch {
		case err == nil:
			done++
			continue
		case errors.Is(err, ErrUnanswered):
			open = firstOf(open, err)
		case errors.Is(err, ErrActive):
			active = firstOf(active, err)
		case errors.Is(err, ErrAuth):
			auth = firstOf(auth, err)
		}
		first = firstOf(first, err)
	}
	switch {
	case open != nil:
		return out, c.wrap(op, group, open)
	case done > 0 || first == nil:
		return out, nil
	case active != nil:
		return out, c.wrap(op, group, c.withMembers(ctx, active))
	}
	return out, c.wrap(op, group, firstOf(auth, first))
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// openError marks codes that leave open whether the write was done.
func openError(group string, err error) error {
	if err != nil && isOpen(err) {
		return &UnansweredError{Group: group, Err: err}
	}
	return err
}

// partError gives a partition's error its kind.
func partError(group, right string, p topic.Partition, err error) error {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return &AuthError{Right: "READ", Resource: "topic", Name: p.Topic, Err: err}
	case errors.Is(err, kerr.GroupSubscribedToTopic):
		return &ActiveError{Group: group, Topic: p.Topic, Err: err}
	}
	return kindError(err, group, right)
}

func everyPart(parts []topic.Partition, err error) map[topic.Partition]error {
	out := make(map[topic.Partition]error, len(parts))
	for _, p := range parts {
		out[p] = err
	}
	return out
}

// withMembers completes an ActiveError with who is there; whether that
// succeeds changes nothing about the refusal.
func (c *Client) withMembers(ctx context.Context, err error) error {
	var active *ActiveError
	if !errors.As(err, &active) {
		return err
	}
	const short = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, min(short, c.timeout))
	defer cancel()
	groups, derr := c.Describe(ctx, []string{active.Group})
	if derr == nil {
		active.Members = groups[active.Group].Members
	}
	return err
}

func (c *Client) wrap(op, group string, err error) error {
	if err == nil {
		return nil
	}
	h := hint(err)
	if op == altering || op == forgetting {
		h = cmp.Or(shareHint(err), h)
	}
	return &Error{Op: op, Cluster: c.conn.Name(), Group: group, Err: err, Hint: h}
}

// hint says what would help.
func hint(err error) string {
	var auth *AuthError
	switch {
	case errors.As(err, &auth):
		return fmt.Sprintf("grant %s on %s %s", auth.Right, auth.Resource, auth.Name)
	case errors.Is(err, ErrActive):
		return "stop the consumers of the group first; static members stay until their session time-out"
	case errors.Is(err, ErrUnanswered):
		return "read the group again before doing anything else"
	case errors.Is(err, ErrNoKeep):
		return "commit without a time, and see to it that consumers start before the brokers forget the positions"
	case errors.Is(err, kerr.OffsetMetadataTooLarge):
		return "the broker's offset.metadata.max.bytes is below the length of the metadata"
	case errors.Is(err, kerr.GroupIDNotFound):
		return "the group is a share group, which keeps start offsets and no committed ones"
	}
	return ""
}
