package translate

import (
	"encoding/binary"
	"testing"
)

// TestFourByteOffsets: the four encodings of an offset do not take each other
// for themselves.
func TestFourByteOffsets(t *testing.T) {
	t.Parallel()
	be32 := func(n int64) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	for name, c := range map[string]struct {
		values  [][]byte
		highest int64
		known   Encoding
		want    Encoding
		ok      bool
	}{
		"four bytes":                          {values: [][]byte{be32(0), be32(1), be32(70000)}, highest: 100000, want: EncodingBig32, ok: true},
		"four digits in a short topic":        {values: [][]byte{[]byte("1000"), []byte("1001")}, highest: 5000, want: EncodingDecimal, ok: true},
		"four digits and nothing decides":     {values: [][]byte{[]byte("1000"), []byte("1001")}, highest: -1, want: EncodingDecimal, ok: true},
		"four digits of a known mover":        {values: [][]byte{[]byte("1000"), []byte("1001")}, highest: -1, known: EncodingDecimal, want: EncodingDecimal, ok: true},
		"four digits and one that was spoilt": {values: [][]byte{[]byte("1111"), []byte("12x4"), []byte("1113")}, highest: -1},
		"four bytes of which two are digits":  {values: [][]byte{be32(825308210), be32(825308211), be32(825308300), be32(825309000), be32(826000000)}, highest: -1, want: EncodingBig32, ok: true},
		"four bytes above the source's end":   {values: [][]byte{be32(70000)}, highest: 100},
		"negative":                            {values: [][]byte{{0xff, 0xff, 0xff, 0xff}}, highest: -1},
		"four and eight bytes in one header":  {values: [][]byte{be32(1), {0, 0, 0, 0, 0, 0, 0, 2}}, highest: 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var samples []sample
			for i, v := range c.values {
				samples = append(samples, sample{pos: int64(i), value: v})
			}
			got, _, ok := recogniseEncoding(samples, c.highest, c.known)
			if ok != c.ok || ok && got != c.want {
				t.Fatalf("recogniseEncoding = %q %v, want %q %v", got, ok, c.want, c.ok)
			}
		})
	}
	if n, ok := decodeOffset(be32(258), EncodingBig32); !ok || n != 258 {
		t.Fatalf("decodeOffset = %d %v, want 258", n, ok)
	}
	if name, enc, err := ParseHeader("k2k_offset:int32be"); err != nil || name != "k2k_offset" || enc != EncodingBig32 {
		t.Fatalf("ParseHeader = %q %q %v", name, enc, err)
	}
}
