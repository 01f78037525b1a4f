package plan

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// joined fills a topic with as many records per source partition, and copies
// them record by record of all partitions in turn to where says.
func (w *world) joinedTopic(name string, sources, targets int32, records int, known mover.Header, where func(p int32, h int) int32) {
	w.t.Helper()
	w.create(w.source, name, sources)
	w.create(w.target, name, targets)
	var src, tgt []*kgo.Record
	for h := range records {
		for p := range sources {
			value := fmt.Appendf(nil, "%s-%d-%d", name, p, h)
			src = append(src, &kgo.Record{Topic: name, Partition: p, Value: value})
			tgt = append(tgt, &kgo.Record{Topic: name, Partition: where(p, h), Value: value, Headers: []kgo.RecordHeader{
				{Key: known.Offset, Value: mover.EncodeNumber(int64(h), known.Encodings[0])},
				{Key: known.Partition, Value: mover.EncodeNumber(int64(p), known.PartitionEncodings[0])},
			}})
		}
	}
	w.produce(w.source, src...)
	w.produce(w.target, tgt...)
}

func knownHeader(tb testing.TB, name string) mover.Header {
	tb.Helper()
	h, ok := mover.HeaderNamed(name)
	if !ok {
		tb.Fatalf("no mover writes %s", name)
	}
	return h
}

func auto(in *Input) { in.Translate = translate.Options{} }

// all are positions on every partition of a topic.
func all(name string, offsets ...string) at {
	out := at{}
	for p, o := range offsets {
		out[part(name, int32(p))] = o
	}
	return out
}

// TestMergedPartitions: four partitions in two, from the plan to the rollback.
func TestMergedPartitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.joinedTopic("merged", 4, 2, 10, knownHeader(t, "k2k_offset"), func(p int32, _ int) int32 { return p % 2 })
	w.commit(w.source, "app", all("merged", "4 m", "6", "4 m", "3"))
	w.commit(w.target, "app", at{part("merged", 1): "1"})
	p := w.build(auto, func(in *Input) { in.Accept.Repeats = true })
	g := p.Group("app")
	if g.Verdict != VerdictApply {
		t.Fatalf("group: %s %s", g.Verdict, g.Detail)
	}
	// Partition 0 has 0 and 2 in turn, both read up to 4. Partition 1 has 1 and
	// 3: from record 3 of partition 3 on, in which 4 and 5 of partition 1 are met
	// again.
	type seen struct {
		outcome translate.Outcome
		after   string
		repeats int64
		from    []string
	}
	want := []seen{{translate.Exact, "8 m", 0, []string{"0@4", "2@4"}}, {translate.Repeats, "7", 2, []string{"1@6", "3@3"}}}
	var got []seen
	for i := range g.Positions {
		q := &g.Positions[i]
		s := seen{q.Outcome, strings.TrimSpace(fmt.Sprintf("%d %s", q.After.Offset, q.After.Metadata)), q.Repeats, nil}
		for _, f := range q.FedBy {
			s.from = append(s.from, fmt.Sprintf("%d@%d", f.Partition, f.Source.Offset))
		}
		got = append(got, s)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(seen{})); d != "" {
		t.Fatalf("positions (-want +got):\n%s", d)
	}
	if tp := p.Topics[0]; !strings.Contains(tp.Detected, "source partition in header k2k_partition") || tp.SourcePartitions != 4 || tp.TargetPartitions != 2 {
		t.Errorf("topics: %+v", tp)
	}
	p = throughFile(t, p)
	if rep := w.apply(p); !rep.Complete() {
		t.Fatalf("report: %+v", rep)
	}
	if d := cmp.Diff(all("merged", "8 m", "7"), w.positions(w.target, "app")); d != "" {
		t.Errorf("after apply (-want +got):\n%s", d)
	}
	if v := w.verify(p); !v.Right() || v.Counts[AsWritten] != 2 || v.Proofs[ProofHolds] != 2 {
		t.Errorf("verify: %+v", v)
	}
}

