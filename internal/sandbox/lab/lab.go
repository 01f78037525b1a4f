// Package lab runs two small Kafka clusters inside this process that are
// something to try every command on: topics of several kinds, copies of them
// as several movers leave them, one of which is still under way, and consumer
// groups at all kinds of places. They speak the real protocol on loopback
// (franz-go's kfake) and keep everything in memory.
package lab

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// Defaults and limits of Options.
const (
	DefaultRecords = 10_000
	MinRecords     = 1_000
	MaxRecords     = 500_000
	DefaultRate    = 50
)

// Names of the clusters; MirrorMaker 2's aliases for them are the same.
const (
	SourceName = "old"
	TargetName = "new"
)

// fillTimeout bounds how long filling may take.
const fillTimeout = 5 * time.Minute

// Options say what Open makes; a zero field is its default.
type Options struct {
	// SourcePort and TargetPort are where the clusters listen on 127.0.0.1; 0:
	// ports that are free.
	SourcePort, TargetPort int
	// Records of each topic, MinRecords to MaxRecords; 0: DefaultRecords.
	Records int
	// Seed of what is random. Equal seeds and numbers of records give equal
	// records, copies and positions; only the timestamps follow the clock.
	Seed uint64
	// Rate of the mover that goes on, in records per second; 0: DefaultRate.
	Rate float64
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Progress is called, by one goroutine at a time, with the steps that are
	// done and all of them.
	Progress func(done, total int)
}

// Lab is two running clusters. Open makes it, Run goes on copying the one topic
// that is not copied through, Close stops everything.
type Lab struct {
	opt            Options
	began          time.Time
	source, target *kfake.Cluster
	topics         []*content
	groups         []*member

	mu sync.Mutex
	// live end the consumers that stay until Close.
	live []func()
}

// Open starts both clusters and fills them. The error names what was being
// filled; then nothing is left running.
func Open(ctx context.Context, opt Options) (*Lab, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	l := &Lab{opt: opt, began: opt.Now()}
	if err := l.start(); err != nil {
		l.Close()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fillTimeout)
	defer cancel()
	if err := l.fill(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (o *Options) setDefaults() error {
	if o.Records == 0 {
		o.Records = DefaultRecords
	}
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Records < MinRecords || o.Records > MaxRecords {
		return fmt.Errorf("%d records a topic: it must be %d to %d", o.Records, MinRecords, MaxRecords)
	}
	if o.Rate < 0 {
		return fmt.Errorf("a rate of %g records per second: it must be above 0", o.Rate)
	}
	return nil
}

// start runs the brokers.
func (l *Lab) start() (err error) {
	run := func(name string, port int) *kfake.Cluster {
		if err != nil {
			return nil
		}
		var c *kfake.Cluster
		// The broker of each cluster has its own compaction when we say so, and
		// not whenever a timer fires: the same seed gives the same holes.
		c, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.ClusterID("sandbox-"+name), kfake.DefaultNumPartitions(1))
		if err != nil {
			err = fmt.Errorf("starting cluster %s: %w", name, err)
		}
		return c
	}
	l.source = run(SourceName, l.opt.SourcePort)
	l.target = run(TargetName, l.opt.TargetPort)
	return err
}

// fill makes all topics side by side, then the groups on them.
func (l *Lab) fill(ctx context.Context) error {
	l.topics, l.groups = l.contents(), members()
	steps := &steps{report: l.opt.Progress, total: len(l.topics) + len(l.groups)}
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, c := range l.topics {
		g.Go(func() error {
			defer steps.one()
			if err := c.make(each, l); err != nil {
				return fmt.Errorf("filling topic %s: %w", c.Source, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	g, each = errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, m := range l.groups {
		g.Go(func() error {
			defer steps.one()
			if err := m.make(each, l); err != nil {
				return fmt.Errorf("making group %s: %w", m.Name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := l.mirrorMakerNotes(ctx); err != nil {
		return fmt.Errorf("writing MirrorMaker 2's topics: %w", err)
	}
	return nil
}

// Close stops both clusters and everything on them; all data is gone.
func (l *Lab) Close() {
	for _, stop := range l.live {
		stop()
	}
	for _, c := range []*kfake.Cluster{l.source, l.target} {
		if c != nil {
			c.Close()
		}
	}
}

// Source is the address of the cluster with the groups.
func (l *Lab) Source() string { return l.source.ListenAddrs()[0] }

// Target is the address of the cluster with the copies.
func (l *Lab) Target() string { return l.target.ListenAddrs()[0] }

// SourceID and TargetID are the cluster IDs.
func (*Lab) SourceID() string { return "sandbox-" + SourceName }

// TargetID is the cluster ID of the cluster with the copies.
func (*Lab) TargetID() string { return "sandbox-" + TargetName }

// Topics are what was made, in the order of the documents.
func (l *Lab) Topics() []Topic {
	out := make([]Topic, len(l.topics))
	for i, c := range l.topics {
		out[i] = c.Topic
	}
	return out
}

// Groups are the consumer groups on the source, in the order of the documents.
func (l *Lab) Groups() []Group {
	out := make([]Group, len(l.groups))
	for i, m := range l.groups {
		out[i] = m.Group
	}
	return out
}

// steps counts what is done for a progress line.
type steps struct {
	mu          sync.Mutex
	done, total int
	report      func(done, total int)
}

func (s *steps) one() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	if s.report != nil {
		s.report(s.done, s.total)
	}
}

// client is one for producing in batches that depend on nothing but the
// records: what is buffered is sent by Flush.
func client(address string, opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ManualFlushing(),
		kgo.MaxBufferedRecords(MaxRecords * 2), kgo.MaxBufferedBytes(1 << 30),
		kgo.ProducerBatchMaxBytes(16 << 10), kgo.ProducerBatchCompression(kgo.NoCompression()),
	}, opts...)...)
}
