package batch

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

var codecs = []Codec{None, Gzip, Snappy, LZ4, Zstd}

func mustEncode(tb testing.TB, records []Record, o EncodeOptions) []byte {
	tb.Helper()
	raw, err := Encode(records, o)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func walkAll(tb testing.TB, raw []byte) []Batch {
	tb.Helper()
	var out []Batch
	for b, err := range Walk(raw) {
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// anyBytes draws null, empty and other values.
func anyBytes(t *rapid.T, name string) []byte {
	switch rapid.IntRange(0, 3).Draw(t, name+" kind") {
	case 0:
		return nil
	case 1:
		return []byte{}
	default:
		return rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, name)
	}
}

func TestEncodeWalkDecode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		codec := rapid.SampledFrom(codecs).Draw(t, "codec")
		base := rapid.Int64Range(0, math.MaxInt64/2).Draw(t, "base")
		var records []Record
		offset := base
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			offset += rapid.Int64Range(0, 5).Draw(t, "gap")
			r := Record{
				Offset: offset, Timestamp: rapid.Int64Range(0, math.MaxInt64/4).Draw(t, "time"),
				Key: anyBytes(t, "key"), Value: anyBytes(t, "value"),
			}
			for range rapid.IntRange(0, 3).Draw(t, "headers") {
				r.Headers = append(r.Headers, RecordHeader{Key: rapid.String().Draw(t, "name"), Value: anyBytes(t, "header")})
			}
			records = append(records, r)
			offset++
		}
		tail := rapid.Int32Range(0, 50).Draw(t, "tail")
		raw, err := Encode(records, EncodeOptions{
			Codec: codec, BaseOffset: base, KeepOffsets: true, LastOffsetDelta: tail,
			Transactional: true, ProducerID: 9, ProducerEpoch: 3, BaseSequence: 77,
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []Record
		n := 0
		for b, err := range Walk(raw) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			if b.Codec() != codec || !b.Transactional() || b.Control() || b.AppendTime() || b.ProducerID != 9 ||
				b.ProducerEpoch != 3 || b.BaseSequence != 77 || b.BaseOffset != base || b.LeaderEpoch != -1 {
				t.Fatalf("header %+v", b.Header)
			}
			if want := max(base+int64(tail), offset-1, base); b.LastOffset() != want {
				t.Fatalf("last offset %d, want %d", b.LastOffset(), want)
			}
			if got, err = b.Records(got); err != nil {
				t.Fatal(err)
			}
		}
		if n != 1 {
			t.Fatalf("%d batches", n)
		}
		if diff := cmp.Diff(records, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAppendTimeGivesEveryRecordTheMaximum(t *testing.T) {
	t.Parallel()
	raw := mustEncode(t, []Record{{Timestamp: 5}, {Timestamp: 7}}, EncodeOptions{AppendTime: true, MaxTimestamp: 99})
	got, err := walkAll(t, raw)[0].Records(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{{Offset: 0, Timestamp: 99}, {Offset: 1, Timestamp: 99}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestWalkIgnoresACutBatch(t *testing.T) {
	t.Parallel()
	one := mustEncode(t, []Record{{Value: []byte("a")}}, EncodeOptions{BaseOffset: 10})
	two := mustEncode(t, []Record{{Value: []byte("b")}}, EncodeOptions{BaseOffset: 11})
	for cut := range two {
		if got := walkAll(t, append(append([]byte{}, one...), two[:cut]...)); len(got) != 1 {
			t.Fatalf("%d batches with %d bytes of the second", len(got), cut)
		}
	}
}

func TestWalkErrors(t *testing.T) {
	t.Parallel()
	good := func() []byte {
		return mustEncode(t, []Record{{Value: []byte("a")}, {Value: []byte("b")}}, EncodeOptions{BaseOffset: 42})
	}
	patch := func(f func(b []byte)) []byte {
		b := good()
		f(b)
		seal(b)
		return b
	}
	cases := map[string][]byte{
		"flipped bit":            func() []byte { b := good(); b[len(b)-1] ^= 1; return b }(),
		"length too small":       func() []byte { b := good(); binary.BigEndian.PutUint32(b[8:], 12); return b }(),
		"length negative":        func() []byte { b := good(); binary.BigEndian.PutUint32(b[8:], 1<<31); return b }(),
		"unknown magic":          func() []byte { b := good(); b[16] = 3; return b }(),
		"negative count":         patch(func(b []byte) { binary.BigEndian.PutUint32(b[57:], 1<<31) }),
		"more records than room": patch(func(b []byte) { binary.BigEndian.PutUint32(b[57:], 3) }),
		"negative last delta":    patch(func(b []byte) { binary.BigEndian.PutUint32(b[23:], 1<<31) }),
		"unknown codec":          patch(func(b []byte) { b[22] |= 7 }),
		"repeated batch":         append(good(), good()...),
		"second begins in first": append(good(), mustEncode(t, []Record{{}}, EncodeOptions{BaseOffset: 43})...),
		"message with a bad sum": func() []byte { b := message(0, 42, 0, -1, nil, nil); b[12] ^= 1; return b }(),
	}
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got error
			for _, err := range Walk(raw) {
				got = err
			}
			var c *CorruptError
			if !errors.Is(got, ErrCorrupt) || !errors.As(got, &c) || (c.BaseOffset != 42 && c.BaseOffset != 43) {
				t.Fatalf("error %v", got)
			}
		})
	}
}

func TestRecordsErrors(t *testing.T) {
	t.Parallel()
	raw := mustEncode(t, []Record{{Value: []byte("a")}, {Value: []byte("b")}}, EncodeOptions{BaseOffset: 42})
	patch := func(f func(b []byte)) []byte {
		b := append([]byte{}, raw...)
		f(b)
		seal(b)
		return b
	}
	cases := map[string][]byte{
		"bytes left over":        patch(func(b []byte) { binary.BigEndian.PutUint32(b[57:], 1) }),
		"record too long":        patch(func(b []byte) { b[61] = 100 }),
		"record length negative": patch(func(b []byte) { b[61] = 3 }),
		"not compressed at all":  patch(func(b []byte) { b[22] |= byte(Gzip) }),
		"offsets do not rise":    patch(func(b []byte) { b[64] = 2 }),
	}
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dst := []Record{{Offset: 7}}
			got, err := walkAll(t, raw)[0].Records(dst)
			if !errors.Is(err, ErrCorrupt) || len(got) != 1 {
				t.Fatalf("%d records, error %v", len(got), err)
			}
		})
	}
}

