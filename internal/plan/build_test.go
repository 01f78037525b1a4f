package plan

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// seen is what a case expects of one position.
type seen struct {
	Action  Action
	Outcome translate.Outcome
	Reason  Reason
	After   string // "" for none
	Blocked bool
}

func seenOf(g *Group) map[string]seen {
	out := map[string]seen{}
	for i := range g.Positions {
		q := &g.Positions[i]
		s := seen{q.Action, q.Outcome, q.Reason, "", q.Blocked}
		if q.After != nil {
			s.After = strings.TrimSpace(q.After.String())
		}
		out[q.Target().String()] = s
	}
	return out
}

func TestBuildDecides(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		set     func(*testing.T, *world)
		input   func(*Input)
		verdict Verdict
		reason  Reason
		want    map[string]seen
		detail  string // part of the group's detail, or of its first position's
	}{
		"a group that is new": {
			set:     func(_ *testing.T, w *world) { w.commit(w.source, "app", at{part("payments", 0): "10"}) },
			verdict: VerdictApply,
			want:    map[string]seen{"payments/0": {New, translate.AtEnd, "", "13", false}},
		},
		"a partition without commit": {
			set:     func(_ *testing.T, w *world) { w.commit(w.source, "app", at{part("orders", 0): "4"}) },
			verdict: VerdictApply,
			want: map[string]seen{
				"orders/0": {New, translate.Exact, "", "7", false},
				"orders/1": {None, translate.Unset, ReasonNoCommit, "", false},
			},
		},
		"already as planned": {
			set: func(_ *testing.T, w *world) {
				w.commit(w.source, "app", at{part("payments", 0): "4"})
				w.commit(w.target, "app", at{part("payments", 0): "7"})
			},
			verdict: VerdictNothing,
			want:    map[string]seen{"payments/0": {Same, translate.Exact, "", "7", false}},
		},
		"an extra position of another routed topic": {
			set: func(_ *testing.T, w *world) {
				w.commit(w.source, "app", at{part("payments", 0): "4"})
				w.commit(w.target, "app", at{part("orders", 1): "2"})
			},
			verdict: VerdictApply,
			want: map[string]seen{
				"payments/0": {New, translate.Exact, "", "7", false},
				"orders/1":   {Delete, translate.Unset, ReasonExtra, "", false},
			},
		},
		"an extra position of a topic that is not selected": {
			set: func(_ *testing.T, w *world) {
				w.commit(w.source, "app", at{part("payments", 0): "4"})
				w.commit(w.target, "app", at{part("orders", 1): "2"})
			},
			input: func(in *Input) {
				in.Selection, _ = position.Selector{Topics: []string{"payments"}}.Compile()
			},
			verdict: VerdictApply,
			want:    map[string]seen{"payments/0": {New, translate.Exact, "", "7", false}},
		},
		"the target group is ahead": {
			set: func(_ *testing.T, w *world) {
				w.commit(w.source, "app", at{part("payments", 0): "4"})
				w.commit(w.target, "app", at{part("payments", 0): "9"})
			},
			verdict: VerdictRefused, reason: ReasonRewind, detail: "up to 2 records again",
			want: map[string]seen{"payments/0": {None, translate.Refused, ReasonRewind, "7", true}},
		},
		"the target group is ahead, accepted": {
			set: func(_ *testing.T, w *world) {
				w.commit(w.source, "app", at{part("payments", 0): "4"})
				w.commit(w.target, "app", at{part("payments", 0): "9"})
			},
			input:   func(in *Input) { in.Accept.Rewind = true },
			verdict: VerdictApply,
			want:    map[string]seen{"payments/0": {Change, translate.Exact, "", "7", false}},
		},
		"the topic is missing": {
			set: func(_ *testing.T, w *world) {
				w.create(w.source, "order", 1)
				w.commit(w.source, "app", at{part("order", 0): "0"})
			},
			verdict: VerdictRefused, reason: ReasonTopicMissing,
			want: map[string]seen{"order/0": {None, translate.Refused, ReasonTopicMissing, "", true}},
		},
		"partition counts differ": {
			set: func(_ *testing.T, w *world) {
				w.create(w.source, "wide", 2)
				w.create(w.target, "wide", 1)
				w.produce(w.source, &kgo.Record{Topic: "wide", Value: []byte("one")})
				w.produce(w.target, &kgo.Record{Topic: "wide", Value: []byte("one"), Headers: []kgo.RecordHeader{{Key: header, Value: []byte("0")}}})
				w.commit(w.source, "app", at{part("wide", 0): "0", part("wide", 1): "0"})
			},
			verdict: VerdictRefused, reason: ReasonPartitionCount,
			want: map[string]seen{
				"wide/0": {None, translate.Refused, ReasonPartitionCount, "", true},
				"wide/1": {None, translate.Refused, ReasonPartitionMissing, "", true},
			},
		},
		"the copy is behind": {
			set: func(_ *testing.T, w *world) {
				w.produce(w.source, &kgo.Record{Topic: "payments", Value: []byte("later")}, &kgo.Record{Topic: "payments", Value: []byte("last")})
				w.commit(w.source, "app", at{part("payments", 0): "12", part("orders", 0): "4", part("orders", 1): "4"})
			},
			verdict: VerdictHeld, reason: Reason(translate.ReasonNotCopied),
			want: map[string]seen{
				"orders/0":   {New, translate.Exact, "", "7", false},
				"orders/1":   {New, translate.Exact, "", "9", false},
				"payments/0": {None, translate.Hold, Reason(translate.ReasonNotCopied), "", true},
			},
		},
		"the copy is behind, and a part is accepted": {
			set: func(_ *testing.T, w *world) {
				w.produce(w.source, &kgo.Record{Topic: "payments", Value: []byte("later")}, &kgo.Record{Topic: "payments", Value: []byte("last")})
				w.commit(w.source, "app", at{part("payments", 0): "12", part("orders", 0): "4", part("orders", 1): "4"})
			},
			input:   func(in *Input) { in.Accept.PartialGroup = true },
			verdict: VerdictPartly, reason: ReasonPartialGroup,
			want: map[string]seen{
				"orders/0":   {New, translate.Exact, "", "7", false},
				"orders/1":   {New, translate.Exact, "", "9", false},
				"payments/0": {None, translate.Hold, Reason(translate.ReasonNotCopied), "", true},
			},
		},
		"the target group has members": {
			set: func(t *testing.T, w *world) {
				t.Helper()
				w.commit(w.source, "app", at{part("payments", 0): "4"})
				join(t, w.target, "app", "payments")
			},
			verdict: VerdictRefused, reason: ReasonGroupActive, detail: "an-app (127.0.0.1",
			want: map[string]seen{"payments/0": {New, translate.Exact, "", "7", false}},
		},
		"the source group has members": {
			set: func(t *testing.T, w *world) {
				t.Helper()
				w.commit(w.source, "app", at{part("payments", 0): "4"})
				join(t, w.source, "app", "payments")
			},
			verdict: VerdictRefused, reason: ReasonGroupActive, detail: "still move",
			want: map[string]seen{"payments/0": {New, translate.Exact, "", "7", false}},
		},
		"the source group has members, accepted": {
			set: func(t *testing.T, w *world) {
				t.Helper()
				w.commit(w.source, "app", at{part("payments", 0): "4"})
				join(t, w.source, "app", "payments")
			},
			input:   func(in *Input) { in.Accept.ActiveSource = true },
			verdict: VerdictApply,
			want:    map[string]seen{"payments/0": {New, translate.Exact, "", "7", false}},
		},
		"no such group": {
			set:     func(*testing.T, *world) {},
			verdict: VerdictRefused, reason: ReasonGroupMissing,
			want: map[string]seen{},
		},
		"beyond the end": {
			set:     func(_ *testing.T, w *world) { w.commit(w.source, "app", at{part("payments", 0): "99"}) },
			verdict: VerdictRefused, reason: Reason(translate.ReasonBeyondEnd),
			want: map[string]seen{"payments/0": {None, translate.Refused, Reason(translate.ReasonBeyondEnd), "", true}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tc.set(t, w)
			p := w.build(func(in *Input) {
				in.Selection = selection(t, "app")
				if tc.input != nil {
					keep := in.Selection
					tc.input(in)
					if in.Selection == nil {
						in.Selection = keep
					}
				}
			})
			g := p.Group("app")
			if g == nil {
				t.Fatalf("no group in %+v", p.Groups)
			}
			if g.Verdict != tc.verdict || g.Reason != tc.reason || !strings.Contains(g.Detail, tc.detail) {
				t.Errorf("verdict %s, reason %q, detail %q", g.Verdict, g.Reason, g.Detail)
			}
			if d := cmp.Diff(tc.want, seenOf(g)); d != "" {
				t.Errorf("positions (-want +got):\n%s", d)
			}
			if good := tc.verdict == VerdictApply || tc.verdict == VerdictNothing; p.AllApplicable() != good {
				t.Errorf("all applicable is %t", !good)
			}
			throughFile(t, p)
		})
	}
}

func TestMissingTopicNamesNearOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(w.source, "order", 1)
	w.commit(w.source, "app", at{part("order", 0): "0"})
	if hint := w.build().Groups[0].Hint; !strings.Contains(hint, "orders") {
		t.Errorf("hint: %q", hint)
	}
}

func TestRetentionAboutToDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var old []*kgo.Record
	w.create(w.source, "old", 1)
	week := "604800000"
	if _, err := w.target.Admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"retention.ms": &week}, "old"); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		r := &kgo.Record{Topic: "old", Value: []byte{byte(i)}, Timestamp: time.Now().Add(-6 * 24 * time.Hour).Add(time.Duration(i) * time.Second)}
		w.produce(w.source, r)
		copied := *r
		copied.Headers = []kgo.RecordHeader{{Key: header, Value: []byte{byte('0' + i)}}}
		old = append(old, &copied)
	}
	w.produce(w.target, old...)
	w.commit(w.source, "app", at{part("old", 0): "3"})
	later := func(in *Input) { in.Now = func() time.Time { return time.Now().Add(2 * 24 * time.Hour) } }
	g := w.build(later).Group("app")
	if g.Reason != ReasonRetention || g.Positions[0].Lost != 7 {
		t.Errorf("group: %s %q, lost %d", g.Reason, g.Detail, g.Positions[0].Lost)
	}
	g = w.build(later, func(in *Input) { in.Accept.Loss = true }).Group("app")
	if g.Verdict != VerdictApply || !slices.Contains(g.Accepted, acceptLoss) {
		t.Errorf("accepted: %+v", g)
	}
	if g := w.build().Group("app"); g.Verdict != VerdictApply {
		t.Errorf("in time: %s %s", g.Verdict, g.Detail)
	}
}

func TestLeftBehindIsListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "1", part("orders", 1): "1", part("payments", 0): "1"})
	p := w.build(func(in *Input) {
		in.Selection, _ = position.Selector{Groups: []string{"app"}, ExcludeTopics: []string{"payments"}, Partitions: []string{"orders:1"}}.Compile()
	})
	want := []LeftBehind{
		{Group: "app", Topic: "orders", Partitions: []int32{0}, Reason: ReasonOutOfRoute, Detail: "not selected"},
		{Group: "app", Topic: "payments", Partitions: []int32{0}, Reason: ReasonOutOfRoute, Detail: "not selected"},
	}
	if d := cmp.Diff(want, p.LeftBehind); d != "" {
		t.Errorf("left behind (-want +got):\n%s", d)
	}
}

func TestGivenPositions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	given := []position.Position{
		{Group: "app", Partition: part("orders", 0), Offset: 4, LeaderEpoch: -1},
		{Group: "app", Partition: part("orders", 1), Offset: 15, LeaderEpoch: -1},
		{Group: "bad", Partition: part("orders", 0), Offset: 14, LeaderEpoch: -1},
	}
	in := w.input()
	in.From, in.Given, in.AsGiven = nil, given, true
	p, err := Build(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if g := p.Group("app"); g.Verdict != VerdictApply || p.Kind != Given || p.Source != nil {
		t.Errorf("app: %+v", g)
	}
	if g := p.Group("bad"); g.Reason != ReasonOutOfRange || !strings.Contains(g.Detail, "0 to 13") {
		t.Errorf("bad: %s %q", g.Reason, g.Detail)
	}
	rep := w.apply(p, func(in *ApplyInput) { in.From = nil })
	if rep.Groups[0].Result != Applied || rep.Groups[1].Result != Blocked || rep.Complete() {
		t.Errorf("report: %+v", rep.Groups)
	}
	if d := cmp.Diff(at{part("orders", 0): "4", part("orders", 1): "15"}, w.positions(w.target, "app")); d != "" {
		t.Errorf("positions (-want +got):\n%s", d)
	}
	if v := w.verify(p); !v.Right() || v.Proofs[ProofNone] != 2 {
		t.Errorf("verify: %+v", v)
	}
}

