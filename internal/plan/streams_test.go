package plan

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// streamsMeta is what Kafka Streams 4.3.1 left with a position.
const streamsMeta = "AgAAAaH+oGyP"

// saidOf are the findings of one reason about one group, as texts.
func saidOf(p *Plan, reason Reason, name string) []string {
	var out []string
	for _, f := range p.Findings {
		if f.Reason == reason && f.Group == name {
			out = append(out, string(f.Severity)+": "+f.Detail)
		}
	}
	return out
}

// route changes the route of an input.
func route(topics, groups []string) func(*Input) {
	return func(in *Input) {
		r, err := position.NewRoute(position.RouteOptions{MapTopics: topics, MapGroups: groups})
		if err != nil {
			panic(err)
		}
		in.Route = r
	}
}

// counter is a world with an application "app" that has a changelog and a
// repartition topic, and one "app-eu" whose names begin alike.
func counter(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for _, name := range []string{"app-by-city-repartition", "app-counts-changelog"} {
		w.create(w.source, name, 1)
		w.create(w.target, name, 1)
	}
	w.create(w.source, "app-eu-counts-changelog", 1)
	w.fill("app-by-city-repartition", 0, 10)
	w.commit(w.source, "app", at{part("orders", 0): "4 " + streamsMeta, part("orders", 1): "5 " + streamsMeta, part("app-by-city-repartition", 0): "2 " + streamsMeta})
	w.commit(w.source, "app-eu", at{part("payments", 0): "1 " + streamsMeta})
	return w
}

func TestStreamsApplicationMoves(t *testing.T) {
	t.Parallel()
	w := counter(t)
	p := w.build(only("app"))
	g := p.Group("app")
	if g.Verdict != VerdictApply || len(g.Positions) != 3 {
		t.Fatalf("plan: %+v", g)
	}
	said := strings.Join(saidOf(p, ReasonStreams, "app"), "\n")
	for _, want := range []string{"application.id", "app-counts-changelog", "app-by-city-repartition", "byte for byte"} {
		if !strings.Contains(said, want) {
			t.Errorf("the findings do not name %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "app-eu-counts") || strings.Contains(said, "warning") {
		t.Errorf("findings:\n%s", said)
	}
	w.apply(p)
	for q, text := range w.positions(w.target, "app") {
		if !strings.HasSuffix(text, " "+streamsMeta) {
			t.Errorf("%s: %q, want the metadata byte for byte", q, text)
		}
	}
}

// A changelog whose copy is not complete, and one of which that cannot be told.
func TestStreamsChangelogThatIsNotComplete(t *testing.T) {
	t.Parallel()
	w := counter(t)
	for _, name := range []string{"app-odd-changelog", "app-done-changelog"} {
		w.create(w.source, name, 1)
		w.create(w.target, name, 1)
	}
	w.fill("app-done-changelog", 0, 6)
	w.fill("app-counts-changelog", 0, 6)
	w.produce(w.source, &kgo.Record{Topic: "app-counts-changelog", Key: []byte("k"), Value: []byte("newer")})
	w.produce(w.source, &kgo.Record{Topic: "app-odd-changelog", Value: []byte("1")})
	w.produce(w.target, &kgo.Record{Topic: "app-odd-changelog", Value: []byte("something else")})
	said := map[string]string{}
	for _, f := range w.build(only("app")).Findings {
		if f.Reason == ReasonStreams && f.Topic != "" {
			said[f.Topic] = string(f.Severity) + ": " + f.Detail
		}
	}
	for name, want := range map[string]string{
		"app-counts-changelog": "warning: the copy of this changelog is not complete",
		"app-odd-changelog":    "warning: whether the copy of this changelog is complete could not be seen",
	} {
		if !strings.HasPrefix(said[name], want) {
			t.Errorf("%s: %q, want %q", name, said[name], want)
		}
	}
	if len(said) != 2 {
		t.Errorf("findings about topics: %q", said)
	}
	w.produce(w.target, &kgo.Record{Topic: "app-counts-changelog", Key: []byte("k"), Value: []byte("newer"), Headers: []kgo.RecordHeader{{Key: header, Value: []byte("6")}}})
	texts := saidOf(w.build(only("app")), ReasonStreams, "app")
	if !slices.Contains(texts, "note: its changelog topics app-counts-changelog and app-done-changelog are on the target: the application rebuilds its state from there, and everything that the source has by now is copied") {
		t.Errorf("after it was copied: %q", texts)
	}
}

// Internal topics that were copied in name only, and one that the application
// has not read from yet.
func TestStreamsTopicsWithoutRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"app-counts-changelog", "app-empty-changelog", "app-by-city-repartition", "app-idle-repartition"} {
		w.create(w.source, name, 2)
		w.create(w.target, name, 2)
	}
	w.produce(w.source, &kgo.Record{Topic: "app-counts-changelog", Partition: 1, Key: []byte("k"), Value: []byte("1")},
		&kgo.Record{Topic: "app-by-city-repartition", Value: []byte("1")})
	w.produce(w.target, &kgo.Record{Topic: "app-by-city-repartition", Value: []byte("1")})
	w.commit(w.source, "app", at{part("orders", 0): "4 " + streamsMeta})
	said := saidOf(w.build(), ReasonStreams, "app")
	for _, want := range []string{
		"warning: its changelog topic app-counts-changelog is empty on the target, and not on the source",
		"note: its changelog topic app-empty-changelog is on the target",
		"note: its repartition topics app-by-city-repartition and app-idle-repartition are on the target",
		"warning: it has no position on its own topic app-by-city-repartition, which has records",
	} {
		if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("not said: %s", want)
		}
	}
	if len(said) != 5 {
		t.Errorf("%d findings: %q", len(said), said)
	}
}

