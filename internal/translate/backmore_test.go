package translate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBackByIdentity: equal offsets alone say nothing once others have written
// to the target; contents are compared.
func TestBackByIdentity(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		src, tgt   string
		others     []int64 // offsets of the target with other contents
		compacted  bool    // the source
		srcStart   int64
		ask        BackAsk
		want       int64
		outcome    Outcome
		read, rest string
		unclear    int64
	}{
		{name: "nobody else", src: data(20), tgt: data(15), ask: BackAsk{5, 5, 12}, want: 12, outcome: Exact},
		{name: "others behind the source's end", src: data(20), tgt: data(24), others: []int64{20, 21, 22, 23}, ask: BackAsk{5, 5, 22}, want: 20, outcome: Exact, read: "20-21(2)", rest: "22-23(2)"},
		{name: "both sides were written to", src: data(20), tgt: data(18), others: []int64{15, 16, 17}, ask: BackAsk{5, 5, 17}, want: 15, outcome: Exact, read: "15-16(2)", rest: "17-17(1)"},
		{name: "markers on the source", src: "ddddcddddc", tgt: "ddddcddddcdd", others: []int64{10, 11}, ask: BackAsk{2, 2, 12}, want: 9, outcome: Exact, read: "10-11(2)"},
		{name: "the source was compacted", src: "dddd..dddd", tgt: data(12), others: []int64{10, 11}, compacted: true, ask: BackAsk{2, 2, 11}, want: 10, outcome: Exact, read: "10-10(1)", rest: "11-11(1)", unclear: 2},
		{name: "a compacted source, and others in between", src: "dddddd.ddd..", tgt: data(12), others: []int64{7}, compacted: true, ask: BackAsk{2, 2, 12}, want: 6, outcome: Repeats, read: "7-7(1) 10-11(2)", unclear: 1},
		{name: "the source has forgotten the start", src: data(20), tgt: data(20), srcStart: 10, ask: BackAsk{5, 5, 15}, want: 15, outcome: Exact, unclear: 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src, tgt := source(tt.src), source(tt.tgt)
			src.start, src.compacted = tt.srcStart, tt.compacted
			for _, p := range tt.others {
				tgt.slots[p].kind = 'n'
			}
			got := backOne(t, src, tgt, tt.ask, func(r *BackRequest, _ *Options) { r.Evidence, r.Header, r.Encoding = KindIdentity, "", "" })
			want := []any{tt.want, tt.outcome, tt.read, tt.rest, tt.unclear}
			have := []any{got.Back, got.Outcome, ranges(got.OnlyThere.Read), ranges(got.OnlyThere.Unread), got.OnlyThere.Unclear.Count}
			if diff := cmp.Diff(want, have); diff != "" || got.Evidence != KindIdentity {
				t.Errorf("%s %s: %s", got.Evidence, got.Detail, diff)
			}
		})
	}
}

// TestBackByOffsetSyncs: between MirrorMaker 2's offset syncs, others write to
// the target; and its syncs may be gone by the time of the way back.
func TestBackByOffsetSyncs(t *testing.T) {
	t.Parallel()
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprintf("syncs are gone: %v", gone), func(t *testing.T) {
			t.Parallel()
			src, tgt := mirrored(3000)
			known := tgt.end()
			// A thousand more were copied after the move, with others in between.
			for i := int64(3000); i < 4000; i++ {
				src.slots = append(src.slots, slot{kind: 'd'})
				if i%50 == 0 {
					tgt.slots = append(tgt.slots, slot{kind: 'n'}, slot{kind: 'n'})
				}
				if i < 3900 {
					tgt.slots = append(tgt.slots, slot{kind: 'd', h: i})
				}
			}
			if gone {
				src.syncs = nil
			}
			at := func(h int64) int64 {
				return int64(slices.IndexFunc(tgt.slots, func(s slot) bool { return s.kind == 'd' && s.h == h }))
			}
			ask := BackAsk{S: 2000, T: at(2000), U: at(3500)}
			req := backRequest(src.memLog, tgt, ask)
			req.Evidence, req.Header, req.Encoding, req.Known = KindMM2, "", "", known
			out, err := Back(t.Context(), src, tgt, []BackRequest{req}, &Options{Syncs: []SyncTopic{{Topic: syncTopic}}})
			if err != nil {
				t.Fatal(err)
			}
			got := out[0][0]
			want := KindMM2
			if gone {
				want = KindContent
			}
			if got.Outcome != Exact || got.Back != 3500 || got.Evidence != want {
				t.Errorf("%s %s (%s) by %s at %d", got.Outcome, got.Reason, got.Detail, got.Evidence, got.Back)
			}
			if there := got.OnlyThere; there.Read.Count != 22 || len(there.Read.Ranges) != 11 || there.Unread.Count != 18 || there.Unclear.Count != 0 {
				t.Errorf("records of others: %+v", there)
			}
		})
	}
}

