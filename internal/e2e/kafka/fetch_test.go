package kafka_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/topic"
)

// each runs a test on every release, side by side.
func each(t *testing.T, test func(*testing.T, *node)) {
	t.Helper()
	for _, version := range kafkatest.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			test(t, shared(t, version))
		})
	}
}

// read is everything that room cluster shows of a partition, walked from its
// start to the given end, with the last answer.
func (n *node) read(t *testing.T, p topic.Partition, from, to int64, isCommitted bool) ([]batch.Entry, batch.Chunk) {
	t.Helper()
	var all []batch.Entry
	var last batch.Chunk
	for at := from; ; {
		got, err := n.c.Fetch(t.Context(), []batch.Ask{{Partition: p, Offset: at, MaxBytes: 2000, Committed: isCommitted, Wait: at > from}})
		if err != nil || len(got) != 1 || got[0].Err != nil {
			t.Fatalf("fetching %s at %d: %v, %+v", p, at, err, got)
		}
		last = got[0]
		for e, err := range batch.Visible(&last) {
			if err != nil {
				t.Fatalf("reading %s at %d: %v", p, at, err)
			}
			all = append(all, e)
		}
		next, err := last.Next()
		if err != nil {
			t.Fatal(err)
		}
		if next >= to {
			return all, last
		}
		if next == at {
			t.Fatalf("reading %s: nothing at %d, below %d: %+v", p, at, to, last)
		}
		at = next
	}
}

func (n *node) bounds(t *testing.T, p topic.Partition) topic.Bounds {
	t.Helper()
	got, err := n.c.Bounds(t.Context(), []topic.Partition{p})
	if err != nil || got[p].Err != nil {
		t.Fatalf("bounds of %s: %v, %+v", p, err, got[p])
	}
	return got[p]
}

// What each release says that it can, and the topic IDs that come of it.
func TestVersions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node) {
		t.Helper()
		v := n.c.Versions()
		old, newest := n.k.Version == kafkatest.Old, n.k.Version == kafkatest.Newest
		got := map[string]bool{
			"topic IDs": v.HasTopicIDs, "describe producers": v.HasDescribeProducers, "offset delete": v.HasOffsetDelete,
			"require stable": v.HasRequireStable, "offset fetch for many groups": v.HasOffsetFetchGroups,
			"consumer group describe": v.HasConsumerGroupDescribe, "fetch by topic ID": v.Highest(kmsg.Fetch) >= 13,
		}
		want := map[string]bool{
			"topic IDs": !old, "describe producers": !old, "offset delete": true, "require stable": true,
			"offset fetch for many groups": !old, "consumer group describe": newest, "fetch by topic ID": !old,
		}
		if n.k.Version == kafkatest.Previous {
			delete(got, "consumer group describe") // depends on a setting there
			delete(want, "consumer group describe")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n.c.ID() != n.k.ID() || n.c.ID() == "" {
			t.Errorf("cluster ID %q, want %q", n.c.ID(), n.k.ID())
		}
		name := kafkatest.Name(t, "ids")
		n.create(t, name, 2, map[string]string{"cleanup.policy": "compact", "retention.ms": "3600000"})
		topics, err := n.c.Topics(t.Context(), name, "no-such-topic")
		if err != nil {
			t.Fatal(err)
		}
		if got := topics[name]; got.Err != nil || got.ID.IsZero() != old || len(got.Partitions) != 2 ||
			!got.Config.Known || !got.Config.Compacted || got.Config.Retention != time.Hour {
			t.Errorf("topic %+v", got)
		}
		if topics["no-such-topic"].Err == nil {
			t.Error("a topic that is not there has no error")
		}
	})
}

