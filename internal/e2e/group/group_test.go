// Package group_test checks on a real Apache Kafka what room group relies on
// and the in-process broker does not show: how each release answers for absent
// groups, which rights it tells, and what it leaves out.
package group_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// connection is a cluster as room group needs it.
type connection struct{ client *kgo.Client }

func (c connection) Client() *kgo.Client { return c.client }
func (c connection) Admin() *kadm.Client { return kadm.NewClient(c.client) }
func (c connection) Name() string        { return "real" }

func groups(t *testing.T, bootstrap string, opts ...kgo.Opt) *group.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return group.New(connection{client}, nil)
}

func at(name string, p int32, offset int64, metadata string) position.Position {
	return position.Position{Partition: topic.Partition{Topic: name, Partition: p}, Offset: offset, LeaderEpoch: 9, Metadata: metadata}
}

// commit stores positions and expects all of them to be taken.
func commit(t *testing.T, c *group.Client, name string, ps ...position.Position) {
	t.Helper()
	parts, err := c.Commit(t.Context(), name, ps)
	for _, e := range parts {
		err = errors.Join(err, e)
	}
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func read(t *testing.T, c *group.Client, name string) group.Reading {
	t.Helper()
	got, err := c.Read(t.Context(), []string{name})
	if err != nil {
		t.Fatal(err)
	}
	if err := got[name].Err; err != nil {
		t.Fatalf("Read(%s): %v", name, err)
	}
	return got[name]
}

// The life of a group: absent, written, in use, taken back, deleted.
func TestLifeOfAGroup(t *testing.T) {
	t.Parallel()
	for _, version := range kafkatest.Versions() {
		t.Run(version, func(t *testing.T) {
			k := kafkatest.Shared(t, version)
			orders, payments := kafkatest.Name(t, "orders"), kafkatest.Name(t, "payments")
			k.CreateTopic(t, orders, 2, nil)
			k.CreateTopic(t, payments, 1, nil)
			name := kafkatest.Name(t, "shop")
			c := groups(t, k.Bootstrap())

			if r := read(t, c, name); r.Group.State != group.Absent || !r.Complete.Known || len(r.Group.Operations) == 0 {
				t.Errorf("before: %+v, want absent, complete, with rights", r)
			}
			if err := c.DeleteGroup(t.Context(), name); !errors.Is(err, group.ErrAbsent) {
				t.Errorf("deleting what is not there: %v", err)
			}
			if _, err := c.DeleteOffsets(t.Context(), name, []topic.Partition{{Topic: orders}}); !errors.Is(err, group.ErrAbsent) {
				t.Errorf("deleting positions that are not there: %v", err)
			}
			commit(t, c, name, at(orders, 0, 103, "kept µ"), at(orders, 1, 7, ""), at(payments, 0, 1<<40, ""))
			r := read(t, c, name)
			want := map[topic.Partition]position.Position{}
			for _, p := range []position.Position{at(orders, 0, 103, "kept µ"), at(orders, 1, 7, ""), at(payments, 0, 1<<40, "")} {
				p.Group, p.LeaderEpoch = name, -1
				want[p.Partition] = p
			}
			if diff := cmp.Diff(want, r.Positions); diff != "" {
				t.Errorf("positions (-want +got):\n%s", diff)
			}
			if r.Group.State != group.Empty || r.Group.Kind != group.Classic || !r.Group.Stopped() {
				t.Errorf("group %+v", r.Group)
			}
			if parts, err := c.DeleteOffsets(t.Context(), name, []topic.Partition{{Topic: orders, Partition: 1}, {Topic: payments}}); err != nil || len(parts) != 2 {
				t.Errorf("DeleteOffsets: %v, %v", parts, err)
			}
			if n := len(read(t, c, name).Positions); n != 1 {
				t.Errorf("%d positions left, want 1", n)
			}
			listed(t, c, name, group.Classic)
			if err := c.DeleteGroup(t.Context(), name); err != nil {
				t.Errorf("DeleteGroup: %v", err)
			}
			if r := read(t, c, name); r.Group.State != group.Absent || len(r.Positions) != 0 {
				t.Errorf("after: %+v", r)
			}
		})
	}
}

func listed(t *testing.T, c *group.Client, name string, kind group.Kind) {
	t.Helper()
	all, complete, err := c.List(t.Context())
	if err != nil || !complete.Known {
		t.Errorf("List: %+v, %v", complete, err)
	}
	for _, g := range all {
		if g.Name == name {
			if g.Kind != kind {
				t.Errorf("%s is listed as %s, want %s", name, g.Kind, kind)
			}
			return
		}
	}
	t.Errorf("%s is not listed", name)
}

// A group with a member refuses a commit, and the error says who is there.
func TestGroupInUse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		version string
		kind    group.Kind
		opts    []kgo.Opt
	}{
		"classic on 2.7":  {kafkatest.Old, group.Classic, nil},
		"classic on 3.9":  {kafkatest.Previous, group.Classic, nil},
		"classic on 4.3":  {kafkatest.Newest, group.Classic, nil},
		"consumer on 4.3": {kafkatest.Newest, group.Consumer, []kgo.Opt{kgo.ServerSideBalancer()}},
	} {
		t.Run(name, func(t *testing.T) {
			k := kafkatest.Shared(t, tc.version)
			orders, id := kafkatest.Name(t, "orders"), kafkatest.Name(t, "shop")
			k.CreateTopic(t, orders, 1, nil)
			consumer := k.Client(t, append(tc.opts, kgo.ConsumerGroup(id), kgo.ConsumeTopics(orders), kgo.ClientID("till"))...)
			ctx := t.Context()
			go func() {
				for ctx.Err() == nil && !consumer.PollFetches(ctx).IsClientClosed() {
					continue
				}
			}()
			c := groups(t, k.Bootstrap())
			g := stable(t, c, id)
			if g.Kind != tc.kind || g.Members[0].ClientID != "till" || g.Members[0].Host == "" {
				t.Errorf("group %+v", g)
			}
			if diff := cmp.Diff([]topic.Partition{{Topic: orders}}, g.Members[0].Assigned); diff != "" {
				t.Errorf("assignment (-want +got):\n%s", diff)
			}
			listed(t, c, id, tc.kind)
			_, err := c.Commit(ctx, id, []position.Position{at(orders, 0, 5, "")})
			var active *group.ActiveError
			if !errors.As(err, &active) || len(active.Members) != 1 || active.Members[0].ClientID != "till" {
				t.Errorf("Commit: %v", err)
			}
			if err := c.DeleteGroup(ctx, id); !errors.Is(err, group.ErrActive) {
				t.Errorf("DeleteGroup: %v", err)
			}
			parts, err := c.DeleteOffsets(ctx, id, []topic.Partition{{Topic: orders}})
			if !errors.Is(err, group.ErrActive) || !errors.Is(parts[topic.Partition{Topic: orders}], group.ErrActive) {
				t.Errorf("DeleteOffsets: %v, %v", parts, err)
			}
		})
	}
}

