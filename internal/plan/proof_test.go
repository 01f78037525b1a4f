package plan

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// keyed makes a topic of 10 records with keys on the source, and its copy with
// two records of others before it; each record is a batch of its own, so that
// the cleaner may take any but the last.
func (w *world) keyed(name string) topic.Partition {
	w.t.Helper()
	compact := "compact"
	for _, n := range []*node{w.source, w.target} {
		if _, err := n.Admin.CreateTopic(context.Background(), 1, 1, map[string]*string{"cleanup.policy": &compact}, name); err != nil {
			w.t.Fatal(err)
		}
	}
	w.produce(w.target, &kgo.Record{Topic: name, Key: []byte("x"), Value: []byte("warm-up")})
	w.produce(w.target, &kgo.Record{Topic: name, Key: []byte("y"), Value: []byte("warm-up")})
	for i := range 10 {
		w.produce(w.source, keyedRecord(name, i))
		w.produce(w.target, keyedCopy(name, i))
	}
	return part(name, 0)
}

func keyedRecord(name string, i int) *kgo.Record {
	return &kgo.Record{Topic: name, Key: []byte("k" + strconv.Itoa(i)), Value: fmt.Appendf(nil, "v%d", i)}
}

func keyedCopy(name string, i int) *kgo.Record {
	r := keyedRecord(name, i)
	r.Headers = []kgo.RecordHeader{{Key: header, Value: []byte(strconv.Itoa(i))}}
	return r
}

// supersede writes a key once more, and one record to keep that one out of the
// segment that the cleaner leaves alone; then it cleans.
func (w *world) supersede(n *node, name string, i int) {
	w.t.Helper()
	w.produce(n, &kgo.Record{Topic: name, Key: []byte("k" + strconv.Itoa(i)), Value: []byte("again")})
	w.produce(n, &kgo.Record{Topic: name, Key: []byte("last"), Value: []byte("x")})
	n.Fake.Compact()
}

func (w *world) recreate(n *node, name string) {
	w.t.Helper()
	if _, err := n.Admin.DeleteTopic(context.Background(), name); err != nil {
		w.t.Fatal(err)
	}
	w.create(n, name, 1)
}

// nameless is a catalogue of brokers that know no topic IDs.
type nameless struct{ Catalogue }

func (n nameless) Topics(ctx context.Context, names ...string) (map[string]topic.Topic, error) {
	out, err := n.Catalogue.Topics(ctx, names...)
	for name, t := range out {
		t.ID = topic.ID{}
		out[name] = t
	}
	return out, err
}

