package migration

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/topic"
)

// checks is what a case changes before it checks.
type checks struct {
	in   Input
	spec api.Migration
}

func (w *world) check(change func(*checks)) *Checkup {
	w.t.Helper()
	c := checks{in: w.input(&killtest.Killer{}), spec: spec()}
	if change != nil {
		change(&c)
	}
	out, err := Check(context.Background(), c.in, c.spec)
	if err != nil {
		w.t.Fatalf("checking: %v", err)
	}
	inDocs(w.t, out)
	return out
}

// finding is what a case expects: text is a part of detail or remedy.
type finding struct {
	severity             Severity
	reason, group, topic string
	text                 string
}

func (f *finding) matches(g *Finding) bool {
	return f.severity == g.Severity && f.reason == g.Reason && f.group == g.Group && f.topic == g.Topic &&
		strings.Contains(g.Detail+" "+g.Remedy, f.text)
}

func wantFindings(tb testing.TB, c *Checkup, want ...finding) {
	tb.Helper()
	for _, f := range want {
		if !slices.ContainsFunc(c.Findings, func(g Finding) bool { return f.matches(&g) }) {
			tb.Errorf("no finding %+v", f)
		}
	}
	if tb.Failed() {
		for _, f := range c.Findings {
			tb.Logf("%s %s %q %q: %s (%s)", f.Severity, f.Reason, f.Group, f.Topic, f.Detail, f.Remedy)
		}
	}
}

// granted answers for rights as told.
type granted struct {
	plan.Committer
	groups, topics []string
	unknown        bool
}

func (g *granted) Rights(_ context.Context, names, topics []string) (group.Rights, error) {
	out := group.Rights{Groups: map[string]group.Grant{}, Topics: map[string]group.Grant{}}
	for _, name := range names {
		out.Groups[name] = group.Grant{Known: !g.unknown, Operations: g.groups}
	}
	for _, name := range topics {
		out.Topics[name] = group.Grant{Known: !g.unknown, Operations: g.topics}
	}
	return out, nil
}

// brokers are a cluster with settings of their own.
type brokers struct {
	*cluster.Cluster
	kept    time.Duration
	session time.Duration
	// retention of all topics, when it is not 0; noIDs leaves out their IDs.
	retention time.Duration
	noIDs     bool
}

func (b *brokers) OffsetsRetention(context.Context) (time.Duration, bool, error) {
	return b.kept, b.kept > 0, nil
}
func (b *brokers) LongestSession(bool) (time.Duration, bool) { return b.session, b.session > 0 }

func (b *brokers) Topics(ctx context.Context, names ...string) (map[string]topic.Topic, error) {
	all, err := b.Cluster.Topics(ctx, names...)
	for name, t := range all {
		if b.retention != 0 {
			t.Config = topic.Config{Known: true, Retention: b.retention, RetentionBytes: -1}
		}
		if b.noIDs {
			t.ID = topic.ID{}
		}
		all[name] = t
	}
	return all, err
}

// kinds is a reader that says of all groups that they are of a kind.
type kinds struct {
	plan.Reader
	kind group.Kind
}

func (k *kinds) Read(ctx context.Context, names []string) (map[string]group.Reading, error) {
	all, err := k.Reader.Read(ctx, names)
	for name, r := range all {
		r.Group.Kind = k.kind
		all[name] = r
	}
	return all, err
}

// older is a reader on whose cluster only members of classic groups can join.
type older struct{ plan.Reader }

func (*older) Joinable(context.Context, group.Kind) (bool, error) { return false, nil }

// unsettled is a reader that has a pending commit on a partition.
type unsettled struct {
	plan.Reader
	on topic.Partition
}

func (u *unsettled) Read(ctx context.Context, names []string) (map[string]group.Reading, error) {
	all, err := u.Reader.Read(ctx, names)
	for name, r := range all {
		if _, ok := r.Positions[u.on]; ok {
			r.Unstable = append(r.Unstable, u.on)
			all[name] = r
		}
	}
	return all, err
}

const (
	ordersApp   = "orders-app"
	paymentsApp = "payments-app"
)

func TestCheckOfAnApplicationThatCanGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.check(nil)
	for _, f := range c.Findings {
		if f.Severity != Note && f.Reason != "native" { // the records that the copies stand behind
			t.Errorf("finding %+v", f)
		}
	}
	want := []Pair{{ordersApp, ordersApp}, {paymentsApp, paymentsApp}}
	if d := cmp.Diff(want, c.Groups); d != "" {
		t.Errorf("groups (-want +got):\n%s", d)
	}
	wantFindings(t, c,
		finding{Note, "empty", ordersApp, "", ""}, finding{Note, "target-absent", paymentsApp, "", "new"},
		finding{Note, "evidence", "", "orders", "header"})
	if c.Plan == nil || c.Look != nil || c.Spec.Mover != api.MoverAuto {
		t.Errorf("plan %v, look %v, mover %q", c.Plan != nil, c.Look, c.Spec.Mover)
	}
	if !slices.IsSortedFunc(c.Findings, func(a, b Finding) int {
		return slices.Index(severities, a.Severity) - slices.Index(severities, b.Severity)
	}) {
		t.Error("findings are not sorted by severity")
	}
	if _, err := Create(t.Context(), w.input(&killtest.Killer{}), c); err != nil {
		t.Errorf("creating: %v", err)
	}
}

func TestCheckGroups(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		world  func(*world)
		change func(*checks)
		want   []finding
	}{
		"members": {
			world: func(w *world) { w.source.join(ordersApp, "orders") },
			want:  []finding{{Note, "members", ordersApp, "", "reader"}},
		},
		"static members": {
			world: func(w *world) { w.source.join(ordersApp, "orders", kgo.InstanceID("one")) },
			want:  []finding{{Note, "members", ordersApp, "", "one"}, {Note, "static-members", ordersApp, "", "1 member"}},
		},
		"members of a topic without a position": {
			world: func(w *world) { w.source.join(ordersApp, "payments") },
			want:  []finding{{Warning, "unset", ordersApp, "payments", "auto.offset.reset"}},
		},
		"partitions without a position": {
			world: func(w *world) { w.source.commit("half-app", map[topic.Partition]int64{part("orders", 1): 3}) },
			want:  []finding{{Warning, "unset", "half-app", "orders", "1 partition of 2"}},
		},
		"empty partitions without a position": {
			world: func(w *world) {
				w.source.Create("wide", 2)
				w.target.Create("wide", 2)
				w.write(part("wide", 0), 0, 3)
				w.copy(part("wide", 0), 0, 3)
				w.source.commit("wide-app", map[topic.Partition]int64{part("wide", 0): 1})
			},
			want: []finding{{Note, "unset", "wide-app", "wide", "none of which has records"}},
		},
		"no positions": {
			world: func(w *world) { w.source.join("new-app", "orders") },
			want:  []finding{{Warning, "no-positions", "new-app", "", ""}},
		},
		"pattern without a group": {
			change: func(c *checks) { c.spec.Groups = []string{"nobody*"} },
			want:   []finding{{Problem, "no-group", "", "", "nobody*"}},
		},
		"part of the selection without a group": {
			change: func(c *checks) { c.spec.Groups = []string{"*-app", "nobody*"} },
			want:   []finding{{Warning, "unmatched", "", "", "nobody*"}},
		},
		"missing group": {
			change: func(c *checks) { c.spec.Groups = []string{ordersApp, "absent"} },
			want:   []finding{{Problem, "group-missing", "absent", "", "no group"}},
		},
		"missing topic": {
			change: func(c *checks) { c.spec.Topics = []string{"order"} },
			want:   []finding{{Problem, "not-found", "", "", "orders"}},
		},
		"topics that are left out": {
			change: func(c *checks) { c.spec.Topics = []string{"orders"} },
			want:   []finding{{Warning, "out-of-route", paymentsApp, "payments", "stay behind"}},
		},
		"several groups become one": {
			change: func(c *checks) {
				c.spec.MapGroups = []api.NameMap{{From: ordersApp, To: "both"}, {From: paymentsApp, To: "both"}}
			},
			want: []finding{{Warning, "merged-groups", "both", "", "orders-app"}},
		},
		"two positions become one": {
			world: func(w *world) { w.source.commit("also-app", map[topic.Partition]int64{part("orders", 0): 3}) },
			change: func(c *checks) {
				c.spec.MapGroups = []api.NameMap{{From: ordersApp, To: "both"}, {From: "also-app", To: "both"}}
			},
			want: []finding{{Problem, "collision", "also-app", "", "both"}},
		},
		"two topics become one": {
			change: func(c *checks) {
				c.spec.Groups = nil
				c.spec.MapTopics = []api.NameMap{{From: "orders", To: "payments"}}
			},
			want: []finding{{Problem, "collision", "", "", "payments"}},
		},
		"another name": {
			change: func(c *checks) { c.spec.MapGroups = []api.NameMap{{From: ordersApp, To: "orders-v2"}} },
			want:   []finding{{Note, "group-renamed", ordersApp, "", "group.id=orders-v2"}},
		},
		"protocol that the target does not speak": {
			change: func(c *checks) {
				c.in.From.Read = &kinds{c.in.From.Read, group.Consumer}
				c.in.To.Read = &older{c.in.To.Read}
			},
			want: []finding{{Warning, "group-protocol", ordersApp, "", "KIP-848"}},
		},
		"protocol of Kafka Streams": {
			change: func(c *checks) {
				c.in.From.Read = &kinds{c.in.From.Read, group.Streams}
				c.in.To.Read = &older{c.in.To.Read}
			},
			want: []finding{{Warning, "group-protocol", ordersApp, "", "KIP-1071"}, {Note, "streams", ordersApp, "", ""}},
		},
		"sink connector": {
			world: func(w *world) {
				w.source.commit("connect-sink", map[topic.Partition]int64{part("payments", 0): 4})
			},
			change: func(c *checks) { c.spec.Groups = []string{"connect-*"} },
			want:   []finding{{Note, "connect", "connect-sink", "", "sink"}, {Note, "unseen-consumers", "", "", "connect-sink"}},
		},
		"pending transactional commits": {
			change: func(c *checks) { c.in.From.Read = &unsettled{c.in.From.Read, part("payments", 0)} },
			want:   []finding{{Warning, "not-settled", paymentsApp, "payments", "pending"}},
		},
		"share group": {
			change: func(c *checks) { c.in.From.Read = &kinds{c.in.From.Read, group.Share} },
			want:   []finding{{Warning, "share-group", ordersApp, "", "at least once"}, {Problem, "share-group", ordersApp, "orders", "--accept-repeats"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tc.world != nil {
				tc.world(w)
			}
			wantFindings(t, w.check(tc.change), tc.want...)
		})
	}
}

