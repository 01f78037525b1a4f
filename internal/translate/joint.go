package translate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/kferry/kferry/internal/topic"
)

// The reasons of copies whose partitions do not correspond one to one.
const (
	// ReasonSourcePartitions refuses a position on one source partition, as
	// records of others are on the target partition too: Join answers.
	ReasonSourcePartitions Reason = "source-partitions"
	// ReasonNoSourcePartition refuses, as records do not say of which source
	// partition they are.
	ReasonNoSourcePartition Reason = "no-source-partition"
	// ReasonSourceUnset refuses, as a source partition on which the group has
	// no position has records there.
	ReasonSourceUnset Reason = "source-unset"
)

// At is a position on a source partition: the offset, and the leader epoch that
// was committed with it, -1 for none.
type At struct {
	Offset int64
	Epoch  int32
}

// JoinRequest asks for positions on all partitions of a target topic whose
// partitions do not correspond one to one to those of the source topic: records
// of several source partitions are in one, or those of one are spread over
// several. Partitions of both topics must be filled in.
type JoinRequest struct {
	SourceTopic, TargetTopic topic.Topic
	// Positions of each group by source partition; what is missing has no
	// commit.
	Positions []map[int32]At
}

// Feed is the share of one source partition in a position on a target partition
// that holds records of it.
type Feed struct {
	Partition int32 `json:"partition"`
	// S is the position on it; -1 where the group has none.
	S int64 `json:"source_offset"`
	// T is where the position would be if only the records of this source
	// partition counted; -1 where that is not known.
	T int64 `json:"target_offset"`
	// CopiedThrough is the source offset below which the copy is complete on
	// all target partitions together; -1 unknown.
	CopiedThrough int64 `json:"copied_through"`
	// Over are the target partitions that hold records of it.
	Over []int32 `json:"over"`
}

// Join answers for every group and every partition of the target
// topic: out[i][q] is for req.Positions[i] on target partition q. It is for
// copies whose records name their source partition in a header; where they do
// not, every answer is refused with ReasonNoSourcePartition, which says what is
// missing.
//
// T on a target partition is the greatest offset from which every copied record
// at or above the position on its source partition is met, in order for each
// source partition. With several source partitions in it, records that the group
// has read are met again, unless the copies lie just so; they are counted.
//
// The target topic is read once from start to end, and the source from the
// lowest position on. Memory is bounded by Options.MaxStretches. The error is the
// context's or that of a whole request to a log.
func Join(ctx context.Context, source, target Log, req *JoinRequest, opts *Options) ([]map[int32]*Result, error) {
	opt := withDefaults(opts)
	t := newJoint(source, target, req, &opt)
	no, err := t.solve(ctx)
	if err != nil {
		if no = t.failed(ctx, err); no == nil {
			return nil, err
		}
	}
	if no != nil {
		return t.refuseAll(no), nil
	}
	return t.out, nil
}

// joint is one Join.
type joint struct {
	req     *JoinRequest
	opt     *Options
	source  Log
	r       *rounds
	ev      *placed
	empty   bool // nothing is on the target
	order   []int32
	feeders map[int32]*feeder // by source partition
	sinks   []*sink           // by target partition, in order
	budget  budget
	keys    keyOwners
	proofs  sync.Mutex // what several partitions add to
	out     []map[int32]*Result
}

func newJoint(source, target Log, req *JoinRequest, opt *Options) *joint {
	t := &joint{req: req, opt: opt, source: source, r: newRounds(source, target), feeders: map[int32]*feeder{}}
	t.budget.left.Store(int64(opt.MaxStretches))
	t.order = slices.Sorted(slices.Values(req.SourceTopic.Partitions))
	return t
}

