package inspect

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/translate"
)

// Every mover that leaves headers, in every encoding that it was seen or
// documented in, is recognised by samples and by reading all, with and without
// the source.
func TestMoversAreRecognised(t *testing.T) {
	t.Parallel()
	for _, h := range mover.Headers() {
		parts := h.PartitionEncodings
		if len(parts) == 0 {
			parts = []mover.Encoding{""}
		}
		for _, enc := range h.Encodings {
			for _, part := range parts {
				t.Run(fmt.Sprintf("%s %s %s", h.Offset, enc, part), func(t *testing.T) {
					t.Parallel()
					src, tgt := newPair(t, 2, 2)
					s := styleOf(t, h.Offset, enc, part)
					for p := range int32(2) {
						src.fill("orders", p, 0, 600)
						tgt.produce(s.copies("orders", p, p, 0, 500)...)
					}
					for _, full := range []bool{false, true} {
						got := inspectOne(t, tgt, src, Ask{Topic: "orders"}, &Options{Full: full})
						if got.Mover != h.Mover || got.Evidence != translate.KindHeader || got.Header != h.Offset || got.Encoding != string(enc) ||
							got.PartitionEncoding != string(part) || got.Mapping != OneToOne || len(got.Findings) != 0 {
							t.Errorf("full=%v: %s", full, describe(got))
						}
						for _, p := range got.Partitions {
							if len(p.Tracks) != 1 {
								t.Fatalf("full=%v: %s", full, describe(got))
							}
							x := p.Tracks[0]
							if x.CopiedThrough != 500 || x.Lag != 100 || !x.LagExact || x.SourceEnd != 600 || x.Passes != 1 || p.Compared == 0 || p.Equal != p.Compared {
								t.Errorf("full=%v: %s", full, describe(got))
							}
							if full && (x.Copies != 500 || x.Repeats != 0 || x.Holes != 0 || p.Natives != 0) {
								t.Errorf("full=%v: %s", full, describe(got))
							}
						}
						if h.Cluster != "" && !slices.Equal(got.Clusters, []string{"old"}) || h.Topic != "" && !slices.Equal(got.Topics, []string{"orders"}) ||
							h.Pipeline != "" && !slices.Equal(got.Pipelines, []string{"pipe-1"}) {
							t.Errorf("the headers name %v %v %v", got.Clusters, got.Topics, got.Pipelines)
						}
					}
					alone := inspectOne(t, tgt, nil, Ask{Topic: "orders"}, nil)
					if x := alone.Partitions[1].Tracks[0]; alone.Mover != h.Mover || x.CopiedThrough != 500 || x.Lag != -1 || len(alone.Findings) != 0 {
						t.Errorf("without the source: %s", describe(alone))
					}
				})
			}
		}
	}
}

