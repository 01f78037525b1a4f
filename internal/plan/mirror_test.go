package plan

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// newMirrored has no topics.
func newMirrored(tb testing.TB) *world {
	tb.Helper()
	w := &world{t: tb, source: newNode(tb, "old"), target: newNode(tb, "new"), mem: memstore.New()}
	w.bucket = store.New(w.mem, "mem://state", nil)
	return w
}

// mirrorTopic writes records 0 to 9 to a source topic, and their copies, by the
// header, to each target topic after three other records.
func (w *world) mirrorTopic(source string, targets ...string) {
	w.t.Helper()
	w.create(w.source, source, 1)
	var src []*kgo.Record
	for i := range 10 {
		src = append(src, &kgo.Record{Topic: source, Value: fmt.Appendf(nil, "%s-%d", source, i)})
	}
	w.produce(w.source, src...)
	for _, target := range targets {
		w.create(w.target, target, 1)
		var copies []*kgo.Record
		for range 3 {
			copies = append(copies, &kgo.Record{Topic: target, Value: []byte("other")})
		}
		for i, r := range src {
			copies = append(copies, &kgo.Record{Topic: target, Value: r.Value, Headers: []kgo.RecordHeader{{Key: header, Value: []byte(strconv.Itoa(i))}}})
		}
		w.produce(w.target, copies...)
	}
}

func (w *world) topics(n *node, names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.create(n, name, 1)
	}
}

func findingsOf(p *Plan, reason Reason) []Finding {
	return slices.DeleteFunc(slices.Clone(p.Findings), func(f Finding) bool { return f.Reason != reason })
}

func TestCopiesNamedByMirrorMaker(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		set    func(*world)
		input  func(*Input)
		target string // of orders; "" where it is refused
		// detail and hint are parts of what is said of a refusal, finding of the
		// first finding.
		detail, hint, finding string
	}{
		"with the alias before the name": {
			set:    func(w *world) { w.mirrorTopic("orders", "primary.orders") },
			target: "primary.orders", finding: "new has no topic orders; primary.orders is named as MirrorMaker 2 names its copy",
		},
		"with another separator": {
			set:    func(w *world) { w.mirrorTopic("orders", "primary__orders") },
			target: "primary__orders", finding: "primary__orders is named",
		},
		"several that fit": {
			set:    func(w *world) { w.mirrorTopic("orders", "a.orders", "b.orders") },
			detail: "new has no topic orders, and 2 that may be its copy: a.orders, b.orders",
			hint:   "choose one: --map-topic orders=a.orders, or --mm2-alias a for all topics",
		},
		"several, and an alias is asked for": {
			set:    func(w *world) { w.mirrorTopic("orders", "a.orders", "b.orders") },
			input:  func(in *Input) { in.Mirror.Alias = "b" },
			target: "b.orders", finding: "b.orders is named",
		},
		"several, and MirrorMaker 2 uses one of the aliases": {
			set: func(w *world) {
				w.mirrorTopic("orders", "a.orders", "b.orders")
				w.topics(w.target, "b.checkpoints.internal")
			},
			target: "b.orders", finding: "b.orders is named",
		},
		"the heartbeats name the alias": {
			set: func(w *world) {
				w.mirrorTopic("orders", "a.orders", "b.orders")
				w.topics(w.target, "heartbeats", "a.heartbeats")
			},
			target: "a.orders", finding: "a.orders is named",
		},
		"an alias that ends in punctuation": {
			set: func(w *world) {
				w.mirrorTopic("orders", "a-.orders", "b.orders")
				w.topics(w.target, "a-.checkpoints.internal")
			},
			target: "a-.orders", finding: "a-.orders is named",
		},
		"the source has a topic of that name itself": {
			set: func(w *world) {
				w.mirrorTopic("orders")
				w.mirrorTopic("eu.orders", "eu.orders")
			},
			detail: "new has no topic orders",
		},
		"the copy of a topic with a longer name": {
			set: func(w *world) {
				w.mirrorTopic("orders")
				w.mirrorTopic("eu.orders", "a.eu.orders")
			},
			detail: "new has no topic orders",
		},
		"no punctuation between": {
			set:    func(w *world) { w.mirrorTopic("orders", "reorders") },
			detail: "new has no topic orders",
		},
		"the user has given the name": {
			set: func(w *world) { w.mirrorTopic("orders", "primary.orders") },
			input: func(in *Input) {
				in.Route, _ = position.NewRoute(position.RouteOptions{MapTopics: []string{"orders=orders"}})
			},
			detail: "new has no topic orders",
		},
		"a topic of the same name is there": {
			set:    func(w *world) { w.mirrorTopic("orders", "orders", "primary.orders") },
			target: "orders",
		},
		"a topic of the same name, and MirrorMaker 2's": {
			set: func(w *world) {
				w.mirrorTopic("orders", "orders", "primary.orders")
				w.topics(w.target, "mm2-offset-syncs.primary.internal")
			},
			target: "orders", finding: "new has a topic of that name, which is used, and also primary.orders",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMirrored(t)
			test.set(w)
			w.commit(w.source, "app", at{part("orders", 0): "4"})
			p := w.build(func(in *Input) {
				if test.input != nil {
					test.input(in)
				}
			})
			q := &p.Groups[0].Positions[0]
			if test.target == "" {
				if !q.Blocked || q.Reason != ReasonTopicMissing || !strings.Contains(q.Detail, test.detail) || !strings.Contains(q.Hint, test.hint) {
					t.Errorf("got %s %q, hint %q", q.Reason, q.Detail, q.Hint)
				}
				return
			}
			if q.Topic != test.target || q.After == nil || q.After.Offset != 7 || q.Outcome != translate.Exact || p.Groups[0].Verdict != VerdictApply {
				t.Errorf("got %+v, detail %q", q, q.Detail)
			}
			var said string
			if f := findingsOf(p, ReasonRenamed); len(f) > 0 {
				said = f[0].Detail
			}
			if !strings.Contains(said, test.finding) || test.finding == "" && said != "" {
				t.Errorf("finding %q, want %q", said, test.finding)
			}
		})
	}
}

