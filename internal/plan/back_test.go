package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// moved is a world in which group app was moved from source to target by a plan.
func moved(t *testing.T, have at, change ...func(*Input)) (*world, *Plan) {
	t.Helper()
	w := newWorld(t)
	w.commit(w.source, "app", have)
	p := w.build(change...)
	if rep := w.apply(p); !rep.Complete() {
		t.Fatalf("the way there: %+v", rep.Groups)
	}
	return w, p
}

func (w *world) backInput(p *Plan) BackInput {
	return BackInput{From: w.target.side(), To: w.source.side(), Forward: p, Settle: -1, Tool: "kferry test"}
}

func (w *world) back(p *Plan, change ...func(*BackInput)) *Plan {
	w.t.Helper()
	in := w.backInput(p)
	for _, f := range change {
		f(&in)
	}
	out, err := BuildBack(context.Background(), in)
	if err != nil {
		w.t.Fatalf("planning the way back: %v", err)
	}
	return out
}

// applyBack applies a plan of the way back, and returns its report.
func (w *world) applyBack(p *Plan) *Report {
	w.t.Helper()
	return w.apply(p, func(in *ApplyInput) {
		from := w.target.side()
		in.From, in.To = &from, w.source.side()
	})
}

func others(name string, p int32, n int) (out []*kgo.Record) {
	for i := range n {
		out = append(out, &kgo.Record{Topic: name, Partition: p, Value: fmt.Appendf(nil, "new-%d", i)})
	}
	return out
}

// asPlanned is what a plan says of its positions, in short.
func asPlanned(g *Group) map[topic.Partition]string {
	out := map[topic.Partition]string{}
	for i := range g.Positions {
		q := &g.Positions[i]
		text := fmt.Sprintf("%s %s", q.Action, q.Outcome)
		if q.After != nil {
			text += fmt.Sprintf(" %d", q.After.Offset)
		}
		if q.Reason != "" {
			text += " " + string(q.Reason)
		}
		out[q.Target()] = text
	}
	return out
}

// TestBackAndForth: a group is moved, reads on, is joined by records of others,
// and goes back to where it is then.
func TestBackAndForth(t *testing.T) {
	t.Parallel()
	o0, o1, pay := part("orders", 0), part("orders", 1), part("payments", 0)
	w, forward := moved(t, at{o0: "4 meta", o1: "10", pay: "0"})
	w.produce(w.target, others("orders", 0, 3)...)
	w.commit(w.target, "app", at{o0: "14 later", o1: "15", pay: "5"})

	p := w.back(forward)
	g := p.Group("app")
	want := map[topic.Partition]string{o0: "change exact 10", o1: "same exact 10", pay: "change exact 2"}
	if diff := cmp.Diff(want, asPlanned(g)); p.Kind != Back || g.Verdict != VerdictApply || diff != "" {
		t.Fatalf("%s %s: %s", g.Verdict, g.Detail, diff)
	}
	there := g.Positions[0].OnlyThere
	if there == nil || there.Read.Count != 1 || there.Unread.Count != 2 || there.Unread.Ranges[0] != (translate.OffsetRange{First: 14, Last: 15, Count: 2}) {
		t.Errorf("records of others: %+v", there)
	}
	said := saidOf(p, ReasonOnlyThere, "app")
	wanted := []string{
		"warning: 3 records stand only on new and have no place on old, 1 read and 2 not (orders/0 at 13, 14-15)",
		"note: 3 records stand only on new and have no place on old, 3 read and 0 not (payments/0 at 0-2)",
	}
	if diff := cmp.Diff(wanted, said); diff != "" {
		t.Errorf("findings: %q", said)
	}

	var file bytes.Buffer
	if err := Write(&file, p); err != nil {
		t.Fatal(err)
	}
	again, err := Read(&file, "plan.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.Groups, again.Groups); diff != "" {
		t.Errorf("the file: %s", diff)
	}

	rep := w.applyBack(again)
	if !rep.Complete() || rep.Groups[0].Set != 2 {
		t.Fatalf("applying: %+v", rep.Groups)
	}
	if diff := cmp.Diff(at{o0: "10 later", o1: "10", pay: "2"}, w.positions(w.source, "app")); diff != "" {
		t.Errorf("on the source: %s", diff)
	}
	from := w.target.side()
	v, err := Verify(t.Context(), again, VerifyInput{From: &from, To: w.source.side(), Bucket: w.bucket})
	if err != nil || !v.Right() || v.Proofs[ProofHolds] == 0 || v.Proofs[ProofDiffers]+v.Proofs[ProofGone] > 0 {
		t.Errorf("verify: %+v %v", v, err)
	}
	if _, err := Rollback(t.Context(), rep.Run, RollbackInput{To: w.source.side(), Bucket: w.bucket, Run: takeOver()}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(at{o0: "4 meta", o1: "10", pay: "0"}, w.positions(w.source, "app")); diff != "" {
		t.Errorf("rolled back: %s", diff)
	}
}

// TestBackIsNamedAsBefore: names that the move changed are changed back.
func TestBackIsNamedAsBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(w.target, "eu.orders", 2)
	var copies []*kgo.Record
	for i := range 10 {
		copies = append(copies, &kgo.Record{Topic: "eu.orders", Value: fmt.Appendf(nil, "orders-0-%d", i), Headers: []kgo.RecordHeader{{Key: header, Value: fmt.Append(nil, i)}}})
	}
	w.produce(w.target, copies...)
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	forward := w.build(route([]string{"orders=eu.orders"}, []string{"app=eu-app"}))
	w.apply(forward)
	w.commit(w.target, "eu-app", at{part("eu.orders", 0): "8"})
	p := w.back(forward)
	g := p.Group("app")
	if g == nil || g.Sources[0].Name != "eu-app" || g.Positions[0].SourceTopic != "eu.orders" || asPlanned(g)[part("orders", 0)] != "change exact 8" {
		t.Fatalf("%+v", p.Groups)
	}
	w.applyBack(p)
	if got := w.positions(w.source, "app")[part("orders", 0)]; got != "8" {
		t.Errorf("the group is at %s", got)
	}
}

