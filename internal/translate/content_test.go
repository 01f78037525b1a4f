package translate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// timeModes are what movers leave of timestamps; sources write in order, or
// not quite.
var timeModes = map[string]func(source, here int64) int64{
	"kept":             func(source, _ int64) int64 { return 1_000_000 + 400*source },
	"kept, not rising": func(source, _ int64) int64 { return 1_000_000 + 400*(source^5) },
	"kept, all equal":  func(_, _ int64) int64 { return 1_000_000 },
	"append time":      func(_, here int64) int64 { return 5_000_000 + 300*here },
	"seconds":          func(source, _ int64) int64 { return floorSecond(1_000_000 + 400*source) },
}

// TestContentIsTheDefinition: without any header the answers are those that
// the definition gives with knowledge of what each record is a copy of,
// wherever timestamps or contents tell records apart.
func TestContentIsTheDefinition(t *testing.T) {
	t.Parallel()
	for name, times := range timeModes {
		for _, alike := range []int64{0, 40} {
			if alike > 0 && name != "kept" && name != "kept, not rising" {
				continue
			}
			t.Run(fmt.Sprintf("%s, %d contents", name, alike), func(t *testing.T) {
				t.Parallel()
				contentLikeDefinition(t, times, name == "append time" || name == "seconds", alike)
			})
		}
	}
}

// contentSeed is the same for every run, so that one that fails can be run
// again; KFERRY_CONTENT_SEED asks for other cases.
func contentSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("KFERRY_CONTENT_SEED")
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// contentCase is one random source, what a mover made of it, and a position.
func contentCase(r *rand.Rand, times func(int64, int64) int64, own bool, alike int64) (src, tgt *memLog) {
	src, tgt = randomLogs(r)
	tgt.bare, src.alike, tgt.alike = true, alike, alike
	src.times, tgt.times = times, times
	if own {
		src.times = timeModes["kept"]
	}
	return src, tgt
}

func contentLikeDefinition(t *testing.T, times func(int64, int64) int64, own bool, alike int64) {
	t.Helper()
	seed := contentSeed(t)
	for i := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, i))
		src, tgt := contentCase(r, times, own, alike)
		for range 4 {
			s := r.Int64N(src.end() + 1)
			got := translateOne(t, src, tgt, s, &Options{Evidence: KindContent})
			where := fmt.Sprintf("seed %d/%d S=%d: got %s %s %q T=%d repeats=%d\nsource %v\ntarget %v",
				seed, i, s, got.Outcome, got.Reason, got.Detail, got.T, got.Repeats, src.slots, tgt.slots)
			if got.Outcome == Hold || got.Reason == ReasonNoEvidence || got.Reason == ReasonLoss {
				if !mayHold(src, tgt, s, got) {
					t.Fatalf("without cause: %s", where)
				}
				continue
			}
			want, repeats, ok := byDefinition(tgt, s)
			if !ok && got.Reason == ReasonNoGoodPosition {
				continue
			}
			if !ok || got.T != want || got.Repeats != repeats || got.Reason != "" {
				t.Fatalf("%s\nwant T=%d repeats=%d ok=%v", where, want, repeats, ok)
			}
		}
	}
}

// TestAlikeRecordsAreNotGuessed: where many records are alike and no timestamp
// tells them apart, an answer is the one of a copy that reads like the source,
// or it is on the safe side of the truth.
func TestAlikeRecordsAreNotGuessed(t *testing.T) {
	t.Parallel()
	seed := contentSeed(t)
	several, lost, all := 0, 0, 0
	for i := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, i))
		src, tgt := contentCase(r, timeModes["append time"], true, []int64{40, 7, 2}[i%3])
		for range 4 {
			s := r.Int64N(src.end() + 1)
			got := translateOne(t, src, tgt, s, &Options{Evidence: KindContent})
			all++
			if got.Reason == ReasonSeveralFit {
				several++
			}
			if got.T < 0 || got.Reason == ReasonLoss || indistinguishable(src, tgt, s, got.T) {
				continue
			}
			if want, _, ok := byDefinition(tgt, s); ok && got.T > want {
				lost++
				t.Logf("seed %d/%d S=%d: %s %s T=%d above %d", seed, i, s, got.Outcome, got.Reason, got.T, want)
			}
		}
	}
	// A copy that went back, of a topic without times in which whole stretches
	// are alike, can look like one that left records out.
	if several == 0 || lost*100 > 2*all {
		t.Errorf("%d of %d positions fit in several places, %d would lose a record", several, all, lost)
	}
}

// indistinguishable: whoever reads the target from pos meets the contents of
// the source from s on, in order, as if the copy had been made in one pass.
func indistinguishable(src, tgt *memLog, s, pos int64) bool {
	next := s
	for p := max(pos, tgt.start); p < tgt.lso(); p++ {
		if tgt.slots[p].kind != 'd' {
			continue
		}
		for next < src.end() && src.slots[next].kind != 'd' {
			next++
		}
		if next == src.end() || src.same(next) != src.same(tgt.slots[p].h) || src.stamp(next) != src.stamp(tgt.slots[p].h) {
			return false
		}
		next++
	}
	return true
}
