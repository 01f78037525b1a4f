package group

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/topic"
)

// kinds starts one group of each kind that the in-process broker has.
func kinds(t *testing.T, b *broker, c *Client) {
	t.Helper()
	commit(t, c, "simple", at("orders", 0, 5, ""))
	join(t, b, "classic", kgo.InstanceID("till-1"), kgo.Balancers(kgo.RangeBalancer()))
	join(t, b, "modern", kgo.ServerSideBalancer())
	share, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.ShareGroup("shared"), kgo.ConsumeTopics("orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(share.CloseAllowingRebalance)
	ctx := t.Context()
	go func() {
		for ctx.Err() == nil && !share.PollFetches(ctx).IsClientClosed() {
			continue
		}
	}()
	until(t, func() bool {
		groups, _, err := c.List(ctx)
		return err == nil && len(groups) == 4
	})
}

// until waits for a condition.
func until(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("waited in vain")
		}
	}
}

func TestListAndDescribeKnowKinds(t *testing.T) {
	t.Parallel()
	b := startBroker(t, kfake.NumBrokers(3))
	c := b.groups(t)
	kinds(t, b, c)
	groups, complete, err := c.List(t.Context())
	if err != nil || !complete.Known || len(complete.Missing) != 0 {
		t.Fatalf("List: %+v, %v", complete, err)
	}
	for i := range groups {
		if groups[i].Kind == Consumer {
			groups[i].Protocol = "consumer" // the in-process broker does not say it
		}
	}
	want := []Group{
		{Name: "classic", Kind: Classic, State: Stable, Protocol: "consumer"},
		{Name: "modern", Kind: Consumer, State: Stable, Protocol: "consumer"},
		{Name: "shared", Kind: Share, State: Stable, Protocol: "share"},
		{Name: "simple", Kind: Classic, State: Empty},
	}
	if diff := cmp.Diff(want, groups, cmpopts.IgnoreFields(Group{}, "Coordinator")); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	for _, g := range groups {
		if g.Coordinator != b.CoordinatorFor(g.Name) {
			t.Errorf("%s: coordinator %d, want %d", g.Name, g.Coordinator, b.CoordinatorFor(g.Name))
		}
	}
	got, err := c.Describe(t.Context(), []string{"classic", "modern", "shared", "simple", "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Group{
		"classic": {Kind: Classic, State: Stable, Protocol: "range"},
		"modern":  {Kind: Consumer, State: Stable, Protocol: "uniform"},
		"shared":  {Kind: Share, State: Stable},
		"simple":  {Kind: Classic, State: Empty},
		"nobody":  {Kind: Unknown, State: Absent},
	} {
		g := got[name]
		if g.Err != nil || g.Kind != want.Kind || g.State != want.State || want.Protocol != "" && g.Protocol != want.Protocol {
			t.Errorf("%s: %+v", name, g)
		}
		if g.Stopped() != (want.State != Stable) {
			t.Errorf("%s: stopped %v", name, g.Stopped())
		}
		if ok, known := grant(g.Operations, nil).May("READ"); !ok || !known {
			t.Errorf("%s: operations %v", name, g.Operations)
		}
	}
	m := got["classic"].Members
	if len(m) != 1 || m[0].ClientID != "shop" || m[0].InstanceID != "till-1" || m[0].Host == "" || m[0].ID == "" {
		t.Fatalf("members %+v", m)
	}
	all := []topic.Partition{part("orders", 0), part("orders", 1), part("orders", 2), part("orders", 3)}
	if diff := cmp.Diff(all, m[0].Assigned); diff != "" {
		t.Errorf("assignment (-want +got):\n%s", diff)
	}
	if m := got["modern"].Members; len(m) != 1 || m[0].ClientID != "shop" {
		t.Errorf("members %+v", m)
	}
}

func TestListOfConnectGroups(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.ControlKey(kmsg.ListGroups.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, _ := r.(*kmsg.ListGroupsRequest)
		resp, _ := req.ResponseKind().(*kmsg.ListGroupsResponse)
		for name, kind := range map[string]string{"workers": "classic", "pipes": "Streams", "odd": "quantum"} {
			g := kmsg.NewListGroupsResponseGroup()
			g.Group, g.ProtocolType, g.GroupType, g.GroupState = name, "connect", kind, "Stable"
			resp.Groups = append(resp.Groups, g)
		}
		return resp, nil, true
	})
	groups, _, err := b.groups(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]Kind)
	for _, g := range groups {
		got[g.Name+" "+g.Protocol] = g.Kind
	}
	if diff := cmp.Diff(map[string]Kind{"workers connect": Classic, "pipes connect": Streams, "odd connect": Unknown}, got); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

