package group

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kferry/kferry/internal/topic"
)

// A thousand groups cost one request of a kind per coordinator, not per group.
func TestReadAsksEachCoordinatorOnce(t *testing.T) {
	t.Parallel()
	const brokers, n = 3, 1000
	b := startBroker(t, kfake.NumBrokers(brokers))
	c := b.groups(t)
	names := many(n)
	for i, name := range names {
		commit(t, c, name, at("orders", 0, int64(i), ""))
	}
	b.reset()
	got, err := c.Read(t.Context(), append([]string{"nobody"}, names...))
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	for i, name := range names {
		r := got[name]
		if r.Err != nil || r.Positions[part("orders", 0)].Offset != int64(i) || r.Group.State != Empty {
			t.Fatalf("%s: %+v", name, r)
		}
	}
	if r := got["nobody"]; r.Err != nil || r.Group.State != Absent || len(r.Positions) != 0 || !r.Group.Stopped() {
		t.Errorf("nobody: %+v", r)
	}
	for key, most := range map[kmsg.Key]int{
		kmsg.OffsetFetch: brokers, kmsg.DescribeGroups: brokers, kmsg.ConsumerGroupDescribe: brokers,
		// Once to describe, once to fetch: in two batches, of 1,000 and of 1.
		kmsg.FindCoordinator: 4,
	} {
		if n := b.count(key); n > most {
			t.Errorf("%d %s requests, want at most %d", n, key.Name(), most)
		}
	}
}

// Brokers before 3.0 answer for one group per request.
func TestReadFromOldBrokers(t *testing.T) {
	t.Parallel()
	b := startBroker(t, kfake.NumBrokers(2), kfake.MaxVersions(kversion.V2_7_0()))
	c := b.groups(t)
	names := many(40)
	for i, name := range names {
		commit(t, c, name, at("orders", 1, int64(i), "m"))
	}
	b.reset()
	got, err := c.Read(t.Context(), append(names, "nobody"))
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	for i, name := range names {
		r := got[name]
		if r.Err != nil || r.Group.Kind != Classic || r.Positions[part("orders", 1)].Offset != int64(i) {
			t.Fatalf("%s: %+v", name, r)
		}
	}
	if r := got["nobody"]; r.Err != nil || r.Group.State != Absent {
		t.Errorf("nobody: %+v", r)
	}
	if n := b.count(kmsg.OffsetFetch); n != len(names)+1 {
		t.Errorf("%d OffsetFetch requests, want %d", n, len(names)+1)
	}
	groups, complete, err := c.List(t.Context())
	if err != nil || len(groups) != len(names) || groups[0].Kind != Classic || !complete.Known {
		t.Errorf("List: %d groups, %+v, %v", len(groups), complete, err)
	}
}

// answerFetch answers OffsetFetch for one partition with a code, for as many
// requests as there are.
func answerFetch(b *broker, code *kerr.Error, requests int) {
	for range requests {
		b.ControlKey(kmsg.OffsetFetch.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
			req, _ := r.(*kmsg.OffsetFetchRequest)
			resp, _ := req.ResponseKind().(*kmsg.OffsetFetchResponse)
			for _, rg := range req.Groups {
				g := kmsg.NewOffsetFetchResponseGroup()
				g.Group = rg.Group
				rt := kmsg.NewOffsetFetchResponseGroupTopic()
				rt.Topic = "orders"
				for p := range int32(3) {
					sp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
					sp.Partition, sp.Offset = p, int64(p)*10-1 // -1, 9, 19
					if p == 2 {
						sp.Offset, sp.ErrorCode = -1, code.Code
					}
					rt.Partitions = append(rt.Partitions, sp)
				}
				g.Topics = append(g.Topics, rt)
				resp.Groups = append(resp.Groups, g)
			}
			return resp, nil, true
		})
	}
}

func TestReadUnstable(t *testing.T) {
	t.Parallel()
	t.Run("soon decided", func(t *testing.T) {
		t.Parallel()
		b := startBroker(t)
		c := New(b.connect(t), &Options{UnstableWait: time.Minute})
		commit(t, c, "shop", at("orders", 0, 5, ""))
		answerFetch(b, kerr.UnstableOffsetCommit, 1)
		r := read(t, c, "shop")
		if diff := cmp.Diff(map[topic.Partition]int64{part("orders", 0): 5}, offsets(r)); diff != "" || len(r.Unstable) != 0 {
			t.Errorf("unstable %v, positions (-want +got):\n%s", r.Unstable, diff)
		}
	})
	t.Run("stays", func(t *testing.T) {
		t.Parallel()
		b := startBroker(t)
		c := New(b.connect(t), &Options{UnstableWait: time.Second})
		commit(t, c, "shop", at("orders", 0, 5, ""))
		answerFetch(b, kerr.UnstableOffsetCommit, 50)
		r := read(t, c, "shop")
		if diff := cmp.Diff([]topic.Partition{part("orders", 2)}, r.Unstable); diff != "" {
			t.Errorf("unstable (-want +got):\n%s", diff)
		}
		// Offset -1 is no position.
		if diff := cmp.Diff(map[topic.Partition]int64{part("orders", 1): 9}, offsets(r)); diff != "" {
			t.Errorf("positions (-want +got):\n%s", diff)
		}
		if n := b.count(kmsg.OffsetFetch); n < 2 || n > 12 {
			t.Errorf("%d requests, want a few", n)
		}
	})
}

