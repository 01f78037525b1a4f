package translate

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	"github.com/kferry/kferry/internal/batch"
)

// neighbour is a copy next to a position, to be shown beside its original.
type neighbour struct {
	r      *Result
	of     **Seen
	target *Seen
	from   place
}

// show fills the proofs: the copies either side of each T, and the source
// records that they are copies of.
func (t *joint) show(ctx context.Context) error {
	if t.ev == nil {
		return nil
	}
	found := map[int32][]neighbour{} // by source partition
	mu := sync.Mutex{}
	err := forEach(ctx, t.r, t.opt.Parallel, t.sinks, func(s *sink) error {
		for _, answers := range t.out {
			r := answers[s.side.part.Partition]
			if r.T < 0 {
				continue
			}
			all, err := t.besides(ctx, s, r)
			if err != nil {
				return err
			}
			mu.Lock()
			for _, n := range all {
				found[n.from.partition] = append(found[n.from.partition], n)
			}
			mu.Unlock()
		}
		return nil
	})
	if err != nil {
		return err
	}
	mine := func(f *feeder) []neighbour { return found[f.side.part.Partition] }
	if err := forEach(ctx, t.r, t.opt.Parallel, t.feederList(), func(f *feeder) error { return t.originals(ctx, f, mine(f)) }); err != nil {
		return err
	}
	// A position stands beside copies of two source partitions, so that only
	// now all of it is compared.
	for _, f := range t.feederList() {
		for _, n := range mine(f) {
			if seen := *n.of; seen != nil && seen.Fingerprint != n.target.Fingerprint {
				n.r.T = -1
				n.r.refuse(ReasonIncarnation, fmt.Sprintf("source partition %d: %s", n.from.partition, &contentError{source: n.from.h, target: n.target.Offset}), otherContent)
			}
		}
	}
	return nil
}

const otherContent = "the copy is of an earlier incarnation of the topic or of another topic, or the mover changes records"

// besides finds the copies either side of a position.
func (t *joint) besides(ctx context.Context, s *sink, r *Result) ([]neighbour, error) {
	from := map[int64]place{}
	before, at, err := s.side.around(ctx, r.T, func(st *stretch, i int) (bool, error) {
		e := &st.recs[i]
		if e.Kind != batch.Data {
			return false, nil
		}
		o, ok, err := t.origin(&e.Record)
		from[e.Offset] = o
		return ok, err
	})
	if err != nil {
		return nil, err
	}
	var out []neighbour
	p := &r.Proof
	if before != nil {
		o := from[before.Offset]
		p.TargetBefore = t.seen(before, o.h, o.partition)
		out = append(out, neighbour{r, &p.SourceBefore, p.TargetBefore, o})
	}
	if at != nil {
		o := from[at.Offset]
		p.TargetAt = t.seen(at, o.h, o.partition)
		out = append(out, neighbour{r, &p.SourceAt, p.TargetAt, o})
	}
	return out, nil
}

// originals reads the source records of copies.
func (t *joint) originals(ctx context.Context, f *feeder, all []neighbour) error {
	slices.SortFunc(all, func(a, b neighbour) int { return cmp.Compare(a.from.h, b.from.h) })
	for _, n := range all {
		e, err := f.side.record(ctx, n.from.h)
		if err != nil {
			return err
		}
		if e == nil || e.Kind == batch.Marker {
			t.proofs.Lock() // a position stands beside copies of two source partitions
			n.r.Proof.Missing = append(n.r.Proof.Missing, fmt.Sprintf("offset %d of source partition %d is not there any more (compaction or retention)", n.from.h, n.from.partition))
			slices.Sort(n.r.Proof.Missing)
			t.proofs.Unlock()
			continue
		}
		*n.of = t.seen(e, -1, n.from.partition)
	}
	return nil
}

func (t *joint) seen(e *batch.Entry, h int64, partition int32) *Seen {
	fp := batch.Fingerprint(e.Key, e.Value, e.Headers, t.ev.offset.own)
	out := &Seen{Offset: e.Offset, Timestamp: e.Timestamp, Fingerprint: hex.EncodeToString(fp[:]), SourceOffset: h, SourcePartition: &partition}
	if t.opt.Payload {
		out.Key, out.Value = slices.Clone(e.Key), slices.Clone(e.Value)
	}
	return out
}
