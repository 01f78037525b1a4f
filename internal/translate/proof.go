package translate

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// contentError: a source record and its copy differ.
type contentError struct{ source, target int64 }

func (e *contentError) Error() string {
	return fmt.Sprintf("the record at offset %d says that it is source offset %d, and differs from it in key, value or headers", e.target, e.source)
}

// differ compares a source record with its copy, but for what the mover adds.
func (s *solver) differ(source, target *batch.Entry) bool {
	return s.fingerprint(source) != s.fingerprint(target)
}

// fingerprint leaves the mover's headers out on both sides: the source may
// itself be a copy by the same mover.
func (s *solver) fingerprint(e *batch.Entry) [16]byte {
	return batch.Fingerprint(e.Key, e.Value, e.Headers, s.ev.own)
}

func (s *solver) seen(e *batch.Entry, h int64) *Seen {
	fp := s.fingerprint(e)
	out := &Seen{Offset: e.Offset, Timestamp: e.Timestamp, Fingerprint: hex.EncodeToString(fp[:]), SourceOffset: h}
	if s.opt.Payload {
		out.Key, out.Value = slices.Clone(e.Key), slices.Clone(e.Value)
	}
	return out
}

// show fills the proof of every position that was given, compares the records
// either side and says what is not proven.
func (s *solver) show(ctx context.Context) error {
	for _, a := range s.asks {
		if a.res.T < 0 {
			continue
		}
		a.res.LagAfter = max(0, s.tgt.bounds.End-a.res.T)
		if err := s.neighbours(ctx, a); err != nil {
			return err
		}
		s.sayBracket(a)
		if err := s.checkIdentity(ctx, a); err != nil {
			return err
		}
		s.judge(a)
	}
	return nil
}

// neighbours reads the records either side of S and of T.
func (s *solver) neighbours(ctx context.Context, a *ask) error {
	p := &a.res.Proof
	before, at, err := s.targetSides(ctx, a.res.T)
	if err != nil {
		return err
	}
	p.TargetBefore, p.TargetAt = before, at
	if s.src == nil {
		p.Missing = append(p.Missing, "no source was given")
		return nil
	}
	return s.sourceSides(ctx, a)
}

// reach is how many stretches are read to find a neighbour in a hole.
const reach = 4

// around finds the last record below x and the first from x on that match;
// nil where there is none within reach. match is asked for record i of a
// stretch.
func (s *side) around(ctx context.Context, x int64, match func(st *stretch, i int) (bool, error)) (before, at *batch.Entry, err error) {
	for next, n := x-1, 0; next >= s.bounds.Start && next < s.limit && before == nil && n < reach; n++ {
		st, err := s.at(ctx, next)
		if err != nil {
			return nil, nil, err
		}
		for i := len(st.recs) - 1; i >= 0 && before == nil; i-- {
			if before, err = matching(st, i, st.recs[i].Offset < x, match); err != nil {
				return nil, nil, err
			}
		}
		next = st.from - 1
	}
	for next, n := max(x, s.bounds.Start), 0; next < s.limit && at == nil && n < reach; n++ {
		st, err := s.at(ctx, next)
		if err != nil {
			return nil, nil, err
		}
		for i := 0; i < len(st.recs) && at == nil; i++ {
			if at, err = matching(st, i, st.recs[i].Offset >= x, match); err != nil {
				return nil, nil, err
			}
		}
		next = st.next
	}
	return before, at, nil
}

// matching is record i of st if it lies on the side that is looked at and
// matches, else nil.
func matching(st *stretch, i int, there bool, match func(*stretch, int) (bool, error)) (*batch.Entry, error) {
	if !there {
		return nil, nil
	}
	ok, err := match(st, i)
	if err != nil || !ok {
		return nil, err
	}
	return &st.recs[i], nil
}

// targetSides finds the last committed copy before t and the first from t on.
func (s *solver) targetSides(ctx context.Context, t int64) (before, at *Seen, err error) {
	hs := map[int64]int64{}
	b, a, err := s.tgt.around(ctx, t, func(st *stretch, i int) (bool, error) {
		origins, err := s.trace(ctx, st)
		if err != nil || st.recs[i].Kind != batch.Data || !origins[i].copy() {
			return false, err
		}
		hs[st.recs[i].Offset] = origins[i].h
		return true, nil
	})
	if err != nil {
		return nil, nil, err
	}
	show := func(e *batch.Entry) *Seen {
		if e == nil {
			return nil
		}
		return s.seen(e, hs[e.Offset])
	}
	return show(b), show(a), nil
}

// sourceSides finds the source records either side of S.
func (s *solver) sourceSides(ctx context.Context, a *ask) error {
	before, at, err := s.src.around(ctx, a.s, func(st *stretch, i int) (bool, error) { return st.recs[i].Kind != batch.Marker, nil })
	if err != nil {
		return err
	}
	if before != nil {
		a.res.Proof.SourceBefore = s.seen(before, -1)
	}
	if at != nil {
		a.res.Proof.SourceAt = s.seen(at, -1)
	}
	return nil
}

// checkIdentity looks at other records where none next to a position stands at
// the same offset on both sides: equal offsets were found on other partitions,
// maybe, and not on this one.
func (s *solver) checkIdentity(ctx context.Context, a *ask) error {
	p := &a.res.Proof
	if s.src == nil || s.kind() != KindIdentity || p.SourceBefore == nil && p.SourceAt == nil ||
		p.SourceBefore != nil && p.TargetBefore != nil && p.SourceBefore.Offset == p.TargetBefore.Offset ||
		p.SourceAt != nil && p.TargetAt != nil && p.SourceAt.Offset == p.TargetAt.Offset {
		return nil
	}
	pairs, inside, why, err := s.sameOffsets(ctx)
	switch {
	case err != nil:
		return err
	case why != "" || pairs == 0 && !inside:
		s.refuse([]*ask{a}, ReasonNotIdentical, orElse(why, "no record stands at the same offset on both sides"), "name the header that the mover writes with -H NAME, or try --evidence content")
	default:
		s.doubt(a, "no record next to the position stands at the same offset on both sides any more, so that only others show that offsets are equal")
	}
	return nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// judge compares the neighbours and completes the outcome.
func (s *solver) judge(a *ask) {
	p := &a.res.Proof
	s.name(&a.res)
	if s.src == nil {
		s.doubt(a, "no source was given: that the position belongs to this incarnation of the topic and lies in its log")
		return
	}
	pairs := 0
	for _, pair := range [2][2]*Seen{{p.SourceBefore, p.TargetBefore}, {p.SourceAt, p.TargetAt}} {
		from, to := pair[0], pair[1]
		if from == nil || to == nil || from.Offset != to.SourceOffset {
			continue
		}
		pairs++
		if from.Fingerprint != to.Fingerprint {
			bad := &contentError{source: from.Offset, target: to.Offset}
			s.refuse([]*ask{a}, ReasonIncarnation, bad.Error(),
				"the copy is of an earlier incarnation of the topic or of another topic, or the mover changes records")
			return
		}
	}
	if pairs == 0 {
		p.Missing = append(p.Missing, "no record next to the position stands on both sides any more (compaction or retention)")
	}
	if s.req.SourceTopic.ID.IsZero() {
		s.doubt(a, "the source gives no topic ID: that the topic was not deleted and created again since the commit")
	}
}
