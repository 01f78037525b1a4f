package inspect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// plain are copies of [h, end) without any header.
func plain(name string, partition int32, h, end int64) []*kgo.Record {
	var rs []*kgo.Record
	for ; h < end; h++ {
		r := recordOf(name, partition, h)
		rs = append(rs, r)
	}
	return rs
}

// synced writes one offset sync.
func (n *node) synced(name string, s mover.OffsetSync) {
	n.t.Helper()
	key, value := s.Encode()
	n.produce(&kgo.Record{Topic: name, Key: key, Value: value})
}

func syncOf(partition int32, source, target int64) mover.OffsetSync {
	return mover.OffsetSync{Source: topic.Partition{Topic: "orders", Partition: partition}, SourceOffset: source, TargetOffset: target}
}

func (n *node) checkpointed(name, group, target string) {
	n.t.Helper()
	key, value := mover.Checkpoint{Group: group, Target: topic.Partition{Topic: target}}.Encode()
	n.produce(&kgo.Record{Topic: name, Key: key, Value: value})
}

// MirrorMaker 2 is recognised by its own topics, wherever they are, and its
// pairs are believed only when they are equal records.
func TestMirrorMaker(t *testing.T) {
	t.Parallel()
	const there, here = "mm2-offset-syncs.new.internal", "mm2-offset-syncs.old.internal"
	tests := []struct {
		name     string
		topic    string
		make     func(src, tgt *node)
		noSource bool
		evidence translate.Kind
		mover    string
		through  int64
		atLeast  bool
		want     []string
	}{
		{
			name: "syncs on the source", topic: "old.orders", evidence: translate.KindMM2, mover: mover.MirrorMaker, through: 400,
			make: func(src, tgt *node) {
				tgt.topic("old.checkpoints.internal", 1)
				src.topic(there, 1)
				tgt.produce(plain("old.orders", 0, 100, 400)...)
				src.synced(there, syncOf(0, 100, 0))
				src.synced(there, syncOf(0, 250, 150))
			},
			want: []string{},
		},
		{
			name: "the same name on both sides, and syncs on the target", topic: "orders", evidence: translate.KindMM2, mover: mover.MirrorMaker, through: 400,
			make: func(_, tgt *node) {
				tgt.topic(here, 1)
				tgt.produce(plain("orders", 0, 100, 400)...)
				tgt.synced(here, syncOf(0, 250, 150))
			},
			want: []string{},
		},
		{
			name: "without the source, syncs on the target", topic: "old.orders", noSource: true, evidence: translate.KindMM2, mover: mover.MirrorMaker, through: 251, atLeast: true,
			make: func(_, tgt *node) {
				tgt.topic(here, 1)
				tgt.produce(plain("old.orders", 0, 100, 400)...)
				tgt.synced(here, syncOf(0, 250, 150))
			},
			want: []string{"note source-needed"},
		},
		{
			name: "without the source, by its checkpoints", topic: "orders", noSource: true, mover: mover.MirrorMaker, through: -1,
			make: func(_, tgt *node) {
				tgt.topic("old.checkpoints.internal", 1)
				tgt.checkpointed("old.checkpoints.internal", "shop", "orders")
				tgt.produce(plain("orders", 0, 100, 400)...)
			},
			want: []string{"note source-needed"},
		},
		{
			name: "without the source, by its name and heartbeats", topic: "old.orders", noSource: true, mover: mover.MirrorMaker, through: -1,
			make: func(_, tgt *node) {
				tgt.topic("old.heartbeats", 1)
				tgt.produce(plain("old.orders", 0, 100, 400)...)
			},
			want: []string{"note source-needed"},
		},
		{
			name: "syncs of an earlier life are dropped", topic: "old.orders", evidence: translate.KindMM2, mover: mover.MirrorMaker, through: 400,
			make: func(src, tgt *node) {
				tgt.topic("old.checkpoints.internal", 1)
				src.topic(there, 1)
				tgt.produce(plain("old.orders", 0, 100, 400)...)
				src.synced(there, syncOf(0, 120, 900))
				src.synced(there, syncOf(0, 200, 100))
			},
			want: []string{},
		},
		{
			name: "syncs of another target", topic: "old.orders", evidence: translate.KindContent, mover: mover.MirrorMaker, through: 400,
			make: func(src, tgt *node) {
				tgt.topic("old.checkpoints.internal", 1)
				src.topic(there, 1)
				tgt.produce(plain("old.orders", 0, 100, 400)...)
				src.synced(there, syncOf(0, 250, 17))
			},
			want: []string{"warning syncs-elsewhere"},
		},
		{
			name: "a foreign format", topic: "old.orders", evidence: translate.KindContent, mover: mover.MirrorMaker, through: 400,
			make: func(src, tgt *node) {
				tgt.topic("old.checkpoints.internal", 1)
				src.topic(there, 1)
				tgt.produce(plain("old.orders", 0, 100, 400)...)
				src.produce(&kgo.Record{Topic: there, Key: []byte("{}"), Value: []byte(`{"offset":3}`)})
			},
			want: []string{"warning foreign-syncs"},
		},
		{
			name: "a foreign format, and no source", topic: "old.orders", noSource: true, mover: mover.MirrorMaker, through: -1,
			make: func(_, tgt *node) {
				tgt.topic(here, 1)
				tgt.produce(plain("old.orders", 0, 100, 400)...)
				tgt.produce(&kgo.Record{Topic: here, Key: []byte("{}"), Value: []byte(`{"offset":3}`)})
			},
			want: []string{"obstacle foreign-syncs", "note source-needed"},
		},
		{
			name: "equal offsets", topic: "orders", evidence: translate.KindIdentity, through: 400,
			make: func(_, tgt *node) { tgt.produce(plain("orders", 0, 0, 400)...) },
			want: []string{},
		},
		{
			name: "contents alone", topic: "orders", evidence: translate.KindContent, through: 400,
			make: func(_, tgt *node) { tgt.produce(plain("orders", 0, 100, 400)...) },
			want: []string{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src, tgt := newNode(t, "old"), newNode(t, "new")
			src.topic("orders", 1)
			tgt.topic(tt.topic, 1)
			src.fill("orders", 0, 0, 500)
			tt.make(src, tgt)
			if tt.noSource {
				src = nil
			}
			for _, full := range []bool{false, true} {
				got := inspectOne(t, tgt, src, Ask{Topic: tt.topic}, &Options{Full: full})
				if diff := cmp.Diff(tt.want, findings(got)); diff != "" || got.Evidence != tt.evidence || got.Mover != tt.mover {
					t.Errorf("full=%v (-want +got):\n%s\n%s", full, diff, describe(got))
				}
				through, atLeast := int64(-1), false
				if ts := got.Partitions[0].Tracks; len(ts) == 1 {
					through, atLeast = ts[0].CopiedThrough, ts[0].AtLeast
					if src != nil && (ts[0].Lag != 100 || !ts[0].LagExact) {
						t.Errorf("full=%v: lag: %s", full, describe(got))
					}
				}
				if through != tt.through || atLeast != tt.atLeast {
					t.Errorf("full=%v: copied through %d (at least: %v): %s", full, through, atLeast, describe(got))
				}
			}
		})
	}
}

