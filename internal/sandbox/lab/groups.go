package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Protocol is how a group came to its positions.
type Protocol string

// The protocols of groups.
const (
	Classic  Protocol = "classic"  // members joined with the classic protocol
	Consumer Protocol = "consumer" // KIP-848
	Simple   Protocol = "simple"   // an administrator committed, nobody ever joined
)

// Group is a consumer group on the source.
type Group struct {
	Name     string
	Protocol Protocol
	// Topics that it reads, in alphabetical order.
	Topics []string
	// Lag are the source's end offsets minus its positions, all partitions.
	Lag int64
	// Live: a consumer of it is running.
	Live bool
	Note string
}

// member is a group and how it is made.
type member struct {
	Group
	// at gives the position on a partition of each topic.
	at map[string]func(l *Lab, c *content, p int32) int64
	// metadata is committed with each position; only simple groups have some.
	metadata string
}

func atEnd(_ *Lab, c *content, p int32) int64 { return c.ends[p] }

// lagging is a position that leaves the given share of the log to be read,
// a little more with each partition.
func lagging(share float64) func(*Lab, *content, int32) int64 {
	return func(_ *Lab, c *content, p int32) int64 {
		return c.share(p, 1-share) - 7*int64(p)
	}
}

// soonCopied is a position that the slow mover reaches half a minute after the
// sandbox has come up, or near the end of the topic when that is sooner.
func soonCopied(l *Lab, c *content, p int32) int64 {
	return min(c.share(p, slowBegin)+int64(30*l.opt.Rate)+1, c.share(p, 0.95))
}

// members are all groups of the lab.
func members() []*member {
	type positions = map[string]func(*Lab, *content, int32) int64
	return []*member{
		{
			Group: Group{Name: "billing", Protocol: Classic, Note: "lags on two topics, one of them with aborted transactions"},
			at:    positions{"orders": lagging(0.2), "payments": lagging(0.4)},
		},
		{
			Group: Group{Name: "search", Protocol: Classic, Note: "has read everything"},
			at:    positions{"orders": atEnd},
		},
		{
			Group: Group{Name: "crm", Protocol: Consumer, Note: "stands in the holes of a compacted topic"},
			at:    positions{"customers": lagging(0.5)},
		},
		{
			Group: Group{Name: "ledger", Protocol: Classic, Note: "copied by MirrorMaker 2, whose own checkpoint would repeat records"},
			at:    positions{"invoices": lagging(0.3)},
		},
		{
			Group: Group{Name: "web-stats", Protocol: Classic, Note: "nothing on the target tells source offsets"},
			at:    positions{"clicks": lagging(0.1)},
		},
		{
			Group: Group{Name: "returns-desk", Protocol: Simple, Note: "has metadata beside its position"},
			at:    positions{"returns": lagging(0.05)}, metadata: "shift=late",
		},
		{
			Group: Group{Name: "tracking", Protocol: Classic, Note: "ahead of the mover: held until it has come by (plan --wait)"},
			at:    positions{slowTopic: soonCopied},
		},
		{
			Group: Group{Name: "courier", Protocol: Classic, Note: "far behind; the mover is past it, and still at work"},
			at:    positions{slowTopic: lagging(0.9)},
		},
		{
			Group: Group{Name: "dashboard", Protocol: Classic, Live: true, Note: "a consumer is running: refused until it is stopped"},
			at:    positions{"orders": atEnd},
		},
	}
}

// make brings the group to its positions, as its protocol does it.
func (m *member) make(ctx context.Context, l *Lab) error {
	m.Topics = slices.Sorted(maps.Keys(m.at))
	want := kadm.Offsets{}
	for name, at := range m.at {
		c := l.topic(name)
		for p := range c.Partitions {
			pos := max(at(l, c, p), c.starts[p])
			m.Lag += c.ends[p] - pos
			want.Add(kadm.Offset{Topic: name, Partition: p, At: pos, LeaderEpoch: -1, Metadata: m.metadata})
		}
	}
	if m.Protocol == Simple {
		cl, err := client(l.Source())
		if err != nil {
			return err
		}
		defer cl.Close()
		return kadm.NewClient(cl).CommitAllOffsets(ctx, m.Name, want)
	}
	return m.join(ctx, l, want)
}

// join has a consumer join, commit and leave, or stay when the group is live.
func (m *member) join(ctx context.Context, l *Lab, want kadm.Offsets) error {
	joined := make(chan struct{})
	once := sync.OnceFunc(func() { close(joined) })
	opts := []kgo.Opt{
		kgo.SeedBrokers(l.Source()), kgo.ConsumerGroup(m.Name), kgo.ConsumeTopics(m.Topics...), kgo.ClientID(m.Name + "-app"),
		kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.Balancers(kgo.RangeBalancer()),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { once() }),
	}
	if m.Protocol == Consumer {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	if m.Live {
		opts = append(opts, kgo.InstanceID(m.Name+"-1"))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	polling, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for polling.Err() == nil {
			cl.PollFetches(polling)
		}
	}()
	end := func() {
		stop()
		<-done
		cl.Close()
	}
	if err := m.commit(ctx, cl, joined, want); err != nil {
		end()
		return err
	}
	if m.Live {
		l.keep(end)
		return nil
	}
	stop()
	<-done
	err = cl.LeaveGroupContext(ctx)
	cl.Close()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("leaving: %w", err)
	}
	return nil
}

// keep notes a consumer that Close ends.
func (l *Lab) keep(end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = append(l.live, end)
}

// commit waits until the group is ours and commits as its member.
func (m *member) commit(ctx context.Context, cl *kgo.Client, joined <-chan struct{}, want kadm.Offsets) error {
	select {
	case <-joined:
	case <-ctx.Done():
		return fmt.Errorf("joining: %w", context.Cause(ctx))
	}
	var failed error
	cl.CommitOffsetsSync(ctx, toCommit(want), func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, res *kmsg.OffsetCommitResponse, err error) {
		failed = err
		if res == nil {
			return
		}
		for _, t := range res.Topics {
			for _, p := range t.Partitions {
				failed = errors.Join(failed, kerr.ErrorForCode(p.ErrorCode))
			}
		}
	})
	if failed != nil {
		return fmt.Errorf("committing: %w", failed)
	}
	return nil
}

func toCommit(want kadm.Offsets) map[string]map[int32]kgo.EpochOffset {
	out := map[string]map[int32]kgo.EpochOffset{}
	want.Each(func(o kadm.Offset) {
		if out[o.Topic] == nil {
			out[o.Topic] = map[int32]kgo.EpochOffset{}
		}
		out[o.Topic][o.Partition] = kgo.EpochOffset{Epoch: -1, Offset: o.At}
	})
	return out
}
