package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

const reading = "fetching offsets"

// Read describes each named group and reads all its committed positions, only
// such as cannot change any more by a transaction that is open (RequireStable,
// KIP-447; brokers from 2.5). Each coordinator is asked once for all its
// groups (KIP-709), brokers before 3.0 once per group. Of share groups it reads
// the start offsets (KIP-932). What fails for one group is in its Err, and then its positions mean nothing. The error is that
// of ctx.
func (c *Client) Read(ctx context.Context, names []string) (map[string]Reading, error) {
	groups, err := c.Describe(ctx, names)
	if err != nil {
		return nil, err
	}
	known, shares := make([]string, 0, len(groups)), []string{}
	readings := make(map[string]Reading, len(groups))
	for name, g := range groups {
		readings[name] = Reading{Group: g, Err: g.Err, At: time.Now()}
		switch {
		case g.Err != nil:
		case g.Kind == Share:
			shares = append(shares, name)
		default:
			known = append(known, name)
		}
	}
	complete := c.visible(ctx)
	got := c.positions(ctx, known)
	maps.Copy(got, c.shareReadings(ctx, shares))
	for name, r := range got {
		r.Group, r.Complete = groups[name], complete
		readings[name] = r
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return readings, c.born(ctx, readings)
}

// born looks again at groups that came into being between the two requests:
// absent to the first, with positions to the second.
func (c *Client) born(ctx context.Context, readings map[string]Reading) error {
	var names []string
	for name, r := range readings {
		if r.Group.State == Absent && len(r.Positions)+len(r.Unstable) > 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	groups, err := c.Describe(ctx, names)
	for name, g := range groups {
		r := readings[name]
		r.Group, r.Err = g, errors.Join(r.Err, g.Err)
		// Positions of a group that is no more: it is being removed.
		if g.State == Absent {
			r.Group.State = Dead
		}
		readings[name] = r
	}
	return err
}

// positions fetches the positions of groups, and again for a short while where
// transactions are about to be decided.
func (c *Client) positions(ctx context.Context, names []string) map[string]Reading {
	all := make(map[string]Reading, len(names))
	const pause = 100 * time.Millisecond
	for until := time.Now().Add(c.unstableWait); len(names) > 0; {
		var open []string
		for name, r := range c.fetch(ctx, names) {
			if len(r.Unstable) > 0 || errors.Is(r.Err, ErrUnstable) {
				open = append(open, name)
			}
			all[name] = r
		}
		left := time.Until(until)
		if len(open) == 0 || left <= 0 {
			break
		}
		p := patience{until: until, pause: pause}
		if !p.wait(ctx) {
			break
		}
		names = open
	}
	return all
}

// fetch reads the committed positions of groups.
func (c *Client) fetch(ctx context.Context, names []string) map[string]Reading {
	return c.gather(ctx, names, c.fetchOn)
}

// gather asks the coordinators of all groups at once, each with one call.
func (c *Client) gather(
	ctx context.Context, names []string, askOne func(context.Context, int32, []string) (map[string]Reading, map[string]error),
) map[string]Reading {
	all := make(map[string]Reading, len(names))
	var mu sync.Mutex
	failed := c.spread(ctx, names, func(ctx context.Context, node int32, names []string) map[string]error {
		got, errs := askOne(ctx, node, names)
		mu.Lock()
		defer mu.Unlock()
		maps.Copy(all, got)
		return errs
	})
	for name, err := range failed {
		all[name] = Reading{At: time.Now(), Err: &Error{Op: reading, Cluster: c.conn.Name(), Group: name, Err: err}}
	}
	return all
}

// answered is what a coordinator says of one group.
type answered struct {
	group string
	code  int16
	fill  func(*gathered) // takes its partitions
}

// sift tells readings from errors. A group that the answer leaves out is an
// error, and one that nobody asked for is nothing.
func sift(at time.Time, names []string, answers []answered) (map[string]Reading, map[string]error) {
	all := make(map[string]Reading, len(names))
	errs := each(names, errors.New("the answer leaves the group out"))
	for _, a := range answers {
		if _, asked := errs[a.group]; !asked {
			continue
		}
		if err := fetchError(a.code, a.group); err != nil {
			errs[a.group] = err
			continue
		}
		delete(errs, a.group)
		r := newReading(at)
		a.fill(r)
		all[a.group] = r.Reading
	}
	return all, errs
}

// fetchOn asks one coordinator for the positions of its groups.
func (c *Client) fetchOn(ctx context.Context, node int32, names []string) (map[string]Reading, map[string]error) {
	version, err := c.speaks(ctx, node, kmsg.OffsetFetch)
	if err != nil {
		return nil, each(names, err)
	}
	if version >= batchedOffsetFetch {
		return c.fetchBatch(ctx, node, names)
	}
	return c.fetchSingly(ctx, node, names)
}

func (c *Client) fetchBatch(ctx context.Context, node int32, names []string) (map[string]Reading, map[string]error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	for _, name := range names {
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group, g.Topics = name, nil // nil asks for all
		req.Groups = append(req.Groups, g)
	}
	at := time.Now()
	resp, err := ask[*kmsg.OffsetFetchResponse](ctx, c, node, &capped{Request: req, max: maxOffsetFetch})
	if err != nil {
		return nil, each(names, err)
	}
	if resp.Version < batchedOffsetFetch {
		// The broker was replaced by an older one since it told its versions,
		// and has read the request as one about no group.
		c.forget(node)
		return nil, each(names, kerr.CoordinatorNotAvailable)
	}
	answers := make([]answered, len(resp.Groups))
	for i := range resp.Groups {
		g := &resp.Groups[i]
		answers[i] = answered{g.Group, g.ErrorCode, func(r *gathered) {
			for _, t := range g.Topics {
				for _, p := range t.Partitions {
					r.add(g.Group, t.Topic, p)
				}
			}
		}}
	}
	return sift(at, names, answers)
}

// fetchSingly is for brokers before 3.0. Their answers are quick: the requests
// follow each other on one connection.
func (c *Client) fetchSingly(ctx context.Context, node int32, names []string) (map[string]Reading, map[string]error) {
	const together = 16
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		all  = make(map[string]Reading, len(names))
		errs = make(map[string]error)
		gate = make(chan struct{}, together)
	)
	for _, name := range names {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			r, err := c.fetchOne(ctx, node, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs[name] = err
				return
			}
			all[name] = r
		})
	}
	wg.Wait()
	return all, errs
}

