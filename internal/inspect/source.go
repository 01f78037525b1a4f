package inspect

import (
	"context"
	"slices"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// findSource finds the topic of the source that this one is compared with, and
// its bounds. They are read after the target's, so that what was copied by then
// lies within them.
func (w *work) findSource(ctx context.Context, l *look) error {
	if w.source == nil {
		return nil
	}
	name := l.ask.Source
	if name == "" {
		var err error
		if name, err = w.guess(ctx, l); err != nil {
			return err
		}
	}
	t, ok := w.there[name]
	if !ok || t.Err != nil {
		return nil //nolint:nilerr // judge says that there is none
	}
	if t.ID == l.out.ID && !t.ID.IsZero() {
		l.itself = true
		return nil
	}
	ids := make([]topic.Partition, len(t.Partitions))
	for i, n := range t.Partitions {
		ids[i] = topic.Partition{Topic: t.Name, Partition: n}
	}
	bounds, err := w.source.log.Bounds(ctx, ids)
	if err != nil {
		return err
	}
	l.source, l.bounds = &t, map[int32]topic.Bounds{}
	for id, b := range bounds {
		l.bounds[id.Partition] = b
	}
	l.out.Source, l.out.SourceID, l.out.SourcePartitions = t.Name, t.ID, len(t.Partitions)
	return nil
}

// guess finds the source topic when nobody has named it: the one that the
// headers name, the one of the same name, or the one whose name MirrorMaker 2
// has put its alias before.
func (w *work) guess(ctx context.Context, l *look) (string, error) {
	exists := func(name string) bool {
		t, ok := w.there[name]
		return ok && t.Err == nil
	}
	if l.rec.dec != nil {
		named := map[string]bool{}
		for _, v := range values(l.parts, l.rec.dec.header.Topic) {
			named[string(v.bytes)] = true
		}
		if len(named) == 1 {
			for name := range named {
				if exists(name) {
					return name, nil
				}
			}
		}
	}
	if exists(l.ask.Topic) {
		return l.ask.Topic, nil
	}
	m, err := w.mirrors(ctx)
	if err != nil {
		return "", err
	}
	best := ""
	for name := range w.there {
		alias, _, ok := mover.Replicated(l.ask.Topic, name)
		if ok && len(m.aliases[alias]) > 0 && exists(name) && len(name) > len(best) {
			best = name
		}
	}
	return best, nil
}

// evidence finds out what ties the copies to the source, and how far they are.
func (w *work) evidence(ctx context.Context, l *look) error {
	if l.rec.dec == nil && l.rec.looks != nil && l.source != nil {
		if err := w.tryLooks(ctx, l); err != nil {
			return err
		}
	}
	if l.rec.dec == nil {
		return w.traceless(ctx, l)
	}
	for _, p := range l.parts {
		for _, t := range p.tally.tracks {
			t.finish(p.tally.full)
		}
	}
	if l.source == nil {
		for _, p := range l.parts {
			for _, t := range p.tally.tracks {
				p.reached(t)
			}
		}
		return nil
	}
	if err := w.compareCopies(ctx, l); err != nil {
		return err
	}
	if err := w.ends(ctx, l); err != nil {
		return err
	}
	return w.holes(ctx, l)
}

// tryLooks takes a header of no known mover for the source offset when every
// copy that can be compared is equal to the record that it names.
func (w *work) tryLooks(ctx context.Context, l *look) error {
	equal, compared := 0, 0
	// Contents are compared without the header, so they have to be read again.
	w.names.all[l.rec.looks.header.Offset] = true
	if err := w.surveyAll(ctx, l); err != nil {
		return err
	}
	for _, p := range l.parts {
		p.count(l.rec.looks, &w.budget)
	}
	trial := *l
	trial.misfits = nil
	err := w.compare(ctx, &trial, func(p *part) []pair { return p.pairs }, func(_ *part, _ pair, _ int32, same bool) {
		compared++
		if same {
			equal++
		}
	})
	if err != nil {
		return err
	}
	if equal > 0 && equal == compared && len(trial.misfits) == 0 {
		l.rec.dec, l.rec.looks = l.rec.looks, nil
		l.rec.needs = l.rec.dec.header.Offset
		l.rec.findings = append(l.rec.findings, proven(l.rec.dec))
	}
	return w.count(ctx, l)
}

// identical compares records at equal offsets.
func (w *work) identical(ctx context.Context, l *look) error {
	equal, compared := map[*part]int64{}, map[*part]int64{}
	trial := *l
	trial.misfits = nil
	err := w.compare(ctx, &trial, func(p *part) []pair { return p.prints() }, func(p *part, _ pair, _ int32, same bool) {
		compared[p]++
		if same {
			equal[p]++
		}
	})
	if err != nil {
		return err
	}
	for _, p := range l.parts {
		p.compared, p.equal = compared[p], equal[p]
	}
	return nil
}

// prints are the records whose contents the samples kept, as pairs of equal
// offsets.
func (p *part) prints() []pair {
	var out []pair
	for i := range p.samples {
		for j := range p.samples[i].recs {
			if r := &p.samples[i].recs[j]; r.printed && r.kind == batch.Data && !r.open && len(out) < mostPairs {
				out = append(out, pair{at: r.offset, from: Origin{Partition: -1}, h: r.offset, content: r.content, time: r.timestamp})
			}
		}
	}
	slices.SortFunc(out, func(a, b pair) int { return int(a.at - b.at) })
	return out
}

// openTransactions asks who keeps partitions from being decided, where the log
// can tell.
func (w *work) openTransactions(ctx context.Context, l *look) error {
	l.now = w.opt.Now()
	who, ok := w.target.log.(translate.Transactions)
	var undecided []topic.Partition
	for _, p := range l.parts {
		if p.err == nil && p.bounds.Stable < p.bounds.End {
			undecided = append(undecided, p.Partition)
		}
	}
	if !ok || len(undecided) == 0 {
		return nil
	}
	open, _, err := who.OpenTransactions(ctx, undecided)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		l.open = open
	}
	return nil // without an answer the finding names no producer
}
