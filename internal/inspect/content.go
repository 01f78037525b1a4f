package inspect

import (
	"context"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// wanted is a record of the target that is looked for on the source.
type wanted struct {
	part *part
	pair pair
	// guess is where offset syncs put it, -1 without.
	guess int64
	// at is where it was found, -1 nowhere; several: alike records stand there.
	at      int64
	several bool
}

// traceless follows copies that no header names, by the evidence that a plan
// takes: the offset syncs of MirrorMaker 2, equal offsets or equal contents.
func (w *work) traceless(ctx context.Context, l *look) error {
	r, err := w.replica(ctx, l)
	if err != nil {
		return err
	}
	if len(r.how) > 0 {
		l.out.Mover, l.out.Alias = mover.MirrorMaker, r.alias
		l.out.How = append(l.out.How, r.how...)
	}
	l.replica = r
	if l.source == nil {
		if r.syncs != nil {
			l.out.Evidence = translate.KindMM2
			l.fromSyncs(r)
		}
		return nil
	}
	if l.plan == nil {
		return nil // no partition can be read on both sides
	}
	switch l.plan.Kind {
	case translate.KindMM2:
		l.out.Evidence = translate.KindMM2
		if r.equal > 0 {
			l.out.How = append(l.out.How, fmt.Sprintf("%d of its pairs were compared and are equal records", r.equal))
		}
		return w.locate(ctx, l, r)
	case translate.KindIdentity:
		l.out.Evidence = translate.KindIdentity
		l.out.How = append(l.out.How, "equal records stand at equal offsets on both sides")
		if err := w.identical(ctx, l); err != nil {
			return err
		}
		l.identity()
		return w.ends(ctx, l)
	case translate.KindHeader:
		// A plan has met a header where the samples here have none.
		l.out.How = append(l.out.How, l.plan.Detected)
		if h, ok := mover.HeaderNamed(l.plan.Header); ok {
			l.out.Mover = h.Mover
		}
	case translate.KindContent, translate.KindAuto:
	}
	return w.locate(ctx, l, nil)
}

// fromSyncs says how far each partition is when only the syncs tell it.
func (l *look) fromSyncs(r *replica) {
	for _, p := range l.parts {
		usable := r.usable(p)
		if len(usable) == 0 {
			continue
		}
		last := usable[len(usable)-1]
		t := p.sole(r.source)
		t.last, t.lastAt = last.SourceOffset, last.TargetOffset
		t.through, t.atLeast = last.SourceOffset+1, true
	}
}

// sole is the only track of a partition whose copies carry nothing: they come
// from the source partition of its number.
func (p *part) sole(source string) *track {
	from := Origin{Topic: source, Partition: p.Partition.Partition}
	t := newTrack(from, p.tally.budget)
	t.copies, t.passes, t.repeats, t.aborted = -1, -1, -1, -1
	p.tally.tracks[from] = t
	return t
}

// identity makes tracks of partitions that are equal offset by offset.
func (l *look) identity() {
	for _, p := range l.parts {
		if p.lastData == nil {
			continue
		}
		t := p.sole(l.source.Name)
		t.copies, t.passes, t.repeats, t.aborted = p.tally.seen-p.tally.aborted, 1, 0, p.tally.aborted
		t.lowest, t.highest = p.bounds.Start, p.lastData.offset
		t.last, t.lastAt = p.lastData.offset, p.lastData.offset
	}
}

// locate looks for the samples' records on the source: near the place where
// offset syncs put them, else by their time. Contents are the evidence when
// most of them are found in the order of the target.
func (w *work) locate(ctx context.Context, l *look, r *replica) error {
	var all []*wanted
	for _, p := range l.parts {
		if _, ok := l.bounds[p.Partition.Partition]; !ok {
			continue
		}
		for _, q := range p.prints() {
			all = append(all, &wanted{part: p, pair: q, guess: r.estimate(p, q.at), at: -1})
		}
	}
	if err := w.byGuess(ctx, l, all); err != nil {
		return err
	}
	if err := w.byTime(ctx, l, all); err != nil {
		return err
	}
	good := 0
	for _, x := range all {
		x.part.compared++
		if x.at >= 0 {
			x.part.equal++
			good++
		}
	}
	if good == 0 || good*2 < len(all) {
		return nil
	}
	if l.plan.Kind == translate.KindContent {
		l.out.How = append(l.out.How, fmt.Sprintf("%d of %d records were found on the source by their contents", good, len(all)))
	}
	l.follow(all)
	return w.ends(ctx, l)
}

// estimate is where the closest sync at or below a target offset puts it; -1
// without one. A nil replica has none.
func (r *replica) estimate(p *part, at int64) int64 {
	if r == nil {
		return -1
	}
	var best *mover.OffsetSync
	usable := r.usable(p)
	for i := range usable {
		if usable[i].TargetOffset <= at {
			best = &usable[i]
		}
	}
	if best == nil {
		return -1
	}
	return best.SourceOffset + at - best.TargetOffset
}

// byGuess reads around the guesses.
func (w *work) byGuess(ctx context.Context, l *look, all []*wanted) error {
	var places []place
	var owners []*wanted
	for _, x := range all {
		b := l.bounds[x.part.Partition.Partition]
		if x.guess < 0 || b.Err != nil || b.End <= b.Start {
			continue
		}
		at := min(max(x.guess, b.Start), b.End-1)
		places, owners = append(places, l.there(x.part.Partition.Partition, at)), append(owners, x)
	}
	return w.pick(ctx, l, places, owners)
}

// byTime reads from the first source record of the same time on.
func (w *work) byTime(ctx context.Context, l *look, all []*wanted) error {
	// One look-up for each partition and time; a broker answers one time for a
	// partition in a request.
	byRound := map[int][]*wanted{}
	nth := map[*part]int{}
	rounds := 0
	for _, x := range all {
		if x.at >= 0 || x.pair.time < 0 || l.bounds[x.part.Partition.Partition].Err != nil {
			continue
		}
		n := nth[x.part]
		nth[x.part]++
		byRound[n] = append(byRound[n], x)
		rounds = max(rounds, n+1)
	}
	for n := range rounds {
		times := map[topic.Partition]int64{}
		for _, x := range byRound[n] {
			times[topic.Partition{Topic: l.source.Name, Partition: x.part.Partition.Partition}] = x.pair.time
		}
		stamps, err := w.source.log.Since(ctx, times)
		if err != nil {
			return err
		}
		w.source.fetches.Add(1)
		var places []place
		var owners []*wanted
		for _, x := range byRound[n] {
			id := topic.Partition{Topic: l.source.Name, Partition: x.part.Partition.Partition}
			if s := stamps[id]; s.Err == nil && s.Offset >= 0 {
				places, owners = append(places, l.there(id.Partition, s.Offset)), append(owners, x)
			}
		}
		if err := w.pick(ctx, l, places, owners); err != nil {
			return err
		}
	}
	return nil
}

// pick finds records among what was read around the places where they may be.
func (w *work) pick(ctx context.Context, l *look, places []place, owners []*wanted) error {
	return w.source.each(ctx, places, func(i int, got *stretch) { w.match(l, owners[i], got) })
}

// match takes the lowest record that is equal, with its time where that is kept.
func (w *work) match(l *look, x *wanted, s *stretch) {
	for i := range s.recs {
		e := &s.recs[i]
		if e.Kind != batch.Data || !l.out.Config.AppendTime && e.Timestamp != x.pair.time || !w.same(e, x.pair.content) {
			continue
		}
		if x.at >= 0 {
			x.several = true
			return
		}
		x.at = e.Offset
	}
}

// follow makes a track of each partition from the records that were found.
func (l *look) follow(all []*wanted) {
	byPart := map[*part][]*wanted{}
	for _, x := range all {
		if x.at >= 0 {
			byPart[x.part] = append(byPart[x.part], x)
		}
	}
	for p, xs := range byPart {
		slices.SortFunc(xs, func(a, b *wanted) int { return int(a.pair.at - b.pair.at) })
		t := p.sole(l.source.Name)
		t.passes = 1
		t.lowest, t.highest = xs[0].at, xs[0].at
		for i, x := range xs {
			if i > 0 && x.at < xs[i-1].at && !x.several && !xs[i-1].several {
				t.passes++
				t.backTo = x.at
			}
			t.lowest, t.highest = min(t.lowest, x.at), max(t.highest, x.at)
			t.last, t.lastAt, t.atLeast = x.at, x.pair.at, x.several
		}
		if p.lastData != nil && t.lastAt < p.lastData.offset {
			t.atLeast = true
		}
	}
}
