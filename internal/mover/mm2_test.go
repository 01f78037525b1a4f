package mover_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

// The bytes are laid out by hand from Kafka's schemas: the strings with their
// length in two bytes, then the numbers, all big-endian.
func TestGoldenBytes(t *testing.T) {
	t.Parallel()
	sync := mover.OffsetSync{Source: topic.Partition{Topic: "orders", Partition: 3}, SourceOffset: 1000, TargetOffset: 998}
	checkpoint := mover.Checkpoint{
		Group: "g1", Target: topic.Partition{Topic: "a.orders", Partition: 3},
		SourceOffset: 1000, TargetOffset: 951, Metadata: "m",
	}
	heartbeat := mover.Heartbeat{SourceAlias: "a", TargetAlias: "b", Timestamp: 1_700_000_000_000}
	tests := []struct {
		name       string
		key, value string
		encode     func() (key, value []byte)
		parse      func(key, value []byte) (any, error)
		want       any
	}{
		{
			"offset sync", "0006 6f7264657273 00000003", "00000000000003e8 00000000000003e6", sync.Encode,
			func(k, v []byte) (any, error) { return mover.ParseOffsetSync(k, v) }, sync,
		},
		{
			"checkpoint", "0002 6731 0008 612e6f7264657273 00000003",
			"0000 00000000000003e8 00000000000003b7 0001 6d", checkpoint.Encode,
			func(k, v []byte) (any, error) { return mover.ParseCheckpoint(k, v) }, checkpoint,
		},
		{
			"heartbeat", "0001 61 0001 62", "0000 0000018bcfe56800", heartbeat.Encode,
			func(k, v []byte) (any, error) { return mover.ParseHeartbeat(k, v) }, heartbeat,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wantKey, wantValue := unhex(t, test.key), unhex(t, test.value)
			key, value := test.encode()
			if diff := cmp.Diff(wantKey, key); diff != "" {
				t.Errorf("key (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantValue, value); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
			got, err := test.parse(wantKey, wantValue)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("parsed (-want +got):\n%s", diff)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestForeignRecords(t *testing.T) {
	t.Parallel()
	key, value := mover.OffsetSync{Source: topic.Partition{Topic: "orders"}, SourceOffset: 1, TargetOffset: 2}.Encode()
	ck, cv := mover.Checkpoint{Group: "g", Target: topic.Partition{Topic: "t"}}.Encode()
	hk, hv := mover.Heartbeat{SourceAlias: "a", TargetAlias: "b"}.Encode()
	sync := func(k, v []byte) error { _, err := mover.ParseOffsetSync(k, v); return err }
	checkpoint := func(k, v []byte) error { _, err := mover.ParseCheckpoint(k, v); return err }
	heartbeat := func(k, v []byte) error { _, err := mover.ParseHeartbeat(k, v); return err }
	tests := []struct {
		name       string
		parse      func(k, v []byte) error
		key, value []byte
		want       string
	}{
		{"no key", sync, nil, value, "no offset sync of MirrorMaker 2: its key is null"},
		{"tombstone", sync, key, nil, "no offset sync of MirrorMaker 2: its value is null"},
		{"empty key", sync, []byte{}, value, "no offset sync of MirrorMaker 2: topic of its key: 0 bytes left where an INT16 takes 2"},
		{"text as key", sync, []byte("orders-0"), value, "no offset sync of MirrorMaker 2: topic of its key: 6 bytes left where a STRING of this length takes 28530"},
		{"negative length", sync, []byte{0xff, 0xff}, value, "no offset sync of MirrorMaker 2: topic of its key: a length of -1"},
		{"nameless topic", sync, []byte{0, 0, 0, 0, 0, 0}, value, "no offset sync of MirrorMaker 2: topic of its key: empty"},
		{"no UTF-8", sync, []byte{0, 1, 0xff, 0, 0, 0, 0}, value, "no offset sync of MirrorMaker 2: topic of its key: no UTF-8"},
		{"key cut", sync, key[:len(key)-1], value, "no offset sync of MirrorMaker 2: partition of its key: 3 bytes left where an INT32 takes 4"},
		{"negative partition", sync, []byte{0, 1, 'a', 0xff, 0xff, 0xff, 0xff}, value, "no offset sync of MirrorMaker 2: partition of its key: -1, which cannot be"},
		{"key too long", sync, append(append([]byte{}, key...), 0), value, "no offset sync of MirrorMaker 2: its key is 1 byte longer than its fields"},
		{"value cut", sync, key, value[:12], "no offset sync of MirrorMaker 2: target offset of its value: 4 bytes left where an INT64 takes 8"},
		{"JSON as value", sync, key, []byte(`{"upstreamOffset":1}`), "no offset sync of MirrorMaker 2: its value is 4 bytes longer than its fields"},
		{"negative source offset", sync, key, append([]byte{0xff}, value[1:]...), "no offset sync of MirrorMaker 2: source offset of its value: -72057594037927935, which cannot be"},
		{"checkpoint's version", checkpoint, ck, append([]byte{0, 1}, cv[2:]...), "no checkpoint of MirrorMaker 2: version of its value: 1, and only 0 is known"},
		{"checkpoint's metadata cut", checkpoint, ck, cv[:len(cv)-1], "no checkpoint of MirrorMaker 2: metadata of its value: 1 byte left where an INT16 takes 2"},
		{"checkpoint from a sync", checkpoint, key, value, "no checkpoint of MirrorMaker 2: topic of its key: empty"},
		{"heartbeat's version", heartbeat, hk, append([]byte{0, 9}, hv[2:]...), "no heartbeat of MirrorMaker 2: version of its value: 9, and only 0 is known"},
		{"heartbeat's alias", heartbeat, hk[:3], hv, "no heartbeat of MirrorMaker 2: target alias of its key: 0 bytes left where an INT16 takes 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.parse(test.key, test.value)
			if _, ok := errors.AsType[*mover.FormatError](err); !ok {
				t.Fatalf("got %v, want a FormatError", err)
			}
			if got := err.Error(); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// What is parsed is written again byte for byte, and nothing panics.
func fuzz(f *testing.F, parse func(k, v []byte) (func() (key, value []byte), error)) {
	f.Helper()
	f.Fuzz(func(t *testing.T, k, v []byte) {
		encode, err := parse(k, v)
		if err != nil {
			if _, ok := errors.AsType[*mover.FormatError](err); !ok {
				t.Fatalf("got %v, want a FormatError", err)
			}
			return
		}
		key, value := encode()
		if diff := cmp.Diff([][]byte{k, v}, [][]byte{key, value}); diff != "" {
			t.Errorf("written again (-want +got):\n%s", diff)
		}
	})
}

func FuzzParseOffsetSync(f *testing.F) {
	f.Add(mover.OffsetSync{Source: topic.Partition{Topic: "t", Partition: 1}, SourceOffset: 5, TargetOffset: 4}.Encode())
	f.Add([]byte("orders"), []byte("x"))
	fuzz(f, func(k, v []byte) (func() (key, value []byte), error) {
		s, err := mover.ParseOffsetSync(k, v)
		return s.Encode, err
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(mover.Checkpoint{Group: "g", Target: topic.Partition{Topic: "t", Partition: 1}, Metadata: "é"}.Encode())
	f.Add([]byte{}, []byte{0, 1})
	fuzz(f, func(k, v []byte) (func() (key, value []byte), error) {
		c, err := mover.ParseCheckpoint(k, v)
		return c.Encode, err
	})
}

func FuzzParseHeartbeat(f *testing.F) {
	f.Add(mover.Heartbeat{SourceAlias: "a", TargetAlias: "b", Timestamp: 1}.Encode())
	f.Add([]byte{0, 1}, []byte{0, 0})
	fuzz(f, func(k, v []byte) (func() (key, value []byte), error) {
		h, err := mover.ParseHeartbeat(k, v)
		return h.Encode, err
	})
}