// TestBackOfCompactedTargets: what the cleaner took counts as read where a later
// record of its key was read, and as unread elsewhere.
func TestBackOfCompactedTargets(t *testing.T) {
	t.Parallel()
	// Contents are keys here: 0 1 2 3 0 1 2 3 …
	src := source(data(12))
	src.keys = func(h int64) int64 { return h % 4 }
	tests := []struct {
		name    string
		tgt     string
		ask     BackAsk
		want    int64
		outcome Outcome
		repeats int64
	}{
		{name: "a later record of the key was read", tgt: "0-3 . 5-8 9-11", ask: BackAsk{2, 2, 9}, want: 9, outcome: Exact},
		{name: "the later record was not read", tgt: "0-3 . 5-8 9-11", ask: BackAsk{2, 2, 8}, want: 4, outcome: Repeats, repeats: 3},
		{name: "several, of two keys", tgt: "0-1 3 4 . . 7-11", ask: BackAsk{2, 2, 10}, want: 11, outcome: Exact},
		{name: "no record of the key was read", tgt: "0-4 6-8 10-11", ask: BackAsk{2, 2, 9}, want: 5, outcome: Repeats, repeats: 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tgt := target(tt.tgt)
			tgt.compacted, tgt.keys = true, src.keys
			got := backOne(t, src, tgt, tt.ask)
			if got.Back != tt.want || got.Outcome != tt.outcome || got.Repeats != tt.repeats {
				t.Errorf("got %s %d, %d repeats (%s), want %s %d, %d repeats", got.Outcome, got.Back, got.Repeats, got.Detail, tt.outcome, tt.want, tt.repeats)
			}
		})
	}
}

