package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]kfake.Opt{
		"newest":               nil,
		"2.7, no topic IDs":    {kfake.MaxVersions(kversion.V2_7_0())},
		"3.0, IDs in no Fetch": {kfake.MaxVersions(kversion.V3_0_0())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fake(t, append(opts, kfake.NumBrokers(3), kfake.SeedTopics(4, "a", "b"))...)
			c := open(t, f)
			var asks []batch.Ask
			for _, topicName := range []string{"a", "b"} {
				for n := range int32(4) {
					p := part(topicName, n)
					produce(t, c, p, encode(t, batch.EncodeOptions{}, "0", "1"), encode(t, batch.EncodeOptions{}, "2"))
					asks = append(asks, batch.Ask{Partition: p, Offset: 1})
				}
			}
			asks = append(asks,
				batch.Ask{Partition: part("a", 0), Offset: 2}, // the same partition again
				batch.Ask{Partition: part("a", 0), Offset: 3}, // the end
				batch.Ask{Partition: part("a", 0), Offset: 4}, // beyond it
				batch.Ask{Partition: part("a", 9), Offset: 0},
				batch.Ask{Partition: part("nope", 0), Offset: 0},
			)
			got, err := c.Fetch(t.Context(), asks)
			if err != nil {
				t.Fatal(err)
			}
			for i, ask := range asks {
				if got[i].Partition != ask.Partition || got[i].Offset != ask.Offset {
					t.Fatalf("answer %d is for %s at %d", i, got[i].Partition, got[i].Offset)
				}
			}
			for i := range 8 {
				if diff := cmp.Diff(map[batch.Kind][]int64{batch.Data: {1, 2}}, offsets(t, &got[i])); diff != "" {
					t.Fatal(diff)
				}
				if next, _ := got[i].Next(); next != 3 || got[i].HighWatermark != 3 || got[i].Start != 0 || got[i].Stable != 3 {
					t.Fatalf("%+v", got[i])
				}
			}
			if diff := cmp.Diff(map[batch.Kind][]int64{batch.Data: {2}}, offsets(t, &got[8])); diff != "" {
				t.Fatal(diff)
			}
			if got[9].Err != nil || len(got[9].Raw) != 0 || got[9].HighWatermark != 3 {
				t.Fatalf("%+v", got[9])
			}
			if !errors.Is(got[10].Err, kerr.OffsetOutOfRange) {
				t.Fatal(got[10].Err)
			}
			for _, i := range []int{11, 12} {
				if !errors.Is(got[i].Err, kerr.UnknownTopicOrPartition) {
					t.Fatal(got[i].Err)
				}
			}
		})
	}
}

func TestFetchIsOneRequestPerBroker(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(2), kfake.SeedTopics(20, "a"))
	c := open(t, f)
	var asks []batch.Ask
	leaders := map[int32]bool{}
	for n := range int32(20) {
		leaders[f.LeaderFor("a", n)] = true
		asks = append(asks, batch.Ask{Partition: part("a", n)})
	}
	before := c.Stats()
	if _, err := c.Fetch(t.Context(), asks); err != nil {
		t.Fatal(err)
	}
	if n := c.Stats().FetchRequests - before.FetchRequests; n != int64(len(leaders)) {
		t.Fatalf("%d requests for %d leaders", n, len(leaders))
	}
	if c.Stats().FetchBytes == 0 {
		t.Fatal("no bytes counted")
	}
}

func TestFetchTransactions(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))
	c := open(t, f)
	cl := transactional(t, f)
	transaction(t, cl, "a", 2, new(kgo.TryAbort))  // 0 1, marker 2
	transaction(t, cl, "a", 2, new(kgo.TryCommit)) // 3 4, marker 5
	transaction(t, cl, "a", 1, new(kgo.TryAbort))  // 6, marker 7
	transaction(t, cl, "a", 2, nil)                // 8 9, open
	p := part("a", 0)
	for from := range int64(8) {
		got, err := c.Fetch(t.Context(), []batch.Ask{
			{Partition: p, Offset: from, Committed: true},
			{Partition: p, Offset: from},
		})
		if err != nil || got[0].Err != nil || got[1].Err != nil {
			t.Fatal(err, got[0].Err, got[1].Err)
		}
		all := map[batch.Kind][]int64{batch.AbortedData: {0, 1, 6}, batch.Marker: {2, 5, 7}, batch.Data: {3, 4}}
		if diff := cmp.Diff(since(all, from), offsets(t, &got[0])); diff != "" {
			t.Fatalf("committed from %d: %s", from, diff)
		}
		all = map[batch.Kind][]int64{batch.Data: {0, 1, 3, 4, 6, 8, 9}, batch.Marker: {2, 5, 7}}
		if diff := cmp.Diff(since(all, from), offsets(t, &got[1])); diff != "" {
			t.Fatalf("uncommitted from %d: %s", from, diff)
		}
		if got[0].Stable != 8 || got[0].HighWatermark != 10 {
			t.Fatalf("%+v", got[0])
		}
	}
	// An answer that ends where the size is reached says what was aborted too.
	for _, from := range []int64{0, 6} {
		got, err := c.Fetch(t.Context(), []batch.Ask{{Partition: p, Offset: from, MaxBytes: 1, Committed: true}})
		if err != nil || got[0].Err != nil {
			t.Fatal(err, got[0].Err)
		}
		seen := offsets(t, &got[0])
		if len(seen[batch.AbortedData]) == 0 || seen[batch.AbortedData][0] != from || len(seen[batch.Data]) > 0 {
			t.Fatalf("one batch from %d: %v", from, seen)
		}
	}
	bounds, err := c.Bounds(t.Context(), []topic.Partition{p})
	if err != nil {
		t.Fatal(err)
	}
	if b := bounds[p]; b.Start != 0 || b.End != 10 || b.Stable != 8 || b.Err != nil {
		t.Fatalf("%+v", b)
	}
	open, ok, err := c.OpenTransactions(t.Context(), []topic.Partition{p, part("nope", 0)})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got := open[p]; got.Err != nil || len(got.Open) != 1 || got.Open[0].Start != 8 || got.Open[0].ProducerID < 0 {
		t.Fatalf("%+v", got)
	}
	if open[part("nope", 0)].Err == nil {
		t.Fatal("no error for an unknown topic")
	}
}

