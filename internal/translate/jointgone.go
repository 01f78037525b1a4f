package translate

import (
	"context"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// settledCopies is how many records of a source partition in a row, none of them
// missing, show to which target partitions its records go.
const settledCopies = 16

// spots is what is known of the places where copies of a source partition may
// have stood.
type spots struct {
	// without is a target partition without copies of it, emptied one of them
	// that has lost its first records; nil where there is none.
	without, emptied *sink
	// floor: what is not above it may have been deleted with the first records of
	// a target partition that has copies.
	floor int64
	// seen counts source records above floor whose copies are there, holes those
	// that have none.
	seen, holes int64
}

func (f *feeder) spot() {
	f.spots.floor = -1
	for _, s := range f.t.sinks {
		fl, trimmed := s.flows[f.side.part.Partition], s.side.bounds.Start > 0
		switch {
		case fl != nil && trimmed:
			f.spots.floor = max(f.spots.floor, fl.first.h)
		case fl != nil:
		default:
			f.spots.without = s
			if trimmed {
				f.spots.emptied = s
			}
		}
	}
}

// settled reports whether the records of this source partition are seen to go
// only where there are copies of it.
func (f *feeder) settled() bool {
	return f.spots.without == nil || f.spots.holes == 0 && f.spots.seen >= settledCopies
}

// mayBeGone reports whether what is nowhere may have been deleted on a target
// partition that has no copy of this source partition any more.
func (f *feeder) mayBeGone() bool { return f.spots.emptied != nil && !f.settled() }

// sharesKeys reports whether the cleaner may take a record of one source
// partition for one of another.
func (t *joint) sharesKeys() bool { return t.req.TargetTopic.Config.Compacted && len(t.order) > 1 }

// beyond counts the records of the source above all copies that may have been
// copied all the same: deleted with the first records of a target partition, or
// taken by the cleaner because of their key.
func (f *feeder) beyond(ctx context.Context) error {
	if f.t.opt.Quick || !f.mayBeGone() && !f.t.sharesKeys() {
		return nil
	}
	high := f.cuts[len(f.cuts)-1]
	for st := f.side.stream(max(f.top+1, f.cuts[0]), f.side.limit); ; {
		e, err := st.data(ctx)
		if err != nil {
			return err
		}
		if e == nil {
			break
		}
		if e.Kind != batch.Data || st.undecided(e) || !f.mayBeGone() && !f.taken(e.Key) {
			continue
		}
		i, found := slices.BinarySearch(f.cuts, e.Offset)
		if !found {
			i--
		}
		f.gone[i]++
		if e.Offset >= high && !f.t.opt.CopyComplete {
			break // one is enough to wait for
		}
	}
	for i := len(f.cuts) - 2; i >= 0; i-- {
		f.gone[i] += f.gone[i+1]
	}
	return nil
}

// deleted says why the records at or above s may have been deleted before the
// group could read them; "" where that cannot be.
func (f *feeder) deleted(s int64) string {
	if f.goneFrom(s) == 0 {
		return ""
	}
	if !f.mayBeGone() {
		return fmt.Sprintf("records of other source partitions have keys of records at or above %d: whether those are still to come or were taken by compaction cannot be told", s)
	}
	return fmt.Sprintf("%s has no record of it and begins at offset %d: whether those at or above %d are still to come or were deleted there cannot be told",
		f.spots.emptied.side.part, f.spots.emptied.side.bounds.Start, s)
}

// goneFrom counts the records at or above s that are not on the target and may
// have been.
func (f *feeder) goneFrom(s int64) int64 {
	if i, found := slices.BinarySearch(f.cuts, s); found {
		return f.gone[i]
	}
	return 0
}

// goesBack keeps that a pass may be running that began at or below what has been
// copied: it will copy that again, on the other target partitions, too.
func (f *feeder) goesBack(s *sink, fl *flow) {
	why := ""
	switch {
	case f.running != "":
	case fl.top > fl.last.h:
		why = fmt.Sprintf("the copy had reached source offset %d and now ends at %d", fl.top, fl.last.h)
	case fl.retried >= 0:
		why = fmt.Sprintf("source offset %d was copied, and then once more in a transaction that was aborted", fl.retried)
	case fl.back >= 0 && (fl.through < 0 || fl.last.h <= fl.through+2*overtaken):
		// How far the copy had come elsewhere is known to overtaken offsets, and
		// what of the new pass is on its way there as well.
		for _, o := range f.t.sinks {
			if other := o.flows[f.side.part.Partition]; o != s && other != nil && other.top >= fl.back-overtaken && why == "" {
				why = fmt.Sprintf("from source offset %d to %d; whether what %s has from there on comes again cannot be told yet", fl.until, fl.back, o.side.part)
			}
		}
	}
	if why != "" {
		f.running = fmt.Sprintf("source partition %d on %s: the mover went back: %s", f.side.part.Partition, s.side.part, why)
	}
}

// onItsWay keeps, in one of the lists of the greatest below each position, that
// a record is on no target partition though later ones are.
func (f *feeder) onItsWay(offset int64, list []int64) {
	next, found := slices.BinarySearch(f.cuts, offset)
	if found {
		next++
	}
	if offset <= f.reached && f.canBeOvertaken() && next < len(f.cuts) {
		list[next] = max(list[next], offset)
	}
}

// mayCome takes records that a later one of their key does not explain: it may
// be on another target partition than they will be.
func (f *feeder) mayCome(offsets []int64) {
	for _, offset := range offsets {
		if f.spots.without != nil {
			f.onItsWay(offset, f.below)
		}
		if offset > f.reached {
			f.miss(offset, fmt.Sprintf("source offset %d is not on the target, and records of its key are on several partitions", offset))
		}
	}
}

// leaves keeps that an aborted record that was passed has no copy. It never had
// one unless it was deleted, or is on its way to where there are none.
func (f *feeder) leaves(offset int64, known bool) {
	if !known || !f.target().Known || f.target().Compacted || offset <= f.spots.floor {
		return
	}
	if f.spots.without == nil {
		f.skipsAborted = true
	}
	f.leftOut = true
}
