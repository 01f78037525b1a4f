package store

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCheckKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxSegment)
	for _, tt := range []struct {
		name, key string
		ok        bool
	}{
		{"plain", "runs/20261121T114527Z-7f3a9c/journal/00000001.json", true},
		{"all characters", "azAZ09-_.=x", true},
		{"longest segment", long, true},
		{"longest key", strings.Join([]string{long, long, long, long, strings.Repeat("x", 60)}, "/"), true},
		{"too long", strings.Join([]string{long, long, long, long, strings.Repeat("x", 61)}, "/"), false},
		{"segment too long", long + "x", false},
		{"empty", "", false},
		{"absolute", "/a", false},
		{"ends in a slash", "a/", false},
		{"empty segment", "a//b", false},
		{"climbs", "a/../b", false},
		{"climbs at once", "..", false},
		{"here", "a/./b", false},
		{"hidden", "a/.tmp", false},
		{"trailing dot", "a./b", false},
		{"space", "a b", false},
		{"line feed", "a\nb", false},
		{"NUL", "a\x00b", false},
		{"backslash", `a\b`, false},
		{"drive", "c:/x", false},
		{"percent", "a%2fb", false},
		{"unicode", "grüße", false},
		{"not UTF-8", "a\xffb", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := CheckKey(tt.key); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrKey) {
				t.Errorf("CheckKey(%q) = %v, want ok %t", tt.key, err, tt.ok)
			}
		})
	}
}

func TestEscapeName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "orders-2", "orders-2"},
		{"empty", "", "="},
		{"upper case", "OrderProcessor", "_order_processor"},
		{"underscore", "order_processor", "order__processor"},
		{"inner dots", "prod.orders.v1", "prod.orders.v1"},
		{"hidden", ".hidden", "=2ehidden"},
		{"trailing dot", "dot.", "dot=2e"},
		{"here", ".", "=2e"},
		{"climbs", "../../etc/passwd", "=2e=2e=2f.=2e=2fetc=2fpasswd"},
		{"slash", "a/b", "a=2fb"},
		{"space", "a b", "a=20b"},
		{"equals sign", "a=b", "a=3db"},
		{"percent", "a%2fb", "a=252fb"},
		{"unicode", "grüße", "gr=c3=bc=c3=9fe"},
		{"not UTF-8", "\xff\x00", "=ff=00"},
		{"device", "con", "=63on"},
		{"device with extension", "nul.txt", "=6eul.txt"},
		{"device with number", "com1", "=63om1"},
		{"no device", "com10", "com10"},
		{"upper case device", "CON", "_c_o_n"},
		{"exactly one segment", strings.Repeat("x", 200), strings.Repeat("x", 200)},
		{"two segments", strings.Repeat("x", 201), strings.Repeat("x", 200) + "=/x"},
		{"dot after the split", strings.Repeat("x", 200) + ".y", strings.Repeat("x", 200) + "=/=2ey"},
		{"no torn escape", strings.Repeat("x", 199) + "Ab", strings.Repeat("x", 199) + "=/_ab"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := EscapeName(tt.in)
			if got != tt.want {
				t.Errorf("EscapeName(%q) = %q, want %q", tt.in, got, tt.want)
			}
			if err := CheckKey("snapshots/" + got + "/x.json"); err != nil {
				t.Error(err)
			}
			if back, err := UnescapeName(got); err != nil || back != tt.in {
				t.Errorf("UnescapeName(%q) = %q, %v, want %q", got, back, err, tt.in)
			}
		})
	}
}

func TestUnescapeNameRefuses(t *testing.T) {
	t.Parallel()
	for _, escaped := range []string{
		"", "Upper", "a_", "a=", "a=2", "a=zz", "a=2F", "=61", "a b", "a/b", "a=/b", ".a", "a.", "a..b", "con", "_1", "_=41", "a=2e.b",
	} {
		if name, err := UnescapeName(escaped); !errors.Is(err, ErrKey) {
			t.Errorf("UnescapeName(%q) = %q, %v, want an error", escaped, name, err)
		}
	}
}

// TestEscapeNameProperties: any two names differ where case is ignored, come
// back as they were, and stay inside their folder.
func TestEscapeNameProperties(t *testing.T) {
	t.Parallel()
	// Hostile characters are frequent.
	char := rapid.OneOf(rapid.SampledFrom([]byte("./\\=_- aAzZ\x00\xff%:cCoOnN")), rapid.Byte())
	name := rapid.Map(rapid.SliceOfN(char, 0, 300), func(b []byte) string { return string(b) })
	rapid.Check(t, func(t *rapid.T) {
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		ea, eb := EscapeName(a), EscapeName(b)
		if ea != strings.ToLower(ea) {
			t.Errorf("%q has upper case", ea)
		}
		if a != b && ea == eb {
			t.Errorf("%q and %q are both %q", a, b, ea)
		}
		if back, err := UnescapeName(ea); err != nil || back != a {
			t.Errorf("%q came back as %q, %v", a, back, err)
		}
		for segment := range strings.SplitSeq(ea, "/") {
			if err := checkSegment(segment); err != nil {
				t.Errorf("%q: %v", ea, err)
			}
		}
		// One name's folder is never inside that of another.
		if a != b && (strings.HasPrefix(ea+"/", eb+"/") || strings.HasPrefix(eb+"/", ea+"/")) {
			t.Errorf("%q is a folder of %q", ea, eb)
		}
	})
}

func FuzzUnescapeName(f *testing.F) {
	for _, s := range []string{"=", "_a", "=2e", "a=/b", "con", strings.Repeat("x", 200) + "=/y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		name, err := UnescapeName(escaped)
		if err == nil && EscapeName(name) != escaped {
			t.Errorf("%q and %q are both %q", escaped, EscapeName(name), name)
		}
		if back, err := UnescapeName(EscapeName(escaped)); err != nil || back != escaped {
			t.Errorf("%q came back as %q, %v", escaped, back, err)
		}
	})
}