// A log of several batches, trimmed, with an empty one beside it: bounds, reads
// at, below and above the ends, and by time.
func TestFetchAndBounds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node) {
		t.Helper()
		name := kafkatest.Name(t, "plain")
		n.create(t, name, 2, nil)
		full, empty := part(name, 0), part(name, 1)
		begin := time.Now().Add(-time.Minute).Truncate(time.Second)
		cl := n.manual(t, kgo.ProducerBatchCompression(kgo.ZstdCompression()))
		for i := range 10 {
			rs := numbered(full, i*10, 10)
			for _, r := range rs {
				r.Timestamp = begin.Add(time.Duration(i) * time.Second)
			}
			kafkatest.Produce(t, cl, rs...)
		}
		n.k.Trim(t, full.Topic, full.Partition, 25)
		want := map[topic.Partition]topic.Bounds{full: {Start: 25, End: 100, Stable: 100}, empty: {}}
		got, err := n.c.Bounds(t.Context(), []topic.Partition{full, empty, part(name, 2)})
		if err != nil {
			t.Fatal(err)
		}
		if got[part(name, 2)].Err == nil {
			t.Error("a partition that is not there has bounds")
		}
		delete(got, part(name, 2))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("bounds (-want +got):\n%s", diff)
		}
		entries, last := n.read(t, full, 25, 100, false)
		if len(entries) != 75 || entries[0].Offset != 25 || string(entries[74].Key) != "99" || last.HighWatermark != 100 || last.Start != 25 {
			t.Errorf("%d entries, last answer %d bytes, high watermark %d, start %d", len(entries), len(last.Raw), last.HighWatermark, last.Start)
		}
		chunks, err := n.c.Fetch(t.Context(), []batch.Ask{
			{Partition: empty}, {Partition: full, Offset: 100}, {Partition: full, Offset: 24}, {Partition: full, Offset: 101}, {Partition: full, Offset: 57},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, bad := range []bool{false, false, true, true, false} {
			if (chunks[i].Err != nil) != bad || i < 2 && len(chunks[i].Raw) != 0 {
				t.Errorf("answer %d: %v, %d bytes", i, chunks[i].Err, len(chunks[i].Raw))
			}
		}
		for b, err := range batch.Walk(chunks[4].Raw) {
			if err != nil || b.BaseOffset != 50 || b.Codec() != batch.Zstd {
				t.Errorf("the batch that contains 57: %+v, %v", b.Header, err)
			}
			break
		}
		checkSince(t, n, full, empty, begin)
	})
}

func checkSince(t *testing.T, n *node, full, empty topic.Partition, begin time.Time) {
	t.Helper()
	for at, want := range map[time.Time]topic.Stamp{
		begin:                          {Offset: 25, Timestamp: begin.Add(2 * time.Second).UnixMilli()},
		begin.Add(2500e6):              {Offset: 30, Timestamp: begin.Add(3 * time.Second).UnixMilli()},
		begin.Add(9 * time.Second):     {Offset: 90, Timestamp: begin.Add(9 * time.Second).UnixMilli()},
		begin.Add(9*time.Second + 1e6): {Offset: -1, Timestamp: -1},
	} {
		got, err := n.c.Since(t.Context(), map[topic.Partition]int64{full: at.UnixMilli(), empty: at.UnixMilli()})
		if err != nil {
			t.Fatal(err)
		}
		if got[full] != want || got[empty].Offset != -1 || got[empty].Err != nil {
			t.Errorf("since %s: %+v and %+v, want %+v", at.Sub(begin), got[full], got[empty], want)
		}
	}
}

// Many partitions in one call, larger together than one answer may be.
func TestFetchOfManyPartitions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node) {
		t.Helper()
		name := kafkatest.Name(t, "many")
		const partitions = 12
		n.create(t, name, partitions, nil)
		cl := n.manual(t, kgo.ProducerBatchCompression(kgo.NoCompression()))
		var asks []batch.Ask
		for i := range int32(partitions) {
			p := part(name, i)
			r := numbered(p, 0, 1)
			r[0].Value = []byte(strings.Repeat("x", 100_000))
			kafkatest.Produce(t, cl, append(r, numbered(p, 1, 3)...)...)
			asks = append(asks, batch.Ask{Partition: p, Offset: 3, MaxBytes: 1000}, batch.Ask{Partition: p, Offset: 4})
		}
		chunks, err := n.c.Fetch(t.Context(), asks)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range chunks {
			var offsets []string
			for e, err := range batch.Visible(&c) {
				if err != nil {
					t.Fatal(err)
				}
				offsets = append(offsets, strconv.FormatInt(e.Offset, 10))
			}
			if want := []string{"3", ""}[i%2]; c.Err != nil || strings.Join(offsets, " ") != want {
				t.Errorf("%s at %d: %q, %v", c.Partition, c.Offset, offsets, c.Err)
			}
		}
	})
}

