package translate

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// byDefinition is the definition of T (ARCHITECTURE.md) taken literally: try every u from the end,
// keep the first copy of each source record, and see whether all wanted ones
// come in order.
func byDefinition(m *memLog, s int64) (t, repeats int64, ok bool) {
	wanted := map[int64]bool{}
	limit := m.lso()
	committed := func(p int64) bool { return m.slots[p].kind == 'd' }
	for p := m.start; p < limit; p++ {
		if committed(p) && m.slots[p].h >= s {
			wanted[m.slots[p].h] = true
		}
	}
	for u := limit; u >= m.start; u-- {
		met, last, inOrder, again := map[int64]bool{}, int64(-1), true, int64(0)
		for p := u; p < limit; p++ {
			if !committed(p) {
				continue
			}
			h := m.slots[p].h
			switch {
			case h < s || met[h]:
				again++
			case h < last:
				inOrder = false
			default:
				last = h
			}
			if h >= s {
				met[h] = true
			}
		}
		if len(met) != len(wanted) || !inOrder {
			continue
		}
		t := m.start
		for p := m.start; p < u; p++ {
			if k := m.slots[p].kind; k == 'd' || k == 'a' {
				t = p + 1
			}
		}
		return t, again, true
	}
	return 0, 0, false
}

// randomLogs makes a source and what a mover that may go back made of it.
func randomLogs(r *rand.Rand) (src, tgt *memLog) {
	n := int64(1 + r.IntN(120))
	src = &memLog{stable: -1, batch: 1 + r.IntN(12)}
	holes := r.IntN(3) * 40
	for range n {
		k := byte('d')
		if r.IntN(100) < holes {
			k = '.'
		}
		src.slots = append(src.slots, slot{kind: k})
	}
	src.compacted = holes > 0
	tgt = &memLog{stable: -1, batch: 1 + r.IntN(12), copies: true, shy: r.IntN(4) == 0}
	for range 1 + r.IntN(4) {
		from, to := r.Int64N(n), n
		if r.IntN(2) == 0 {
			from = 0
		}
		if r.IntN(2) == 0 {
			to = from + r.Int64N(n-from+1)
		}
		for h := from; h < to; h++ {
			if r.IntN(20) == 0 {
				tgt.slots = append(tgt.slots, slot{kind: 'n'})
			}
			if src.slots[h].kind == 'd' {
				tgt.slots = append(tgt.slots, slot{kind: 'd', h: h})
			}
		}
	}
	return src, tgt
}

func TestTranslateIsTheDefinition(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for i := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, i))
		src, tgt := randomLogs(r)
		for range 4 {
			s := r.Int64N(src.end() + 1)
			got := translateOne(t, src, tgt, s, nil)
			if got.Outcome == Hold || got.Reason == ReasonNoEvidence || got.Reason == ReasonLoss {
				if !mayHold(src, tgt, s, got) {
					t.Fatalf("seed %d/%d S=%d: %s (%s) without cause", seed, i, s, got.Outcome, got.Detail)
				}
				continue
			}
			want, repeats, ok := byDefinition(tgt, s)
			if !ok && got.Reason == ReasonNoGoodPosition {
				continue
			}
			if !ok || got.T != want || got.Repeats != repeats {
				t.Fatalf("seed %d/%d S=%d: got %s %q T=%d repeats=%d, want T=%d repeats=%d ok=%v\nsource %v\ntarget %v",
					seed, i, s, got.Outcome, got.Detail, got.T, got.Repeats, want, repeats, ok, src.slots, tgt.slots)
			}
		}
	}
}

// mayHold says whether a refusal or hold has a cause.
func mayHold(src, tgt *memLog, s int64, got Result) bool {
	var hs []int64
	for _, c := range tgt.slots {
		if c.kind == 'd' {
			hs = append(hs, c.h)
		}
	}
	if len(hs) == 0 {
		return got.Reason == ReasonNoEvidence || got.Reason == ReasonNotCopied
	}
	last := hs[len(hs)-1]
	switch got.Reason {
	case ReasonPassRunning:
		return slices.Max(hs) > last
	case ReasonNotCopied:
		for off := last + 1; off < s; off++ {
			if src.slots[off].kind == 'd' {
				return true
			}
		}
	default: // ReasonLoss
		for off := s; off < src.end(); off++ {
			if src.slots[off].kind == 'd' && !slices.Contains(hs, off) {
				return true
			}
		}
	}
	return false
}
