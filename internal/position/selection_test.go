package position_test

import (
	"errors"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

func compile(t *testing.T, s position.Selector) *position.Selection {
	t.Helper()
	sel, err := s.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return sel
}

func TestSelectionNames(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sel     position.Selector
		in, out []string
	}{
		"nothing said":      {in: []string{"a", "", "x/y"}},
		"name":              {sel: position.Selector{Topics: []string{"orders"}}, in: []string{"orders"}, out: []string{"orders2", "my-orders", "Orders"}},
		"star":              {sel: position.Selector{Topics: []string{"prod.*"}}, in: []string{"prod.", "prod.a", "prod.a/b", "prod.a\nb"}, out: []string{"prod", "prodXa", "a.prod.b"}},
		"question mark":     {sel: position.Selector{Topics: []string{"a?c"}}, in: []string{"abc", "a/c", "aéc"}, out: []string{"ac", "abbc"}},
		"class":             {sel: position.Selector{Topics: []string{"t[0-3x]"}}, in: []string{"t0", "t3", "tx"}, out: []string{"t4", "t", "t-", "t01"}},
		"negated class":     {sel: position.Selector{Topics: []string{"t[^0-9]"}}, in: []string{"ta", "t/"}, out: []string{"t0", "t"}},
		"escapes":           {sel: position.Selector{Topics: []string{`a\*`, `[\]\-]`}}, in: []string{"a*", "]", "-"}, out: []string{"ab", `a\`, `\`}},
		"regex is anchored": {sel: position.Selector{TopicRegex: []string{"a|bc"}}, in: []string{"a", "bc"}, out: []string{"ab", "abc", "xbc"}},
		"regex and line":    {sel: position.Selector{TopicRegex: []string{"(?m)a$"}}, in: []string{"a"}, out: []string{"a\nb"}},
		"several":           {sel: position.Selector{Topics: []string{"a", "b*"}, TopicRegex: []string{"c+"}}, in: []string{"a", "bb", "cc"}, out: []string{"d"}},
		"exclusion wins":    {sel: position.Selector{Topics: []string{"a*"}, ExcludeTopics: []string{"ab*", "ac"}}, in: []string{"a", "ad"}, out: []string{"ab", "abc", "ac", "x"}},
		"exclusion alone":   {sel: position.Selector{ExcludeTopics: []string{"__*"}}, in: []string{"a"}, out: []string{"__consumer_offsets"}},
		"partitions":        {sel: position.Selector{Partitions: []string{"a:1"}}, in: []string{"a"}, out: []string{"b"}},
		"partitions add":    {sel: position.Selector{Topics: []string{"b*"}, Partitions: []string{"a:1"}}, in: []string{"a", "bc"}, out: []string{"c"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sel := compile(t, tc.sel)
			// The same rules hold for groups.
			groups := compile(t, position.Selector{Groups: tc.sel.Topics, ExcludeGroups: tc.sel.ExcludeTopics, GroupRegex: tc.sel.TopicRegex})
			for _, want := range []bool{true, false} {
				for _, n := range map[bool][]string{true: tc.in, false: tc.out}[want] {
					if got := sel.Topic(n); got != want {
						t.Errorf("topic %q: %v", n, got)
					}
					if got := groups.Group(n); got != want && tc.sel.Partitions == nil {
						t.Errorf("group %q: %v", n, got)
					}
				}
			}
		})
	}
}

func TestSelectionPartitions(t *testing.T) {
	t.Parallel()
	sel := compile(t, position.Selector{Topics: []string{"b*"}, ExcludeTopics: []string{"x"}, Partitions: []string{"a:0,4-7", "a:9", "x:0", "b1:3"}})
	var got []string
	for _, name := range []string{"a", "b1", "b2", "c", "x"} {
		for p := range int32(11) {
			if tp := (topic.Partition{Topic: name, Partition: p}); sel.Partition(tp) && (name != "b2" || p < 2) {
				got = append(got, tp.String())
			}
		}
	}
	if diff := cmp.Diff("a/0 a/4 a/5 a/6 a/7 a/9 b1/3 b2/0 b2/1", strings.Join(got, " ")); diff != "" {
		t.Error(diff)
	}
}

func TestSelectionUnmatched(t *testing.T) {
	t.Parallel()
	sel := compile(t, position.Selector{
		Groups: []string{"order-procesor", "a*", `lit\*eral`}, ExcludeGroups: []string{"z*"}, GroupRegex: []string{"a.*"},
		Topics: []string{"t"}, Partitions: []string{"p:0,5"},
	})
	if !sel.Group("abc") || sel.Group("other") {
		t.Error("wrong selection")
	}
	want := []position.Pattern{
		{Option: "--group", Text: "order-procesor", Literal: true, Name: "order-procesor"},
		{Option: "--group", Text: `lit\*eral`, Literal: true, Name: "lit*eral"},
		{Option: "--exclude-group", Text: "z*"},
	}
	if diff := cmp.Diff(want, sel.UnmatchedGroups()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"order-procesor", "lit*eral"}, sel.LiteralGroups()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"t", "p"}, sel.LiteralTopics()); diff != "" {
		t.Error(diff)
	}
	if sel.OnlyLiteralGroups() || !compile(t, position.Selector{Groups: []string{"a"}}).OnlyLiteralGroups() || compile(t, position.Selector{}).OnlyLiteralGroups() {
		t.Error("wrong judgement of literal groups")
	}
	sel.Partition(topic.Partition{Topic: "p", Partition: 5})
	sel.Topic("t")
	if diff := cmp.Diff([]position.Pattern{{Option: "--partition", Text: "p:0", Literal: true, Name: "p"}}, sel.UnmatchedTopics()); diff != "" {
		t.Error(diff)
	}
}

func TestNilSelectionHasEverything(t *testing.T) {
	t.Parallel()
	var sel *position.Selection
	if !sel.Group("g") || !sel.Topic("t") || !sel.Partition(topic.Partition{}) || sel.UnmatchedGroups() != nil ||
		sel.UnmatchedTopics() != nil || sel.LiteralGroups() != nil || sel.LiteralTopics() != nil || sel.OnlyLiteralGroups() {
		t.Error("a nil selection leaves something out")
	}
}

func TestSelectorProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sel  position.Selector
		want string
	}{
		"empty glob":       {position.Selector{Groups: []string{""}}, `--group "": the pattern is empty`},
		"open class":       {position.Selector{Topics: []string{"a[b"}}, "has no ']'"},
		"class at the end": {position.Selector{Topics: []string{"a["}}, "has no ']'"},
		"empty class":      {position.Selector{Topics: []string{"a[]"}}, "the class is empty"},
		"reversed range":   {position.Selector{Topics: []string{"[z-a]"}}, "the wrong way round"},
		"open range":       {position.Selector{Topics: []string{"[a-"}}, "has no end"},
		"open escape":      {position.Selector{Topics: []string{`a\`}}, "nothing follows"},
		"regex":            {position.Selector{GroupRegex: []string{"a("}}, `--group-regex "a("`},
		"regex that opens": {position.Selector{GroupRegex: []string{"a)(b"}}, `--group-regex "a)(b"`},
		"empty regex":      {position.Selector{TopicRegex: []string{""}}, "the expression is empty"},
		"no colon":         {position.Selector{Partitions: []string{"orders"}}, "there is no ':'"},
		"no topic":         {position.Selector{Partitions: []string{":1"}}, "the topic has no name"},
		"no partition":     {position.Selector{Partitions: []string{"a:"}}, "is no partition"},
		"negative":         {position.Selector{Partitions: []string{"a:-1"}}, "is no partition"},
		"overflow":         {position.Selector{Partitions: []string{"a:2147483648"}}, "is no partition"},
		"reversed":         {position.Selector{Partitions: []string{"a:3-1"}}, "the wrong way round"},
		"glob":             {position.Selector{Partitions: []string{"a*:1"}}, "no pattern"},
		"space":            {position.Selector{Partitions: []string{"a:0, 1"}}, "is no partition"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tc.sel.Compile()
			var bad *position.PatternError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v; want %q", err, tc.want)
			}
		})
	}
	_, err := position.Selector{Groups: []string{"", "["}, Partitions: []string{"x"}}.Compile()
	if got := strings.Count(err.Error(), "\n") + 1; got != 3 {
		t.Errorf("%d problems of 3: %v", got, err)
	}
}

func TestIsLiteral(t *testing.T) {
	t.Parallel()
	for glob, want := range map[string]bool{"a": true, `a\*`: true, "a*": false, "a?": false, "[a]": false, "": false, "a[": false} {
		if got := position.IsLiteral(glob); got != want {
			t.Errorf("%q: %v", glob, got)
		}
	}
}

// FuzzGlob compares with path.Match, which treats '/' otherwise and knows no
// newline difference.
func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{{"a*b?", "axbc"}, {"[a-c]x", "bx"}, {"[^a]", "b"}, {`\*`, "*"}, {"[", "["}, {"[a-]", "a"}, {"*é", "xé"}, {"[\\", "a"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, glob, name string) {
		// '/' for path.Match, bytes that are no characters for both.
		if strings.ContainsAny(glob+name, "/\uFFFD") || glob == "" || !utf8.ValidString(glob) || !utf8.ValidString(name) {
			return
		}
		want, wantErr := path.Match(glob, name)
		sel, err := position.Selector{Topics: []string{glob}}.Compile()
		if err != nil {
			if wantErr == nil && !strings.Contains(err.Error(), "wrong way round") {
				t.Errorf("refused %q: %v", glob, err)
			}
			return
		}
		if wantErr != nil {
			t.Errorf("accepted %q, path.Match does not", glob)
			return
		}
		if got := sel.Topic(name); got != want {
			t.Errorf("%q and %q: got %v, want %v", glob, name, got, want)
		}
	})
}
