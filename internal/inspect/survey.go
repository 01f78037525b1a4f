package inspect

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

// What is kept of the samples.
const (
	// keptRecords of each sample are kept at least, its first and its last ones;
	// more where the topic has few partitions, up to mostRecords.
	keptRecords = 48
	mostRecords = 1024
	// allRecords is how many records of a topic are kept about, in all.
	allRecords = 150_000
	// keptValue is the longest header value that is kept, in bytes.
	keptValue = 249
	// wideHeaders is how many headers of a record are kept in the partitions
	// where headers of unknown movers are looked for.
	wideHeaders = 16
	// widePartitions is how many partitions these are.
	widePartitions = 8
	// stepsBack is how often a sample at the end is repeated further back until
	// it holds a copy, each time eight times as far.
	stepsBack = 5
	// stepsBetween is how often the stretch between the last sample with a copy
	// and the first one without is halved then.
	stepsBetween = 12
)

// record is what is kept of one record.
type record struct {
	offset, timestamp int64
	kind              batch.Kind
	open              bool // of a transaction that is not decided
	headers           []batch.RecordHeader
	content           [16]byte // without the headers of movers; only where wanted
	printed           bool
}

// header is the last one of a name: a record that was copied twice carries it
// twice, and movers append.
func (r *record) header(name string) ([]byte, bool) {
	if name == "" {
		return nil, false
	}
	for _, h := range slices.Backward(r.headers) {
		if h.Key == name {
			return h.Value, true
		}
	}
	return nil, false
}

// part is one partition on its way.
type part struct {
	topic.Partition
	bounds topic.Bounds
	wide   bool
	// samples in the order of their offsets; each from one read.
	samples []sample
	err     error
	// pairs of a copy and what it should be equal to, for the source.
	pairs []pair
	// tally of the records, by samples or by reading all.
	tally *tally
	// compared with the source, and how many of them were equal.
	compared, equal int64
	// unsure: copies may stand behind the last one that the samples show.
	unsure bool
	// lastData is the last record that a consumer could be given.
	lastData *record
}

// sample is one read.
type sample struct {
	from, next int64
	recs       []record
}

// names are the headers that are looked for.
type names struct {
	known []mover.Header
	all   map[string]bool // every header that a known mover writes
	kept  int             // records of each sample
}

// newNames are the known movers', and one that the user gave.
func newNames(given string) *names {
	n := &names{known: mover.Headers(), all: map[string]bool{}, kept: keptRecords}
	if given != "" {
		if h, ok := mover.HeaderNamed(given); ok {
			n.known = []mover.Header{h}
		} else {
			n.known = []mover.Header{{Offset: given, Encodings: []mover.Encoding{mover.Decimal}}}
		}
	}
	for _, h := range append(mover.Headers(), n.known...) {
		n.all[h.Offset] = true
		for _, also := range h.Also {
			n.all[also] = true
		}
	}
	return n
}

// added reports whether some mover adds a header of this name.
func (n *names) added(name string) bool { return n.all[name] }

// offset reports whether a header of this name holds source offsets.
func (n *names) offset(name string) bool {
	return slices.ContainsFunc(n.known, func(h mover.Header) bool { return h.Offset == name })
}

// marked reports whether a record has the offset header of some mover.
func (n *names) marked(r *record) bool {
	for _, h := range n.known {
		if _, ok := r.header(h.Offset); ok {
			return true
		}
	}
	return false
}

// keep copies out of an entry what is needed later; content asks for the
// fingerprint.
func (n *names) keep(e *batch.Entry, stable int64, wide, content bool) record {
	r := record{offset: e.Offset, timestamp: e.Timestamp, kind: e.Kind, open: e.Transactional && e.Offset >= stable}
	others := 0
	for _, h := range e.Headers {
		if !n.all[h.Key] {
			if !wide || others == wideHeaders || len(h.Value) > 20 {
				continue
			}
			others++
		}
		v := h.Value
		if len(v) > keptValue {
			v = v[:keptValue]
		}
		r.headers = append(r.headers, batch.RecordHeader{Key: h.Key, Value: bytes.Clone(v)})
	}
	if content {
		r.content, r.printed = batch.Fingerprint(e.Key, e.Value, e.Headers, n.added), true
	}
	return r
}