func TestListSaysWhichBrokerIsMissing(t *testing.T) {
	t.Parallel()
	b := startBroker(t, kfake.NumBrokers(3))
	c := b.groups(t)
	for _, name := range many(30) {
		commit(t, c, name, at("orders", 0, 1, ""))
	}
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListGroups}, Nodes: []int32{1}, TopLevel: true, Err: kerr.UnknownServerError, Count: -1})
	groups, complete, err := c.List(t.Context())
	if !errors.Is(err, kerr.UnknownServerError) || len(complete.Missing) != 1 {
		t.Fatalf("error %v, %+v", err, complete)
	}
	mentions(t, err.Error(), "broker 1", "cluster blue")
	mentions(t, complete.Missing[0], "broker 1")
	for _, g := range groups {
		if b.CoordinatorFor(g.Name) == 1 {
			t.Errorf("group %s of the silent broker", g.Name)
		}
	}
	if len(groups) == 0 || len(groups) == 30 {
		t.Errorf("%d groups, want those of two brokers", len(groups))
	}
}

func TestListWaitsForALoadingCoordinator(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := b.groups(t)
	commit(t, c, "shop", at("orders", 0, 1, ""))
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListGroups}, TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: 2})
	groups, _, err := c.List(t.Context())
	if err != nil || len(groups) != 1 {
		t.Errorf("List: %v, %v", groups, err)
	}
}

// A missing right makes groups vanish without an error: that is said.
func TestListCompleteness(t *testing.T) {
	t.Parallel()
	g, cl := kmsg.ACLResourceTypeGroup, kmsg.ACLResourceTypeCluster
	for name, tc := range map[string]struct {
		acls  []kfake.ACL
		known bool
		names []string
	}{
		"one group":   {[]kfake.ACL{allow(g, "mine", kmsg.ACLOperationDescribe)}, false, []string{"mine"}},
		"whole":       {[]kfake.ACL{allow(g, "*", kmsg.ACLOperationDescribe), allow(cl, "kafka-cluster", kmsg.ACLOperationDescribe)}, true, []string{"mine", "theirs"}},
		"all, untold": {[]kfake.ACL{allow(g, "*", kmsg.ACLOperationDescribe)}, false, []string{"mine", "theirs"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, secured(tc.acls...)...)
			admin := b.groups(t, as("admin"))
			commit(t, admin, "mine", at("orders", 0, 1, ""))
			commit(t, admin, "theirs", at("orders", 0, 1, ""))
			groups, complete, err := b.groups(t, as("user")).List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, g := range groups {
				names = append(names, g.Name)
			}
			if diff := cmp.Diff(tc.names, names); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
			if complete.Known != tc.known || (len(complete.Missing) == 0) != tc.known {
				t.Errorf("completeness %+v", complete)
			}
			if !tc.known {
				mentions(t, complete.Missing[0], "DESCRIBE on the cluster")
			}
		})
	}
}

func TestDescribeWithoutTheRight(t *testing.T) {
	t.Parallel()
	b := startBroker(t, secured(allow(kmsg.ACLResourceTypeGroup, "mine", kmsg.ACLOperationDescribe))...)
	commit(t, b.groups(t, as("admin")), "theirs", at("orders", 0, 1, ""))
	got, err := b.groups(t, as("user")).Read(t.Context(), []string{"mine", "theirs"})
	if err != nil {
		t.Fatal(err)
	}
	var auth *AuthError
	if r := got["theirs"]; !errors.As(r.Err, &auth) || auth.Right != "DESCRIBE" || auth.Name != "theirs" || r.Group.Stopped() {
		t.Errorf("theirs: %+v", r)
	}
	if r := got["mine"]; r.Err != nil || r.Group.State != Absent {
		t.Errorf("mine: %+v", r)
	}
}
