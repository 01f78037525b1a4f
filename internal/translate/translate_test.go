package translate

import (
	"strings"
	"testing"
)

func data(n int) string { return strings.Repeat("d", n) }

func TestTranslate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		src     string
		tgt     string
		s       int64
		opt     Options
		want    Outcome
		t       int64
		repeats int64
		reason  Reason
		start   int64 // of the target's log
		// compacted: the source is.
		compacted bool
	}{
		{name: "plain", src: data(105), tgt: "100-104", s: 103, want: Exact, t: 3},
		{name: "at the end", src: data(105), tgt: "0-104", s: 105, want: AtEnd, t: 105},
		{name: "first", src: data(10), tgt: "0-9", s: 0, want: Exact, t: 0},
		{name: "target starts later, nothing to read below", src: strings.Repeat(".", 100) + data(5), tgt: "100-104", s: 50, want: Exact, t: 0},
		{name: "target starts later, records lost", src: data(105), tgt: "100-104", s: 98, want: Refused, t: 0, reason: ReasonLoss},
		{name: "not copied", src: data(10), tgt: "0-4", s: 7, want: Hold, t: -1, reason: ReasonNotCopied},
		{name: "hole below S at the end", src: "ddddc", tgt: "0-3", s: 5, want: AtEnd, t: 4},
		{name: "beyond the end", src: data(10), tgt: "0-9", s: 11, want: Refused, t: -1, reason: ReasonBeyondEnd},
		{name: "second pass stops short, lost behind it", src: data(1100), tgt: "0-1000 0-500 1001-1099", s: 700, want: Repeats, t: 700, repeats: 501},
		{name: "window copied again", src: data(1100), tgt: "0-1000 300-500 1001-1099", s: 300, want: Repeats, t: 300, repeats: 201},
		{name: "second pass looks perfect", src: data(1100), tgt: "0-1000 0-700 1001-1099", s: 650, want: Repeats, t: 650, repeats: 701},
		{name: "whole second pass", src: data(50), tgt: "0-49 0-49", s: 20, want: Exact, t: 70},
		{name: "pass running", src: data(1100), tgt: "0-1000 0-400", s: 300, want: Hold, t: -1, reason: ReasonPassRunning},
		{name: "pass running, at the end of it", src: data(1100), tgt: "0-1000 0-400", s: 401, want: Hold, t: -1, reason: ReasonPassRunning},
		{name: "pass ended by word", src: data(1100), tgt: "0-1000 0-400", s: 300, opt: Options{CopyComplete: true}, want: Repeats, t: 300, repeats: 401},
		{name: "windows out of order", src: data(40), tgt: "0-10 20-30 11-19 31-39", s: 5, want: Refused, t: -1, reason: ReasonNoGoodPosition},
		{name: "windows out of order, above", src: data(40), tgt: "0-10 20-30 11-19 31-39", s: 32, want: Exact, t: 32},
		{name: "natives around", src: data(10), tgt: "n n 0-4 n n n 5-9 n n", s: 5, want: Exact, t: 7},
		{name: "natives behind", src: data(10), tgt: "0-9 n n n n n n n n n n n n n n n n n n n n", s: 10, want: AtEnd, t: 10},
		{name: "aborted attempt before", src: data(10), tgt: "0-4 c a5 a6 x 5-9 c", s: 5, want: Exact, t: 8},
		{name: "aborted attempt at the end", src: data(7), tgt: "0-4 c a5 a6 x", s: 5, want: AtEnd, t: 8},
		{name: "markers on the source", src: "ddddcddddcdd", tgt: "0-3 5-8 10-11", s: 9, want: Exact, t: 8},
		{name: "aborted on the source, copied", src: "ddaaxdd", tgt: "0-3 5-6", s: 4, want: Exact, t: 4},
		{name: "aborted on the source, left out", src: "ddaaxdd", tgt: "0-1 5-6", s: 3, want: Exact, t: 2},
		{name: "no copy at all", src: data(10), tgt: "n n n", s: 3, want: Refused, t: -1, reason: ReasonNoEvidence},
		{name: "empty target", src: data(10), tgt: "", s: 3, want: Hold, t: -1, reason: ReasonNotCopied},
		{name: "empty target, nothing below", src: data(10), tgt: "", s: 0, want: AtEnd, t: 0},
		{name: "copy is of more than the source has", src: data(10), tgt: "0-20", s: 5, want: Refused, t: -1, reason: ReasonIncarnation},
		{name: "quick", src: data(10), tgt: "0-9", s: 5, opt: Options{Quick: true}, want: ExactUnproven, t: 5},
		{name: "the mover dropped one", src: data(10), tgt: "0-5 7-9", s: 4, want: Refused, t: 4, reason: ReasonLoss},
		{name: "trimmed in the middle of an earlier pass", src: data(3), tgt: "1 0 2", start: 1, s: 1, want: Refused, t: 2, reason: ReasonLoss},
		{name: "the source has forgotten what an earlier pass copied", src: "dd.d", tgt: "2 0-1 3", compacted: true, s: 1, want: Refused, t: -1, reason: ReasonNoGoodPosition},
		{name: "in a hole of the target", src: "dddd..dddd", tgt: "0-3 6-9", s: 5, want: Exact, t: 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, shy := range []bool{false, true} {
				src, tgt := source(tt.src), target(tt.tgt)
				src.shy, tgt.shy, tgt.start, src.compacted = shy, shy, tt.start, tt.compacted
				got := translateOne(t, src, tgt, tt.s, &tt.opt)
				if got.Outcome != tt.want || got.T != tt.t || got.Repeats != tt.repeats || got.Reason != tt.reason {
					t.Errorf("shy=%v: got %s T=%d repeats=%d reason=%q (%s; %v), want %s T=%d repeats=%d reason=%q",
						shy, got.Outcome, got.T, got.Repeats, got.Reason, got.Detail, got.Unproven, tt.want, tt.t, tt.repeats, tt.reason)
				}
			}
		})
	}
}