// A renamed topic is the same in every step: partitions without a commit, extra
// positions, apply, verify, rollback.
func TestRenamedFromPlanToRollback(t *testing.T) {
	t.Parallel()
	w := newMirrored(t)
	w.mirrorTopic("orders", "primary.orders")
	w.mirrorTopic("payments", "primary.payments")
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	w.topics(w.target, "elsewhere")
	w.commit(w.target, "app", at{part("primary.orders", 0): "5", part("primary.payments", 0): "6", part("elsewhere", 0): "1"})
	before := w.positions(w.target, "app")
	p := w.build()
	want := map[string]seen{
		"primary.orders/0":   {Change, translate.Exact, "", "7", false},
		"primary.payments/0": {Delete, translate.Unset, ReasonExtra, "", false},
	}
	if diff := cmp.Diff(want, seenOf(&p.Groups[0])); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	if f := findingsOf(p, ReasonRenamed); len(f) != 1 || f[0].Topic != "primary.orders" {
		t.Errorf("findings %+v", f)
	}
	if rep := w.apply(p); !rep.Complete() {
		t.Fatalf("apply: %+v", rep.Groups)
	}
	if diff := cmp.Diff(map[topic.Partition]string{part("primary.orders", 0): "7", part("elsewhere", 0): "1"}, w.positions(w.target, "app")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if v := w.verify(p); !v.Right() {
		t.Errorf("verify: %+v", v.Groups)
	}
	rep := w.apply(p)
	if _, err := Rollback(t.Context(), rep.Run, w.rollbackInput()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, w.positions(w.target, "app")); diff != "" {
		t.Errorf("after the rollback (-want +got):\n%s", diff)
	}
}

// Many renamed topics are one finding.
func TestManyRenamedTopics(t *testing.T) {
	t.Parallel()
	w := newMirrored(t)
	positions := map[topic.Partition]string{}
	for _, name := range []string{"a", "b", "c"} {
		w.mirrorTopic(name, "primary."+name)
		positions[part(name, 0)] = "4"
	}
	w.commit(w.source, "app", positions)
	p := w.build()
	if f := findingsOf(p, ReasonRenamed); len(f) != 1 || !strings.HasSuffix(f[0].Detail, "; likewise 2 more") || len(p.Topics) != 3 || p.Groups[0].Verdict != VerdictApply {
		t.Errorf("findings %+v, topics %+v", f, p.Topics)
	}
}

func TestAliasAndSyncTopics(t *testing.T) {
	t.Parallel()
	w := newMirrored(t)
	w.mirrorTopic("orders", "primary.orders")
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	w.topics(w.source, "mm2-offset-syncs.backup.internal", "mm2-offset-syncs-dr-internal")
	w.topics(w.target, "mm2-offset-syncs.primary.internal", "primary.checkpoints.internal")
	all := []string{
		"source:mm2-offset-syncs-dr-internal", "source:mm2-offset-syncs.backup.internal",
		"target:mm2-offset-syncs.primary.internal",
	}
	cases := map[string]struct {
		mirror   MirrorMaker
		evidence translate.Kind
		want     []string
		err      string
		hint     string
	}{
		"all are found":            {want: all},
		"evidence that needs none": {evidence: translate.KindIdentity},
		"the alias of the target":  {mirror: MirrorMaker{Alias: "dr"}, want: all[:1]},
		"the alias of the source":  {mirror: MirrorMaker{Alias: "primary"}, want: all[2:]},
		"named":                    {mirror: MirrorMaker{Syncs: []translate.SyncTopic{{Topic: "mm2-offset-syncs.backup.internal"}}}, want: all[1:2]},
		"an alias that fits nothing": {
			mirror: MirrorMaker{Alias: "primry"}, err: `no topic of MirrorMaker 2 has the alias "primry"`,
			hint: "aliases that were found: backup (mm2-offset-syncs.backup.internal of old), dr (mm2-offset-syncs-dr-internal of old), primary (",
		},
		"named, and not there": {
			mirror: MirrorMaker{Syncs: []translate.SyncTopic{{OnTarget: true, Topic: "mm2-offset-syncs.backup.internal"}}},
			err:    "new has no topic mm2-offset-syncs.backup.internal (--mm2-syncs target:mm2-offset-syncs.backup.internal)",
			hint:   "mm2-offset-syncs",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := w.input()
			in.Mirror, in.Translate.Evidence = test.mirror, test.evidence
			p, err := Build(t.Context(), in)
			if test.err != "" {
				var e *Error
				if !errors.As(err, &e) || !errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), test.err) || !strings.Contains(e.Hint, test.hint) {
					t.Fatalf("got %v, hint %q", err, e.Hint)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, p.Options.OffsetSyncs); diff != "" {
				t.Errorf("offset syncs (-want +got):\n%s", diff)
			}
			if p.Options.MirrorAlias != test.mirror.Alias {
				t.Errorf("alias %q", p.Options.MirrorAlias)
			}
		})
	}
}

