package translate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/topic"
)

// backOne asks for the way back of one group.
func backOne(t testing.TB, src, tgt *memLog, a BackAsk, change ...func(*BackRequest, *Options)) BackResult {
	t.Helper()
	req := backRequest(src, tgt, a)
	opt := Options{}
	for _, f := range change {
		f(&req, &opt)
	}
	out, err := Back(t.Context(), src, tgt, []BackRequest{req}, &opt)
	if err != nil {
		t.Fatal(err)
	}
	return out[0][0]
}

func backRequest(src, tgt *memLog, asks ...BackAsk) BackRequest {
	return BackRequest{
		Source: part, Target: part, Asks: asks, Evidence: KindHeader, Header: testHeader, Encoding: EncodingDecimal,
		SourceTopic: topic.Topic{Name: "t", ID: topic.ID{1}, Config: topic.Config{Known: true, Compacted: src.compacted}},
		TargetTopic: topic.Topic{Name: "t", ID: topic.ID{2}, Config: topic.Config{Known: true, Compacted: tgt.compacted}},
	}
}

// ranges are those of one kind in short: "4-6(2) 9-9(1)".
func ranges(o OffsetRanges) string {
	var out []string
	for _, r := range o.Ranges {
		out = append(out, fmt.Sprintf("%d-%d(%d)", r.First, r.Last, r.Count))
	}
	if o.More > 0 {
		out = append(out, fmt.Sprintf("+%d", o.More))
	}
	return strings.Join(out, " ")
}

func TestBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		src, tgt   string
		srcStart   int64
		tgtStart   int64
		compacted  bool // the target
		ask        BackAsk
		want       int64
		outcome    Outcome
		reason     Reason
		repeats    int64
		lost       int64
		read, rest string // natives
	}{
		{name: "nothing was read", src: data(20), tgt: "n n 0-19", ask: BackAsk{7, 9, 9}, want: 7, outcome: Exact},
		{name: "some were read", src: data(20), tgt: "n n 0-19", ask: BackAsk{7, 9, 14}, want: 12, outcome: Exact},
		{name: "all were read", src: data(20), tgt: "n n 0-19", ask: BackAsk{7, 9, 22}, want: 20, outcome: Exact},
		{name: "what was not copied yet is read at the source", src: data(30), tgt: "0-19", ask: BackAsk{7, 7, 20}, want: 20, outcome: Exact},
		{
			name: "records of others", src: data(20), tgt: "0-9 n n 10-11 n 12-19 n n n", ask: BackAsk{7, 7, 16}, want: 13, outcome: Exact,
			read: "10-11(2) 14-14(1)", rest: "23-25(3)",
		},
		{
			name: "a row of others in which the group stands", src: data(10), tgt: "0-9 n n n n n", ask: BackAsk{5, 5, 12}, want: 10, outcome: Exact,
			read: "10-11(2)", rest: "12-14(3)",
		},
		{name: "others before the move do not count", src: data(10), tgt: "n 0-4 n 5-9", ask: BackAsk{5, 7, 12}, want: 10, outcome: Exact},
		{name: "rewound on the target", src: data(20), tgt: "0-19", ask: BackAsk{7, 7, 3}, want: 7, outcome: Exact},
		{
			name: "a second pass went back", src: data(20), tgt: "0-9 4-19", ask: BackAsk{6, 6, 15}, want: 10, outcome: Exact,
		},
		{
			name: "passes not in order", src: data(20), tgt: "0-9 15-19 10-14", ask: BackAsk{8, 8, 13}, want: 10, outcome: Repeats, repeats: 3,
		},
		{
			name: "records below S that come again behind T are read", src: data(20), tgt: "0-9 0-19", ask: BackAsk{8, 8, 25}, want: 15, outcome: Exact,
		},
		{name: "transactions on both sides", src: "dddcddaadxdddc", tgt: "0-2 c 4-5 a6-7 8 c 10-12 c", ask: BackAsk{4, 4, 10}, want: 9, outcome: Exact},
		{name: "an aborted record that the mover left out", src: "dddcddaaxdddcdd", tgt: "0-2 4-5 9-11 13-14", ask: BackAsk{4, 3, 6}, want: 10, outcome: Exact},
		{name: "an aborted copy was not read", src: data(6), tgt: "0-2 a3 a4 x 3-5", ask: BackAsk{3, 3, 5}, want: 3, outcome: Exact},
		{name: "holes on the source", src: "dddd..dd..dd", tgt: "0-3 6-7 10-11", ask: BackAsk{2, 2, 6}, want: 8, outcome: Exact},
		{name: "a copy that is missing", src: data(10), tgt: "0-4 6-9", ask: BackAsk{3, 3, 9}, want: 5, outcome: Repeats, repeats: 4},
		{name: "a copy that compaction took", src: data(10), tgt: "0-4 6-9", compacted: true, ask: BackAsk{3, 3, 9}, want: 5, outcome: Repeats, repeats: 4},
		{name: "the target's log begins above T", src: data(20), tgt: "0-19", tgtStart: 10, ask: BackAsk{5, 5, 15}, want: 5, outcome: Repeats, reason: ReasonForgotten, repeats: 10},
		{name: "retention on the source, all read", src: data(20), tgt: "0-19", srcStart: 12, ask: BackAsk{5, 5, 15}, want: 15, outcome: Exact},
		{name: "retention on the source, copies unread", src: data(20), tgt: "0-19", srcStart: 12, ask: BackAsk{5, 5, 9}, want: 12, outcome: Refused, reason: ReasonLoss, lost: 3},
		{name: "retention on the source, never copied", src: data(20), tgt: "0-9", srcStart: 12, ask: BackAsk{5, 5, 10}, want: 12, outcome: Refused, reason: ReasonLoss, lost: 2},
		{name: "beyond the end of the target", src: data(20), tgt: "0-9", ask: BackAsk{5, 5, 11}, want: -1, outcome: Refused, reason: ReasonBeyondEnd},
		{name: "the source was cut back", src: data(4), tgt: "0-9", ask: BackAsk{5, 5, 8}, want: -1, outcome: Refused, reason: ReasonBeyondEnd},
		{name: "another incarnation of the source", src: data(6), tgt: "0-9", ask: BackAsk{5, 5, 8}, want: -1, outcome: Refused, reason: ReasonIncarnation},
		{name: "empty logs", src: "", tgt: "", ask: BackAsk{0, 0, 0}, want: 0, outcome: Exact},
		{name: "only others", src: data(5), tgt: "n n n", ask: BackAsk{5, 0, 2}, want: 5, outcome: Exact, read: "0-1(2)", rest: "2-2(1)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src, tgt := source(tt.src), target(tt.tgt)
			src.start, tgt.start, tgt.compacted = tt.srcStart, tt.tgtStart, tt.compacted
			got := backOne(t, src, tgt, tt.ask)
			want := []any{tt.want, tt.outcome, tt.reason, tt.repeats, tt.lost, tt.read, tt.rest}
			have := []any{got.Back, got.Outcome, got.Reason, got.Repeats, got.Lost, ranges(got.OnlyThere.Read), ranges(got.OnlyThere.Unread)}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("%s\nposition, outcome, reason, repeats, lost, others read and unread: %s", got.Detail, diff)
			}
			if tt.ask.U < tt.ask.T && len(got.Notes) == 0 {
				t.Error("nothing is said of the rewind")
			}
		})
	}
}

