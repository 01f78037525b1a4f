package translate

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kferry/kferry/internal/mover"
)

// jointByDefinition is the definition of T for one target partition, taken
// literally: the greatest u from which every copied record with h >= S of every
// source partition is met, the first of each in order for its partition.
// start is where the log begins.
func jointByDefinition(cells []cell, start int64, at map[int32]int64) (t, repeats int64, ok bool) {
	cells = slices.Clone(cells)
	for i := range cells[:start] {
		cells[i] = cell{kind: '.', from: -1}
	}
	type rec struct {
		from int32
		h    int64
	}
	wanted := map[rec]bool{}
	for _, c := range cells {
		if s, has := at[c.from]; has && c.kind == 'd' && c.h >= s {
			wanted[rec{c.from, c.h}] = true
		}
	}
	for u := len(cells); u >= int(start); u-- {
		met, last, inOrder, again := map[rec]bool{}, map[int32]int64{}, true, int64(0)
		for _, c := range cells[u:] {
			s, has := at[c.from]
			if c.kind != 'd' || !has {
				continue
			}
			r := rec{c.from, c.h}
			if c.h < s || met[r] {
				again++
				continue
			}
			if before, seen := last[c.from]; seen && c.h < before {
				inOrder = false
			}
			last[c.from], met[r] = c.h, true
		}
		if len(met) != len(wanted) || !inOrder {
			continue
		}
		t = start
		for p := range cells[:u] {
			if k := cells[p].kind; k == 'd' || k == 'a' {
				t = int64(p) + 1
			}
		}
		return t, again, true
	}
	return 0, 0, false
}

// randomMix makes a source and what a mover made of it that merges, splits, and
// may go back.
func randomMix(r *rand.Rand) (src, tgt *mixLog) {
	sources, targets := 1+r.IntN(4), 1+r.IntN(3)
	src, tgt = newMix(false, sources), newMix(true, targets)
	src.size, tgt.size = int64(1+r.IntN(8)), int64(1+r.IntN(8))
	keyed := r.IntN(2) == 0
	back := r.IntN(3) > 0
	type work struct {
		from     int32
		at, most int64
	}
	var lanes []*work
	for p := range int32(sources) {
		for range 1 + r.IntN(40) {
			k := byte('d')
			if r.IntN(8) == 0 {
				k = '.'
			}
			src.cells[p] = append(src.cells[p], cell{kind: k})
		}
		lanes = append(lanes, &work{from: p})
	}
	for len(lanes) > 0 {
		i := r.IntN(len(lanes))
		w := lanes[i]
		for n := 1 + r.IntN(6); n > 0 && w.at < int64(len(src.cells[w.from])); n-- {
			if src.cells[w.from][w.at].kind == 'd' {
				to := w.from % int32(targets)
				if keyed {
					to = int32(w.at % 7 % int64(targets))
				}
				switch r.IntN(30) {
				case 0:
					tgt.cells[to] = append(tgt.cells[to], cell{kind: 'n', from: -1})
				case 1:
					tgt.cells[to] = append(tgt.cells[to], cell{kind: 'a', from: w.from, h: w.at}, cell{kind: 'x', from: -1})
				}
				tgt.copy(to, w.from, w.at)
			}
			w.at++
			w.most = max(w.most, w.at)
		}
		switch {
		case w.at >= int64(len(src.cells[w.from])):
			lanes = slices.Delete(lanes, i, i+1)
		case back && r.IntN(12) == 0:
			w.at = r.Int64N(w.at + 1)
		case r.IntN(8) == 0:
			w.at = w.most // a pass that stops short
		}
	}
	return src, tgt
}

func TestJoinIsTheDefinition(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	outcomes := map[Outcome]int{}
	for i := range uint64(1200) {
		r := rand.New(rand.NewPCG(seed, i))
		src, tgt := randomMix(r)
		at := map[int32]int64{}
		for p, cells := range src.cells {
			at[p] = r.Int64N(int64(len(cells)) + 1)
		}
		// Where the last pass has stopped short, only the user knows that it has.
		for q, got := range askTopic(t, src, tgt, at, &Options{CopyComplete: true}) {
			want, repeats, ok := jointByDefinition(tgt.cells[q], 0, at)
			outcomes[got.Outcome]++
			if !ok && got.Reason == ReasonNoGoodPosition {
				continue
			}
			if !ok || got.T != want || got.Repeats != repeats || (repeats > 0) != (got.Outcome == Repeats) {
				t.Fatalf("seed %d/%d partition %d at %v: got %s %q T=%d repeats=%d, want T=%d repeats=%d ok=%v\ntarget %v",
					seed, i, q, at, got.Outcome, got.Detail, got.T, got.Repeats, want, repeats, ok, tgt.cells[q])
			}
		}
	}
	for _, o := range []Outcome{Exact, AtEnd, Repeats} {
		if outcomes[o] == 0 {
			t.Errorf("no answer was %s: %v", o, outcomes)
		}
	}
}

