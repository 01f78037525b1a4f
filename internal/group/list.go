package group

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// List names all groups that we may see, sorted, with kind and state as far as
// the brokers' ListGroups tells them (states from 2.6, KIP-518; kinds from
// 3.8) and the protocol type ("consumer", "connect") as Protocol. Members and
// Operations are not in it. When a broker does not answer, the groups of the
// others come back with the error, and Completeness says which are missing.
func (c *Client) List(ctx context.Context) ([]Group, Completeness, error) {
	brokers, err := c.brokers(ctx)
	if err != nil {
		return nil, Completeness{}, fmt.Errorf("listing groups on cluster %s: %w", c.conn.Name(), err)
	}
	complete := c.listComplete(ctx, brokers)
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		all  = make(map[string]Group)
		errs []error
	)
	for _, b := range brokers {
		wg.Go(func() {
			groups, err := c.listOn(ctx, b.NodeID)
			mu.Lock()
			defer mu.Unlock()
			for _, g := range groups {
				all[g.Name] = g
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("listing groups on broker %d (%s:%d) of cluster %s: %w", b.NodeID, b.Host, b.Port, c.conn.Name(), err))
				complete.Missing = append(complete.Missing, fmt.Sprintf("the groups of broker %d (%s:%d), which did not answer", b.NodeID, b.Host, b.Port))
			}
		})
	}
	wg.Wait()
	slices.Sort(complete.Missing)
	groups := make([]Group, 0, len(all))
	for _, g := range all {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
	return groups, complete, errors.Join(errs...)
}

// listOn lists the groups of one coordinator. While it loads them it refuses
// rather than tell a part, and is asked again.
func (c *Client) listOn(ctx context.Context, node int32) ([]Group, error) {
	for p := newPatience(c.timeout); ; {
		groups, err := c.listOnce(ctx, node)
		if err == nil || !transient(err) || !p.wait(ctx) {
			return groups, err
		}
	}
}

func (c *Client) listOnce(ctx context.Context, node int32) ([]Group, error) {
	newProtocols, err := c.speaks(ctx, node, kmsg.ConsumerGroupDescribe)
	if err != nil {
		return nil, err
	}
	resp, err := ask[*kmsg.ListGroupsResponse](ctx, c, node, kmsg.NewPtrListGroupsRequest())
	if err != nil {
		return nil, err
	}
	if err := codeError(resp.ErrorCode); err != nil {
		return nil, err
	}
	groups := make([]Group, 0, len(resp.Groups))
	for _, g := range resp.Groups {
		kind := kindOf(g.GroupType)
		// A broker without the other protocols cannot have their groups.
		if kind == Unknown && g.GroupType == "" && newProtocols < 0 {
			kind = Classic
		}
		if kind == Unknown && g.ProtocolType == shareProtocol {
			kind = Share
		}
		groups = append(groups, Group{
			Name: g.Group, Kind: kind, State: State(g.GroupState), Protocol: g.ProtocolType, Coordinator: node,
		})
	}
	return groups, nil
}

// brokers asks which brokers there are.
func (c *Client) brokers(ctx context.Context) (kadm.BrokerDetails, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	m, err := c.conn.Admin().BrokerMetadata(ctx)
	if err != nil {
		return nil, err
	}
	if len(m.Brokers) == 0 {
		return nil, errors.New("the cluster names no broker")
	}
	return m.Brokers, nil
}
