package group

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/topic"
)

const describing = "describing"

// Describe tells kind, state, members and our rights of each named group, in
// one request per coordinator and protocol. What fails for one group is in its
// Err; a group that does not exist is Absent. The error is that of ctx.
func (c *Client) Describe(ctx context.Context, names []string) (map[string]Group, error) {
	found := make(map[string]Group, len(names))
	var mu sync.Mutex
	failed := c.spread(ctx, names, func(ctx context.Context, node int32, names []string) map[string]error {
		groups, errs := c.describeOn(ctx, node, names)
		mu.Lock()
		defer mu.Unlock()
		for _, g := range groups {
			found[g.Name] = g
		}
		return errs
	})
	for name, err := range failed {
		g := Group{Name: name, Kind: Unknown, Coordinator: -1}
		g.Err = &Error{Op: describing, Cluster: c.conn.Name(), Group: name, Err: err}
		found[name] = g
	}
	return found, ctx.Err()
}

// describeOn asks one coordinator. Each protocol's own request answers for
// groups of another one as if they did not exist, so what one does not know
// goes on to the next: KIP-848 first, then classic, then the rare ones.
func (c *Client) describeOn(ctx context.Context, node int32, names []string) ([]Group, map[string]error) {
	d := &description{client: c, node: node, left: names, errs: make(map[string]error), rights: make(map[string][]string)}
	for _, step := range []func(context.Context) error{d.consumer, d.classic, d.share, d.streams} {
		if len(d.left) == 0 {
			break
		}
		if err := step(ctx); err != nil {
			for _, name := range d.left {
				d.errs[name] = err
			}
			return d.groups, d.errs
		}
	}
	for _, name := range d.left {
		d.add(Group{Name: name, Kind: Unknown, State: Absent, Operations: d.rights[name]})
	}
	return d.groups, d.errs
}

// description gathers what one coordinator says; left are the groups that
// nobody has known so far.
type description struct {
	client *Client
	node   int32
	left   []string
	groups []Group
	errs   map[string]error
	// rights on groups that the classic protocol did not know: it tells them
	// also for groups that do not exist.
	rights map[string][]string
}

func (d *description) add(g Group) {
	g.Coordinator = d.node
	slices.SortFunc(g.Members, compareMembers)
	d.groups = append(d.groups, g)
}

// judge handles a group's code: true when the group is described.
func (d *description) judge(name string, code int16) (described, unknown bool) {
	err := codeError(code)
	switch {
	case err == nil:
		return true, false
	case errors.Is(err, kerr.GroupIDNotFound), errors.Is(err, kerr.UnsupportedVersion):
		// The second is a protocol that the broker speaks and has switched off.
		return false, true
	}
	d.errs[name] = kindError(err, name, "DESCRIBE")
	return false, false
}

// pass asks with one protocol's request, where the broker knows it, and keeps
// in left what the answer does not settle. It is given each group's answer
// through settle, which reports whether the group is unknown there.
func (d *description) pass(ctx context.Context, key kmsg.Key, request func(context.Context) (settled map[string]bool, err error)) error {
	version, err := d.client.speaks(ctx, d.node, key)
	if err != nil {
		return err
	}
	if version < 0 {
		return nil
	}
	settled, err := request(ctx)
	if err != nil {
		return err
	}
	d.left = slices.DeleteFunc(slices.Clone(d.left), func(name string) bool { return settled[name] })
	return nil
}

func (d *description) consumer(ctx context.Context) error {
	return d.pass(ctx, kmsg.ConsumerGroupDescribe, func(ctx context.Context) (map[string]bool, error) {
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Groups, req.IncludeAuthorizedOperations = d.left, true
		resp, err := ask[*kmsg.ConsumerGroupDescribeResponse](ctx, d.client, d.node, req)
		if err != nil {
			return nil, err
		}
		settled := make(map[string]bool, len(resp.Groups))
		for i := range resp.Groups {
			g := &resp.Groups[i]
			described, unknown := d.judge(g.Group, g.ErrorCode)
			settled[g.Group] = !unknown
			if !described {
				continue
			}
			members := make([]Member, 0, len(g.Members))
			for j := range g.Members {
				m := &g.Members[j]
				members = append(members, Member{
					ID: m.MemberID, InstanceID: text(m.InstanceID), ClientID: m.ClientID, Host: m.ClientHost,
					Assigned: assigned(m.Assignment),
				})
			}
			d.add(Group{
				Name: g.Group, Kind: Consumer, State: State(g.State), Protocol: g.AssignorName,
				Members: members, Operations: operations(g.AuthorizedOperations),
			})
		}
		return settled, nil
	})
}

