package inspect

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// planned is what a translation with evidence auto rests on, for a group in the
// middle of each partition; "" where all of it is refused.
func planned(t *testing.T, src, tgt *node, name string) (kind translate.Kind, detected string) {
	t.Helper()
	from, to := src.side(), tgt.side()
	var reqs []translate.Request
	for _, p := range to.Topics[name].Partitions {
		reqs = append(reqs, translate.Request{
			Source: topic.Partition{Topic: "orders", Partition: p}, Target: topic.Partition{Topic: name, Partition: p},
			SourceTopic: from.Topics["orders"], TargetTopic: to.Topics[name], Offsets: []int64{150},
		})
	}
	opts := &translate.Options{}
	for i, side := range []Side{from, to} {
		for n := range side.Topics {
			if _, ok := mover.SyncTopicAlias(n); ok {
				opts.Syncs = append(opts.Syncs, translate.SyncTopic{OnTarget: i == 1, Topic: n})
			}
		}
	}
	got, err := translate.Translate(t.Context(), from.Log, to.Log, reqs, opts)
	if err != nil {
		t.Fatal(err)
	}
	r := got[0][0]
	return r.Evidence, r.Detected
}

// What inspect calls the evidence is what a plan takes by itself, whatever
// copied the topic; and where a plan takes none, an obstacle is said.
func TestEvidenceIsThatOfPlans(t *testing.T) {
	t.Parallel()
	const there, here = "mm2-offset-syncs.new.internal", "mm2-offset-syncs.old.internal"
	type copied struct {
		topic string
		make  func(src, tgt *node)
		want  translate.Kind
	}
	cases := map[string]copied{
		"equal offsets": {"orders", func(_, tgt *node) { tgt.produce(plain("orders", 0, 0, 300)...) }, translate.KindIdentity},
		"contents":      {"orders", func(_, tgt *node) { tgt.produce(plain("orders", 0, 100, 300)...) }, translate.KindContent},
		"offset syncs on the source": {"old.orders", func(src, tgt *node) {
			src.topic(there, 1)
			tgt.produce(plain("old.orders", 0, 100, 300)...)
			src.synced(there, syncOf(0, 100, 0))
			src.synced(there, syncOf(0, 250, 150))
		}, translate.KindMM2},
		"offset syncs on the target": {"orders", func(_, tgt *node) {
			tgt.topic(here, 1)
			tgt.produce(plain("orders", 0, 100, 300)...)
			tgt.synced(here, syncOf(0, 250, 150))
		}, translate.KindMM2},
		"offset syncs beside equal offsets": {"orders", func(_, tgt *node) {
			tgt.topic(here, 1)
			tgt.produce(plain("orders", 0, 0, 300)...)
			tgt.synced(here, syncOf(0, 250, 250))
		}, translate.KindMM2},
		"one of the offset syncs differs": {"orders", func(_, tgt *node) {
			tgt.topic(here, 1)
			tgt.produce(plain("orders", 0, 100, 300)...)
			tgt.synced(here, syncOf(0, 120, 20))
			tgt.synced(here, syncOf(0, 250, 160))
		}, translate.KindMM2},
		"offset syncs of another target": {"orders", func(src, tgt *node) {
			src.topic(there, 1)
			tgt.produce(plain("orders", 0, 100, 300)...)
			src.synced(there, syncOf(0, 250, 17))
		}, translate.KindContent},
		"offset syncs of a foreign format": {"orders", func(src, tgt *node) {
			src.topic(there, 1)
			tgt.produce(plain("orders", 0, 100, 300)...)
			src.produce(&kgo.Record{Topic: there, Key: []byte("{}"), Value: []byte(`{"offset":3}`)})
		}, translate.KindContent},
		"records that are not on the source": {"orders", func(_, tgt *node) {
			for _, r := range plain("orders", 0, 0, 300) {
				r.Value = append([]byte("changed "), r.Value...)
				tgt.produce(r)
			}
		}, ""},
		"copies behind others": {"orders", func(_, tgt *node) {
			for range 30 {
				tgt.produce(&kgo.Record{Topic: "orders", Value: []byte("mine")})
			}
			tgt.produce(plain("orders", 0, 0, 300)...)
		}, translate.KindContent},
		"a header of nobody": {"orders", func(_, tgt *node) {
			rs := plain("orders", 0, 100, 300)
			for i := range rs {
				rs[i].Headers = append(rs[i].Headers, kgo.RecordHeader{Key: "from-offset", Value: fmt.Append(nil, 100+i)})
			}
			tgt.produce(rs...)
		}, translate.KindContent},
		"two movers": {"orders", func(_, tgt *node) {
			tgt.produce(styleOf(t, "__original_offset", mover.Decimal, "").copies("orders", 0, 0, 0, 200)...)
			tgt.produce(styleOf(t, "k2k_offset", mover.Decimal, mover.Decimal).copies("orders", 0, 0, 0, 200)...)
		}, ""},
	}
	for _, h := range mover.Headers() {
		for _, enc := range h.Encodings {
			part := mover.Encoding("")
			if len(h.PartitionEncodings) > 0 {
				part = h.PartitionEncodings[0]
			}
			s := styleOf(t, h.Offset, enc, part)
			cases[h.Offset+" "+string(enc)] = copied{"orders", func(_, tgt *node) { tgt.produce(s.copies("orders", 0, 0, 0, 300)...) }, translate.KindHeader}
		}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, tgt := newNode(t, "old"), newNode(t, "new")
			src.topic("orders", 1)
			src.fill("orders", 0, 0, 400)
			tgt.topic(c.topic, 1)
			c.make(src, tgt)
			plan, how := planned(t, src, tgt, c.topic)
			if plan != c.want {
				t.Fatalf("a plan takes %q (%s), want %q", plan, how, c.want)
			}
			for _, full := range []bool{false, true} {
				got := inspectOne(t, tgt, src, Ask{Topic: c.topic, Source: "orders"}, &Options{Full: full})
				if plan == "" && got.Obstacles() || plan != "" && got.Evidence == plan {
					continue
				}
				t.Errorf("full=%v: a plan takes %q: %s", full, plan, describe(got))
			}
		})
	}
}
