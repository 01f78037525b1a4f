package migrate_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
)

// failBack moves an application, lets it read on the target, where somebody
// produces, too, and moves it back with what it has read.
func (w *world) failBack(t *testing.T) {
	t.Parallel()
	const name = "returning"
	a := w.mirrored(t, name, often)
	a.start(t, w.old)
	a.isCopied(t)
	a.processes(t, 20)
	w.create(t, name, "--mover", "mirrormaker2", "--keep-offsets", "24h")
	a.halt(t)
	w.must(t, 0, advance(name, patient, "--until", "moved"))
	a.start(t, w.new)
	w.must(t, 0, advance(name, patient), "across")

	natives := produceNatives(t, w.new, a.copied)
	kafkatest.Eventually(t, "the application reads what is on the target only", func() (bool, string) {
		n := 0
		for _, r := range a.running.Processed(t) {
			if strings.HasPrefix(r.Value, native) {
				n++
			}
		}
		return n == natives, fmt.Sprintf("%d of %d", n, natives)
	})
	stood := positions(t, w.new, name)
	w.must(t, 3, migration("fail-back", name, "--yes"), "is Stable on new") // it runs still
	a.halt(t)
	a.putBack(t, stood)
	where := []string{fmt.Sprintf("%d records", natives), a.copied + "/0 at ", a.copied + "/1 at "}
	w.must(t, 0, migration("fail-back", name, "--dry-run"), where...)
	w.must(t, 0, migration("fail-back", name, "--yes", patient), append(where, "failed-back", "bootstrap.servers="+w.old.Bootstrap())...)
	a.start(t, w.old)
	a.processes(t, 20)

	a.once(t)
	if n := len(a.finished) - len(withoutNatives(a.finished)); n != natives {
		t.Errorf("%d records that were on the target only were processed, want %d", n, natives)
	}
}

// putBack puts the group on the target back, as the group sync of MirrorMaker 2
// does to one that has just become empty: nobody can know then what it has read,
// and nothing is moved before it stands where it stood. Where it stood when its
// way back began is known: it is put before that.
func (a *app) putBack(t *testing.T, stood map[string]int64) {
	t.Helper()
	w := a.w
	here, there := positions(t, w.old, a.name), positions(t, w.new, a.name)
	a.commits(t, func(tp string) int64 { return stood[tp] - 1 })
	w.must(t, 3, migration("fail-back", a.name, "--yes"), "something has put it back")
	if now := positions(t, w.old, a.name); !maps.Equal(now, here) {
		t.Errorf("positions of %s on the source are %v, and were %v", a.name, now, here)
	}
	a.commits(t, func(tp string) int64 { return there[tp] })
}

// produceNatives writes records to the copy itself, and returns how many.
func produceNatives(t *testing.T, on *kafkatest.Kafka, topic string) int {
	t.Helper()
	client := on.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	var records []*kgo.Record
	for i := range 7 {
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % 2), Value: fmt.Appendf(nil, "%s%d", native, i)})
	}
	kafkatest.Produce(t, client, records...)
	return len(records)
}