// A real transaction that has committed offsets and is not decided.
func TestReadUnstableByATransaction(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	commit(t, c, "shop", at("orders", 0, 5, ""))
	producer := b.connect(t, kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("payments"))
	if err := producer.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := producer.client.ProduceSync(t.Context(), kgo.StringRecord("r")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	id, epoch, err := producer.client.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = "tx", id, epoch, "shop"
	if resp, err := add.RequestWith(t.Context(), producer.client); err != nil || resp.ErrorCode != 0 {
		t.Fatalf("AddOffsetsToTxn: %v, %v", resp, err)
	}
	pending := kmsg.NewPtrTxnOffsetCommitRequest()
	pending.TransactionalID, pending.ProducerID, pending.ProducerEpoch, pending.Group = "tx", id, epoch, "shop"
	pt := kmsg.NewTxnOffsetCommitRequestTopic()
	pt.Topic = "orders"
	pp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	pp.Partition, pp.Offset = 0, 9
	pt.Partitions = append(pt.Partitions, pp)
	pending.Topics = append(pending.Topics, pt)
	const named = 4 // later versions go by topic ID
	resp, err := producer.client.Broker(0).Request(t.Context(), &capped{Request: pending, max: named})
	if done, ok := resp.(*kmsg.TxnOffsetCommitResponse); err != nil || !ok || done.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("TxnOffsetCommit: %v, %v", resp, err)
	}
	r := read(t, c, "shop")
	if diff := cmp.Diff([]topic.Partition{part("orders", 0)}, r.Unstable); diff != "" || len(r.Positions) != 0 {
		t.Errorf("positions %v, unstable (-want +got):\n%s", r.Positions, diff)
	}
	if err := producer.client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[topic.Partition]int64{part("orders", 0): 9}, offsets(read(t, c, "shop"))); diff != "" {
		t.Errorf("after the transaction (-want +got):\n%s", diff)
	}
}

// What goes wrong for a partition is never a position less without a word.
func TestReadSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	commit(t, c, "shop", at("orders", 0, 5, ""))
	answerFetch(b, kerr.UnknownServerError, 1)
	got, err := c.Read(t.Context(), []string{"shop"})
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if r := got["shop"]; !errors.As(r.Err, &e) || *e.Partition != part("orders", 2) || !errors.Is(r.Err, kerr.UnknownServerError) {
		t.Errorf("error %v", got["shop"].Err)
	}
}

func TestReadFollowsTheCoordinator(t *testing.T) {
	t.Parallel()
	b := startBroker(t, kfake.NumBrokers(3))
	c := b.groups(t)
	names := many(20)
	for i, name := range names {
		commit(t, c, name, at("orders", 0, int64(i), ""))
	}
	for _, code := range []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorLoadInProgress} {
		b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch, kmsg.DescribeGroups, kmsg.FindCoordinator}, Group: names[3], Err: code, Count: 2})
	}
	b.ControlKey(kmsg.OffsetFetch.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, errors.New("connection broken"), true
	})
	got, err := c.Read(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if r := got[name]; r.Err != nil || r.Positions[part("orders", 0)].Offset != int64(i) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestReadOfABrokenGroupLeavesTheOthers(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	commit(t, c, "good", at("orders", 0, 1, ""))
	commit(t, c, "bad", at("orders", 0, 2, ""))
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "bad", Err: kerr.InvalidGroupID, Count: -1})
	got, err := c.Read(t.Context(), []string{"good", "bad"})
	if err != nil {
		t.Fatal(err)
	}
	if r := got["good"]; r.Err != nil || len(r.Positions) != 1 {
		t.Errorf("good: %+v", r)
	}
	if r := got["bad"]; !errors.Is(r.Err, kerr.InvalidGroupID) || len(r.Positions) != 0 {
		t.Errorf("bad: %+v", r)
	}
}

// A group that comes into being between describing and fetching is described
// again: its positions do not belong to an absent group.
func TestReadOfAGroupBeingBorn(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	commit(t, c, "shop", at("orders", 0, 5, ""))
	b.ControlKey(kmsg.DescribeGroups.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, _ := r.(*kmsg.DescribeGroupsRequest)
		resp, _ := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
		g := kmsg.NewDescribeGroupsResponseGroup()
		g.Group, g.State = "shop", string(Dead)
		resp.Groups = append(resp.Groups, g)
		return resp, nil, true
	})
	if r := read(t, c, "shop"); r.Group.State != Empty || r.Group.Kind != Classic || len(r.Positions) != 1 {
		t.Errorf("reading %+v", r)
	}
}

// Positions of a topic that is gone are gone with it, and never nameless.
func TestReadAfterATopicWasDeleted(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	commit(t, c, "shop", at("orders", 0, 5, ""), at("payments", 0, 6, ""))
	if err := b.DeleteTopic("payments"); err != nil {
		t.Fatal(err)
	}
	for p := range read(t, c, "shop").Positions {
		if p.Topic == "" {
			t.Errorf("nameless position on %v", p)
		}
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	b.ControlKey(kmsg.FindCoordinator.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		return nil, nil, true // no answer, ever
	})
	if _, err := c.Read(ctx, []string{"shop"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
}

// Every request has a deadline of its own.
func TestReadOfASilentBroker(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	commit(t, b.groups(t), "shop", at("orders", 0, 5, ""))
	c := New(b.connect(t), &Options{RequestTimeout: time.Second})
	if got := c.RequestTimeout(); got != time.Second {
		t.Errorf("RequestTimeout %s", got)
	}
	b.ControlKey(kmsg.OffsetFetch.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		return nil, nil, true
	})
	got, err := c.Read(t.Context(), []string{"shop"})
	if err != nil {
		t.Fatal(err)
	}
	if r := got["shop"]; !errors.Is(r.Err, context.DeadlineExceeded) {
		t.Errorf("reading %+v, want a time-out", r)
	}
}
