package mm2_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// alone keeps MirrorMaker 2 from writing positions of groups: what apply writes
// would be looked at while it writes too.
var alone = map[string]string{"sync.group.offsets.enabled": "false"}

// transactions writes count transactions of some records each; every third is
// aborted. Offsets of source and copy then differ by the markers.
func (n *node) transactions(t *testing.T, p topic.Partition, from, count, each int) {
	t.Helper()
	cl := n.producer(t, kgo.TransactionalID(kafkatest.Name(t, "tx")))
	for i := range count {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatalf("beginning a transaction: %v", err)
		}
		kafkatest.Produce(t, cl, numbered(p, from+i*each, each)...)
		end := kgo.TryCommit
		if i%3 == 1 {
			end = kgo.TryAbort
		}
		if err := cl.EndTransaction(t.Context(), end); err != nil {
			t.Fatalf("ending a transaction: %v", err)
		}
	}
}

// compacting is the configuration of a topic that the cleaner takes up at once.
// Segments end with each batch of keyed: their timestamps lie further apart than
// segment.ms (LogSegment.timeWaitedForRoll).
func compacting() map[string]string {
	return map[string]string{
		"cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01",
		// A tombstone that only the target's cleaner has taken is a record that
		// the group would miss: which of the two takes it first is chance.
		"delete.retention.ms": "3600000", "min.compaction.lag.ms": "0",
	}
}

// keyed writes records whose keys come again, some of them tombstones, and
// returns them with their offsets. Values of records are their own; a tombstone
// has a header instead, which the judge does not see: their keys are their own.
func (n *node) keyed(t *testing.T, p topic.Partition, records, keys int) []*kgo.Record {
	t.Helper()
	cl := n.producer(t)
	at := time.Now().Add(-time.Hour)
	all := numbered(p, 0, records)
	for i, r := range all {
		if i%200 == 0 {
			at = at.Add(10 * time.Second)
		}
		r.Key, r.Timestamp = []byte("k"+strconv.Itoa(i*7919%keys)), at
		if i%50 == 49 {
			r.Key, r.Value = []byte("gone"+strconv.Itoa(i)), nil
		}
	}
	for i := 0; i < records; i += 200 {
		kafkatest.Produce(t, cl, all[i:min(i+200, records)]...)
	}
	return all
}

// settled waits until the cleaner has left less than half of the offsets of the
// source, and no more goes on either side.
func (m *mirror) settled(t *testing.T, p topic.Partition) {
	t.Helper()
	before := [2]int{-1, -1}
	still := 0
	kafkatest.Eventually(t, "compaction of "+p.String(), func() (bool, string) {
		_, end := m.src.bounds(t, p)
		now := [2]int{len(m.src.scan(t, p, -1)), len(m.tgt.scan(t, m.target(p), -1))}
		if now == before {
			still++
		} else {
			still = 0
		}
		before = now
		return still >= 4 && int64(2*now[0]) < end, fmt.Sprintf("%d records on %d offsets, %d of the copy", now[0], end, now[1])
	})
}

// alike writes records of which many are equal, time stamps included: each four
// times in a row in the first half; in the second, ten that come again and again.
func (n *node) alike(t *testing.T, p topic.Partition, records int) {
	t.Helper()
	all := numbered(p, 0, records)
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i, r := range all {
		value := i / 4
		r.Timestamp = at.Add(time.Duration(i/1000) * time.Second)
		if i >= records/2 {
			value = i % 10
		}
		r.Key, r.Value = nil, fmt.Appendf(nil, "%d", value)
	}
	all[records-1].Value = []byte("the last one")
	kafkatest.Produce(t, n.producer(t), all...)
}

