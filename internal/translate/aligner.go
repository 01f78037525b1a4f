package translate

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// Sizes of what is aligned at once, in records.
const (
	// spotContext is how many offsets are looked at around a place, so that what
	// is found is found by more than one record.
	spotContext = 24
	// chunkSize is how many records of the target are aligned at once when
	// reading on, and chunkMost where none of them is an anchor.
	chunkSize, chunkMost = 1024, 8192
	// windowMost is how much of the source is held for that.
	windowMost = 16384
	// nearby is how far around a guess the source is read first.
	nearby = 256
)

// aligner is the tracer of copies that carry no trace: it finds their
// originals by content, in the part of the source where guesses, timestamps or
// offset syncs say that they are, and in all of it only where nothing else
// finds them.
type aligner struct {
	s     *solver
	by    printer
	syncs *syncs // nil without MirrorMaker 2's own

	checked bool // syncs are of this life of the target

	// marks are the offsets of markers of the source that were met, in order.
	marks []int64
	// all is the source as a whole, where it is short, and seen are stretches of
	// it that were looked at, where it is not.
	all  []mark
	seen []*frame
	// near: only places that are likely are looked at.
	near bool
	// others: the mover is not alone on the target any more.
	others bool
	// known are copies whose originals were found, by position: guesses start
	// from them.
	known []copied
	// disorder is the most by which a timestamp of the source was found to lie
	// behind an earlier record's.
	disorder int64
	ordered  int64 // records that have shown it
	newest   int64 // timestamp seen on the source
	scanned  int64 // records of the source read in search of single records
}

var _ tracer = (*aligner)(nil)

func newAligner(s *solver, p printer, sy *syncs) *aligner {
	return &aligner{s: s, by: p, syncs: sy}
}

// forgets is the offset below which the source may have lost records.
func (a *aligner) forgets() int64 {
	if cfg := a.s.req.SourceTopic.Config; !cfg.Known || cfg.Compacted {
		return math.MaxInt64
	}
	return a.s.src.bounds.Start
}

// dense reports whether the target is known to have lost no copy.
func (a *aligner) dense() bool {
	cfg := a.s.req.TargetTopic.Config
	return cfg.Known && !cfg.Compacted
}

func (a *aligner) frame(source []mark, low, high int64) *frame {
	f := &frame{
		source: source, low: low, high: high, left: -1, whole: a.by.time == timeExact,
		forgets: a.forgets(), start: a.s.src.bounds.Start, end: a.s.src.bounds.End, markers: a.marks, alone: a.syncs != nil && !a.others,
		dense: a.dense(), timed: a.by.time == timeExact, disorder: a.disorder, ordered: a.ordered,
	}
	if a.syncs != nil {
		f.fixed, f.syncs = a.syncs.trusted().at, a.syncs
	}
	return f
}

// spot finds the originals of a stretch, with records around it for context.
func (a *aligner) spot(ctx context.Context, st *stretch) ([]origin, error) {
	entries, from, err := a.around(ctx, st)
	if err != nil {
		return nil, err
	}
	origins, err := a.search(ctx, entries)
	if err != nil {
		return nil, err
	}
	out := make([]origin, len(st.recs))
	for i := range st.recs {
		out[i] = noCopy
	}
	for i := range entries {
		if n := from + i; n >= 0 && n < len(out) {
			out[n] = origins[i]
		}
	}
	for i := range st.recs {
		if o := out[i]; o.sure() && o.copy() && st.recs[i].Kind == batch.Data {
			a.learn(copied{pos: st.recs[i].Offset, h: o.h})
		}
	}
	return out, nil
}

// around is the stretch with records before and behind it; from is the index
// of the first of them, counted from the first of the stretch.
func (a *aligner) around(ctx context.Context, st *stretch) (entries []batch.Entry, from int, err error) {
	before, err := a.s.tgt.records(ctx, st.from-spotContext, st.from)
	if err != nil {
		return nil, 0, err
	}
	behind, err := a.s.tgt.records(ctx, st.next, st.next+spotContext)
	if err != nil {
		return nil, 0, err
	}
	return slices.Concat(before, st.recs, behind), -len(before), nil
}