// TestJoin shows what each situation is called.
func TestJoin(t *testing.T) {
	t.Parallel()
	seq := func(from, to int64) (out []int64) {
		for h := from; h < to; h++ {
			out = append(out, h)
		}
		return out
	}
	for name, c := range map[string]struct {
		targets int
		source  []int
		fill    func(src, tgt *mixLog)
		at      map[int32]int64
		opt     Options
		// per target partition: outcome, T, repeats; text is in detail, hint or
		// what is not proven
		want   []Outcome
		t      []int64
		again  []int64
		reason Reason
		text   string
	}{
		"two into one, equally far": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 4, 1: 4},
			fill: func(_, tgt *mixLog) {
				tgt.copy(0, 0, seq(0, 4)...)
				tgt.copy(0, 1, seq(0, 4)...)
				tgt.copy(0, 0, seq(4, 10)...)
				tgt.copy(0, 1, seq(4, 10)...)
			},
			want: []Outcome{Exact}, t: []int64{8}, again: []int64{0},
		},
		"two into one, one is behind": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 10, 1: 4},
			fill: func(_, tgt *mixLog) {
				tgt.copy(0, 0, seq(0, 5)...)
				tgt.copy(0, 1, seq(0, 5)...)
				tgt.copy(0, 0, seq(5, 10)...)
				tgt.copy(0, 1, seq(5, 10)...)
			},
			want: []Outcome{Repeats}, t: []int64{9}, again: []int64{5}, text: "not equally far",
		},
		"no position on one of them": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 10},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, seq(0, 10)...); tgt.copy(0, 1, seq(0, 10)...) },
			want: []Outcome{Refused}, reason: ReasonSourceUnset, text: "source partition 1",
		},
		"no position on one that is empty": {
			targets: 1, source: []int{10, 0}, at: map[int32]int64{0: 10},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, seq(0, 10)...) },
			want: []Outcome{AtEnd}, t: []int64{10}, again: []int64{0},
		},
		"one is not copied that far": {
			targets: 2, source: []int{10, 10, 10, 10}, at: map[int32]int64{0: 5, 1: 5, 2: 5, 3: 8},
			fill: func(_, tgt *mixLog) {
				tgt.copy(0, 0, seq(0, 10)...)
				tgt.copy(0, 2, seq(0, 10)...)
				tgt.copy(1, 1, seq(0, 10)...)
				tgt.copy(1, 3, seq(0, 7)...)
			},
			want: []Outcome{Hold, Hold}, reason: ReasonNotCopied, text: "source partition 3: copied through 7 of 8",
		},
		"one is not copied that far and the mover has ended": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 10, 1: 8}, opt: Options{CopyComplete: true},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, seq(0, 10)...); tgt.copy(0, 1, seq(0, 7)...) },
			want: []Outcome{AtEnd}, t: []int64{17}, again: []int64{0},
		},
		"nothing is there": {
			targets: 2, source: []int{10, 0, 0}, at: map[int32]int64{0: 5},
			fill: func(_, _ *mixLog) {},
			want: []Outcome{Hold, Hold}, reason: ReasonNotCopied, text: "source partition 0",
		},
		"nothing is there and nothing was read": {
			targets: 2, source: []int{10, 0, 0}, at: map[int32]int64{0: 0},
			fill: func(_, _ *mixLog) {},
			want: []Outcome{AtEnd, AtEnd}, t: []int64{0, 0}, again: []int64{0, 0},
		},
		"one into two": {
			targets: 2, source: []int{10}, at: map[int32]int64{0: 5},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, 0, 2, 4, 6, 8); tgt.copy(1, 0, 1, 3, 5, 7, 9) },
			want: []Outcome{Exact, Exact}, t: []int64{3, 2}, again: []int64{0, 0},
		},
		"one into two, one of them is still to come": {
			targets: 2, source: []int{10}, at: map[int32]int64{0: 5},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, 0, 2, 6, 8); tgt.copy(1, 0, 1, 3) },
			want: []Outcome{Hold, Hold}, reason: ReasonNotCopied, text: "source offset 4 is not on the target",
		},
		"one into two, what is missing is above the position": {
			targets: 2, source: []int{10}, at: map[int32]int64{0: 5},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, 0, 2, 4, 6, 8); tgt.copy(1, 0, 1, 3) },
			want: []Outcome{ExactUnproven, ExactUnproven}, t: []int64{3, 2}, again: []int64{0, 0}, text: "2 records of source partition 0 at or above 5",
		},
		"one into two, what is missing is above all copies": {
			targets: 2, source: []int{10}, at: map[int32]int64{0: 5},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, 0, 2, 4, 6); tgt.copy(1, 0, 1, 3, 5) },
			want: []Outcome{Exact, Exact}, t: []int64{3, 2}, again: []int64{0, 0},
		},
		"one into two, and the mover has ended": {
			targets: 2, source: []int{10}, at: map[int32]int64{0: 5}, opt: Options{CopyComplete: true},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, 0, 2, 4, 6, 8); tgt.copy(1, 0, 1, 3) },
			want: []Outcome{Refused, AtEnd}, t: []int64{3, 2}, reason: ReasonLoss, text: "source partition 0: 2 records at or above 5",
		},
		"one into two, one record is nowhere": {
			targets: 2, source: []int{10}, at: map[int32]int64{0: 5},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, 0, 2, 4, 8); tgt.copy(1, 0, 1, 3, 5, 7, 9) },
			want: []Outcome{Refused, Exact}, t: []int64{3, 2}, reason: ReasonLoss, text: "source partition 0: 1 record at or above 5",
		},
		"quick": {
			targets: 2, source: []int{10}, at: map[int32]int64{0: 5}, opt: Options{Quick: true},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, 0, 2, 4, 8); tgt.copy(1, 0, 1, 3, 5, 7, 9) },
			want: []Outcome{ExactUnproven, ExactUnproven}, t: []int64{3, 2}, text: "--quick",
		},
		"compaction took one that a later one makes up for": { // keys are offsets modulo 7
			targets: 2, source: []int{16}, at: map[int32]int64{0: 4},
			fill: func(_, tgt *mixLog) {
				tgt.compacted = true
				tgt.copy(0, 0, 0, 2, 6, 8, 10, 12, 14)
				tgt.copy(1, 0, 1, 3, 7, 9, 11, 13, 15) // 4 and 5 are gone, 11 and 12 are there
			},
			want: []Outcome{Exact, Exact}, t: []int64{2, 2}, again: []int64{0, 0},
		},
		"compaction and one that nothing makes up for": {
			targets: 2, source: []int{16}, at: map[int32]int64{0: 4},
			fill: func(_, tgt *mixLog) {
				tgt.compacted = true
				tgt.copy(0, 0, 0, 2, 4, 6, 8, 12, 14) // 10 is gone, of the key of 3 and 17
				tgt.copy(1, 0, 1, 3, 5, 7, 9, 11, 13, 15)
			},
			want: []Outcome{Refused, Exact}, t: []int64{2, 2}, reason: ReasonLoss, text: "source partition 0: 1 record",
		},
		"in one of two, and one record is nowhere": {
			targets: 2, source: []int{10, 10}, at: map[int32]int64{0: 5, 1: 5},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, 0, 1, 2, 3, 4, 5, 7, 8, 9); tgt.copy(1, 1, seq(0, 10)...) },
			want: []Outcome{Hold, Hold}, reason: ReasonNotCopied, text: "1 record is at or above the position on no target partition",
		},
		"in one of two, one record is nowhere, and the mover has ended": {
			targets: 2, source: []int{10, 10}, at: map[int32]int64{0: 5, 1: 5}, opt: Options{CopyComplete: true},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, 0, 1, 2, 3, 4, 5, 7, 8, 9); tgt.copy(1, 1, seq(0, 10)...) },
			want: []Outcome{Refused, Exact}, t: []int64{5, 5}, reason: ReasonLoss, text: "source partition 0: 1 record",
		},
		"a pass is running": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 5, 1: 5},
			fill: func(_, tgt *mixLog) {
				tgt.copy(0, 0, seq(0, 10)...)
				tgt.copy(0, 1, seq(0, 10)...)
				tgt.copy(0, 1, seq(0, 5)...)
			},
			want: []Outcome{Hold}, reason: ReasonPassRunning, text: "source partition 1",
		},
		"the lowest place of each does not do for both": {
			// Alone, partition 0 stands before its second pass, at 8, and
			// partition 1 at 5; but from 5 on partition 0 is met out of order.
			targets: 1, source: []int{10, 3}, at: map[int32]int64{0: 3, 1: 1},
			fill: func(_, tgt *mixLog) {
				tgt.copy(0, 0, 0, 1, 2, 3)
				tgt.copy(0, 1, 0, 1)
				tgt.copy(0, 0, 4, 5)
				tgt.copy(0, 0, seq(3, 10)...)
				tgt.copy(0, 1, 2)
			},
			want: []Outcome{Repeats}, t: []int64{3}, again: []int64{4},
		},
		"beyond the end of one": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 5, 1: 11},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, seq(0, 10)...); tgt.copy(0, 1, seq(0, 10)...) },
			want: []Outcome{Refused}, reason: ReasonBeyondEnd, text: "t/1",
		},
		"another incarnation": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 5, 1: 5},
			fill: func(_, tgt *mixLog) {
				tgt.salt = "old"
				tgt.copy(0, 0, seq(0, 10)...)
				tgt.copy(0, 1, seq(0, 10)...)
			},
			want: []Outcome{Refused}, reason: ReasonIncarnation, text: "differs",
		},
		"copies beyond the end of the source": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 5, 1: 5},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, seq(0, 10)...); tgt.copy(0, 1, seq(0, 12)...) },
			want: []Outcome{Refused}, reason: ReasonIncarnation, text: "which ends at 10",
		},
		"no partition header": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 5, 1: 5},
			fill: func(_, tgt *mixLog) { tgt.bare = true; tgt.copy(0, 0, seq(0, 10)...) },
			want: []Outcome{Refused}, reason: ReasonNoSourcePartition, text: "not k2k_partition",
		},
		"another kind of evidence": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 5, 1: 5}, opt: Options{Evidence: KindIdentity},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, seq(0, 10)...) },
			want: []Outcome{Refused}, reason: ReasonNoSourcePartition, text: "identity",
		},
		"no trace": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 5, 1: 5},
			fill: func(_, tgt *mixLog) { tgt.cells[0] = []cell{{kind: 'n'}} },
			want: []Outcome{Refused}, reason: ReasonNoEvidence, text: "k2k_offset",
		},
		"a partition that the source has not": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 5, 1: 5},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, seq(0, 5)...); tgt.copy(0, 7, 1); tgt.copy(0, 0, seq(5, 10)...) },
			want: []Outcome{Refused}, reason: ReasonBadHeader, text: "none of the 2 partitions",
		},
		"an open transaction of the source": {
			targets: 1, source: []int{10, 10}, at: map[int32]int64{0: 10, 1: 10},
			fill: func(_, tgt *mixLog) {
				tgt.copy(0, 0, seq(0, 10)...)
				tgt.copy(0, 1, seq(0, 10)...)
				tgt.stable[0] = 15
			},
			want: []Outcome{Hold}, reason: ReasonOpenTransaction, text: "transactions are open on t/0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, tgt := newMix(false, len(c.source)).fill(c.source...), newMix(true, c.targets)
			c.fill(src, tgt)
			got := askTopic(t, src, tgt, c.at, &c.opt)
			said := ""
			for q, want := range c.want {
				r := got[int32(q)]
				if r.Outcome != want || len(c.t) > q && r.T != c.t[q] || len(c.again) > q && r.Repeats != c.again[q] {
					t.Errorf("partition %d: %s (%s) T=%d repeats=%d: %s; want %s at %v, %v repeats", q, r.Outcome, r.Reason, r.T, r.Repeats, r.Detail, want, c.t, c.again)
				}
				if (want == Hold || want == Refused) && r.Reason != c.reason {
					t.Errorf("partition %d: reason %s, want %s", q, r.Reason, c.reason)
				}
				said += r.Detail + r.Hint + strings.Join(r.Unproven, " ")
			}
			if !strings.Contains(said, c.text) {
				t.Errorf("%q is not said in %q", c.text, said)
			}
		})
	}
}

