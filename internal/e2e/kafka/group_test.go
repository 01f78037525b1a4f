package kafka_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

func positions(at map[topic.Partition]int64) []position.Position {
	var ps []position.Position
	for p, offset := range at {
		ps = append(ps, position.Position{Partition: p, Offset: offset, LeaderEpoch: -1})
	}
	return ps
}

// commit stores positions and expects all to be taken.
func (n *node) commit(t *testing.T, name string, at map[topic.Partition]int64) {
	t.Helper()
	parts, err := n.g.Commit(t.Context(), name, positions(at))
	if err = errors.Join(append(slices.Collect(maps.Values(parts)), err)...); err != nil {
		t.Fatalf("committing for %s: %v", name, err)
	}
}

func (n *node) reading(t *testing.T, name string) group.Reading {
	t.Helper()
	got, err := n.g.Read(t.Context(), []string{name})
	if err != nil || got[name].Err != nil {
		t.Fatalf("reading %s: %v, %v", name, err, got[name].Err)
	}
	return got[name]
}

func (n *node) offsets(t *testing.T, name string) map[topic.Partition]int64 {
	t.Helper()
	got := map[topic.Partition]int64{}
	for p, pos := range n.reading(t, name).Positions {
		got[p] = pos.Offset
	}
	return got
}

// live waits until the group has members that share its partitions.
func (n *node) live(t *testing.T, name string, members, partitions int) group.Group {
	t.Helper()
	var g group.Group
	kafkatest.Eventually(t, "group "+name, func() (bool, string) {
		got, err := n.g.Describe(t.Context(), []string{name})
		if err != nil {
			t.Fatal(err)
		}
		g = got[name]
		assigned := 0
		for _, m := range g.Members {
			assigned += len(m.Assigned)
		}
		return g.State == group.Stable && len(g.Members) == members && assigned == partitions, string(g.State)
	})
	return g
}

// javaMember runs Kafka's console consumer until it has read some records; the
// caller waits for that.
func (n *node) javaMember(t *testing.T, name, topicName string, most int, properties ...string) (wait func()) {
	t.Helper()
	flag := "--consumer-property"
	if n.k.Version == kafkatest.Newest {
		flag = "--command-property" // KIP-1147
	}
	var args []string
	for _, p := range append(properties, "client.id=till") {
		args = append(args, flag, p)
	}
	var read sync.WaitGroup
	read.Go(func() { n.k.ConsoleConsume(t, name, topicName, most, args...) })
	t.Cleanup(read.Wait)
	return read.Wait
}

// A Java consumer holds the group: kind, protocol, member and host are told, and
// nothing of it can be written; when it has gone, everything can.
func TestJavaMember(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		version    string
		kind       group.Kind
		properties []string
	}{
		"classic 2.7":  {kafkatest.Old, group.Classic, []string{"group.instance.id=till-1", "session.timeout.ms=3000", "heartbeat.interval.ms=500"}},
		"classic 3.9":  {kafkatest.Previous, group.Classic, nil},
		"classic 4.3":  {kafkatest.Newest, group.Classic, []string{"group.instance.id=till-1", "session.timeout.ms=3000", "heartbeat.interval.ms=500"}},
		"consumer 4.3": {kafkatest.Newest, group.Consumer, []string{"group.protocol=consumer"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := shared(t, tc.version)
			orders, id := kafkatest.Name(t, "orders"), kafkatest.Name(t, "shop")
			n.create(t, orders, 2, nil)
			cl := n.manual(t)
			kafkatest.Produce(t, cl, numbered(part(orders, 0), 0, 3)...)
			wait := n.javaMember(t, id, orders, 4, tc.properties...)
			g := n.live(t, id, 1, 2)
			m := g.Members[0]
			static := slices.Contains(tc.properties, "group.instance.id=till-1")
			if g.Kind != tc.kind || m.ClientID != "till" || !strings.Contains(m.Host, "127.0.0.1") || (m.InstanceID == "till-1") != static {
				t.Errorf("group %+v", g)
			}
			n.checkInUse(t, id, orders)
			kafkatest.Produce(t, cl, numbered(part(orders, 1), 0, 1)...)
			wait()
			kafkatest.Eventually(t, "an empty group", func() (bool, string) {
				g := n.reading(t, id).Group
				return g.State == group.Empty, string(g.State)
			})
			if diff := cmp.Diff(map[topic.Partition]int64{part(orders, 0): 3, part(orders, 1): 1}, n.offsets(t, id)); diff != "" {
				t.Errorf("what the consumer has left (-want +got):\n%s", diff)
			}
			n.checkFree(t, id, orders)
		})
	}
}

