package translate

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

// syncTopic is where the tests keep offset syncs.
const syncTopic = "mm2-offset-syncs.b.internal"

// memCluster is a partition in memory with an offset-syncs topic beside it.
type memCluster struct {
	*memLog
	syncs [][2][]byte
}

func (m *memCluster) Bounds(ctx context.Context, ps []topic.Partition) (map[topic.Partition]topic.Bounds, error) {
	out, err := m.memLog.Bounds(ctx, ps)
	for _, p := range ps {
		if p.Topic == syncTopic {
			n := int64(len(m.syncs))
			out[p] = topic.Bounds{End: n, Stable: n, Epoch: -1}
		}
	}
	return out, err
}

func (m *memCluster) Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	if asks[0].Partition.Topic != syncTopic {
		return m.memLog.Fetch(ctx, asks)
	}
	n := int64(len(m.syncs))
	c := batch.Chunk{Partition: asks[0].Partition, Offset: asks[0].Offset, HighWatermark: n, Stable: n}
	var recs []batch.Record
	for i := asks[0].Offset; i < n; i++ {
		recs = append(recs, batch.Record{Offset: i, Key: m.syncs[i][0], Value: m.syncs[i][1]})
	}
	var err error
	c.Raw, err = batch.Encode(recs, batch.EncodeOptions{BaseOffset: asks[0].Offset, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1})
	return []batch.Chunk{c}, err
}

func (m *memCluster) sync(source, target int64) {
	k, v := mover.OffsetSync{Source: part, SourceOffset: source, TargetOffset: target}.Encode()
	m.syncs = append(m.syncs, [2][]byte{k, v})
}

// mirrored makes a source of n records and a copy with a marker after each
// hundred of them, and syncs as MirrorMaker 2 writes them.
func mirrored(n int64) (src *memCluster, tgt *memLog) {
	src = &memCluster{memLog: &memLog{stable: -1, batch: 16}}
	tgt = &memLog{stable: -1, batch: 16, copies: true, bare: true}
	src.answer, tgt.answer = 1<<16, 1<<16
	src.times = timeModes["kept"]
	tgt.times = timeModes["kept"]
	for i := range n {
		src.slots = append(src.slots, slot{kind: 'd'})
		if i%97 == 0 {
			src.sync(i, tgt.end())
		}
		tgt.slots = append(tgt.slots, slot{kind: 'd', h: i})
		if i%100 == 99 {
			tgt.slots = append(tgt.slots, slot{kind: 'c'})
		}
	}
	return src, tgt
}

func translateSynced(t testing.TB, src *memCluster, tgt *memLog, s int64, opt Options) Result {
	t.Helper()
	opt.Syncs = []SyncTopic{{Topic: syncTopic}}
	req := Request{
		Source: part, Target: part, Offsets: []int64{s},
		SourceTopic: topic.Topic{Name: "t", ID: topic.ID{1}, Config: topic.Config{Known: true, Compacted: src.compacted}},
		TargetTopic: topic.Topic{Name: "t", ID: topic.ID{2}, Config: topic.Config{Known: true, AppendTime: tgt.stamped}},
	}
	out, err := Translate(t.Context(), src, tgt, []Request{req}, &opt)
	if err != nil {
		t.Fatal(err)
	}
	return out[0][0]
}

func TestOffsetSyncs(t *testing.T) {
	t.Parallel()
	const n = 3000
	for name, change := range map[string]func(src *memCluster, tgt *memLog){
		"as MirrorMaker 2 leaves them": func(*memCluster, *memLog) {},
		"thinned by the cleaner":       func(src *memCluster, _ *memLog) { src.syncs = src.syncs[len(src.syncs)-1:] },
		"an earlier target before": func(src *memCluster, _ *memLog) {
			now := src.syncs
			src.syncs = nil
			for i := range int64(40) {
				src.sync(i*50, 7+i*60)
			}
			src.syncs = append(src.syncs, now...)
		},
		"beyond the end": func(src *memCluster, _ *memLog) { src.sync(n-1, 10*n) },
		"one that lies": func(src *memCluster, _ *memLog) {
			src.syncs = src.syncs[:len(src.syncs)-1]
			src.sync(2900, 2905)
		},
		"records that are alike, and no times": func(src *memCluster, tgt *memLog) {
			src.alike, tgt.alike = 500, 500
			tgt.times, tgt.stamped = timeModes["append time"], true
		},
		"compacted source": func(src *memCluster, _ *memLog) {
			src.compacted = true
			r := rand.New(rand.NewPCG(1, 2))
			for i := range src.slots[:n-1] {
				if r.IntN(3) > 0 {
					src.slots[i].kind = '.'
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, s := range []int64{0, 1, 99, 100, 101, 970, 1234, 2000, 2899, 2901, n - 1, n} {
				src, tgt := mirrored(n)
				change(src, tgt)
				got := translateSynced(t, src, tgt, s, Options{})
				want := int64(0) // 1 + the copy before, with a marker after each hundred
				if s > 0 {
					want = s + (s-1)/100
				}
				if got.T != want || got.Outcome != Exact && got.Outcome != AtEnd || got.Evidence != KindMM2 {
					t.Errorf("S=%d: got %s %s T=%d by %q (%s %q), want %d", s, got.Outcome, got.Reason, got.T, got.Evidence, got.Detail, got.Notes, want)
				}
				if got.Proof.Bracket == nil {
					t.Errorf("S=%d: no bracket in the proof", s)
				}
			}
		})
	}
}

// TestBadOffsetSyncs: what is no offset sync, or none of this copy, is named.
func TestBadOffsetSyncs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(src *memCluster)
		want   string
	}{
		"none":             {func(src *memCluster) { src.syncs = nil }, "names t"},
		"a foreign format": {func(src *memCluster) { src.syncs[3] = [2][]byte{[]byte("x"), []byte("y")} }, "at offset 3"},
		"of an earlier topic with the same contents": {func(src *memCluster) {
			src.times = func(source, _ int64) int64 { return 9_000_000 + 400*source }
		}, "earlier copy"},
		"of another target": {func(src *memCluster) {
			src.syncs = nil
			for i := range int64(20) {
				src.sync(i*100, i*100+50)
			}
		}, "another target"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, tgt := mirrored(2000)
			tt.change(src)
			got := translateSynced(t, src, tgt, 1000, Options{Evidence: KindMM2})
			if got.Reason != ReasonNoEvidence || !strings.Contains(got.Detail, tt.want) {
				t.Errorf("got %s %s: %s", got.Outcome, got.Reason, got.Detail)
			}
			if got := translateSynced(t, src, tgt, 1000, Options{}); got.Outcome != Exact || got.Evidence != KindContent {
				t.Errorf("by itself: %s by %q: %s", got.Outcome, got.Evidence, got.Detail)
			}
		})
	}
}
