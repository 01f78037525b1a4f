package batch

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// message encodes a message of magic 0 or 1 as old brokers stored it.
func message(magic int8, offset int64, attrs int8, timestamp int64, key, value []byte) []byte {
	be := binary.BigEndian
	var m []byte
	m = append(m, byte(magic), byte(attrs))
	if magic == 1 {
		m = be.AppendUint64(m, uint64(timestamp))
	}
	for _, b := range [][]byte{key, value} {
		if b == nil {
			m = be.AppendUint32(m, ^uint32(0))
			continue
		}
		m = be.AppendUint32(m, uint32(len(b)))
		m = append(m, b...)
	}
	out := be.AppendUint64(nil, uint64(offset))
	out = be.AppendUint32(out, uint32(len(m)+4))
	out = be.AppendUint32(out, crc32.ChecksumIEEE(m))
	return append(out, m...)
}

func packed(t *testing.T, codec Codec, inner ...[]byte) []byte {
	t.Helper()
	var all []byte
	for _, m := range inner {
		all = append(all, m...)
	}
	out, err := compress(all, codec)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOldMessageSets(t *testing.T) {
	t.Parallel()
	a, b := []byte("a"), []byte("b")
	cases := map[string]struct {
		raw  []byte
		last int64
		want []Record
	}{
		"magic 0": {message(0, 7, 0, 0, a, b), 7, []Record{{Offset: 7, Timestamp: -1, Key: a, Value: b}}},
		"magic 1, null key, empty value": {
			message(1, 7, 0, 55, nil, []byte{}), 7,
			[]Record{{Offset: 7, Timestamp: 55, Value: []byte{}}},
		},
		"magic 0 compressed, with a hole": {
			message(0, 9, int8(Gzip), 0, nil, packed(t, Gzip, message(0, 5, 0, 0, a, nil), message(0, 9, 0, 0, b, nil))), 9,
			[]Record{{Offset: 5, Timestamp: -1, Key: a}, {Offset: 9, Timestamp: -1, Key: b}},
		},
		"magic 1 compressed, relative offsets with a hole": {
			message(1, 109, int8(Snappy), 50, nil, packed(t, Snappy, message(1, 0, 0, 40, a, nil), message(1, 3, 0, 50, b, nil))), 109,
			[]Record{{Offset: 106, Timestamp: 40, Key: a}, {Offset: 109, Timestamp: 50, Key: b}},
		},
		"magic 1 compressed, append time": {
			message(1, 1, int8(Gzip)|attrAppendTime, 99, nil, packed(t, Gzip, message(1, 0, 0, 40, a, nil), message(1, 1, 0, 50, b, nil))), 1,
			[]Record{{Offset: 0, Timestamp: 99, Key: a}, {Offset: 1, Timestamp: 99, Key: b}},
		},
		"magic 1 compressed, wrapper offset 0": {
			message(1, 0, int8(Gzip), 50, nil, packed(t, Gzip, message(1, 0, 0, 40, a, nil), message(1, 1, 0, 50, b, nil))), 1,
			[]Record{{Offset: 0, Timestamp: 40, Key: a}, {Offset: 1, Timestamp: 50, Key: b}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bs := walkAll(t, c.raw)
			if len(bs) != 1 || bs[0].LastOffset() != c.last || bs[0].ProducerID != -1 || bs[0].Control() {
				t.Fatalf("%+v", bs)
			}
			got, err := bs[0].Records(nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func TestOldMessageSetErrors(t *testing.T) {
	t.Parallel()
	in := func(offset int64) []byte { return message(1, offset, 0, 1, nil, nil) }
	gz := func(inner ...[]byte) []byte { return packed(t, Gzip, inner...) }
	for name, raw := range map[string][]byte{
		"wrapper below its messages": message(1, 3, int8(Gzip), 1, nil, gz(in(4))),
		"magic 0 wrapper elsewhere":  message(0, 3, int8(Gzip), 1, nil, gz(message(0, 2, 0, 0, nil, nil))),
		"offsets fall":               message(1, 9, int8(Gzip), 1, nil, gz(in(2), in(1))),
		"inner cut":                  message(1, 9, int8(Gzip), 1, nil, gz(in(0), in(1)[:20])),
		"inner checksum":             message(1, 9, int8(Gzip), 1, nil, gz(in(0), append(in(1)[:len(in(1))-1], 1))),
		"no inner message":           message(1, 9, int8(Gzip), 1, nil, gz()),
		"compressed twice":           message(1, 9, int8(Gzip), 1, nil, gz(message(1, 0, int8(Gzip), 1, nil, gz(in(0))))),
		"not compressed":             message(1, 9, int8(Gzip), 1, nil, []byte("x")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got error
			for _, err := range Walk(raw) {
				got = err
			}
			if !errors.Is(got, ErrCorrupt) {
				t.Fatalf("error %v", got)
			}
		})
	}
}