func TestNothingOfMirrorMaker(t *testing.T) {
	t.Parallel()
	w := newMirrored(t)
	w.mirrorTopic("orders", "orders")
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	for name, test := range map[string]struct {
		change func(*Input)
		hint   string
	}{
		"an alias":     {func(in *Input) { in.Mirror.Alias = "a" }, "plan without --mm2-alias"},
		"evidence mm2": {func(in *Input) { in.Translate = translate.Options{Evidence: translate.KindMM2} }, "--evidence content"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := w.input()
			test.change(&in)
			_, err := Build(t.Context(), in)
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrNothing) || !strings.Contains(e.Hint, test.hint) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// An offset-syncs topic that cannot be used is named where it could have been of
// use, and refused where it was asked for.
func TestSyncTopicsThatDoNotFit(t *testing.T) {
	t.Parallel()
	const syncs = "mm2-offset-syncs.backup.internal"
	foreign := func(w *world, _ *Input) {
		w.produce(w.source, &kgo.Record{Topic: syncs, Key: []byte("orders"), Value: []byte("{}")})
	}
	silent := func(w *world, in *Input) {
		k, v := mover.OffsetSync{Source: part("orders", 0)}.Encode()
		w.produce(w.source, &kgo.Record{Topic: syncs, Key: k, Value: v})
		in.From.Log = &deaf{Log: in.From.Log, topic: syncs}
	}
	for name, test := range map[string]struct {
		change   func(*world, *Input)
		evidence translate.Kind
		named    bool
		want     string // of the finding
		err      error
	}{
		"foreign":               {change: foreign, want: "the record at offset 0 of " + syncs + "/0 is no offset sync of MirrorMaker 2: topic of its key"},
		"not allowed":           {change: silent, want: "no right"},
		"foreign, asked for":    {change: foreign, evidence: translate.KindMM2, err: ErrNothing},
		"foreign, named":        {change: foreign, named: true, err: ErrInput},
		"foreign, and not used": {change: foreign, evidence: translate.KindIdentity},
		"empty":                 {change: func(*world, *Input) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMirrored(t)
			w.mirrorTopic("orders", "orders")
			w.commit(w.source, "app", at{part("orders", 0): "4"})
			w.topics(w.source, syncs)
			in := w.input()
			in.Translate = translate.Options{Evidence: test.evidence}
			if test.evidence == "" {
				// Nothing that is looked for is there, so that everything would be
				// welcome.
				in.Translate.Header = "nowhere"
			}
			if test.named {
				in.Mirror.Syncs = []translate.SyncTopic{{Topic: syncs}}
			}
			test.change(w, &in)
			p, err := Build(t.Context(), in)
			if test.err != nil {
				if !errors.Is(err, test.err) || !strings.Contains(err.Error(), "no offset sync of MirrorMaker 2") {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			f := findingsOf(p, ReasonOffsetSyncs)
			if test.want == "" && len(f) > 0 || test.want != "" && (len(f) != 1 || !strings.Contains(f[0].Detail, test.want)) {
				t.Errorf("findings %+v", f)
			}
			if (test.want != "") != (len(p.Options.OffsetSyncs) == 0) && test.evidence == "" {
				t.Errorf("offset syncs %v", p.Options.OffsetSyncs)
			}
		})
	}
}

func TestTranslateFindsRenamedTopics(t *testing.T) {
	t.Parallel()
	w := newMirrored(t)
	w.mirrorTopic("orders", "primary.orders")
	// Rows may carry the name of either side.
	for _, name := range []string{"orders", "primary.orders"} {
		p := w.build(func(in *Input) {
			in.TranslateOnly, in.Given = true, []position.Position{parsePosition(t, "app", part(name, 0), "4")}
		})
		if diff := cmp.Diff("7", seenOf(&p.Groups[0])["primary.orders/0"].After); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	in := w.input()
	in.TranslateOnly, in.Given = true, []position.Position{parsePosition(t, "app", part("orders", 0), "4"), parsePosition(t, "app", part("primary.orders", 0), "4")}
	if _, err := Build(t.Context(), in); !errors.Is(err, ErrInput) {
		t.Errorf("both names of one position: %v", err)
	}
}

func TestSyncTopicText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]translate.SyncTopic{
		"source:a": {Topic: "a"}, "target:a": {OnTarget: true, Topic: "a"},
		"": {}, "a": {}, "source:": {}, "both:a": {},
	} {
		got, ok := ParseSyncTopic(text)
		if ok != (want.Topic != "") || ok && (got != want || SyncTopicText(got) != text) {
			t.Errorf("%q: got %v %v", text, got, ok)
		}
	}
}
