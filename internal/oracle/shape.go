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
	windows                        int // passes that stop short
	running                        bool
	truncateSource, truncateTarget bool
	startsLater, lags              bool
	// early: the source loses what it loses before it is copied.
	early bool

	kind    translate.Kind
	filters bool
	likes   likeness
	times   timing
	// steady records come a second apart, whatever times says.
	steady bool
}

// weights are how likely is what decides the classes of a pair.
type weights struct {
	// source and target are how many topics of nine are compacted.
	source, target int
	// The shares of shapes with each.
	window, running, lags, open, tiny float64
	// Of so many sources in one records are alike, mostly.
	alike int
	// again is up to how many of the passes of one mover stop short.
	again int
}

// weigh chooses them so that each class has its share: what is compacted has
// fewer aborted records and shorter passes, what keeps offsets has the holes of
// its source, and in tame pairs the mover has not gone back where records are
// alike.
func weigh(kind translate.Kind, tame bool) weights {
	w := weights{source: 5, window: 0.8, running: 0.36, lags: 0.5, open: 0.75, tiny: 0.15, alike: 2, again: 1}
	switch kind {
	case translate.KindIdentity:
		w.source = 7
		if tame {
			w.source, w.target, w.open, w.tiny = 5, 7, 0.95, 0.08
		}
	case translate.KindMM2, translate.KindContent:
		w.source, w.window, w.open = 6, 0.92, 0.85
		if tame {
			w.source, w.target = 4, 6
			w.window, w.running, w.lags, w.open, w.tiny, w.alike, w.again = 1, 0.55, 0.3, 0.9, 0.05, 4, 4
		}
	case translate.KindHeader, translate.KindAuto:
	}
	return w
}

// times is how often one thing happens that does, or does not.
func times(happens bool) int {
	if happens {
		return 1
	}
	return 0
}

func newShape(r *rand.Rand, pol Policies) shape {
	chance := func(p float64) bool { return r.Float64() < p }
	w := weigh(pol.Kind, pol.Tame)
	s := shape{
		compactSource: pol.SourceCompacted && chance(0.9), compactTarget: pol.TargetCompacted && chance(0.95),
		transactions: chance(0.92), readsCommitted: chance(0.3), exactlyOnce: chance(0.3),
		natives: chance(0.3), nativeTransactions: chance(0.25),
		windows: times(chance(w.window)), running: chance(w.running), truncateSource: chance(0.25), truncateTarget: chance(0.25),
		startsLater: chance(0.1), lags: chance(w.lags),
	}
	if chance(0.08) { // a plain dense copy, which can be counted
		s = shape{slots: 20 + r.IntN(150), windows: times(chance(0.4)), lags: chance(0.5), truncateTarget: chance(0.3), truncateSource: chance(0.3), running: chance(0.3)}
		s.contents(r, pol)
		return s
	}
	if s.windows > 0 && w.again > 1 {
		s.windows += r.IntN(w.again)
	}
	s.openSource = s.transactions && chance(w.open)
	s.openTarget = (s.exactlyOnce || s.nativeTransactions) && chance(0.5)
	if chance(0.35) {
		s.restarts = 1 + r.IntN(3)
	}
	switch {
	case chance(w.tiny):
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