// only selects groups by name.
func only(names ...string) func(*Input) {
	return func(in *Input) {
		s, err := position.Selector{Groups: names}.Compile()
		if err != nil {
			panic(err)
		}
		in.Selection = s
	}
}

func TestStreamsTopicsThatAreMissing(t *testing.T) {
	t.Parallel()
	w := counter(t)
	w.commit(w.source, "app-eu", at{part("payments", 0): "1 " + streamsMeta})
	p := w.build(only("app-eu"))
	if p.Groups[0].Verdict != VerdictApply {
		t.Fatalf("plan: %+v", p.Groups[0])
	}
	said := saidOf(p, ReasonStreams, "app-eu")
	if !slices.ContainsFunc(said, func(s string) bool {
		return strings.HasPrefix(s, "warning") && strings.Contains(s, "app-eu-counts-changelog is not on the target")
	}) {
		t.Errorf("findings: %q", said)
	}
	p = w.build(only("app"), func(in *Input) {
		s, err := position.Selector{Groups: []string{"app"}, Topics: []string{"orders"}}.Compile()
		if err != nil {
			t.Fatal(err)
		}
		in.Selection = s
	})
	said = saidOf(p, ReasonStreams, "app")
	if !slices.ContainsFunc(said, func(s string) bool {
		return strings.HasPrefix(s, "warning") && strings.Contains(s, "its positions on its own topic app-by-city-repartition are left behind")
	}) {
		t.Errorf("findings of a selection that leaves its own topic out: %q", said)
	}
}

