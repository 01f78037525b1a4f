package inspect

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Side is one cluster as it is seen from here.
type Side struct {
	Log translate.Log
	// Topics are all that may be seen: MirrorMaker 2 is recognised by its own.
	Topics map[string]topic.Topic
}

// Ask names one topic to look at.
type Ask struct {
	Topic string
	// Partitions to look at; nil is all.
	Partitions []int32
	// Source is the topic's name on the source; "" finds it out.
	Source string
}

// Options of Inspect; the zero value is the default.
type Options struct {
	// Full reads every record instead of samples.
	Full bool
	// Header names the header with the source offset where no known one is
	// meant, and Encoding how it is written ("" recognises it).
	Header   string
	Encoding mover.Encoding
	// Wave is how many partitions are sampled in one round (default 64).
	Wave int
	// Parallel is how many partitions are read through at once (default 4).
	Parallel int
	// MaxRuns bounds the memory of a full reading: stretches of 16 bytes, all
	// partitions together (default 2^22).
	MaxRuns int
	// Progress is called, from one goroutine at a time, with offsets done and in
	// all, of a full reading.
	Progress func(done, total int64)
	// Topic is called before each topic, with how many are done and in all.
	Topic func(done, total int)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// work is one Inspect.
type work struct {
	opt    Options
	names  *names
	target reader
	source *reader // nil: none was given
	here   map[string]topic.Topic
	there  map[string]topic.Topic
	budget budget

	mu          sync.Mutex
	done, total int64
	mm2         *mirrors // what MirrorMaker 2 left behind, read once
}

// Inspect looks at topics of the target, with the source's records beside them
// when source is not nil. The error is the context's or that of a whole request;
// what goes wrong with one partition is among the findings of its topic.
//
// It keeps the offsets and the movers' headers of some 150,000 records of the
// topic at work, or of 150 for each partition where that is more, and no
// payloads.
func Inspect(ctx context.Context, target Side, source *Side, asks []Ask, opts *Options) (*Report, error) {
	w := &work{here: target.Topics, target: reader{log: target.Log}}
	if opts != nil {
		w.opt = *opts
	}
	if w.opt.Wave <= 0 {
		w.opt.Wave = 64
	}
	if w.opt.Parallel <= 0 {
		w.opt.Parallel = 4
	}
	if w.opt.MaxRuns <= 0 {
		w.opt.MaxRuns = 1 << 22
	}
	w.names = newNames(w.opt.Header)
	if source != nil {
		w.source, w.there = &reader{log: source.Log}, source.Topics
	}
	w.budget.left.Store(int64(w.opt.MaxRuns))
	if w.opt.Now == nil {
		w.opt.Now = time.Now
	}
	out := &Report{}
	for i, a := range asks {
		if w.opt.Topic != nil {
			w.opt.Topic(i, len(asks))
		}
		t, err := w.inspect(ctx, a)
		if err != nil {
			return nil, err
		}
		out.Topics = append(out.Topics, *t)
	}
	return out, nil
}

// look is one topic on its way.
type look struct {
	ask   Ask
	out   *Topic
	parts []*part
	rec   recognised
	// source is the topic that it is compared with; nil none.
	source *topic.Topic
	bounds map[int32]topic.Bounds // of the source
	// open are the transactions that keep partitions from being decided.
	open map[topic.Partition]topic.Producers
	now  time.Time
	// itself: the source topic would be the topic itself.
	itself bool
	// elsewhere are copies that were found in another source partition than the
	// one of their number.
	elsewhere []found
	// misfits are copies that differ from the source, or that it does not have.
	misfits []misfit
	missing []gap
	gaps    int // holes that were looked up in the source
	// plan is what a plan takes for evidence; nil where that was not asked, or
	// nothing could be read.
	plan *translate.Recognised
	// replica is what MirrorMaker 2 says of it; nil when that was not asked.
	replica *replica
}

func (w *work) inspect(ctx context.Context, ask Ask) (*Topic, error) {
	t := w.here[ask.Topic]
	l := &look{ask: ask, out: &Topic{Name: ask.Topic, ID: t.ID, Config: t.Config, Full: w.opt.Full, Mapping: Unknown}}
	bytes, fetches := w.cost()
	defer func() {
		nowBytes, nowFetches := w.cost()
		l.out.Bytes, l.out.Fetches = nowBytes-bytes, nowFetches-fetches
	}()
	if err := w.begin(ctx, l, t); err != nil {
		return nil, err
	}
	if own, err := w.ownTopic(ctx, l); own || err != nil {
		return l.out, err
	}
	if err := w.headers(ctx, l); err != nil {
		return nil, err
	}
	if err := w.choose(ctx, l); err != nil {
		return nil, err
	}
	if err := w.evidence(ctx, l); err != nil {
		return nil, err
	}
	if err := w.openTransactions(ctx, l); err != nil {
		return nil, err
	}
	l.assemble()
	w.judge(l)
	return l.out, nil
}

// cost is what was read so far, on both sides.
func (w *work) cost() (bytes, fetches int64) {
	bytes, fetches = w.target.bytes.Load(), w.target.fetches.Load()
	if w.source != nil {
		bytes, fetches = bytes+w.source.bytes.Load(), fetches+w.source.fetches.Load()
	}
	return bytes, fetches
}

// begin reads the bounds and the samples of all partitions.
func (w *work) begin(ctx context.Context, l *look, t topic.Topic) error {
	numbers := t.Partitions
	if l.ask.Partitions != nil {
		numbers = slices.DeleteFunc(slices.Clone(numbers), func(n int32) bool { return !slices.Contains(l.ask.Partitions, n) })
	}
	ids := make([]topic.Partition, len(numbers))
	for i, n := range numbers {
		ids[i] = topic.Partition{Topic: t.Name, Partition: n}
	}
	bounds, err := w.target.log.Bounds(ctx, ids)
	if err != nil {
		return err
	}
	every := max(1, len(ids)/widePartitions)
	for i, id := range ids {
		b, ok := bounds[id]
		p := &part{Partition: id, bounds: b, wide: i%every == 0, err: b.Err}
		if !ok {
			p.err = fmt.Errorf("the brokers said nothing of %s", id)
		}
		l.parts = append(l.parts, p)
	}
	w.names.kept = min(max(allRecords/(3*max(1, len(l.parts))), keptRecords), mostRecords)
	return w.surveyAll(ctx, l)
}

// surveyAll samples all partitions, a wave at a time.
func (w *work) surveyAll(ctx context.Context, l *look) error {
	for wave := range slices.Chunk(l.parts, w.opt.Wave) {
		for _, p := range wave {
			p.samples = nil
		}
		if err := w.survey(ctx, wave); err != nil {
			return err
		}
	}
	return nil
}

// headers recognises what movers wrote on the records, finds the source topic,
// and counts.
func (w *work) headers(ctx context.Context, l *look) error {
	l.rec = w.recognise(l.parts, plausible)
	if err := w.findSource(ctx, l); err != nil {
		return err
	}
	highest := int64(-1)
	for _, b := range l.bounds {
		highest = max(highest, b.End)
	}
	if highest >= 0 {
		l.rec = w.recognise(l.parts, highest)
	}
	if err := w.count(ctx, l); err != nil {
		return err
	}
	if l.rec.dec != nil || !w.opt.Full {
		return nil
	}
	// A full reading may have met headers that the samples lack.
	if l.rec = w.recognise(l.parts, plausible); l.rec.dec == nil {
		return nil
	}
	return w.count(ctx, l)
}

// count goes over the samples, or over all records.
func (w *work) count(ctx context.Context, l *look) error {
	if !w.opt.Full {
		for _, p := range l.parts {
			p.count(l.rec.dec, &w.budget)
		}
		return nil
	}
	w.mu.Lock()
	w.done, w.total = 0, 0
	for _, p := range l.parts {
		w.total += p.bounds.End - p.bounds.Start
	}
	w.mu.Unlock()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.opt.Parallel)
	for _, p := range l.parts {
		g.Go(func() error { return w.scan(ctx, p, l.rec.dec) })
	}
	return g.Wait()
}

