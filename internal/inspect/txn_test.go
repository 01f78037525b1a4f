package inspect

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/mover"
)

// transactional writes records in one transaction and ends it as asked; nil
// leaves it open until the test ends.
func (n *node) transactional(id string, end *kgo.TransactionEndTry, records ...*kgo.Record) {
	n.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.k.ListenAddrs()...), kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(cl.Close)
	if err := cl.BeginTransaction(); err != nil {
		n.t.Fatal(err)
	}
	if err := cl.ProduceSync(n.t.Context(), records...).FirstErr(); err != nil {
		n.t.Fatal(err)
	}
	if end == nil {
		return
	}
	if err := cl.EndTransaction(n.t.Context(), *end); err != nil {
		n.t.Fatal(err)
	}
}

// Aborted records of the source are no records that the mover left out, and
// aborted copies are no copies; both are counted, and so is what is not decided.
func TestTransactions(t *testing.T) {
	t.Parallel()
	armory := styleOf(t, "__original_offset", mover.Decimal, "")
	src, tgt := newPair(t, 1, 1)
	src.transactional("a", new(kgo.TryCommit), plain("orders", 0, 0, 40)...)  // 0 to 39, marker 40
	src.transactional("a", new(kgo.TryAbort), plain("orders", 0, 41, 60)...)  // 41 to 59, marker 60
	src.transactional("a", new(kgo.TryCommit), plain("orders", 0, 61, 90)...) // 61 to 89, marker 90
	src.transactional("a", new(kgo.TryAbort), plain("orders", 0, 91, 95)...)  // 91 to 94, marker 95
	tgt.transactional("m", new(kgo.TryCommit), armory.copies("orders", 0, 0, 0, 40)...)
	tgt.transactional("m", new(kgo.TryAbort), armory.copies("orders", 0, 0, 61, 70)...)
	tgt.transactional("m", new(kgo.TryCommit), armory.copies("orders", 0, 0, 61, 90)...)

	for _, full := range []bool{false, true} {
		got := inspectOne(t, tgt, src, Ask{Topic: "orders"}, &Options{Full: full})
		want := []string{"note aborted"}
		if full {
			want = append(want, "note holes")
		}
		p := got.Partitions[0]
		x := p.Tracks[0]
		if diff := cmp.Diff(want, findings(got)); diff != "" || x.Aborted != 9 || x.Copies != 69 || x.Passes != 1 || p.Markers != 3 {
			t.Errorf("full=%v (-want +got):\n%s\n%s", full, diff, describe(got))
		}
		if x.CopiedThrough != 90 || x.Lag != 0 || !x.LagExact {
			t.Errorf("full=%v: what is left are a marker and aborted records: %s", full, describe(got))
		}
	}

	tgt.transactional("open", nil, armory.copies("orders", 0, 0, 96, 100)...)
	for _, full := range []bool{false, true} {
		got := inspectOne(t, tgt, src, Ask{Topic: "orders"}, &Options{Full: full})
		if x := got.Partitions[0].Tracks[0]; x.CopiedThrough != 90 || !cmp.Equal(findings(got)[:1], []string{"warning open-transaction"}) ||
			!strings.Contains(describe(got), "silent for") || !strings.Contains(describe(got), "look again") {
			t.Errorf("full=%v: %s", full, describe(got))
		}
	}
	later := inspectOne(t, tgt, src, Ask{Topic: "orders"}, &Options{Now: func() time.Time { return time.Now().Add(time.Hour) }})
	if !strings.Contains(describe(later), "--start-offset 81") {
		t.Errorf("an hour later: %s", describe(later))
	}
}
