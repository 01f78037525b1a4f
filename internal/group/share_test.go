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

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// starts are start offsets to set: a share group has no metadata.
func starts(at map[topic.Partition]int64) []position.Position {
	var ps []position.Position
	for p, offset := range at {
		ps = append(ps, position.Position{Partition: p, Offset: offset, LeaderEpoch: 7})
	}
	return ps
}

// startShare sets start offsets and expects that all are set.
func startShare(t *testing.T, c *Client, group string, at map[topic.Partition]int64) {
	t.Helper()
	parts, err := c.CommitShare(t.Context(), group, starts(at))
	if err != nil || len(parts) != len(at) {
		t.Fatalf("CommitShare(%q): %v, %v", group, parts, err)
	}
	for p, err := range parts {
		if err != nil {
			t.Fatalf("CommitShare(%q) of %s: %v", group, p, err)
		}
	}
}

// The life of a share group's start offsets: absent, set, taken back on one
// partition, deleted with the group.
func TestShareGroupStartOffsets(t *testing.T) {
	t.Parallel()
	b := startBroker(t, kfake.NumBrokers(3))
	c := b.groups(t)
	if err := c.ShareReady(t.Context()); err != nil {
		t.Fatalf("ShareReady: %v", err)
	}
	commit(t, c, "plain", at("orders", 0, 9, ""))
	want := map[topic.Partition]int64{part("orders", 0): 103, part("orders", 1): 0, part("payments", 3): 1 << 40}
	startShare(t, c, "workers", want)
	got, err := c.Read(t.Context(), []string{"workers", "plain", "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	r := got["workers"]
	if r.Err != nil || r.Group.Kind != Share || r.Group.State != Empty || !r.Group.Stopped() {
		t.Errorf("reading %+v", r)
	}
	if diff := cmp.Diff(want, offsets(r)); diff != "" {
		t.Errorf("start offsets (-want +got):\n%s", diff)
	}
	for p, have := range r.Positions {
		if have.Group != "workers" || have.LeaderEpoch != -1 || have.Metadata != "" {
			t.Errorf("%s: %+v", p, have)
		}
	}
	if len(r.Open) != len(want) {
		t.Errorf("open records of %d partitions, want %d", len(r.Open), len(want))
	}
	if plain := got["plain"]; plain.Group.Kind == Share || len(plain.Positions) != 1 || plain.Open != nil {
		t.Errorf("a group of another kind in the same reading: %+v", plain)
	}
	if got["nobody"].Group.State != Absent {
		t.Errorf("absent: %+v", got["nobody"])
	}

	parts, err := c.ForgetShare(t.Context(), "workers", []topic.Partition{part("orders", 0)})
	if err != nil || parts[part("orders", 0)] != nil {
		t.Fatalf("ForgetShare: %v, %v", parts, err)
	}
	delete(want, part("orders", 0))
	if diff := cmp.Diff(want, offsets(read(t, c, "workers"))); diff != "" {
		t.Errorf("after removing one (-want +got):\n%s", diff)
	}
	if err := c.DeleteGroup(t.Context(), "workers"); err != nil {
		t.Fatal(err)
	}
	if r := read(t, c, "workers"); r.Group.State != Absent || len(r.Positions) > 0 {
		t.Errorf("after deletion: %+v", r)
	}
}

// What is acknowledged above the start offset is only counted.
func TestShareGroupCountsWhatIsDone(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 10 {
		if err := p.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	startShare(t, c, "workers", map[topic.Partition]int64{part("orders", 0): 2})
	done := 0
	member, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.ShareGroup("workers"), kgo.ConsumeTopics("orders"), kgo.ClientID("worker"))
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	for done < 3 {
		fs := member.PollRecords(ctx, 8)
		if ctx.Err() != nil {
			t.Fatal("nothing was read")
		}
		fs.EachRecord(func(r *kgo.Record) {
			// The first stays undone, so that the start offset cannot move.
			if r.Offset > 2 && done < 3 {
				done++
				r.Ack(kgo.AckAccept)
				return
			}
			r.Ack(kgo.AckRelease)
		})
		if err := member.FlushAcks(ctx); err != nil {
			t.Fatal(err)
		}
	}
	parts, err := c.CommitShare(ctx, "workers", starts(map[topic.Partition]int64{part("orders", 0): 5}))
	var active *ActiveError
	if !errors.As(err, &active) || !errors.Is(parts[part("orders", 0)], ErrActive) || len(active.Members) != 1 {
		t.Errorf("with a member: %v, %v", parts, err)
	}
	if _, err := c.ForgetShare(ctx, "workers", []topic.Partition{part("orders", 0)}); !errors.Is(err, ErrActive) {
		t.Errorf("ForgetShare with a member: %v", err)
	}
	r := read(t, c, "workers")
	if r.Group.Stopped() || offsets(r)[part("orders", 0)] != 2 || r.Open[part("orders", 0)] != 5 {
		t.Errorf("stopped %v, start %v, open %v; want 3 of 8 done above 2", r.Group.Stopped(), offsets(r), r.Open)
	}
}

func TestShareGroupRefusals(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	commit(t, c, "shop", at("orders", 0, 5, ""))
	_, err := c.CommitShare(t.Context(), "shop", starts(map[topic.Partition]int64{part("orders", 0): 5}))
	if !errors.Is(err, ErrAbsent) {
		t.Errorf("a group of another kind: %v, want ErrAbsent", err)
	}
	var detailed *Error
	if !errors.As(err, &detailed) {
		t.Fatalf("error %T", err)
	}
	mentions(t, detailed.Hint, "another kind")
	b.reset()
	for name, ps := range map[string][]position.Position{
		"metadata":        {at("orders", 0, 1, "m")},
		"negative offset": {at("orders", 0, -1, "")},
	} {
		if _, err := c.CommitShare(t.Context(), "workers", ps); !errors.Is(err, ErrInput) || b.count(kmsg.AlterShareGroupOffsets) != 0 {
			t.Errorf("%s: %v, want it refused unsent", name, err)
		}
	}
}

func TestBrokersWithoutShareGroups(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]kfake.Opt{
		"3.9":                   {kfake.MaxVersions(kversion.V3_9_0())},
		"4.0, in an early form": {kfake.MaxVersions(kversion.V4_0_0())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, opts...)
			c := b.groups(t)
			if err := c.ShareReady(t.Context()); !errors.Is(err, ErrNoShare) {
				t.Errorf("ShareReady: %v", err)
			}
			parts, err := c.CommitShare(t.Context(), "workers", starts(map[topic.Partition]int64{part("orders", 0): 5}))
			if !errors.Is(err, ErrNoShare) || errors.Is(err, ErrUnanswered) || parts[part("orders", 0)] == nil {
				t.Errorf("CommitShare: %v, %v", parts, err)
			}
			var detailed *Error
			if !errors.As(err, &detailed) {
				t.Fatalf("error %T", err)
			}
			mentions(t, detailed.Hint, "4.1")
		})
	}
}

