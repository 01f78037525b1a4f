package group

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/topic"
)

func TestRights(t *testing.T) {
	t.Parallel()
	g, tp := kmsg.ACLResourceTypeGroup, kmsg.ACLResourceTypeTopic
	b := startBroker(t, secured(
		allow(g, "mine", kmsg.ACLOperationRead), allow(g, "whole", kmsg.ACLOperationAll),
		allow(tp, "orders", kmsg.ACLOperationRead),
	)...)
	commit(t, b.groups(t, as("admin")), "mine", at("orders", 0, 1, ""))
	got, err := b.groups(t, as("user")).Rights(t.Context(), []string{"mine", "whole", "theirs"}, []string{"orders", "payments", "orders"})
	if err != nil {
		t.Fatal(err)
	}
	type cell struct{ Allowed, Known bool }
	may := func(g Grant, op string) cell {
		allowed, known := g.May(op)
		return cell{allowed, known}
	}
	for _, tc := range []struct {
		grant Grant
		op    string
		want  cell
	}{
		{got.Groups["mine"], "READ", cell{true, true}},
		{got.Groups["mine"], "DESCRIBE", cell{true, true}},
		{got.Groups["mine"], "DELETE", cell{false, true}},
		{got.Groups["whole"], "DELETE", cell{true, true}}, // it does not exist yet
		{got.Groups["theirs"], "READ", cell{false, true}},
		{got.Topics["orders"], "READ", cell{true, true}},
		{got.Topics["payments"], "READ", cell{false, true}},
	} {
		if got := may(tc.grant, tc.op); got != tc.want {
			t.Errorf("%s of %+v: %+v, want %+v", tc.op, tc.grant, got, tc.want)
		}
	}
	all, err := b.groups(t, as("admin")).Rights(t.Context(), nil, []string{"orders", "nothing"})
	if err != nil {
		t.Fatal(err)
	}
	if got := may(all.Topics["orders"], "DESCRIBE"); got != (cell{true, true}) {
		t.Errorf("admin: %+v", got)
	}
	if n := all.Topics["nothing"]; n.Known || n.Err == nil {
		t.Errorf("a topic that is not there: %+v", n)
	}
}

func TestRightsThatTheBrokerDoesNotTell(t *testing.T) {
	t.Parallel()
	if g := grant(operations(math.MinInt32), nil); g.Known || g.Err == nil {
		t.Errorf("grant %+v, want unknown", g)
	}
	if g := grant(operations(0), nil); !g.Known || len(g.Operations) != 0 {
		t.Errorf("grant %+v, want none", g)
	}
	if diff := cmp.Diff([]string{"DELETE", "DESCRIBE", "READ"}, operations(1<<3|1<<6|1<<8)); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

// OffsetFetch leaves out topics that may not be described: whether that can be
// so is found out once.
func TestReadCompleteness(t *testing.T) {
	t.Parallel()
	g, tp, cl := kmsg.ACLResourceTypeGroup, kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeCluster
	every := allow(g, "*", kmsg.ACLOperationDescribe)
	deny := func(name string, pattern kmsg.ACLResourcePatternType) kfake.ACL {
		return kfake.ACL{Resource: tp, Name: name, Pattern: pattern, Operation: kmsg.ACLOperationDescribe}
	}
	topics := allow(tp, "*", kmsg.ACLOperationDescribe)
	cluster := allow(cl, "kafka-cluster", kmsg.ACLOperationDescribe)
	for name, tc := range map[string]struct {
		acls  []kfake.ACL
		known bool
		says  string
	}{
		"one topic":                {[]kfake.ACL{every, cluster, allow(tp, "orders", kmsg.ACLOperationDescribe)}, false, "DESCRIBE on all topics"},
		"all topics":               {[]kfake.ACL{every, cluster, topics}, true, ""},
		"all topics, rules unread": {[]kfake.ACL{every, topics}, false, "DESCRIBE on the cluster"},
		"all but one":              {[]kfake.ACL{every, cluster, topics, deny("payments", kmsg.ACLResourcePatternTypeLiteral)}, false, "payments"},
		"all but a prefix":         {[]kfake.ACL{every, cluster, topics, deny("pay", kmsg.ACLResourcePatternTypePrefixed)}, false, `"pay`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, secured(tc.acls...)...)
			commit(t, b.groups(t, as("admin")), "shop", at("orders", 0, 1, ""), at("payments", 0, 2, ""))
			c := b.groups(t, as("user"))
			r := read(t, c, "shop")
			if r.Complete.Known != tc.known || (len(r.Complete.Missing) == 0) != tc.known {
				t.Fatalf("completeness %+v", r.Complete)
			}
			if !tc.known {
				mentions(t, r.Complete.Missing[0], tc.says)
			}
			if _, told := r.Positions[part("payments", 0)]; !told && r.Complete.Known {
				t.Error("a position is missing and the reading counts as complete")
			}
			b.reset()
			if again := read(t, c, "shop"); !cmp.Equal(again.Complete, r.Complete) {
				t.Errorf("then %+v", again.Complete)
			}
			if n := b.count(kmsg.Metadata) + b.count(kmsg.DescribeACLs); n != 0 {
				t.Errorf("%d requests to find out again, want none", n)
			}
		})
	}
}

func TestReadIsCompleteWithoutAnAuthorizer(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.ControlKey(kmsg.DescribeACLs.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req, _ := r.(*kmsg.DescribeACLsRequest)
		resp, _ := req.ResponseKind().(*kmsg.DescribeACLsResponse)
		resp.ErrorCode = kerr.SecurityDisabled.Code // as Apache Kafka answers
		return resp, nil, true
	})
	c := b.groups(t)
	commit(t, c, "shop", at("orders", 0, 1, ""))
	if r := read(t, c, "shop"); !r.Complete.Known || len(r.Complete.Missing) != 0 {
		t.Errorf("completeness %+v", r.Complete)
	}
}

func FuzzDecodeAssignment(f *testing.F) {
	a := kmsg.NewConsumerMemberAssignment()
	at := kmsg.NewConsumerMemberAssignmentTopic()
	at.Topic, at.Partitions = "orders", []int32{2, 0}
	a.Topics = append(a.Topics, at)
	f.Add(a.AppendTo(nil))
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		for i, p := range decodeAssignment(raw) {
			if i > len(raw) {
				t.Fatalf("more partitions than bytes, %v", p)
			}
		}
	})
}

func TestDecodeAssignment(t *testing.T) {
	t.Parallel()
	a := kmsg.NewConsumerMemberAssignment()
	at := kmsg.NewConsumerMemberAssignmentTopic()
	at.Topic, at.Partitions = "orders", []int32{2, 0}
	a.Topics = append(a.Topics, at)
	whole := a.AppendTo(nil)
	if diff := cmp.Diff([]topic.Partition{part("orders", 0), part("orders", 2)}, decodeAssignment(whole)); diff != "" {
		t.Errorf("assignment (-want +got):\n%s", diff)
	}
	if got := decodeAssignment(whole[:9]); got != nil {
		t.Errorf("a torn assignment gives %v", got)
	}
}
