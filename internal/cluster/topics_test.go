package cluster

import (
	"errors"
	"fmt"
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

func TestTopics(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(2), kfake.SeedTopics(3, "plain"))
	if err := f.CreateTopic("compacted", 1, map[string]string{
		"cleanup.policy": "compact,delete", "message.timestamp.type": "LogAppendTime", "retention.ms": "1000", "retention.bytes": "2000",
	}); err != nil {
		t.Fatal(err)
	}
	if err := f.CreateTopic("forever", 1, map[string]string{"retention.ms": "-1"}); err != nil {
		t.Fatal(err)
	}
	c := open(t, f)
	got, err := c.Topics(t.Context(), "plain", "compacted", "forever", "none", "plain")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || !errors.Is(got["none"].Err, kerr.UnknownTopicOrPartition) || got["none"].Config.Known {
		t.Fatalf("%+v", got)
	}
	plain := got["plain"]
	if plain.ID.IsZero() || plain.Name != "plain" || plain.Internal || plain.Err != nil {
		t.Fatalf("%+v", plain)
	}
	if diff := cmp.Diff([]int32{0, 1, 2}, plain.Partitions); diff != "" {
		t.Fatal(diff)
	}
	if cfg := plain.Config; !cfg.Known || cfg.Compacted || cfg.AppendTime || cfg.RetentionBytes >= 0 || cfg.Retention != 7*24*time.Hour {
		t.Fatalf("%+v", cfg)
	}
	want := topic.Config{Known: true, Compacted: true, AppendTime: true, Retention: time.Second, RetentionBytes: 2000}
	if diff := cmp.Diff(want, got["compacted"].Config); diff != "" {
		t.Fatal(diff)
	}
	if got["forever"].Config.Retention >= 0 {
		t.Fatalf("%+v", got["forever"].Config)
	}
	all, err := c.Topics(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatal(err, all)
	}
}

func TestTopicsConfigUnknown(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a", "b"))
	c := open(t, f)
	h := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Resource: "a", Err: kerr.TopicAuthorizationFailed, Count: -1})
	got, err := c.Topics(t.Context())
	if err != nil || h.Hits() == 0 {
		t.Fatal(err, h.Hits())
	}
	if got["a"].Config.Known || got["a"].Err != nil || !got["b"].Config.Known {
		t.Fatalf("%+v", got)
	}
}

func TestTopicsManyInFewRequests(t *testing.T) {
	t.Parallel()
	const n = configBatch + 1
	names := make([]string, 0, n)
	for i := range n {
		names = append(names, fmt.Sprint("t", i))
	}
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, names...))
	c := open(t, f)
	before := c.Stats()
	got, err := c.Topics(t.Context())
	if err != nil || len(got) != n {
		t.Fatal(err, len(got))
	}
	for name, one := range got {
		if !one.Config.Known {
			t.Fatalf("%s: %+v", name, one)
		}
	}
	if d := c.Stats().Requests - before.Requests; d != 3 {
		t.Fatalf("%d requests", d)
	}
}

func TestTopicConfig(t *testing.T) {
	t.Parallel()
	base := func() map[string]string {
		return map[string]string{keyPolicy: "delete", keyTimestampType: "CreateTime", keyRetention: "5", keyRetentionBytes: "-1"}
	}
	for _, key := range []string{keyPolicy, keyTimestampType, keyRetention, keyRetentionBytes} {
		v := base()
		delete(v, key)
		if _, ok := topicConfig(v); ok {
			t.Errorf("known without %s", key)
		}
	}
	v := base()
	v[keyRetention] = "9223372036854775807"
	if cfg, ok := topicConfig(v); !ok || cfg.Retention >= 0 {
		t.Errorf("%+v", cfg)
	}
}

func TestTopicsOfAnOldCluster(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"), kfake.MaxVersions(kversion.V2_7_0()))
	c := open(t, f)
	v := c.Versions()
	if v.HasTopicIDs || v.HasDescribeProducers || !v.HasOffsetDelete || !v.HasRequireStable || v.HasOffsetFetchGroups || v.HasConsumerGroupDescribe {
		t.Fatalf("%+v", v)
	}
	got, err := c.Topics(t.Context(), "a")
	if err != nil || !got["a"].ID.IsZero() || !got["a"].Config.Known {
		t.Fatal(err, got)
	}
	open, ok, err := c.OpenTransactions(t.Context(), []topic.Partition{part("a", 0)})
	if err != nil || ok || len(open) != 0 {
		t.Fatal(open, ok, err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(3), kfake.SeedTopics(6, "a"))
	c := open(t, f)
	var ps []topic.Partition
	for n := range int32(6) {
		produce(t, c, part("a", n), encode(t, batch.EncodeOptions{}, make([]string, n+1)...))
		ps = append(ps, part("a", n))
	}
	if err := f.DeleteRecords("a", 5, 2); err != nil {
		t.Fatal(err)
	}
	got, err := c.Bounds(t.Context(), append(ps[1:], part("a", 17), part("none", 0)))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 7 {
		t.Fatalf("%d answers", len(got))
	}
	for _, p := range ps[1:] {
		want := topic.Bounds{End: int64(p.Partition) + 1, Stable: int64(p.Partition) + 1, Epoch: got[p].Epoch}
		if p.Partition == 5 {
			want.Start = 2
		}
		if diff := cmp.Diff(want, got[p]); diff != "" || want.Epoch < 0 {
			t.Fatalf("%s: %s", p, diff)
		}
	}
	for _, p := range []topic.Partition{part("a", 17), part("none", 0)} {
		if b := got[p]; !errors.Is(b.Err, kerr.UnknownTopicOrPartition) || b.Start != -1 || b.End != -1 || b.Stable != -1 {
			t.Fatalf("%s: %+v", p, b)
		}
	}
	empty, err := c.Bounds(t.Context(), nil)
	if err != nil || len(empty) != 0 {
		t.Fatal(empty, err)
	}
}

func TestBoundsErrorsStayWithTheirPartition(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "a"))
	c := open(t, f)
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Partitions: []int32{1}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	got, err := c.Bounds(t.Context(), []topic.Partition{part("a", 0), part("a", 1)})
	if err != nil || got[part("a", 0)].Err != nil || !errors.Is(got[part("a", 1)].Err, kerr.TopicAuthorizationFailed) {
		t.Fatal(err, got)
	}
}

