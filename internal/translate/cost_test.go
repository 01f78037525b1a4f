package translate

import (
	"fmt"
	"testing"

	"github.com/kferry/kferry/internal/topic"
)

// big makes a dense source and its copy behind a few foreign records.
func big(n int64) (src, tgt *memLog) {
	src = &memLog{stable: -1, batch: 50}
	tgt = &memLog{stable: -1, batch: 50, copies: true}
	for h := range n {
		src.slots = append(src.slots, slot{kind: 'd'})
		tgt.slots = append(tgt.slots, slot{kind: 'd', h: h})
	}
	return src, tgt
}

// TestCostIsFlat: on a log without holes the number of reads does not depend
// on its length, and finding T takes at most four of them.
func TestCostIsFlat(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{10_000, 100_000, 1_000_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			if testing.Short() && n > 100_000 {
				t.Skip("a million records in memory take a while")
			}
			src, tgt := big(n)
			src.slots = append(src.slots, make([]slot, 10)...) // the mover lags by ten
			for i := n; i < n+10; i++ {
				src.slots[i] = slot{kind: 'd'}
			}
			tgt.start, src.start = 7, 7
			got := translateOne(t, src, tgt, n/3, nil)
			if got.Outcome != Exact || got.T != n/3 || got.Proof.Known != KnownCounted {
				t.Fatalf("got %s T=%d known=%q (%s %v)", got.Outcome, got.T, got.Proof.Known, got.Detail, got.Unproven)
			}
			if tgt.requests > 12 || src.requests > 6 {
				t.Errorf("%d reads of the target and %d of the source", tgt.requests, src.requests)
			}
			quick := *tgt
			quick.requests = 0
			if got := translateOne(t, src, &quick, n/3, &Options{Quick: true, Header: testHeader, Encoding: EncodingDecimal}); got.T != n/3 || quick.requests > 4 {
				t.Errorf("finding T=%d took %d reads", got.T, quick.requests)
			}
		})
	}
}

// TestCountIsRefused lists what counting must not be trusted with; the rest is
// then read, and the answer is right.
func TestCountIsRefused(t *testing.T) {
	t.Parallel()
	dense := topic.Config{Known: true}
	tests := []struct {
		name     string
		change   func(src, tgt *memLog)
		from, to topic.Config
	}{
		{"a source that is compacted", nil, topic.Config{Known: true, Compacted: true}, dense},
		{"a source whose configuration is hidden", nil, topic.Config{}, dense},
		{"a target that is compacted", nil, dense, topic.Config{Known: true, Compacted: true}},
		{"a marker among the copies", func(_, tgt *memLog) {
			tgt.slots = append(tgt.slots[:9000], append([]slot{{kind: 'c'}}, tgt.slots[9000:]...)...)
		}, dense, dense},
		{"a hole in the source", func(src, tgt *memLog) {
			src.slots[9000].kind = '.'
			tgt.slots = append(tgt.slots[:9000], tgt.slots[9001:]...)
		}, dense, dense},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src, tgt := big(10_000)
			if tt.change != nil {
				tt.change(src, tgt)
			}
			out, err := Translate(t.Context(), src, tgt, []Request{{
				Source: part, Target: part, Offsets: []int64{3000},
				SourceTopic: topic.Topic{ID: topic.ID{1}, Config: tt.from}, TargetTopic: topic.Topic{ID: topic.ID{2}, Config: tt.to},
			}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := out[0][0]; got.Outcome != Exact || got.T != 3000 || got.Proof.Known != KnownRead {
				t.Errorf("got %s T=%d known=%q %s", got.Outcome, got.T, got.Proof.Known, got.Detail)
			}
		})
	}
}

// TestPassRunningOnALongLog: what the mover copied before it went back lies far
// behind the rest of the log that is read, and is found all the same.
func TestPassRunningOnALongLog(t *testing.T) {
	t.Parallel()
	for _, holes := range []bool{false, true} {
		src, tgt := big(20_000)
		if holes {
			for i := int64(100); i < 20_000; i += 3 {
				src.slots[i].kind = '.'
			}
			tgt.slots = nil
			for h := range int64(20_000) {
				if src.slots[h].kind == 'd' {
					tgt.slots = append(tgt.slots, slot{kind: 'd', h: h})
				}
			}
		}
		for h := range int64(9_000) {
			if src.slots[h].kind == 'd' {
				tgt.slots = append(tgt.slots, slot{kind: 'd', h: h})
			}
		}
		got := translateOne(t, src, tgt, 8_000, nil)
		if got.Outcome != Hold || got.Reason != ReasonPassRunning {
			t.Errorf("holes=%v: got %s T=%d (%s)", holes, got.Outcome, got.T, got.Detail)
		}
	}
}

// TestLagIsTheCost: with holes the copies before the position are not read, as
// the timestamps show that nothing newer can be among them.
func TestLagIsTheCost(t *testing.T) {
	t.Parallel()
	src, tgt := big(60_000)
	tgt.slots = nil
	for h := range int64(60_000) {
		if h%5 == 1 {
			src.slots[h].kind = '.'
			continue
		}
		if h < 59_990 {
			tgt.slots = append(tgt.slots, slot{kind: 'd', h: h})
		}
	}
	got := translateOne(t, src, tgt, 59_000, nil)
	if got.Outcome != Exact || got.Proof.Known != KnownRead {
		t.Fatalf("got %s T=%d (%s %v)", got.Outcome, got.T, got.Detail, got.Unproven)
	}
	if read := got.Proof.ReadTarget; read > 1000 || tgt.bytes > 400_000 {
		t.Errorf("read %d records and %d bytes for a lag of 1000", read, tgt.bytes)
	}
}

func TestManyPartitionsShareRequests(t *testing.T) {
	t.Parallel()
	src, tgt := big(500)
	var reqs []Request
	for i := range int32(300) {
		p := topic.Partition{Topic: "t", Partition: i}
		reqs = append(reqs, Request{
			Source: p, Target: p, Offsets: []int64{100, 250, 400, 250, 500},
			SourceTopic: topic.Topic{ID: topic.ID{1}}, TargetTopic: topic.Topic{ID: topic.ID{2}},
		})
	}
	out, err := Translate(t.Context(), src, tgt, reqs, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range out {
		for j, want := range reqs[i].Offsets {
			if got := out[i][j]; got.T != want || got.S != want {
				t.Fatalf("%s: S=%d gives T=%d %s %s", reqs[i].Source, got.S, got.T, got.Outcome, got.Detail)
			}
		}
	}
	if n := src.requests + tgt.requests; n > 120 {
		t.Errorf("1500 positions over 300 partitions took %d requests", n)
	}
}