// TestJoinedPartitions: how else partitions may not correspond.
func TestJoinedPartitions(t *testing.T) {
	t.Parallel()
	k2k, backup := "k2k_offset", "x-original-offset"
	for name, c := range map[string]struct {
		header           string
		sources, targets int32
		where            func(p int32, h int) int32
		at               at
		input            func(*Input)
		verdict          Verdict
		reason           Reason
		want             at // on the target
		text             string
	}{
		"one over three by key": {
			header: backup, sources: 1, targets: 3, where: func(_ int32, h int) int32 { return int32(h % 3) },
			at: all("moved", "5"), verdict: VerdictApply, want: all("moved", "2", "2", "1"),
		},
		"as many on both sides, and one is elsewhere": {
			header: k2k, sources: 2, targets: 2, where: func(p int32, h int) int32 { return p / 2 * int32(h) },
			at: all("moved", "5", "5"), verdict: VerdictApply, want: all("moved", "10", "0"),
		},
		"as many on both sides, in another order": {
			header: backup, sources: 3, targets: 3, where: func(p int32, _ int) int32 { return (p + 1) % 3 },
			at: all("moved", "5", "6", "7"), verdict: VerdictApply, want: all("moved", "7", "5", "6"),
		},
		"no commit on one of two in one": {
			header: k2k, sources: 2, targets: 1, where: func(int32, int) int32 { return 0 },
			at: at{part("moved", 1): "5"}, verdict: VerdictRefused, reason: Reason(translate.ReasonSourceUnset), text: "source partition 0",
		},
		"repeats that are not accepted": {
			header: k2k, sources: 2, targets: 1, where: func(int32, int) int32 { return 0 },
			at: all("moved", "5", "7"), verdict: VerdictRefused, text: "2 records that it has read are met again",
		},
		"other metadata on each": {
			header: k2k, sources: 2, targets: 1, where: func(int32, int) int32 { return 0 },
			at: all("moved", "5 a", "5 b"), verdict: VerdictApply, want: all("moved", "10"),
		},
		"records of a mover that does not say the partition": {
			header: "__original_offset", sources: 2, targets: 1, where: func(int32, int) int32 { return 0 },
			at: all("moved", "5", "5"), verdict: VerdictRefused, reason: ReasonPartitionCount, text: "no header its source partition",
		},
		"identity is asked for": {
			header: k2k, sources: 2, targets: 1, where: func(int32, int) int32 { return 0 },
			input: func(in *Input) { in.Translate.Evidence = translate.KindIdentity },
			at:    all("moved", "5", "5"), verdict: VerdictRefused, reason: ReasonPartitionCount, text: "evidence identity does not tell",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			h := knownHeader(t, c.header)
			if h.Partition == "" {
				h.Partition, h.PartitionEncodings = "unknown", h.Encodings
			}
			w.joinedTopic("moved", c.sources, c.targets, 10, h, c.where)
			w.commit(w.source, "app", c.at)
			change := []func(*Input){auto}
			if c.input != nil {
				change = append(change, c.input)
			}
			p := w.build(change...)
			g := p.Group("app")
			said := g.Detail
			for i := range g.Positions {
				said += g.Positions[i].Detail
			}
			if g.Verdict != c.verdict || c.reason != "" && g.Reason != c.reason || !strings.Contains(said, c.text) {
				t.Fatalf("%s (%s): %s", g.Verdict, g.Reason, said)
			}
			if c.want == nil {
				return
			}
			if rep := w.apply(throughFile(t, p)); !rep.Complete() {
				t.Fatalf("report: %+v", rep)
			}
			if d := cmp.Diff(c.want, w.positions(w.target, "app")); d != "" {
				t.Errorf("after apply (-want +got):\n%s", d)
			}
		})
	}
}

