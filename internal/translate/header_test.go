package translate

import (
	"encoding/binary"
	"strconv"
	"testing"
)

func TestRecogniseEncoding(t *testing.T) {
	t.Parallel()
	be := func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
	le := func(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }
	text := func(n int64) []byte { return []byte(strconv.FormatInt(n, 10)) }
	series := func(enc func(int64) []byte, hs ...int64) []sample {
		var out []sample
		for i, h := range hs {
			out = append(out, sample{pos: int64(i), value: enc(h)})
		}
		return out
	}
	tests := []struct {
		name    string
		samples []sample
		highest int64
		known   Encoding
		want    Encoding
		ok      bool
	}{
		{"text", series(text, 0, 1, 2), -1, "", EncodingDecimal, true},
		{"text of eight digits", series(text, 12345678, 12345679), -1, "", EncodingDecimal, true},
		{"big-endian", series(be, 0, 1, 2), -1, "", EncodingBig, true},
		{"little-endian", series(le, 0, 1, 2), -1, "", EncodingLittle, true},
		{"big-endian, one large", series(be, 1<<40+5), -1, "", EncodingBig, true},
		{"big-endian within the source", series(be, 77), 100, "", EncodingBig, true},
		{"all zero, nothing known", series(be, 0), -1, "", EncodingBig, true},
		{"reads both ways, nothing known", series(be, 1<<40), -1, "", EncodingAuto, false},
		{"all zero, mover known", series(be, 0), -1, EncodingLittle, EncodingLittle, true},
		{"reads both ways, one apart decides", series(le, 256, 257, 258), -1, "", EncodingLittle, true},
		{"words", []sample{{0, []byte("abc")}}, -1, "", EncodingAuto, false},
		{"null", []sample{{0, nil}}, -1, "", EncodingAuto, false},
		{"mixed", []sample{{0, text(1)}, {1, be(2)}}, -1, "", EncodingAuto, false},
		{"none", nil, -1, "", EncodingAuto, false},
		{"negative text", []sample{{0, []byte("-1")}}, -1, "", EncodingAuto, false},
		{"too large", []sample{{0, []byte("9223372036854775808")}}, -1, "", EncodingAuto, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _, ok := recogniseEncoding(tt.samples, tt.highest, tt.known)
			if got != tt.want || ok != tt.ok {
				t.Errorf("got %q %v, want %q %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestParseHeader(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, name string
		enc      Encoding
		bad      bool
	}{
		{in: "x", name: "x"},
		{in: "x:decimal", name: "x", enc: EncodingDecimal},
		{in: "a:b:int64le", name: "a:b", enc: EncodingLittle},
		{in: "x:BE", name: "x", enc: EncodingBig},
		{in: "x:morse", bad: true},
		{in: ":decimal", bad: true},
		{in: "", bad: true},
	}
	for _, tt := range tests {
		name, enc, err := ParseHeader(tt.in)
		if (err != nil) != tt.bad || name != tt.name || enc != tt.enc {
			t.Errorf("%q: got %q %q %v", tt.in, name, enc, err)
		}
	}
}

func FuzzDecodeOffset(f *testing.F) {
	f.Add([]byte("103"), 0)
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 103}, 1)
	f.Fuzz(func(t *testing.T, v []byte, e int) {
		encs := []Encoding{EncodingDecimal, EncodingBig, EncodingLittle}
		enc := encs[uint(e)%3]
		n, ok := decodeOffset(v, enc)
		if !ok {
			return
		}
		if n < 0 {
			t.Fatalf("%q as %s is %d", v, enc, n)
		}
		if enc == EncodingDecimal {
			if back, err := strconv.ParseInt(string(v), 10, 64); err != nil || back != n {
				t.Fatalf("%q is %d", v, n)
			}
		}
	})
}
