package translate

import (
	"strings"
	"testing"

	"github.com/kferry/kferry/internal/topic"
)

func TestIdentity(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		src, tgt string
		salt     string // other content on the target
		start    int64  // of the target's log
		s        int64
		force    Kind
		want     Outcome
		t        int64
		reason   Reason
	}{
		{name: "equal logs", src: data(20), tgt: data(20), s: 7, want: Exact, t: 7},
		{name: "equal logs, asked for by name", src: data(20), tgt: data(20), s: 7, force: KindIdentity, want: Exact, t: 7},
		{name: "at the end", src: data(20), tgt: data(20), s: 20, want: AtEnd, t: 20},
		{name: "the copy lags", src: data(20), tgt: data(12), s: 15, want: Hold, t: -1, reason: ReasonNotCopied},
		{name: "the copy lags above S", src: data(20), tgt: data(12), s: 10, want: Exact, t: 10},
		{name: "markers are equal too", src: "ddddcddddcdd", tgt: "ddddcddddcdd", s: 5, want: Exact, t: 4},
		{name: "holes on both sides", src: "dd....dddd", tgt: "dd....dddd", s: 4, want: Exact, t: 2},
		{name: "retention on the target, below S", src: data(20), tgt: data(20), start: 5, s: 9, want: Exact, t: 9},
		{name: "retention on the target, above S", src: data(20), tgt: data(20), start: 9, s: 5, want: Refused, t: 9, reason: ReasonLoss},
		{name: "another topic", src: data(20), tgt: data(20), salt: "x", s: 7, want: Refused, t: -1, reason: ReasonNoEvidence},
		{name: "another topic, asked for by name", src: data(20), tgt: data(20), salt: "x", s: 7, force: KindIdentity, want: Refused, t: -1, reason: ReasonNoEvidence},
		{name: "a copy from offset 0 is one only up to the first marker", src: "ddddcdddd", tgt: "dddddddd", s: 7, force: KindIdentity, want: Refused, t: -1, reason: ReasonNoEvidence},
		{name: "header asked for", src: data(20), tgt: data(20), s: 7, force: KindHeader, want: Refused, t: -1, reason: ReasonNoEvidence},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src, tgt := source(tt.src), source(tt.tgt)
			tgt.salt, tgt.start = tt.salt, tt.start
			got := translateOne(t, src, tgt, tt.s, &Options{Evidence: tt.force})
			if got.Outcome != tt.want || got.T != tt.t || got.Reason != tt.reason {
				t.Errorf("got %s T=%d reason=%q (%s), want %s T=%d reason=%q", got.Outcome, got.T, got.Reason, got.Detail, tt.want, tt.t, tt.reason)
			}
			if got.Outcome == Exact && got.Evidence != KindIdentity {
				t.Errorf("evidence is %q", got.Evidence)
			}
		})
	}
}

// TestSameLog: inside one cluster a position is copied as it is, when it lies
// in the log.
func TestSameLog(t *testing.T) {
	t.Parallel()
	for s, want := range map[int64]Outcome{0: Exact, 3: Exact, 7: Exact, 20: AtEnd, 21: Refused} {
		log := source(data(20))
		log.start = 5
		req := Request{Source: part, Target: part, SameLog: true, Offsets: []int64{s}}
		out, err := Translate(t.Context(), log, log, []Request{req}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := out[0][0]
		if got.Outcome != want || want != Refused && got.T != max(s, 5) {
			t.Errorf("S=%d: got %s T=%d (%s)", s, got.Outcome, got.T, got.Detail)
		}
	}
}

// TestOtherIncarnation: headers of a topic that was deleted and created again
// name offsets of records with other contents.
func TestOtherIncarnation(t *testing.T) {
	t.Parallel()
	src, tgt := source(data(30)), target("0-19")
	tgt.salt = "older "
	for _, s := range []int64{0, 7, 20} {
		got := translateOne(t, src, tgt, s, nil)
		if got.Outcome != Refused || got.Reason != ReasonIncarnation {
			t.Errorf("S=%d: got %s %s (%s)", s, got.Outcome, got.Reason, got.Detail)
		}
	}
}

// TestUnknownIncarnationIsSaid: brokers before 2.8 give topics no ID.
func TestUnknownIncarnationIsSaid(t *testing.T) {
	t.Parallel()
	req := Request{Source: part, Target: part, Offsets: []int64{7}, TargetTopic: topic.Topic{ID: topic.ID{2}}}
	out, err := Translate(t.Context(), source(data(20)), target("0-19"), []Request{req}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := out[0][0]; got.Outcome != ExactUnproven || got.T != 7 || len(got.Unproven) != 1 {
		t.Errorf("got %s T=%d %v", got.Outcome, got.T, got.Unproven)
	}
}

func TestWithoutSource(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		tgt    string
		s      int64
		want   Outcome
		t      int64
		reason Reason
	}{
		{"in the log", "0-19", 7, ExactUnproven, 7, ""},
		{"right behind the last copy", "0-19", 20, ExactUnproven, 20, ""},
		{"further behind", "0-19", 22, Hold, -1, ReasonNotCopied},
		{"holes", "0-5 9-19", 7, ExactUnproven, 6, ""},
		{"below the first copy", "5-19", 3, Refused, 0, ReasonLoss},
		{"a pass is running", "0-19 0-8", 4, Hold, -1, ReasonPassRunning},
		{"lost behind a second pass", "0-100 0-50 101-120", 70, Repeats, 70, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := translateOne(t, nil, target(tt.tgt), tt.s, nil)
			if got.Outcome != tt.want || got.T != tt.t || got.Reason != tt.reason {
				t.Errorf("got %s T=%d reason=%q (%s), want %s T=%d reason=%q", got.Outcome, got.T, got.Reason, got.Detail, tt.want, tt.t, tt.reason)
			}
			if got.T >= 0 && got.Outcome != Repeats && got.Outcome != Refused && len(got.Unproven) == 0 {
				t.Error("nothing is said to be unproven")
			}
		})
	}
}

func TestBadHeaders(t *testing.T) {
	t.Parallel()
	tgt := target("0-9")
	got := translateOne(t, source(data(10)), tgt, 5, &Options{Header: testHeader, Encoding: EncodingBig})
	if got.Outcome != Refused || got.Reason != ReasonBadHeader || !strings.Contains(got.Detail, testHeader) {
		t.Errorf("wrong encoding: got %s %s (%s)", got.Outcome, got.Reason, got.Detail)
	}
	got = translateOne(t, source(data(10)), tgt, 5, &Options{Header: "another"})
	if got.Outcome != Refused || got.Reason != ReasonNoEvidence || !strings.Contains(got.Detail, "another") {
		t.Errorf("no such header: got %s %s (%s)", got.Outcome, got.Reason, got.Detail)
	}
}

// TestSameLogBehindAnOpenTransaction: groups that read uncommitted can stand
// above the last stable offset, and all of them are copied as they are.
func TestSameLogBehindAnOpenTransaction(t *testing.T) {
	t.Parallel()
	log := source(data(20))
	log.stable = 10
	offsets := []int64{5, 15, 18}
	out, err := Translate(t.Context(), log, log, []Request{{Source: part, Target: part, SameLog: true, Offsets: offsets}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range offsets {
		if got := out[0][i]; got.Outcome != Exact || got.T != want {
			t.Errorf("got %s T=%d (%s), want %d", got.Outcome, got.T, got.Detail, want)
		}
	}
}
