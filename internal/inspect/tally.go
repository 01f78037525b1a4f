package inspect

import (
	"cmp"
	"maps"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// Bounds on what is kept per partition.
const (
	// mostTracks is how many source partitions one partition is followed for.
	mostTracks = 1024
	// mostPairs is how many records of a partition are compared with the source.
	mostPairs = 48
	// mostNames is how many clusters, topics and pipelines are kept.
	mostNames = 64
)

// pair is a copy that is to be compared with its source record.
type pair struct {
	at      int64 // on the target
	from    Origin
	h       int64
	content [16]byte
	time    int64
}

// track follows the copies of one source partition in one target partition.
type track struct {
	from            Origin
	copies, aborted int64
	lowest, highest int64
	last, lastAt    int64
	passes, repeats int64
	backTo          int64 // the lowest source offset to which the mover went back, -1 never
	set             *coverage

	// What finish and ends find out; -1 is unknown.
	holes                  int64
	gaps                   []run // the first ones
	fragmented             bool
	through                int64
	atLeast                bool
	sourceStart, sourceEnd int64
	lag                    int64
	lagExact               bool
}

func newTrack(from Origin, b *budget) *track {
	return &track{
		from: from, last: -1, lastAt: -1, lowest: -1, highest: -1, backTo: -1, set: &coverage{budget: b},
		holes: -1, through: -1, sourceStart: -1, sourceEnd: -1, lag: -1,
	}
}

// add takes the next copy, in the order of the target. It reports whether the
// mover went back before it.
func (t *track) add(at, h int64, full bool) (fell bool) {
	fell = t.copies > 0 && h <= t.last
	t.copies++
	if t.copies == 1 || fell {
		t.passes++
	}
	if fell && (t.backTo < 0 || h < t.backTo) {
		t.backTo = h
	}
	if full && t.set.add(h, fell) {
		t.repeats++
	}
	if t.copies == 1 {
		t.lowest, t.highest = h, h
	}
	t.lowest, t.highest = min(t.lowest, h), max(t.highest, h)
	t.last, t.lastAt = h, at
	return fell
}

// tally counts the records of one partition.
type tally struct {
	dec    *decoder // nil: nothing tells copies
	full   bool
	budget *budget

	seen, natives, markers, bad, aborted int64
	firstNative, firstBad                int64
	tracks                               map[Origin]*track
	tooMany                              bool // source partitions to follow
	clusters, topics, pipelines          map[string]bool
}

func newTally(dec *decoder, full bool, b *budget) *tally {
	return &tally{
		dec: dec, full: full, budget: b, firstNative: -1, firstBad: -1,
		tracks: map[Origin]*track{}, clusters: map[string]bool{}, topics: map[string]bool{}, pipelines: map[string]bool{},
	}
}

// add takes the next record. It reports the copy that it is, and whether the
// mover went back before it.
func (t *tally) add(r *record) (from Origin, h int64, fell, isCopy bool) {
	if r.kind == batch.Marker {
		t.markers++
		return from, -1, false, false
	}
	t.seen++
	if r.open {
		return from, -1, false, false // not decided: neither a copy nor none
	}
	if t.dec == nil {
		if r.kind == batch.AbortedData {
			t.aborted++
		}
		return from, -1, false, false
	}
	from, h, what := t.dec.origin(r)
	switch what {
	case native:
		if t.natives++; t.firstNative < 0 {
			t.firstNative = r.offset
		}
		return from, -1, false, false
	case undecodable:
		if t.bad++; t.firstBad < 0 {
			t.firstBad = r.offset
		}
		return from, -1, false, false
	case copied:
	}
	t.name(from, r)
	tr := t.track(from)
	if tr == nil {
		return from, h, false, false
	}
	if r.kind == batch.AbortedData {
		tr.aborted++
		t.aborted++
		return from, h, false, false
	}
	return from, h, tr.add(r.offset, h, t.full), true
}

// track is the one of an origin, nil where there are too many.
func (t *tally) track(from Origin) *track {
	tr := t.tracks[from]
	if tr != nil {
		return tr
	}
	if len(t.tracks) == mostTracks {
		t.tooMany = true
		return nil
	}
	tr = newTrack(from, t.budget)
	t.tracks[from] = tr
	return tr
}

// name keeps what the headers say of the source.
func (t *tally) name(from Origin, r *record) {
	keep := func(set map[string]bool, s string) {
		if s != "" && len(set) < mostNames {
			set[s] = true
		}
	}
	keep(t.clusters, from.Cluster)
	keep(t.topics, from.Topic)
	if v, ok := r.header(t.dec.header.Pipeline); ok {
		keep(t.pipelines, string(v))
	}
}

// sorted are the tracks by origin.
func (t *tally) sorted() []*track {
	return slices.SortedFunc(maps.Values(t.tracks), func(a, b *track) int {
		return cmp.Or(cmp.Compare(a.from.Cluster, b.from.Cluster), cmp.Compare(a.from.Topic, b.from.Topic), cmp.Compare(a.from.Partition, b.from.Partition))
	})
}

// count goes over the samples of a partition.
func (p *part) count(dec *decoder, b *budget) {
	p.tally, p.pairs = newTally(dec, false, b), nil
	for i := range p.samples {
		for j := range p.samples[i].recs {
			r := &p.samples[i].recs[j]
			from, h, _, ok := p.tally.add(r)
			if ok && r.printed {
				p.pair(r, from, h)
			}
		}
	}
}

// pair keeps a copy for the comparison with the source.
func (p *part) pair(r *record, from Origin, h int64) {
	if len(p.pairs) < mostPairs {
		p.pairs = append(p.pairs, pair{at: r.offset, from: from, h: h, content: r.content, time: r.timestamp})
	}
}
