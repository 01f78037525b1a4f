package script

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// hostile are names that break scripts which only look quoted.
var hostile = []string{
	"orders", "", " ", "a b", " lead and trail ", "it's", `say "hi"`, "$HOME", "$(touch x)", "`touch x`", `back\slash`, `\`, `\n`,
	"two\nlines", "\n", "ends\n", "\ttab", "--group", "-rf", "*", "?", "[a]", "{a,b}", "~", "#no", "!history", "a&&b", "a;b", "a|b", "<x", ">x",
	"$'x'", "'", "''", "%s%n", "\x1b[31mred", "\r", "café", "注文", "\u202eevil", "\xff\xfe", "a\x80b", "\x7f", "ROWS", "\x01f", "\x0abc", "=x", "a=b", "a,b", "ß'\\",
}

// bashPrints has real bash print each word with a NUL behind it. bash may be
// missing nowhere where these scripts are of use.
func bashPrints(t *testing.T, locale string, words ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "printf '%s\\0' "+strings.Join(words, " "))
	cmd.Env = []string{"LC_ALL=" + locale, "HOME=/home", "PATH=/nowhere"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("bash: %v: %s", err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func TestQuote(t *testing.T) {
	t.Parallel()
	var words []string
	for _, s := range hostile {
		w, err := Quote(s)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(w, "\n\r\t\x1b\u202e") {
			t.Errorf("%q is written as %q, which does not show as what it is", s, w)
		}
		words = append(words, w)
	}
	for _, locale := range []string{"C", "C.UTF-8"} {
		got := bashPrints(t, locale, words...)
		if len(got) != len(hostile) {
			t.Fatalf("%s: %d words came back of %d", locale, len(got), len(hostile))
		}
		for i, s := range hostile {
			if got[i] != s {
				t.Errorf("%s: %q came back as %q, written %s", locale, s, got[i], words[i])
			}
		}
	}
	if w, err := Quote("a\x00b"); err == nil {
		t.Errorf("a NUL was written as %s", w)
	}
}

func TestCommentStaysOnItsLine(t *testing.T) {
	t.Parallel()
	for _, s := range hostile {
		c := Comment(s)
		if strings.ContainsAny(c, "\n\r\x1b\u2028\u202e") {
			t.Errorf("%q as a comment is %q", s, c)
		}
	}
	if got := Comment("two\nlines\xff"); got != `two\nlines\xff` {
		t.Errorf("got %q", got)
	}
}

func FuzzQuote(f *testing.F) {
	for _, s := range hostile {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := Quote(string(b))
		if bytes.IndexByte(b, 0) >= 0 {
			if err == nil {
				t.Fatal("a NUL was written")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, locale := range []string{"C", "C.UTF-8"} {
			if got := bashPrints(t, locale, w, "'end'"); len(got) != 2 || got[0] != string(b) || got[1] != "end" {
				t.Fatalf("%s: %q came back as %q, written %s", locale, b, got, w)
			}
		}
	})
}
