package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type testBody struct {
	Text   string `json:"text"`
	Number int64  `json:"number"`
}

func mustEncode(t *testing.T, format string, version int, body any) []byte {
	t.Helper()
	data, err := Encode(format, version, body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]any{
		"envelope": testBody{Text: "<a> & \"b\" \u2028 grüße \x00 \ufffd", Number: 1<<63 - 1},
		"probe":    probeBody{Put: 1},
	} {
		format := map[string]string{"envelope": "kferry-test", "probe": formatProbe}[name]
		got := mustEncode(t, format, 1, body)
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s changed, so old readers cannot read it (-golden +now):\n%s", path, diff)
		}
	}
}

func TestDecodeRoundTrip(t *testing.T) {
	t.Parallel()
	want := testBody{Text: "<a> & \"b\" \\ufffd \u2028 grüße \x00 \ufffd", Number: -1 << 63}
	var got testBody
	v, err := Decode(mustEncode(t, "kferry-test", 3, want), "k", "kferry-test", 5, &got)
	if err != nil || v != 3 {
		t.Fatalf("got version %d, %v", v, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]any{
		"a string that is not UTF-8": testBody{Text: "a\xffb"},
		"a name that is not UTF-8":   map[string]int{"\xc3\x28": 1},
		"raw bytes that are not":     map[string]json.RawMessage{"a": json.RawMessage("\"\xff\"")},
		"no object":                  []int{1},
		"nothing":                    nil,
		"what JSON has not":          map[string]any{"a": func() {}},
	} {
		if data, err := Encode("kferry-test", 1, body); err == nil {
			t.Errorf("%s was taken: %s", name, data)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := string(mustEncode(t, "kferry-test", 1, testBody{Text: "abc", Number: 7}))
	replace := func(from, to string) string {
		t.Helper()
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not in %q", from, good)
		}
		return strings.Replace(good, from, to, 1)
	}
	for _, tt := range []struct {
		name, data string
		want       error
	}{
		{"empty", "", ErrTruncated},
		{"white space", " \n", ErrTruncated},
		{"no JSON", "hello", ErrMalformed},
		{"another JSON", `[1]`, ErrMalformed},
		{"other fields", `{"a":1}`, ErrMalformed},
		{"no fields", `{}`, ErrFormat},
		{"other format", replace("kferry-test", "kferry-best"), ErrFormat},
		{"newer version", replace(`"version":1`, `"version":2`), ErrVersion},
		{"version 0", replace(`"version":1`, `"version":0`), ErrMalformed},
		{"version as text", replace(`"version":1`, `"version":"1"`), ErrMalformed},
		{"changed number", replace(`"number":7`, `"number":8`), ErrChecksum},
		{"changed space", replace(`"number":7`, `"number": 7`), ErrChecksum},
		{"no checksum", replace(`"sha256"`, `"Xha256"`), ErrMalformed},
		{"upper-case checksum", replace(good[strings.Index(good, `256":"`)+6:][:64], strings.Repeat("A", 64)), ErrChecksum},
		{"something after it", good + "x", ErrMalformed},
		{"twice", good + good, ErrMalformed},
		{"body is a list", `{"format":"kferry-test","version":1,"sha256":"","body":[]}`, ErrMalformed},
		{"body is missing", `{"format":"kferry-test","version":1,"sha256":""}`, ErrMalformed},
		{"not UTF-8", replace("abc", "a\xffc"), ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var body testBody
			_, err := Decode([]byte(tt.data), "some/key", "kferry-test", 1, &body)
			var formatErr *FormatError
			if !errors.Is(err, tt.want) || !errors.As(err, &formatErr) {
				t.Fatalf("got error %v, want %v", err, tt.want)
			}
			if formatErr.Key != "some/key" || formatErr.Want == "" || formatErr.Got == "" || formatErr.Hint == "" {
				t.Errorf("the error says too little: %+v", formatErr)
			}
			if diff := cmp.Diff(testBody{}, body); diff != "" {
				t.Errorf("the body was decoded all the same: %s", diff)
			}
		})
	}
	t.Run("wrong type in the body", func(t *testing.T) {
		t.Parallel()
		data := mustEncode(t, "kferry-test", 1, map[string]string{"number": "seven"})
		var body testBody
		if _, err := Decode(data, "k", "kferry-test", 1, &body); !errors.Is(err, ErrMalformed) {
			t.Errorf("got error %v", err)
		}
	})
}

// TestDecodeDamage: no cut and no changed byte goes unnoticed, unless it leaves
// the same body.
func TestDecodeDamage(t *testing.T) {
	t.Parallel()
	want := testBody{Text: "abc", Number: 7}
	good := mustEncode(t, "kferry-test", 1, want)
	for n := range len(good) - 1 { // the last byte is the line feed
		var body testBody
		if _, err := Decode(good[:n], "k", "kferry-test", 1, &body); !errors.Is(err, ErrTruncated) {
			t.Errorf("cut at %d: got error %v", n, err)
		}
	}
	for i := range good {
		for bit := range 8 {
			damaged := bytes.Clone(good)
			damaged[i] ^= 1 << bit
			var body testBody
			if _, err := Decode(damaged, "k", "kferry-test", 1, &body); err == nil && body != want {
				t.Errorf("bit %d of byte %d: read %+v", bit, i, body)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range []any{testBody{Text: "x"}, map[string]any{"a": []int{1}}, struct{}{}} {
		data, err := Encode("kferry-test", 1, body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"format":"kferry-test","version":1,"body":{},"sha256":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var body json.RawMessage
		v, err := Decode(data, "k", "kferry-test", 1, &body)
		if err != nil {
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("%v is no *FormatError", err)
			}
			return
		}
		if v != 1 || !bytes.Contains(data, body) {
			t.Fatalf("version %d, body %s", v, body)
		}
	})
}
