package oracle

import (
	"math/rand/v2"

	"github.com/kferry/kferry/internal/translate"
)

// shape is what a pair is meant to look like; drawn at random, each part on
// its own.
type shape struct {
	slots                          int
	base                           int64
	compactSource, compactTarget   bool
	transactions                   bool // on the source
	openSource                     bool
	readsCommitted                 bool
	exactlyOnce                    bool // the mover writes transactions
	natives                        bool
	nativeTransactions             bool
	openTarget                     bool
	restarts                       int
	window, running                bool
	truncateSource, truncateTarget bool
	startsLater, lags              bool

	kind    translate.Kind
	filters bool
	likes   likeness
	times   timing
	// steady records come a second apart, whatever times says.
	steady bool
}

func newShape(r *rand.Rand, pol Policies) shape {
	chance := func(p float64) bool { return r.Float64() < p }
	window, open := 0.8, 0.75
	if pol.Kind == translate.KindMM2 || pol.Kind == translate.KindContent {
		window, open = 0.92, 0.85 // more is compacted, which takes some of it away
	}
	s := shape{
		compactSource: pol.SourceCompacted && chance(0.9), compactTarget: pol.TargetCompacted && chance(0.95),
		transactions: chance(0.92), readsCommitted: chance(0.3), exactlyOnce: chance(0.3),
		natives: chance(0.3), nativeTransactions: chance(0.25),
		window: chance(window), running: chance(0.36), truncateSource: chance(0.25), truncateTarget: chance(0.25),
		startsLater: chance(0.1), lags: chance(0.5),
	}
	if chance(0.08) { // a plain dense copy, which can be counted
		s = shape{slots: 20 + r.IntN(150), window: chance(0.4), lags: chance(0.5), truncateTarget: chance(0.3), truncateSource: chance(0.3), running: chance(0.3)}
		s.contents(r, pol)
		return s
	}
	s.openSource = s.transactions && chance(open)
	s.openTarget = (s.exactlyOnce || s.nativeTransactions) && chance(0.5)
	if chance(0.35) {
		s.restarts = 1 + r.IntN(3)
	}
	switch {
	case chance(0.15):
		s.slots = r.IntN(12)
	case chance(0.65):
		s.slots = 8 + r.IntN(50)
	default:
		s.slots = 50 + r.IntN(150)
	}
	switch r.IntN(4) {
	case 0, 1:
	case 2:
		s.base = int64(r.IntN(2000))
	default:
		s.base = 9_999_950 + int64(r.IntN(100)) // eight digits: looks like eight bytes
	}
	s.contents(r, pol)
	return s
}
