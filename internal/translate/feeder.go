package translate

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

// feeder is one source partition with the positions of all groups on it.
type feeder struct {
	t      *joint
	side   *side
	solver *solver // judges the positions as such
	cuts   []int64 // the distinct positions, lowest first

	mu   sync.Mutex // the target partitions are read side by side
	have *offsetSet // source offsets that are on the target
	// samples are the fingerprints of some copies, to be compared.
	samples map[int64]sampled

	over []int32 // target partitions with copies, in order
	// reached is the source offset up to which all of them have come, so that
	// nothing at or below it is still on its way; -1 none has come. top is the
	// highest copied one.
	reached, top int64
	running      string // where a pass is running, "" nowhere

	// missing is the first record above reached, below the highest position,
	// that is not on the target; -1 none. missingAborted is that of aborted
	// ones.
	missing, missingAborted int64
	missingWhy              string
	// skips: the mover leaves out aborted records.
	copiesAborted, skipsAborted bool
	// gaps counts by cut the records from there to the next cut that all target
	// partitions have passed and none has; unknown, those of which that is not
	// known.
	gaps    []int64
	unknown bool
	differs *contentError
	read    int64
}

// sampled is the fingerprint of a copy.
type sampled struct {
	fingerprint [16]byte
	pos         int64 // where it stands
}

func newFeeder(t *joint, sd *side) *feeder {
	f := &feeder{t: t, side: sd, samples: map[int64]sampled{}, reached: -1, top: -1, missing: -1, missingAborted: -1}
	req := &Request{Source: sd.part, Target: topic.Partition{Topic: t.req.TargetTopic.Name, Partition: -1}, SourceTopic: t.req.SourceTopic}
	for _, at := range t.req.Positions {
		if a, ok := at[sd.part.Partition]; ok {
			req.Offsets, req.Epochs = append(req.Offsets, a.Offset), append(req.Epochs, a.Epoch)
			f.cuts = append(f.cuts, a.Offset)
		}
	}
	slices.Sort(f.cuts)
	f.cuts = slices.Compact(f.cuts)
	f.gaps = make([]int64, len(f.cuts))
	f.solver = newSolver(req, t.opt, sd, &side{rounds: t.r, of: onTarget, part: req.Target})
	floor := sd.bounds.End
	if len(f.cuts) > 0 {
		floor = min(floor, f.cuts[0])
	}
	f.have = newOffsetSet(floor, t.spend)
	return f
}

