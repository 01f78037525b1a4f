package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

// input is for a plan of the groups whose names begin so.
func (r *route) input(t *testing.T, groups string) plan.Input {
	t.Helper()
	sel, err := position.Selector{Groups: []string{groups + "*"}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	to, err := position.NewRoute(position.RouteOptions{MapTopics: []string{r.src.Topic + "=" + r.tgt.Topic}})
	if err != nil {
		t.Fatal(err)
	}
	from := r.from.side()
	return plan.Input{From: &from, To: r.to.side(), Selection: sel, Route: to, Settle: -1, Tool: "kferry test"}
}

// proofs are the records of all proofs as verify finds them now.
func (r *route) proofs(t *testing.T, p *plan.Plan, bucket *store.Bucket) (out []plan.ProofRecord, right bool) {
	t.Helper()
	from := r.from.side()
	v, err := plan.Verify(t.Context(), p, plan.VerifyInput{From: &from, To: r.to.side(), Bucket: bucket})
	if err != nil {
		t.Fatalf("verifying: %v", err)
	}
	for _, g := range v.Groups {
		for _, q := range g.Positions {
			out = append(out, q.ProofRecords...)
		}
	}
	return out, v.Right()
}

// checkProofs compares each record with what a scan of its log has.
func (r *route) checkProofs(t *testing.T, p *plan.Plan, bucket *store.Bucket) map[plan.RecordCheck]int {
	t.Helper()
	there := map[bool]map[int64]bool{false: {}, true: {}}
	for _, e := range r.from.scan(t, r.src) {
		there[false][e.Offset] = true
	}
	for _, e := range r.to.scan(t, r.tgt) {
		there[true][e.Offset] = true
	}
	starts := map[bool]int64{false: r.from.bounds(t, r.src).Start, true: r.to.bounds(t, r.tgt).Start}
	records, right := r.proofs(t, p, bucket)
	if !right {
		t.Error("verify finds something wrong")
	}
	counts := map[plan.RecordCheck]int{}
	for _, rec := range records {
		onTarget := strings.HasPrefix(string(rec.Record), "target")
		want := plan.RecordHolds
		switch {
		case rec.Offset < starts[onTarget]:
			want = plan.RecordRetention
		case !there[onTarget][rec.Offset]:
			want = plan.RecordCompaction
		}
		if rec.Check != want {
			t.Errorf("%s at %d is %s (%s), want %s", rec.Record, rec.Offset, rec.Check, rec.Detail, want)
		}
		counts[rec.Check]++
	}
	return counts
}

// Proofs are checked again after Kafka's own cleaner has worked on both sides,
// after retention, and after the source topic was made anew.
func TestProofAfterTheLogsMovedOn(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{kafkatest.Newest, kafkatest.Previous}, {kafkatest.Old, kafkatest.Newest}} {
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
			t.Parallel()
			kafkatest.Need(t, pair[0], pair[1])
			r := &route{from: shared(t, pair[0]), to: shared(t, pair[1])}
			r.src, r.tgt = part(kafkatest.Name(t, "src"), 0), part(kafkatest.Name(t, "tgt"), 0)
			r.create(t, compacting(), compacting())
			r.from.keyed(t, r.src, 600, 90)
			others := numbered(r.tgt, 1000, 7)
			for _, rec := range others {
				rec.Timestamp = time.Now().Add(-2 * time.Hour) // later ones would keep segments open
			}
			kafkatest.Produce(t, r.to.manual(t), others...)
			r.move(t, committed)
			groups := kafkatest.Name(t, "app")
			for s := int64(30); s < 600; s += 40 {
				r.from.commit(t, fmt.Sprintf("%s-%03d", groups, s), map[topic.Partition]int64{r.src: s})
			}
			p, err := plan.Build(t.Context(), r.input(t, groups))
			if err != nil {
				t.Fatal(err)
			}
			bucket := store.New(memstore.New(), "mem://state", nil)
			from := r.from.side()
			rep, err := plan.Apply(t.Context(), p, plan.ApplyInput{From: &from, To: r.to.side(), Bucket: bucket, Tool: "kferry test"})
			if err != nil || !rep.Complete() {
				t.Fatalf("applying: %+v, %v", rep, err)
			}
			if got := r.checkProofs(t, p, bucket); got[plan.RecordHolds] != 4*len(p.Groups) {
				t.Errorf("at first: %v", got)
			}
			r.from.compact(t, r.src)
			r.to.compact(t, r.tgt)
			if got := r.checkProofs(t, p, bucket); got[plan.RecordCompaction] == 0 || got[plan.RecordHolds] == 0 {
				t.Errorf("after compaction: %v", got)
			}
			r.checkTrimmed(t, p, bucket)
			r.checkAnew(t, p, bucket, pair[0] != kafkatest.Old)
		})
	}
}

