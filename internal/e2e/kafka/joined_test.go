package kafka_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/kafkatest"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// elsewhere is a mover that puts records into other partitions than their own
// and says where they come from.
type elsewhere struct {
	sources, targets int32
	to               func(from int32, h int64) int32
	headers          func(from int32, h int64) []kgo.RecordHeader
	// transactions: it writes in transactions, some of which it aborts and does
	// again.
	transactions bool
	// again is what it copies a second time: from offset 20 on of this source
	// partition, -1 none.
	again int32
}

func bigEndian(n int64, size int) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(n))[8-size:]
}

func littleEndian(n int64, size int) []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64(n))[:size]
}

func k2k(enc func(int64) []byte, partition func(int64) []byte) func(int32, int64) []kgo.RecordHeader {
	return func(from int32, h int64) []kgo.RecordHeader {
		return []kgo.RecordHeader{{Key: "k2k_offset", Value: enc(h)}, {Key: "k2k_partition", Value: partition(int64(from))}}
	}
}

func text(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// TestMergedAndSplit: copies whose partitions do not correspond one to one, on
// real brokers with markers and aborted records on either side. Each answer is
// compared with the definition over a full scan.
func TestMergedAndSplit(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]elsewhere{
		"four in two, binary": {
			sources: 4, targets: 2, again: -1, to: func(from int32, _ int64) int32 { return from % 2 },
			headers: k2k(func(n int64) []byte { return bigEndian(n, 4) }, func(n int64) []byte { return bigEndian(n, 4) }),
		},
		"three in one, in two passes": {
			sources: 3, targets: 1, again: 1, to: func(int32, int64) int32 { return 0 },
			headers: k2k(func(n int64) []byte { return bigEndian(n, 8) }, text),
		},
		"two over three by key, in transactions": {
			sources: 2, targets: 3, again: -1, transactions: true, to: func(_ int32, h int64) int32 { return int32(h * 5 % 7 % 3) },
			headers: func(from int32, h int64) []kgo.RecordHeader {
				return []kgo.RecordHeader{{Key: "x-original-offset", Value: littleEndian(h, 8)}, {Key: "x-source-partition", Value: littleEndian(int64(from), 4)}}
			},
		},
		"three in another order": {
			sources: 3, targets: 3, again: -1, to: func(from int32, _ int64) int32 { return (from + 1) % 3 },
			headers: func(from int32, h int64) []kgo.RecordHeader {
				return []kgo.RecordHeader{{Key: "x-kafka-backup-offset", Value: text(h)}, {Key: "x-kafka-backup-partition", Value: text(int64(from))}}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := &joined{from: shared(t, kafkatest.Newest), to: shared(t, kafkatest.Previous), mover: m, src: kafkatest.Name(t, "src"), tgt: kafkatest.Name(t, "tgt")}
			j.make(t)
			j.check(t)
			j.cross(t)
		})
	}
}

// joined is one copy with all that a scan shows of it.
type joined struct {
	from, to *node
	mover    elsewhere
	src, tgt string
	ends     map[int32]int64
	where    map[string]place // by value of the source's records
	logs     map[int32][]entry
}

// place is a record of the source.
type place struct {
	partition int32
	h         int64
}

// make writes the source with transactions in it and has the mover copy it.
func (j *joined) make(t *testing.T) {
	t.Helper()
	j.from.create(t, j.src, j.mover.sources, nil)
	j.to.create(t, j.tgt, j.mover.targets, nil)
	j.ends, j.where, j.logs = map[int32]int64{}, map[string]place{}, map[int32][]entry{}
	plain, tx := j.from.manual(t), j.from.transactional(t, kafkatest.Name(t, "tx"))
	commit, abort := kgo.TryCommit, kgo.TryAbort
	var all []entry
	for p := range j.mover.sources {
		at := part(j.src, p)
		kafkatest.Produce(t, plain, numbered(at, 0, 20)...)
		transaction(t, tx, &commit, numbered(at, 20, 10)...)
		transaction(t, tx, &abort, numbered(at, 30, 5)...)
		kafkatest.Produce(t, plain, numbered(at, 40, 15)...)
		log := j.from.scan(t, at)
		j.ends[p] = log[len(log)-1].Offset + 1
		for _, e := range only(log, committed) {
			all = append(all, e)
			j.where[string(e.Value)] = place{p, e.Offset}
		}
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.Offset/3, b.Offset/3) })
	j.copy(t, all)
	if p := j.mover.again; p >= 0 {
		j.copy(t, slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return e.Partition != p || e.Offset < 20 }))
	}
	for q := range j.mover.targets {
		j.logs[q] = j.to.scan(t, part(j.tgt, q))
	}
}

func (j *joined) copy(t *testing.T, all []entry) {
	t.Helper()
	cl := j.to.manual(t)
	if j.mover.transactions {
		cl = j.to.transactional(t, kafkatest.Name(t, "mover"))
	}
	commit, abort := kgo.TryCommit, kgo.TryAbort
	for some := range slices.Chunk(all, 23) {
		records := func() (out []*kgo.Record) {
			for _, e := range some {
				out = append(out, &kgo.Record{
					Topic: j.tgt, Partition: j.mover.to(e.Partition, e.Offset), Key: e.Key, Value: e.Value, Timestamp: e.Timestamp,
					Headers: j.mover.headers(e.Partition, e.Offset),
				})
			}
			return out
		}
		switch {
		case !j.mover.transactions:
			kafkatest.Produce(t, cl, records()...)
		default:
			transaction(t, cl, &abort, records()[:5]...)
			transaction(t, cl, &commit, records()...)
		}
	}
}