// writing has an application write to the partition until the plan is made.
func (m *mirror) writing(p topic.Partition) func(*testing.T) func() []*logs {
	return func(t *testing.T) func() []*logs {
		t.Helper()
		cl := m.src.producer(t)
		_, at := m.src.bounds(t, p)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for from := int(at); ; from += 500 {
				for _, r := range numbered(p, from, 500) {
					cl.Produce(t.Context(), r, nil)
				}
				if err := cl.Flush(t.Context()); err != nil {
					t.Errorf("writing: %v", err)
					return
				}
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}()
		return func() []*logs {
			close(stop)
			<-stopped
			m.mm.WaitCopied(t, p.Topic)
			_, end := m.src.bounds(t, p)
			t.Logf("%d records were written while the plan was made", end-at)
			return []*logs{m.logs(t, p)}
		}
	}
}

// crash lets the process die in the middle of copying n records; of a
// transaction, where it writes in transactions.
func (m *mirror) crash(t *testing.T, p topic.Partition, from, n int) {
	t.Helper()
	_, before := m.tgt.bounds(t, m.target(p))
	cl := m.src.producer(t)
	some := func() (bool, string) {
		_, end := m.tgt.bounds(t, m.target(p))
		if m.view.committedOnly {
			before = m.tgt.stable(t, m.target(p))
		}
		return end > before, fmt.Sprintf("%d, want more than %d", end, before)
	}
	dead := false
	for at := 0; at < n; at += 20_000 {
		kafkatest.Produce(t, cl, numbered(p, from+at, min(20_000, n-at))...)
		// The rest comes when it is dead: it cannot have been through already.
		if ok, _ := some(); ok && !dead && at+20_000 < n {
			m.mm.Kill(t)
			dead = true
		}
	}
	if !dead {
		kafkatest.Eventually(t, "some of it is copied", some)
		m.mm.Kill(t)
	}
}

// thin lets the cleaner take all syncs but the last of each partition, as it
// does when segments are old enough.
func (m *mirror) thin(t *testing.T, p topic.Partition, from int) {
	t.Helper()
	name, onTarget := m.mm.SyncTopic()
	at := m.src
	if onTarget {
		at = m.tgt
	}
	before := len(at.scan(t, part(name, 0), -1))
	var alter []kadm.AlterConfig
	for key, value := range map[string]string{"segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "min.compaction.lag.ms": "0"} {
		alter = append(alter, kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: &value})
	}
	if got, err := at.k.Admin(t).AlterTopicConfigs(t.Context(), alter, name); err != nil || got[0].Err != nil {
		t.Fatalf("changing %s: %v, %+v", name, err, got)
	}
	cl := m.src.producer(t)
	kafkatest.Eventually(t, "the syncs are thinned", func() (bool, string) {
		kafkatest.Produce(t, cl, numbered(p, from, 1)...) // each brings a sync, and so a segment
		from++
		m.mm.WaitCopied(t, p.Topic)
		now := len(at.scan(t, part(name, 0), -1))
		return now*4 < before || now <= 8, fmt.Sprintf("%d of %d syncs are left", now, before)
	})
}