func TestBoundsRetry(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))
	c := open(t, f)
	h := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.NotLeaderForPartition, Count: 3})
	got, err := c.Bounds(t.Context(), []topic.Partition{part("a", 0)})
	if err != nil || got[part("a", 0)].Err != nil || h.Hits() != 3 {
		t.Fatal(err, got, h.Hits())
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "a"))
	c := open(t, f)
	for n := range int32(2) {
		// Timestamps 1000, 1001, 1002.
		produce(t, c, part("a", n), encode(t, batch.EncodeOptions{}, "0", "1", "2"))
	}
	got, err := c.Since(t.Context(), map[topic.Partition]int64{part("a", 0): 1001, part("a", 1): 5000, part("none", 0): 1})
	if err != nil {
		t.Fatal(err)
	}
	if s := got[part("a", 0)]; s.Offset != 1 || s.Timestamp != 1001 || s.Err != nil {
		t.Fatalf("%+v", s)
	}
	if s := got[part("a", 1)]; s.Offset != -1 || s.Timestamp != -1 || s.Err != nil {
		t.Fatalf("%+v", s)
	}
	if s := got[part("none", 0)]; s.Err == nil || s.Offset != -1 {
		t.Fatalf("%+v", s)
	}
	if _, err := c.Since(t.Context(), map[topic.Partition]int64{part("a", 0): -1}); err == nil {
		t.Fatal("-1 means the end to ListOffsets, and is no time")
	}
}

func TestEpochEnd(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "a"))
	c := open(t, f)
	p := part("a", 0)
	produce(t, c, p, encode(t, batch.EncodeOptions{}, "0", "1"))
	first := f.PartitionInfo("a", 0)
	if err := f.MoveTopicPartition("a", 0, 1-first.Leader); err != nil {
		t.Fatal(err)
	}
	c.meta.forget("a")
	produce(t, c, p, encode(t, batch.EncodeOptions{}, "2"))
	now := f.PartitionInfo("a", 0)
	for epoch, want := range map[int32]EpochEnd{
		first.Epoch: {Epoch: first.Epoch, End: 2},
		now.Epoch:   {Epoch: now.Epoch, End: 3},
	} {
		got, err := c.EpochEnd(t.Context(), []EpochAsk{{Partition: p, Epoch: epoch}, {Partition: part("none", 0)}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got[p]); diff != "" {
			t.Fatalf("epoch %d: %s", epoch, diff)
		}
		if got[part("none", 0)].Err == nil {
			t.Fatal("no error for an unknown topic")
		}
	}
	if _, err := c.EpochEnd(t.Context(), []EpochAsk{{Partition: p}, {Partition: p}}); err == nil {
		t.Fatal("the same partition twice")
	}
}

// A committed group of transactions whose end is still open holds the last
// stable offset back, and only that.
func TestBoundsStable(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))
	c := open(t, f)
	cl := transactional(t, f)
	transaction(t, cl, "a", 1, new(kgo.TryCommit))
	transaction(t, cl, "a", 1, nil)
	got, err := c.Bounds(t.Context(), []topic.Partition{part("a", 0)})
	if err != nil {
		t.Fatal(err)
	}
	if b := got[part("a", 0)]; b.Stable != 2 || b.End != 3 {
		t.Fatalf("%+v", b)
	}
}

func TestVersionsAreTheLowest(t *testing.T) {
	t.Parallel()
	of := func(pairs ...int16) *kmsg.ApiVersionsResponse {
		r := kmsg.NewPtrApiVersionsResponse()
		for i := 0; i < len(pairs); i += 2 {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MaxVersion = pairs[i], pairs[i+1]
			r.ApiKeys = append(r.ApiKeys, k)
		}
		return r
	}
	v := newVersions([]*kmsg.ApiVersionsResponse{of(1, 17, 3, 12, 9, 9), of(1, 12, 3, 9, 61, 0)})
	for key, want := range map[kmsg.Key]int16{kmsg.Fetch: 12, kmsg.Metadata: 9, kmsg.OffsetFetch: -1, kmsg.DescribeProducers: -1} {
		if got := v.Highest(key); got != want {
			t.Errorf("key %d: %d, want %d", key, got, want)
		}
	}
	if v.HasTopicIDs || v.HasRequireStable || v.HasDescribeProducers {
		t.Errorf("%+v", v)
	}
}