// TestBackIsTheDefinition: the answers are those that what was read says when it
// is written down record by record.
func TestBackIsTheDefinition(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for i := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, i))
		src, tgt := randomLogs(r)
		spoil(r, tgt)
		clean(r, src, tgt)
		for range 4 {
			a := BackAsk{S: r.Int64N(src.end() + 1), T: r.Int64N(tgt.end() + 1)}
			a.U = a.T + r.Int64N(tgt.end()-a.T+1)
			got := backOne(t, src, tgt, a)
			want := backByDefinition(src, tgt, a)
			have := defined{got.Back, got.Repeats, ranges(got.OnlyThere.Read), ranges(got.OnlyThere.Unread)}
			if got.Outcome == Refused || have != want || (got.Outcome == Repeats) != (want.repeats > 0) {
				t.Fatalf("seed %d/%d %+v: got %s (%s) %+v, want %+v\nsource %v\ntarget %v", seed, i, a, got.Outcome, got.Detail, have, want, src.slots, tgt.slots)
			}
		}
	}
}

// spoil adds records of others behind the copies, and transactions that were
// aborted on the target.
func spoil(r *rand.Rand, tgt *memLog) {
	for range r.IntN(6) {
		tgt.slots = append(tgt.slots, slot{kind: 'n'})
	}
	if r.IntN(2) == 0 || tgt.end() < 4 {
		return
	}
	from := r.Int64N(tgt.end() - 3)
	for p := from; p < from+2; p++ {
		if tgt.slots[p].kind == 'd' {
			tgt.slots[p].kind = 'a'
		}
	}
	tgt.slots[from+2] = slot{kind: 'x'}
}

// clean compacts the target now and then: of records of one key any but the last
// may be gone.
func clean(r *rand.Rand, src, tgt *memLog) {
	if r.IntN(3) > 0 {
		return
	}
	n := 2 + r.Int64N(6)
	tgt.compacted = true
	src.keys = func(h int64) int64 { return h % n }
	tgt.keys = src.keys
	last := map[int64]bool{}
	for p := tgt.end() - 1; p >= 0; p-- {
		s := &tgt.slots[p]
		if s.kind == 'd' && last[s.h%n] && r.IntN(2) == 0 {
			s.kind = '.'
		}
		if s.kind == 'd' {
			last[s.h%n] = true
		}
	}
}

type defined struct {
	back, repeats int64
	read, unread  string
}

func backByDefinition(src, tgt *memLog, a BackAsk) defined {
	read := map[int64]bool{}
	for p := a.T; p < a.U; p++ {
		if tgt.slots[p].kind == 'd' {
			read[tgt.slots[p].h] = true
		}
	}
	has := func(h int64) bool {
		if h < a.S || read[h] {
			return true
		}
		for later := range read { // that made up for it
			if tgt.compacted && later > h && src.slots[later].kind == 'd' && src.keys(later) == src.keys(h) {
				return true
			}
		}
		return false
	}
	first := int64(-1)
	for h := src.start; h < src.end() && first < 0; h++ {
		if src.slots[h].kind == 'd' && !has(h) {
			first = h
		}
	}
	out := defined{back: a.S}
	for h := range read {
		if first < 0 || h < first {
			out.back = max(out.back, h+1)
		}
	}
	for h := out.back; h < src.end(); h++ {
		if src.slots[h].kind == 'd' && has(h) {
			out.repeats++
		}
	}
	var rd, un OffsetRanges
	open := [2]bool{}
	for p := a.T; p < tgt.end(); p++ {
		k := 0
		o := &rd
		if p >= a.U {
			k, o = 1, &un
		}
		switch tgt.slots[p].kind {
		case 'd':
			open = [2]bool{}
		case 'n':
			if open[k] {
				o.Ranges[len(o.Ranges)-1].Last = p
				o.Ranges[len(o.Ranges)-1].Count++
				continue
			}
			open[k] = true
			o.Ranges = append(o.Ranges, OffsetRange{p, p, 1})
		}
	}
	out.read, out.unread = ranges(rd), ranges(un)
	return out
}
