package translate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kferry/kferry/internal/topic"
)

// Translate answers every request: results[i][j] is for reqs[i].Offsets[j].
//
// source may be nil; then what only the source can show is not proven. The
// error is the context's or that of a whole request to a log; whatever goes
// wrong with one partition is in its results.
//
// Memory is bounded by Options.Parallel partitions at work at once, each with
// a few answers, whatever the size of the topics.
func Translate(ctx context.Context, source, target Log, reqs []Request, opts *Options) ([][]Result, error) {
	opt := withDefaults(opts)
	w := &work{source: source, target: target, opt: &opt, chosen: map[[2]string]evidence{}, topics: map[string]bool{}, out: make([][]Result, len(reqs))}
	w.budget.left.Store(int64(opt.MaxStretches))
	for i := range reqs {
		w.topics[reqs[i].Source.Topic] = true
	}
	for from := 0; from < len(reqs); from += opt.Parallel {
		to := min(from+opt.Parallel, len(reqs))
		if err := w.wave(ctx, reqs[from:to], w.out[from:to]); err != nil {
			return nil, err
		}
		if opt.Progress != nil {
			opt.Progress(to, len(reqs))
		}
	}
	return w.out, nil
}

func withDefaults(o *Options) Options {
	opt := Options{}
	if o != nil {
		opt = *o
	}
	if opt.Parallel <= 0 {
		opt.Parallel = 256
	}
	if opt.CountFrom <= 0 {
		opt.CountFrom = 4096
	}
	if opt.MaxStretches <= 0 {
		opt.MaxStretches = 1 << 23
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return opt
}

// work is one Translate.
type work struct {
	source, target Log
	opt            *Options
	chosen         map[[2]string]evidence // by source and target topic
	topics         map[string]bool        // of the source, that are asked for
	syncsOnce      sync.Mutex
	syncs          []*syncLog // once read
	budget         budget
	out            [][]Result
}

// readAhead bounds the bytes of all answers that are read through at once.
const readAhead = 64 << 20

// wave answers as many requests as may be worked on at once.
func (w *work) wave(ctx context.Context, reqs []Request, out [][]Result) error {
	solvers, err := w.solvers(ctx, reqs)
	if err != nil {
		return err
	}
	if err := w.choose(ctx, solvers); err != nil {
		return err
	}
	r := newRounds(w.source, w.target)
	err = each(ctx, r, solvers, func(s *solver) error {
		s.setRounds(r)
		if ev := w.chosen[s.pair()]; ev != nil {
			s.use(ev)
		}
		defer s.giveBack()
		s.checkSource()
		if err := s.checkEpochs(ctx); err != nil {
			return err
		}
		if n, ok := s.ev.(*none); ok && !s.req.SameLog {
			return s.runWithout(ctx, n)
		}
		err := s.run(ctx)
		for _, a := range s.asks {
			s.name(&a.res)
		}
		return err
	})
	if err != nil {
		return err
	}
	for i := range reqs {
		out[i] = solvers[i].results()
	}
	return nil
}

// each runs fn for every solver side by side, their reads in rounds.
func each(ctx context.Context, r *rounds, solvers []*solver, fn func(*solver) error) error {
	errs := make([]error, len(solvers))
	for range solvers {
		r.join()
	}
	var wg sync.WaitGroup
	for i, s := range solvers {
		wg.Go(func() {
			defer r.leave(ctx)
			errs[i] = fn(s)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// solvers reads the bounds of a wave: the target's first, so that whatever was
// copied by then is within the bounds of the source.
func (w *work) solvers(ctx context.Context, reqs []Request) ([]*solver, error) {
	var targets, sources []topic.Partition
	for i := range reqs {
		targets = append(targets, reqs[i].Target)
		sources = append(sources, reqs[i].Source)
	}
	tb, err := w.target.Bounds(ctx, targets)
	if err != nil {
		return nil, fmt.Errorf("reading the bounds of the target's partitions: %w", err)
	}
	var sb map[topic.Partition]topic.Bounds
	if w.source != nil {
		if sb, err = w.source.Bounds(ctx, sources); err != nil {
			return nil, fmt.Errorf("reading the bounds of the source's partitions: %w", err)
		}
	}
	size := int32(min(max(readAhead/len(reqs), 64<<10), 1<<20))
	out := make([]*solver, len(reqs))
	for i := range reqs {
		b := tb[reqs[i].Target]
		tgt := &side{of: onTarget, part: reqs[i].Target, bounds: b, limit: min(b.End, b.Stable), max: size}
		var src *side
		failed := b.Err
		if w.source != nil {
			b := sb[reqs[i].Source]
			src = &side{of: onSource, part: reqs[i].Source, bounds: b, limit: b.End, max: size}
			if failed == nil {
				failed = b.Err
			}
		}
		out[i] = newSolver(&reqs[i], w.opt, src, tgt)
		out[i].budget = &w.budget
		if failed != nil {
			out[i].refuse(out[i].asks, ReasonUnreadable, failed.Error(), "")
		}
	}
	return out, nil
}

// choose finds the evidence of the topics that are new in this wave.
func (w *work) choose(ctx context.Context, solvers []*solver) error {
	fresh := map[[2]string][]*solver{}
	var order [][2]string
	for _, s := range solvers {
		key := s.pair()
		if _, ok := w.chosen[key]; ok || s.req.SameLog || len(s.open()) == 0 {
			continue
		}
		if fresh[key] == nil {
			order = append(order, key)
		}
		// Partitions that have records come first, as the others show nothing.
		if len(fresh[key]) < samplePartitions || s.tgt.limit > s.tgt.bounds.Start {
			fresh[key] = append(fresh[key], s)
		}
	}
	var mu sync.Mutex
	r := newRounds(w.source, w.target)
	var leads []*solver
	for _, key := range order {
		leads = append(leads, fresh[key][0])
	}
	return each(ctx, r, leads, func(lead *solver) error {
		for _, s := range fresh[lead.pair()] {
			s.setRounds(r)
		}
		ev, err := w.evidence(ctx, fresh[lead.pair()])
		mu.Lock()
		defer mu.Unlock()
		w.chosen[lead.pair()] = ev
		return err
	})
}

// spread takes at most samplePartitions of the partitions, those with records
// before the empty ones.
func spread(all []*solver) []*solver {
	var full, empty []*solver
	for _, s := range all {
		if s.tgt.limit > s.tgt.bounds.Start {
			full = append(full, s)
		} else {
			empty = append(empty, s)
		}
	}
	all = slices.Concat(full, empty)
	if len(full) > samplePartitions {
		out := make([]*solver, 0, samplePartitions)
		for i := range samplePartitions {
			out = append(out, full[i*len(full)/samplePartitions])
		}
		return out
	}
	return all[:min(len(all), samplePartitions)]
}

func (s *solver) pair() [2]string { return [2]string{s.req.Source.Topic, s.req.Target.Topic} }

func (s *solver) setRounds(r *rounds) {
	s.tgt.rounds = r
	if s.src != nil {
		s.src.rounds = r
	}
}

// runWithout answers where the topic has no evidence: an empty target still
// is one to wait for.
func (s *solver) runWithout(ctx context.Context, n *none) error {
	if s.tgt.limit > s.tgt.bounds.Start || s.src == nil {
		s.refuse(s.open(), ReasonNoEvidence, n.why, n.hint)
		return nil
	}
	return s.run(ctx)
}

// checkEpochs refuses positions that an unclean election cut away: they lie
// above the end of the leader epoch that was committed with them.
func (s *solver) checkEpochs(ctx context.Context) error {
	if s.src == nil {
		return nil
	}
	log, ok := s.src.rounds.logs[onSource].(Epochs)
	if !ok {
		return nil
	}
	for _, a := range s.open() {
		if a.epo < 0 || a.epo >= s.src.bounds.Epoch {
			continue
		}
		got, err := log.EpochEnd(ctx, []topic.EpochAsk{{Partition: s.src.part, Epoch: a.epo}})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e := got[s.src.part]
		if err := errors.Join(err, e.Err); err != nil {
			// Old brokers want a right for this that readers do not have.
			a.res.Notes = append(a.res.Notes, fmt.Sprintf("whether leader epoch %d of the position still stands is not known: %v", a.epo, err))
			continue
		}
		if e.End >= 0 && a.s > e.End {
			s.refuse([]*ask{a}, ReasonIncarnation,
				fmt.Sprintf("position %d of leader epoch %d lies beyond %d, where that epoch ends on %s now: the log was cut back by an unclean election", a.s, a.epo, e.End, s.src.part),
				"records that the group has read are gone on the source; decide by hand where it is to go on")
		}
	}
	return nil
}

// results puts the answers in the order of the question.
func (s *solver) results() []Result {
	out := make([]Result, len(s.req.Offsets))
	for i, off := range s.req.Offsets {
		epoch := int32(-1)
		if i < len(s.req.Epochs) {
			epoch = s.req.Epochs[i]
		}
		for _, a := range s.asks {
			if a.s == off && a.epo == epoch {
				out[i] = a.res
			}
		}
	}
	return out
}
