package group

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

func TestCommitIsReadBackByteForByte(t *testing.T) {
	t.Parallel()
	b := startBroker(t, kfake.NumBrokers(3))
	c := b.groups(t)
	strange := "\x00\xff\xfe not UTF-8 \xc3("
	commit(t, c, "shop", at("orders", 0, 103, strange), at("orders", 1, 0, ""), at("payments", 3, 1<<62, "µ"))
	if n := b.count(kmsg.OffsetCommit); n != 1 {
		t.Errorf("%d OffsetCommit requests, want 1", n)
	}
	r := read(t, c, "shop")
	want := map[topic.Partition]position.Position{
		part("orders", 0):   {Group: "shop", Partition: part("orders", 0), Offset: 103, LeaderEpoch: -1, Metadata: strange},
		part("orders", 1):   {Group: "shop", Partition: part("orders", 1), Offset: 0, LeaderEpoch: -1},
		part("payments", 3): {Group: "shop", Partition: part("payments", 3), Offset: 1 << 62, LeaderEpoch: -1, Metadata: "µ"},
	}
	if diff := cmp.Diff(want, r.Positions); diff != "" {
		t.Errorf("positions (-want +got):\n%s", diff)
	}
	if r.Group.State != Empty || !r.Group.Stopped() {
		t.Errorf("group %+v, want Empty and stopped", r.Group)
	}
}

func TestCommitSpeaksAsAnAdministrator(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	var sent *kmsg.OffsetCommitRequest
	b.ControlKey(kmsg.OffsetCommit.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		sent, _ = r.(*kmsg.OffsetCommitRequest)
		return nil, nil, false
	})
	commit(t, b.groups(t), "shop", at("payments", 2, 5, "m"), at("orders", 0, 1, ""), at("payments", 0, 6, ""))
	if sent.Version > maxOffsetCommit || sent.Generation != -1 || sent.MemberID != "" || sent.InstanceID != nil {
		t.Errorf("sent %+v", sent)
	}
	var names []string
	for _, rt := range sent.Topics {
		names = append(names, rt.Topic)
		for _, p := range rt.Partitions {
			if p.LeaderEpoch != -1 || p.Metadata == nil {
				t.Errorf("%s/%d: epoch %d, metadata %v", rt.Topic, p.Partition, p.LeaderEpoch, p.Metadata)
			}
		}
	}
	if diff := cmp.Diff([]string{"orders", "payments"}, names); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
}

func TestCommitRefusesContradictionsUnsent(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	other := at("orders", 0, 1, "")
	other.Group = "other"
	for name, ps := range map[string][]position.Position{
		"negative offset": {at("orders", 0, -1, "")},
		"twice":           {at("orders", 0, 1, ""), at("orders", 0, 2, "")},
		"other group":     {other},
	} {
		if _, err := c.Commit(t.Context(), "shop", ps); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v, want ErrInput", name, err)
		}
	}
	if parts, err := c.Commit(t.Context(), "shop", nil); err != nil || len(parts) != 0 {
		t.Errorf("nothing to commit: %v, %v", parts, err)
	}
	if n := b.count(kmsg.OffsetCommit); n != 0 {
		t.Errorf("%d requests sent, want none", n)
	}
}

// The codes that an administrator's commit can meet, injected for all or for
// some partitions.
func TestCommitCodes(t *testing.T) {
	t.Parallel()
	const all = "all partitions"
	for name, tc := range map[string]struct {
		code      *kerr.Error
		topic     string // only this one
		want      error  // of the request; nil: stored in part
		sent      int
		wantParts error // of the faulted partitions
	}{
		"members":                    {kerr.UnknownMemberID, all, ErrActive, 1, ErrActive},
		"generation":                 {kerr.IllegalGeneration, all, ErrActive, 1, ErrActive},
		"group right":                {kerr.GroupAuthorizationFailed, all, ErrAuth, 1, ErrAuth},
		"topic right, in part":       {kerr.TopicAuthorizationFailed, "payments", nil, 1, ErrAuth},
		"metadata, in part":          {kerr.OffsetMetadataTooLarge, "payments", nil, 1, kerr.OffsetMetadataTooLarge},
		"unknown topic":              {kerr.UnknownTopicOrPartition, all, kerr.UnknownTopicOrPartition, 1, kerr.UnknownTopicOrPartition},
		"open":                       {kerr.CoordinatorNotAvailable, all, ErrUnanswered, 1, ErrUnanswered},
		"open in part":               {kerr.UnknownServerError, "payments", ErrUnanswered, 1, ErrUnanswered},
		"timed out, which may apply": {kerr.RequestTimedOut, all, ErrUnanswered, 1, ErrUnanswered},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			c := b.groups(t)
			b.ControlKey(kmsg.OffsetCommit.Int16(), answerCommit(tc.topic, all, tc.code.Code))
			got, err := c.Commit(t.Context(), "shop", []position.Position{at("orders", 0, 5, ""), at("payments", 1, 6, "")})
			if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if !errors.Is(got[part("payments", 1)], tc.wantParts) {
				t.Errorf("payments/1: %v, want %v", got[part("payments", 1)], tc.wantParts)
			}
			if first := got[part("orders", 0)]; (first == nil) != (tc.topic != all) {
				t.Errorf("orders/0: %v", first)
			}
			if len(got) != 2 {
				t.Errorf("%d partitions answered, want 2", len(got))
			}
			if n := b.count(kmsg.OffsetCommit); n != tc.sent {
				t.Errorf("%d requests, want %d", n, tc.sent)
			}
		})
	}
}

