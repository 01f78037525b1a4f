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
	first        int64  // the lowest copied one that is still there

	// missing is the first record above reached, below the highest position,
	// that is not on the target; -1 none. missingAborted is that of aborted
	// ones.
	missing, missingAborted int64
	missingWhy              string
	// skips: the mover leaves out aborted records.
	copiesAborted, skipsAborted bool
	// gaps counts by cut the records from there on that all target partitions
	// have passed and none has, late those that only some have passed; unknown:
	// of some that is not known.
	gaps, late []int64
	unknown    bool
	// astray counts by cut those that they have passed, but only just, while
	// other target partitions have nothing of this source partition yet.
	astray []int64
	// below has by cut the greatest record below it that none has though they
	// have passed it, -1 none. belowKept is the same of those that may have been
	// deleted since, belowAborted of aborted ones.
	below, belowKept, belowAborted []int64
	// gone counts by cut the records above all copies.
	gone  []int64
	spots spots
	// leftOut: an aborted record has no copy, and had none unless where there are
	// no copies at all.
	leftOut bool
	// pending are records that a compacted target has not, by key, until one of
	// a higher offset that it has makes up for them.
	pending map[[16]byte][]int64
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
	f.gaps, f.late = make([]int64, len(f.cuts)), make([]int64, len(f.cuts))
	f.pending = map[[16]byte][]int64{}
	f.astray = make([]int64, len(f.cuts))
	f.below = slices.Repeat([]int64{-1}, len(f.cuts))
	f.belowKept, f.belowAborted = slices.Clone(f.below), slices.Clone(f.below)
	f.gone = make([]int64, len(f.cuts))
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
		if len(f.over) == 0 || fl.last.h < f.reached {
			f.reached = fl.last.h
		}
		f.goesBack(s, fl)
		if len(f.over) == 0 || fl.first.h < f.first {
			f.first = fl.first.h
		}
		f.top = max(f.top, fl.top)
		f.over = append(f.over, s.side.part.Partition)
	}
	if f.t.opt.CopyComplete {
		f.reached = f.top // nothing is on its way any more
	}
	f.spot()
}

// overtaken is how far a record can be behind later ones of its source partition
// that went to other target partitions: producers send to each by itself.
const overtaken = 4096

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
	from, to := min(low, f.reached+1), max(high, f.top+1)
	if f.t.opt.Quick {
		from = f.reached + 1
		to = high
	}
	if f.canBeOvertaken() || f.spots.emptied != nil {
		from -= overtaken
	}
	st := f.side.stream(from, to)
	for {
		e, err := st.data(ctx)
		if err != nil {
			return err
		}
		if e == nil || f.differs != nil {
			break
		}
		f.take(e, st.undecided(e))
	}
	f.read = st.read
	f.finish()
	if err := f.beyond(ctx); err != nil {
		return err
	}
	if f.missingAborted >= 0 && !f.copiesAborted && !f.skipsAborted {
		return f.lookBack(ctx)
	}
	return nil
}

// finish counts what nothing has made up for.
func (f *feeder) finish() {
	for _, offsets := range f.pending {
		for _, offset := range offsets {
			f.absent(offset)
		}
	}
	for i := len(f.cuts) - 2; i >= 0; i-- {
		f.gaps[i] += f.gaps[i+1]
		f.late[i] += f.late[i+1]
		f.astray[i] += f.astray[i+1]
	}
	f.skipsAborted = f.skipsAborted || f.leftOut && f.settled()
	for i := range f.cuts {
		if f.copiesAborted {
			f.below[i] = max(f.below[i], f.belowAborted[i])
		}
		if !f.settled() {
			f.below[i] = max(f.below[i], f.belowKept[i])
		}
		if i > 0 {
			f.below[i] = max(f.below[i], f.below[i-1])
		}
	}
}

// canBeOvertaken: there is more than one partition to go to, and the mover may
// still be at it.
func (f *feeder) canBeOvertaken() bool { return len(f.t.sinks) > 1 && !f.t.opt.CopyComplete }