// MirrorMaker 2 as it comes, with syncs on the source: several partitions, a
// transactional topic with aborted records, which it copies as if they were
// committed, and a compacted one.
func TestDefaultMode(t *testing.T) {
	t.Parallel()
	orders, tx, state := kafkatest.Name(t, "orders"), part(kafkatest.Name(t, "tx"), 0), part(kafkatest.Name(t, "state"), 0)
	same := part(kafkatest.Name(t, "alike"), 0)
	m := begin(t, kafkatest.MirrorOptions{
		SourceAlias: "east", TargetAlias: "west", Topics: orders + "," + tx.Topic + "," + state.Topic + "," + same.Topic, Groups: "at-.*", Properties: alone,
	})
	m.src.k.CreateTopic(t, orders, 3, nil)
	m.src.k.CreateTopic(t, tx.Topic, 1, nil)
	m.src.k.CreateTopic(t, state.Topic, 1, compacting())
	m.src.k.CreateTopic(t, same.Topic, 1, nil)
	cl := m.src.producer(t)
	for p := range int32(3) {
		kafkatest.Produce(t, cl, numbered(part(orders, p), 0, 20_000+int(p))...)
		m.src.k.Trim(t, orders, p, int64(p)*777)
	}
	m.src.transactions(t, tx, 0, 60, 150)
	written := m.src.keyed(t, state, 20_000, 400)
	m.src.alike(t, same, 20_000)
	m.src.k.Trim(t, same.Topic, same.Partition, 501)
	m.mm.WaitCopied(t, orders, tx.Topic, state.Topic, same.Topic)

	t.Run("plain", func(t *testing.T) {
		c := &checker{m: m, kind: translate.KindMM2, checkpoints: true}
		for p := range int32(3) {
			c.logs = append(c.logs, m.logs(t, part(orders, p)))
		}
		c.run(t)
	})
	t.Run("transactions", func(t *testing.T) {
		(&checker{m: m, kind: translate.KindMM2, checkpoints: true, logs: []*logs{m.logs(t, tx)}}).run(t)
	})
	t.Run("compacted", func(t *testing.T) {
		m.settled(t, state)
		(&checker{m: m, kind: translate.KindMM2, logs: []*logs{m.logs(t, state, written...)}}).run(t)
	})
	t.Run("alike", func(t *testing.T) {
		slope := int64(501)
		l := &logs{from: same, to: m.target(same), src: m.src.scan(t, same, -1), tgt: m.tgt.scan(t, m.target(same), -1), slope: &slope}
		if len(l.src) != 20_000-501 || len(l.tgt) != len(l.src) {
			t.Fatalf("%d records, and %d of the copy", len(l.src), len(l.tgt))
		}
		(&checker{m: m, kind: translate.KindMM2, logs: []*logs{l}}).run(t)
	})
	t.Run("live", func(t *testing.T) {
		p := part(orders, 2)
		(&checker{m: m, kind: translate.KindMM2, logs: []*logs{m.logs(t, p)}, meanwhile: m.writing(p)}).run(t)
	})
	t.Run("killed", func(t *testing.T) {
		p := part(orders, 1)
		var l *logs
		// It may have noted its progress right before it died.
		for try := 0; try < 3 && (l == nil || len(l.tgt) == len(l.src)); try++ {
			_, at := m.src.bounds(t, p)
			m.crash(t, p, int(at), 100_000)
			m.mm.Restart(t)
			m.mm.WaitCopied(t, p.Topic)
			l = m.logs(t, p)
		}
		if len(l.tgt) == len(l.src) {
			t.Error("nothing was copied twice")
		}
		t.Logf("%d records were copied twice", len(l.tgt)-len(l.src))
		(&checker{m: m, kind: translate.KindMM2, logs: []*logs{l}, given: map[topic.Partition][]int64{p: l.twice()}}).run(t)
	})
	t.Run("thinned", func(t *testing.T) {
		p := part(orders, 0)
		_, at := m.src.bounds(t, p)
		m.thin(t, p, int(at))
		(&checker{m: m, logs: []*logs{m.logs(t, p), m.logs(t, part(orders, 2))}}).run(t)
	})
}

// twice returns offsets of the source around the records that the target has
// more than once.
func (l *logs) twice() []int64 {
	seen := map[int64]bool{}
	var at []int64
	for _, e := range l.tgt {
		h := l.positions[e.mark]
		if seen[h] {
			at = append(at, h)
		}
		seen[h] = true
	}
	if len(at) == 0 {
		return nil
	}
	first, last := at[0], at[len(at)-1]
	return []int64{first - 1, first, first + 1, (first + last) / 2, last - 1, last, last + 1, last + 2}
}