func TestTranslateOnlyIsNotApplied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.input()
	in.To.Read, in.TranslateOnly = nil, true
	in.Given = []position.Position{{Group: "app", Partition: part("orders", 0), Offset: 4, LeaderEpoch: -1}}
	p, err := Build(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]seen{"orders/0": {New, translate.Exact, "", "7", false}}, seenOf(p.Group("app"))); d != "" {
		t.Errorf("positions (-want +got):\n%s", d)
	}
	if _, err := Apply(t.Context(), p, w.applyInput()); !errors.Is(err, ErrInput) {
		t.Errorf("apply: %v", err)
	}
	in.From = nil
	p, err = Build(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if o := p.Group("app").Positions[0].Outcome; o != translate.ExactUnproven {
		t.Errorf("without a source the outcome is %s", o)
	}
}

func TestGroupCopyInOneCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "big", at{part("orders", 0): "4 kept", part("orders", 1): "9", part("payments", 0): "13"})
	route, err := position.NewRoute(position.RouteOptions{Groups: []position.GroupRule{
		{Rename: position.Rename{From: "big", To: "small"}, Topics: []string{"orders"}},
		{Rename: position.Rename{From: "big", To: "rest"}, Topics: []string{"payments"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	side := w.target.side()
	change := func(in *Input) {
		in.From, in.Selection, in.Route, in.Translate = &side, selection(t, "big"), route, translate.Options{}
	}
	p := w.build(change)
	if p.Kind != Copy || !p.SameCluster || !p.AllApplicable() {
		t.Fatalf("plan: %s %+v", p.Kind, p.Groups)
	}
	rep := w.apply(p, func(in *ApplyInput) { in.From = &side })
	if !rep.Complete() {
		t.Errorf("report: %+v", rep.Groups)
	}
	if d := cmp.Diff(at{part("orders", 0): "4 kept", part("orders", 1): "9"}, w.positions(w.target, "small")); d != "" {
		t.Errorf("small (-want +got):\n%s", d)
	}
	if d := cmp.Diff(at{part("payments", 0): "13"}, w.positions(w.target, "rest")); d != "" {
		t.Errorf("rest (-want +got):\n%s", d)
	}

	forgetful, err := position.NewRoute(position.RouteOptions{Groups: []position.GroupRule{
		{Rename: position.Rename{From: "big", To: "small"}, Topics: []string{"orders"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	in := w.input()
	change(&in)
	in.Route = forgetful
	var problems *position.RouteError
	if _, err := Build(t.Context(), in); !errors.As(err, &problems) {
		t.Errorf("a forgotten topic: %v", err)
	}
	in.Route = nil
	if _, err := Build(t.Context(), in); !errors.Is(err, ErrCollision) {
		t.Errorf("onto itself: %v", err)
	}
}

func TestContradictoryInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cases := map[string]func(*Input){
		"no source and nothing given": func(in *Input) { in.From = nil },
		"as given without positions":  func(in *Input) { in.From, in.AsGiven = nil, true },
		"as given with a source":      func(in *Input) { in.AsGiven, in.Given = true, []position.Position{{Group: "a"}} },
		"no groups of the target":     func(in *Input) { in.To.Read = nil },
		"given twice": func(in *Input) {
			p := position.Position{Group: "a", Partition: part("orders", 0), Offset: 1}
			in.Given = []position.Position{p, p}
		},
	}
	for name, change := range cases {
		in := w.input()
		change(&in)
		if _, err := Build(t.Context(), in); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	in := w.input()
	if _, err := Build(t.Context(), in); !errors.Is(err, ErrNothing) {
		t.Errorf("no group: %v", err)
	}
}

func TestUnstableAndShareGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	in := w.input()
	in.From.Read = readFunc(func(ctx context.Context, names []string) (map[string]group.Reading, error) {
		out, err := w.source.Groups.Read(ctx, names)
		r := out["app"]
		r.Unstable = []topic.Partition{part("payments", 0)}
		out["app"] = r
		return out, err
	})
	p, err := Build(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if g := p.Group("app"); g.Reason != ReasonNotSettled {
		t.Errorf("unstable: %+v", g)
	}
	in = w.input()
	in.To.Read = readFunc(func(ctx context.Context, names []string) (map[string]group.Reading, error) {
		return map[string]group.Reading{"app": {Group: group.Group{Name: "app", Kind: group.Share, State: group.Empty}}}, nil
	})
	if p, err = Build(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if g := p.Group("app"); g.Reason != ReasonGroupKind || g.Verdict != VerdictRefused {
		t.Errorf("share: %+v", g)
	}
}
