package kafka_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// route is a source and a target release with one topic on each.
type route struct {
	from, to *node
	src, tgt topic.Partition
}

// routes runs a test on every pair of releases, side by side.
func routes(t *testing.T, test func(t *testing.T, r *route)) {
	t.Helper()
	for _, pair := range [][2]string{
		{kafkatest.Newest, kafkatest.Previous}, {kafkatest.Previous, kafkatest.Newest}, {kafkatest.Old, kafkatest.Newest},
	} {
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
			t.Parallel()
			r := &route{from: shared(t, pair[0]), to: shared(t, pair[1])}
			r.src, r.tgt = part(kafkatest.Name(t, "src"), 0), part(kafkatest.Name(t, "tgt"), 0)
			test(t, r)
		})
	}
}

// create makes both topics; a nil configuration is the default.
func (r *route) create(t *testing.T, src, tgt map[string]string) {
	t.Helper()
	r.from.create(t, r.src.Topic, 1, src)
	r.to.create(t, r.tgt.Topic, 1, tgt)
}

// move copies all records with one of the fates, in batches of some.
func (r *route) move(t *testing.T, fates ...fate) {
	t.Helper()
	r.moveBelow(t, math.MaxInt64, fates...)
}

func (r *route) moveBelow(t *testing.T, end int64, fates ...fate) {
	t.Helper()
	cl := r.to.manual(t)
	all := slices.DeleteFunc(only(r.from.scan(t, r.src), fates...), func(e entry) bool { return e.Offset >= end })
	for some := range slices.Chunk(copies(all, r.tgt), 17) {
		kafkatest.Produce(t, cl, some...)
	}
}

// check compares every answer with the judge's, and expects some outcomes to be
// among them; copiesAborted says what the mover has copied.
func (r *route) check(t *testing.T, copiesAborted bool, want ...translate.Outcome) *pair {
	t.Helper()
	p := scanPair(t, r.from, r.to, r.src, r.tgt)
	p.copiesAborted = copiesAborted
	got := p.check(t, r.from, r.to)
	for _, o := range want {
		if r.from.k.Version == kafkatest.Old && (o == translate.Exact || o == translate.AtEnd) {
			o = translate.ExactUnproven
		}
		if got[o] == 0 {
			t.Errorf("no position is %s: %v", o, got)
		}
	}
	t.Logf("%s to %s: %v", r.src, r.tgt, got)
	return p
}

// compacting is the configuration of a topic that the cleaner takes up as soon
// as compact says so. Segments end with each batch of keyed: their timestamps lie further apart
// than segment.ms, which broker and log compare (LogSegment.timeWaitedForRoll).
func compacting() map[string]string {
	return map[string]string{
		"cleanup.policy": "delete", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01",
		"delete.retention.ms": "0", "min.compaction.lag.ms": "0",
	}
}

// keyed writes records with keys that come again, and some tombstones.
func (n *node) keyed(t *testing.T, p topic.Partition, records, keys int) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(records), uint64(keys)))
	cl := n.manual(t)
	at := time.Now().Add(-time.Hour)
	for first := 0; first < records; first += 20 {
		rs := numbered(p, first, min(20, records-first))
		at = at.Add(10 * time.Second)
		for _, rec := range rs {
			rec.Key, rec.Timestamp = []byte("k"+strconv.Itoa(r.IntN(keys))), at
			if r.IntN(15) == 0 {
				rec.Value = nil
			}
		}
		kafkatest.Produce(t, cl, rs...)
	}
}

// compact makes the topic a compacted one, and waits until the cleaner has left
// less than half of the offsets and has come to its end.
func (n *node) compact(t *testing.T, p topic.Partition) {
	t.Helper()
	policy := "compact"
	alter := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &policy}}
	if got, err := n.k.Admin(t).AlterTopicConfigs(t.Context(), alter, p.Topic); err != nil || got[0].Err != nil {
		t.Fatalf("making %s compacted: %v, %+v", p.Topic, err, got)
	}
	before := -1
	kafkatest.Eventually(t, "compaction of "+p.String(), func() (bool, string) {
		count, span := len(n.scan(t, p)), n.bounds(t, p).End
		done := int64(2*count) < span && count == before
		before = count
		return done, strconv.Itoa(count) + " records on " + strconv.FormatInt(span, 10) + " offsets"
	})
}

// A compacted source, copied after compaction: the copy has no holes.
func TestCompactedThenCopied(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, r *route) {
		t.Helper()
		r.create(t, compacting(), nil)
		r.from.keyed(t, r.src, 600, 90)
		r.from.compact(t, r.src)
		r.move(t, committed)
		r.check(t, false, translate.Exact, translate.AtEnd, translate.Refused)
	})
}

// A copy made before the source was compacted: the copy has records that the
// source has lost.
func TestCopiedThenCompacted(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, r *route) {
		t.Helper()
		r.create(t, compacting(), nil)
		r.from.keyed(t, r.src, 600, 90)
		r.move(t, committed)
		r.from.compact(t, r.src)
		r.check(t, false, translate.Exact, translate.AtEnd)
	})
}

