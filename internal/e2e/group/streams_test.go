package group_test

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// pair is a cluster and one to move to.
type pair struct{ from, to *bench }

// records reads a topic of one partition to its end.
func (b *bench) records(t *testing.T, name string) []*kgo.Record {
	t.Helper()
	at := topic.Partition{Topic: name}
	bounds, err := b.c.Bounds(t.Context(), []topic.Partition{at})
	if err != nil || bounds[at].Err != nil {
		t.Fatalf("bounds of %s: %v, %v", name, err, bounds[at].Err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	cl := b.k.Client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: kgo.NewOffset().At(bounds[at].Start)}}))
	defer cl.Close()
	var all []*kgo.Record
	for next := bounds[at].Start; next < bounds[at].End; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		for _, r := range fs.Records() {
			all, next = append(all, r), r.Offset+1
		}
	}
	return all
}

// copied copies a topic of one partition behind some records of others, as a
// mover does that notes where a record was.
func (p *pair) copied(t *testing.T, name string, config map[string]string, before ...*kgo.Record) {
	t.Helper()
	p.to.k.CreateTopic(t, name, 1, config)
	all := before
	for _, r := range p.from.records(t, name) {
		all = append(all, &kgo.Record{
			Topic: name, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp,
			Headers: append(r.Headers, kgo.RecordHeader{Key: "__original_offset", Value: strconv.AppendInt(nil, r.Offset, 10)}),
		})
	}
	kafkatest.Produce(t, p.to.k.Client(t), all...)
}

// plan plans one group to the same name, and all its topics.
func (p *pair) plan(t *testing.T, name string) *plan.Plan {
	t.Helper()
	sel, err := position.Selector{Groups: []string{name}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	route, err := position.NewRoute(position.RouteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	from := p.from.side()
	out, err := plan.Build(t.Context(), plan.Input{From: &from, To: p.to.side(), Selection: sel, Route: route, Settle: -1, Tool: "kferry test"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// say writes lines for the application to count.
func (b *bench) say(t *testing.T, lines ...string) {
	t.Helper()
	var all []*kgo.Record
	for _, line := range lines {
		all = append(all, &kgo.Record{Topic: kafkatest.WordsIn, Value: []byte(line)})
	}
	kafkatest.Produce(t, b.k.Client(t), all...)
}

// waitCounts waits until the application has said these counts, and no others.
func (b *bench) waitCounts(t *testing.T, want map[string]uint64) {
	t.Helper()
	kafkatest.Eventually(t, "the counts", func() (bool, string) {
		got := map[string]uint64{}
		for _, r := range b.records(t, kafkatest.CountsOut) {
			got[string(r.Key)] = binary.BigEndian.Uint64(r.Value)
		}
		return maps.Equal(got, want), cmp.Diff(want, got)
	})
}

// A real application of Kafka Streams with a state and a repartition topic is
// stopped on one cluster and goes on counting on another where it was.
func TestStreamsApplicationMoves(t *testing.T) {
	t.Parallel()
	p := &pair{newBench(t, kafkatest.Shared(t, kafkatest.Newest)), newBench(t, kafkatest.Shared(t, kafkatest.Previous))}
	app := kafkatest.Name(t, "words")
	changelog, repartition := app+"-KSTREAM-AGGREGATE-STATE-STORE-0000000003-changelog", app+"-KSTREAM-AGGREGATE-STATE-STORE-0000000003-repartition"
	for _, name := range []string{kafkatest.WordsIn, kafkatest.CountsOut} {
		p.from.k.CreateTopic(t, name, 1, nil)
	}
	p.to.k.CreateTopic(t, kafkatest.CountsOut, 1, nil)
	p.from.say(t, "all streams lead to kafka", "hello kafka streams")
	words := p.from.k.StartWordCount(t, app)
	p.from.waitCounts(t, map[string]uint64{"all": 1, "streams": 2, "lead": 1, "to": 1, "kafka": 2, "hello": 1})
	if g := read(t, p.from.g, app).Group; g.Protocol != "stream" {
		t.Errorf("while it runs: %+v", g)
	}
	words.Stop(t)
	eventually(t, "the application is out", func() bool { return read(t, p.from.g, app).Group.Stopped() })

	compact := map[string]string{"cleanup.policy": "compact"}
	p.copied(t, kafkatest.WordsIn, nil, &kgo.Record{Topic: kafkatest.WordsIn, Value: []byte("never counted")})
	p.copied(t, repartition, nil)
	if g := p.plan(t, app); !warned(g) {
		t.Errorf("without the changelog: %+v", g.Findings)
	}
	p.copied(t, changelog, compact)
	made := p.plan(t, app)
	if made.Groups[0].Verdict != plan.VerdictApply || warned(made) {
		t.Fatalf("plan: %+v, findings %+v", made.Groups[0], made.Findings)
	}
	p.apply(t, made)
	there, here := read(t, p.from.g, app).Positions, read(t, p.to.g, app).Positions
	if len(there) != 2 || len(here) != 2 {
		t.Fatalf("positions %+v on the source, %+v on the target", there, here)
	}
	for at, s := range there {
		if got := here[at]; got.Metadata != s.Metadata || s.Metadata == "" {
			t.Errorf("%s: metadata %q, want %q", at, got.Metadata, s.Metadata)
		}
	}

	p.to.say(t, "kafka again")
	p.to.k.StartWordCount(t, app)
	p.to.waitCounts(t, map[string]uint64{"kafka": 3, "again": 1})
}

func (p *pair) apply(t *testing.T, made *plan.Plan) {
	t.Helper()
	from := p.from.side()
	rep, err := plan.Apply(t.Context(), made, plan.ApplyInput{From: &from, To: p.to.side(), Bucket: p.to.bucket, Tool: "kferry test", Command: "test"})
	if err != nil || !rep.Complete() || rep.Groups[0].Result != plan.Applied {
		t.Fatalf("apply: %+v, %v", rep, err)
	}
}

// warned reports whether the plan warns of the application's own topics.
func warned(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Findings, func(f plan.Finding) bool {
		return f.Reason == plan.ReasonStreams && f.Severity == plan.Warning
	})
}