// checkInUse expects every write to be refused, with the member's name.
func (n *node) checkInUse(t *testing.T, id, orders string) {
	t.Helper()
	_, err := n.g.Commit(t.Context(), id, positions(map[topic.Partition]int64{part(orders, 0): 1, part(orders, 1): 1}))
	var active *group.ActiveError
	if !errors.As(err, &active) || len(active.Members) != 1 || !strings.Contains(err.Error(), "till") || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("Commit on a live group: %v", err)
	}
	if err := n.g.DeleteGroup(t.Context(), id); !errors.Is(err, group.ErrActive) {
		t.Errorf("DeleteGroup on a live group: %v", err)
	}
	if _, err := n.g.DeleteOffsets(t.Context(), id, []topic.Partition{part(orders, 0)}); !errors.Is(err, group.ErrActive) {
		t.Errorf("DeleteOffsets on a live group: %v", err)
	}
}

// checkFree writes, deletes and removes.
func (n *node) checkFree(t *testing.T, id, orders string) {
	t.Helper()
	n.commit(t, id, map[topic.Partition]int64{part(orders, 0): 1})
	if parts, err := n.g.DeleteOffsets(t.Context(), id, []topic.Partition{part(orders, 1)}); err != nil || parts[part(orders, 1)] != nil {
		t.Errorf("DeleteOffsets: %v, %v", parts, err)
	}
	if diff := cmp.Diff(map[topic.Partition]int64{part(orders, 0): 1}, n.offsets(t, id)); diff != "" {
		t.Errorf("after commit and deletion (-want +got):\n%s", diff)
	}
	if err := n.g.DeleteGroup(t.Context(), id); err != nil {
		t.Errorf("DeleteGroup: %v", err)
	}
	if r := n.reading(t, id); r.Group.State != group.Absent || len(r.Positions) != 0 {
		t.Errorf("after DeleteGroup: %+v", r)
	}
}

// A static member that went without a word keeps its group closed until its
// session times out.
func TestStaticMemberThatIsGone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node) {
		t.Helper()
		orders, id := kafkatest.Name(t, "orders"), kafkatest.Name(t, "shop")
		n.create(t, orders, 1, nil)
		cl := n.k.Client(t, kgo.ConsumerGroup(id), kgo.ConsumeTopics(orders), kgo.InstanceID("till-7"), kgo.SessionTimeout(4e9), kgo.HeartbeatInterval(5e8))
		g := n.live(t, id, 1, 1)
		if g.Members[0].InstanceID != "till-7" {
			t.Errorf("member %+v", g.Members[0])
		}
		cl.Close() // a static member does not leave
		_, err := n.g.Commit(t.Context(), id, positions(map[topic.Partition]int64{part(orders, 0): 1}))
		var active *group.ActiveError
		if !errors.As(err, &active) || len(active.Members) != 1 || active.Members[0].InstanceID != "till-7" {
			t.Errorf("Commit: %v", err)
		}
		kafkatest.Eventually(t, "the session's end", func() (bool, string) {
			g := n.reading(t, id).Group
			return g.Stopped(), string(g.State)
		})
		n.commit(t, id, map[topic.Partition]int64{part(orders, 0): 1})
	})
}

// pinned is a request held at a version that names topics.
type pinned struct {
	kmsg.Request
	max int16
}

func (p pinned) MaxVersion() int16 { return p.max }

// A transaction that has committed offsets and is open: those partitions have no
// final position, and afterwards the one that the transaction decided.
func TestUnstable(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node) {
		t.Helper()
		orders, out, id := kafkatest.Name(t, "orders"), kafkatest.Name(t, "out"), kafkatest.Name(t, "shop")
		n.create(t, orders, 2, nil)
		n.create(t, out, 1, nil)
		n.commit(t, id, map[topic.Partition]int64{part(orders, 0): 5, part(orders, 1): 6})
		for _, tc := range []struct {
			end  kgo.TransactionEndTry
			want int64
		}{{kgo.TryAbort, 5}, {kgo.TryCommit, 9}} {
			cl := n.pendingCommit(t, part(out, 0), id, part(orders, 0), 9)
			r := n.reading(t, id)
			if diff := cmp.Diff([]topic.Partition{part(orders, 0)}, r.Unstable); diff != "" {
				t.Errorf("unstable (-want +got):\n%s", diff)
			}
			if _, there := r.Positions[part(orders, 0)]; there || r.Positions[part(orders, 1)].Offset != 6 {
				t.Errorf("positions %+v", r.Positions)
			}
			if err := cl.EndTransaction(t.Context(), tc.end); err != nil {
				t.Fatal(err)
			}
			kafkatest.Eventually(t, "a decided position", func() (bool, string) {
				r := n.reading(t, id)
				return len(r.Unstable) == 0, "still unstable"
			})
			if got := n.offsets(t, id)[part(orders, 0)]; got != tc.want {
				t.Errorf("after the transaction the position is %d, want %d", got, tc.want)
			}
		}
	})
}