// TestMergedPartitionsStale: any of the positions that one comes of makes it
// stale, also one that was not there.
func TestMergedPartitionsStale(t *testing.T) {
	t.Parallel()
	for name, moved := range map[string]at{
		"a position moved":  {part("merged", 2): "5"},
		"a position is new": {part("merged", 3): "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.joinedTopic("merged", 3, 2, 10, knownHeader(t, "k2k_offset"), func(p int32, _ int) int32 { return p % 2 })
			if _, err := w.source.Admin.CreatePartitions(t.Context(), 1, "merged"); err != nil {
				t.Fatal(err)
			}
			w.commit(w.source, "app", all("merged", "4", "4", "4"))
			p := w.build(auto)
			if g := p.Group("app"); g.Verdict != VerdictApply {
				t.Fatalf("group: %s %s", g.Verdict, g.Detail)
			}
			w.commit(w.source, "app", moved)
			rep := w.apply(p)
			if r := rep.Groups[0]; r.Result != Stale || r.Reason != ReasonSourceMoved {
				t.Fatalf("report: %+v", r)
			}
			if got := w.positions(w.target, "app"); got != nil {
				t.Errorf("positions: %v", got)
			}
		})
	}
}

// TestMergedExtra: what only the target group has is told from what is written.
func TestMergedExtra(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.joinedTopic("wider", 1, 3, 9, knownHeader(t, "k2k_offset"), func(_ int32, h int) int32 { return int32(h % 3) })
	w.commit(w.source, "app", all("wider", "3"))
	w.commit(w.target, "app", all("wider", "1", "0", "1"))
	p := w.build(auto)
	want := map[topic.Partition]Action{part("wider", 0): Same, part("wider", 1): Change, part("wider", 2): Same}
	got := map[topic.Partition]Action{}
	for _, q := range p.Group("app").Positions {
		got[q.Target()] = q.Action
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("actions (-want +got):\n%s", d)
	}
}

// TestMergedWait: what one source partition lacks is waited for.
func TestMergedWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := knownHeader(t, "k2k_offset")
	w.joinedTopic("merged", 2, 1, 10, h, func(int32, int) int32 { return 0 })
	late := &kgo.Record{Topic: "merged", Partition: 1, Value: []byte("late")}
	w.produce(w.source, late)
	w.commit(w.source, "app", all("merged", "10", "11"))
	in := w.input()
	auto(&in)
	var looks []string
	p, last, err := Await(t.Context(), in, WaitInput{
		Interval: time.Millisecond,
		Look: func(l *Look) {
			for _, tp := range l.Topics {
				looks = append(looks, fmt.Sprintf("%d of %d", tp.Copied, tp.Wanted))
			}
		},
		Sleep: func(context.Context, time.Duration) error {
			if len(looks) == 1 {
				w.produce(w.target, &kgo.Record{Topic: "merged", Value: late.Value, Headers: []kgo.RecordHeader{
					{Key: h.Offset, Value: []byte("10")}, {Key: h.Partition, Value: []byte("1")},
				}})
			}
			return nil
		},
	})
	if err != nil || last == nil {
		t.Fatalf("waiting: %v %v", last, err)
	}
	if g := p.Group("app"); g.Verdict != VerdictApply || g.Positions[0].Outcome != translate.AtEnd || g.Positions[0].After.Offset != 21 {
		t.Fatalf("group: %s %s %+v", g.Verdict, g.Detail, g.Positions[0])
	}
	if len(looks) == 0 || looks[0] != "20 of 21" {
		t.Errorf("looks: %v", looks)
	}
}

// TestMergedStreams: an application of Kafka Streams that keeps state does not
// go on over other partitions; one without state does.
func TestMergedStreams(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		changelog bool
		want      Verdict
	}{"with state": {true, VerdictRefused}, "without state": {false, VerdictApply}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.joinedTopic("merged", 2, 1, 10, knownHeader(t, "k2k_offset"), func(int32, int) int32 { return 0 })
			if c.changelog {
				w.create(w.source, "app-counts-changelog", 2)
			}
			w.commit(w.source, "app", all("merged", "5 "+streamsMeta, "5 "+streamsMeta))
			g := w.build(auto).Group("app")
			if g.Verdict != c.want || c.changelog && !strings.Contains(g.Detail, "its state is kept by partition (app-counts-changelog)") {
				t.Fatalf("%s: %s", g.Verdict, g.Detail)
			}
			if !c.changelog && g.Positions[0].After.Metadata != streamsMeta {
				t.Errorf("metadata %q", g.Positions[0].After.Metadata)
			}
		})
	}
}