// TestJoinEncodings: each way in which movers name offset and
// partition, with the neighbours in the proof.
func TestJoinEncodings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header    string
		enc, penc mover.Encoding
	}{
		{"k2k_offset", mover.Decimal, mover.Decimal},
		{"k2k_offset", mover.Int64BE, mover.Int32BE},
		{"k2k_offset", mover.Int32BE, mover.Int32BE},
		{"k2k_offset", mover.Int64BE, mover.Int64BE},
		{"x-original-offset", mover.Int64LE, mover.Int32LE},
		{"x-kafka-backup-offset", mover.Decimal, mover.Decimal},
	} {
		t.Run(c.header+" "+string(c.enc)+" "+string(c.penc), func(t *testing.T) {
			t.Parallel()
			src, tgt := newMix(false, 4).fill(300, 300, 300, 300), newMix(true, 2)
			tgt.header, _ = mover.HeaderNamed(c.header)
			tgt.enc, tgt.penc = c.enc, c.penc
			for h := range int64(300) {
				for p := range int32(4) {
					tgt.copy(p%2, p, h)
				}
			}
			got := askTopic(t, src, tgt, map[int32]int64{0: 280, 1: 281, 2: 280, 3: 280}, nil)
			for q, want := range []int64{560, 561} {
				r := got[int32(q)]
				if r.T != want || r.Outcome != Exact || r.Repeats != 0 {
					t.Fatalf("partition %d: %s T=%d repeats=%d %s, want %d (%s)", q, r.Outcome, r.T, r.Repeats, r.Detail, want, r.Detected)
				}
				p := r.Proof
				if p.SourceAt == nil || p.TargetAt == nil || p.SourceAt.Fingerprint != p.TargetAt.Fingerprint || *p.SourceAt.SourcePartition != *p.TargetAt.SourcePartition || p.SourceAt.Offset != p.TargetAt.SourceOffset {
					t.Fatalf("partition %d: the proof shows %+v and %+v", q, p.SourceAt, p.TargetAt)
				}
			}
		})
	}
}