// expect is the definition for one target partition: T, and how many records are
// met again.
func (j *joined) expect(q int32, at map[int32]translate.At) (to, again int64) {
	log := only(j.logs[q], committed)
	wanted := map[string]bool{}
	unread := func(e entry) bool { p := j.where[string(e.Value)]; return p.h >= at[p.partition].Offset }
	for _, e := range log {
		if unread(e) {
			wanted[string(e.Value)] = true
		}
	}
	for u := len(log); ; u-- {
		met, last, inOrder, again := map[string]bool{}, map[int32]int64{}, true, int64(0)
		for _, e := range log[u:] {
			p := j.where[string(e.Value)]
			if !unread(e) || met[string(e.Value)] {
				again++
				continue
			}
			inOrder = inOrder && p.h >= last[p.partition]
			last[p.partition], met[string(e.Value)] = p.h, true
		}
		if len(met) < len(wanted) || !inOrder {
			continue
		}
		to := int64(0)
		for _, e := range only(j.logs[q], committed, aborted) {
			if u == len(log) || e.Offset < log[u].Offset {
				to = e.Offset + 1
			}
		}
		return to, again
	}
}

// check asks for many groups at once.
func (j *joined) check(t *testing.T) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(j.mover.sources)))
	req := &translate.JoinRequest{SourceTopic: j.from.topic(t, j.src), TargetTopic: j.to.topic(t, j.tgt)}
	for range 150 {
		at := map[int32]translate.At{}
		for p, end := range j.ends {
			at[p] = translate.At{Offset: r.Int64N(end + 1), Epoch: -1}
		}
		req.Positions = append(req.Positions, at)
	}
	got, err := translate.Join(t.Context(), j.from.c, j.to.c, req, nil)
	if err != nil {
		t.Fatal(err)
	}
	count, wrong := map[translate.Outcome]int{}, 0
	for i, at := range req.Positions {
		for q, a := range got[i] {
			to, again := j.expect(q, at)
			count[a.Outcome]++
			if good := a.T == to && a.Repeats == again && (again > 0) == (a.Outcome == translate.Repeats); !good && wrong < 5 {
				wrong++
				t.Errorf("%v on partition %d: %s %s T=%d repeats=%d, want T=%d repeats=%d", at, q, a.Outcome, a.Detail, a.T, a.Repeats, to, again)
			}
		}
	}
	t.Logf("%v", count)
	// Random positions of three partitions in one are hardly equally far.
	if count[translate.Exact] == 0 && j.mover.targets > 1 || count[translate.Repeats] == 0 && j.mover.again >= 0 {
		t.Errorf("no position is exact, or none repeats: %v", count)
	}
}

// cross moves a group, and lets a consumer go on: it meets what it had not read,
// and again what the plan said.
func (j *joined) cross(t *testing.T) {
	t.Helper()
	id, at := kafkatest.Name(t, "group"), map[topic.Partition]int64{}
	for p, end := range j.ends {
		at[part(j.src, p)] = end/2 + 5*int64(p)
	}
	j.from.commit(t, id, at)
	sel, err := position.Selector{Groups: []string{id}}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	route, err := position.NewRoute(position.RouteOptions{MapTopics: []string{j.src + "=" + j.tgt}})
	if err != nil {
		t.Fatal(err)
	}
	from := j.from.side()
	p, err := plan.Build(t.Context(), plan.Input{
		From: &from, To: j.to.side(), Selection: sel, Route: route, Settle: -1, Tool: "kferry test", Accept: plan.Accept{Repeats: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := plan.Apply(t.Context(), p, plan.ApplyInput{
		From: &from, To: j.to.side(), Bucket: store.New(memstore.New(), "mem://state", nil), Tool: "kferry test", Command: "kferry apply plan.json",
	})
	if err != nil || !rep.Complete() {
		t.Fatalf("applying: %v %+v %s", err, rep, p.Groups[0].Detail)
	}
	v, err := plan.Verify(t.Context(), p, plan.VerifyInput{From: &from, To: j.to.side()})
	if err != nil || !v.Right() || v.Proofs[plan.ProofHolds] != int(j.mover.targets) {
		t.Errorf("verify: %v %+v", err, v)
	}
	want, again := map[string]int{}, int64(0)
	for value, pl := range j.where {
		if pl.h >= at[part(j.src, pl.partition)] {
			want[value] = 1
		}
	}
	for _, q := range p.Groups[0].Positions {
		again += q.Repeats
	}
	got, more := map[string]int{}, int64(0)
	for _, value := range j.consume(t, id, len(want)+int(again)) {
		if want[value] == 0 || got[value] > 0 {
			more++
			continue
		}
		got[value]++
	}
	if d := gocmp.Diff(want, got); d != "" || more != again {
		t.Errorf("%d records came again, said were %d; unread (-want +got):\n%s", more, again, d)
	}
}

// consume reads so many records as a group that reads committed, and sees that no
// more come.
func (j *joined) consume(t *testing.T, id string, n int) (values []string) {
	t.Helper()
	cl := j.to.k.Client(t, kgo.ConsumerGroup(id), kgo.ConsumeTopics(j.tgt), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DisableAutoCommit())
	defer cl.Close()
	for wait := kafkatest.Patience; ; {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		fs := cl.PollFetches(ctx)
		over := ctx.Err() != nil
		cancel()
		for _, r := range fs.Records() {
			values = append(values, string(r.Value))
		}
		if over {
			if len(values) < n {
				t.Errorf("only %d of %d records came", len(values), n)
			}
			return values
		}
		if len(values) >= n {
			wait = time.Second
		}
	}
}