// answerCommit answers one commit with a code for some topic and success for
// the others.
func answerCommit(some, all string, code int16) func(kmsg.Request) (kmsg.Response, error, bool) {
	return func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, ok := r.(*kmsg.OffsetCommitRequest)
		if !ok {
			return nil, nil, false
		}
		resp, _ := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, rt := range req.Topics {
			st := kmsg.NewOffsetCommitResponseTopic()
			st.Topic = rt.Topic
			for _, rp := range rt.Partitions {
				sp := kmsg.NewOffsetCommitResponseTopicPartition()
				sp.Partition = rp.Partition
				if some == all || some == rt.Topic {
					sp.ErrorCode = code
				}
				st.Partitions = append(st.Partitions, sp)
			}
			resp.Topics = append(resp.Topics, st)
		}
		return resp, nil, true
	}
}

func TestCommitFollowsTheCoordinator(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	for _, code := range []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator} {
		b.ControlKey(kmsg.OffsetCommit.Int16(), answerCommit("*", "*", code.Code))
	}
	commit(t, c, "shop", at("orders", 0, 5, ""))
	if n := b.count(kmsg.OffsetCommit); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
	if diff := cmp.Diff(map[topic.Partition]int64{part("orders", 0): 5}, offsets(read(t, c, "shop"))); diff != "" {
		t.Errorf("positions (-want +got):\n%s", diff)
	}
}

func TestCommitGivesUpOnACoordinatorThatNeverIs(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	// Its last quarter is for the last answer.
	c := New(b.connect(t), &Options{RequestTimeout: 4 * time.Second})
	b.ControlKey(kmsg.OffsetCommit.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		return answerCommit("*", "*", kerr.NotCoordinator.Code)(r)
	})
	parts, err := c.Commit(t.Context(), "shop", []position.Position{at("orders", 0, 5, "")})
	if err == nil || errors.Is(err, ErrUnanswered) {
		t.Errorf("error %v, want one that says that nothing is stored", err)
	}
	if parts[part("orders", 0)] == nil {
		t.Error("the partition counts as stored")
	}
}

// A connection that breaks before the answer: the commit can be stored or not,
// and is not sent again in either case.
func TestCommitUnanswered(t *testing.T) {
	t.Parallel()
	for name, stored := range map[string]bool{"lost before": false, "lost after": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			c := b.groups(t)
			commit(t, c, "shop", at("orders", 0, 1, ""))
			b.reset()
			proxied := b.groups(t, kgo.Dialer(dropAnswers(kmsg.OffsetCommit, stored)))
			parts, err := proxied.Commit(t.Context(), "shop", []position.Position{at("orders", 0, 5, "")})
			var lost *UnansweredError
			if !errors.As(err, &lost) || !errors.Is(err, ErrUnanswered) || lost.Group != "shop" {
				t.Fatalf("error %v, want ErrUnanswered", err)
			}
			if !errors.Is(parts[part("orders", 0)], ErrUnanswered) {
				t.Errorf("partition: %v", parts[part("orders", 0)])
			}
			want := map[topic.Partition]int64{part("orders", 0): 1}
			if stored {
				want[part("orders", 0)] = 5
			}
			if diff := cmp.Diff(want, offsets(read(t, c, "shop"))); diff != "" {
				t.Errorf("positions (-want +got):\n%s", diff)
			}
			if n := b.count(kmsg.OffsetCommit); n > 1 {
				t.Errorf("%d OffsetCommit requests arrived, want at most one", n)
			}
		})
	}
}

// dropAnswers dials so that the connection breaks around the first request of
// a kind: before it arrives, or once the broker has answered it.
func dropAnswers(key kmsg.Key, deliver bool) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, addr)
		return &breaking{Conn: conn, key: key.Int16(), deliver: deliver}, err
	}
}

// breaking is a connection that breaks at one kind of request.
type breaking struct {
	net.Conn
	key     int16
	deliver bool
}

func (b *breaking) Write(p []byte) (int, error) {
	// Size, then API key; the client writes a request at once.
	if len(p) < 6 || int16(p[4])<<8|int16(p[5]) != b.key {
		return b.Conn.Write(p)
	}
	if b.deliver {
		if _, err := b.Conn.Write(p); err != nil {
			return 0, err
		}
		answer := make([]byte, 1)
		if _, err := b.Read(answer); err != nil {
			return 0, err
		}
	}
	_ = b.Close()
	return len(p), nil
}