// since drops what lies below an offset.
func since(in map[batch.Kind][]int64, from int64) map[batch.Kind][]int64 {
	out := map[batch.Kind][]int64{}
	for k, all := range in {
		for _, o := range all {
			if o >= from {
				out[k] = append(out[k], o)
			}
		}
	}
	return out
}

func TestFetchHoles(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))
	c := open(t, f)
	p := part("a", 0)
	hole, err := batch.Encode([]batch.Record{{Offset: 3}}, batch.EncodeOptions{KeepOffsets: true, LastOffsetDelta: 9, DeclaredCount: 10})
	if err != nil {
		t.Fatal(err)
	}
	produce(t, c, p, encode(t, batch.EncodeOptions{}, "0"), hole, encode(t, batch.EncodeOptions{}, "11"))
	for from, want := range map[int64][]int64{0: {0, 4, 11}, 4: {4, 11}, 5: {11}, 11: {11}} {
		got, err := c.Fetch(t.Context(), []batch.Ask{{Partition: p, Offset: from}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[batch.Kind][]int64{batch.Data: want}, offsets(t, &got[0])); diff != "" {
			t.Fatalf("from %d: %s", from, diff)
		}
	}
}

func TestFetchFollowsAMovedLeader(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "a"))
	c := open(t, f)
	p := part("a", 0)
	produce(t, c, p, encode(t, batch.EncodeOptions{}, "0", "1"))
	for to := range int32(3) {
		if err := f.MoveTopicPartition("a", 0, to); err != nil {
			t.Fatal(err)
		}
		got, err := c.Fetch(t.Context(), []batch.Ask{{Partition: p}})
		if err != nil || got[0].Err != nil || len(got[0].Raw) == 0 {
			t.Fatal(err, got)
		}
		bounds, err := c.Bounds(t.Context(), []topic.Partition{p})
		if err != nil || bounds[p].Err != nil || bounds[p].End != 2 {
			t.Fatal(err, bounds)
		}
	}
}

func TestFetchRetriesWhatPasses(t *testing.T) {
	t.Parallel()
	for _, code := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.UnknownTopicID,
		kerr.UnknownTopicOrPartition, kerr.OffsetNotAvailable, kerr.KafkaStorageError, kerr.InconsistentTopicID,
	} {
		t.Run(code.Message, func(t *testing.T) {
			t.Parallel()
			f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))
			c := open(t, f)
			p := part("a", 0)
			produce(t, c, p, encode(t, batch.EncodeOptions{}, "0"))
			h := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: code, Count: 2})
			got, err := c.Fetch(t.Context(), []batch.Ask{{Partition: p}})
			if err != nil || got[0].Err != nil || len(got[0].Raw) == 0 || h.Hits() != 2 {
				t.Fatal(err, got, h.Hits())
			}
		})
	}
}

func TestFetchGivesUp(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "a"))
	c := open(t, f, func(l *Login) { l.RequestTimeout = 2 * time.Second })
	produce(t, c, part("a", 1), encode(t, batch.EncodeOptions{}, "0"))
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Partitions: []int32{0}, Err: kerr.NotLeaderForPartition, Count: -1})
	got, err := c.Fetch(t.Context(), []batch.Ask{{Partition: part("a", 0)}, {Partition: part("a", 1)}})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(got[0].Err, kerr.NotLeaderForPartition) || !strings.Contains(got[0].Err.Error(), "2s") {
		t.Fatal(got[0].Err)
	}
	if got[1].Err != nil || len(got[1].Raw) == 0 {
		t.Fatalf("%+v", got[1])
	}
}

