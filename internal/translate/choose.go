package translate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
)

// Bounds of the look at a topic by which its evidence is chosen.
const (
	// samplePartitions is how many partitions of a topic are looked at.
	samplePartitions = 8
	// sampleBytes is how much of them is read at most where the first looks
	// find no copy.
	sampleBytes = 64 << 20
)

// none is the evidence of topics in which nothing tells copies: no record is
// one. why is the refusal.
type none struct {
	why, hint string
}

var _ evidence = (*none)(nil)

func (n *none) what() (Kind, string) { return "", n.why }
func (*none) own(string) bool        { return false }
func (*none) tracer(s *solver) tracer {
	return &recordwise{s.tgt, func(*batch.Record) (int64, bool, error) { return -1, false, nil }}
}

// survey is what the samples of one topic show.
type survey struct {
	records bool                  // some were seen
	values  map[string][][]sample // per known header, per partition
	highest int64                 // the greatest source end, -1 unknown
}

// evidence picks the evidence for a topic from samples of its partitions. It is
// one for the whole topic: the first of the family that fits, or the one that
// was asked for. The error is the context's.
func (w *work) evidence(ctx context.Context, all []*solver) (evidence, error) {
	opt, solvers := w.opt, spread(all)
	asked := opt.Evidence
	if opt.Header != "" {
		asked = KindHeader
	}
	if asked == "" {
		asked = KindAuto
	}
	var whys []string
	if asked == KindAuto || asked == KindHeader {
		ev, why, err := chooseHeader(ctx, opt, solvers, all)
		if ev != nil || err != nil {
			return ev, err
		}
		if asked == KindHeader {
			return &none{why: why, hint: "name the header that the mover writes with -H NAME"}, nil
		}
		whys = append(whys, why)
	}
	note := ""
	for _, kind := range []struct {
		is     Kind
		choose func(context.Context, []*solver) (evidence, string, error)
	}{{KindMM2, w.chooseSyncs}, {KindIdentity, func(ctx context.Context, solvers []*solver) (evidence, string, error) {
		return chooseIdentity(ctx, solvers, asked == KindAuto)
	}}, {KindContent, chooseContent}} {
		if asked != KindAuto && asked != kind.is {
			continue
		}
		ev, why, err := kind.choose(ctx, solvers)
		if err != nil {
			return nil, err
		}
		switch ev := ev.(type) {
		case *identity:
			ev.note = note
		case *content:
			ev.note = note
		}
		if ev != nil {
			return ev, nil
		}
		whys = append(whys, why)
		if kind.is == KindMM2 && len(opt.Syncs) > 0 && !strings.HasPrefix(why, unnamed) {
			note = " (" + why + ")"
		}
	}
	return &none{
		why:  strings.Join(whys, "; "),
		hint: "if the copy names its source offsets in a header, give its name with -H NAME; kferry topic inspect shows what is there",
	}, nil
}

// chooseHeader takes a header that names source offsets; nil and why where no
// record that was looked at has one.
func chooseHeader(ctx context.Context, opt *Options, solvers, all []*solver) (evidence, string, error) {
	names := KnownHeaders()
	if opt.Header != "" {
		names = []string{opt.Header}
		if opt.Encoding != EncodingAuto {
			return &header{name: opt.Header, encoding: opt.Encoding, how: " (as given)"}, "", nil
		}
	}
	sv := &survey{values: map[string][][]sample{}, highest: -1}
	for _, s := range solvers {
		if s.src != nil {
			sv.highest = max(sv.highest, s.src.bounds.End)
		}
		if err := sv.sample(ctx, s, names); err != nil {
			return nil, "", err
		}
	}
	if len(sv.values) == 0 {
		return nil, lookedAt(sv, names), nil
	}
	ev, certain := sv.header(opt)
	// A few values can read well in two encodings; all partitions together
	// hardly do.
	for _, s := range all {
		if certain {
			break
		}
		if err := sv.more(ctx, s, names); err != nil {
			return nil, "", err
		}
		ev, certain = sv.header(opt)
	}
	return ev, "", nil
}

// more reads a partition through for header values, up to a bound.
func (sv *survey) more(ctx context.Context, s *solver, names []string) error {
	for st, from := s.tgt.stream(s.tgt.bounds.Start, s.tgt.limit), s.tgt.bytes; s.tgt.bytes-from < sampleBytes/samplePartitions; {
		e, err := st.data(ctx)
		if err != nil || e == nil {
			return sv.pass(ctx, err)
		}
		sv.take([]batch.Entry{*e}, names)
	}
	return nil
}