// take makes a sample of a stretch: its first and its last records, and its last
// copy. The first and the last record that a consumer could be given get their
// fingerprints, and so does the copy.
func (n *names) take(s *stretch, p *part) sample {
	out := sample{from: s.from, next: s.next}
	first, last, mark := -1, -1, -1
	for i := range s.recs {
		if s.recs[i].Kind != batch.Data {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
		if slices.ContainsFunc(s.recs[i].Headers, func(h batch.RecordHeader) bool { return n.offset(h.Key) }) {
			mark = i
		}
	}
	for i := range s.recs {
		if i >= n.kept/2 && i < len(s.recs)-n.kept/2 && i != first && i != last && i != mark {
			continue
		}
		out.recs = append(out.recs, n.keep(&s.recs[i], p.bounds.Stable, p.wide, i == first || i == last || i == mark))
	}
	return out
}

// data is the last record of a sample that a consumer could be given, nil none.
func (s *sample) data() *record {
	for i := range slices.Backward(s.recs) {
		if s.recs[i].kind == batch.Data && !s.recs[i].open && s.recs[i].printed {
			return &s.recs[i]
		}
	}
	return nil
}

// survey samples partitions at their start, middle and end, further back while
// the end holds no copy, and then between the last copy and what comes behind.
func (w *work) survey(ctx context.Context, parts []*part) error {
	err := w.round(ctx, parts, func(p *part, ask func(at int64)) {
		length := p.bounds.End - p.bounds.Start
		for i := 0; length > 0 && i < w.places(); i++ {
			ask(p.bounds.Start + int64(float64(length)*float64(i)/float64(w.places())))
		}
		if length > 0 {
			ask(w.lastOf(p, 1))
		}
	})
	for step, back := 0, int64(8); err == nil && step < stepsBack; step, back = step+1, back*8 {
		err = w.round(ctx, parts, func(p *part, ask func(at int64)) {
			if len(p.samples) > 0 && p.bounds.End-back > p.bounds.Start && !w.endsInCopy(p) {
				ask(w.lastOf(p, back))
			}
		})
	}
	for step := 0; err == nil && step < stepsBetween; step++ {
		err = w.round(ctx, parts, func(p *part, ask func(at int64)) {
			if lo, hi := w.tail(p); lo < hi {
				ask(lo + (hi-lo)/2)
			}
		})
	}
	if err != nil {
		return err
	}
	for _, p := range parts {
		p.samples = ordered(p.samples)
		p.unsure = w.unsure(p)
		for i := range p.samples {
			if r := p.samples[i].data(); r != nil {
				p.lastData = r
			}
		}
	}
	return nil
}

// round lets every partition that can be read say where it is to be sampled, and
// reads all of that together.
func (w *work) round(ctx context.Context, parts []*part, where func(p *part, ask func(at int64))) error {
	var places []place
	var owners []*part
	for _, p := range parts {
		if p.err != nil {
			continue
		}
		where(p, func(at int64) {
			places = append(places, place{part: p.Partition, bounds: p.bounds, at: at, max: sampleBytes})
			owners = append(owners, p)
		})
	}
	return w.sampleAll(ctx, places, owners)
}

// places is how many samples of a partition are taken before the one at its end:
// more beside a full reading, which costs more anyhow, as the copies of movers
// without headers are only told by samples.
func (w *work) places() int {
	if w.opt.Full {
		return 16
	}
	return 2
}

// lastOf is the offset so many before the end of what is decided; where nothing
// is decided, before the end.
func (w *work) lastOf(p *part, back int64) int64 {
	end := p.bounds.Stable
	if end <= p.bounds.Start {
		end = p.bounds.End
	}
	return max(p.bounds.Start, end-back)
}

// endsInCopy reports whether the last sample that was read has a committed record
// with a mover's header; where none of the samples has one, whether it has a
// record at all.
func (w *work) endsInCopy(p *part) bool {
	last := &p.samples[len(p.samples)-1]
	if slices.ContainsFunc(p.samples, func(s sample) bool { return w.marked(&s) }) {
		return w.marked(last)
	}
	return last.data() != nil
}

// marked reports whether a sample has a copy that is committed.
func (w *work) marked(s *sample) bool {
	return slices.ContainsFunc(s.recs, func(r record) bool { return r.kind == batch.Data && w.names.marked(&r) })
}

// tail is the stretch that was not read between the last sample with a copy and
// the one behind it; empty when there is none, or no copy.
func (w *work) tail(p *part) (from, to int64) {
	from = -1
	for i := range p.samples {
		if s := &p.samples[i]; s.next > from && w.marked(s) {
			from = s.next
		}
	}
	if from < 0 {
		return 0, 0
	}
	to = from
	for i := range p.samples {
		if s := &p.samples[i]; s.from > from && (to == from || s.from < to) {
			to = s.from
		}
	}
	for i := range p.samples {
		if s := &p.samples[i]; s.from <= from && s.next > from {
			return from, from // it was read: there is no copy
		}
	}
	return from, to
}

// unsure reports whether something behind the last copy that was seen was not
// read: a copy may stand there.
func (w *work) unsure(p *part) bool {
	read := int64(-1)
	for i := range p.samples { // in their order
		s := &p.samples[i]
		switch {
		case w.marked(s):
			read = s.next
		case s.from == read:
			read = s.next
		}
	}
	return read >= 0 && read < min(p.bounds.End, p.bounds.Stable)
}

// sampleAll reads places of a wave and keeps what they hold.
func (w *work) sampleAll(ctx context.Context, places []place, owners []*part) error {
	if len(places) == 0 {
		return nil
	}
	got, err := w.target.at(ctx, places)
	if err != nil {
		return err
	}
	for i := range got {
		p := owners[i]
		if got[i].err != nil {
			p.err = got[i].err
			continue
		}
		p.samples = append(p.samples, w.names.take(&got[i], p))
	}
	return nil
}

// ordered sorts samples by offset and leaves out what two of them share.
func ordered(samples []sample) []sample {
	slices.SortStableFunc(samples, func(a, b sample) int { return cmp.Compare(a.from, b.from) })
	out := samples[:0]
	end := int64(-1)
	for _, s := range samples {
		s.recs = slices.DeleteFunc(s.recs, func(r record) bool { return r.offset < end })
		if s.next <= end {
			continue
		}
		s.from = max(s.from, end)
		end = s.next
		out = append(out, s)
	}
	return out
}