// The feature can be there and switched off.
func TestShareGroupsSwitchedOff(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.ControlKey(kmsg.ApiVersions.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		req, _ := r.(*kmsg.ApiVersionsRequest)
		if req.ClientSoftwareName != "kferry" {
			return nil, nil, false // the client's own
		}
		resp, _ := req.ResponseKind().(*kmsg.ApiVersionsResponse)
		for key := range int16(100) {
			if probe := kmsg.RequestForKey(key); probe != nil {
				resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MaxVersion: probe.MaxVersion()})
			}
		}
		resp.SupportedFeatures = []kmsg.ApiVersionsResponseSupportedFeature{{Name: shareFeature, MaxVersion: 1}}
		return resp, nil, true
	})
	if err := b.groups(t).ShareReady(t.Context()); !errors.Is(err, ErrNoShare) {
		t.Errorf("ShareReady: %v, want ErrNoShare", err)
	}
}

func TestCommitShareCodes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		whole, one int16 // code of the request, and of payments
		want       error // of the request; nil: set in part
		wantPart   error // of payments
		wantOther  error // of orders
	}{
		"members":         {whole: kerr.NonEmptyGroup.Code, want: ErrActive, wantPart: ErrActive, wantOther: ErrActive},
		"right":           {whole: kerr.GroupAuthorizationFailed.Code, want: ErrAuth, wantPart: ErrAuth, wantOther: ErrAuth},
		"unknown topic":   {one: kerr.UnknownTopicOrPartition.Code, wantPart: kerr.UnknownTopicOrPartition},
		"topic right":     {one: kerr.TopicAuthorizationFailed.Code, wantPart: ErrAuth},
		"open":            {whole: kerr.CoordinatorNotAvailable.Code, want: ErrUnanswered, wantPart: ErrUnanswered, wantOther: ErrUnanswered},
		"open in part":    {one: kerr.UnknownServerError.Code, want: ErrUnanswered, wantPart: ErrUnanswered},
		"switched off":    {whole: kerr.UnsupportedVersion.Code, want: ErrNoShare, wantPart: ErrNoShare, wantOther: ErrNoShare},
		"other kind":      {whole: kerr.GroupIDNotFound.Code, want: ErrAbsent, wantPart: ErrAbsent, wantOther: ErrAbsent},
		"an unknown code": {whole: 31_000, want: nil, wantPart: nil, wantOther: nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.ControlKey(kmsg.AlterShareGroupOffsets.Int16(), answerAlter(tc.whole, "payments", tc.one))
			got, err := b.groups(t).CommitShare(t.Context(), "workers", starts(map[topic.Partition]int64{part("orders", 0): 5, part("payments", 1): 6}))
			if tc.whole == 31_000 {
				if err == nil || got[part("orders", 0)] == nil {
					t.Errorf("%v, %v: a code that nobody knows is still an error", got, err)
				}
				return
			}
			if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if !errors.Is(got[part("payments", 1)], tc.wantPart) || !errors.Is(got[part("orders", 0)], tc.wantOther) {
				t.Errorf("partitions %v", got)
			}
			if n := b.count(kmsg.AlterShareGroupOffsets); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// answerAlter answers one request with a code for the whole and one for a topic.
func answerAlter(whole int16, some string, one int16) func(kmsg.Request) (kmsg.Response, error, bool) {
	return func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, ok := r.(*kmsg.AlterShareGroupOffsetsRequest)
		if !ok {
			return nil, nil, false
		}
		resp, _ := req.ResponseKind().(*kmsg.AlterShareGroupOffsetsResponse)
		resp.ErrorCode = whole
		for _, rt := range req.Topics {
			st := kmsg.NewAlterShareGroupOffsetsResponseTopic()
			st.Topic = rt.Topic
			for _, rp := range rt.Partitions {
				sp := kmsg.NewAlterShareGroupOffsetsResponseTopicPartition()
				sp.Partition = rp.Partition
				if rt.Topic == some {
					sp.ErrorCode = one
				}
				st.Partitions = append(st.Partitions, sp)
			}
			if whole == 0 {
				resp.Topics = append(resp.Topics, st)
			}
		}
		return resp, nil, true
	}
}

// A coordinator that moves is followed, and an answer that is lost is never
// followed by a second request.
func TestCommitShareIsSentOnce(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.ControlKey(kmsg.AlterShareGroupOffsets.Int16(), answerAlter(kerr.NotCoordinator.Code, "", 0))
	c := b.groups(t)
	startShare(t, c, "workers", map[topic.Partition]int64{part("orders", 0): 5})
	if n := b.count(kmsg.AlterShareGroupOffsets); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
	b.reset()
	lossy := b.groups(t, kgo.Dialer(dropAnswers(kmsg.AlterShareGroupOffsets, true)))
	parts, err := lossy.CommitShare(t.Context(), "workers", starts(map[topic.Partition]int64{part("orders", 0): 7}))
	if !errors.Is(err, ErrUnanswered) || !errors.Is(parts[part("orders", 0)], ErrUnanswered) {
		t.Errorf("lost answer: %v, %v", parts, err)
	}
	if n := b.count(kmsg.AlterShareGroupOffsets); n != 1 {
		t.Errorf("%d requests after a lost answer, want 1", n)
	}
	if got := offsets(read(t, c, "workers")); got[part("orders", 0)] != 7 {
		t.Errorf("start offsets %v: the request was carried out", got)
	}
}

func TestInternalTopicsOfAStreamsGroup(t *testing.T) {
	t.Parallel()
	topology := &kmsg.StreamsGroupDescribeResponseGroupTopology{Subtopologies: []kmsg.StreamsGroupDescribeResponseGroupTopologySubtopology{
		{SubtopologyID: "0", SourceTopics: []string{"orders"}, RepartitionSinkTopics: []string{"app-by-city-repartition"}},
		{
			SubtopologyID: "1", StateChangelogTopics: []kmsg.TopicInfo{{Topic: "app-counts-changelog"}},
			RepartitionSourceTopics: []kmsg.TopicInfo{{Topic: "app-by-city-repartition"}},
		},
	}}
	if diff := cmp.Diff([]string{"app-by-city-repartition", "app-counts-changelog"}, internalTopics(topology)); diff != "" {
		t.Errorf("internal topics (-want +got):\n%s", diff)
	}
	if got := internalTopics(nil); got != nil {
		t.Errorf("without a topology: %v", got)
	}
}