// note keeps that a committed copy of h was met.
func (f *feeder) note(h int64, e *batch.Entry, own func(string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.have.add(h)
	if len(f.cuts) > 0 && h >= f.cuts[0] && len(f.samples) < comparePairs {
		fp := batch.Fingerprint(e.Key, e.Value, e.Headers, own)
		f.samples[h] = sampled{fp, e.Offset}
	}
}

// gather sums up what the target partitions have of this one.
func (f *feeder) gather() {
	for _, s := range f.t.sinks {
		fl := s.flows[f.side.part.Partition]
		if fl == nil {
			continue
		}
		come := fl.last.h
		if f.t.opt.CopyComplete {
			come = fl.top
		}
		if len(f.over) == 0 || come < f.reached {
			f.reached = come
		}
		if fl.top > fl.last.h && f.running == "" {
			f.running = fmt.Sprintf("source partition %d on %s: the mover went back: the copy had reached source offset %d and now ends at %d",
				f.side.part.Partition, s.side.part, fl.top, fl.last.h)
		}
		f.top = max(f.top, fl.top)
		f.over = append(f.over, s.side.part.Partition)
	}
}

// wants reports whether the copy must have reached the positions and be
// complete behind them: a partition on which no group has a position does not
// count.
func (f *feeder) wants() bool { return len(f.cuts) > 0 }

// compare reads the source from the lowest position on, and finds what is not
// on the target.
func (f *feeder) compare(ctx context.Context) error {
	if !f.wants() || f.top >= f.side.bounds.End {
		return nil // another incarnation: refused
	}
	low, high := f.cuts[0], f.cuts[len(f.cuts)-1]
	from, to := min(low, f.reached+1), max(high, f.reached+1)
	if f.t.opt.Quick {
		from = f.reached + 1
		to = high
	}
	st := f.side.stream(from, to)
	for {
		e, err := st.data(ctx)
		if err != nil {
			return err
		}
		if e == nil {
			break
		}
		f.take(e, st.undecided(e))
		if f.differs != nil {
			return nil
		}
	}
	f.read = st.read
	for i := len(f.gaps) - 2; i >= 0; i-- {
		f.gaps[i] += f.gaps[i+1]
	}
	if f.missingAborted >= 0 && !f.copiesAborted && !f.skipsAborted {
		return f.lookBack(ctx)
	}
	return nil
}

func (f *feeder) take(e *batch.Entry, undecided bool) {
	if s, ok := f.samples[e.Offset]; ok && s.fingerprint != batch.Fingerprint(e.Key, e.Value, e.Headers, f.t.ev.offset.own) {
		f.differs = &contentError{source: e.Offset, target: s.pos}
	}
	in, known := f.have.has(e.Offset)
	aborted := e.Kind == batch.AbortedData
	f.copiesAborted = f.copiesAborted || in && aborted
	switch {
	case in:
	case e.Offset > f.reached && undecided:
		f.miss(e.Offset, fmt.Sprintf("the transaction of source offset %d is still open", e.Offset))
	case e.Offset > f.reached && aborted:
		if f.missingAborted < 0 {
			f.missingAborted = e.Offset
		}
	case e.Offset > f.reached && !known:
		f.miss(e.Offset, fmt.Sprintf("whether source offset %d is on the target is not known, for want of memory", e.Offset))
	case e.Offset > f.reached:
		f.miss(e.Offset, fmt.Sprintf("source offset %d is not on the target", e.Offset))
	case aborted:
		f.skipsAborted = f.skipsAborted || known && f.target().Known && !f.target().Compacted
	case !known:
		f.unknown = true
	case !undecided && e.Offset >= f.cuts[0]:
		i, found := slices.BinarySearch(f.cuts, e.Offset)
		if !found {
			i--
		}
		f.gaps[i]++
	}
}

func (f *feeder) target() *topic.Config { return &f.t.req.TargetTopic.Config }

func (f *feeder) miss(offset int64, why string) {
	if f.missing < 0 {
		f.missing, f.missingWhy = offset, why
	}
}

// lookBack finds out from aborted records that were passed whether this mover
// leaves them out. Unknown means no.
func (f *feeder) lookBack(ctx context.Context) error {
	if !f.target().Known || f.target().Compacted {
		return nil // compaction may have taken the copy
	}
	for next, step := min(f.cuts[0], f.reached+1), int64(256); next > f.side.bounds.Start; step *= 4 {
		from := max(f.side.bounds.Start, next-step)
		for st := f.side.stream(from, next); ; {
			e, err := st.data(ctx)
			if err != nil {
				return err
			}
			if e == nil {
				break
			}
			if e.Kind != batch.AbortedData {
				continue
			}
			in, known := f.have.has(e.Offset)
			f.copiesAborted = f.copiesAborted || in
			f.skipsAborted = f.skipsAborted || !in && known && e.Offset <= f.reached
		}
		if f.copiesAborted || f.skipsAborted {
			return nil
		}
		next = from
	}
	return nil
}

// incomplete says why the copy has not come to s; "" when it has.
func (f *feeder) incomplete(s int64) string {
	switch {
	case f.missing >= 0 && f.missing < s:
		return f.missingWhy
	case f.missingAborted >= 0 && f.missingAborted < s && (f.copiesAborted || !f.skipsAborted):
		return fmt.Sprintf("source offset %d, of an aborted transaction, is not on the target, and this mover is not known to leave those out", f.missingAborted)
	}
	return ""
}

// copiedThrough is the source offset below which everything is on the target,
// as far as it was looked at; -1 where nothing is.
func (f *feeder) copiedThrough() int64 {
	switch {
	case f.missing >= 0:
		return f.missing
	case f.top < 0:
		return -1
	case len(f.over) > 1 && f.wants():
		return max(f.reached+1, f.cuts[len(f.cuts)-1])
	default:
		return f.reached + 1
	}
}