// learn keeps a found copy for later guesses.
func (a *aligner) learn(c copied) {
	i, found := slices.BinarySearchFunc(a.known, c.pos, func(k copied, pos int64) int { return int(min(max(k.pos-pos, -1), 1)) })
	if found || i > 0 && c.pos-a.known[i-1].pos < nearby || i < len(a.known) && a.known[i].pos-c.pos < nearby {
		return
	}
	a.known = slices.Insert(a.known, i, c)
	if len(a.known) > 256 {
		a.known = slices.Delete(a.known, 128, 129)
	}
}

// search finds the originals of records of which nothing is known: near the
// likely places first, then by timestamps, and what is left by reading all.
func (a *aligner) search(ctx context.Context, entries []batch.Entry) ([]origin, error) {
	if err := a.checkLife(ctx); err != nil {
		return nil, err
	}
	marks, where := a.committed(entries)
	best, fits := make([]origin, len(marks)), -1
	var in *frame
	for _, guess := range []func(context.Context, []batch.Entry) (*frame, error){a.bySyncs, a.byStep, a.byTime} {
		f, err := guess(ctx, entries)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		got := f.align(marks)
		if n := countCopies(got); n > fits {
			best, fits, in = got, n, f
		}
		if fits == len(marks) && a.enough(f, marks) {
			break
		}
	}
	if in == nil {
		in = a.frame(nil, a.s.src.bounds.Start, a.s.src.bounds.End)
		for i := range best {
			best[i] = noCopy
		}
	}
	if a.near {
		whole := *in
		whole.anchored, whole.left = false, -1
		whole.again(marks, best)
		return a.spread(entries, in, best, where), nil
	}
	if err := a.elsewhere(ctx, entries, marks, where, best); err != nil {
		return nil, err
	}
	in.rank(marks, best)
	return a.spread(entries, in, best, where), nil
}

// enough reports whether a match near a guess may be taken for the only one:
// the fingerprints carry the time, many records match, or the source was looked
// at as a whole.
func (a *aligner) enough(f *frame, marks []mark) bool {
	return a.by.time == timeExact || len(marks) >= spotContext/2 ||
		f.low <= a.s.src.bounds.Start && f.high >= a.s.src.bounds.End
}

func countCopies(os []origin) int {
	n := 0
	for _, o := range os {
		if o.copy() {
			n++
		}
	}
	return n
}

// committed are the marks of the records that a read_committed consumer meets;
// where are their indices in entries.
func (a *aligner) committed(entries []batch.Entry) (marks []mark, where []int) {
	for i := range entries {
		if entries[i].Kind == batch.Data {
			marks = append(marks, a.by.mark(&entries[i]))
			where = append(where, i)
		}
	}
	return marks, where
}

// spread puts the origins of the committed records beside all records; aborted
// ones are copies when the source has a record like them.
func (a *aligner) spread(entries []batch.Entry, f *frame, origins []origin, where []int) []origin {
	out := make([]origin, len(entries))
	for i := range out {
		out[i] = noCopy
	}
	for n, i := range where {
		out[i] = origins[n]
	}
	var like map[[16]byte]int64
	for i := range entries {
		if entries[i].Kind != batch.AbortedData {
			continue
		}
		if like == nil {
			like = make(map[[16]byte]int64, len(f.source))
			for _, m := range f.source {
				like[m.fp] = m.off
			}
		}
		if h, ok := like[a.by.mark(&entries[i]).fp]; ok {
			out[i] = certain(h)
		}
	}
	return out
}

// window reads the source from low on, at least n records of it unless it
// ends, and at most windowMost.
func (a *aligner) window(ctx context.Context, low int64, n int) (*frame, error) {
	src := a.s.src
	if src.bounds.End-src.bounds.Start <= windowMost {
		return a.everything(ctx)
	}
	low = max(low, src.bounds.Start)
	for _, f := range a.seen {
		if i, _ := f.find(low); f.low <= low && low < f.high && (len(f.source)-i >= min(n, windowMost) || f.high >= src.bounds.End) {
			part := f.cut(low, 0)
			part.whole = f.whole
			return part, nil
		}
	}
	f := a.frame(nil, low, low)
	if len(a.seen) == keep {
		a.seen = a.seen[1:]
	}
	a.seen = append(a.seen, f)
	st := src.stream(low, src.bounds.End)
	if n < chunkSize {
		st.max = min(st.max, windowBytes)
	}
	// What an answer holds beyond n is kept too: the next look is mostly near.
	for len(f.source) < min(n, windowMost) || len(st.recs) > 0 && len(f.source) < windowMost {
		e, err := a.record(ctx, st)
		if err != nil {
			return nil, err
		}
		if e == nil {
			f.high, f.markers = src.bounds.End, a.marks
			return f, nil
		}
		f.source = append(f.source, a.by.mark(e))
		f.high, f.markers = e.Offset+1, a.marks
	}
	return f, nil
}