// TestBackRefuses: what is not known is not guessed.
func TestBackRefuses(t *testing.T) {
	t.Parallel()
	o0, o1, pay := part("orders", 0), part("orders", 1), part("payments", 0)
	tests := []struct {
		name    string
		now     at // on the target, after the move
		before  func(*world)
		change  func(*world, *BackInput)
		verdict Verdict
		reason  Reason
		want    map[topic.Partition]string
	}{
		{
			name: "it began a partition by itself", now: at{o1: "7"}, verdict: VerdictRefused, reason: ReasonStartedThere,
			want: map[topic.Partition]string{o0: "same exact 4", o1: "none refused started-there"},
		},
		{
			name: "it began a partition by itself, left out", now: at{o0: "9", o1: "7"}, verdict: VerdictPartly, reason: ReasonPartialGroup,
			change: func(_ *world, in *BackInput) { in.Accept.PartialGroup = true },
			want:   map[topic.Partition]string{o0: "change exact 6", o1: "none refused started-there"},
		},
		{
			name: "a position that only the source has stays", now: at{o0: "9"}, verdict: VerdictApply,
			before: func(w *world) { w.commit(w.source, "app", at{o1: "3"}) },
			want:   map[topic.Partition]string{o0: "change exact 6", o1: "none unset no-commit"},
		},
		{
			name: "a topic that the plan did not move", now: at{o0: "9", pay: "3"}, verdict: VerdictApply,
			want: map[topic.Partition]string{o0: "change exact 6", o1: "none unset no-commit"},
		},
		{
			name: "the source is ahead", now: at{o0: "9"}, verdict: VerdictRefused, reason: ReasonRewind,
			before: func(w *world) { w.commit(w.source, "app", at{o0: "8"}) },
			want:   map[topic.Partition]string{o0: "none refused 6 rewind", o1: "none unset no-commit"},
		},
		{
			name: "the source is ahead, accepted", now: at{o0: "9"}, verdict: VerdictApply,
			before: func(w *world) { w.commit(w.source, "app", at{o0: "8"}) },
			change: func(_ *world, in *BackInput) { in.Accept.Rewind = true },
			want:   map[topic.Partition]string{o0: "change exact 6", o1: "none unset no-commit"},
		},
		{
			name: "still read on the target", now: at{o0: "9"}, verdict: VerdictRefused, reason: ReasonGroupActive,
			change: func(w *world, in *BackInput) { in.From.Read = w.busy(w.target) },
			want:   map[topic.Partition]string{o0: "change exact 6", o1: "none unset no-commit"},
		},
		{
			name: "read on the source again", now: at{o0: "9"}, verdict: VerdictRefused, reason: ReasonGroupActive,
			change: func(w *world, in *BackInput) { in.To.Read = w.busy(w.source) },
			want:   map[topic.Partition]string{o0: "change exact 6", o1: "none unset no-commit"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, forward := moved(t, at{o0: "4"})
			if tt.before != nil {
				tt.before(w)
			}
			w.commit(w.target, "app", tt.now)
			p := w.back(forward, func(in *BackInput) {
				if tt.change != nil {
					tt.change(w, in)
				}
			})
			g := p.Group("app")
			if diff := cmp.Diff(tt.want, asPlanned(g)); diff != "" || g.Verdict != tt.verdict || g.Reason != tt.reason {
				t.Errorf("%s %s (%s): %s", g.Verdict, g.Reason, g.Detail, diff)
			}
		})
	}
}