func (d *description) classic(ctx context.Context) error {
	return d.pass(ctx, kmsg.DescribeGroups, func(ctx context.Context) (map[string]bool, error) {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups, req.IncludeAuthorizedOperations = d.left, true
		resp, err := ask[*kmsg.DescribeGroupsResponse](ctx, d.client, d.node, &capped{Request: req, max: maxDescribeGroups})
		if err != nil {
			return nil, err
		}
		settled := make(map[string]bool, len(resp.Groups))
		for i := range resp.Groups {
			g := &resp.Groups[i]
			described, unknown := d.judge(g.Group, g.ErrorCode)
			settled[g.Group] = !unknown
			if !described {
				continue
			}
			// A group that is not there is Dead without a code; one that is
			// there is never Dead to a description (GroupCoordinator).
			if State(g.State) == Dead && len(g.Members) == 0 {
				d.rights[g.Group] = operations(g.AuthorizedOperations)
				settled[g.Group] = false
				continue
			}
			d.add(classicGroup(g))
		}
		return settled, nil
	})
}

func classicGroup(g *kmsg.DescribeGroupsResponseGroup) Group {
	out := Group{
		Name: g.Group, Kind: Classic, State: State(g.State), Protocol: g.ProtocolType,
		Operations: operations(g.AuthorizedOperations),
	}
	isConsumer := g.ProtocolType == consumerProtocol
	if isConsumer && g.Protocol != "" {
		out.Protocol = g.Protocol
	}
	for i := range g.Members {
		m := &g.Members[i]
		member := Member{ID: m.MemberID, InstanceID: text(m.InstanceID), ClientID: m.ClientID, Host: m.ClientHost}
		if isConsumer {
			member.Assigned = decodeAssignment(m.MemberAssignment)
		}
		out.Members = append(out.Members, member)
	}
	return out
}

func (d *description) share(ctx context.Context) error {
	return d.pass(ctx, kmsg.ShareGroupDescribe, func(ctx context.Context) (map[string]bool, error) {
		req := kmsg.NewPtrShareGroupDescribeRequest()
		req.GroupIDs, req.IncludeAuthorizedOperations = d.left, true
		resp, err := ask[*kmsg.ShareGroupDescribeResponse](ctx, d.client, d.node, req)
		if err != nil {
			return nil, err
		}
		settled := make(map[string]bool, len(resp.Groups))
		for i := range resp.Groups {
			g := &resp.Groups[i]
			described, unknown := d.judge(g.GroupID, g.ErrorCode)
			settled[g.GroupID] = !unknown
			if !described {
				continue
			}
			members := make([]Member, 0, len(g.Members))
			for j := range g.Members {
				m := &g.Members[j]
				members = append(members, Member{ID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost})
			}
			d.add(Group{
				Name: g.GroupID, Kind: Share, State: State(g.GroupState), Protocol: g.Assignor,
				Members: members, Operations: operations(g.AuthorizedOperations),
			})
		}
		return settled, nil
	})
}

func (d *description) streams(ctx context.Context) error {
	return d.pass(ctx, kmsg.StreamsGroupDescribe, func(ctx context.Context) (map[string]bool, error) {
		req := kmsg.NewPtrStreamsGroupDescribeRequest()
		req.Groups, req.IncludeAuthorizedOperations = d.left, true
		resp, err := ask[*kmsg.StreamsGroupDescribeResponse](ctx, d.client, d.node, req)
		if err != nil {
			return nil, err
		}
		settled := make(map[string]bool, len(resp.Groups))
		for i := range resp.Groups {
			g := &resp.Groups[i]
			described, unknown := d.judge(g.Group, g.ErrorCode)
			settled[g.Group] = !unknown
			if !described {
				continue
			}
			members := make([]Member, 0, len(g.Members))
			for j := range g.Members {
				m := &g.Members[j]
				members = append(members, Member{ID: m.MemberID, InstanceID: text(m.InstanceID), ClientID: m.ClientID, Host: m.ClientHost})
			}
			d.add(Group{
				Name: g.Group, Kind: Streams, State: State(g.State), Internal: internalTopics(g.Topology),
				Members: members, Operations: operations(g.AuthorizedOperations),
			})
		}
		return settled, nil
	})
}

// internalTopics lists the topics that an application of Kafka Streams makes
// for itself. The coordinator keeps the topology of a group that is Empty.
func internalTopics(t *kmsg.StreamsGroupDescribeResponseGroupTopology) []string {
	if t == nil {
		return nil
	}
	var names []string
	for i := range t.Subtopologies {
		s := &t.Subtopologies[i]
		names = append(names, s.RepartitionSinkTopics...)
		for _, info := range slices.Concat(s.StateChangelogTopics, s.RepartitionSourceTopics) {
			names = append(names, info.Topic)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// assigned lists the partitions of a KIP-848 assignment. One without a topic
// name says nothing to anybody and is left out.
func assigned(a kmsg.Assignment) []topic.Partition {
	var ps []topic.Partition
	for _, t := range a.TopicPartitions {
		for _, p := range t.Partitions {
			if t.Topic != "" {
				ps = append(ps, topic.Partition{Topic: t.Topic, Partition: p})
			}
		}
	}
	slices.SortFunc(ps, topic.Compare)
	return ps
}
