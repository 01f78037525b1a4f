package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"plain":           {"order-processor", "order-processor"},
		"other scripts":   {"заказы-注文", "заказы-注文"},
		"escape":          {"a\x1b[2Jb", `a\x1b[2Jb`},
		"line feed":       {"a\nb", `a\nb`},
		"not UTF-8":       {"a\xff\x00", `a\xff\x00`},
		"right to left":   {"a\u202eb", `a\u202eb`},
		"line separator":  {"a\u2028b", `a\u2028b`},
		"C1 control":      {"a\u009bb", `a\u009bb`},
		"replacement":     {"a\ufffdb", "a\ufffdb"},
		"joined emoji ok": {"👩\u200d🔧", "👩\u200d🔧"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, clean(c.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTableAligns(t *testing.T) {
	t.Parallel()
	tab := newTable(false, "GROUP", "LAG>", "STATE")
	tab.row("order-processor", "2", "Empty")
	tab.row("注文", "10000", "")
	tab.row("e\u0301te", "?", "Stable")
	var out bytes.Buffer
	if err := tab.write(&out); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"GROUP              LAG  STATE",
		"order-processor      2  Empty",
		"注文             10000",
		"e\u0301te                  ?  Stable",
		"",
	}, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestColourDoesNotShiftColumns(t *testing.T) {
	t.Parallel()
	build := func(p paint) string {
		tab := newTable(p, "A", "N>", "Z")
		tab.cells(cell{"held", p.yellow}, cell{"7", p.red}, cell{"x", p.green})
		tab.row("exact", "123456", "y")
		var out bytes.Buffer
		if err := tab.write(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	coloured := build(true)
	if !strings.Contains(coloured, "\x1b[33m") {
		t.Errorf("no colour in %q", coloured)
	}
	plain := coloured
	for _, code := range []string{"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"} {
		plain = strings.ReplaceAll(plain, code, "")
	}
	if diff := cmp.Diff(build(false), plain); diff != "" {
		t.Error(diff)
	}
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		near []string
		want string
	}{
		"none":  {nil, ""},
		"one":   {[]string{"a"}, "did you mean a?"},
		"three": {[]string{"a", "b\n", "c"}, `did you mean a, b\n or c?`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, didYouMean(c.near)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
