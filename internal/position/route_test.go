package position_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

func route(t *testing.T, opts position.RouteOptions) *position.Route {
	t.Helper()
	r, err := position.NewRoute(opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func split(from, to string, topics ...string) position.GroupRule {
	return position.GroupRule{Rename: position.Rename{From: from, To: to}, Topics: topics}
}

func key(group, name string, partition int32) position.Key {
	return position.Key{Group: group, Partition: topic.Partition{Topic: name, Partition: partition}}
}

func TestRouteNames(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		maps []string
		want map[string]string
	}{
		"nothing":          {nil, map[string]string{"a": "a", "": ""}},
		"exact":            {[]string{"a=b"}, map[string]string{"a": "b", "b": "b", "aa": "aa"}},
		"star":             {[]string{"prod.*=qa.*"}, map[string]string{"prod.a": "qa.a", "prod.": "qa.", "prod": "prod", "x.prod.a": "x.prod.a"}},
		"star carries all": {[]string{"*=qa.*"}, map[string]string{"a": "qa.a", "a*b": "qa.a*b"}},
		"star in between":  {[]string{"a-*-z=*"}, map[string]string{"a-m-z": "m", "a-z": "a-z"}},
		"exact first":      {[]string{"*=x*", "a*=y*", "abc=z"}, map[string]string{"abc": "z", "abd": "ybd", "b": "xb"}},
		"longest literal":  {[]string{"a*=1*", "ab*=2*", "*bcd=3*"}, map[string]string{"abx": "2x", "axx": "1xx", "abcd": "3a"}},
		"of equals before": {[]string{"*cd=1*", "ab*=2*"}, map[string]string{"abcd": "2cd"}},
		"to itself":        {[]string{"*=qa.*", "a=a"}, map[string]string{"a": "a", "b": "qa.b"}},
		"swap":             {[]string{"a=b", "b=a"}, map[string]string{"a": "b", "b": "a"}},
		"escapes":          {[]string{`a\=b=c\*d`, `x\\y=z=z`}, map[string]string{"a=b": "c*d", `x\y`: "z=z"}},
		"same twice":       {[]string{"a=b", "a=b"}, map[string]string{"a": "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := route(t, position.RouteOptions{MapTopics: tc.maps, MapGroups: tc.maps})
			for source, want := range tc.want {
				if got := r.Topic(source); got != want {
					t.Errorf("topic %q: got %q, want %q", source, got, want)
				}
				if got := r.Group(source); got != want {
					t.Errorf("group %q: got %q, want %q", source, got, want)
				}
				if got, ok := r.GroupFor(source, "any"); got != want || !ok {
					t.Errorf("group %q of a topic: got %q, %v, want %q", source, got, ok, want)
				}
			}
		})
	}
}

func TestRouteProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts position.RouteOptions
		want string
	}{
		"no equals":        {position.RouteOptions{MapTopics: []string{"a"}}, `--map-topic "a": there is no '='`},
		"escaped equals":   {position.RouteOptions{MapTopics: []string{`a\=b`}}, "there is no '='"},
		"empty source":     {position.RouteOptions{MapTopics: []string{"=b"}}, "source side: a name is empty"},
		"empty target":     {position.RouteOptions{MapGroups: []string{"a="}}, "target side: a name is empty"},
		"two stars":        {position.RouteOptions{MapTopics: []string{"a*b*=c*"}}, "one '*' on each side"},
		"star on one side": {position.RouteOptions{MapTopics: []string{"a*=b"}}, "only the source side has a '*'"},
		"on the other":     {position.RouteOptions{MapTopics: []string{"a=b*"}}, "only the target side has a '*'"},
		"stray escape":     {position.RouteOptions{MapGroups: []string{`DOMAIN\app=app`}}, `itself written '\\'`},
		"open escape":      {position.RouteOptions{MapGroups: []string{`a=b\`}}, "nothing follows"},
		"contradiction":    {position.RouteOptions{MapTopics: []string{"a=b", "a=c"}}, `--map-topic "a=b" sends the same name elsewhere`},
		"flag and file":    {position.RouteOptions{MapTopics: []string{"a*=b*"}, Topics: []position.Rename{{From: "a*", To: "c*"}}}, `topics[0] "a*=c*": --map-topic "a*=b*" sends`},
		"escaped alike":    {position.RouteOptions{MapTopics: []string{`a\=b=x`}, Topics: []position.Rename{{From: "a=b", To: "y"}}}, "sends the same name elsewhere"},
		"group twice":      {position.RouteOptions{Groups: []position.GroupRule{split("a", "b"), split("a", "c")}}, `groups[1] "a=c": groups[0] "a=b" sends the same group elsewhere`},
		"all and some":     {position.RouteOptions{MapGroups: []string{"a=b"}, Groups: []position.GroupRule{split("a", "c", "t")}}, "sends the same group elsewhere"},
		"bad glob":         {position.RouteOptions{Groups: []position.GroupRule{split("a", "c", "t", "[")}}, `groups[0].topics[1] "["`},
		"bad leave":        {position.RouteOptions{Leave: []string{"["}}, `leave[0] "["`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := position.NewRoute(tc.opts)
			var bad *position.PatternError
			if r != nil || !errors.As(err, &bad) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v; want %q", err, tc.want)
			}
		})
	}
}

func TestRouteSplit(t *testing.T) {
	t.Parallel()
	r := route(t, position.RouteOptions{
		Groups: []position.GroupRule{split("OLD", "NEW1", "a", "b*"), split("OLD", "NEW2", "c", "x*"), split("OLD", "NEW3", "xy")},
		Leave:  []string{"left", "both", "b9"},
	})
	for name, want := range map[string]string{"a": "NEW1", "bcd": "NEW1", "c": "NEW2", "left": "", "d": "", "xy": "", "b9": ""} {
		got, ok := r.GroupFor("OLD", name)
		if got != want || ok != (want != "") {
			t.Errorf("topic %q: got %q, %v", name, got, ok)
		}
	}
	if got := r.Group("OLD"); got != "" {
		t.Errorf("a group that is split has the one name %q", got)
	}
	if diff := cmp.Diff([]string{"NEW1", "NEW2", "NEW3"}, r.Targets("OLD")); diff != "" {
		t.Error(diff)
	}
	if got, ok := r.GroupFor("OTHER", "d"); got != "OTHER" || !ok {
		t.Errorf("another group: %q, %v", got, ok)
	}
	err := r.Check([]position.Key{key("OLD", "d", 1), key("OLD", "a", 0), key("OLD", "d", 0), key("OLD", "xy", 0), key("OLD", "left", 0), key("OLD", "b9", 0)})
	var bad *position.RouteError
	if !errors.As(err, &bad) {
		t.Fatalf("got %v", err)
	}
	want := []position.RouteProblem{
		{Kind: position.Doubled, Sources: []string{"OLD"}, Topic: "b9", Targets: []string{`group "NEW1"`, "left behind"}},
		{Kind: position.Forgotten, Sources: []string{"OLD"}, Topic: "d"},
		{Kind: position.Doubled, Sources: []string{"OLD"}, Topic: "xy", Targets: []string{`group "NEW2"`, `group "NEW3"`}},
	}
	if diff := cmp.Diff(want, bad.Problems); diff != "" {
		t.Error(diff)
	}
	text := `topic "b9" of group "OLD" goes to more than one place: group "NEW1", left behind
topic "d" of group "OLD" goes to no group: give it to one, or list it under leave
topic "xy" of group "OLD" goes to more than one place: group "NEW2", group "NEW3"`
	if diff := cmp.Diff(text, err.Error()); diff != "" {
		t.Error(diff)
	}
	if err := r.Check([]position.Key{key("OLD", "a", 0), key("OLD", "c", 3), key("OLD", "left", 0)}); err != nil {
		t.Error(err)
	}
}

func TestRouteLeaveAppliesToEveryGroup(t *testing.T) {
	t.Parallel()
	r := route(t, position.RouteOptions{MapGroups: []string{"a=b"}, Leave: []string{"audit*"}})
	if err := r.Check([]position.Key{key("a", "audit-1", 0), key("c", "audit-1", 0), key("a", "t", 0)}); err != nil {
		t.Error(err)
	}
	for _, group := range []string{"a", "c"} {
		if to, ok := r.GroupFor(group, "audit-1"); ok {
			t.Errorf("group %q takes it to %q", group, to)
		}
	}
}

func TestRouteCollisions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts position.RouteOptions
		keys []position.Key
		want string // "" is no problem
	}{
		"none": {
			position.RouteOptions{MapTopics: []string{"prod.*=qa.*"}},
			[]position.Key{key("g", "prod.a", 0), key("g", "a", 0)},
			"",
		},
		"two topics": {
			position.RouteOptions{MapTopics: []string{"a=c", "b=c"}},
			[]position.Key{key("g", "a", 0), key("g", "b", 1)},
			`topics "a" and "b" would both be "c" on the target`,
		},
		"mapped onto one that stays": {
			position.RouteOptions{MapTopics: []string{"prod.*=qa.*"}},
			[]position.Key{key("g", "prod.a", 0), key("h", "qa.a", 0)},
			`topics "prod.a" and "qa.a" would both be "qa.a"`,
		},
		"topic left behind": {
			position.RouteOptions{MapTopics: []string{"a=c", "b=c"}, Leave: []string{"b"}},
			[]position.Key{key("g", "a", 0), key("g", "b", 1)},
			"",
		},
		"groups on one partition": {
			position.RouteOptions{MapGroups: []string{"a=c", "b=c"}},
			[]position.Key{key("a", "t", 0), key("b", "t", 0)},
			`groups "a" and "b" would both be "c" on the target, and both have a position on t/0`,
		},
		"groups on other partitions": {
			position.RouteOptions{MapGroups: []string{"a=c", "b=c"}},
			[]position.Key{key("a", "t", 0), key("b", "t", 1)},
			"",
		},
		"groups on other topics": {
			position.RouteOptions{Groups: []position.GroupRule{split("a", "c", "t"), split("b", "c", "u")}},
			[]position.Key{key("a", "t", 0), key("b", "u", 0)},
			"",
		},
		"group onto one that stays": {
			position.RouteOptions{MapGroups: []string{"a=b"}},
			[]position.Key{key("a", "t", 0), key("b", "t", 0)},
			`groups "a" and "b" would both be "b"`,
		},
		"swap": {
			position.RouteOptions{MapGroups: []string{"a=b", "b=a"}, MapTopics: []string{"t=u", "u=t"}},
			[]position.Key{key("a", "t", 0), key("b", "t", 0), key("a", "u", 0)},
			"",
		},
		"no topic has this name": {
			position.RouteOptions{MapTopics: []string{"a*=*"}},
			[]position.Key{key("g", "a", 0)},
			`"a" would be "" on the target, which cannot be a name`,
		},
		"nor this one": {
			position.RouteOptions{MapTopics: []string{"a=b c"}},
			[]position.Key{key("g", "a", 0)},
			`"a" would be "b c" on the target`,
		},
		"no group has this name": {
			position.RouteOptions{MapGroups: []string{"a*=*"}},
			[]position.Key{key("a", "t", 0)},
			`"a" would be "" on the target`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := route(t, tc.opts).Check(tc.keys)
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v; want %s", err, tc.want)
			}
		})
	}
	if err := route(t, position.RouteOptions{MapTopics: []string{"a=b"}}).CheckTopics([]string{"b", "a", "a"}); err == nil {
		t.Error("no collision of topics")
	}
}

func TestRouteBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		maps         []string
		target, want string // want "" is ambiguous
	}{
		"exact":           {[]string{"orders-prod=orders-qa"}, "orders-qa", "orders-prod"},
		"not mapped":      {[]string{"orders-prod=orders-qa"}, "x", "x"},
		"star":            {[]string{"prod.*=qa.*"}, "qa.a", "prod.a"},
		"two sources":     {[]string{"a=c", "b=c"}, "c", ""},
		"overruled":       {[]string{"prod.*=qa.*", "prod.a=z"}, "qa.a", "qa.a"},
		"exact and star":  {[]string{"prod.*=qa.*", "x=qa.a"}, "qa.a", ""},
		"swap":            {[]string{"a=b", "b=a"}, "a", "b"},
		"identity is one": {[]string{"*=*", "a=b"}, "b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := route(t, position.RouteOptions{MapTopics: tc.maps}).TopicBack(tc.target)
			var ambiguous *position.AmbiguousError
			if got != tc.want || errors.As(err, &ambiguous) != (tc.want == "") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestRouteSides(t *testing.T) {
	t.Parallel()
	only := func(names ...string) func(string) bool {
		return func(n string) bool { return strings.Contains(","+strings.Join(names, ",")+",", ","+n+",") }
	}
	for name, tc := range map[string]struct {
		maps           []string
		name           string
		known          position.Known
		source, target string // "" is ambiguous
	}{
		"not mapped":          {name: "t", source: "t", target: "t"},
		"source name":         {maps: []string{"p=q"}, name: "p", source: "p", target: "q"},
		"target name":         {maps: []string{"p=q"}, name: "q", source: "p", target: "q"},
		"chain":               {maps: []string{"a=b", "b=c"}, name: "b"},
		"chain, source known": {maps: []string{"a=b", "b=c"}, name: "b", known: position.Known{Source: only("a")}, source: "a", target: "b"},
		"chain, both known":   {maps: []string{"a=b", "b=c"}, name: "b", known: position.Known{Source: only("a", "b"), Target: only("b", "c")}},
		"prefix, source":      {maps: []string{"*=qa.*"}, name: "t", source: "t", target: "qa.t"},
		"prefix, target":      {maps: []string{"*=qa.*"}, name: "qa.t", known: position.Known{Target: only("qa.t")}, source: "t", target: "qa.t"},
		"prefix, unknown":     {maps: []string{"*=qa.*"}, name: "qa.t"},
		"known does not fit":  {maps: []string{"p=q"}, name: "q", known: position.Known{Source: only("x")}, source: "p", target: "q"},
		"mapped to itself":    {maps: []string{"a=a", "b=a"}, name: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, target, err := route(t, position.RouteOptions{MapTopics: tc.maps}).Sides(tc.name, tc.known)
			var ambiguous *position.AmbiguousError
			if source != tc.source || target != tc.target || errors.As(err, &ambiguous) != (tc.source == "") {
				t.Errorf("got %q, %q, %v", source, target, err)
			}
		})
	}
}

func TestNilRouteKeepsNames(t *testing.T) {
	t.Parallel()
	var r *position.Route
	if got, ok := r.Partition(key("g", "t", 3)); got != key("g", "t", 3) || !ok {
		t.Errorf("got %v, %v", got, ok)
	}
	back, err := r.TopicBack("t")
	source, target, errSides := r.Sides("t", position.Known{})
	if back != "t" || source != "t" || target != "t" || r.Group("g") != "g" || err != nil || errSides != nil || r.Check([]position.Key{key("g", "t", 0)}) != nil {
		t.Error("a nil route changes something")
	}
}

// What a route leads to leads back, or says that it does not know.
func TestRouteBackIsTheInverse(t *testing.T) {
	t.Parallel()
	name := rapid.StringMatching(`[ab.]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		var opts position.RouteOptions
		for range rapid.IntRange(0, 4).Draw(t, "mappings") {
			from, to := name.Draw(t, "from"), name.Draw(t, "to")
			if rapid.Bool().Draw(t, "star") {
				from, to = from+"*"+name.Draw(t, "after"), to+"*"+name.Draw(t, "after")
			}
			opts.Topics = append(opts.Topics, position.Rename{From: from, To: to})
		}
		r, err := position.NewRoute(opts)
		if err != nil {
			return // a name was empty, or two mappings contradict each other
		}
		source := name.Filter(func(s string) bool { return s != "" }).Draw(t, "source")
		target := r.Topic(source)
		back, err := r.TopicBack(target)
		if err != nil || target == "" {
			return
		}
		if r.Topic(back) != target && back != target {
			t.Fatalf("%q leads to %q, and back to %q", source, target, back)
		}
		if target != source && back != source {
			t.Fatalf("%q leads to %q, and back to %q only", source, target, back)
		}
	})
}
