package group

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// work asks one coordinator about some of its groups and returns an error for
// those that have no answer; transient ones are asked again.
type work func(ctx context.Context, node int32, names []string) map[string]error

// spread runs do for each coordinator of the named groups, coordinators in
// parallel, and follows groups whose coordinator moves or is loading. It
// returns the groups that could not be asked, with the reason.
func (c *Client) spread(ctx context.Context, names []string, do work) map[string]error {
	pending := slices.Compact(slices.Sorted(slices.Values(names)))
	failed := make(map[string]error)
	p := newPatience(c.timeout)
	for first := true; len(pending) > 0; first = false {
		errs := c.round(ctx, pending, do)
		again := make([]string, 0, len(errs))
		for name, err := range errs {
			if (transient(err) || first && unclear(err)) && ctx.Err() == nil {
				again = append(again, name)
				continue
			}
			failed[name] = err
		}
		if len(again) < len(pending) {
			p.further()
		}
		if len(again) > 0 && !p.wait(ctx) {
			for _, name := range again {
				failed[name] = errs[name]
			}
			return failed
		}
		slices.Sort(again)
		pending = again
	}
	return failed
}

// round finds the coordinators and asks each once per batch of groups.
func (c *Client) round(ctx context.Context, names []string, do work) map[string]error {
	nodes, errs := c.find(ctx, names)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for node, mine := range nodes {
		wg.Go(func() {
			for batch := range slices.Chunk(mine, c.batch) {
				got := do(ctx, node, batch)
				mu.Lock()
				maps.Copy(errs, got)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errs
}

// find looks up the coordinators: one FindCoordinator per batch of groups from
// version 4 on (KIP-699), one per group below.
func (c *Client) find(ctx context.Context, names []string) (map[int32][]string, map[string]error) {
	nodes, errs := make(map[int32][]string), make(map[string]error)
	for batch := range slices.Chunk(names, c.batch) {
		c.findBatch(ctx, batch, nodes, errs)
	}
	return nodes, errs
}

func (c *Client) findBatch(ctx context.Context, names []string, nodes map[int32][]string, errs map[string]error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType = 0 // groups
	req.CoordinatorKeys = names
	resp, err := req.RequestWith(ctx, c.conn.Client())
	if err == nil {
		err = errors.New("the answer leaves the group out")
	}
	for _, name := range names {
		errs[name] = err
	}
	if resp == nil {
		return
	}
	for _, co := range resp.Coordinators {
		if _, asked := errs[co.Key]; !asked {
			continue
		}
		if err := codeError(co.ErrorCode); err != nil {
			errs[co.Key] = kindError(err, co.Key, "DESCRIBE")
			continue
		}
		delete(errs, co.Key)
		nodes[co.NodeID] = append(nodes[co.NodeID], co.Key)
	}
	c.remember(nodes)
}

// maxRemembered bounds the coordinators that are kept for writes.
const maxRemembered = 100_000

// remember keeps coordinators for the writes that follow a look-up.
//
// Only writes go to a coordinator that was looked up before. A broker that is in
// charge no longer refuses a write with NOT_COORDINATOR, or cannot append it
// because the partition of __consumer_offsets has another leader; a reading it
// could answer from what it still has in memory.
func (c *Client) remember(nodes map[int32][]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.nodes) > maxRemembered {
		clear(c.nodes)
	}
	for node, names := range nodes {
		for _, name := range names {
			c.nodes[name] = node
		}
	}
}

// remembered returns the coordinator as last looked up, and forgets it: it is
// good for one write.
func (c *Client) remembered(group string) (int32, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	node, ok := c.nodes[group]
	delete(c.nodes, group)
	return node, ok
}

// coordinator finds the coordinator of one group.
func (c *Client) coordinator(ctx context.Context, group string) (int32, error) {
	found := int32(-1)
	failed := c.spread(ctx, []string{group}, func(_ context.Context, node int32, _ []string) map[string]error {
		found = node
		return nil
	})
	return found, failed[group]
}

// each gives every name the same error.
func each(names []string, err error) map[string]error {
	errs := make(map[string]error, len(names))
	for _, name := range names {
		errs[name] = err
	}
	return errs
}