// stable waits until the group has a member with a partition.
func stable(t *testing.T, c *group.Client, id string) group.Group {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := c.Describe(t.Context(), []string{id})
		if err != nil {
			t.Fatal(err)
		}
		if g := got[id]; g.State == group.Stable && len(g.Members) == 1 && len(g.Members[0].Assigned) > 0 {
			return g
		}
		select {
		case <-limit:
			t.Fatalf("group %+v never became stable", got[id])
		case <-tick.C:
		}
	}
}

// What a missing right hides is said, and the rights are told before anything
// is tried, also on a group that is not there yet.
func TestMissingRights(t *testing.T) {
	t.Parallel()
	for _, version := range kafkatest.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			k := kafkatest.Start(t, kafkatest.Options{
				Version: version, Authorize: true,
				Listeners: []kafkatest.Listener{{Name: "SASL", Protocol: "SASL_PLAINTEXT", Users: map[string]string{"alice": "secret"}}},
			})
			for _, name := range []string{"mine", "theirs"} {
				k.CreateTopic(t, name, 1, nil)
			}
			admin := groups(t, k.Bootstrap())
			commit(t, admin, "mine", at("mine", 0, 1, ""), at("theirs", 0, 2, ""))
			commit(t, admin, "theirs", at("mine", 0, 1, ""))
			if r := read(t, admin, "mine"); !r.Complete.Known || len(r.Positions) != 2 {
				t.Errorf("as super user: %+v", r)
			}
			acls := kadm.NewACLs().Allow("User:alice").AllowHosts("*").Groups("mine", "new").Topics("mine").Operations(kadm.OpRead)
			if created, err := k.Admin(t).CreateACLs(t.Context(), acls.ResourcePatternType(kadm.ACLPatternLiteral)); err != nil || len(created) == 0 {
				t.Fatalf("CreateACLs: %v, %v", created, err)
			}
			alice := groups(t, k.BootstrapOf(t, "SASL"), kgo.SASL(plain.Auth{User: "alice", Pass: "secret"}.AsMechanism()))
			checkHidden(t, alice)
			checkRights(t, alice)
		})
	}
}

func checkHidden(t *testing.T, alice *group.Client) {
	t.Helper()
	r := read(t, alice, "mine")
	if len(r.Positions) != 1 || r.Complete.Known || len(r.Complete.Missing) == 0 {
		t.Errorf("the topic that is hidden is not missed: %+v", r)
	}
	all, complete, err := alice.List(t.Context())
	if err != nil || len(all) != 1 || complete.Known || len(complete.Missing) == 0 {
		t.Errorf("the group that is hidden is not missed: %v, %+v, %v", all, complete, err)
	}
	var auth *group.AuthError
	parts, err := alice.Commit(t.Context(), "mine", []position.Position{at("mine", 0, 5, ""), at("theirs", 0, 5, "")})
	if err != nil || parts[topic.Partition{Topic: "mine"}] != nil || !errors.As(parts[topic.Partition{Topic: "theirs"}], &auth) || auth.Resource != "topic" {
		t.Errorf("a commit taken in part: %v, %v", parts, err)
	}
	if err := alice.DeleteGroup(t.Context(), "mine"); !errors.As(err, &auth) || auth.Right != "DELETE" {
		t.Errorf("DeleteGroup: %v", err)
	}
}

func checkRights(t *testing.T, alice *group.Client) {
	t.Helper()
	rights, err := alice.Rights(t.Context(), []string{"mine", "new", "theirs"}, []string{"mine", "theirs"})
	if err != nil {
		t.Fatal(err)
	}
	type cell struct{ Allowed, Known bool }
	got := map[string]cell{}
	for name, g := range rights.Groups {
		read, known := g.May("READ")
		got["READ group "+name] = cell{read, known}
		del, known := g.May("DELETE")
		got["DELETE group "+name] = cell{del, known}
	}
	for name, g := range rights.Topics {
		read, known := g.May("READ")
		got["READ topic "+name] = cell{read, known}
	}
	want := map[string]cell{
		"READ group mine": {true, true}, "DELETE group mine": {false, true},
		"READ group new": {true, true}, "DELETE group new": {false, true},
		"READ group theirs": {false, true}, "DELETE group theirs": {false, true},
		"READ topic mine": {true, true}, "READ topic theirs": {false, true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights (-want +got):\n%s", diff)
	}
}