// TestOffsetSet: full pages cost nothing, and what does not fit is said.
func TestOffsetSet(t *testing.T) {
	t.Parallel()
	left := 2 * pageStretches
	spend := func(n int) bool {
		if left-n < 0 {
			return false
		}
		left -= n
		return true
	}
	s := newOffsetSet(5*pageOffsets, spend)
	for h := range int64(3 * pageOffsets) {
		s.add(h)
	}
	if left != 2*pageStretches {
		t.Fatalf("full pages cost %d", 2*pageStretches-left)
	}
	s.add(4 * pageOffsets)
	s.add(6 * pageOffsets)
	if in, known := s.has(17); !in || !known {
		t.Fatal("17 is forgotten")
	}
	s.add(8 * pageOffsets) // no memory: what lies below the floor goes
	for h, want := range map[int64][2]bool{17: {false, false}, 6 * pageOffsets: {true, true}, 8 * pageOffsets: {true, true}, 8*pageOffsets + 1: {false, true}} {
		if in, known := s.has(h); in != want[0] || known != want[1] {
			t.Fatalf("has(%d) = %v %v, want %v", h, in, known, want)
		}
	}
	s.add(10 * pageOffsets)
	if in, known := s.has(10 * pageOffsets); in || known {
		t.Fatalf("has = %v %v although there was no memory", in, known)
	}
}

// TestForeignCopies: a copy of another source partition is noticed when each
// partition is asked for by itself.
func TestForeignCopies(t *testing.T) {
	t.Parallel()
	src, tgt := newMix(false, 2).fill(100, 100), newMix(true, 2)
	for h := range int64(100) {
		tgt.copy(0, 0, h)
		tgt.copy(1, int32(h/90), h) // the last ten are of partition 1
	}
	ask := func(p int32) Result {
		at := part
		at.Partition = p
		req := Request{Source: at, Target: at, SourceTopic: src.topic(1), TargetTopic: tgt.topic(2), Offsets: []int64{50}}
		out, err := Translate(t.Context(), src, tgt, []Request{req}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return out[0][0]
	}
	if r := ask(0); r.Outcome != Exact || r.T != 50 {
		t.Fatalf("partition 0: %s %s", r.Outcome, r.Detail)
	}
	if r := ask(1); r.Reason != ReasonSourcePartitions {
		t.Fatalf("partition 1: %s %s %s", r.Outcome, r.Reason, r.Detail)
	}
}