func (t *joint) solve(ctx context.Context) (*noPlace, error) {
	if t.source == nil {
		return &noPlace{
			ReasonNoSourcePartition, "without the source it cannot be seen which of its partitions are copied, and how far",
			"name the source cluster with --from",
		}, nil
	}
	if err := t.bounds(ctx); err != nil {
		return nil, err
	}
	no, err := t.recognise(ctx)
	if no != nil || err != nil {
		return no, err
	}
	if err := forEach(ctx, t.r, t.opt.Parallel, t.feederList(), func(f *feeder) error {
		f.solver.checkSource()
		return f.solver.checkEpochs(ctx)
	}); err != nil {
		return nil, err
	}
	if t.ev != nil {
		done, mu := 0, sync.Mutex{}
		err := forEach(ctx, t.r, t.opt.Parallel, t.sinks, func(s *sink) error {
			if err := s.readAll(ctx); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if done++; t.opt.Progress != nil {
				t.opt.Progress(done, len(t.sinks))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, f := range t.feederList() {
		f.gather()
	}
	if err := forEach(ctx, t.r, t.opt.Parallel, t.feederList(), func(f *feeder) error { return f.compare(ctx) }); err != nil {
		return nil, err
	}
	return nil, t.answer(ctx)
}

// bounds reads those of the target first, so that what was copied by then is
// within those of the source.
func (t *joint) bounds(ctx context.Context) error {
	targets, sources := partitionsIn(&t.req.TargetTopic), partitionsIn(&t.req.SourceTopic)
	tb, err := t.r.logs[onTarget].Bounds(ctx, targets)
	if err != nil {
		return fmt.Errorf("reading the bounds of the target's partitions: %w", err)
	}
	sb, err := t.source.Bounds(ctx, sources)
	if err != nil {
		return fmt.Errorf("reading the bounds of the source's partitions: %w", err)
	}
	size := int32(min(max(readAhead/max(1, len(targets)), 64<<10), 1<<20))
	for _, p := range targets {
		b := tb[p]
		if b.Err != nil {
			return fmt.Errorf("%w: %s: %w", errUnreadable, p, b.Err)
		}
		sd := &side{rounds: t.r, of: onTarget, part: p, bounds: b, limit: min(b.End, b.Stable), max: size}
		t.sinks = append(t.sinks, newSink(t, sd))
	}
	for _, p := range sources {
		b := sb[p]
		if b.Err != nil {
			return fmt.Errorf("%w: %s: %w", errUnreadable, p, b.Err)
		}
		t.feeders[p.Partition] = newFeeder(t, &side{rounds: t.r, of: onSource, part: p, bounds: b, limit: b.End, max: size})
	}
	return nil
}

func partitionsIn(t *topic.Topic) []topic.Partition {
	out := make([]topic.Partition, 0, len(t.Partitions))
	for _, n := range slices.Sorted(slices.Values(t.Partitions)) {
		out = append(out, topic.Partition{Topic: t.Name, Partition: n})
	}
	return out
}

func (t *joint) feederList() []*feeder {
	out := make([]*feeder, 0, len(t.order))
	for _, p := range t.order {
		out = append(out, t.feeders[p])
	}
	return out
}

// highest is the greatest end of the source's partitions.
func (t *joint) highest() int64 {
	top := int64(-1)
	for _, f := range t.feeders {
		top = max(top, f.side.bounds.End)
	}
	return top
}

// trimmed reports whether the target has lost its first records.
func (t *joint) trimmed() bool {
	return slices.ContainsFunc(t.sinks, func(s *sink) bool { return s.side.bounds.Start > 0 })
}

// spend takes memory of n stretches from the budget, or gives it back.
func (t *joint) spend(n int) bool {
	if t.budget.left.Add(int64(-n)) < 0 && n > 0 {
		t.budget.left.Add(int64(n))
		return false
	}
	return true
}

// failed turns what is wrong with a partition or a record into a refusal of the
// whole topic, as its partitions cannot be judged without each other; nil for
// an error of the context or of a whole request.
func (t *joint) failed(ctx context.Context, err error) *noPlace {
	bad, place, many := (*evidenceError)(nil), (*placeError)(nil), (*tooManyError)(nil)
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.As(err, &bad):
		return &noPlace{ReasonBadHeader, bad.Error(), "name the header and its encoding with -H NAME:ENCODING (decimal, int64be, int64le, int32be)"}
	case errors.As(err, &place) && place.absent:
		return &noPlace{ReasonNoSourcePartition, place.Error(), "every copy must name its source partition; make a fresh copy"}
	case errors.As(err, &place):
		return &noPlace{ReasonBadHeader, place.Error(), "the copy is of another topic, or the source topic was created anew with fewer partitions"}
	case errors.As(err, &many):
		return &noPlace{ReasonTooManyPasses, many.Error(), "make a fresh copy, or plan fewer topics at once"}
	case errors.Is(err, errUnreadable):
		return &noPlace{ReasonUnreadable, err.Error(), "try again when the partition can be read"}
	}
	return nil
}

func (t *joint) refuseAll(no *noPlace) []map[int32]*Result {
	out := make([]map[int32]*Result, len(t.req.Positions))
	for i := range out {
		out[i] = map[int32]*Result{}
		for _, p := range partitionsIn(&t.req.TargetTopic) {
			out[i][p.Partition] = &Result{
				Source: topic.Partition{Topic: t.req.SourceTopic.Name, Partition: -1}, Target: p, S: -1, T: -1, CopiedThrough: -1,
				LagBefore: -1, LagAfter: -1, Outcome: Refused, Reason: no.reason, Detail: no.detail, Hint: no.hint,
				TargetBounds: topic.Bounds{Start: -1, End: -1},
			}
		}
	}
	return out
}

// forEach runs fn for all of them, so many at once, their reads in rounds.
func forEach[T any](ctx context.Context, r *rounds, parallel int, all []T, fn func(T) error) error {
	for from := 0; from < len(all); from += parallel {
		part := all[from:min(from+parallel, len(all))]
		errs := make([]error, len(part))
		for range part {
			r.join()
		}
		var wg sync.WaitGroup
		for i, x := range part {
			wg.Go(func() {
				defer r.leave(ctx)
				errs[i] = fn(x)
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
	}
	return nil
}