func TestCommitCancelledBeforeItLeaves(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Commit(ctx, "shop", []position.Position{at("orders", 0, 5, "")})
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnanswered) {
		t.Errorf("error %v, want cancelled and surely not sent", err)
	}
	if n := b.count(kmsg.OffsetCommit); n != 0 {
		t.Errorf("%d requests sent, want none", n)
	}
}

// A request that was withdrawn before the client wrote it never carries the
// positions, however late the client gets to it; one that was written cannot be
// withdrawn.
func TestOnceHandsOver(t *testing.T) {
	t.Parallel()
	fresh := func() *once {
		return &once{
			Request:  commitRequest("shop", []position.Position{at("orders", 0, 5, "")}),
			harmless: kmsg.NewPtrOffsetCommitRequest(), max: maxOffsetCommit,
		}
	}
	w := fresh()
	for range 2 {
		if !w.withdraw() {
			t.Error("an unsent request cannot be withdrawn")
		}
	}
	w.SetVersion(8)
	got := kmsg.NewPtrOffsetCommitRequest()
	got.SetVersion(8)
	if err := got.ReadFrom(w.AppendTo(nil)); err != nil || len(got.Topics) != 0 || got.Group != "" {
		t.Errorf("a withdrawn request carries %+v, %v", got, err)
	}
	s := fresh()
	s.SetVersion(8)
	first := s.AppendTo(nil)
	if s.withdraw() {
		t.Error("a written request was withdrawn")
	}
	if diff := cmp.Diff(first, s.AppendTo(nil)); diff != "" {
		t.Errorf("written again it differs:\n%s", diff)
	}
	if v := s.MaxVersion(); v != maxOffsetCommit {
		t.Errorf("version up to %d, want %d", v, maxOffsetCommit)
	}
}

func TestCommitOnAGroupInUse(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]kgo.Opt{
		"classic": nil, "consumer": {kgo.ServerSideBalancer()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			join(t, b, "shop", opts...)
			c := b.groups(t)
			parts, err := c.Commit(t.Context(), "shop", []position.Position{at("orders", 0, 5, "")})
			var active *ActiveError
			if !errors.Is(err, ErrActive) || !errors.As(err, &active) {
				t.Fatalf("error %v, want ErrActive", err)
			}
			if len(active.Members) != 1 || active.Members[0].ClientID != "shop" {
				t.Errorf("members %+v", active.Members)
			}
			if !errors.Is(parts[part("orders", 0)], kerr.UnknownMemberID) {
				t.Errorf("partition: %v", parts[part("orders", 0)])
			}
			mentions(t, err.Error(), `"shop"`, "cluster blue", "UNKNOWN_MEMBER_ID")
			if err := c.DeleteGroup(t.Context(), "shop"); !errors.Is(err, ErrActive) {
				t.Errorf("DeleteGroup: %v, want ErrActive", err)
			}
		})
	}
}

func TestCommitNeedsRights(t *testing.T) {
	t.Parallel()
	g, tp := kmsg.ACLResourceTypeGroup, kmsg.ACLResourceTypeTopic
	for name, tc := range map[string]struct {
		acls []kfake.ACL
		want *AuthError // of payments/0; orders/0 can be written with the group right
	}{
		"no right on the group": {
			[]kfake.ACL{allow(g, "shop", kmsg.ACLOperationDescribe), allow(tp, "orders", kmsg.ACLOperationRead), allow(tp, "payments", kmsg.ACLOperationRead)},
			&AuthError{Right: "READ", Resource: "group", Name: "shop"},
		},
		"no right on one topic": {
			[]kfake.ACL{allow(g, "shop", kmsg.ACLOperationRead), allow(tp, "orders", kmsg.ACLOperationRead)},
			&AuthError{Right: "READ", Resource: "topic", Name: "payments"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, secured(tc.acls...)...)
			parts, err := b.groups(t, as("user")).Commit(t.Context(), "shop", []position.Position{at("orders", 0, 5, ""), at("payments", 0, 6, "")})
			var auth *AuthError
			if !errors.As(parts[part("payments", 0)], &auth) {
				t.Fatalf("payments/0: %v (%v), want an AuthError", parts[part("payments", 0)], err)
			}
			if diff := cmp.Diff(tc.want, auth, cmpopts.IgnoreFields(AuthError{}, "Err")); diff != "" {
				t.Errorf("right (-want +got):\n%s", diff)
			}
			if whole := tc.want.Resource == "group"; errors.Is(err, ErrAuth) != whole {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestActiveErrorNamesMembers(t *testing.T) {
	t.Parallel()
	err := &ActiveError{Group: "shop", Err: kerr.UnknownMemberID, Members: []Member{
		{ClientID: "web", Host: "/10.0.0.1"}, {ClientID: "worker", InstanceID: "worker-7", Host: "/10.0.0.2"},
	}}
	mentions(t, err.Error(), `"shop"`, "web from /10.0.0.1", "worker (static member worker-7) from /10.0.0.2", "UNKNOWN_MEMBER_ID")
}
