package translate

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestBackLosesNothing: without any header nothing that was not read is ever
// left out, whatever is alike and whatever the mover leaves of timestamps. Where
// contents or times tell records apart, what was read and stands behind the
// position is within the count.
func TestBackLosesNothing(t *testing.T) {
	t.Parallel()
	for name, times := range timeModes {
		for _, alike := range []int64{0, 40, 7} {
			t.Run(fmt.Sprintf("%s, %d contents", name, alike), func(t *testing.T) {
				t.Parallel()
				seed := contentSeed(t)
				exact := 0
				for i := range uint64(30) {
					r := rand.New(rand.NewPCG(seed, i))
					src, tgt := contentCase(r, times, name == "append time" || name == "seconds", alike)
					known := tgt.end()
					spoil(r, tgt)
					for range 4 {
						a := BackAsk{S: r.Int64N(src.end() + 1), T: r.Int64N(tgt.end() + 1)}
						a.U = a.T + r.Int64N(tgt.end()-a.T+1)
						got := backOne(t, src, tgt, a, func(req *BackRequest, _ *Options) {
							req.Evidence, req.Header, req.Encoding, req.Known = KindContent, "", "", known
						})
						if got.Outcome == Exact {
							exact++
						}
						if text := backLost(src, tgt, a, got, alike == 0 || name == "kept" || name == "kept, not rising"); text != "" {
							t.Fatalf("seed %d/%d %+v: %s: got %s (%s) Back=%d repeats=%d only there %+v\nsource %v\ntarget %v",
								seed, i, a, text, got.Outcome, got.Detail, got.Back, got.Repeats, got.OnlyThere, src.slots, tgt.slots)
						}
					}
				}
				if alike == 0 && exact < 50 {
					t.Errorf("only %d answers are exact", exact)
				}
			})
		}
	}
}

// backLost says what is wrong with an answer that may be careful and must not
// lose anything.
func backLost(src, tgt *memLog, a BackAsk, got BackResult, apart bool) string {
	if got.Outcome == Refused {
		if got.Reason == ReasonNoEvidence {
			return ""
		}
		return "refused"
	}
	read := map[int64]bool{}
	for p := a.T; p < a.U; p++ {
		if tgt.slots[p].kind == 'd' {
			read[tgt.slots[p].h] = true
		}
	}
	again := int64(0)
	for h := range src.end() {
		if src.slots[h].kind != 'd' {
			continue
		}
		has := h < a.S || read[h]
		switch {
		case h < got.Back && !has:
			return fmt.Sprintf("source offset %d is lost", h)
		case h >= got.Back && has:
			again++
		}
	}
	if !apart {
		return ""
	}
	if again > got.Repeats {
		return fmt.Sprintf("%d records come again", again)
	}
	others := int64(0)
	for p := a.T; p < tgt.end(); p++ {
		if tgt.slots[p].kind == 'n' {
			others++
		}
	}
	if there := got.OnlyThere; there.Read.Count+there.Unread.Count+there.Unclear.Count != others {
		return fmt.Sprintf("%d records are of others", others)
	}
	return ""
}