func TestVerifyAfterTheLogsHaveMovedOn(t *testing.T) {
	t.Parallel()
	all := func(source, at, before, target RecordCheck) []RecordCheck {
		return []RecordCheck{source, at, before, target}
	}
	const same = RecordHolds
	cases := map[string]struct {
		change func(w *world, p topic.Partition)
		// nameless: neither the plan nor the check knows topic IDs.
		nameless bool
		want     []RecordCheck
		proof    ProofCheck
		wrong    bool
		detail   string
	}{
		"nothing": {change: func(*world, topic.Partition) {}, want: all(same, same, same, same), proof: ProofHolds},
		"the application and the mover went on": {
			change: func(w *world, p topic.Partition) {
				w.produce(w.source, keyedRecord(p.Topic, 10))
				w.produce(w.target, keyedCopy(p.Topic, 10))
				w.commit(w.target, "app", at{p: "12"})
			},
			want: all(same, same, same, same), proof: ProofHolds,
		},
		"a later pass copied everything again": {
			change: func(w *world, p topic.Partition) {
				for i := range 10 {
					w.produce(w.target, keyedCopy(p.Topic, i))
				}
			},
			want: all(same, same, same, same), proof: ProofHolds,
		},
		"retention on the source": {
			change: func(w *world, p topic.Partition) { w.mustDelete(w.source, p, 4) },
			want:   all(RecordRetention, same, same, same), proof: ProofPartly, detail: "begins at 4",
		},
		"retention on both sides": {
			change: func(w *world, p topic.Partition) {
				w.mustDelete(w.source, p, 9)
				w.mustDelete(w.target, p, 11)
				w.commit(w.target, "app", at{p: "12"})
			},
			want: all(RecordRetention, RecordRetention, RecordRetention, RecordRetention), proof: ProofGone, detail: "retention",
		},
		"compaction on the source": {
			change: func(w *world, p topic.Partition) { w.supersede(w.source, p.Topic, 4) },
			want:   all(same, RecordCompaction, same, same), proof: ProofPartly, detail: "compaction",
		},
		"compaction on the target": {
			change: func(w *world, p topic.Partition) { w.supersede(w.target, p.Topic, 3) },
			want:   all(same, same, RecordCompaction, same), proof: ProofPartly, detail: "the target record before the position, offset 5: gone by compaction",
		},
		"the source topic was deleted": {
			change: func(w *world, p topic.Partition) {
				if _, err := w.source.Admin.DeleteTopic(w.t.Context(), p.Topic); err != nil {
					w.t.Fatal(err)
				}
			},
			want: all(RecordTopicDeleted, RecordTopicDeleted, same, same), proof: ProofPartly, detail: "was deleted",
		},
		"the source topic was made anew": {
			change: func(w *world, p topic.Partition) { w.recreate(w.source, p.Topic) },
			want:   all(RecordIncarnation, RecordIncarnation, same, same), proof: ProofPartly, detail: "deleted and created again",
		},
		"the target topic was made anew": {
			change: func(w *world, p topic.Partition) {
				w.recreate(w.target, p.Topic)
				w.commit(w.target, "app", at{p: "6"})
			},
			want: all(same, same, RecordIncarnation, RecordIncarnation), proof: ProofDiffers, wrong: true, detail: "deleted and created again",
		},
		"other records stand there, and no topic ID tells": {
			change: func(w *world, p topic.Partition) {
				w.recreate(w.target, p.Topic)
				for i := range 9 {
					w.produce(w.target, keyedCopy(p.Topic, i))
				}
				w.commit(w.target, "app", at{p: "6"})
			},
			nameless: true,
			want:     all(same, same, RecordDiffers, RecordDiffers), proof: ProofDiffers, wrong: true, detail: "source offset 5, not 3",
		},
		"the log ends below, and no topic ID tells": {
			change: func(w *world, p topic.Partition) {
				w.recreate(w.source, p.Topic)
				w.produce(w.source, keyedRecord(p.Topic, 0))
			},
			nameless: true,
			want:     all(RecordDiffers, RecordDiffers, same, same), proof: ProofDiffers, wrong: true, detail: "ends at 1",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.keyed("keyed")
			w.commit(w.source, "app", at{p: "4"})
			from, to := w.source.side(), w.target.side()
			if tc.nameless {
				from.Topics, to.Topics = nameless{from.Topics}, nameless{to.Topics}
			}
			pl := w.build(func(in *Input) { in.From, in.To = &from, to })
			w.apply(pl, func(in *ApplyInput) { in.From, in.To = &from, to })
			tc.change(w, p)
			v, err := Verify(t.Context(), reread(t, pl), VerifyInput{From: &from, To: to, Bucket: w.bucket})
			if err != nil {
				t.Fatal(err)
			}
			q := v.Groups[0].Positions[0]
			var got []RecordCheck
			for _, r := range q.ProofRecords {
				got = append(got, r.Check)
				if (r.Check == RecordHolds) != (r.Detail == "") {
					t.Errorf("%s is %s, said as %q", r.Record, r.Check, r.Detail)
				}
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("records (-want +got):\n%s\n%v", d, q.ProofDetail)
			}
			if text := strings.Join(q.ProofDetail, "\n"); q.Proof != tc.proof || !strings.Contains(text, tc.detail) || (q.Proof == ProofHolds) != (text == "") {
				t.Errorf("proof is %s:\n%s", q.Proof, text)
			}
			if v.Right() == tc.wrong {
				t.Errorf("right is %t: %+v", v.Right(), v.Counts)
			}
			if q.Known != translate.KnownRead {
				t.Errorf("known %q", q.Known)
			}
		})
	}
}

