package kafka_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/offsetstopic"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

const internalTopic = "__consumer_offsets"

// TestOffsetsTopic: what a broker has written to its internal topic says, read
// from there and from a copy under another name, exactly what its coordinator
// answers.
func TestOffsetsTopic(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node) {
		t.Helper()
		orders := kafkatest.Name(t, "orders")
		n.create(t, orders, 3, nil)
		kafkatest.Produce(t, n.manual(t), numbered(part(orders, 0), 0, 50)...)
		one, two, gone := kafkatest.Name(t, "one"), kafkatest.Name(t, "two"), kafkatest.Name(t, "gone")
		for _, offset := range []int64{3, 40, 7} {
			n.commit(t, one, map[topic.Partition]int64{part(orders, 0): offset, part(orders, 1): 0, part(orders, 2): offset})
		}
		n.commit(t, two, map[topic.Partition]int64{part(orders, 0): 50})
		n.commit(t, gone, map[topic.Partition]int64{part(orders, 0): 5})
		n.keptFor(t, two, part(orders, 1), 9, time.Hour)
		if _, err := n.k.Admin(t).DeleteGroup(t.Context(), gone); err != nil {
			t.Fatal(err)
		}

		copied := n.copyInternal(t)
		for _, from := range []string{internalTopic, copied} {
			n.sameAsCoordinator(t, from, one, two, gone)
		}

		// Transactions: one that is committed, one that is aborted, one that is
		// open and keeps the last stable offset still for all that follow.
		for i, end := range []string{"commit", "abort", ""} {
			name := kafkatest.Name(t, "tx"+end)
			n.commit(t, name, map[topic.Partition]int64{part(orders, 0): 1})
			n.inTransaction(t, name, part(orders, 0), int64(20+i), end)
			n.commit(t, one, map[topic.Partition]int64{part(orders, 0): int64(30 + i)})
			want := map[topic.Partition]int64{part(orders, 0): 1}
			if end == "commit" {
				want[part(orders, 0)] = 20
			}
			kafkatest.Eventually(t, "the transaction has ended", func() (bool, string) {
				got := n.fromTopic(t, internalTopic, name)
				return cmp.Equal(want, got), cmp.Diff(want, got)
			})
		}
		n.sameAsCoordinator(t, internalTopic, one, two)
	})
}

// sameAsCoordinator compares the topic with what OffsetFetch says.
func (n *node) sameAsCoordinator(t *testing.T, from string, groups ...string) {
	t.Helper()
	for _, name := range groups {
		want := n.offsets(t, name)
		if diff := cmp.Diff(want, n.fromTopic(t, from, name)); diff != "" {
			t.Errorf("%s: group %s (-coordinator +topic):\n%s", from, name, diff)
		}
	}
}

// fromTopic reads the positions of a group from a topic.
func (n *node) fromTopic(t *testing.T, from, group string) map[topic.Partition]int64 {
	t.Helper()
	sel, err := position.Selector{Groups: []string{group}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	got, err := offsetstopic.Read(t.Context(), n.c, from, offsetstopic.Options{Selection: sel})
	if err != nil {
		t.Fatal(err)
	}
	out := map[topic.Partition]int64{}
	for p := range got.Set.Each() {
		out[p.Partition] = p.Offset
	}
	return out
}

// copyInternal copies the records of the internal topic as any mover would, and
// returns the name of the copy.
func (n *node) copyInternal(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	topics, err := n.c.Topics(ctx, internalTopic)
	if err != nil {
		t.Fatal(err)
	}
	numbers := topics[internalTopic].Partitions
	copied := kafkatest.Name(t, "restored-offsets")
	n.create(t, copied, int32(len(numbers)), map[string]string{"cleanup.policy": "compact"})
	at, ends := map[int32]kgo.Offset{}, map[int32]int64{}
	for _, p := range numbers {
		if b := n.bounds(t, part(internalTopic, p)); b.End > b.Start {
			at[p], ends[p] = kgo.NewOffset().At(b.Start), b.End
		}
	}
	reader := n.k.Client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{internalTopic: at}), kgo.KeepControlRecords())
	var records []*kgo.Record
	for len(ends) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("reading %s: %v, left %v", internalTopic, err, ends)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			end, reading := ends[r.Partition]
			if !reading {
				return
			}
			if r.Offset+1 >= end {
				delete(ends, r.Partition)
			}
			if r.Offset < end && !r.Attrs.IsControl() {
				records = append(records, &kgo.Record{Topic: copied, Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp})
			}
		})
	}
	kafkatest.Produce(t, n.manual(t), records...)
	return copied
}

// keptFor commits a position with a time of its own until it expires, which
// brokers store as an older version of the value.
func (n *node) keptFor(t *testing.T, group string, tp topic.Partition, offset int64, keep time.Duration) {
	t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.RetentionTimeMillis = group, -1, keep.Milliseconds()
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch = tp.Partition, offset, -1
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: tp.Topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	versions := kversion.V3_9_0()
	versions.SetMaxKeyVersion(8, 4)
	resp, err := req.RequestWith(t.Context(), n.k.Client(t, kgo.MaxVersions(versions)))
	took(t, "committing for "+keep.String(), err, func() int16 { return resp.Topics[0].Partitions[0].ErrorCode })
}

// inTransaction commits as a producer does, and ends the transaction with
// "commit", "abort" or not at all.
func (n *node) inTransaction(t *testing.T, group string, tp topic.Partition, offset int64, end string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	// From 4.0 on the server moves the epoch when a transaction ends (KIP-890).
	cl := n.k.Client(t, kgo.MaxVersions(kversion.V3_9_0()))
	tx := kafkatest.Name(t, "tx")
	begin := kmsg.NewPtrInitProducerIDRequest()
	begin.TransactionalID, begin.TransactionTimeoutMillis = &tx, 600_000
	id, err := begin.RequestWith(ctx, cl)
	took(t, "beginning a transaction", err, func() int16 { return id.ErrorCode })
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = tx, id.ProducerID, id.ProducerEpoch, group
	added, err := add.RequestWith(ctx, cl)
	took(t, "adding the group", err, func() int16 { return added.ErrorCode })
	store := kmsg.NewPtrTxnOffsetCommitRequest()
	store.TransactionalID, store.ProducerID, store.ProducerEpoch, store.Group = tx, id.ProducerID, id.ProducerEpoch, group
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch = tp.Partition, offset, -1
	store.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: tp.Topic, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{p}}}
	stored, err := store.RequestWith(ctx, cl)
	took(t, "committing in a transaction", err, func() int16 { return stored.Topics[0].Partitions[0].ErrorCode })
	if end == "" {
		return
	}
	finish := kmsg.NewPtrEndTxnRequest()
	finish.TransactionalID, finish.ProducerID, finish.ProducerEpoch, finish.Commit = tx, id.ProducerID, id.ProducerEpoch, end == "commit"
	ended, err := finish.RequestWith(ctx, cl)
	took(t, "ending the transaction", err, func() int16 { return ended.ErrorCode })
}

// took wants an answer without an error.
func took(t *testing.T, what string, err error, code func() int16) {
	t.Helper()
	if err == nil {
		err = kerr.ErrorForCode(code())
	}
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
