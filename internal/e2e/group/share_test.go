package group_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

func start(name string, p int32, offset int64) position.Position {
	return position.Position{Partition: topic.Partition{Topic: name, Partition: p}, Offset: offset, LeaderEpoch: -1}
}

// startOffsets are those of a share group.
func startOffsets(t *testing.T, c *group.Client, name string) map[topic.Partition]int64 {
	t.Helper()
	out := map[topic.Partition]int64{}
	for p, at := range read(t, c, name).Positions {
		out[p] = at.Offset
	}
	return out
}

// What a real broker answers, on which the room rests.
func TestShareGroupsOnTheBroker(t *testing.T) {
	t.Parallel()
	k := kafkatest.Shared(t, kafkatest.Newest)
	c := groups(t, k.Bootstrap())
	orders, name := kafkatest.Name(t, "orders"), kafkatest.Name(t, "workers")
	k.CreateTopic(t, orders, 2, nil)
	if err := c.ShareReady(t.Context()); err != nil {
		t.Fatalf("ShareReady: %v", err)
	}
	// The request makes the group, with all positions or with a part.
	var parts map[topic.Partition]error
	eventually(t, "the coordinator knows the topic", func() bool {
		var err error
		parts, err = c.CommitShare(t.Context(), name, []position.Position{start(orders, 0, 5), start(orders, 1, 7), start("no-such-topic", 0, 1)})
		if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			t.Fatal(err)
		}
		return err == nil
	})
	if !errors.Is(parts[topic.Partition{Topic: "no-such-topic"}], kerr.UnknownTopicOrPartition) {
		t.Errorf("a topic that is not there: %v", parts)
	}
	both := map[topic.Partition]int64{{Topic: orders}: 5, {Topic: orders, Partition: 1}: 7}
	if d := cmp.Diff(both, startOffsets(t, c, name)); d != "" {
		t.Errorf("start offsets (-want +got):\n%s", d)
	}
	if g := read(t, c, name).Group; g.Kind != group.Share || g.State != group.Empty || !g.Stopped() {
		t.Errorf("group %+v", g)
	}
	listed(t, c, name, group.Share)
	// One partition is taken back alone.
	if err := errOf(c.ForgetShare(t.Context(), name, []topic.Partition{{Topic: orders, Partition: 1}})); err != nil {
		t.Errorf("ForgetShare: %v", err)
	}
	if d := cmp.Diff(map[topic.Partition]int64{{Topic: orders}: 5}, startOffsets(t, c, name)); d != "" {
		t.Errorf("after removing one (-want +got):\n%s", d)
	}
	// What each kind answers to the requests of the other.
	if _, err := c.Commit(t.Context(), name, []position.Position{start(orders, 0, 1)}); !errors.Is(err, kerr.GroupIDNotFound) {
		t.Errorf("OffsetCommit to a share group: %v", err)
	}
	plain := kafkatest.Name(t, "plain")
	commit(t, c, plain, at(orders, 0, 3, ""))
	if _, err := c.CommitShare(t.Context(), plain, []position.Position{start(orders, 0, 1)}); !errors.Is(err, group.ErrAbsent) {
		t.Errorf("start offsets for a group of another kind: %v", err)
	}
	if err := c.DeleteGroup(t.Context(), name); err != nil {
		t.Error(err)
	}
	if r := read(t, c, name); r.Group.State != group.Absent || len(r.Positions) > 0 {
		t.Errorf("deleted: %+v", r)
	}
	harmlessAlter(t, k, c)
}

// harmlessAlter is what a write that is withdrawn turns into: it changes
// nothing and makes no group.
func harmlessAlter(t *testing.T, k *kafkatest.Kafka, c *group.Client) {
	t.Helper()
	if _, err := kmsg.NewPtrAlterShareGroupOffsetsRequest().RequestWith(t.Context(), k.Client(t)); err != nil {
		t.Logf("the harmless request is refused: %v", err)
	}
	all, _, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		if g.Name == "" {
			t.Error("the harmless request made a group without a name")
		}
	}
}

