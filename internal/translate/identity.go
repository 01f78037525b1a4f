package translate

import (
	"context"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// identity is the evidence of copies that kept their offsets. It is taken only
// where records either side of S are equal at equal offsets on both sides; the
// neighbours of every position are compared again in the proof.
type identity struct {
	same bool
	note string // why offset syncs were not taken
}

var _ evidence = (*identity)(nil)

func (i *identity) what() (Kind, string) {
	if i.same {
		return KindIdentity, "source and target are the same topic"
	}
	return KindIdentity, "equal records at equal offsets" + i.note
}

func (*identity) tracer(s *solver) tracer {
	return &recordwise{s.tgt, func(r *batch.Record) (int64, bool, error) { return r.Offset, true, nil }}
}

func (*identity) own(string) bool { return false }

// sameLog answers where source and target are one log: T is S.
func (s *solver) sameLog(ctx context.Context) error {
	s.use(&identity{same: true})
	for _, a := range s.open() {
		switch b := s.tgt.bounds; {
		case a.s > b.End:
			s.refuse([]*ask{a}, ReasonBeyondEnd,
				fmt.Sprintf("position %d lies beyond the end of %s (first %d, end %d)", a.s, s.tgt.part, b.Start, b.End),
				"look at the group; the topic may have been deleted and created again")
			continue
		case a.s < b.Start:
			a.res.T = b.Start
			a.res.Notes = append(a.res.Notes, fmt.Sprintf("position %d lies below the log start; the records up to %d are gone", a.s, b.Start))
		default:
			a.res.T = a.s
		}
		out := Exact
		if a.s == s.tgt.bounds.End {
			out = AtEnd
		}
		a.res.CopiedThrough = s.tgt.bounds.End
		a.res.LagAfter = max(0, s.tgt.bounds.End-a.res.T)
		s.settle(a, out, KnownSameLog)
		s.name(&a.res)
		before, at, err := s.targetSides(ctx, a.res.T)
		if err != nil {
			return err
		}
		p := &a.res.Proof
		p.SourceBefore, p.SourceAt, p.TargetBefore, p.TargetAt = before, at, before, at
	}
	return nil
}

// sameOffsets compares the first and the last records of the target with those
// at the same offsets of the source, more of them until some are on both sides,
// and returns how many are equal, whether the offsets of the target lie where
// the source has or had some, and why offsets are not equal, "" where nothing
// speaks against it. The error is the context's: a partition that cannot be
// read says so elsewhere.
func (s *solver) sameOffsets(ctx context.Context) (pairs int, inside bool, why string, err error) {
	start, limit, none := s.tgt.bounds.Start, s.tgt.limit, true
	for n := int64(spotContext); pairs == 0 && n <= windowMost; n *= 8 {
		for _, from := range []int64{start, max(start, limit-n)} {
			recs, err := s.tgt.records(ctx, from, min(from+n, limit))
			var found int
			ok := true
			if err == nil {
				found, ok, err = s.identical(ctx, recs)
			}
			if err != nil {
				return 0, false, "", ctx.Err()
			}
			if !ok {
				return 0, false, fmt.Sprintf("%s differs from %s at equal offsets", s.tgt.part, s.src.part), nil
			}
			pairs += found
			for i := range recs {
				if recs[i].Kind == batch.Data {
					none, inside = false, inside || recs[i].Offset >= s.src.bounds.Start
				}
			}
		}
		if n >= limit-start {
			break
		}
	}
	return pairs, inside || none, "", nil
}

// tellingPairs is how many records that are like no others prove equal offsets
// where some are alike.
const tellingPairs = 8

// likeElsewhere reports whether the last records of the target are like records
// of the source at other offsets, on a source that may have forgotten those at
// equal ones, or all of them like records at both: equal records at equal offsets
// can then be chance.
func (s *solver) likeElsewhere(ctx context.Context) (bool, error) {
	there, err := s.tgt.records(ctx, s.tgt.limit-2*spotContext, s.tgt.limit)
	if err != nil {
		return false, err
	}
	here, err := s.src.records(ctx, s.tgt.limit-2*spotContext, s.tgt.limit+spotContext)
	if err != nil {
		return false, err
	}
	at, times := map[int64]int64{}, timeExact
	for i := range here {
		at[here[i].Offset] = here[i].Timestamp
	}
	for i := range there {
		if ms, ok := at[there[i].Offset]; ok && ms != there[i].Timestamp {
			times = timeLost
		}
	}
	p, like, telling := printer{time: times}, map[[16]byte][]int64{}, 0
	for i := range here {
		if here[i].Kind == batch.Data {
			m := p.mark(&here[i])
			like[m.fp] = append(like[m.fp], m.off)
		}
	}
	elsewhere, twins := false, false
	for i := range there {
		if there[i].Kind != batch.Data {
			continue
		}
		switch offs := like[p.mark(&there[i]).fp]; {
		case len(offs) == 1 && offs[0] == there[i].Offset:
			telling++
		case len(offs) > 0 && !slices.Contains(offs, there[i].Offset):
			elsewhere = s.forgetful()
		case len(offs) > 1:
			twins = true
		}
	}
	return elsewhere && telling < tellingPairs || twins && telling == 0, nil
}

// identical reports whether records of the target stand at the same offsets on
// the source with the same content, and how many were compared.
func (s *solver) identical(ctx context.Context, recs []batch.Entry) (pairs int, ok bool, err error) {
	for i := range recs {
		there := &recs[i]
		if there.Kind != batch.Data {
			continue
		}
		here, err := s.src.record(ctx, there.Offset)
		if err != nil {
			return pairs, false, err
		}
		if here == nil || here.Kind == batch.Marker {
			// Compaction may have taken it on the source since; a marker never
			// becomes a record.
			if here != nil || there.Offset >= s.src.bounds.End {
				return pairs, false, nil
			}
			if cfg := s.req.SourceTopic.Config; cfg.Known && !cfg.Compacted && there.Offset >= s.src.bounds.Start {
				return pairs, false, nil
			}
			continue
		}
		if batch.Fingerprint(here.Key, here.Value, here.Headers, nil) != batch.Fingerprint(there.Key, there.Value, there.Headers, nil) {
			return pairs, false, nil
		}
		pairs++
		if pairs == comparePairs {
			break
		}
	}
	return pairs, true, nil
}