// TestBackOfOpenTransactions: what is not decided yet is not taken for read.
func TestBackOfOpenTransactions(t *testing.T) {
	t.Parallel()
	src, tgt := source(data(20)), target("0-9 a10 a11 a12")
	tgt.stable = 10
	got := backOne(t, src, tgt, BackAsk{5, 5, 12})
	if got.Back != 10 || got.Outcome != Repeats || got.Repeats != 2 || len(got.Notes) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestBackTogether: all groups of a partition share one reading of the target,
// and each gets its own answer.
func TestBackTogether(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	for range 60 {
		src, tgt := randomLogs(r)
		spoil(r, tgt)
		var asks []BackAsk
		for range 12 {
			a := BackAsk{S: r.Int64N(src.end() + 1), T: r.Int64N(tgt.end() + 1)}
			a.U = a.T + r.Int64N(tgt.end()-a.T+1)
			asks = append(asks, a)
		}
		out, err := Back(t.Context(), src, tgt, []BackRequest{backRequest(src, tgt, asks...)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range asks {
			got, want := out[0][i], backByDefinition(src, tgt, a)
			if have := (defined{got.Back, got.Repeats, ranges(got.OnlyThere.Read), ranges(got.OnlyThere.Unread)}); have != want {
				t.Fatalf("%+v of %+v: got %+v, want %+v\nsource %v\ntarget %v", a, asks, have, want, src.slots, tgt.slots)
			}
		}
	}
}

// TestBackCost: the target is read once for all groups, and the source only
// where what was read ends.
func TestBackCost(t *testing.T) {
	t.Parallel()
	src, tgt := source(data(20000)), target("0-19999")
	src.batch, tgt.batch, src.answer, tgt.answer = 100, 100, 1<<14, 1<<14
	var asks []BackAsk
	for i := range int64(50) {
		asks = append(asks, BackAsk{1000, 1000, 2000 + 100*i})
	}
	out, err := Back(t.Context(), src, tgt, []BackRequest{backRequest(src, tgt, asks...)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range out[0] {
		if got.Outcome != Exact || got.Back != asks[i].U {
			t.Fatalf("%+v", got)
		}
	}
	one := 0
	for p := int64(1000); p < tgt.end(); p += 100 {
		one += len(tgt.encode(p, p+100, tgt.end()))
	}
	if tgt.bytes > 3*one || src.bytes > one {
		t.Errorf("read %d bytes of the target and %d of the source; from T to the end are %d", tgt.bytes, src.bytes, one)
	}
}

// TestBackKeepsAFewRanges: however many ranges there are, a bounded number is
// named and all are counted.
func TestBackKeepsAFewRanges(t *testing.T) {
	t.Parallel()
	n := int64(3 * rangesKept)
	src, tgt := source(data(int(n))), &memLog{stable: -1, batch: 64, copies: true, answer: 1 << 14}
	for h := range n {
		tgt.slots = append(tgt.slots, slot{kind: 'd', h: h}, slot{kind: 'n'})
	}
	got := backOne(t, src, tgt, BackAsk{0, 0, tgt.end()}).OnlyThere.Read
	if got.Count != n || len(got.Ranges) != rangesKept || got.More != n-rangesKept || got.Ranges[0] != (OffsetRange{1, 1, 1}) {
		t.Errorf("%d records in %d ranges and %d more", got.Count, len(got.Ranges), got.More)
	}
}

// TestBackShowsItsProof: the records either side, with what they are copies of
// and where their copies are.
func TestBackShowsItsProof(t *testing.T) {
	t.Parallel()
	src, tgt := source(data(20)), target("n n 0-9 n 10-19")
	p := backOne(t, src, tgt, BackAsk{7, 9, 13}).Proof
	type pair struct{ offset, of int64 }
	var have []pair
	for _, s := range []*Seen{p.SourceBefore, p.SourceAt, p.TargetBefore, p.TargetAt} {
		if s == nil {
			t.Fatalf("a record is missing: %+v", p)
		}
		have = append(have, pair{s.Offset, s.SourceOffset})
	}
	if diff := cmp.Diff([]pair{{9, 11}, {10, 13}, {11, 9}, {13, 10}}, have, cmp.AllowUnexported(pair{})); diff != "" {
		t.Error(diff)
	}
	if p.SourceBefore.Fingerprint != p.TargetBefore.Fingerprint || p.Known != KnownRead {
		t.Errorf("%+v", p)
	}
	tgt.salt = "other"
	if got := backOne(t, src, tgt, BackAsk{7, 9, 13}); got.Outcome != Refused || got.Reason != ReasonIncarnation || got.Back != -1 {
		t.Errorf("other contents: %+v", got)
	}
}

// TestBackComparesAsBefore: how strictly contents are compared is taken from the
// words of the way there.
func TestBackComparesAsBefore(t *testing.T) {
	t.Parallel()
	for _, p := range printers {
		for _, ev := range []evidence{&content{by: p}, &content{by: p, note: " (as on the way there)"}, &mm2{by: p, log: &syncLog{}}} {
			_, words := ev.what()
			if got, ok := printerOf(words); !ok || got != p {
				t.Errorf("%q: %+v %v, want %+v", words, got, ok, p)
			}
		}
	}
	for _, words := range []string{"", "equal records at equal offsets", "header h, decimal text"} {
		if got, ok := printerOf(words); ok {
			t.Errorf("%q: %+v", words, got)
		}
	}
}