func (c *Client) fetchOne(ctx context.Context, node int32, name string) (Reading, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable, req.Group, req.Topics = true, name, nil
	r := newReading(time.Now())
	resp, err := ask[*kmsg.OffsetFetchResponse](ctx, c, node, &capped{Request: req, max: batchedOffsetFetch - 1})
	if err != nil {
		return Reading{}, err
	}
	if err := fetchError(resp.ErrorCode, name); err != nil {
		return Reading{}, err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			r.add(name, t.Topic, kmsg.OffsetFetchResponseGroupTopicPartition{
				Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata, ErrorCode: p.ErrorCode,
			})
		}
	}
	return r.Reading, nil
}

// fetchError judges a group's code; a group that is not there has no positions.
func fetchError(code int16, name string) error {
	err := kindError(codeError(code), name, "DESCRIBE")
	if errors.Is(err, ErrAbsent) {
		return nil
	}
	return err
}

// gathered is a Reading that is being filled.
type gathered struct{ Reading }

func newReading(at time.Time) *gathered {
	return &gathered{Reading{Positions: make(map[topic.Partition]position.Position), At: at}}
}

// add takes one partition of an answer. Nothing of it vanishes without a word
// but offset -1, which means that there is no commit.
func (r *gathered) add(group, name string, p kmsg.OffsetFetchResponseGroupTopicPartition) {
	at := topic.Partition{Topic: name, Partition: p.Partition}
	err := codeError(p.ErrorCode)
	switch {
	case errors.Is(err, kerr.UnstableOffsetCommit):
		r.Unstable = append(r.Unstable, at)
		slices.SortFunc(r.Unstable, topic.Compare)
	case err != nil:
		r.fail(group, at, err)
	case name == "":
		r.fail(group, at, errors.New("the topic has no name in the answer"))
	case p.Offset == -1:
	case p.Offset < 0:
		r.fail(group, at, fmt.Errorf("impossible offset %d", p.Offset))
	default:
		r.Positions[at] = position.Position{
			Group: group, Partition: at, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: text(p.Metadata),
		}
	}
}

func (r *gathered) fail(group string, at topic.Partition, err error) {
	r.Err = errors.Join(r.Err, &Error{Op: reading, Group: group, Partition: &at, Err: err})
}
