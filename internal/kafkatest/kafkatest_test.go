package kafkatest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// produce writes values v0, v1, … with keys k0, k1, … to partition 0.
func produce(t *testing.T, k *kafkatest.Kafka, topic string, from, to int) {
	t.Helper()
	c := k.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i := from; i < to; i++ {
		r := &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "v\n%d", i)}
		c.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Errorf("producing to %s: %v", topic, err)
			}
		})
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatalf("flushing: %v", err)
	}
}

func end(t *testing.T, k *kafkatest.Kafka, topic string) int64 {
	t.Helper()
	ends, err := k.Admin(t).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatalf("listing end offsets: %v", err)
	}
	o, ok := ends.Lookup(topic, 0)
	if !ok || o.Err != nil {
		t.Fatalf("end offset of %s: found %t, %v", topic, ok, o.Err)
	}
	return o.Offset
}

// One broker per version, one after the other: what every other test relies on.
func TestSharedVersions(t *testing.T) {
	for _, version := range kafkatest.Versions() {
		t.Run(version, func(t *testing.T) {
			begin := time.Now()
			k := kafkatest.Shared(t, version)
			t.Logf("Apache Kafka %s is up after %s", version, time.Since(begin).Round(time.Millisecond))
			if again := kafkatest.Shared(t, version); again != k {
				t.Error("asked twice, got two clusters")
			}
			meta, err := k.Admin(t).BrokerMetadata(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if meta.Cluster != k.ID() || k.ID() == "" {
				t.Errorf("cluster ID %q, the broker says %q", k.ID(), meta.Cluster)
			}
			consumeAsJavaDoes(t, k)
		})
	}
}

// A committed offset is where Java's consumer goes on, and Kafka's own tool
// shows what we committed and what Java committed.
func consumeAsJavaDoes(t *testing.T, k *kafkatest.Kafka) {
	topic, group := kafkatest.Name(t, "orders"), kafkatest.Name(t, "reader")
	k.CreateTopic(t, topic, 1, nil)
	produce(t, k, topic, 0, 6)
	var commit kadm.Offsets
	commit.AddOffset(topic, 0, 4, -1)
	if err := k.Admin(t).CommitAllOffsets(t.Context(), group, commit); err != nil {
		t.Fatal(err)
	}
	want := []kafkatest.GroupRow{{Group: group, Topic: topic, Current: 4, End: 6, Lag: 2}}
	if diff := cmp.Diff(want, k.ConsumerGroupsDescribe(t, group)); diff != "" {
		t.Errorf("before reading (-want +got):\n%s", diff)
	}
	begin := time.Now()
	got := k.ConsoleConsume(t, group, topic, 2)
	t.Logf("the console consumer took %s", time.Since(begin).Round(time.Millisecond))
	records := []kafkatest.Record{{Offset: 4, Key: "k4", Value: "v\n4"}, {Offset: 5, Key: "k5", Value: "v\n5"}}
	if diff := cmp.Diff(records, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	want[0].Current, want[0].Lag = 6, 0
	if diff := cmp.Diff(want, k.ConsumerGroupsDescribe(t, group)); diff != "" {
		t.Errorf("after reading (-want +got):\n%s", diff)
	}
}
