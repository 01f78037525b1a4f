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

	"github.com/kferry/kferry/internal/topic"
)

func TestDeleteOffsets(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	commit(t, c, "shop", at("orders", 0, 5, ""), at("orders", 1, 6, ""), at("payments", 0, 7, ""))
	parts, err := c.DeleteOffsets(t.Context(), "shop", []topic.Partition{part("payments", 0), part("orders", 1), part("orders", 1)})
	if err != nil || len(parts) != 2 || parts[part("orders", 1)] != nil || parts[part("payments", 0)] != nil {
		t.Fatalf("DeleteOffsets = %v, %v", parts, err)
	}
	if diff := cmp.Diff(map[topic.Partition]int64{part("orders", 0): 5}, offsets(read(t, c, "shop"))); diff != "" {
		t.Errorf("positions (-want +got):\n%s", diff)
	}
	if n := b.count(kmsg.OffsetDelete); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	if parts, err := c.DeleteOffsets(t.Context(), "shop", nil); err != nil || len(parts) != 0 {
		t.Errorf("nothing to delete: %v, %v", parts, err)
	}
}

func TestDeleteOffsetsRefused(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	parts := []topic.Partition{part("orders", 0)}
	if got, err := c.DeleteOffsets(t.Context(), "nobody", parts); !errors.Is(err, ErrAbsent) || !errors.Is(got[parts[0]], ErrAbsent) {
		t.Errorf("absent group: %v, %v", got, err)
	}
	commit(t, c, "shop", at("orders", 0, 5, ""), at("payments", 0, 6, ""))
	join(t, b, "shop")
	got, err := c.DeleteOffsets(t.Context(), "shop", []topic.Partition{part("orders", 0), part("payments", 0)})
	if err != nil || got[part("payments", 0)] != nil {
		t.Errorf("topic without subscription: %v, %v", got, err)
	}
	var active *ActiveError
	if !errors.As(got[part("orders", 0)], &active) || active.Topic != "orders" || !errors.Is(active, kerr.GroupSubscribedToTopic) {
		t.Errorf("subscribed topic: %v", got[part("orders", 0)])
	}
	b.ControlKey(kmsg.OffsetDelete.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, _ := r.(*kmsg.OffsetDeleteRequest)
		resp, _ := req.ResponseKind().(*kmsg.OffsetDeleteResponse)
		resp.ErrorCode = kerr.NonEmptyGroup.Code
		return resp, nil, true
	})
	if _, err := c.DeleteOffsets(t.Context(), "shop", parts); !errors.Is(err, ErrActive) || !errors.Is(err, kerr.NonEmptyGroup) {
		t.Errorf("group in use: %v, want ErrActive", err)
	}
}

func TestDeleteGroup(t *testing.T) {
	t.Parallel()
	b := startBroker(t, kfake.NumBrokers(2))
	c := b.groups(t)
	commit(t, c, "shop", at("orders", 0, 5, ""))
	if err := c.DeleteGroup(t.Context(), "shop"); err != nil {
		t.Fatalf("DeleteGroup: %v", err)
	}
	if r := read(t, c, "shop"); r.Group.State != Absent || len(r.Positions) != 0 {
		t.Errorf("after deletion %+v", r)
	}
	if err := c.DeleteGroup(t.Context(), "shop"); !errors.Is(err, ErrAbsent) {
		t.Errorf("second DeleteGroup: %v, want ErrAbsent", err)
	}
}

func TestDeleteGroupFollowsTheCoordinator(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	commit(t, c, "shop", at("orders", 0, 5, ""))
	b.ControlKey(kmsg.DeleteGroups.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, _ := r.(*kmsg.DeleteGroupsRequest)
		resp, _ := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
		g := kmsg.NewDeleteGroupsResponseGroup()
		g.Group, g.ErrorCode = "shop", kerr.NotCoordinator.Code
		resp.Groups = append(resp.Groups, g)
		return resp, nil, true
	})
	if err := c.DeleteGroup(t.Context(), "shop"); err != nil {
		t.Fatalf("DeleteGroup: %v", err)
	}
	if n := b.count(kmsg.DeleteGroups); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestDeletionsUnanswered(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	commit(t, c, "shop", at("orders", 0, 5, ""))
	lossy := b.groups(t, kgo.Dialer(dropAnswers(kmsg.OffsetDelete, true)))
	if _, err := lossy.DeleteOffsets(t.Context(), "shop", []topic.Partition{part("orders", 0)}); !errors.Is(err, ErrUnanswered) {
		t.Errorf("DeleteOffsets: %v, want ErrUnanswered", err)
	}
	lossy = b.groups(t, kgo.Dialer(dropAnswers(kmsg.DeleteGroups, true)))
	if err := lossy.DeleteGroup(t.Context(), "shop"); !errors.Is(err, ErrUnanswered) {
		t.Errorf("DeleteGroup: %v, want ErrUnanswered", err)
	}
	if n := b.count(kmsg.OffsetDelete) + b.count(kmsg.DeleteGroups); n != 2 {
		t.Errorf("%d requests, want one each", n)
	}
}

func TestWriteToAClusterThatIsGone(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	conn := b.connect(t)
	commit(t, New(conn, nil), "shop", at("orders", 0, 5, ""))
	b.Close()
	c := New(conn, &Options{RequestTimeout: 300 * time.Millisecond})
	err := c.DeleteGroup(t.Context(), "shop")
	if err == nil || errors.Is(err, ErrUnanswered) {
		t.Errorf("error %v, want one that says that nothing was sent", err)
	}
}

func TestDeletionNeedsRights(t *testing.T) {
	t.Parallel()
	g, tp := kmsg.ACLResourceTypeGroup, kmsg.ACLResourceTypeTopic
	b := startBroker(t, secured(allow(g, "shop", kmsg.ACLOperationRead), allow(tp, "orders", kmsg.ACLOperationRead))...)
	commit(t, b.groups(t, as("admin")), "shop", at("orders", 0, 5, ""))
	c := b.groups(t, as("user"))
	var auth *AuthError
	if err := c.DeleteGroup(t.Context(), "shop"); !errors.As(err, &auth) || auth.Right != "DELETE" || auth.Resource != "group" {
		t.Errorf("DeleteGroup: %v", err)
	}
	if _, err := c.DeleteOffsets(t.Context(), "shop", []topic.Partition{part("orders", 0)}); !errors.As(err, &auth) || auth.Right != "DELETE" {
		t.Errorf("DeleteOffsets: %v", err)
	}
}
