package translate

import (
	"fmt"
	"strings"
	"testing"
)

// TestJoinForgotten: what a log has lost, and what a mover may be at, in cases
// shrunk from those that TestJoinComesTrue found.
func TestJoinForgotten(t *testing.T) {
	t.Parallel()
	one := func(int32, int64) string { return "k" }
	each := func(p int32, h int64) string { return fmt.Sprint(p, "/", h) }
	for name, c := range map[string]struct {
		targets int
		source  []int
		at      map[int32]int64
		opt     Options
		fill    func(src, tgt *mixLog)
		want    []Outcome
		reason  Reason
		text    string
	}{
		"the last record was deleted where it was the only one": {
			targets: 2, source: []int{3}, at: map[int32]int64{0: 0},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, 2); tgt.copy(1, 0, 0, 1); tgt.start[0] = 1 },
			want: []Outcome{Hold, Hold}, reason: ReasonNotCopied, text: "t/0 has no record of it and begins at offset 1",
		},
		"the last record was deleted, and the mover has ended": {
			targets: 2, source: []int{3}, at: map[int32]int64{0: 0}, opt: Options{CopyComplete: true},
			fill: func(_, tgt *mixLog) { tgt.copy(0, 0, 2); tgt.copy(1, 0, 0, 1); tgt.start[0] = 1 },
			want: []Outcome{AtEnd, Refused}, reason: ReasonLoss, text: "1 record at or above 0",
		},
		"all records were deleted": {
			targets: 1, source: []int{5, 5}, at: map[int32]int64{0: 3, 1: 3},
			fill: func(src, tgt *mixLog) {
				tgt.copy(0, 0, 0, 1, 2, 3, 4)
				tgt.copy(0, 1, 0, 1, 2, 3, 4)
				tgt.start[0], src.start[0] = 5, 3
			},
			want: []Outcome{Hold}, reason: ReasonNotCopied, text: "cannot be told",
		},
		"all records were deleted, and the mover has ended": {
			targets: 1, source: []int{5, 5}, at: map[int32]int64{0: 3, 1: 3}, opt: Options{CopyComplete: true},
			fill: func(src, tgt *mixLog) {
				tgt.copy(0, 0, 0, 1, 2, 3, 4)
				tgt.copy(0, 1, 0, 1, 2, 3, 4)
				tgt.start[0], src.start[0] = 5, 3
			},
			want: []Outcome{Refused}, reason: ReasonLoss, text: "source partition 0: 2 records",
		},
		"one that goes to one partition only, and another has been emptied": {
			targets: 2, source: []int{100, 30}, at: map[int32]int64{0: 80, 1: 30},
			fill: func(_, tgt *mixLog) {
				for h := range int64(90) {
					tgt.copy(0, 0, h)
				}
				for h := range int64(30) {
					tgt.copy(1, 1, h)
				}
				tgt.start[1] = 5
			},
			want: []Outcome{Exact, AtEnd},
		},
		"compaction took it for one of another source partition": {
			targets: 1, source: []int{1, 3}, at: map[int32]int64{0: 0, 1: 3},
			fill: func(src, tgt *mixLog) {
				tgt.compacted, src.key, tgt.key = true, one, one
				tgt.cells[0] = []cell{{kind: '.', from: -1}, {'d', 1, 2}}
			},
			want: []Outcome{Hold}, reason: ReasonNotCopied, text: "taken by compaction",
		},
		"compaction took it for one of another, and the mover has ended": {
			targets: 1, source: []int{1, 3}, at: map[int32]int64{0: 0, 1: 3}, opt: Options{CopyComplete: true},
			fill: func(src, tgt *mixLog) {
				tgt.compacted, src.key, tgt.key = true, one, one
				tgt.cells[0] = []cell{{kind: '.', from: -1}, {'d', 1, 2}}
			},
			want: []Outcome{Refused}, reason: ReasonLoss, text: "source partition 0: 1 record",
		},
		"a compacted copy with keys of its own that lags": {
			targets: 1, source: []int{4, 3}, at: map[int32]int64{0: 1, 1: 3},
			fill: func(src, tgt *mixLog) {
				tgt.compacted, src.key, tgt.key = true, each, each
				tgt.copy(0, 0, 0, 1)
				tgt.copy(0, 1, 0, 1, 2)
			},
			want: []Outcome{Repeats},
		},
		"a later record of the key, while equal keys go to several partitions": {
			targets: 3, source: []int{6}, at: map[int32]int64{0: 5},
			fill: func(src, tgt *mixLog) {
				tgt.compacted, src.key, tgt.key = true, one, one
				tgt.copy(0, 0, 3, 5) // 2 is on its way to partition 2
				tgt.copy(1, 0, 4)
			},
			want: []Outcome{Hold, Hold, Hold}, reason: ReasonNotCopied, text: "on no target partition",
		},
		"an aborted record on its way to where nothing is": {
			targets: 2, source: []int{4}, at: map[int32]int64{0: 4},
			fill: func(src, tgt *mixLog) {
				src.cells[0] = []cell{{kind: 'a'}, {kind: 'a'}, {kind: 'x'}, {kind: 'd'}}
				tgt.copy(0, 0, 0, 3) // 1 is to come on partition 1
			},
			want: []Outcome{Hold, Hold}, reason: ReasonNotCopied, text: "source offset 1 is on no target partition",
		},
		"an aborted record whose copy was deleted says nothing of the mover": {
			targets: 1, source: []int{6}, at: map[int32]int64{0: 6},
			fill: func(src, tgt *mixLog) {
				src.cells[0] = []cell{{kind: 'a'}, {kind: 'x'}, {kind: 'd'}, {kind: 'd'}, {kind: 'a'}, {kind: 'x'}}
				tgt.copy(0, 0, 0, 2, 3)
				tgt.start[0] = 1
			},
			want: []Outcome{Hold}, reason: ReasonNotCopied, text: "source offset 4, of an aborted transaction",
		},
		"a pass that is through on one partition and not on the other": {
			targets: 2, source: []int{21}, at: map[int32]int64{0: 20},
			fill: func(_, tgt *mixLog) {
				for h := range int64(20) {
					tgt.copy(1, 0, h)
				}
				tgt.copy(0, 0, 20) // and will be copied again
				tgt.copy(1, 0, 18, 19)
			},
			want: []Outcome{Hold, Hold}, reason: ReasonPassRunning, text: "comes again cannot be told yet",
		},
		"what was copied is copied again in a transaction that is aborted": {
			targets: 1, source: []int{3}, at: map[int32]int64{0: 2},
			fill: func(_, tgt *mixLog) {
				tgt.copy(0, 0, 0, 1, 2)
				tgt.cells[0] = append(tgt.cells[0], cell{'a', 0, 1}, cell{kind: 'x', from: -1})
			},
			want: []Outcome{Hold}, reason: ReasonPassRunning, text: "source offset 1 was copied",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, tgt := newMix(false, len(c.source)).fill(c.source...), newMix(true, c.targets)
			c.fill(src, tgt)
			got, said := askTopic(t, src, tgt, c.at, &c.opt), ""
			for q, want := range c.want {
				r := got[int32(q)]
				if r.Outcome != want || (want == Hold || want == Refused) && r.Reason != c.reason {
					t.Errorf("partition %d: %s (%s) T=%d: %s; want %s (%s)", q, r.Outcome, r.Reason, r.T, r.Detail, want, c.reason)
				}
				said += r.Detail
			}
			if !strings.Contains(said, c.text) {
				t.Errorf("%q is not said in %q", c.text, said)
			}
		})
	}
}
