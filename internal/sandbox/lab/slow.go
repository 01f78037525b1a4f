package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The topic whose mover is still at work, and the share of it that was copied
// when the sandbox came up.
const (
	slowTopic = "shipments"
	slowBegin = 0.4
	slowTick  = 100 * time.Millisecond
)

// slow is the mover that goes on.
type slow struct {
	src, tgt *kgo.Client
	rest     []*kgo.Record // read, to be written
	next     int64         // source offset to copy next
	end      int64
}

// Run goes on copying the topic that is not copied through, Options.Rate records
// a second, until everything is copied or ctx ends, which is no error. On the
// way it reports how many of the records that it has to copy are done.
func (l *Lab) Run(ctx context.Context, report func(done, total int64)) error {
	c := l.topic(slowTopic)
	s := &slow{next: c.share(0, slowBegin), end: c.ends[0]}
	var err error
	if s.src, err = reader(l.Source(), c.Source, 0, s.next); err != nil {
		return err
	}
	defer s.src.Close()
	if s.tgt, err = client(l.Target()); err != nil {
		return err
	}
	defer s.tgt.Close()
	tick := time.NewTicker(slowTick)
	defer tick.Stop()
	first, began := s.next, time.Now()
	for s.next < s.end {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		due := min(first+int64(time.Since(began).Seconds()*l.opt.Rate), s.end)
		if err := s.copy(ctx, c, due); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("copying %s from %d: %w", c.Source, s.next, err)
		}
		report(s.next-first, s.end-first)
	}
	return nil
}

// copy writes what is due below a source offset.
func (s *slow) copy(ctx context.Context, c *content, due int64) error {
	for s.next < due {
		if len(s.rest) == 0 {
			fetches := s.src.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				return err
			}
			s.rest = fetches.Records()
			continue
		}
		var out []*kgo.Record
		for len(s.rest) > 0 && s.rest[0].Offset < due {
			out = append(out, c.copyOf(s.rest[0]))
			s.next = s.rest[0].Offset + 1
			s.rest = s.rest[1:]
		}
		if len(out) == 0 {
			s.next = due // a hole
			return nil
		}
		if err := send(ctx, s.tgt, out); err != nil {
			return err
		}
	}
	return nil
}

// Slow is the topic that Run goes on copying.
func (*Lab) Slow() string { return slowTopic }

// topic finds one by its name on the source.
func (l *Lab) topic(source string) *content {
	for _, c := range l.topics {
		if c.Source == source {
			return c
		}
	}
	return nil
}
