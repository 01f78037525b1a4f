package kafkatest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// mirrorTimeout bounds how long MirrorMaker 2 may take to copy what a test has
// written: a start of ten seconds and a hundred thousand records a second, on a
// machine with nothing else to do.
const mirrorTimeout = 3 * time.Minute

// mirrorTick is how often the target is looked at.
const mirrorTick = 200 * time.Millisecond

// WaitCopied waits until every partition of the topics of the source ends on the
// target with the same record: key, value and timestamp. That tells nothing where
// the last records are alike, so a test gives them values of their own. With
// [MirrorOptions].ExactlyOnce only committed records count, on both sides. The
// test fails when the process ends, and after three minutes.
func (m *MirrorMaker) WaitCopied(t testing.TB, topics ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), mirrorTimeout)
	defer cancel()
	source, target := m.opts.Source.Admin(t), m.opts.Target.Admin(t)
	for _, topic := range topics {
		if err := m.waitTopic(ctx, source, target, topic); err != nil {
			t.Fatalf("waiting for MirrorMaker 2 %s to copy %s: %v", m.Version, topic, err)
		}
	}
}

func (m *MirrorMaker) waitTopic(ctx context.Context, source, target *kadm.Client, topic string) error {
	remote := m.RemoteTopic(topic)
	for {
		missing, err := m.behind(ctx, source, target, topic, remote)
		if err == nil && missing == "" {
			return nil
		}
		if ended := m.ended(); ended != nil {
			return ended
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s (%w); the end of its log:\n%s", ctx.Err(), missing, errOr(err), m.node.logTail(tailLines))
		case <-time.After(mirrorTick):
		}
	}
}

// behind says what the target lacks, empty for nothing.
func (m *MirrorMaker) behind(ctx context.Context, source, target *kadm.Client, topic, remote string) (string, error) {
	have, err := m.ends(ctx, target, remote)
	if err != nil {
		return remote + " is not there", err
	}
	want, err := m.ends(ctx, source, topic)
	if err != nil {
		return topic + " cannot be read", err
	}
	for p, end := range want {
		last, err := lastRecord(ctx, m.opts.Source, topic, p, end, m.isolation())
		if err != nil {
			return fmt.Sprintf("the last record of %s/%d", topic, p), err
		}
		if last == nil {
			continue
		}
		at, ok := have[p]
		if !ok {
			return fmt.Sprintf("%s/%d is not there", remote, p), nil
		}
		got, err := lastRecord(ctx, m.opts.Target, remote, p, at, m.isolation())
		if err != nil {
			return fmt.Sprintf("the last record of %s/%d", remote, p), err
		}
		if got == nil || !bytes.Equal(last.Key, got.Key) || !bytes.Equal(last.Value, got.Value) || !last.Timestamp.Equal(got.Timestamp) {
			return fmt.Sprintf("%s/%d ends at %d, and not with the record at %d of %s", remote, p, at.end, last.Offset, topic), nil
		}
	}
	return "", nil
}

// span is where a partition begins and ends.
type span struct{ start, end int64 }

func (m *MirrorMaker) ends(ctx context.Context, admin *kadm.Client, topic string) (map[int32]span, error) {
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("asking where %s begins: %w", topic, err)
	}
	list := admin.ListEndOffsets
	if m.opts.ExactlyOnce {
		list = admin.ListCommittedOffsets
	}
	ends, err := list(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("asking where %s ends: %w", topic, err)
	}
	spans := map[int32]span{}
	ends.Each(func(e kadm.ListedOffset) {
		s, _ := starts.Lookup(topic, e.Partition)
		spans[e.Partition] = span{s.Offset, e.Offset}
	})
	return spans, nil
}

func (m *MirrorMaker) isolation() kgo.IsolationLevel {
	if m.opts.ExactlyOnce {
		return kgo.ReadCommitted()
	}
	return kgo.ReadUncommitted()
}

// lastRecord returns the last record of a partition that is no marker, nil where
// there is none. It steps back in stretches that double past markers, aborted
// records and holes.
func lastRecord(ctx context.Context, k *Kafka, topic string, p int32, s span, level kgo.IsolationLevel) (*kgo.Record, error) {
	for back := int64(1); s.end > s.start; back *= 8 {
		from := max(s.start, s.end-back)
		last, err := lastFrom(ctx, k, topic, p, from, s.end, level)
		if last != nil || err != nil || from == s.start {
			return last, err
		}
	}
	return nil, nil //nolint:nilnil // there is none, and that is no error
}

// lastFrom reads [from, end) and returns the last record of it. The reader keeps
// markers, by which it knows that it is at the end; a hole there, which only the
// cleaner leaves below its active segment, or an aborted record, makes it wait
// once for silence.
func lastFrom(ctx context.Context, k *Kafka, topic string, p int32, from, end int64, level kgo.IsolationLevel) (*kgo.Record, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(k.Bootstrap(), ",")...), kgo.FetchIsolationLevel(level), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {p: kgo.NewOffset().At(from)}}),
	)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	var last *kgo.Record
	for next := from; next < end; {
		quiet, cancel := context.WithTimeout(ctx, 2*time.Second)
		fs := client.PollFetches(quiet)
		silent := quiet.Err() != nil && ctx.Err() == nil
		cancel()
		if silent {
			return last, nil
		}
		if err := fs.Err(); err != nil {
			return nil, err
		}
		for _, r := range fs.Records() {
			next = r.Offset + 1
			if !r.Attrs.IsControl() && r.Offset < end {
				last = r
			}
		}
	}
	return last, nil
}
