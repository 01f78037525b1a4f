package translate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/kferry/kferry/internal/topic"
)

// BackRequest asks for the way back of groups that were moved from a source
// partition to the target partition that it was copied to, and have read on
// there. Source and Target are as they were for the way there.
type BackRequest struct {
	Source, Target           topic.Partition
	SourceTopic, TargetTopic topic.Topic
	// Evidence, with Header and Encoding of evidence header, is what the way
	// there rested on; empty chooses anew, by the records below Known.
	Evidence Kind
	Header   string
	Encoding Encoding
	// Detected is the evidence in the words of the way there, which say how
	// strictly contents were compared.
	Detected string
	// Known is where the target ended when the way there was found; 0 not
	// known. What stands above may be of others.
	Known int64
	Asks  []BackAsk
}

// BackAsk is one group: it had read everything below S on the source, was set
// to T on the target, and stands at U there now.
type BackAsk struct{ S, T, U int64 }

// OffsetRange is a row of records from First to Last. Count is less than the
// distance where markers, aborted data and holes stand between them; a copy
// never does.
type OffsetRange struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	Count int64 `json:"count"`
}

// OffsetRanges are all ranges up to a bound, and how many more there are.
type OffsetRanges struct {
	Count  int64         `json:"count"`
	Ranges []OffsetRange `json:"ranges"`
	// More ranges were counted and not kept.
	More int64 `json:"more_ranges,omitempty"`
}

// OnlyThere are the records from T on that stand on the target alone: nobody
// copied them from the source, and they have no place there.
type OnlyThere struct {
	// Read are those that the group has read, below U; Unread are the others.
	Read   OffsetRanges `json:"read"`
	Unread OffsetRanges `json:"unread"`
	// Unclear are records that may be copies of what the source has forgotten
	// (compaction, retention), or written by others.
	Unclear OffsetRanges `json:"unclear"`
}

// BackResult is the answer for one BackAsk.
type BackResult struct {
	BackAsk
	// Back is the position on the source; -1 where there is none. It is also
	// given for Refused with ReasonLoss, for use with an override.
	Back int64
	// Outcome is Exact, ExactUnproven, Repeats or Refused.
	Outcome  Outcome
	Reason   Reason
	Detail   string
	Hint     string
	Unproven []string
	Notes    []string
	// Repeats counts the records of the source from Back on that the group has
	// read on the target already, or may have read.
	Repeats int64
	// Lost counts the records, at most, that the group has not read and that
	// the source does not have any more.
	Lost      int64
	OnlyThere OnlyThere
	Evidence  Kind
	Detected  string
	Marks     Marks
	// Proof holds the records either side of U on the target and of Back on the
	// source. The SourceOffset of one on the target is that of its original; that
	// of one on the source is the offset of its copy, -1 for none.
	Proof                      Proof
	SourceBounds, TargetBounds topic.Bounds
}

// Back finds, for groups that went from source to target and have read on
// there, where they are to go on at the source: results[i][j] is for
// reqs[i].Asks[j].
//
// A group has read what lies below S on the source, and what the committed
// copies from T to U on the target are copies of. The position is the lowest
// record on the source that it has not read, moved back to 1 + the last read
// one before it (S if there is none); when it has read everything that was
// copied, what was not copied yet is read at the source. It is Exact when no
// read record stands behind it, else Repeats with the count. A record of which
// it is open what it is a copy of counts as unread: nothing is lost by doubt.
//
// Each target partition is read once, from the lowest T to its end, whatever
// the number of groups, and the source where what was read has gaps. Errors are
// as with Translate, and so is the bound on memory.
func Back(ctx context.Context, source, target Log, reqs []BackRequest, opts *Options) ([][]BackResult, error) {
	opt := withDefaults(opts)
	w := &backWork{opt: &opt, source: source, target: target, topics: map[string]bool{}, chosen: map[[2]string]evidence{}, choosers: map[choice]*work{}}
	for i := range reqs {
		w.topics[reqs[i].Source.Topic] = true
	}
	w.budget.left.Store(int64(opt.MaxStretches))
	out := make([][]BackResult, len(reqs))
	for from := 0; from < len(reqs); from += opt.Parallel {
		to := min(from+opt.Parallel, len(reqs))
		if err := w.wave(ctx, reqs[from:to], out[from:to]); err != nil {
			return nil, err
		}
		if opt.Progress != nil {
			opt.Progress(to, len(reqs))
		}
	}
	return out, nil
}

// backWork is one Back.
type backWork struct {
	opt            *Options
	source, target Log
	budget         budget
	topics         map[string]bool // of the source, that are asked for
	chosen         map[[2]string]evidence
	choosers       map[choice]*work
}

// choice is how evidence is chosen; all topics of one share what is read for it.
type choice struct {
	kind     Kind
	header   string
	encoding Encoding
}

