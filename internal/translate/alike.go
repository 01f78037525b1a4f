package translate

import (
	"context"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// likeness counts how pairs of a record and its copy compare.
type likeness struct {
	pairs, headers, exact, seconds int
	differ                         int // pairs that should be equal and are not
}

// loosest compares the least: key and value.
var loosest = printer{time: timeLost, bare: true}

// compare takes one pair in.
func (l *likeness) compare(source, target *batch.Entry) {
	if loosest.mark(source).fp != loosest.mark(target).fp {
		l.differ++
		return
	}
	l.pairs++
	full := printer{time: timeLost}
	if full.mark(source).fp == full.mark(target).fp {
		l.headers++
	}
	if source.Timestamp == target.Timestamp {
		l.exact++
	}
	if floorSecond(source.Timestamp) == target.Timestamp {
		l.seconds++
	}
}

// printer is the strictest comparison that nearly all pairs stand.
func (l *likeness) printer() printer {
	p := printer{time: timeLost, bare: 10*l.headers < 9*l.pairs}
	switch {
	case 10*l.exact >= 9*l.pairs:
		p.time = timeExact
	case 10*l.seconds >= 9*l.pairs:
		p.time = timeSeconds
	}
	return p
}

// printers are the ways to compare, strictest first.
var printers = []printer{
	{timeExact, false}, {timeSeconds, false}, {timeExact, true}, {timeSeconds, true}, {timeLost, false}, loosest,
}

// chooseSyncs takes the offset syncs of MirrorMaker 2 as evidence when there
// are some for these partitions, and their pairs are equal records. It returns
// nil and why where not.
func (w *work) chooseSyncs(ctx context.Context, solvers []*solver) (evidence, string, error) {
	if len(solvers) == 0 || solvers[0].src == nil {
		return nil, "without the source offset syncs cannot be checked", nil
	}
	if len(w.opt.Syncs) == 0 {
		return nil, "there is no offset-syncs topic of MirrorMaker 2", nil
	}
	logs, err := w.syncLogs(ctx)
	if err != nil {
		return nil, "", err
	}
	var best *syncLog
	var most likeness
	why := unnamed + solvers[0].req.Source.Topic
	for _, log := range logs {
		if log.err != nil {
			why = log.err.Error()
			continue
		}
		l, found, err := checkSyncs(ctx, log, solvers)
		if err != nil {
			return nil, "", err
		}
		switch {
		case found && l.pairs == 0 && l.differ > 0:
			why = fmt.Sprintf("the offset syncs in %s name records of %s and %s that differ: they are of another target or of an earlier copy", log.topic.Topic, solvers[0].req.Source.Topic, solvers[0].req.Target.Topic)
		case found && l.pairs == 0:
			why = fmt.Sprintf("no record that the offset syncs in %s name for %s is on both sides any more", log.topic.Topic, solvers[0].req.Source.Topic)
		case l.pairs > most.pairs:
			best, most = log, l
		}
	}
	if best == nil {
		return nil, why, nil
	}
	return &mm2{by: most.printer(), log: best}, "", nil
}

// unnamed begins the reason why offset syncs are of other topics, which is no
// news where something else fits.
const unnamed = "no offset-syncs topic names "

// syncLogs reads the offset-syncs topics, once.
func (w *work) syncLogs(ctx context.Context) ([]*syncLog, error) {
	w.syncsOnce.Lock()
	defer w.syncsOnce.Unlock()
	if w.syncs != nil {
		return w.syncs, nil
	}
	for _, t := range w.opt.Syncs {
		log, err := w.readSyncs(ctx, t, w.topics)
		if err != nil {
			return nil, err
		}
		w.syncs = append(w.syncs, log)
	}
	return w.syncs, nil
}

// checkSyncs compares the records of the first, a middle and the last offset
// sync of each partition; found is whether there are any.
func checkSyncs(ctx context.Context, log *syncLog, solvers []*solver) (l likeness, found bool, err error) {
	for _, s := range solvers {
		list := usable(log.of[s.req.Source], s.src.bounds, s.tgt.bounds).list
		if len(list) == 0 {
			continue
		}
		found = true
		for _, i := range []int{len(list) - 1, len(list) / 2, 0} {
			y := list[i]
			there, err := s.tgt.record(ctx, y.target)
			if err == nil && there != nil {
				here, err2 := s.src.record(ctx, y.source)
				if err = err2; err == nil && here != nil && here.Kind != batch.Marker && there.Kind != batch.Marker {
					l.compare(here, there)
				}
				// MirrorMaker 2 keeps timestamps where the topic lets it.
				if cfg := s.req.TargetTopic.Config; err == nil && l.pairs > l.exact && cfg.Known && !cfg.AppendTime {
					l.differ, l.pairs = l.differ+1, l.exact
				}
			}
			if err != nil && ctx.Err() != nil {
				return l, found, ctx.Err()
			}
		}
	}
	return l, found, nil
}

// chooseContent takes equal records as evidence when the samples of the target
// are on the source, compared as strictly as nearly all of them stand. It
// returns nil and why where not.
func chooseContent(ctx context.Context, solvers []*solver) (evidence, string, error) {
	if len(solvers) == 0 || solvers[0].src == nil {
		return nil, "without the source records cannot be compared", nil
	}
	whole, err := wholeSeconds(ctx, solvers)
	if err != nil {
		return nil, "", err
	}
	best, most := printer{}, 0
	timed, some := printer{}, 0 // the best of those that compare times
	// Likely places first: most copies are found there, and the source is read
	// in search of records only when none is.
	for _, near := range []bool{true, false} {
		for _, p := range printers {
			if whole && p.time == timeExact {
				continue // other partitions may have been cut, too
			}
			found, all := 0, 0
			for _, s := range solvers {
				f, n, err := s.alike(ctx, p, near)
				if err != nil && ctx.Err() != nil {
					return nil, "", ctx.Err()
				}
				found, all = found+f, all+n
			}
			if found > most {
				best, most = p, found
			}
			if found > some && p.time != timeLost {
				timed, some = p, found
			}
			if found > 0 && 10*found >= 9*all {
				break
			}
		}
		if most > 0 {
			break
		}
	}
	if most == 0 {
		return nil, "no record that was looked at has one like it on the source", nil
	}
	chance := !whole && timed.time != timeExact || !forgetful(solvers)
	return &content{by: best.orTimed(timed, some, most, chance)}, "", nil
}

// orTimed is timed instead of p without times where some records show that times
// are kept. A mover keeps them or it does not: the others are only like records
// that the source still has. Where it may have lost theirs, one that is the same
// to the millisecond is no chance. some of most is how many were found by times.
func (p printer) orTimed(timed printer, some, most int, chance bool) printer {
	if p.time == timeLost && (2*some >= most || some > 0 && !chance) {
		return timed
	}
	return p
}

// forgetful reports whether the source may have lost records to compaction.
func (s *solver) forgetful() bool {
	cfg := s.req.SourceTopic.Config
	return !cfg.Known || cfg.Compacted
}

// forgetful reports whether the source may have lost records at all.
func forgetful(solvers []*solver) bool {
	return slices.ContainsFunc(solvers, func(s *solver) bool { return s.forgetful() || s.src.bounds.Start > 0 })
}

// wholeSeconds reports whether all timestamps of the samples are whole seconds,
// those left out that are like no record of the source: others wrote them.
func wholeSeconds(ctx context.Context, solvers []*solver) (bool, error) {
	for _, s := range solvers {
		recs, err := s.tgt.records(ctx, s.tgt.limit-2*spotContext, s.tgt.limit)
		if err != nil && ctx.Err() != nil {
			return false, ctx.Err()
		}
		broken := func(e batch.Entry) bool { return e.Kind == batch.Data && e.Timestamp%1000 != 0 }
		if !slices.ContainsFunc(recs, broken) {
			continue
		}
		if !slices.ContainsFunc(recs, func(e batch.Entry) bool { return e.Kind == batch.Data && !broken(e) }) {
			return false, nil
		}
		a := newAligner(s, printer{time: timeSeconds}, nil)
		a.near = true
		origins, err := a.search(ctx, recs)
		if err != nil {
			return false, ctx.Err()
		}
		for i := range recs {
			if origins[i].copy() && broken(recs[i]) {
				return false, nil
			}
		}
	}
	return true, nil
}

// alike counts how many records at the end, the start and in between have one
// like them on the source, of the samples in which some have: others may have
// written the rest.
func (s *solver) alike(ctx context.Context, p printer, near bool) (found, all int, err error) {
	a := newAligner(s, p, nil)
	a.near = near
	start, limit := s.tgt.bounds.Start, s.tgt.limit
	for _, from := range []int64{limit - 2*spotContext, start, start + (limit-start)/2} {
		recs, err := s.tgt.records(ctx, from, min(from+2*spotContext, limit))
		if err == nil && from == start && found == 0 {
			recs, err = s.firstRecords(ctx)
		}
		if err != nil {
			return found, all, err
		}
		origins, err := a.search(ctx, recs)
		if err != nil {
			return found, all, err
		}
		copies, data := 0, 0
		for i := range recs {
			if recs[i].Kind == batch.Data {
				data++
			}
			// A record that bears a part of a second was not cut to one: that it
			// was written within the second of one like it is chance.
			cut := p.time != timeSeconds || recs[i].Timestamp%1000 == 0
			// A tombstone without its headers shows nothing but its key.
			if cut && (!p.bare || recs[i].Value != nil) && origins[i].copy() {
				copies++
			}
		}
		if copies > 0 {
			found, all = found+copies, all+data
		}
		if found >= spotContext || limit-start <= 2*spotContext {
			break // enough, or all of it
		}
	}
	return found, all, nil
}

// firstRecords are the first ones that a consumer meets, within a bound.
func (s *solver) firstRecords(ctx context.Context) ([]batch.Entry, error) {
	var out []batch.Entry
	for st, from := s.tgt.stream(s.tgt.bounds.Start, s.tgt.limit), s.tgt.bytes; len(out) < spotContext && s.tgt.bytes-from < sampleBytes/samplePartitions; {
		e, err := st.data(ctx)
		if err != nil || e == nil {
			return out, err
		}
		if e.Kind == batch.Data {
			out = append(out, *e)
		}
	}
	return out, nil
}
