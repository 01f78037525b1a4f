package batch

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/topic"
)

// logOf builds the raw bytes of a log with two producers: 1 aborts, commits
// and aborts, 2 commits around it.
func logOf(tb testing.TB) []byte {
	tb.Helper()
	var raw []byte
	next := int64(0)
	add := func(pid int64, records []Record, o EncodeOptions) {
		o.ProducerID, o.BaseOffset = pid, next
		raw = append(raw, mustEncode(tb, records, o)...)
		next += int64(max(len(records), int(o.LastOffsetDelta)+1))
	}
	data := func(n int) []Record { return make([]Record, n) }
	tx := EncodeOptions{Transactional: true}
	end := EncodeOptions{Transactional: true, Control: true}
	add(0, data(2), EncodeOptions{})                            // 0 1 plain
	add(1, data(2), tx)                                         // 2 3 aborted
	add(2, data(2), tx)                                         // 4 5 committed
	add(1, []Record{MarkerRecord(false, 0)}, end)               // 6
	add(1, data(1), tx)                                         // 7 committed
	add(1, []Record{MarkerRecord(true, 0)}, end)                // 8
	add(1, nil, EncodeOptions{LastOffsetDelta: 2})              // 9 10 11 emptied
	add(1, data(1), tx)                                         // 12 aborted
	add(2, []Record{MarkerRecord(true, 0)}, end)                // 13
	add(1, []Record{MarkerRecord(false, 0)}, end)               // 14
	add(1, data(1), EncodeOptions{Idempotent: true})            // 15 plain
	add(1, nil, EncodeOptions{LastOffsetDelta: 3, Codec: Zstd}) // 16..19 emptied
	return raw
}

func TestVisible(t *testing.T) {
	t.Parallel()
	aborted := []Aborted{{ProducerID: 1, First: 12}, {ProducerID: 1, First: 2}} // unsorted on purpose
	want := map[int64]Kind{
		0: Data, 1: Data, 2: AbortedData, 3: AbortedData, 4: Data, 5: Data, 6: Marker, 7: Data,
		8: Marker, 12: AbortedData, 13: Marker, 14: Marker, 15: Data,
	}
	for from := range int64(20) {
		c := &Chunk{Offset: from, Raw: logOf(t), Aborted: aborted}
		got := map[int64]Kind{}
		for e, err := range Visible(c) {
			if err != nil {
				t.Fatal(err)
			}
			got[e.Offset] = e.Kind
		}
		expect := map[int64]Kind{}
		for o, k := range want {
			if o >= from {
				expect[o] = k
			}
		}
		if diff := cmp.Diff(expect, got); diff != "" {
			t.Fatalf("from %d: %s", from, diff)
		}
		if next, err := c.Next(); err != nil || next != 20 {
			t.Fatalf("next %d, %v", next, err)
		}
	}
}

func TestVisibleErrors(t *testing.T) {
	t.Parallel()
	p := topic.Partition{Topic: "orders", Partition: 3}
	own := errors.New("own")
	whole := mustEncode(t, []Record{{}}, EncodeOptions{BaseOffset: 4})
	bad := append([]byte{}, whole...)
	bad[30] ^= 1
	cases := map[string]struct {
		chunk Chunk
		want  error
	}{
		"own error": {Chunk{Partition: p, Err: own}, own},
		"cut":       {Chunk{Partition: p, Offset: 4, Raw: whole[:40]}, ErrCut},
		"corrupt":   {Chunk{Partition: p, Offset: 4, Raw: bad}, ErrCorrupt},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got error
			for _, err := range Visible(&c.chunk) {
				got = err
			}
			if !errors.Is(got, c.want) {
				t.Fatalf("error %v", got)
			}
		})
	}
}