// wave answers as many requests as may be worked on at once.
func (w *backWork) wave(ctx context.Context, reqs []BackRequest, out [][]BackResult) error {
	backs, err := w.open(ctx, reqs)
	if err != nil {
		return err
	}
	if err := w.choose(ctx, backs); err != nil {
		return err
	}
	r := newRounds(w.source, w.target)
	errs := make([]error, len(backs))
	for range backs {
		r.join()
	}
	var wg sync.WaitGroup
	for i, b := range backs {
		b.s.setRounds(r)
		wg.Go(func() {
			defer r.leave(ctx)
			defer b.s.giveBack()
			errs[i] = b.run(ctx)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, b := range backs {
		out[i] = b.results()
	}
	return nil
}

// open reads the bounds, the target's first as Translate does.
func (w *backWork) open(ctx context.Context, reqs []BackRequest) ([]*back, error) {
	var targets, sources []topic.Partition
	for i := range reqs {
		targets, sources = append(targets, reqs[i].Target), append(sources, reqs[i].Source)
	}
	tb, err := w.target.Bounds(ctx, targets)
	if err != nil {
		return nil, fmt.Errorf("reading the bounds of the target's partitions: %w", err)
	}
	sb, err := w.source.Bounds(ctx, sources)
	if err != nil {
		return nil, fmt.Errorf("reading the bounds of the source's partitions: %w", err)
	}
	size := int32(min(max(readAhead/len(reqs), 64<<10), 1<<20))
	out := make([]*back, len(reqs))
	for i := range reqs {
		req := &reqs[i]
		src := &side{of: onSource, part: req.Source, bounds: sb[req.Source], limit: sb[req.Source].End, max: size}
		tgt := &side{of: onTarget, part: req.Target, bounds: tb[req.Target], limit: tb[req.Target].End, max: size}
		s := newSolver(&Request{Source: req.Source, Target: req.Target, SourceTopic: req.SourceTopic, TargetTopic: req.TargetTopic}, w.opt, src, tgt)
		s.budget = &w.budget
		out[i] = newBack(req, s)
		if failed := errors.Join(tgt.bounds.Err, src.bounds.Err); failed != nil {
			out[i].refuse(ReasonUnreadable, failed.Error(), "try again when the partition can be read")
		}
	}
	return out, nil
}

// choose settles the evidence of the topics that are new in this wave: what the
// way there rested on, wherever that can be taken over as it was.
func (w *backWork) choose(ctx context.Context, backs []*back) error {
	fresh := map[[2]string][]*back{}
	var order [][2]string
	for _, b := range backs {
		key := b.s.pair()
		if w.chosen[key] == nil && b.open() {
			if fresh[key] == nil {
				order = append(order, key)
			}
			fresh[key] = append(fresh[key], b)
		}
	}
	for _, key := range order {
		ev, err := w.evidence(ctx, fresh[key])
		if err != nil {
			return err
		}
		w.chosen[key] = ev
	}
	for _, b := range backs {
		if ev := w.chosen[b.s.pair()]; ev != nil && b.open() {
			b.use(ev)
		}
	}
	return nil
}

// evidence is that of one topic. Where it has to be chosen, only what stood on
// the target before the move is looked at: others may have written since.
func (w *backWork) evidence(ctx context.Context, backs []*back) (evidence, error) {
	req := backs[0].req
	switch {
	case req.Evidence == KindHeader && req.Header != "" && req.Encoding != EncodingAuto:
		return &header{name: req.Header, encoding: req.Encoding, how: " (as on the way there)"}, nil
	case req.Evidence == KindIdentity:
		return &identity{note: " (as on the way there)"}, nil
	}
	by, named := printerOf(req.Detected)
	if named && req.Evidence == KindContent {
		return &content{by: by, note: " (as on the way there)"}, nil
	}
	r := newRounds(w.source, w.target)
	r.join()
	defer r.leave(ctx)
	var solvers []*solver
	for _, b := range backs {
		b.s.setRounds(r)
		b.s.tgt.limit = min(b.s.tgt.bounds.End, b.s.tgt.bounds.Stable)
		if b.req.Known > 0 {
			b.s.tgt.limit = min(b.s.tgt.limit, b.req.Known)
		}
		solvers = append(solvers, b.s)
	}
	defer func() {
		for _, b := range backs {
			b.s.tgt.limit = b.s.tgt.bounds.End
		}
	}()
	ev, err := w.chooser(choice{req.Evidence, req.Header, req.Encoding}).evidence(ctx, solvers)
	if n, ok := ev.(*none); ok && err == nil && req.Evidence == KindMM2 {
		// Its syncs may be gone; records that are equal show the same.
		if ev, err = w.chooser(choice{kind: KindContent}).evidence(ctx, solvers); err == nil {
			if c, ok := ev.(*content); ok {
				if c.note = " (" + n.why + ")"; named {
					c.by = by
				}
			}
		}
	}
	if m, ok := ev.(*mm2); ok && named {
		ev = &mm2{by: by, log: m.log}
	}
	return ev, err
}

// printerOf finds how strictly contents were compared in the words of an
// evidence.
func printerOf(detected string) (best printer, ok bool) {
	_, words, _ := strings.Cut(detected, "equal records, by ")
	longest := ""
	for _, p := range printers {
		if text := p.words(); strings.HasPrefix(words, text) && len(text) > len(longest) {
			best, longest = p, text
		}
	}
	return best, longest != ""
}

// chooser chooses evidence as Translate does.
func (w *backWork) chooser(c choice) *work {
	if w.choosers[c] == nil {
		opt := *w.opt
		if c.kind != "" {
			opt.Evidence = c.kind
		}
		if c.kind == KindHeader && c.header != "" {
			opt.Header, opt.Encoding = c.header, c.encoding
		}
		w.choosers[c] = &work{source: w.source, target: w.target, opt: &opt, topics: w.topics}
	}
	return w.choosers[c]
}