// What went wrong with a copy is found, by samples where that is enough and by
// reading all in any case.
func TestFindings(t *testing.T) {
	t.Parallel()
	backup := styleOf(t, "x-original-offset", mover.Int64LE, mover.Int32LE)
	armory := styleOf(t, "__original_offset", mover.Decimal, "")
	k2k := styleOf(t, "k2k_offset", mover.Decimal, mover.Decimal)
	tests := []struct {
		name       string
		partitions [2]int32 // source, target
		make       func(src, tgt *node)
		opts       Options
		noSource   bool
		want       []string
		full       []string // nil: as want
		mapping    Mapping
	}{
		{
			name: "a clean copy",
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 100)
				tgt.produce(armory.copies("orders", 0, 0, 0, 100)...)
			},
			want: []string{}, mapping: OneToOne,
		},
		{
			name: "two movers",
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 100)
				tgt.produce(armory.copies("orders", 0, 0, 0, 60)...)
				tgt.produce(backup.copies("orders", 0, 0, 0, 30)...)
			},
			want: []string{"obstacle two-movers", "warning native"}, mapping: OneToOne,
		},
		{
			name: "a copy of a copy",
			make: func(src, tgt *node) {
				src.produce(armory.copies("orders", 0, 0, 500, 600)...)
				rs := armory.copies("orders", 0, 0, 500, 600)
				for i := range rs {
					backup.mark(rs[i], 0, int64(i))
				}
				tgt.produce(rs...)
			},
			want: []string{"obstacle chained-copy"}, mapping: OneToOne,
		},
		{
			name: "two encodings", noSource: true,
			make: func(_, tgt *node) {
				tgt.produce(backup.copies("orders", 0, 0, 0, 60)...)
				tgt.produce(styleOf(t, "x-original-offset", mover.Decimal, mover.Int32LE).copies("orders", 0, 0, 60, 80)...)
			},
			want: []string{"obstacle mixed-encodings"}, mapping: OneToOne,
		},
		{
			name: "a header that is no number", noSource: true,
			make: func(_, tgt *node) {
				rs := armory.copies("orders", 0, 0, 0, 60)
				rs[3].Headers[len(rs[3].Headers)-1].Value = []byte("three")
				tgt.produce(rs...)
			},
			want: []string{"obstacle bad-header"}, full: []string{"obstacle bad-header", "note holes"}, mapping: Assumed,
		},
		{
			name: "merged partitions", partitions: [2]int32{2, 1},
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 100)
				src.fill("orders", 1, 0, 100)
				for h := range int64(50) {
					tgt.produce(backup.copies("orders", 0, 0, 2*h, 2*h+2)...)
					tgt.produce(backup.copies("orders", 0, 1, 2*h, 2*h+2)...)
				}
			},
			want: []string{"obstacle merged"}, mapping: Merged,
		},
		{
			name: "split partitions", partitions: [2]int32{1, 2},
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 100)
				for h := range int64(100) {
					tgt.produce(k2k.copies("orders", int32(h/2%2), 0, h, h+1)...)
				}
			},
			want: []string{"warning split"}, mapping: Split,
		},
		{
			name: "other numbers", partitions: [2]int32{2, 2},
			make: func(src, tgt *node) {
				for p := range int32(2) {
					src.fill("orders", p, 0, 50)
					tgt.produce(backup.copies("orders", 1-p, p, 0, 50)...)
				}
			},
			want: []string{"note renumbered"}, mapping: Renumbered,
		},
		{
			name: "other numbers, seen by contents", partitions: [2]int32{2, 2},
			make: func(src, tgt *node) {
				for p := range int32(2) {
					src.fill("orders", p, 0, 50)
					tgt.produce(armory.copies("orders", 1-p, p, 0, 50)...)
				}
			},
			want: []string{"obstacle renumbered"}, mapping: Renumbered,
		},
		{
			name: "an earlier life that was longer",
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 50)
				tgt.produce(armory.copies("orders", 0, 0, 0, 100)...)
			},
			want: []string{"obstacle incarnation"}, mapping: OneToOne,
		},
		{
			name: "an earlier life and the present one",
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 100)
				old := armory.copies("orders", 0, 0, 0, 40)
				for i := range old {
					old[i].Value = []byte("old")
				}
				tgt.produce(old...)
				tgt.produce(armory.copies("orders", 0, 0, 0, 100)...)
			},
			want: []string{"obstacle incarnation", "warning passes"}, mapping: OneToOne,
		},
		{
			name: "another topic",
			make: func(src, tgt *node) {
				for h := range int64(50) {
					r := recordOf("orders", 0, h)
					r.Value = []byte("other")
					src.produce(r)
				}
				tgt.produce(armory.copies("orders", 0, 0, 0, 50)...)
			},
			want: []string{"obstacle other-content"}, mapping: Assumed,
		},
		{
			name: "passes",
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 200)
				tgt.produce(armory.copies("orders", 0, 0, 0, 100)...)
				tgt.produce(armory.copies("orders", 0, 0, 0, 200)...)
			},
			want: []string{"warning passes"}, mapping: OneToOne,
		},
		{
			name: "a pass that is running",
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 200)
				tgt.produce(armory.copies("orders", 0, 0, 0, 200)...)
				tgt.produce(armory.copies("orders", 0, 0, 0, 50)...)
			},
			want: []string{"obstacle pass-running"}, mapping: OneToOne,
		},
		{
			name: "natives", noSource: true,
			make: func(_, tgt *node) {
				tgt.produce(armory.copies("orders", 0, 0, 0, 100)...)
				tgt.fill("orders", 0, 0, 40)
			},
			want: []string{"warning native"}, mapping: Assumed,
		},
		{
			name: "a record that was left out",
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 400)
				tgt.produce(armory.copies("orders", 0, 0, 0, 100)...)
				tgt.produce(armory.copies("orders", 0, 0, 101, 400)...)
			},
			want: []string{}, full: []string{"obstacle missing"}, mapping: OneToOne,
		},
		{
			name: "no trace", noSource: true,
			make: func(_, tgt *node) { tgt.fill("orders", 0, 0, 100) },
			want: []string{"obstacle no-trace"}, mapping: Unknown,
		},
		{
			name: "no trace, and not the source's records",
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 100)
				tgt.fill("orders", 0, 1000, 1100)
			},
			want: []string{"obstacle no-trace"}, mapping: Unknown,
		},
		{
			name: "an empty topic", make: func(src, _ *node) { src.fill("orders", 0, 0, 10) },
			want: []string{"note empty"}, mapping: Unknown,
		},
		{
			name: "fewer partitions than the source", partitions: [2]int32{3, 1},
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 100)
				tgt.produce(armory.copies("orders", 0, 0, 0, 100)...)
			},
			want: []string{"obstacle partition-counts"}, mapping: OneToOne,
		},
		{
			name: "headers name two clusters", noSource: true,
			make: func(_, tgt *node) {
				tgt.produce(backup.copies("orders", 0, 0, 0, 50)...)
				other := backup
				other.cluster = "older"
				tgt.produce(other.copies("orders", 0, 0, 50, 80)...)
			},
			want: []string{"obstacle merged", "obstacle several-sources"}, mapping: Merged,
		},
		{
			name: "a header of the user's own", opts: Options{Header: "from-offset"},
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 100)
				tgt.produce(style{header: mover.Header{Offset: "from-offset"}, enc: mover.Int64BE}.copies("orders", 0, 0, 0, 100)...)
			},
			want: []string{}, mapping: OneToOne,
		},
		{
			name: "a header that nobody named, proven by the source",
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 200)
				tgt.produce(style{header: mover.Header{Offset: "from-offset"}, enc: mover.Int64BE}.copies("orders", 0, 0, 50, 150)...)
			},
			want: []string{"warning unknown-header"}, mapping: OneToOne,
		},
		{
			name: "a header that nobody named", noSource: true,
			make: func(_, tgt *node) {
				tgt.produce(style{header: mover.Header{Offset: "from-offset"}, enc: mover.Decimal}.copies("orders", 0, 0, 50, 150)...)
			},
			want: []string{"obstacle no-trace", "warning unknown-header"}, mapping: Unknown,
		},
		{
			name: "partitions that are no numbers", noSource: true,
			make: func(_, tgt *node) {
				rs := backup.copies("orders", 0, 0, 0, 60)
				rs[7].Headers[2].Value = []byte("north")
				tgt.produce(rs...)
			},
			want: []string{"obstacle bad-header"}, mapping: Assumed,
		},
		{
			name: "copies that do not name their partition", noSource: true,
			make: func(_, tgt *node) {
				tgt.produce(backup.copies("orders", 0, 0, 0, 60)...)
				tgt.produce(styleOf(t, "x-original-offset", mover.Int64LE, "").copies("orders", 0, 0, 60, 90)...)
			},
			want: []string{"obstacle bad-header"}, mapping: OneToOne,
		},
		{
			name: "a header that is not there", opts: Options{Header: "from-offset"},
			make: func(src, tgt *node) {
				src.fill("orders", 0, 0, 100)
				tgt.produce(armory.copies("orders", 0, 0, 0, 100)...)
			},
			want: []string{"obstacle no-trace"}, mapping: Unknown,
		},
		{
			name: "too many stretches to count", opts: Options{MaxRuns: 4}, noSource: true,
			make: func(_, tgt *node) {
				for h := int64(0); h < 40; h += 2 {
					tgt.produce(armory.copies("orders", 0, 0, h, h+1)...)
				}
			},
			want: []string{}, full: []string{"warning fragmented"}, mapping: Assumed,
		},
		{
			name: "kferry's own map",
			make: func(src, tgt *node) {
				tgt.topic(mover.OffsetMapTopic, 1)
				src.fill("orders", 0, 0, 100)
				tgt.produce(armory.copies("orders", 0, 0, 0, 100)...)
			},
			want: []string{"note offset-map"}, mapping: OneToOne,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src, tgt := newPair(t, max(1, tt.partitions[0]), max(1, tt.partitions[1]))
			tt.make(src, tgt)
			if tt.noSource {
				src = nil
			}
			for _, full := range []bool{false, true} {
				o := tt.opts
				o.Full = full
				got := inspectOne(t, tgt, src, Ask{Topic: "orders"}, &o)
				want := tt.want
				if full && tt.full != nil {
					want = tt.full
				}
				if diff := cmp.Diff(want, findings(got)); diff != "" || got.Mapping != tt.mapping {
					t.Errorf("full=%v (-want +got):\n%s\n%s", full, diff, describe(got))
				}
			}
		})
	}
}

// Compared with itself, a topic would look like a perfect copy.
func TestNotComparedWithItself(t *testing.T) {
	t.Parallel()
	tgt := newNode(t, "new")
	tgt.topic("orders", 1)
	tgt.fill("orders", 0, 0, 100)
	got := inspectOne(t, tgt, tgt, Ask{Topic: "orders"}, nil)
	if got.Evidence != "" || !cmp.Equal(findings(got), []string{"obstacle source-needed"}) {
		t.Error(describe(got))
	}
}