// A mover's own topics are named as such.
func TestOwnTopics(t *testing.T) {
	t.Parallel()
	tgt := newNode(t, "new")
	for name, want := range map[string]string{
		"mm2-offset-syncs.old.internal": mover.MirrorMaker, "old.checkpoints.internal": mover.MirrorMaker,
		"heartbeats": mover.MirrorMaker, mover.OffsetMapTopic: mover.Kferry,
	} {
		tgt.topic(name, 1)
		got := inspectOne(t, tgt, nil, Ask{Topic: name}, nil)
		if got.Mover != want || !cmp.Equal(findings(got), []string{"note own-topic"}) {
			t.Errorf("%s", describe(got))
		}
	}
	tgt.produce(&kgo.Record{Topic: "mm2-offset-syncs.old.internal", Key: []byte("x"), Value: []byte("y")})
	got := inspectOne(t, tgt, nil, Ask{Topic: "mm2-offset-syncs.old.internal"}, nil)
	if !strings.Contains(describe(got), "obstacle foreign-syncs") {
		t.Errorf("%s", describe(got))
	}
}

// A mover that leaves nothing and went back is noticed by the order in which
// samples are found on the source.
func TestPassesByContents(t *testing.T) {
	t.Parallel()
	src, tgt := newPair(t, 1, 1)
	for h := int64(0); h < 4000; h += 500 {
		src.fill("orders", 0, h, h+500)
	}
	for _, pass := range [][2]int64{{0, 3000}, {1000, 4000}} {
		for h := pass[0]; h < pass[1]; h += 500 {
			tgt.fill("orders", 0, h, h+500)
		}
	}
	got := inspectOne(t, tgt, src, Ask{Topic: "orders"}, &Options{Full: true})
	if x := got.Partitions[0].Tracks[0]; got.Evidence != translate.KindContent || x.Passes != 2 || x.CopiedThrough != 4000 ||
		!cmp.Equal(findings(got), []string{"warning passes"}) {
		t.Error(describe(got))
	}
}