func lookedAt(sv *survey, names []string) string {
	if !sv.records {
		return "the target topic is empty"
	}
	return "no record that was looked at has the header " + strings.Join(names, " or ")
}

// header decides name and encoding; certain is false where more samples could
// still decide otherwise.
func (sv *survey) header(opt *Options) (ev evidence, certain bool) {
	found := slices.Sorted(maps.Keys(sv.values))
	if len(found) > 1 {
		return &none{
			why:  "records name their source offset in several headers: " + strings.Join(found, ", "),
			hint: "more than one mover has written here, or the source was a copy itself; choose with -H NAME",
		}, true
	}
	name := found[0]
	all := slices.Concat(sv.values[name]...)
	enc, certain, ok := recogniseEncoding(all, sv.highest, knownEncoding(name))
	if !ok && sv.highest >= 0 {
		// Offsets above the source's end are of another incarnation, which the
		// search says better than we can here.
		enc, certain, ok = recogniseEncoding(all, -1, knownEncoding(name))
	}
	if !ok {
		return &none{
			why:  fmt.Sprintf("the values of header %q are no source offsets in one encoding (for example %s at offset %d)", name, printable(all[0].value), all[0].pos),
			hint: "if they are, give the encoding: -H " + name + ":decimal, :int64be or :int64le",
		}, certain
	}
	how := " (recognised)"
	if opt.Header != "" {
		how = " (encoding recognised)"
	}
	return &header{name: name, encoding: enc, how: how}, certain
}

func knownEncoding(name string) Encoding {
	if k, ok := mover.HeaderNamed(name); ok && len(k.Encodings) > 0 {
		return Encoding(k.Encodings[0])
	}
	return EncodingAuto
}

// sample looks at the end and the start of a partition, then in between, and
// at last reads it through, until a record has one of the headers.
func (sv *survey) sample(ctx context.Context, s *solver, names []string) error {
	start, limit := s.tgt.bounds.Start, s.tgt.limit
	if limit <= start {
		return nil
	}
	for _, part := range []int64{8, 0, 4, 2, 6} {
		st, err := s.tgt.at(ctx, start+(limit-1-start)*part/8)
		if err != nil {
			return sv.pass(ctx, err)
		}
		// The start is looked at in any case: the first and the last record
		// tell the encodings apart best.
		if sv.take(st.recs, names) && part != 8 {
			return nil
		}
		if len(sv.values) > 0 && part == 0 {
			return nil
		}
	}
	for st := s.tgt.stream(start, limit); len(sv.values) == 0 && s.tgt.bytes < sampleBytes/samplePartitions; {
		e, err := st.data(ctx)
		if err != nil || e == nil {
			return sv.pass(ctx, err)
		}
		sv.take([]batch.Entry{*e}, names)
	}
	return nil
}

// pass leaves a partition that cannot be read to its own solver, which says so.
func (*survey) pass(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return nil
}

// take keeps the header values of records, and reports whether there were any.
func (sv *survey) take(recs []batch.Entry, names []string) bool {
	found := false
	for _, name := range names {
		var got []sample
		for i := range recs {
			if recs[i].Kind == batch.Marker {
				continue
			}
			if v, ok := lastHeader(&recs[i].Record, name); ok {
				got = append(got, sample{pos: recs[i].Offset, value: v})
			}
		}
		if len(got) > 0 {
			sv.values[name] = append(sv.values[name], got)
			found = true
		}
	}
	sv.records = sv.records || len(recs) > 0
	return found
}

// chooseIdentity takes equal offsets as evidence when records prove it, and
// where it was not asked for only when records are not alike; nil and why where
// not.
func chooseIdentity(ctx context.Context, solvers []*solver, auto bool) (evidence, string, error) {
	compared := 0
	for _, s := range solvers {
		if s.src == nil {
			return nil, "without the source it cannot be seen whether offsets are equal", nil
		}
		n, _, why, err := s.sameOffsets(ctx)
		if err != nil || why != "" {
			return nil, why, err
		}
		if auto {
			alike, err := s.likeElsewhere(ctx)
			if err != nil {
				return nil, "", ctx.Err()
			}
			if alike {
				return nil, fmt.Sprintf("records of %s are like others of %s at other offsets", s.tgt.part, s.src.part), nil
			}
		}
		compared += n
	}
	if compared == 0 {
		return nil, "no records stand at equal offsets on both sides", nil
	}
	return &identity{}, "", nil
}