// Exactly-once mode, syncs on the target, another separator: the copy has markers
// of its own, and after a crash aborted records.
func TestExactlyOnceMode(t *testing.T) {
	t.Parallel()
	tx, plain := part(kafkatest.Name(t, "tx"), 0), part(kafkatest.Name(t, "plain"), 0)
	m := begin(t, kafkatest.MirrorOptions{
		SourceAlias: "left", TargetAlias: "right", Topics: tx.Topic + "," + plain.Topic, Groups: "at-.*",
		ExactlyOnce: true, SyncsOnTarget: true, Separator: "_",
		// Transactions of a second, so that the crash can be in the middle of one.
		Properties: merged(alone, map[string]string{"left->right.transaction.boundary": "interval", "left->right.transaction.boundary.interval.ms": "1000"}),
	})
	m.src.k.CreateTopic(t, tx.Topic, 1, nil)
	m.src.k.CreateTopic(t, plain.Topic, 1, nil)
	m.src.transactions(t, tx, 0, 61, 150)
	kafkatest.Produce(t, m.src.producer(t), numbered(plain, 0, 30_000)...)
	m.mm.WaitCopied(t, tx.Topic, plain.Topic)
	m.crash(t, plain, 30_000, 100_000)
	m.mm.Restart(t)
	m.mm.WaitCopied(t, tx.Topic, plain.Topic)
	for name, p := range map[string]topic.Partition{"transactions": tx, "killed": plain} {
		t.Run(name, func(t *testing.T) {
			l := m.logs(t, p)
			fates := map[fate]int{}
			for _, e := range m.tgt.scan(t, m.target(p), -1) {
				fates[e.fate]++
			}
			if fates[control] == 0 || name == "killed" && fates[aborted] == 0 {
				t.Errorf("the copy has %d markers and %d aborted records", fates[control], fates[aborted])
			}
			t.Logf("the copy has %d records that count, %d aborted ones and %d markers", fates[committed], fates[aborted], fates[control])
			(&checker{m: m, kind: translate.KindMM2, checkpoints: true, logs: []*logs{l}}).run(t)
		})
	}
}

// Names are kept; then the target topic is deleted, and MirrorMaker 2 begins
// anew from a source that retention has shortened: what it noted before is of
// another life of the topic. At last nothing that it noted is left.
func TestFreshTarget(t *testing.T) {
	t.Parallel()
	p := part(kafkatest.Name(t, "kept"), 0)
	m := begin(t, kafkatest.MirrorOptions{Version: kafkatest.Previous, SourceAlias: "old", TargetAlias: "new", Topics: p.Topic, Groups: "at-.*", Identity: true, Properties: alone})
	m.src.k.CreateTopic(t, p.Topic, 1, nil)
	kafkatest.Produce(t, m.src.producer(t), numbered(p, 0, 60_000)...)
	m.src.k.Trim(t, p.Topic, p.Partition, 5_000)
	m.mm.WaitCopied(t, p.Topic)
	t.Run("identity policy", func(t *testing.T) {
		(&checker{m: m, kind: translate.KindMM2, logs: []*logs{m.logs(t, p)}}).run(t)
	})
	m.mm.Stop(t)
	m.forget(t, p.Topic)
	m.src.k.Trim(t, p.Topic, p.Partition, 21_000)
	m.mm.Restart(t)
	m.mm.WaitCopied(t, p.Topic)
	t.Run("fresh target", func(t *testing.T) {
		(&checker{m: m, kind: translate.KindMM2, logs: []*logs{m.logs(t, p)}}).run(t)
	})
	if _, end := m.tgt.bounds(t, p); end >= 55_000 {
		t.Fatalf("the target ends at %d, and its former self at 55000: no sync is beyond its end", end)
	}
	m.mm.Stop(t)
	name, _ := m.mm.SyncTopic()
	if _, err := m.src.k.Admin(t).DeleteTopics(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Run("no syncs", func(t *testing.T) {
		(&checker{m: m, kind: translate.KindContent, logs: []*logs{m.logs(t, p)}}).run(t)
	})
}

// forget deletes a topic on the target, and with it MirrorMaker 2's memory of
// having copied it.
func (m *mirror) forget(t *testing.T, name string) {
	t.Helper()
	admin := m.tgt.k.Admin(t)
	gone := append(m.mm.StateTopics(), m.mm.RemoteTopic(name))
	if _, err := admin.DeleteTopics(t.Context(), gone...); err != nil {
		t.Fatalf("deleting topics: %v", err)
	}
	kafkatest.Eventually(t, "the topics are gone", func() (bool, string) {
		left, err := admin.ListTopics(t.Context())
		if err != nil {
			return false, err.Error()
		}
		for _, n := range gone {
			if left.Has(n) {
				return false, n + " is there"
			}
		}
		return true, ""
	})
}
