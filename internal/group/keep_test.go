package group

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

func TestCommitForCarriesTheTime(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	var sent []*kmsg.OffsetCommitRequest
	b.ControlKey(kmsg.OffsetCommit.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if req, ok := r.(*kmsg.OffsetCommitRequest); ok {
			sent = append(sent, req)
		}
		return nil, nil, false
	})
	strange := "\x00\xff not UTF-8 \xc3("
	parts, err := c.CommitFor(t.Context(), "shop", []position.Position{at("orders", 0, 103, strange), at("payments", 1, 4, "")}, 90*time.Minute)
	if err != nil || parts[part("orders", 0)] != nil || len(parts) != 2 {
		t.Fatalf("%v, %v", parts, err)
	}
	commit(t, c, "plain", at("orders", 0, 1, ""))
	if len(sent) != 2 {
		t.Fatalf("%d requests, want 2", len(sent))
	}
	if r := sent[0]; r.Version != lastKeepCommit || r.RetentionTimeMillis != 5_400_000 || r.Generation != -1 || r.MemberID != "" {
		t.Errorf("sent %+v", r)
	}
	if r := sent[1]; r.Version <= lastKeepCommit {
		t.Errorf("a plain commit is sent in version %d", r.Version)
	}
	want := map[topic.Partition]position.Position{
		part("orders", 0):   {Group: "shop", Partition: part("orders", 0), Offset: 103, LeaderEpoch: -1, Metadata: strange},
		part("payments", 1): {Group: "shop", Partition: part("payments", 1), Offset: 4, LeaderEpoch: -1},
	}
	if diff := cmp.Diff(want, read(t, c, "shop").Positions); diff != "" {
		t.Errorf("positions (-want +got):\n%s", diff)
	}
}

// What is true of Commit is true of CommitFor.
func TestCommitForIsACommit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		code *kerr.Error
		want error
	}{
		"members":     {kerr.UnknownMemberID, ErrActive},
		"group right": {kerr.GroupAuthorizationFailed, ErrAuth},
		"open":        {kerr.CoordinatorNotAvailable, ErrUnanswered},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.ControlKey(kmsg.OffsetCommit.Int16(), answerCommit("*", "*", tc.code.Code))
			_, err := b.groups(t).CommitFor(t.Context(), "shop", []position.Position{at("orders", 0, 5, "")}, time.Hour)
			if !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
	t.Run("answer lost", func(t *testing.T) {
		t.Parallel()
		b := startBroker(t)
		c := b.groups(t, kgo.Dialer(dropAnswers(kmsg.OffsetCommit, true)))
		_, err := c.CommitFor(t.Context(), "shop", []position.Position{at("orders", 0, 5, "")}, time.Hour)
		if !errors.Is(err, ErrUnanswered) || b.count(kmsg.OffsetCommit) != 1 {
			t.Errorf("%v after %d requests", err, b.count(kmsg.OffsetCommit))
		}
	})
	t.Run("no time", func(t *testing.T) {
		t.Parallel()
		b := startBroker(t)
		_, err := b.groups(t).CommitFor(t.Context(), "shop", []position.Position{at("orders", 0, 5, "")}, time.Microsecond)
		if !errors.Is(err, ErrInput) || b.count(kmsg.OffsetCommit) != 0 {
			t.Errorf("%v after %d requests", err, b.count(kmsg.OffsetCommit))
		}
	})
}

// Brokers that take none of the versions with a time, below them and above.
func TestCommitForNeedsItsVersions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lowest, highest int16
		want            error
	}{
		"too new":    {5, 10, ErrNoKeep},
		"too old":    {0, 1, ErrNoKeep},
		"just these": {2, 3, nil},
		"today's":    {2, 10, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, kfake.NumBrokers(2))
			b.ControlKey(kmsg.ApiVersions.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
				b.KeepControl()
				req, _ := r.(*kmsg.ApiVersionsRequest)
				resp, _ := req.ResponseKind().(*kmsg.ApiVersionsResponse)
				for key := range int16(76) {
					k := kmsg.NewApiVersionsResponseApiKey()
					k.ApiKey, k.MaxVersion = key, kmsg.RequestForKey(key).MaxVersion()
					if key == kmsg.OffsetCommit.Int16() {
						k.MinVersion, k.MaxVersion = tc.lowest, tc.highest
					}
					resp.ApiKeys = append(resp.ApiKeys, k)
				}
				return resp, nil, true
			})
			c := b.groups(t)
			if err := c.KeepReady(t.Context()); !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Errorf("ready: %v, want %v", err, tc.want)
			}
			_, err := c.CommitFor(t.Context(), "shop", []position.Position{at("orders", 0, 5, "")}, time.Hour)
			if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Errorf("commit: %v, want %v", err, tc.want)
			}
			if n := b.count(kmsg.OffsetCommit); (n == 0) != (tc.want != nil) {
				t.Errorf("%d requests sent", n)
			}
		})
	}
}