// What the broker said is worth more than that time ran out while asking again.
func TestFetchGivesUpWithTheLastAnswer(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))
	c := open(t, f, func(l *Login) { l.RequestTimeout = time.Second })
	if _, err := c.Fetch(t.Context(), []batch.Ask{{Partition: part("a", 0)}}); err != nil {
		t.Fatal(err) // from here on the leader is known
	}
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: -1})
	f.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		return nil, nil, true // no answer
	})
	got, err := c.Fetch(t.Context(), []batch.Ask{{Partition: part("a", 0)}})
	if err != nil || !errors.Is(got[0].Err, kerr.NotLeaderForPartition) {
		t.Fatal(err, got)
	}
}

func TestFetchPassesOtherErrorsOn(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))
	c := open(t, f)
	h := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	got, err := c.Fetch(t.Context(), []batch.Ask{{Partition: part("a", 0)}})
	if err != nil || !errors.Is(got[0].Err, kerr.TopicAuthorizationFailed) || h.Hits() != 1 {
		t.Fatal(err, got, h.Hits())
	}
}

func TestFetchReconnects(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))
	c := open(t, f)
	produce(t, c, part("a", 0), encode(t, batch.EncodeOptions{}, "0"))
	// The broker closes the connection instead of answering, once.
	f.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("closed"), true })
	got, err := c.Fetch(t.Context(), []batch.Ask{{Partition: part("a", 0)}})
	if err != nil || got[0].Err != nil || len(got[0].Raw) == 0 {
		t.Fatal(err, got)
	}
}

func TestFetchRecreatedTopic(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))
	c := open(t, f)
	p := part("a", 0)
	produce(t, c, p, encode(t, batch.EncodeOptions{}, "0", "1"))
	if _, err := c.Fetch(t.Context(), []batch.Ask{{Partition: p}}); err != nil {
		t.Fatal(err)
	}
	before, err := c.Topics(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.DeleteTopic("a"), f.CreateTopic("a", 1, nil)); err != nil {
		t.Fatal(err)
	}
	got, err := c.Fetch(t.Context(), []batch.Ask{{Partition: p}})
	if err != nil || got[0].Err != nil || got[0].HighWatermark != 0 {
		t.Fatal(err, got)
	}
	after, err := c.Topics(t.Context(), "a")
	if err != nil || after["a"].ID == before["a"].ID || after["a"].ID.IsZero() {
		t.Fatal(err, before, after)
	}
	if err := f.DeleteTopic("a"); err != nil {
		t.Fatal(err)
	}
	got, err = c.Fetch(t.Context(), []batch.Ask{{Partition: p}})
	if err != nil || !errors.Is(got[0].Err, kerr.UnknownTopicOrPartition) {
		t.Fatal(err, got)
	}
}

// A later partition of a request comes back empty when the request is full,
// and is asked again alone. An answer like Kafka's is made by hand: the fake
// broker counts differently.
func TestFetchAsksAloneWhatSizeLeftOut(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(3, "a"))
	c := open(t, f)
	for n := range int32(3) {
		produce(t, c, part("a", n), encode(t, batch.EncodeOptions{}, "0"))
	}
	f.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, ok := r.(*kmsg.FetchRequest)
		if !ok || len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 3 {
			return nil, fmt.Errorf("unexpected request %+v", r), true
		}
		resp, ok := req.ResponseKind().(*kmsg.FetchResponse)
		if !ok {
			return nil, errors.New("no response"), true
		}
		rt := kmsg.NewFetchResponseTopic()
		rt.TopicID = req.Topics[0].TopicID
		for _, p := range req.Topics[0].Partitions {
			rp := kmsg.NewFetchResponseTopicPartition()
			rp.Partition, rp.HighWatermark, rp.LastStableOffset, rp.LogStartOffset = p.Partition, 1, 1, 0
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	before := c.Stats().FetchRequests
	asks := []batch.Ask{{Partition: part("a", 0)}, {Partition: part("a", 1)}, {Partition: part("a", 2), Offset: 1}}
	got, err := c.Fetch(t.Context(), asks)
	if err != nil || len(got[0].Raw) == 0 || len(got[1].Raw) == 0 || len(got[2].Raw) != 0 {
		t.Fatal(err, got)
	}
	// One for all, two alone; the third is at the end and not asked again.
	if n := c.Stats().FetchRequests - before; n != 3 {
		t.Fatalf("%d requests", n)
	}
}

func TestFetchWaits(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "a"))
	c := open(t, f)
	var waits []int32
	f.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		if req, ok := r.(*kmsg.FetchRequest); ok {
			waits = append(waits, req.MaxWaitMillis, req.MinBytes, int32(len(req.Topics[0].Partitions)), req.SessionEpoch)
		}
		return nil, nil, false
	})
	if _, err := c.Fetch(t.Context(), []batch.Ask{{Partition: part("a", 0)}, {Partition: part("a", 1), Wait: true}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int32{0, 0, 1, -1, waitMillis, 1, 1, -1}, waits); diff != "" {
		t.Fatal(diff)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))
	c := open(t, f)
	ctx, cancel := contextWithCancel(t)
	f.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel()
		return nil, nil, true // never answered
	})
	if _, err := c.Fetch(ctx, []batch.Ask{{Partition: part("a", 0)}}); err == nil || !errors.Is(err, ctx.Err()) {
		t.Fatal(err)
	}
}
