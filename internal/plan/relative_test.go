package plan

import (
	"encoding/base64"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/translate"
)

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func b2i(ok bool) int64 {
	if ok {
		return 1
	}
	return 0
}

func zstdOf(tb testing.TB, b []byte) []byte {
	tb.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := enc.Close(); err != nil {
			tb.Error(err)
		}
	}()
	return enc.EncodeAll(b, nil)
}

// TestMetadataOfAParallelConsumer: two records after the position are noted as
// done; the copy has a hole, so that what is noted would mean other records.
func TestMetadataOfAParallelConsumer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	noted := b64([]byte{'n', 0, 1, 0, 2})
	w.commit(w.source, "app", at{part("payments", 0): "4 " + noted})
	p := w.build()
	q := p.Group("app").Positions[0]
	switch {
	case q.Proof.Known == translate.KnownCounted:
		if q.After.Metadata != noted || q.Outcome != translate.Exact {
			t.Errorf("in step: %s %q", q.Outcome, q.After.Metadata)
		}
	case q.Outcome != translate.Repeats || q.Repeats != 2 || q.After.Metadata != "" || !q.Blocked:
		t.Errorf("out of step: %s %d %q", q.Outcome, q.Repeats, q.After.Metadata)
	}

	// A record of somebody else between the copies: out of step for certain.
	w.produce(w.target, &kgo.Record{Topic: "orders", Value: []byte("not a copy")})
	w.produce(w.source, &kgo.Record{Topic: "orders", Value: []byte("late")})
	w.produce(w.target, &kgo.Record{Topic: "orders", Value: []byte("late"), Headers: []kgo.RecordHeader{{Key: header, Value: []byte("10")}}})
	w.commit(w.source, "pc", at{part("orders", 0): "4 " + noted})
	p = w.build()
	q = p.Group("pc").Positions[0]
	if q.Outcome != translate.Repeats || q.Repeats != 2 || q.After.Metadata != "" || q.Reason != ReasonRelativeMetadata || p.AllApplicable() {
		t.Errorf("out of step: %s, %d repeats, metadata %q, %s", q.Outcome, q.Repeats, q.After.Metadata, q.Reason)
	}
	p = w.build(func(in *Input) { in.Accept.Repeats = true })
	if !p.Applicable("pc") {
		t.Errorf("accepted: %+v", p.Group("pc"))
	}
}
