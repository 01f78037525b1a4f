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
		p := NewPair(r, Policies{SourceCompacted: seed%2 == 0, TargetCompacted: seed%3 == 0, Kind: kinds[seed/3%4], Stamps: Stamps(seed / 12 % 3)})
		if !possible(&p) {
			t.Fatalf("seed %d: no mover makes this:\n%#v", seed, CaseOf(&p, Question{}))
		}
		c := CaseOf(&p, Question{S: 5})
		again, err := c.Pair()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again.Classes = p.Classes
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("seed %d, %#v: (-made +read)\n%s", seed, c, diff)
		}
	}
}