func (w *world) mustDelete(n *node, p topic.Partition, to int64) {
	w.t.Helper()
	if err := w.deleteRecords(n, p, to); err != nil {
		w.t.Fatal(err)
	}
}

// reread is the plan as it comes out of its file.
func reread(t *testing.T, p *Plan) *Plan {
	t.Helper()
	var file bytes.Buffer
	if err := Write(&file, p); err != nil {
		t.Fatal(err)
	}
	out, err := Read(&file, "plan.json")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A plan of before the headers were kept is checked all the same.
func TestVerifyAnOlderPlan(t *testing.T) {
	t.Parallel()
	for _, named := range []string{"", header} {
		w := newWorld(t)
		w.commit(w.source, "app", at{part("orders", 0): "4"})
		p := w.build(func(in *Input) { in.Translate.Header = named })
		w.apply(p)
		for i := range p.Topics {
			p.Topics[i].Header, p.Topics[i].Encoding, p.Topics[i].OwnHeaders = "", "", nil
		}
		if q := w.verify(p).Groups[0].Positions[0]; q.Proof != ProofHolds || len(q.ProofRecords) != 4 {
			t.Errorf("header %q: %s %v", named, q.Proof, q.ProofDetail)
		}
	}
}

// Where nothing but equal contents ties a copy to its origin, the origin is
// read too.
func TestVerifyReadsTheOrigins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	p := w.build()
	w.apply(p)
	q := p.Group("app").positionOf(part("orders", 0))
	for i := range p.Topics {
		if p.Topics[i].Target == "orders" {
			p.Topics[i].Evidence, p.Topics[i].Header = translate.KindContent, ""
		}
	}
	q.Proof.SourceBefore, q.Proof.SourceAt = nil, nil
	records := w.verify(p).Groups[0].Positions[0].ProofRecords
	want := []ProofRecord{
		{Record: TargetBefore, Offset: 6, Check: RecordHolds},
		{Record: TargetAt, Offset: 7, Check: RecordHolds},
		{Record: OriginBefore, Offset: 3, Check: RecordHolds},
		{Record: OriginAt, Offset: 4, Check: RecordHolds},
	}
	if d := cmp.Diff(want, records); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	q.Proof.TargetAt.SourceOffset = 5
	if v := w.verify(p); v.Proofs[ProofDiffers] != 1 {
		t.Errorf("a copy of another record: %v", v.Proofs)
	}
}

func (g *Group) positionOf(p topic.Partition) *Position {
	for i := range g.Positions {
		if g.Positions[i].Target() == p {
			return &g.Positions[i]
		}
	}
	return nil
}

func TestProofSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		s      int64
		change func(w *world, p topic.Partition)
		want   []string
	}{
		"nothing is": {s: 4},
		"at the beginning": {s: 0, want: []string{
			"the source never had a record before 0: its log begins there",
			"the target never had a copy before 0: its log begins there",
		}},
		"at the end": {s: 10, want: []string{
			"the source has no record from 10 on yet: its log ends at 10",
			"the target has no copy from 12 on yet: its log ends at 12",
		}},
		"retention took what was before": {s: 4, change: func(w *world, p topic.Partition) {
			w.mustDelete(w.source, p, 4)
			w.mustDelete(w.target, p, 6)
		}, want: []string{
			"the source has no record before 4 any more: its log begins at 4 (retention)",
			"the target has no copy before 6 any more: its log begins at 6 (retention)",
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.keyed("keyed")
			w.commit(w.source, "app", at{p: strconv.FormatInt(tc.s, 10)})
			if tc.change != nil {
				tc.change(w, p)
			}
			q := w.build().Group("app").positionOf(p)
			if q.Blocked {
				t.Fatalf("blocked: %s %s", q.Reason, q.Detail)
			}
			if d := cmp.Diff(tc.want, q.Proof.Missing); d != "" {
				t.Errorf("missing (-want +got):\n%s", d)
			}
		})
	}
}
