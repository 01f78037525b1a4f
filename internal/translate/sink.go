package translate

import (
	"context"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// sink is one target partition with records of any number of source partitions.
type sink struct {
	t     *joint
	side  *side
	flows map[int32]*flow // by source partition

	total       int64 // committed copies
	after       int64 // 1 + the last copy, committed or aborted
	lastAborted int64 // target offset of the last aborted copy, -1 none
	read        int64
	// fell: h fell in one of the flows, so that the definition itself is asked.
	fell bool
	// wanted is where the first copy at or above a position stands, -1 none;
	// before is 1 + the last copy before it, and beforeN the copies before it.
	wanted, before, beforeN int64
	history                 *mixture // after fell
}

// flow is what one source partition has on one target partition.
type flow struct {
	first, last copied
	top, n      int64 // highest h; copies
	// back is where the last fall of h went, -1 none, until the highest h before
	// it, and through the first one above that since; -1 none.
	back, until, through int64
	// retried is an aborted copy behind the last one, of a record that had been
	// copied; -1 none.
	retried int64
	// met are the borders of the feeder's positions, as far as they were reached.
	met []border
}

// border is where the first copy at or above a position was met.
type border struct {
	t     int64 // 1 + the last copy before it
	n     int64 // copies of the source partition before it
	total int64 // copies before it
}

func newSink(t *joint, sd *side) *sink {
	return &sink{t: t, side: sd, flows: map[int32]*flow{}, after: sd.bounds.Start, lastAborted: -1, wanted: -1}
}

// readAll reads the partition from its start to what is decided of it.
func (s *sink) readAll(ctx context.Context) error {
	st := s.side.stream(s.side.bounds.Start, s.side.limit)
	for {
		e, err := st.data(ctx)
		if err != nil {
			return err
		}
		if e == nil {
			s.read = st.read
			break
		}
		if err := s.take(e); err != nil {
			return err
		}
	}
	if !s.fell {
		return nil
	}
	h, err := s.readMixture(ctx)
	s.history = h
	return err
}

func (s *sink) take(e *batch.Entry) error {
	from, ok, err := s.t.origin(&e.Record)
	if err != nil || !ok {
		return err
	}
	if e.Kind == batch.AbortedData {
		s.lastAborted, s.after = e.Offset, e.Offset+1
		if fl := s.flows[from.partition]; fl != nil && from.h <= fl.last.h {
			fl.retried = from.h
		}
		return nil
	}
	f, fl := s.t.feeders[from.partition], s.flows[from.partition]
	if fl == nil {
		fl = &flow{first: copied{pos: e.Offset, h: from.h}, last: copied{h: -1}, top: -1, back: -1, through: -1}
		s.flows[from.partition] = fl
	}
	if from.h <= fl.last.h {
		s.fell = true
		fl.back, fl.until, fl.through = from.h, fl.top, -1
	}
	if fl.back >= 0 && fl.through < 0 && from.h > fl.until {
		fl.through = from.h
	}
	fl.retried = -1
	for len(fl.met) < len(f.cuts) && f.cuts[len(fl.met)] <= from.h {
		if s.wanted < 0 {
			s.wanted, s.before, s.beforeN = e.Offset, s.after, s.total
		}
		fl.met = append(fl.met, border{t: s.after, n: fl.n, total: s.total})
	}
	f.note(from.h, e, s.t.ev.offset.own)
	if s.t.req.TargetTopic.Config.Compacted && e.Key != nil {
		s.t.keys.add(e.Key, keyPlace{from.partition, s.side.part.Partition, e.Offset})
	}
	fl.last, fl.top = copied{pos: e.Offset, h: from.h}, max(fl.top, from.h)
	fl.n++
	s.total++
	s.after = e.Offset + 1
	return nil
}

// alone is where the position of one source partition would be.
func (s *sink) alone(fl *flow, cut int) int64 {
	if cut < len(fl.met) {
		return fl.met[cut].t
	}
	return s.after
}

// combine finds T for positions S by source partition, and how many records
// that the group has read are met again. ok is false when from no offset all
// are met in order. none says that no copy at or above the positions is there.
func (s *sink) combine(at map[int32]At) (t, repeats int64, none, ok bool) {
	if s.history != nil {
		return s.history.combine(at)
	}
	first := (*border)(nil)
	sum := int64(0)
	for p, fl := range s.flows {
		a, has := at[p]
		if !has {
			continue
		}
		cut, _ := slices.BinarySearch(s.t.feeders[p].cuts, a.Offset)
		if cut >= len(fl.met) {
			sum += fl.n
			continue
		}
		m := &fl.met[cut]
		sum += m.n
		if first == nil || m.t < first.t {
			first = m
		}
	}
	if first == nil {
		return s.after, 0, true, true
	}
	return first.t, sum - first.total, false, true
}