func TestCheckTarget(t *testing.T) {
	t.Parallel()
	at := func(offsets ...int64) map[topic.Partition]int64 {
		out := map[topic.Partition]int64{}
		for p, o := range offsets {
			out[part("orders", int32(p))] = o
		}
		return out
	}
	for name, tc := range map[string]struct {
		world  func(*world)
		change func(*checks)
		want   []finding
	}{
		"other positions": {
			world: func(w *world) { w.target.commit(ordersApp, at(5, 15)) },
			want:  []finding{{Problem, "target-positions", ordersApp, "", "--accept-overwrite"}},
		},
		"other positions, accepted": {
			world:  func(w *world) { w.target.commit(ordersApp, at(5, 15)) },
			change: func(c *checks) { c.spec.Accept = []string{api.AcceptOverwrite} },
			want:   []finding{{Warning, "target-positions", ordersApp, "", "1 position"}},
		},
		"already there": {
			world: func(w *world) { w.target.commit(ordersApp, at(7, 15)) },
			want:  []finding{{Note, "already-there", ordersApp, "", ""}},
		},
		"ahead": {
			world: func(w *world) { w.target.commit(ordersApp, at(9, 15)) },
			want:  []finding{{Problem, "rewind", ordersApp, "orders", "--accept-rewind"}},
		},
		"ahead, accepted": {
			world:  func(w *world) { w.target.commit(ordersApp, at(9, 15)) },
			change: func(c *checks) { c.spec.Accept = []string{api.AcceptRewind, api.AcceptOverwrite} },
			want:   []finding{{Warning, "rewind", ordersApp, "orders", "accepted: rewind"}},
		},
		"positions that the source has not": {
			world: func(w *world) { w.target.commit(paymentsApp, at(5)) },
			want:  []finding{{Problem, "extra", paymentsApp, "orders", "deleted"}},
		},
		"in use": {
			world: func(w *world) { w.target.join(ordersApp, "orders") },
			want:  []finding{{Problem, "group-active", ordersApp, "", "in use on new"}},
		},
		"held positions that are there": {
			world: func(w *world) {
				w.write(part("orders", 0), 10, 12)
				w.source.commit(ordersApp, at(12))
				w.target.commit(ordersApp, at(5))
			},
			want: []finding{{Warning, "target-positions", ordersApp, "", "not known yet"}},
		},
		"no right to commit": {
			change: func(c *checks) {
				c.in.To.Write = &granted{c.in.To.Write, []string{"DESCRIBE"}, []string{"READ"}, false}
			},
			want: []finding{{Problem, "rights", ordersApp, "", "READ on group"}, {Problem, "rights", ordersApp, "", "DELETE on group"}},
		},
		"no right to a topic": {
			change: func(c *checks) {
				c.in.To.Write = &granted{c.in.To.Write, []string{"READ", "DELETE"}, []string{"DESCRIBE"}, false}
			},
			want: []finding{{Problem, "rights", "", "orders", "READ on topic"}},
		},
		"rights that are not told": {
			change: func(c *checks) { c.in.To.Write = &granted{c.in.To.Write, nil, nil, true} },
			want:   []finding{{Note, "rights-unknown", "", "", "orders-app"}},
		},
		"no right on the source": {
			change: func(c *checks) {
				c.in.From.Write = &granted{c.in.From.Write, []string{"DESCRIBE"}, []string{"READ"}, false}
			},
			want: []finding{{Warning, "rights", ordersApp, "", "fail-back"}},
		},
		"no right on the source where offsets are to be kept": {
			change: func(c *checks) {
				c.in.From.Write = &granted{c.in.From.Write, []string{"DESCRIBE"}, []string{"READ"}, false}
				c.spec.KeepOffsets = api.Duration(time.Hour)
			},
			want: []finding{{Problem, "rights", ordersApp, "", "--keep-offsets"}},
		},
		"expiry on the source": {
			change: func(c *checks) {
				c.in.From.Topics = &brokers{Cluster: c.in.From.Topics.(*cluster.Cluster), kept: 7 * 24 * time.Hour}
			},
			want: []finding{{Note, "source-expiry", "", "", "7 days"}},
		},
		"expiry on the source that comes soon": {
			change: func(c *checks) {
				c.in.From.Topics = &brokers{Cluster: c.in.From.Topics.(*cluster.Cluster), kept: time.Hour}
			},
			want: []finding{{Warning, "source-expiry", "", "", "--keep-offsets"}},
		},
		"expiry on the target": {
			change: func(c *checks) {
				c.in.To.Topics = &brokers{Cluster: c.in.To.Topics.(*cluster.Cluster), kept: time.Hour}
			},
			want: []finding{{Warning, "expiry", "", "", "--keep-offsets"}},
		},
		"offsets that cannot be kept": {
			change: func(c *checks) {
				c.spec.KeepOffsets = api.Duration(time.Hour)
				c.in.From.Write = &granted{c.in.From.Write, []string{"READ"}, []string{"READ"}, false}
			},
			want: []finding{{Problem, "source-expiry", "", "", "cannot be kept"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tc.world != nil {
				tc.world(w)
			}
			wantFindings(t, w.check(tc.change), tc.want...)
		})
	}
}

func TestCheckClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := checked()
	other.Spec.Name, other.Groups = "other", []Pair{{ordersApp, ordersApp}}
	if _, err := Create(t.Context(), w.input(&killtest.Killer{}), other); err != nil {
		t.Fatal(err)
	}
	c := w.check(nil)
	wantFindings(t, c, finding{Problem, "claimed", ordersApp, "", `"other"`})
	if n := c.Count(Problem); n != 2 { // on either side
		t.Errorf("%d problems: %+v", n, c.Findings)
	}
	if _, err := Create(t.Context(), w.input(&killtest.Killer{}), c); !errors.Is(err, ErrFindings) {
		t.Errorf("creating: %v", err)
	}
	named := w.check(func(c *checks) { c.spec.Name = "other" })
	wantFindings(t, named, finding{Problem, "name-taken", "", "", "stands at checked"})
	if _, err := Abort(t.Context(), "other", w.input(&killtest.Killer{})); err != nil {
		t.Fatal(err)
	}
	if c := w.check(nil); c.Count(Problem) != 0 {
		t.Errorf("after it ended: %+v", c.Findings)
	}
	r, err := run.Create(t.Context(), w.bucket, run.Info{Kind: run.KindMigration, Name: "newer"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Attach(t.Context(), attachment, Format, Version+1, spec()); err != nil {
		t.Fatal(err)
	}
	wantFindings(t, w.check(nil), finding{Warning, "claims-unknown", "", "", `"newer"`})
}

func TestCheckSameCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range map[string]func(*Input){
		"same ID":        func(in *Input) { in.To = in.From },
		"same address":   func(in *Input) { in.To.ID, in.To.Bootstrap = "", in.From.Bootstrap },
		"same topic IDs": func(in *Input) { in.To.ID, in.From.ID, in.To.Topics = "", "", in.From.Topics },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := w.input(&killtest.Killer{})
			change(&in)
			_, err := Check(t.Context(), in, spec())
			var known *Error
			if !errors.Is(err, ErrSameCluster) || !errors.As(err, &known) || !strings.Contains(known.Hint, "kferry group copy") {
				t.Errorf("checking: %v", err)
			}
		})
	}
	t.Run("nothing to compare", func(t *testing.T) {
		t.Parallel()
		in := w.input(&killtest.Killer{})
		in.From.ID, in.To.ID = "", ""
		in.From.Topics = &brokers{Cluster: w.source.Cluster, noIDs: true}
		if _, err := Check(t.Context(), in, spec()); err != nil {
			t.Errorf("checking: %v", err)
		}
	})
}

func TestCheckEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.check(func(c *checks) {
		c.spec.Events = []api.Event{
			{On: []string{"stopping"}, Command: []string{"no-such-command-of-kferry", "now"}},
			{On: []string{"moved"}, Command: []string{"true"}},
			{On: []string{"moved"}, Webhook: &api.Webhook{URL: "http://127.0.0.1:1/"}},
		}
	})
	wantFindings(t, c, finding{Problem, "command-missing", "", "", "no-such-command-of-kferry"})
	if c.Count(Problem) != 1 {
		t.Errorf("findings: %+v", c.Findings)
	}
}

// TestCheckWritesNothing counts requests that write, on both clusters, and
// writes of the state.
func TestCheckWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(part("orders", 0), 10, 12)
	w.source.commit(ordersApp, map[topic.Partition]int64{part("orders", 0): 12})
	wrote := make(chan string, 100)
	for _, n := range []*node{w.source, w.target} {
		for _, key := range []kmsg.Key{
			kmsg.Produce, kmsg.OffsetCommit, kmsg.OffsetDelete, kmsg.DeleteGroups, kmsg.TxnOffsetCommit, kmsg.CreateTopics, kmsg.DeleteTopics,
			kmsg.DeleteRecords, kmsg.IncrementalAlterConfigs, kmsg.JoinGroup, kmsg.InitProducerID, kmsg.CreatePartitions,
		} {
			n.Fake.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
				n.Fake.KeepControl()
				wrote <- key.Name()
				return nil, nil, false
			})
		}
	}
	k := &killtest.Killer{}
	in := w.input(k)
	c, err := Check(t.Context(), in, spec())
	if err != nil || c.Plan.Summary.Positions != 3 {
		t.Fatalf("%v %+v", err, c)
	}
	close(wrote)
	for name := range wrote {
		t.Errorf("request %s", name)
	}
	for _, step := range k.Steps() {
		if step != "read" {
			t.Errorf("step %s", step)
		}
	}
}

// TestCheckOfADeadCluster is an error, because nothing can be looked at.
func TestCheckOfADeadCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.target.Fake.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := Check(ctx, w.input(&killtest.Killer{}), spec())
	var known *Error
	if !errors.As(err, &known) || known.Op != "checking" {
		t.Errorf("checking: %v", err)
	}
}
