package oracle

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/translate"
)

// TestMover checks that the generator keeps to what a mover can do, and that a
// pair survives being written and read.
func TestMover(t *testing.T) {
	t.Parallel()
	kinds := []translate.Kind{translate.KindHeader, translate.KindIdentity, translate.KindMM2, translate.KindContent}
	for seed := range uint64(3200) {
		r := rand.New(rand.NewPCG(seed, 0))
		p := NewPair(r, Policies{SourceCompacted: seed%2 == 0, TargetCompacted: seed%3 == 0, Kind: kinds[seed/3%4], Stamps: Stamps(seed / 12 % 3), Tame: seed%5 < 2})
		p.Source.elect(p.dice(0))
		if p.Kind == translate.KindHeader {
			p.Damaged = true
			p.Target.damage(p.dice(1))
		}
		if !possible(&p) {
			t.Fatalf("seed %d: no mover makes this:\n%#v", seed, CaseOf(&p, Question{}))
		}
		c := CaseOf(&p, Question{S: 5})
		again, err := c.Pair()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again.Classes, again.Damaged, again.Tame = p.Classes, p.Damaged, p.Tame
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("seed %d, %#v: (-made +read)\n%s", seed, c, diff)
		}
	}
}
