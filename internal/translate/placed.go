package translate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

// placed is the evidence of movers that write source offset and source
// partition into headers of each copy: what it takes where one target partition
// holds records of several source partitions.
type placed struct {
	offset header
	// name and as are the header with the source partition and its encoding.
	name string
	as   mover.Encoding
}

func (p *placed) detected() string {
	_, what := p.offset.what()
	return fmt.Sprintf("%s, source partition in header %s, %s", what, p.name, p.words())
}

// words names the encoding of the partition.
func (p *placed) words() string {
	if p.as == mover.Int32LE {
		return "4 bytes little-endian"
	}
	return Encoding(p.as).words()
}

// place is the source of one copy.
type place struct {
	partition int32
	h         int64
}

// placeError is a copy that does not say of which source partition it is.
type placeError struct {
	offset int64
	header string
	value  []byte
	absent bool
	of     int
}

func (e *placeError) Error() string {
	if e.absent {
		return fmt.Sprintf("the copy at offset %d has no header %q, so its source partition is not known", e.offset, e.header)
	}
	return fmt.Sprintf("header %q of the record at offset %d is %s, which is none of the %s of the source topic",
		e.header, e.offset, printable(e.value), partitionsOf(e.of))
}

// foreignError is a copy from another source partition than the one that is
// asked for.
type foreignError struct {
	offset int64
	of     topic.Partition
}

func (e *foreignError) Error() string {
	return fmt.Sprintf("the record at offset %d says that it is of another source partition than %s", e.offset, e.of)
}

// elsewhere reports whether r says that it is of another source partition. No
// value is a small number in two encodings: text is a large one in bytes.
func elsewhere(r *batch.Record, known *mover.Header, partition int32) bool {
	v, ok := lastHeader(r, known.Partition)
	if !ok {
		return false
	}
	read := false
	for _, enc := range known.PartitionEncodings {
		n, ok := mover.DecodePartition(v, enc)
		if ok && n == partition {
			return false
		}
		read = read || ok
	}
	return read
}

func partitionsOf(n int) string {
	if n == 1 {
		return "1 partition"
	}
	return fmt.Sprintf("%d partitions", n)
}

// origin is what r is a copy of; ok is false for a record that is no copy. The
// error is a *evidenceError or a *placeError.
func (t *joint) origin(r *batch.Record) (from place, ok bool, err error) {
	p := t.ev
	h, ok, err := p.offset.source(r)
	if err != nil || !ok {
		return place{}, false, err
	}
	v, ok := lastHeader(r, p.name)
	if !ok {
		return place{}, false, &placeError{offset: r.Offset, header: p.name, absent: true}
	}
	n, ok := mover.DecodePartition(v, p.as)
	if !ok || t.feeders[n] == nil {
		return place{}, false, &placeError{offset: r.Offset, header: p.name, value: v, of: len(t.order)}
	}
	return place{n, h}, true, nil
}

// marks are the headers that contents are compared without.
func (p *placed) marks() Marks { return marksOf(&p.offset) }

// noPlace says why a topic cannot be taken apart by source partitions.
type noPlace struct {
	reason       Reason
	detail, hint string
}

// glimpse is what samples of all target partitions show.
type glimpse struct {
	mu      sync.Mutex
	records bool
	values  map[string][]sample // by known header
	parts   map[string][][]byte // the values of the partition header beside it
}

// recognise finds the headers with source offset and source partition; no says
// what is missing.
func (t *joint) recognise(ctx context.Context) (no *noPlace, err error) {
	if k := t.opt.Evidence; k != "" && k != KindAuto && k != KindHeader {
		return &noPlace{
			ReasonNoSourcePartition, fmt.Sprintf("evidence %s does not tell of which source partition a record is", k),
			"only headers that name the source partition do; leave out --evidence",
		}, nil
	}
	names := KnownHeaders()
	if t.opt.Header != "" {
		names = []string{t.opt.Header}
	}
	g := &glimpse{values: map[string][]sample{}, parts: map[string][][]byte{}}
	if err := forEach(ctx, t.r, t.opt.Parallel, t.sinks, func(s *sink) error { return g.look(ctx, s.side, names) }); err != nil {
		return nil, err
	}
	found := slices.Sorted(maps.Keys(g.values))
	switch {
	case !g.records:
		t.empty = true
		return nil, nil
	case len(found) == 0:
		return &noPlace{
			ReasonNoEvidence, "no record that was looked at has the header " + strings.Join(names, " or "),
			"name the header that the mover writes with -H NAME",
		}, nil
	case len(found) > 1:
		return &noPlace{
			ReasonNoEvidence, "records name their source offset in several headers: " + strings.Join(found, ", "),
			"more than one mover has written here, or the source was a copy itself; choose with -H NAME",
		}, nil
	}
	return t.settleHeaders(g, found[0]), nil
}