// Committed, aborted and open transactions: every record's fate is what the
// markers say, and the open one is named where the release can.
func TestTransactionsInTheLog(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node) {
		t.Helper()
		name := kafkatest.Name(t, "tx")
		n.create(t, name, 1, nil)
		p := part(name, 0)
		one, two, plain := n.transactional(t, kafkatest.Name(t, "one")), n.transactional(t, kafkatest.Name(t, "two")), n.manual(t)
		commit, abort := kgo.TryCommit, kgo.TryAbort
		transaction(t, one, &commit, numbered(p, 0, 5)...)
		transaction(t, one, &abort, numbered(p, 10, 4)...)
		// Two at once, ended in the other order, with a plain record between.
		if err := one.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		kafkatest.Produce(t, one, numbered(p, 20, 3)...)
		kafkatest.Produce(t, plain, numbered(p, 30, 1)...)
		transaction(t, two, &abort, numbered(p, 40, 3)...)
		kafkatest.Produce(t, one, numbered(p, 23, 2)...)
		if err := one.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
		transaction(t, two, nil, numbered(p, 50, 2)...)
		kafkatest.Produce(t, plain, numbered(p, 60, 1)...)

		scanned := n.scan(t, p)
		first := only(scanned, undecided)[0]
		b := n.bounds(t, p)
		if b.Stable != first.Offset || b.End != scanned[len(scanned)-1].Offset+1 || b.Stable >= b.End {
			t.Errorf("bounds %+v, the open transaction begins at %d", b, first.Offset)
		}
		entries, last := n.read(t, p, 0, b.Stable, true)
		if last.Stable != b.Stable {
			t.Errorf("the answer says the last stable offset is %d, want %d", last.Stable, b.Stable)
		}
		checkFates(t, scanned[:first.Offset], entries)
		everything, _ := n.read(t, p, 0, b.End, false)
		if len(everything) != len(scanned) {
			t.Errorf("%d records without isolation, want %d", len(everything), len(scanned))
		}
		checkOpen(t, n, p, first)
	})
}

func checkFates(t *testing.T, scanned []entry, entries []batch.Entry) {
	t.Helper()
	kinds := map[fate]batch.Kind{committed: batch.Data, aborted: batch.AbortedData, control: batch.Marker}
	type row struct {
		Offset int64
		Kind   batch.Kind
		Key    string
	}
	var want, got []row
	for _, e := range scanned {
		want = append(want, row{e.Offset, kinds[e.fate], string(e.Key)})
	}
	for _, e := range entries {
		got = append(got, row{e.Offset, e.Kind, string(e.Key)})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-scanned +got):\n%s", diff)
	}
}

func checkOpen(t *testing.T, n *node, p topic.Partition, first entry) {
	t.Helper()
	open, known, err := n.c.OpenTransactions(t.Context(), []topic.Partition{p})
	if err != nil || known != (n.k.Version != kafkatest.Old) {
		t.Fatalf("open transactions: known %t, %v", known, err)
	}
	if !known {
		return
	}
	got := open[p]
	if got.Err != nil || len(got.Open) != 1 {
		t.Fatalf("open transactions: %+v", got)
	}
	tx := got.Open[0]
	if tx.ProducerID != first.ProducerID || tx.Start != first.Offset || tx.LastTimestamp <= 0 {
		t.Errorf("open transaction %+v, want producer %d from %d", tx, first.ProducerID, first.Offset)
	}
}

// Where leader epochs end, on a partition that has had one leader.
func TestEpochEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node) {
		t.Helper()
		name := kafkatest.Name(t, "epochs")
		n.create(t, name, 1, nil)
		p := part(name, 0)
		kafkatest.Produce(t, n.manual(t), numbered(p, 0, 7)...)
		epoch := n.bounds(t, p).Epoch
		got, err := n.c.EpochEnd(t.Context(), []cluster.EpochAsk{{Partition: p, Epoch: epoch}, {Partition: part(name, 1), Epoch: epoch}})
		if err != nil {
			t.Fatal(err)
		}
		if want := (cluster.EpochEnd{Epoch: epoch, End: 7}); got[p] != want {
			t.Errorf("%+v, want %+v", got[p], want)
		}
		if got[part(name, 1)].Err == nil {
			t.Error("no error for a partition that is not there")
		}
		above, err := n.c.EpochEnd(t.Context(), []cluster.EpochAsk{{Partition: p, Epoch: epoch + 5}})
		if err != nil || above[p].Err != nil || above[p].End != -1 {
			t.Errorf("an epoch that has not come yet: %+v, %v", above[p], err)
		}
	})
}

// A call ends with its context while a broker lets an answer wait.
func TestFetchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	n := shared(t, kafkatest.Newest)
	name := kafkatest.Name(t, "quiet")
	n.create(t, name, 1, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.c.Fetch(ctx, []batch.Ask{{Partition: part(name, 0), Wait: true}}); err == nil {
		t.Error("no error from a call whose context has ended")
	}
}