// checkTrimmed deletes records on both sides. A topic that is only compacted
// does not let them be deleted.
func (r *route) checkTrimmed(t *testing.T, p *plan.Plan, bucket *store.Bucket) {
	t.Helper()
	r.from.policy(t, r.src.Topic, "compact,delete")
	r.to.policy(t, r.tgt.Topic, "compact,delete")
	r.from.k.Trim(t, r.src.Topic, r.src.Partition, 200)
	r.to.k.Trim(t, r.tgt.Topic, r.tgt.Partition, 207)
	if got := r.checkProofs(t, p, bucket); got[plan.RecordRetention] == 0 || got[plan.RecordHolds] == 0 {
		t.Errorf("after retention: %v", got)
	}
}

// checkAnew makes the source topic anew: a topic ID says so, and without one
// the records do.
func (r *route) checkAnew(t *testing.T, p *plan.Plan, bucket *store.Bucket, hasID bool) {
	t.Helper()
	r.from.anew(t, r.src.Topic, 1, 700)
	records, _ := r.proofs(t, p, bucket)
	want := plan.RecordDiffers
	if hasID {
		want = plan.RecordIncarnation
	}
	for _, rec := range records {
		if strings.HasPrefix(string(rec.Record), "source") && rec.Check != want {
			t.Errorf("%s at %d is %s (%s), want %s", rec.Record, rec.Offset, rec.Check, rec.Detail, want)
		}
	}
}

// A plan waits for a mover that writes a part plainly, then hangs in a
// transaction, which is named, and ends it.
func TestWaitForTheCopy(t *testing.T) {
	t.Parallel()
	kafkatest.Need(t, kafkatest.Newest, kafkatest.Previous)
	r := &route{from: shared(t, kafkatest.Newest), to: shared(t, kafkatest.Previous)}
	r.src, r.tgt = part(kafkatest.Name(t, "src"), 0), part(kafkatest.Name(t, "tgt"), 0)
	r.create(t, nil, nil)
	kafkatest.Produce(t, r.from.manual(t), numbered(r.src, 0, 100)...)
	all := copies(r.from.scan(t, r.src), r.tgt)
	groups := kafkatest.Name(t, "app")
	r.from.commit(t, groups, map[topic.Partition]int64{r.src: 80})
	plain, cl := r.to.manual(t), r.to.transactional(t, kafkatest.Name(t, "mover"))
	steps := []func(){
		func() { kafkatest.Produce(t, plain, all[:40]...) },
		func() {
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			kafkatest.Produce(t, cl, all[40:]...)
		},
		func() {
			ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
			defer cancel()
			if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
		},
	}
	var looks []*plan.Look
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	p, last, err := plan.Await(ctx, r.input(t, groups), plan.WaitInput{
		Interval: time.Second,
		Sleep: func(ctx context.Context, _ time.Duration) error {
			if len(steps) > 0 {
				steps[0]()
				steps = steps[1:]
				return nil
			}
			// Brokers write the markers after they have answered.
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
				return nil
			}
		},
		Look: func(l *plan.Look) { looks = append(looks, l) },
	})
	if err != nil {
		t.Fatalf("waiting: %v", err)
	}
	if last.Over || !p.AllApplicable() || p.Groups[0].Positions[0].After.Offset != 80 {
		t.Errorf("at the end: %+v", p.Groups[0].Positions)
	}
	if tp := looks[1].Topics[0]; tp.Copied != 40 || tp.Wanted != 80 {
		t.Errorf("after the first part: %+v", tp)
	}
	hangs := slices.IndexFunc(looks[2].Troubles, func(tr plan.Trouble) bool { return tr.Kind == plan.OpenTransaction })
	if hangs < 0 || !strings.Contains(looks[2].Troubles[hangs].Detail, fmt.Sprintf("has a transaction open on %s since offset 40, silent for ", r.tgt)) {
		t.Errorf("the transaction is not named: %+v", looks[2].Troubles)
	}
}

// policy sets how a topic is cleaned.
func (n *node) policy(t *testing.T, name, policy string) {
	t.Helper()
	alter := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &policy}}
	if got, err := n.k.Admin(t).AlterTopicConfigs(t.Context(), alter, name); err != nil || got[0].Err != nil {
		t.Fatalf("cleaning %s by %s: %v, %+v", name, policy, err, got)
	}
}