// shareMember is a member of a share group that takes what it is given: what
// accept says is done, the rest released.
func shareMember(t *testing.T, b *bench, name, topicName string, accept func(*kgo.Record) bool, until func() bool) {
	t.Helper()
	member, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(b.k.Bootstrap(), ",")...), kgo.ShareGroup(name), kgo.ConsumeTopics(topicName), kgo.ClientID("worker"))
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	for !until() {
		fs := member.PollRecords(ctx, 100)
		if ctx.Err() != nil {
			t.Fatal("the share group reads nothing")
		}
		fs.EachRecord(func(r *kgo.Record) {
			if accept(r) {
				r.Ack(kgo.AckAccept)
				return
			}
			r.Ack(kgo.AckRelease)
		})
		if err := member.FlushAcks(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// A share group goes to a copy at other offsets: everything that was not done
// is delivered there, what was done above the start offset is delivered again
// and was counted, and a rollback leaves no trace.
func TestShareGroupMoves(t *testing.T) {
	t.Parallel()
	b := newBench(t, kafkatest.Shared(t, kafkatest.Newest))
	from, to := kafkatest.Name(t, "workers"), kafkatest.Name(t, "moved")
	if err := errOf(b.g.CommitShare(t.Context(), from, []position.Position{start(b.source, 0, 4)})); err != nil {
		t.Fatal(err)
	}
	done := map[int64]bool{}
	shareMember(t, b, from, b.source, func(r *kgo.Record) bool {
		if r.Offset%3 == 0 && r.Offset > 4 {
			done[r.Offset] = true
		}
		return done[r.Offset]
	}, func() bool { return len(done) == 5 }) // 6, 9, 12, 15, 18
	eventually(t, "the member is out", func() bool { return read(t, b.g, from).Group.Stopped() })

	if g := b.build(t, from, to, plan.Accept{}).Groups[0]; g.Verdict != plan.VerdictRefused || g.Reason != plan.ReasonShareGroup {
		t.Fatalf("without the override: %+v", g)
	}
	p := b.build(t, from, to, plan.Accept{Repeats: true})
	q := p.Groups[0].Positions[0]
	if q.Outcome != translate.Repeats || q.Repeats != 5 || q.After == nil || q.After.Offset != 7 {
		t.Fatalf("position %+v, want T 7 and 5 repeats", q)
	}
	rep := b.apply(t, p, b.g)
	if !rep.Complete() {
		t.Fatalf("apply: %+v", rep)
	}
	if back := b.rollBack(t, rep.Run); !back.Complete() || read(t, b.g, to).Group.State != group.Absent {
		t.Fatalf("rollback: %+v", back)
	}

	side := b.side()
	rep, err := plan.Apply(t.Context(), p, plan.ApplyInput{From: &side, To: side, Bucket: b.bucket, Again: true, Tool: "kferry test", Command: "test"})
	if err != nil || !rep.Complete() {
		t.Fatalf("apply again: %+v %v", rep, err)
	}
	seen := map[string]bool{}
	shareMember(t, b, to, b.copy, func(r *kgo.Record) bool {
		seen[string(r.Value)] = true
		return true
	}, func() bool { return len(seen) == copies-4 })
	for i := range copies {
		if value := "v" + strconv.Itoa(i); seen[value] != (i >= 4) {
			t.Errorf("%s delivered: %v", value, seen[value])
		}
	}
}

// Members make start offsets untouchable, and a plan says who they are.
func TestShareGroupInUse(t *testing.T) {
	t.Parallel()
	b := newBench(t, kafkatest.Shared(t, kafkatest.Newest))
	from, to := kafkatest.Name(t, "workers"), kafkatest.Name(t, "moved")
	for _, name := range []string{from, to} {
		topicName := map[string]string{from: b.source, to: b.copy}[name]
		if err := errOf(b.g.CommitShare(t.Context(), name, []position.Position{start(topicName, 0, 4)})); err != nil {
			t.Fatal(err)
		}
	}
	p := b.build(t, from, to, plan.Accept{Repeats: true})
	member := b.k.Client(t, kgo.ShareGroup(to), kgo.ConsumeTopics(b.copy), kgo.ClientID("worker"))
	go member.PollFetches(t.Context())
	eventually(t, "the member is in", func() bool { return len(read(t, b.g, to).Group.Members) == 1 })
	var active *group.ActiveError
	_, err := b.g.CommitShare(t.Context(), to, []position.Position{start(b.copy, 0, 5)})
	if !errors.As(err, &active) || len(active.Members) != 1 || active.Members[0].ClientID != "worker" {
		t.Errorf("with a member: %v", err)
	}
	// The plan was made before the member came: apply refuses it, and the start
	// offset stays.
	changed := b.build(t, from, to, plan.Accept{Repeats: true})
	if g := changed.Groups[0]; g.Reason != plan.ReasonGroupActive || !strings.Contains(g.Detail, "worker") {
		t.Errorf("plan: %+v", g)
	}
	rep := b.apply(t, p, b.g)
	if g := rep.Groups[0]; g.Result == plan.Applied || g.Result == plan.Failed {
		t.Errorf("apply: %+v", g)
	}
	if got := startOffsets(t, b.g, to)[topic.Partition{Topic: b.copy}]; got != 4 {
		t.Errorf("start offset %d, want 4", got)
	}
}

// A release that has no share groups, or has them switched off, is told apart.
func TestShareGroupsThatAreNotThere(t *testing.T) {
	t.Parallel()
	old := groups(t, kafkatest.Shared(t, kafkatest.Previous).Bootstrap())
	if err := old.ShareReady(t.Context()); !errors.Is(err, group.ErrNoShare) {
		t.Errorf("%s: %v", kafkatest.Previous, err)
	}
	k := kafkatest.Start(t, kafkatest.Options{})
	req := kmsg.NewPtrUpdateFeaturesRequest()
	update := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	update.Feature, update.MaxVersionLevel, update.UpgradeType = "share.version", 0, 2
	req.FeatureUpdates = append(req.FeatureUpdates, update)
	resp, err := req.RequestWith(t.Context(), k.Client(t))
	if err != nil || resp.ErrorCode != 0 {
		t.Fatalf("switching the feature off: %v, %+v", err, resp)
	}
	off := groups(t, k.Bootstrap())
	eventually(t, "the feature is off", func() bool { return errors.Is(off.ShareReady(t.Context()), group.ErrNoShare) })
	k.CreateTopic(t, "orders", 1, nil)
	_, err = off.CommitShare(t.Context(), "workers", []position.Position{start("orders", 0, 1)})
	if !errors.Is(err, group.ErrNoShare) || errors.Is(err, group.ErrUnanswered) {
		t.Errorf("start offsets where the feature is off: %v", err)
	}
}

// A group of the protocol of KIP-1071 tells its internal topics, also when
// nobody is a member any more.
func TestStreamsGroupTellsItsTopics(t *testing.T) {
	t.Parallel()
	k := kafkatest.Shared(t, kafkatest.Newest)
	c := groups(t, k.Bootstrap())
	app, orders := kafkatest.Name(t, "app"), kafkatest.Name(t, "orders")
	for _, name := range []string{orders, app + "-by-city-repartition", app + "-counts-changelog"} {
		k.CreateTopic(t, name, 1, nil)
	}
	client := k.Client(t)
	beat := func(epoch int32, member string) *kmsg.StreamsGroupHeartbeatResponse {
		req := streamsHeartbeat(app, orders, member, epoch)
		for {
			answer, err := client.Broker(1).Request(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			resp, _ := answer.(*kmsg.StreamsGroupHeartbeatResponse)
			if !kerr.IsRetriable(kerr.ErrorForCode(resp.ErrorCode)) {
				return resp
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	joined := beat(0, "member-1")
	if joined.ErrorCode != 0 {
		t.Fatalf("joining: %v %v", kerr.ErrorForCode(joined.ErrorCode), joined.ErrorMessage)
	}
	want := []string{app + "-by-city-repartition", app + "-counts-changelog"}
	for _, members := range []int{1, 0} {
		g := read(t, c, app).Group
		if d := cmp.Diff(want, g.Internal); d != "" || g.Kind != group.Streams || len(g.Members) != members {
			t.Errorf("%d members: %+v\n%s", members, g, d)
		}
		if members == 1 {
			beat(-1, "member-1") // leaves
		}
	}
	// Positions go into it like into any other group that is Empty.
	commit(t, c, app, at(orders, 0, 3, "AgAAAaH+oGyP"))
	if got := read(t, c, app); got.Group.Kind != group.Streams || got.Positions[topic.Partition{Topic: orders}].Offset != 3 {
		t.Errorf("after a commit: %+v", got)
	}
}

func streamsHeartbeat(app, source, member string, epoch int32) *kmsg.StreamsGroupHeartbeatRequest {
	req := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch = app, member, epoch
	if epoch != 0 {
		return req
	}
	process := "process-1"
	req.ProcessID, req.RebalanceTimeoutMillis = &process, 60_000
	req.ActiveTasks, req.StandbyTasks, req.WarmupTasks = []kmsg.TaskIDs{}, []kmsg.TaskIDs{}, []kmsg.TaskIDs{}
	topicInfo := func(name string) []kmsg.TopicInfo {
		info := kmsg.NewTopicInfo()
		info.Topic, info.ReplicationFactor = name, 1
		return []kmsg.TopicInfo{info}
	}
	first := kmsg.NewStreamsGroupHeartbeatRequestTopologySubtopology()
	first.SubtopologyID, first.SourceTopics, first.RepartitionSinkTopics = "0", []string{source}, []string{app + "-by-city-repartition"}
	second := kmsg.NewStreamsGroupHeartbeatRequestTopologySubtopology()
	second.SubtopologyID = "1"
	second.RepartitionSourceTopics, second.StateChangelogTopics = topicInfo(app+"-by-city-repartition"), topicInfo(app+"-counts-changelog")
	topology := kmsg.NewStreamsGroupHeartbeatRequestTopology()
	topology.Subtopologies = []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology{first, second}
	req.Topology = &topology
	return req
}
