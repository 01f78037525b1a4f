package kafka_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

// guarded is a cluster with an authorizer, seen by a super user and by alice.
type guarded struct {
	k           *kafkatest.Kafka
	root, alice *node
	bucket      *store.Bucket
}

func newGuarded(t *testing.T, version string) *guarded {
	t.Helper()
	g := &guarded{bucket: store.New(memstore.New(), "mem://state", nil)}
	g.k = kafkatest.Start(t, kafkatest.Options{
		Version: version, Authorize: true,
		Listeners: []kafkatest.Listener{{Name: "SASL", Protocol: "SASL_PLAINTEXT", Users: map[string]string{"alice": "secret"}}},
	})
	g.root = enter(t, g.k, cluster.Login{Seeds: []string{g.k.Bootstrap()}})
	g.alice = enter(t, g.k, cluster.Login{Seeds: []string{g.k.BootstrapOf(t, "SASL")}, Security: cluster.Security{
		SASL: &cluster.SASL{Mechanism: cluster.ScramSHA512, User: "alice", Password: "secret"},
	}})
	for _, name := range []string{"orders", "payments", "hidden"} {
		g.root.create(t, name, 1, nil)
		kafkatest.Produce(t, g.root.manual(t), numbered(part(name, 0), 0, 20)...)
	}
	g.root.commit(t, "old", map[topic.Partition]int64{part("orders", 0): 3, part("payments", 0): 4})
	g.root.commit(t, "secret", map[topic.Partition]int64{part("hidden", 0): 5, part("orders", 0): 5})
	return g
}

// grant lets alice do something with the groups or topics.
func (g *guarded) grant(t *testing.T, groups, topics []string, op kadm.ACLOperation) {
	t.Helper()
	b := kadm.NewACLs().Allow("User:alice").AllowHosts("*").Operations(op).ResourcePatternType(kadm.ACLPatternLiteral)
	if len(groups) > 0 {
		b = b.Groups(groups...)
	}
	if len(topics) > 0 {
		b = b.Topics(topics...)
	}
	got, err := g.k.Admin(t).CreateACLs(t.Context(), b)
	if err != nil {
		t.Fatalf("granting: %v", err)
	}
	for _, r := range got {
		if r.Err != nil {
			t.Fatalf("granting: %v", r.Err)
		}
	}
}

func (g *guarded) build(t *testing.T, from string) *plan.Plan {
	t.Helper()
	sel, err := position.Selector{Groups: []string{from}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	route, err := position.NewRoute(position.RouteOptions{MapGroups: []string{from + "=new"}})
	if err != nil {
		t.Fatal(err)
	}
	side := g.alice.side()
	p, err := plan.Build(t.Context(), plan.Input{From: &side, To: side, Selection: sel, Route: route, Settle: -1, Tool: "kferry test"})
	if err != nil {
		t.Fatalf("building the plan: %v", err)
	}
	return p
}

func (g *guarded) apply(t *testing.T, p *plan.Plan) plan.GroupReport {
	t.Helper()
	side := g.alice.side()
	rep, err := plan.Apply(t.Context(), p, plan.ApplyInput{From: &side, To: side, Bucket: g.bucket, Again: true, Tool: "kferry test", Command: "kferry group copy"})
	if err != nil {
		t.Fatalf("applying: %v", err)
	}
	return rep.Groups[0]
}

// Rights come one after the other; until all are there, the one that is missing
// is named and nothing is written. What a missing right hides is said.
func TestRights(t *testing.T) {
	t.Parallel()
	for _, version := range []string{kafkatest.Newest, kafkatest.Previous} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t, version)
			g.grant(t, []string{"old", "secret", "new"}, []string{"orders", "payments"}, kadm.OpDescribe)
			g.grant(t, nil, []string{"orders"}, kadm.OpRead)
			for _, step := range []struct {
				missing       string
				groups, topic []string
				op            kadm.ACLOperation
			}{
				{`READ on group "new"`, []string{"new"}, nil, kadm.OpRead},
				{`READ on topic "payments"`, nil, []string{"payments"}, kadm.OpRead},
				{`DELETE on group "new"`, []string{"new"}, nil, kadm.OpDelete},
			} {
				rep := g.apply(t, g.build(t, "old"))
				said := rep.Detail + "\n" + rep.Hint
				for _, p := range rep.Problems {
					said += "\n" + p.Detail
				}
				if rep.Result != plan.Refused || rep.Reason != plan.ReasonRights || !strings.Contains(said, step.missing) {
					t.Errorf("without %s: %+v", step.missing, rep)
				}
				if r := g.root.reading(t, "new"); r.Group.State != group.Absent {
					t.Errorf("without %s something was written: %+v", step.missing, r)
				}
				g.grant(t, step.groups, step.topic, step.op)
			}
			if rep := g.apply(t, g.build(t, "old")); rep.Result != plan.Applied {
				t.Errorf("with all rights: %+v", rep)
			}
			if diff := cmp.Diff(g.root.offsets(t, "old"), g.root.offsets(t, "new")); diff != "" {
				t.Errorf("(-old +new):\n%s", diff)
			}
			g.checkHidden(t)
		})
	}
}

// checkHidden expects the group whose positions cannot all be seen to be told
// from one that is complete.
func (g *guarded) checkHidden(t *testing.T) {
	t.Helper()
	r := g.alice.reading(t, "secret")
	if len(r.Positions) != 1 || r.Complete.Known || len(r.Complete.Missing) == 0 {
		t.Errorf("alice sees %v of group secret, complete: %+v", r.Positions, r.Complete)
	}
	if r := g.root.reading(t, "secret"); len(r.Positions) != 2 || !r.Complete.Known {
		t.Errorf("root sees %v of group secret, complete: %+v", r.Positions, r.Complete)
	}
	all, complete, err := g.alice.g.List(t.Context())
	if err != nil || complete.Known || len(all) != 3 {
		t.Errorf("alice lists %d groups, complete: %+v, %v", len(all), complete, err)
	}
	p := g.build(t, "secret")
	if !slices.ContainsFunc(p.Findings, func(f plan.Finding) bool { return f.Reason == plan.ReasonIncomplete && f.Severity == plan.Warning }) {
		t.Errorf("the plan does not say that positions may be hidden: %+v", p.Findings)
	}
}
