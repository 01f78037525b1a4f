package inspect

import (
	"context"
	"slices"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

// Bounds on what is asked of the source beyond one read for each sample.
const (
	// mostElsewhere is how many copies that differ are looked for in other
	// partitions of the source, and mostPartitions in how many of them.
	mostElsewhere  = 4
	mostPartitions = 64
	// mostGaps is how many holes of a partition are looked up in the source,
	// and gapReads with how many reads each.
	mostGaps = 16
	gapReads = 4
	// atOnce is how many places of the source are asked for in one round.
	atOnce = 256
)

// misfit is a copy that is not what the source has at its offset.
type misfit struct {
	part   int32
	pair   pair
	number int32 // of the source partition
	// end is the source's where it does not reach the copy, else -1.
	end int64
	// absent: the source topic has no such partition.
	absent bool
}

// found is a copy whose record stands in another source partition than the one
// of its own number.
type found struct {
	part   int32
	pair   pair
	number int32
}

// gap is a hole of the target where the source has a record.
type gap struct {
	part   int32
	number int32
	offset int64
}

// number is the source partition of an origin: that of the target where the
// headers do not say it.
func (p *part) number(from Origin) int32 {
	if from.Partition >= 0 {
		return from.Partition
	}
	return p.Partition.Partition
}

// there is a place on the source.
func (l *look) there(number int32, at int64) place {
	return place{part: topic.Partition{Topic: l.source.Name, Partition: number}, bounds: l.bounds[number], at: at, max: sampleBytes}
}

// recordAt is the record at an offset of a stretch, nil if there is none.
func recordAt(s *stretch, at int64) *batch.Entry {
	i, ok := slices.BinarySearchFunc(s.recs, at, func(e batch.Entry, at int64) int {
		switch {
		case e.Offset < at:
			return -1
		case e.Offset > at:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &s.recs[i]
}

// same reports whether a source record is what was copied.
func (w *work) same(e *batch.Entry, content [16]byte) bool {
	return e.Kind != batch.Marker && batch.Fingerprint(e.Key, e.Value, e.Headers, w.names.added) == content
}

// compare looks at the source record of every pair.
func (w *work) compare(ctx context.Context, l *look, pairs func(p *part) []pair, tell func(p *part, q pair, number int32, equal bool)) error {
	type asked struct {
		part   *part
		pair   pair
		number int32
	}
	var all []asked
	for _, p := range l.parts {
		for _, q := range pairs(p) {
			n := p.number(q.from)
			b, ok := l.bounds[n]
			switch {
			case !ok:
				l.misfits = append(l.misfits, misfit{part: p.Partition.Partition, pair: q, number: n, end: -1, absent: true})
			case b.Err != nil, q.h < b.Start:
				// Not readable, or gone by retention: nothing to compare with.
			case q.h >= b.End:
				l.misfits = append(l.misfits, misfit{part: p.Partition.Partition, pair: q, number: n, end: b.End})
			default:
				all = append(all, asked{p, q, n})
			}
		}
	}
	for some := range slices.Chunk(all, atOnce) {
		places := make([]place, len(some))
		for i, a := range some {
			places[i] = l.there(a.number, a.pair.h)
		}
		got, err := w.source.at(ctx, places)
		if err != nil {
			return err
		}
		for i, a := range some {
			if got[i].err != nil {
				continue
			}
			// A hole is no difference: compaction may have taken the record.
			if e := recordAt(&got[i], a.pair.h); e != nil {
				tell(a.part, a.pair, a.number, w.same(e, a.pair.content))
			}
		}
	}
	return nil
}

// compareCopies compares what the headers call copies with the source, and
// looks for those that differ in other partitions.
func (w *work) compareCopies(ctx context.Context, l *look) error {
	var unequal []misfit
	err := w.compare(ctx, l, func(p *part) []pair { return p.pairs }, func(p *part, q pair, n int32, equal bool) {
		p.compared++
		if equal {
			p.equal++
			return
		}
		unequal = append(unequal, misfit{part: p.Partition.Partition, pair: q, number: n, end: -1})
	})
	if err != nil {
		return err
	}
	for i, m := range unequal {
		number := int32(-1)
		if m.pair.from.Partition < 0 && i < mostElsewhere {
			if number, err = w.elsewhere(ctx, l, m); err != nil {
				return err
			}
		}
		if number >= 0 {
			l.elsewhere = append(l.elsewhere, found{part: m.part, pair: m.pair, number: number})
			continue
		}
		l.misfits = append(l.misfits, m)
	}
	return nil
}

// elsewhere looks for a copy at its offset in the other partitions of the
// source; -1 when none has it.
func (w *work) elsewhere(ctx context.Context, l *look, m misfit) (int32, error) {
	var places []place
	var numbers []int32
	for _, n := range l.source.Partitions {
		b := l.bounds[n]
		if n == m.number || b.Err != nil || m.pair.h < b.Start || m.pair.h >= b.End || len(places) == mostPartitions {
			continue
		}
		places, numbers = append(places, l.there(n, m.pair.h)), append(numbers, n)
	}
	if len(places) == 0 {
		return -1, nil
	}
	got, err := w.source.at(ctx, places)
	if err != nil {
		return -1, err
	}
	for i := range got {
		if e := recordAt(&got[i], m.pair.h); e != nil && w.same(e, m.pair.content) {
			return numbers[i], nil
		}
	}
	return -1, nil
}

// ends says how far each source partition has been copied, and what is left to
// copy.
func (w *work) ends(ctx context.Context, l *look) error {
	var places []place
	var tracks []*track
	split, named := l.splitOrigins(), l.named()
	for _, p := range l.parts {
		if len(p.tally.tracks) == 0 && p.err == nil && !named {
			from := Origin{Partition: -1}
			p.tally.tracks[from] = newTrack(from, &w.budget) // nothing is copied yet
		}
		for _, t := range p.tally.sorted() {
			p.reached(t)
			b, ok := l.bounds[p.number(t.from)]
			if !ok || b.Err != nil {
				continue
			}
			t.sourceStart, t.sourceEnd = b.Start, b.End
			from := b.Start
			if t.last >= 0 {
				from = max(from, t.last+1)
			}
			if split[t.from] || t.through > b.End {
				continue // the rest may be in another partition; or it is another topic
			}
			t.lag = max(0, b.End-from)
			if t.lag == 0 {
				t.lagExact = true
				continue
			}
			places, tracks = append(places, l.there(p.number(t.from), from)), append(tracks, t)
		}
	}
	return w.source.each(ctx, places, func(i int, got *stretch) { tracks[i].left(got, places[i]) })
}

// reached says how far the copies in a partition go.
func (p *part) reached(t *track) {
	if t.last >= 0 {
		t.through = t.last + 1
		t.atLeast = t.atLeast || p.unsure && !p.tally.full
	}
}

// left counts what is not copied yet where one read reaches the source's end:
// markers and aborted records are offsets and nothing to copy.
func (t *track) left(s *stretch, p place) {
	if s.err != nil || s.next < p.bounds.End {
		return
	}
	t.lag, t.lagExact = 0, true
	for i := range s.recs {
		if s.recs[i].Offset >= p.at && s.recs[i].Kind == batch.Data {
			t.lag++
		}
	}
}

// named reports whether headers name source partitions: then a partition without
// copies may belong to any of them, or to none.
func (l *look) named() bool {
	return slices.ContainsFunc(l.parts, func(p *part) bool {
		for from := range p.tally.tracks {
			if from.Partition >= 0 && l.rec.dec != nil {
				return true
			}
		}
		return false
	})
}

// splitOrigins are the origins that more than one partition has copies of.
func (l *look) splitOrigins() map[Origin]bool {
	seen, split := map[Origin]bool{}, map[Origin]bool{}
	for _, p := range l.parts {
		for from := range p.tally.tracks {
			if from.Partition >= 0 && seen[from] {
				split[from] = true
			}
			seen[from] = true
		}
	}
	return split
}

// holes looks holes of a full reading up in the source: a record there was not
// copied, or its copy is gone.
func (w *work) holes(ctx context.Context, l *look) error {
	split := l.splitOrigins()
	for _, p := range l.parts {
		for _, t := range p.tally.sorted() {
			n := p.number(t.from)
			b, ok := l.bounds[n]
			if !ok || b.Err != nil || split[t.from] || t.holes <= 0 {
				continue
			}
			for _, g := range t.gaps {
				if err := w.hole(ctx, l, p, n, g); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// hole looks for a record of the source in one hole.
func (w *work) hole(ctx context.Context, l *look, p *part, number int32, g run) error {
	l.gaps++
	at := l.there(number, max(g.from, l.bounds[number].Start))
	for reads := 0; reads < gapReads && at.at < min(g.to, at.bounds.End); reads++ {
		got, err := w.source.at(ctx, []place{at})
		if err != nil {
			return err
		}
		s := &got[0]
		for i := range s.recs {
			if e := &s.recs[i]; e.Offset >= g.from && e.Offset < g.to && e.Kind == batch.Data {
				l.missing = append(l.missing, gap{part: p.Partition.Partition, number: number, offset: e.Offset})
				return nil
			}
		}
		if s.next <= at.at {
			return nil // it cannot be read: then nothing is known of the hole
		}
		at.at = s.next
	}
	return nil
}