// busy shows the groups of a node with a member.
func (w *world) busy(n *node) Reader {
	return readFunc(func(ctx context.Context, names []string) (map[string]group.Reading, error) {
		out, err := n.Groups.Read(ctx, names)
		out = maps.Clone(out)
		for name, r := range out {
			r.Group.State, r.Group.Members = group.Stable, []group.Member{{ID: "m", ClientID: "c", Host: "/10.0.0.1"}}
			out[name] = r
		}
		return out, err
	})
}

// TestBackRepeats: a second pass on the target makes records come again, which
// is counted and asked for.
func TestBackRepeats(t *testing.T) {
	t.Parallel()
	pay := part("payments", 0)
	w := newWorld(t)
	copyOf := func(i int) *kgo.Record {
		return &kgo.Record{Topic: "payments", Value: fmt.Appendf(nil, "payments-0-%d", i), Headers: []kgo.RecordHeader{{Key: header, Value: fmt.Append(nil, i)}}}
	}
	w.commit(w.source, "app", at{pay: "8"})
	forward := w.build()
	w.apply(forward)
	for i := 10; i < 16; i++ {
		w.produce(w.source, &kgo.Record{Topic: "payments", Value: fmt.Appendf(nil, "payments-0-%d", i)})
	}
	w.produce(w.target, copyOf(13), copyOf(14), copyOf(10), copyOf(11), copyOf(12))
	w.commit(w.target, "app", at{pay: "16"})
	p := w.back(forward)
	g := p.Group("app")
	if got := asPlanned(g)[pay]; got != "none repeats 11" || g.Verdict != VerdictRefused || g.Positions[0].Repeats != 2 || g.Hint == "" {
		t.Errorf("%s, %s %s, %d repeats", got, g.Verdict, g.Detail, g.Positions[0].Repeats)
	}
	p = w.back(forward, func(in *BackInput) { in.Accept.Repeats = true })
	if got := asPlanned(p.Group("app"))[pay]; got != "change repeats 11" || p.Group("app").Verdict != VerdictApply {
		t.Errorf("accepted: %s", got)
	}
}