// scan reads one partition through. The error is the context's; that of the
// partition is kept with it.
func (w *work) scan(ctx context.Context, p *part, dec *decoder) error {
	if p.tally != nil {
		for _, t := range p.tally.tracks {
			t.set.release()
		}
	}
	p.tally, p.pairs = newTally(dec, true, &w.budget), nil
	if p.err != nil {
		return nil //nolint:nilerr // it stays with its partition
	}
	var extra []record
	keepers := w.printed(p)
	from := p.bounds.Start
	err := w.target.through(ctx, place{part: p.Partition, bounds: p.bounds, at: from}, p.bounds.End, func(recs []batch.Entry, next int64) bool {
		for i := range recs {
			e := &recs[i]
			r := record{offset: e.Offset, timestamp: e.Timestamp, kind: e.Kind, open: e.Transactional && e.Offset >= p.bounds.Stable, headers: e.Headers}
			origin, h, fell, ok := p.tally.add(&r)
			switch {
			case ok && (fell || keepers[e.Offset]):
				r.content = batch.Fingerprint(e.Key, e.Value, e.Headers, w.names.added)
				p.pair(&r, origin, h)
			case dec == nil && len(extra) < keptRecords && w.names.marked(&r):
				extra = append(extra, w.names.keep(e, p.bounds.Stable, false, false))
			}
		}
		w.progress(next - from)
		from = next
		return true
	})
	if len(extra) > 0 {
		p.samples = append(p.samples, sample{from: extra[0].offset, next: extra[len(extra)-1].offset + 1, recs: extra})
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.err = err
	}
	return nil
}

// printed are the offsets of the records whose contents the samples kept.
func (*work) printed(p *part) map[int64]bool {
	out := map[int64]bool{}
	for i := range p.samples {
		for j := range p.samples[i].recs {
			if p.samples[i].recs[j].printed {
				out[p.samples[i].recs[j].offset] = true
			}
		}
	}
	return out
}

func (w *work) progress(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done += n
	if w.opt.Progress != nil {
		w.opt.Progress(w.done, w.total)
	}
}
