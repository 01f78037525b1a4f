package plan

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/group"
)

func TestConnectSinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "connect-s3 sink", at{part("orders", 0): "4"})
	w.commit(w.source, "connector", at{part("orders", 0): "4"})
	p := w.build()
	said := saidOf(p, ReasonConnect, "connect-s3 sink")
	if len(said) != 1 || !strings.HasPrefix(said[0], "note") || !strings.Contains(said[0], `sink connector "s3 sink"`) {
		t.Errorf("findings: %q", said)
	}
	if got := saidOf(p, ReasonConnect, "connector"); len(got) > 0 || p.Summary.Applicable != 2 {
		t.Errorf("a plain group: %q, %+v", got, p.Summary)
	}
	for to, want := range map[string]string{"connect-new": `connector of the name "new" only`, "archive": `No connector reads as group "archive"`} {
		said = saidOf(w.build(route(nil, []string{"connect-s3 sink=" + to})), ReasonConnect, "connect-s3 sink")
		if len(said) != 1 || !strings.HasPrefix(said[0], "warning") || !strings.Contains(said[0], want) {
			t.Errorf("as %s: %q", to, said)
		}
	}
}

func TestStopHintsForKinds(t *testing.T) {
	t.Parallel()
	w := counter(t)
	w.commit(w.source, "connect-s3", at{part("orders", 0): "4"})
	in := w.input()
	in.From.Read = readFunc(func(ctx context.Context, names []string) (map[string]group.Reading, error) {
		out, err := w.source.Groups.Read(ctx, names)
		for name, r := range out {
			r.Group.State, r.Group.Members = group.Stable, []group.Member{{ID: "m", ClientID: "c", Host: "/10.0.0.1"}}
			out[name] = r
		}
		return out, err
	})
	p, err := Build(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"app": "session.timeout.ms", "connect-s3": "PUT /connectors/s3/stop"} {
		if g := p.Group(name); g.Reason != ReasonGroupActive || !strings.Contains(g.Hint, want) {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

// Groups that nobody has joined are named in one finding, others in none.
func TestUnseenConsumersAreSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "b", at{part("orders", 0): "4"})
	w.commit(w.source, "a", at{part("orders", 0): "4"})
	joined := w.consumer("joined")
	joined()
	p := w.build()
	var said []Finding
	for _, f := range p.Findings {
		if f.Reason == ReasonUnseen {
			said = append(said, f)
		}
	}
	if len(said) != 1 || said[0].Severity != Note || !strings.HasPrefix(said[0].Detail, `groups "a" and "b" have never had a member`) {
		t.Errorf("findings: %+v", said)
	}
	if d := cmp.Diff("1, 2, 3, 4, 5 and 2 more", listed([]string{"1", "2", "3", "4", "5", "6", "7"})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff("1, 2, 3, 4, 5 and 6", listed([]string{"1", "2", "3", "4", "5", "6"})); d != "" {
		t.Error(d)
	}
}

// consumer joins a group of the source, commits, and gives what makes it leave.
func (w *world) consumer(name string) (leave func()) {
	w.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.source.Fake.ListenAddrs()...), kgo.ConsumerGroup(name), kgo.ConsumeTopics("payments"))
	if err != nil {
		w.t.Fatal(err)
	}
	cl.PollFetches(w.t.Context())
	if err := cl.CommitUncommittedOffsets(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		cl.Close()
		if g := w.reading(w.source, name).Group; !g.Stopped() || g.Protocol == "" {
			w.t.Fatalf("after the consumer has left: %+v", g)
		}
	}
}