func TestStreamsApplicationNeedsItsNames(t *testing.T) {
	t.Parallel()
	w := counter(t)
	w.create(w.source, "app-input", 1)
	w.create(w.target, "app-input", 1)
	w.fill("app-input", 0, 5)
	w.commit(w.source, "app", at{part("app-input", 0): "1 " + streamsMeta})
	w.create(w.target, "new-by-city-repartition", 1)
	w.create(w.target, "new-counts-changelog", 1)
	for name, tc := range map[string]struct {
		change func(*Input)
		to     string
		refuse bool
		detail string
		hint   string
	}{
		"another name alone": {
			route(nil, []string{"app=new"}), "new", true,
			"with application.id new it looks for the topic new-counts-changelog, and the route makes app-counts-changelog of app-counts-changelog (and 1 more)",
			"add --map-topic 'app-*=new-*' --map-topic 'app-input=app-input', with the topics copied to these names; or leave the group its name",
		},
		"some of its topics":          {route([]string{"app-counts-changelog=new-counts-changelog"}, []string{"app=new"}), "new", true, "makes app-by-city-repartition of", "--map-topic 'app-*=new-*'"},
		"all of its topics":           {route([]string{"app-*=new-*", "app-input=app-input"}, []string{"app=new"}), "new", false, "", ""},
		"topics of another name":      {route([]string{"app-*=qa.app-*"}, nil), "app", true, "with application.id app it looks for the topic app-counts-changelog", "add --map-topic 'app-*=app-*'"},
		"its topics keep their names": {route([]string{"*=qa.*", "app-*=app-*", "orders=orders"}, nil), "app", false, "", ""},
		"one group with another":      {route(nil, []string{"app=both", "app-eu=both"}), "both", true, "cannot become one group", "group of its own"},
		"split": {func(in *Input) {
			r, err := position.NewRoute(position.RouteOptions{Groups: []position.GroupRule{
				{Rename: position.Rename{From: "app", To: "a"}, Topics: []string{"orders"}},
				{Rename: position.Rename{From: "app", To: "b"}, Topics: []string{"app-*"}},
			}})
			if err != nil {
				panic(err)
			}
			in.Route = r
		}, "a", true, "cannot go to several groups", "to one group"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			selected := only("app")
			if tc.to == "both" {
				selected = only("app", "app-eu")
			}
			g := w.build(selected, tc.change).Group(tc.to)
			if g == nil || tc.refuse != (g.Reason == ReasonStreamsRename) {
				t.Fatalf("group %+v", g)
			}
			if tc.refuse && (g.Verdict != VerdictRefused || !strings.Contains(g.Detail, tc.detail) || !strings.Contains(g.Hint, tc.hint)) {
				t.Errorf("detail %q\nhint %q", g.Detail, g.Hint)
			}
		})
	}
}

// Names alone make no application of Kafka Streams.
func TestPlainGroupsAreNotStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"orders-changelog", "shop-counts-changelog", "other-by-city-repartition", "shop-repartition"} {
		w.create(w.source, name, 1)
		w.create(w.target, name, 1)
		w.fill(name, 0, 5)
	}
	// Metadata of their own; the last one is that of a parallel consumer.
	w.commit(w.source, "shop", at{
		part("orders-changelog", 0): "1", part("shop-counts-changelog", 0): "2 hello", part("other-by-city-repartition", 0): "1", part("shop-repartition", 0): "1",
		part("orders", 0): "4 bAAIAg==",
	})
	p := w.build(route(nil, []string{"shop=store"}))
	if g := p.Group("store"); g.Reason != "" || len(saidOf(p, ReasonStreams, "shop")) > 0 {
		t.Errorf("taken for Kafka Streams: %+v, %+v", g, p.Findings)
	}
}

func TestStreamsEvidence(t *testing.T) {
	t.Parallel()
	reading := func(g group.Group, positions at) group.Reading {
		g.Name = "app"
		r := group.Reading{Group: g}
		for p, text := range positions {
			if r.Positions == nil {
				r.Positions = map[topic.Partition]position.Position{}
			}
			r.Positions[p] = parsePosition(t, "app", p, text)
		}
		return r
	}
	for name, tc := range map[string]struct {
		reading group.Reading
		why     string
	}{
		"plain":            {reading(group.Group{Kind: group.Classic, Protocol: "range"}, at{part("orders", 0): "1"}), ""},
		"its own protocol": {reading(group.Group{Kind: group.Streams}, nil), "protocol of Kafka Streams"},
		"assignor":         {reading(group.Group{Kind: group.Classic, Protocol: "stream"}, nil), "assignor"},
		"an assignor of that name in another protocol": {reading(group.Group{Kind: group.Consumer, Protocol: "stream"}, nil), ""},
		"threads": {reading(group.Group{Kind: group.Classic, Members: []group.Member{
			{ClientID: "app-f05cfa48-41d4-45d5-9a2f-37e54fdf8824-StreamThread-1-consumer"},
		}}, nil), "threads"},
		"a client that mentions threads": {reading(group.Group{Kind: group.Classic, Members: []group.Member{{ClientID: "StreamThread-watcher"}}}, nil), ""},
		"metadata":                       {reading(group.Group{Kind: group.Classic}, at{part("orders", 0): "1 " + streamsMeta}), "metadata"},
		"own repartition topic":          {reading(group.Group{Kind: group.Classic}, at{part("app-x-repartition", 0): "1"}), "app-x-repartition"},
		"own foreign-key join":           {reading(group.Group{Kind: group.Classic}, at{part("app-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000006-topic", 0): "1"}), "FK-JOIN"},
		"a share group":                  {reading(group.Group{Kind: group.Share}, at{part("app-x-repartition", 0): "1"}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := streamsEvidence(tc.reading); got == "" != (tc.why == "") || !strings.Contains(got, tc.why) {
				t.Errorf("evidence %q, want %q", got, tc.why)
			}
		})
	}
}

func TestInternalNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"app-counts-changelog": "changelog", "app-KSTREAM-AGGREGATE-STATE-STORE-0000000008-changelog": "changelog",
		"app-by-city-repartition": "repartition", "app-x-subscription-registration-topic": "repartition",
		"app-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000014-topic": "repartition",
		"app-changelog": "", "app-repartition": "", "application-counts-changelog": "", "counts-changelog": "", "app": "", "app-changelog-x": "",
	} {
		changelog, repartition := internalTo("app", name)
		got := map[[2]bool]string{{true, false}: "changelog", {false, true}: "repartition", {false, false}: ""}[[2]bool{changelog, repartition}]
		if got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestStreamsMetadata(t *testing.T) {
	t.Parallel()
	encode := func(version byte, at int64, more ...byte) string {
		raw := binary.BigEndian.AppendUint64([]byte{version}, uint64(at))
		return base64.StdEncoding.EncodeToString(append(raw, more...))
	}
	withKey := []byte{0, 0, 0, 1, 0, 0, 0, 2, 'k', '1', 0, 0, 0, 0, 0, 0, 0, 9}
	for name, tc := range map[string]struct {
		metadata string
		want     bool
	}{
		"as 4.3.1 writes it":     {streamsMeta, true},
		"version 1":              {encode(1, 1_700_000_000_000), true},
		"no record yet":          {encode(2, -1), true},
		"what processors add":    {encode(2, 5, withKey...), true},
		"cut off":                {encode(2, 5, withKey[:9]...), false},
		"something behind":       {encode(2, 5, append(slices.Clone(withKey), 0)...), false},
		"a count without keys":   {encode(2, 5, 0x7f, 0xff, 0xff, 0xff), false},
		"version 1 and more":     {encode(1, 5, 1), false},
		"another version":        {encode(3, 5), false},
		"a time that cannot be":  {encode(2, -2), false},
		"far in the future":      {encode(2, 1<<60), false},
		"empty":                  {"", false},
		"text":                   {"hello world, no base64", false},
		"a parallel consumer's":  {"bAAIAg==", false},
		"too short to be one":    {base64.StdEncoding.EncodeToString([]byte{2, 0, 0}), false},
		"base64 of other things": {base64.StdEncoding.EncodeToString([]byte("checkpoint")), false},
	} {
		if got := streamsTime(tc.metadata); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func FuzzStreamsMetadata(f *testing.F) {
	f.Add(streamsMeta)
	f.Add("")
	f.Add("AgAAAaH+oGyPAAAAAQAAAAJrMQAAAAAAAAAJ")
	f.Fuzz(func(t *testing.T, metadata string) {
		if !streamsTime(metadata) {
			return
		}
		raw, err := base64.StdEncoding.DecodeString(metadata)
		if err != nil || len(raw) < 9 {
			t.Errorf("%q is taken for metadata of Kafka Streams", metadata)
		}
		if _, _, parallel := doneAhead(metadata); parallel {
			t.Errorf("%q is taken for that of a parallel consumer too", metadata)
		}
	})
}

// The topology that a group of KIP-1071 tells counts besides names.
func TestStreamsGroupTellsItsTopology(t *testing.T) {
	t.Parallel()
	w := counter(t)
	w.create(w.source, "odd-name-changelog", 1)
	in := w.input()
	only("app")(&in)
	in.From.Read = readFunc(func(ctx context.Context, names []string) (map[string]group.Reading, error) {
		out, err := w.source.Groups.Read(ctx, names)
		r := out["app"]
		r.Group.Kind, r.Group.Internal = group.Streams, []string{"app-counts-changelog", "odd-name-changelog"}
		out["app"] = r
		return out, err
	})
	p, err := Build(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(saidOf(p, ReasonStreams, "app"), "\n")
	if !strings.Contains(said, "warning: its changelog topic odd-name-changelog is not on the target") || !strings.Contains(said, "protocol of Kafka Streams") {
		t.Errorf("findings:\n%s", said)
	}
}
