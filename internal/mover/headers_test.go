package mover

import (
	"math"
	"slices"
	"testing"
)

func TestDecodeOffset(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		value string
		enc   Encoding
		want  int64
		ok    bool
	}{
		{"decimal", "700", Decimal, 700, true},
		{"zero", "0", Decimal, 0, true},
		{"greatest", "9223372036854775807", Decimal, math.MaxInt64, true},
		{"one too many", "9223372036854775808", Decimal, 0, false},
		{"signed", "-1", Decimal, 0, false},
		{"plus", "+1", Decimal, 0, false},
		{"blank", " 1", Decimal, 0, false},
		{"empty", "", Decimal, 0, false},
		{"twenty digits", "00000000000000000001", Decimal, 0, false},
		{"big", "\x00\x00\x00\x00\x00\x00\x02\xbc", Int64BE, 700, true},
		{"little", "\xbc\x02\x00\x00\x00\x00\x00\x00", Int64LE, 700, true},
		{"negative", "\xff\xff\xff\xff\xff\xff\xff\xff", Int64BE, 0, false},
		{"seven bytes", "\x00\x00\x00\x00\x00\x02\xbc", Int64BE, 0, false},
		{"four big", "\x00\x00\x02\xbc", Int32BE, 700, true},
		{"four little", "\xbc\x02\x00\x00", Int32LE, 700, true},
		{"four negative", "\x80\x00\x00\x00", Int32BE, 0, false},
		{"eight for four", "\x00\x00\x00\x00\x00\x00\x02\xbc", Int32BE, 0, false},
		{"unknown encoding", "700", "roman", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := DecodeOffset([]byte(tt.value), tt.enc)
			if ok != tt.ok || (ok && got != tt.want) {
				t.Errorf("DecodeOffset(%q, %s) = %d, %v; want %d, %v", tt.value, tt.enc, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestDecodePartition(t *testing.T) {
	t.Parallel()
	if n, ok := DecodePartition([]byte("2147483647"), Decimal); !ok || n != math.MaxInt32 {
		t.Errorf("the greatest partition is read as %d, %v", n, ok)
	}
	if _, ok := DecodePartition([]byte("2147483648"), Decimal); ok {
		t.Error("a partition above an int32 is read")
	}
	if n, ok := DecodePartition([]byte{3, 0, 0, 0}, Int32LE); !ok || n != 3 {
		t.Errorf("partition 3 in 4 bytes is read as %d, %v", n, ok)
	}
}

func TestHeadersAreConsistent(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, h := range Headers() {
		if h.Mover == "" || h.Offset == "" || len(h.Encodings) == 0 {
			t.Errorf("%+v lacks mover, header or encoding", h)
		}
		if seen[h.Offset] {
			t.Errorf("header %s stands for two", h.Offset)
		}
		seen[h.Offset] = true
		if (h.Partition == "") != (len(h.PartitionEncodings) == 0) {
			t.Errorf("%s: partition %q with encodings %v", h.Offset, h.Partition, h.PartitionEncodings)
		}
		for _, name := range []string{h.Partition, h.Topic, h.Cluster, h.Pipeline, h.Timestamp} {
			if name != "" && !slices.Contains(h.Also, name) {
				t.Errorf("%s: %s is not among the headers to leave out of a comparison", h.Offset, name)
			}
		}
		if got, ok := HeaderNamed(h.Offset); !ok || got.Mover != h.Mover {
			t.Errorf("HeaderNamed(%s) = %v, %v", h.Offset, got, ok)
		}
	}
	if _, ok := HeaderNamed("content-type"); ok {
		t.Error("an ordinary header is taken for a mover's")
	}
}

func FuzzDecodeOffset(f *testing.F) {
	for _, s := range []string{"", "0", "700", "-1", "12345678", "\x00\x00\x02\xbc", "\x00\x00\x00\x00\x00\x00\x02\xbc"} {
		f.Add([]byte(s))
	}
	encodings := []Encoding{Decimal, Int64BE, Int64LE, Int32BE, Int32LE}
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, enc := range encodings {
			n, ok := DecodeOffset(value, enc)
			if !ok {
				continue
			}
			if n < 0 {
				t.Fatalf("%q in %s is %d", value, enc, n)
			}
			if again, ok := DecodeOffset(EncodeNumber(n, enc), enc); !ok || again != n {
				t.Fatalf("%d in %s comes back as %d, %v", n, enc, again, ok)
			}
			if p, ok := DecodePartition(value, enc); ok && int64(p) != n {
				t.Fatalf("%q in %s is offset %d and partition %d", value, enc, n, p)
			}
		}
	})
}