// TestBackGoesStale: what the groups do after the plan is noticed, on both sides.
func TestBackGoesStale(t *testing.T) {
	t.Parallel()
	o0 := part("orders", 0)
	for name, disturb := range map[string]func(*world){
		"the group read on at the target":           func(w *world) { w.commit(w.target, "app", at{o0: "11"}) },
		"the group began a partition at the target": func(w *world) { w.commit(w.target, "app", at{part("orders", 1): "6"}) },
		"the group was set at the source":           func(w *world) { w.commit(w.source, "app", at{o0: "5"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, forward := moved(t, at{o0: "4"})
			w.commit(w.target, "app", at{o0: "9"})
			p := w.back(forward)
			disturb(w)
			before := w.positions(w.source, "app")
			rep := w.applyBack(p)
			if rep.Groups[0].Result != Stale {
				t.Errorf("%+v", rep.Groups)
			}
			if diff := cmp.Diff(before, w.positions(w.source, "app")); diff != "" {
				t.Errorf("something was written: %s", diff)
			}
		})
	}
}

// TestBackOfOtherClusters: a plan of other clusters, or of another kind, has no
// way back here.
func TestBackOfOtherClusters(t *testing.T) {
	t.Parallel()
	w, forward := moved(t, at{part("orders", 0): "4"})
	in := w.backInput(forward)
	in.From, in.To = in.To, in.From
	if _, err := BuildBack(t.Context(), in); !errors.Is(err, ErrForeign) {
		t.Errorf("the wrong way round: %v", err)
	}
	back := w.back(forward)
	if _, err := BuildBack(t.Context(), w.backInput(back)); !errors.Is(err, ErrInput) {
		t.Errorf("the way back of a way back: %v", err)
	}
	empty := *forward
	empty.Groups = nil
	if _, err := BuildBack(t.Context(), w.backInput(&empty)); !errors.Is(err, ErrNothing) {
		t.Errorf("no groups: %v", err)
	}
}

// TestBackByOtherEvidence: without headers contents say what was read, and with
// equal offsets they tell the copies from records of others. What the plan shows
// is there when it is verified.
func TestBackByOtherEvidence(t *testing.T) {
	t.Parallel()
	for evidence, shifted := range map[translate.Kind]int{translate.KindContent: 3, translate.KindIdentity: 0} {
		t.Run(string(evidence), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := part("plain", 0)
			w.create(w.source, p.Topic, 1)
			w.create(w.target, p.Topic, 1)
			w.produce(w.target, others(p.Topic, 0, shifted)...)
			start := time.Now().Add(-time.Minute).Truncate(time.Millisecond)
			var records []*kgo.Record
			for i := range 20 {
				records = append(records, &kgo.Record{Topic: p.Topic, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "plain-%d", i), Timestamp: start.Add(time.Duration(i) * time.Millisecond)})
			}
			w.produce(w.source, records...)
			w.produce(w.target, records...)
			w.commit(w.source, "app", at{p: "4"})
			forward := w.build(func(in *Input) { in.Translate = translate.Options{} })
			if got := forward.Topics[0].Evidence; got != evidence {
				t.Fatalf("evidence of the way there: %s", got)
			}
			w.apply(forward)
			w.produce(w.target, others(p.Topic, 0, 5)...)
			w.produce(w.source, others(p.Topic, 0, 1)[0], &kgo.Record{Topic: p.Topic, Value: []byte("written at the source since")})
			w.commit(w.target, "app", at{p: strconv.Itoa(13 + shifted)})
			back := w.back(forward)
			q := &back.Group("app").Positions[0]
			if q.After == nil || q.After.Offset != 13 || q.Outcome != translate.Exact || back.Topics[0].Evidence != evidence || q.OnlyThere == nil {
				t.Fatalf("%s %s: %+v", q.Outcome, q.Detail, q)
			}
			want := translate.OffsetRange{First: int64(20 + shifted), Last: int64(24 + shifted), Count: 5}
			if evidence == translate.KindIdentity {
				// The first of them is also the first that the source got since.
				want.First, want.Count = want.First+1, 4
			}
			if got := q.OnlyThere.Unread.Ranges; len(got) != 1 || got[0] != want {
				t.Errorf("records of others: %+v, want %+v; %s", got, want, back.Topics[0].Detected)
			}
			w.applyBack(back)
			from := w.target.side()
			v, err := Verify(t.Context(), back, VerifyInput{From: &from, To: w.source.side(), Bucket: w.bucket})
			if err != nil || !v.Right() || v.Proofs[ProofHolds] != 1 {
				t.Errorf("verify: %+v %v", v, err)
			}
		})
	}
}