// Both sides are compacted after the copy, and the mover has not come to the end.
func TestBothCompacted(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, r *route) {
		t.Helper()
		r.create(t, compacting(), compacting())
		r.from.keyed(t, r.src, 600, 90)
		r.moveBelow(t, 560, committed)
		r.from.compact(t, r.src)
		r.to.compact(t, r.tgt)
		r.check(t, false, translate.Exact, translate.AtEnd, translate.Hold)
	})
}

// transactions writes a source with commits, aborts and plain records, that ends
// with an open transaction. Its first records are gone.
func (n *node) transactions(t *testing.T, p topic.Partition) {
	t.Helper()
	commit, abort := kgo.TryCommit, kgo.TryAbort
	r := rand.New(rand.NewPCG(3, 4))
	tx, plain := n.transactional(t, kafkatest.Name(t, "source")), n.manual(t)
	at := 0
	next := func() []*kgo.Record {
		n := 1 + r.IntN(9)
		at += n
		return numbered(p, at-n, n)
	}
	for i := range 24 {
		switch i % 4 {
		case 0:
			transaction(t, tx, &abort, next()...)
		case 1:
			kafkatest.Produce(t, plain, next()...)
		case 2, 3:
			transaction(t, tx, &commit, next()...)
		}
	}
	transaction(t, tx, &abort, next()...)
	transaction(t, tx, nil, next()...)
	n.k.Trim(t, p.Topic, p.Partition, 9)
}

// A transactional source, of which the mover copies what is committed: markers
// and aborted records are holes, and the open transaction is waited for.
func TestTransactionsCopiedCommitted(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, r *route) {
		t.Helper()
		r.create(t, nil, nil)
		r.from.transactions(t, r.src)
		r.move(t, committed)
		r.check(t, false, translate.Exact, translate.AtEnd, translate.Hold, translate.Refused)
	})
}

// The same source, of which the mover copies everything, as MirrorMaker 2 does
// by default.
func TestTransactionsCopiedUncommitted(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, r *route) {
		t.Helper()
		r.create(t, nil, nil)
		r.from.transactions(t, r.src)
		r.move(t, committed, aborted, undecided)
		r.check(t, true, translate.Exact, translate.AtEnd)
	})
}

// A mover that writes transactions: an attempt that was aborted and made again,
// records of others between, and an attempt that is still open.
func TestTransactionalTarget(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, r *route) {
		t.Helper()
		r.create(t, nil, nil)
		src := r.from.manual(t)
		for i := range 20 {
			kafkatest.Produce(t, src, numbered(r.src, 10*i, 10)...)
		}
		commit, abort := kgo.TryCommit, kgo.TryAbort
		tx, others := r.to.transactional(t, kafkatest.Name(t, "mover")), r.to.manual(t)
		rs := copies(r.from.scan(t, r.src), r.tgt)
		for i := 0; i < 150; i += 15 {
			if i == 60 || i == 135 {
				transaction(t, tx, &abort, copiesOf(rs[i:i+12])...)
			}
			if i == 30 {
				kafkatest.Produce(t, others, numbered(r.tgt, 5000, 4)...)
			}
			transaction(t, tx, &commit, rs[i:i+15]...)
		}
		transaction(t, tx, &abort, copiesOf(rs[150:170])...)
		transaction(t, tx, nil, rs[150:160]...)
		p := r.check(t, false, translate.Exact, translate.AtEnd, translate.Hold)
		r.checkOpenHold(t, p)
	})
}

// checkOpenHold expects the hold to name what it waits for.
func (r *route) checkOpenHold(t *testing.T, p *pair) {
	t.Helper()
	if !p.open {
		t.Fatal("no transaction is open on the target")
	}
	req := translate.Request{Source: r.src, Target: r.tgt, SourceTopic: r.from.topic(t, r.src.Topic), TargetTopic: r.to.topic(t, r.tgt.Topic), Offsets: []int64{155}}
	got, err := translate.Translate(t.Context(), r.from.c, r.to.c, []translate.Request{req}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res := got[0][0]; res.Outcome != translate.Hold || res.Reason != translate.ReasonOpenTransaction || res.CopiedThrough != 150 {
		t.Errorf("%s (%s) %s; %s", res.Outcome, res.Reason, res.Detail, res.Hint)
	}
}

// Passes: the whole, a piece of it again, the rest; then one that is running.
func TestSeveralPasses(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, r *route) {
		t.Helper()
		r.create(t, nil, nil)
		kafkatest.Produce(t, r.from.manual(t), numbered(r.src, 0, 300)...)
		rs, out := copies(r.from.scan(t, r.src), r.tgt), r.to.manual(t)
		for _, stretch := range [][2]int{{0, 200}, {50, 120}, {120, 250}} {
			kafkatest.Produce(t, out, copiesOf(rs[stretch[0]:stretch[1]])...)
		}
		r.check(t, false, translate.Exact, translate.AtEnd, translate.Repeats, translate.Hold)
	})
}

// copiesOf makes records anew, as the client can produce a record only once.
func copiesOf(rs []*kgo.Record) []*kgo.Record {
	out := make([]*kgo.Record, 0, len(rs))
	for _, r := range rs {
		out = append(out, &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers})
	}
	return out
}