// pendingCommit leaves a transaction open that has committed one offset.
func (n *node) pendingCommit(t *testing.T, out topic.Partition, id string, p topic.Partition, offset int64) *kgo.Client {
	t.Helper()
	tx := kafkatest.Name(t, "tx")
	cl := n.transactional(t, tx)
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	kafkatest.Produce(t, cl, numbered(out, 0, 1)...)
	pid, epoch, err := cl.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = tx, pid, epoch, id
	if resp, err := add.RequestWith(t.Context(), cl); err != nil || resp.ErrorCode != 0 {
		t.Fatalf("AddOffsetsToTxn: %+v, %v", resp, err)
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = tx, pid, epoch, id
	rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	rp.Partition, rp.Offset = p.Partition, offset
	rt := kmsg.NewTxnOffsetCommitRequestTopic()
	rt.Topic, rt.Partitions = p.Topic, append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := cl.Request(t.Context(), pinned{req, 4})
	done, ok := resp.(*kmsg.TxnOffsetCommitResponse)
	if err != nil || !ok || done.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("TxnOffsetCommit: %+v, %v", resp, err)
	}
	return cl
}

// One commit is taken for a topic and refused for another that is not there.
func TestCommitTakenInPart(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node) {
		t.Helper()
		orders, id := kafkatest.Name(t, "orders"), kafkatest.Name(t, "shop")
		n.create(t, orders, 1, nil)
		gone := part(kafkatest.Name(t, "gone"), 0)
		parts, err := n.g.Commit(t.Context(), id, positions(map[topic.Partition]int64{part(orders, 0): 4, gone: 4, part(orders, 1): 4}))
		if err != nil {
			t.Fatalf("Commit: %v", err)
		}
		if parts[part(orders, 0)] != nil || !errors.Is(parts[gone], kerr.UnknownTopicOrPartition) || !errors.Is(parts[part(orders, 1)], kerr.UnknownTopicOrPartition) {
			t.Errorf("parts: %v", parts)
		}
		if diff := cmp.Diff(map[topic.Partition]int64{part(orders, 0): 4}, n.offsets(t, id)); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		long := positions(map[topic.Partition]int64{part(orders, 0): 5})
		long[0].Metadata = strings.Repeat("m", 5000)
		if _, err := n.g.Commit(t.Context(), id, long); !errors.Is(err, kerr.OffsetMetadataTooLarge) {
			t.Errorf("metadata above the broker's limit: %v", err)
		}
	})
}

// A member joins the target's group between plan and apply: nothing is written,
// and it is said who is there. The source in use is noticed as well.
func TestApplyMeetsAMember(t *testing.T) {
	t.Parallel()
	kafkatest.Need(t, kafkatest.Previous, kafkatest.Newest)
	m := newMove(t, shared(t, kafkatest.Previous), shared(t, kafkatest.Newest))
	p := m.build(t)
	for name, opts := range map[string][]kgo.Opt{"classic": nil, "consumer": {kgo.ServerSideBalancer()}} {
		t.Run(name, func(t *testing.T) {
			cl := m.to.k.Client(t, append(opts, kgo.ConsumerGroup(m.group), kgo.ConsumeTopics(m.orders[1]), kgo.ClientID("till"), kgo.DisableAutoCommit())...)
			m.to.live(t, m.group, 1, 2)
			rep := m.apply(t, p, func(in *plan.ApplyInput) { in.Again = true })
			if g := rep.Groups[0]; rep.Complete() || g.Set != 0 || !strings.Contains(g.Detail, "till") {
				t.Errorf("apply on a live group: %+v", g)
			}
			if got := m.to.offsets(t, m.group); len(got) != 0 {
				t.Errorf("stored: %v", got)
			}
			again := m.build(t)
			if g := again.Group(m.group); g.Verdict != plan.VerdictRefused || g.Reason != plan.ReasonGroupActive {
				t.Errorf("plan for a live group: %s %s", g.Verdict, g.Reason)
			}
			cl.LeaveGroup()
			kafkatest.Eventually(t, "an empty group", func() (bool, string) {
				g := m.to.reading(t, m.group).Group
				return g.Stopped(), string(g.State)
			})
			if err := m.to.g.DeleteGroup(t.Context(), m.group); err != nil && !errors.Is(err, group.ErrAbsent) {
				t.Fatal(err)
			}
		})
	}
	m.from.k.Client(t, kgo.ConsumerGroup(m.group), kgo.ConsumeTopics(m.orders[0]), kgo.ClientID("old-till"), kgo.DisableAutoCommit())
	m.from.live(t, m.group, 1, 2)
	if g := m.build(t).Group(m.group); g.Verdict != plan.VerdictRefused || g.Reason != plan.ReasonGroupActive || !strings.Contains(g.Detail, "old-till") {
		t.Errorf("plan from a live source: %s %s %s", g.Verdict, g.Reason, g.Detail)
	}
}