func TestDecompressionBomb(t *testing.T) {
	t.Parallel()
	// The bound holds for every codec; it is a small one here.
	d, err := newDecompressor(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, codec := range codecs[1:] {
		for size, want := range map[int]error{1 << 20: nil, 1<<20 + 1: kgo.ErrMaxDecompress} {
			body, err := compress(make([]byte, size), codec)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := d.Decompress(body, kgo.CompressionCodecType(codec)); !errors.Is(err, want) {
				t.Errorf("%s: %d bytes of %d, error %v", codec, len(out), size, err)
			}
		}
	}
	// And it is what records are decoded with: a snappy block says first how
	// long it becomes.
	body := binary.AppendUvarint(nil, MaxDecompressed+1)
	h := Header{BaseOffset: 8, Length: int32(len(body) + headerSize - frameSize), Magic: 2, Attributes: int16(Snappy), Count: 1}
	raw := append(appendHeader(nil, h), body...)
	seal(raw)
	if _, err := walkAll(t, raw)[0].Records(nil); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("error %v", err)
	}
}

func TestShortBatchIsHoles(t *testing.T) {
	t.Parallel()
	raw := mustEncode(t, []Record{{Offset: 2, Value: []byte("x")}}, EncodeOptions{KeepOffsets: true, LastOffsetDelta: 9, DeclaredCount: 10})
	b := walkAll(t, raw)[0]
	got, err := b.Records(nil)
	if err != nil || len(got) != 1 || got[0].Offset != 2 || b.LastOffset() != 9 || b.Count != 10 {
		t.Fatalf("%v %v %+v", got, err, b.Header)
	}
}

func TestMarkers(t *testing.T) {
	t.Parallel()
	opts := EncodeOptions{Control: true, Transactional: true, ProducerID: 1}
	other := MarkerRecord(true, 0)
	other.Key[3] = 2
	cases := map[string]struct {
		raw        []byte
		commit, ok bool
	}{
		"commit": {mustEncode(t, []Record{MarkerRecord(true, 0)}, opts), true, true},
		"abort":  {mustEncode(t, []Record{MarkerRecord(false, 0)}, opts), false, true},
		"leader": {mustEncode(t, []Record{other}, opts), false, false},
		"empty":  {mustEncode(t, nil, opts), false, false},
		"data":   {mustEncode(t, []Record{MarkerRecord(true, 0)}, EncodeOptions{}), false, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if commit, ok := walkAll(t, c.raw)[0].Marker(); commit != c.commit || ok != c.ok {
				t.Fatalf("commit %v, ok %v", commit, ok)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		records []Record
		o       EncodeOptions
	}{
		"offset below base":    {[]Record{{Offset: 1}}, EncodeOptions{KeepOffsets: true, BaseOffset: 2}},
		"offsets do not rise":  {[]Record{{Offset: 3}, {Offset: 3}}, EncodeOptions{KeepOffsets: true}},
		"offsets too far":      {[]Record{{Offset: math.MaxInt64}}, EncodeOptions{KeepOffsets: true}},
		"negative base offset": {nil, EncodeOptions{BaseOffset: -1}},
		"unknown codec":        {nil, EncodeOptions{Codec: 9}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if raw, err := Encode(c.records, c.o); err == nil {
				t.Fatalf("%d bytes", len(raw))
			}
		})
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	h := func(pairs ...string) []RecordHeader {
		var out []RecordHeader
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, RecordHeader{Key: pairs[i], Value: []byte(pairs[i+1])})
		}
		return out
	}
	skip := func(name string) bool { return name == "skip" }
	prints := map[[16]byte]string{}
	for name, f := range map[string][16]byte{
		"nothing":          Fingerprint(nil, nil, nil, skip),
		"empty key":        Fingerprint([]byte{}, nil, nil, skip),
		"empty value":      Fingerprint(nil, []byte{}, nil, skip),
		"ab,c":             Fingerprint([]byte("ab"), []byte("c"), nil, skip),
		"a,bc":             Fingerprint([]byte("a"), []byte("bc"), nil, skip),
		"header":           Fingerprint(nil, nil, h("a", "b"), skip),
		"two headers":      Fingerprint(nil, nil, h("a", "b", "c", "d"), skip),
		"other order":      Fingerprint(nil, nil, h("c", "d", "a", "b"), skip),
		"null header":      Fingerprint(nil, nil, []RecordHeader{{Key: "a"}}, skip),
		"empty header":     Fingerprint(nil, nil, h("a", ""), skip),
		"header with skip": Fingerprint(nil, nil, h("skip", "x", "a", "e"), skip),
	} {
		if other, ok := prints[f]; ok {
			t.Errorf("%q equals %q", name, other)
		}
		prints[f] = name
	}
	if Fingerprint(nil, nil, h("a", "b", "skip", "x"), skip) != Fingerprint(nil, nil, h("a", "b"), nil) {
		t.Error("a skipped header counts")
	}
}