// absent takes a committed record that is on no target partition.
func (f *feeder) absent(offset int64) {
	if offset > f.reached && offset < f.cuts[len(f.cuts)-1] {
		f.miss(offset, fmt.Sprintf("source offset %d is not on the target", offset))
	}
	if offset > f.spots.floor && offset < f.top {
		f.spots.holes++
	}
	if offset > f.first || !f.t.trimmed() {
		f.onItsWay(offset, f.below)
	} else {
		f.onItsWay(offset, f.belowKept)
	}
	i, found := slices.BinarySearch(f.cuts, offset)
	if !found {
		i--
	}
	switch {
	case i < 0:
	case offset <= f.reached && offset > f.reached-overtaken && f.canBeOvertaken() && len(f.over) < len(f.t.sinks):
		f.astray[i]++
	case offset <= f.reached:
		f.gaps[i]++
	case offset < f.top:
		f.late[i]++
	}
}

// take looks at one record of the source.
func (f *feeder) take(e *batch.Entry, undecided bool) {
	in, known := f.have.has(e.Offset)
	aborted := e.Kind == batch.AbortedData
	switch {
	case in:
		f.found(e, aborted)
	case undecided && e.Offset > f.reached:
		f.miss(e.Offset, fmt.Sprintf("the transaction of source offset %d is still open", e.Offset))
	case undecided && f.spots.without != nil:
		f.onItsWay(e.Offset, f.below)
	case undecided:
	case aborted && e.Offset > f.reached:
		if f.missingAborted < 0 {
			f.missingAborted = e.Offset
		}
	case aborted:
		if f.spots.without != nil {
			f.onItsWay(e.Offset, f.belowAborted)
		}
		f.leaves(e.Offset, known)
	case !known && e.Offset > f.reached:
		f.miss(e.Offset, fmt.Sprintf("whether source offset %d is on the target is not known, for want of memory", e.Offset))
	case !known:
		f.unknown = f.unknown || e.Offset >= f.cuts[0]
	case f.target().Compacted && e.Key != nil && f.t.spend(keyStretches):
		k := fingerKey(e.Key)
		f.pending[k] = append(f.pending[k], e.Offset)
	default:
		f.absent(e.Offset)
	}
}

// found takes a record that is on the target.
func (f *feeder) found(e *batch.Entry, aborted bool) {
	if s, ok := f.samples[e.Offset]; ok && s.fingerprint != batch.Fingerprint(e.Key, e.Value, e.Headers, f.t.ev.offset.own) {
		f.differs = &contentError{source: e.Offset, target: s.pos}
	}
	f.copiesAborted = f.copiesAborted || aborted
	if !aborted && e.Offset > f.spots.floor {
		f.spots.seen++
	}
	if len(f.pending) > 0 && !aborted && e.Key != nil {
		k := fingerKey(e.Key)
		if f.t.keys.spread {
			f.mayCome(f.pending[k])
		}
		delete(f.pending, k)
	}
}

func (f *feeder) target() *topic.Config { return &f.t.req.TargetTopic.Config }

func (f *feeder) miss(offset int64, why string) {
	if f.missing < 0 || offset < f.missing {
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
			if !in && e.Offset <= f.reached {
				f.leaves(e.Offset, known)
			}
		}
		f.skipsAborted = f.skipsAborted || f.leftOut && f.settled()
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
	case f.behind(s) >= 0:
		return fmt.Sprintf("source offset %d is on no target partition, while later ones are: still on its way, or left out", f.behind(s))
	case f.strays(s) > 0:
		return counted(f.strays(s), "") + " at or above the position on no target partition, while later ones are: still on the way, or left out"
	case f.deleted(s) != "":
		return f.deleted(s)
	case f.missingAborted >= 0 && f.missingAborted < s && (f.copiesAborted || !f.skipsAborted):
		return fmt.Sprintf("source offset %d, of an aborted transaction, is not on the target, and this mover is not known to leave those out", f.missingAborted)
	}
	return ""
}

// behind is a record closely below s that is not on the target though later ones
// are, -1 none.
func (f *feeder) behind(s int64) int64 {
	if i, found := slices.BinarySearch(f.cuts, s); found && f.below[i] >= s-overtaken {
		return f.below[i]
	}
	return -1
}

// strays counts the records at or above s that may be on their way to a target
// partition that has none of this source partition yet.
func (f *feeder) strays(s int64) int64 {
	if i, found := slices.BinarySearch(f.cuts, s); found {
		return f.astray[i]
	}
	return 0
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
