package cli

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitWords(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		text string
		want []string
		err  error
	}{
		"nothing":             {"", nil, nil},
		"blanks only":         {" \t ", nil, nil},
		"words":               {" deploy  stop\tapp ", []string{"deploy", "stop", "app"}, nil},
		"single quotes":       {`a 'b c' d`, []string{"a", "b c", "d"}, nil},
		"double quotes":       {`a "b 'c' d"`, []string{"a", "b 'c' d"}, nil},
		"quotes in a word":    {`--name="my app"x`, []string{"--name=my appx"}, nil},
		"empty words":         {`a '' ""`, []string{"a", "", ""}, nil},
		"backslash":           {`a\ b \'`, []string{"a b", "'"}, nil},
		"backslash quoted":    {`"a\"b\c" 'd\e'`, []string{`a"b\c`, `d\e`}, nil},
		"nothing is expanded": {"echo $HOME *", []string{"echo", "$HOME", "*"}, nil},
		"line continued":      {"a\\\nb", []string{"ab"}, nil},
		"open quote":          {`a 'b`, nil, errOpenQuote},
		"open double quote":   {`"`, nil, errOpenQuote},
		"backslash at end":    {`a \`, nil, errLastSlash},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := splitWords(tc.text)
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("words (-want +got):\n%s", diff)
			}
		})
	}
}

// Words that are quoted for a shell come back as they were.
func FuzzSplitWords(f *testing.F) {
	f.Add("a", "b c")
	f.Add("'", "\"\\")
	f.Add("", "\n$x*")
	f.Fuzz(func(t *testing.T, a, b string) {
		got, err := splitWords(quoteArgs([]string{a, b}))
		if err != nil {
			t.Fatalf("splitting %q and %q as quoted: %v", a, b, err)
		}
		if diff := cmp.Diff([]string{a, b}, got); diff != "" {
			t.Errorf("words (-want +got):\n%s", diff)
		}
		if _, err := splitWords(a); err != nil && !errors.Is(err, errOpenQuote) && !errors.Is(err, errLastSlash) {
			t.Errorf("splitting %q: %v", a, err)
		}
	})
}