// settleHeaders decides the encodings.
func (t *joint) settleHeaders(g *glimpse, name string) *noPlace {
	known, _ := mover.HeaderNamed(name)
	if known.Partition == "" || len(g.parts[name]) == 0 {
		detail := fmt.Sprintf("header %s tells the source offset of a copy, and no header its source partition", name)
		if known.Partition != "" {
			detail = fmt.Sprintf("the copies have the header %s and not %s, which would tell their source partition", name, known.Partition)
		}
		return &noPlace{
			ReasonNoSourcePartition, detail,
			"let the mover write the source partition too, or copy the topic into one with as many partitions",
		}
	}
	enc, how := t.opt.Encoding, " (as given)"
	if enc == EncodingAuto {
		var ok bool
		if enc, _, ok = recogniseEncoding(g.values[name], t.highest(), knownEncoding(name)); !ok {
			enc, _, ok = recogniseEncoding(g.values[name], -1, knownEncoding(name))
		}
		if !ok {
			first := g.values[name][0]
			return &noPlace{
				ReasonBadHeader, fmt.Sprintf("the values of header %q are no source offsets in one encoding (for example %s at offset %d)", name, printable(first.value), first.pos),
				"if they are, give the encoding: -H " + name + ":decimal, :int64be, :int64le or :int32be",
			}
		}
		how = " (recognised)"
	}
	for _, as := range known.PartitionEncodings {
		if !slices.ContainsFunc(g.parts[name], func(v []byte) bool {
			n, ok := mover.DecodePartition(v, as)
			return !ok || !slices.Contains(t.order, n)
		}) {
			t.ev = &placed{offset: header{name: name, encoding: enc, how: how}, name: known.Partition, as: as}
			return nil
		}
	}
	return &noPlace{
		ReasonBadHeader, fmt.Sprintf("the values of header %q are none of the %s of the source topic (for example %s)", known.Partition, partitionsOf(len(t.order)), printable(g.parts[name][0])),
		"the copy is of another topic, or the source topic was created anew with fewer partitions",
	}
}

// look takes samples of one partition: its end, its start and its middle, and
// when no copy is there, from the start on within a bound.
func (g *glimpse) look(ctx context.Context, s *side, names []string) error {
	start, limit := s.bounds.Start, s.limit
	if limit <= start {
		return nil
	}
	found := false
	for _, x := range []int64{limit - 1, start, start + (limit-1-start)/2} {
		st, err := s.at(ctx, x)
		if err != nil {
			return err
		}
		found = g.take(st.recs, names) || found
	}
	for st, from := s.stream(start, limit), s.bytes; !found && s.bytes-from < sampleBytes/samplePartitions; {
		e, err := st.data(ctx)
		if err != nil {
			return err
		}
		if e == nil {
			return nil
		}
		found = g.take([]batch.Entry{*e}, names)
	}
	return nil
}

// take keeps the headers of records and reports whether one is a copy.
func (g *glimpse) take(recs []batch.Entry, names []string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := false
	for i := range recs {
		r := &recs[i]
		if r.Kind == batch.Marker {
			continue
		}
		g.records = true
		for _, name := range names {
			v, ok := lastHeader(&r.Record, name)
			if !ok {
				continue
			}
			found = true
			g.values[name] = append(g.values[name], sample{pos: r.Offset, value: v})
			if known, ok := mover.HeaderNamed(name); ok && known.Partition != "" {
				if v, ok := lastHeader(&r.Record, known.Partition); ok {
					g.parts[name] = append(g.parts[name], v)
				}
			}
		}
	}
	return found
}