// everything is the source as a whole, read once.
func (a *aligner) everything(ctx context.Context) (*frame, error) {
	src := a.s.src
	if a.all == nil {
		a.all = []mark{}
		for st := src.stream(src.bounds.Start, src.bounds.End); ; {
			e, err := a.record(ctx, st)
			if err != nil {
				return nil, err
			}
			if e == nil {
				break
			}
			a.all = append(a.all, a.by.mark(e))
		}
	}
	f := a.frame(a.all, src.bounds.Start, src.bounds.End)
	f.whole = true
	return f, nil
}

// record is the next record of the source that is no marker; nil at the end. It
// learns where the markers are, and how far timestamps are out of order.
func (a *aligner) record(ctx context.Context, st *stream) (*batch.Entry, error) {
	for {
		e, err := st.entry(ctx)
		if e == nil || err != nil {
			return nil, err
		}
		if e.Kind == batch.Marker {
			a.met(e.Offset)
			continue
		}
		a.ordered++
		a.disorder = max(a.disorder, a.newest-e.Timestamp)
		a.newest = max(a.newest, e.Timestamp)
		return e, nil
	}
}

// met keeps the offset of a marker, as long as forgotten records matter and
// there are not too many.
func (a *aligner) met(offset int64) {
	if a.forgets() <= a.s.src.bounds.Start || len(a.marks) >= windowMost {
		return
	}
	if i, found := slices.BinarySearch(a.marks, offset); !found {
		a.marks = slices.Insert(a.marks, i, offset)
	}
}

// byStep guesses by slope 1 from the nearest copy that is known, or from the
// ends and starts of both logs.
func (a *aligner) byStep(ctx context.Context, entries []batch.Entry) (*frame, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	tgt, src := a.s.tgt.bounds, a.s.src.bounds
	first := entries[0].Offset
	from := src.End - (tgt.End - first)
	if first-tgt.Start < tgt.End-first {
		from = src.Start + (first - tgt.Start)
	}
	if i, _ := slices.BinarySearchFunc(a.known, first, func(k copied, pos int64) int { return int(min(max(k.pos-pos, -1), 1)) }); len(a.known) > 0 {
		i = min(i, len(a.known)-1)
		if i > 0 && first-a.known[i-1].pos < a.known[i].pos-first {
			i--
		}
		from = a.known[i].h + first - a.known[i].pos
	}
	return a.window(ctx, from-nearby, len(entries)+2*nearby)
}

// byTime asks where the source has records of that time.
func (a *aligner) byTime(ctx context.Context, entries []batch.Entry) (*frame, error) {
	low := int64(math.MaxInt64)
	for i := range entries {
		if entries[i].Kind == batch.Data {
			low = min(low, entries[i].Timestamp)
		}
	}
	if low == math.MaxInt64 || low < 0 {
		return nil, nil
	}
	if a.by.time != timeExact {
		low = floorSecond(low)
	}
	found, err := a.s.src.since(ctx, low)
	if err = errors.Join(err, found.Err); err != nil || found.Offset < 0 {
		return nil, ctx.Err() // a look-up that fails is done without
	}
	return a.window(ctx, found.Offset-nearby, 2*len(entries)+4*nearby)
}

// bySyncs takes the part of the source between the offset syncs around.
func (a *aligner) bySyncs(ctx context.Context, entries []batch.Entry) (*frame, error) {
	if a.syncs == nil || len(entries) == 0 {
		return nil, nil
	}
	low, high := a.syncs.around(entries[0].Offset, entries[len(entries)-1].Offset)
	if low < 0 && high < 0 {
		return nil, nil
	}
	n := len(entries) + 2*nearby
	if high >= 0 && high-low < windowMost {
		n = int(max(1, high-low+1))
	}
	f, err := a.window(ctx, max(low, a.s.src.bounds.Start), n)
	if err != nil {
		return nil, err
	}
	if low < 0 || high < 0 || !a.syncs.rise(entries[0].Offset, entries[len(entries)-1].Offset) {
		return f, nil // the mover may have gone back in between, and from anywhere
	}
	return f.cut(low, high+1), nil
}
