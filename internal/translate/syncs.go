package translate

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

// syncPair is one offset sync: the record at source offset source was written to
// target offset target (MirrorMaker 2's OffsetSync).
type syncPair struct{ source, target int64 }

// syncs are the usable offset syncs of one partition, by target offset.
// Those before from may be of an earlier life of the target: they bound nothing.
type syncs struct {
	list []syncPair
	from int
}

// usable keeps of the syncs of one partition, in the order of their log, those
// of this incarnation of both topics: what was written before target offsets
// fell for the last time is of an earlier target, and what points beyond the
// end of a log too.
func usable(all []syncPair, source, target topic.Bounds) *syncs {
	var list []syncPair
	for _, s := range all {
		if n := len(list); n > 0 && s.target < list[n-1].target {
			list = list[:0]
		} else if n > 0 && s.target == list[n-1].target {
			list = list[:n-1]
		}
		list = append(list, s)
	}
	list = slices.DeleteFunc(list, func(s syncPair) bool {
		return s.source < 0 || s.target < 0 || s.source >= source.End || s.target >= target.End
	})
	return &syncs{list: list}
}

func (y *syncs) search(pos int64) (int, bool) {
	return slices.BinarySearchFunc(y.list, pos, func(s syncPair, pos int64) int { return cmp.Compare(s.target, pos) })
}

// at is the source offset of the record at a target offset for which there is
// a sync.
func (y *syncs) at(pos int64) (int64, bool) {
	if y == nil {
		return -1, false
	}
	if i, ok := y.search(pos); ok {
		return y.list[i].source, true
	}
	return -1, false
}

// trusted are those of this life of the target.
func (y *syncs) trusted() *syncs { return &syncs{list: y.list[y.from:]} }

// falls reports whether syncs of target offsets in [from, to) are not of source
// offsets in [low, high) that rise. No syncs show nothing.
func (y *syncs) falls(from, to, low, high int64) bool {
	if y == nil {
		return false
	}
	i, _ := y.search(from)
	for last := low - 1; i < len(y.list) && y.list[i].target < to; i++ {
		if y.list[i].source <= last || y.list[i].source >= high {
			return true
		}
		last = y.list[i].source
	}
	return false
}

// around are the source offsets of the closest syncs at or below first and at
// or above last; -1 where there is none. A pass that went back in between
// widens it.
func (y *syncs) around(first, last int64) (low, high int64) {
	y = y.trusted()
	i, ok := y.search(first)
	if !ok {
		i--
	}
	j, _ := y.search(last)
	low, high = -1, -1
	if i >= 0 {
		low = y.list[i].source
	}
	if j < len(y.list) {
		high = y.list[j].source
	}
	for k := max(i, 0); k <= min(j, len(y.list)-1) && low >= 0; k++ {
		low = min(low, y.list[k].source)
		if high >= 0 {
			high = max(high, y.list[k].source)
		}
	}
	return low, high
}

// rise reports whether the syncs around first and last, and those in between,
// are of source offsets that rise.
func (y *syncs) rise(first, last int64) bool {
	y = y.trusted()
	i, ok := y.search(first)
	if !ok {
		i--
	}
	j, _ := y.search(last)
	for k := max(i, 0) + 1; k <= min(j, len(y.list)-1); k++ {
		if y.list[k].source <= y.list[k-1].source {
			return false
		}
	}
	return true
}

// bracket is what the syncs say around a position.
func (y *syncs) bracket(s int64) *Bracket {
	b := &Bracket{-1, -1, -1, -1}
	for _, k := range y.list {
		if k.source < s {
			if k.source > b.SourceLow {
				b.SourceLow, b.TargetLow = k.source, k.target
			}
		} else if b.SourceHigh < 0 || k.source < b.SourceHigh {
			b.SourceHigh, b.TargetHigh = k.source, k.target
		}
	}
	return b
}

// syncLog is what one offset-syncs topic says, by source partition, in the
// order in which it was written.
type syncLog struct {
	topic SyncTopic
	of    map[topic.Partition][]syncPair
	err   error // it is no such topic, or cannot be read
}

// readSyncs reads an offset-syncs topic, once for all topics. Only the syncs of
// wanted source topics are kept.
func (w *work) readSyncs(ctx context.Context, t SyncTopic, wanted map[string]bool) (*syncLog, error) {
	out := &syncLog{topic: t, of: map[topic.Partition][]syncPair{}}
	log, of := w.source, onSource
	if t.OnTarget {
		log, of = w.target, onTarget
	}
	if log == nil {
		out.err = fmt.Errorf("topic %s cannot be read without its cluster", t.Topic)
		return out, nil
	}
	// MirrorMaker 2 creates it with one partition.
	p := topic.Partition{Topic: t.Topic}
	bounds, err := log.Bounds(ctx, []topic.Partition{p})
	if err != nil {
		return nil, fmt.Errorf("reading the bounds of %s: %w", p, err)
	}
	b := bounds[p]
	if out.err = b.Err; out.err != nil {
		return out, nil
	}
	r := newRounds(w.source, w.target)
	r.join()
	defer r.leave(ctx)
	// Its writer uses no transactions of its own; with exactly-once it does,
	// and what is not committed is no sync.
	s := &side{rounds: r, of: of, part: p, bounds: b, limit: min(b.End, b.Stable), max: 1 << 20}
	for st := s.stream(b.Start, s.limit); ; {
		e, err := st.data(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			out.err = err
			return out, nil
		}
		if e == nil {
			return out, nil
		}
		if e.Kind != batch.Data || e.Value == nil {
			continue
		}
		y, err := mover.ParseOffsetSync(e.Key, e.Value)
		if err != nil {
			out.err = fmt.Errorf("%s at offset %d: %w", p, e.Offset, err)
			return out, nil
		}
		if wanted[y.Source.Topic] {
			out.of[y.Source] = append(out.of[y.Source], syncPair{y.SourceOffset, y.TargetOffset})
		}
	}
}

// checkLife sets aside the offset syncs before the first one whose record is like no
// other nearby: they may be of an earlier life of the target, and of records that
// are alike they would name the wrong ones unseen. Once one is shown to be of this
// life all behind it are. Where each is like others, many syncs show it.
func (a *aligner) checkLife(ctx context.Context) error {
	if a.syncs == nil || a.checked {
		return nil
	}
	a.checked = true
	list := a.syncs.list
	if a.syncs.from = len(list); len(list) == 0 {
		return nil
	}
	for n, step := 0, 1; n < len(list); n, step = n+step, 2*step {
		ok, err := a.telling(ctx, list[n])
		if err != nil {
			return err
		}
		if ok {
			a.syncs.from = n
			return nil
		}
	}
	if len(list) >= manySyncs {
		a.syncs.from = 0
	}
	return nil
}

// manySyncs of a life that is over are hardly all in reach of both logs.
const manySyncs = 8

// telling reports whether both records of an offset sync are there and equal, and
// the source has none like them nearby.
func (a *aligner) telling(ctx context.Context, y syncPair) (bool, error) {
	there, err := a.s.tgt.record(ctx, y.target)
	if err != nil || there == nil || there.Kind == batch.Marker {
		return false, err
	}
	f, err := a.window(ctx, y.source-nearby, 2*nearby)
	if err != nil {
		return false, err
	}
	m, n := a.by.mark(there), 0
	for i := range f.source {
		if f.source[i].fp == m.fp {
			n++
		}
	}
	j, ok := f.find(y.source)
	return ok && n == 1 && f.source[j].fp == m.fp, nil
}

// mm2 is the evidence of MirrorMaker 2's offset syncs, and of equal records
// between them.
type mm2 struct {
	by  printer
	log *syncLog
}

var _ evidence = (*mm2)(nil)

func (m *mm2) what() (Kind, string) {
	where := "the source"
	if m.log.topic.OnTarget {
		where = "the target"
	}
	return KindMM2, fmt.Sprintf("offset syncs in %s on %s, and between them equal records, by %s", m.log.topic.Topic, where, m.by.words())
}

func (m *mm2) own(name string) bool { return m.by.own(name) }

func (m *mm2) tracer(s *solver) tracer {
	return newAligner(s, m.by, usable(m.log.of[s.req.Source], s.src.bounds, s.tgt.bounds))
}

// wide is how many offsets of the target may lie between two offset syncs
// before it is said: MirrorMaker 2 writes one about every hundred records.
const wide = 4096

// sayBracket puts the offset syncs around a position into its proof, and what
// it took where they are far apart.
func (s *solver) sayBracket(a *ask) {
	al, ok := s.tr.(*aligner)
	if !ok || al.syncs == nil {
		return
	}
	b := al.syncs.bracket(a.s)
	a.res.Proof.Bracket = b
	low, high := b.TargetLow, b.TargetHigh
	if low < 0 {
		low = s.tgt.bounds.Start
	}
	if high < 0 {
		high = s.tgt.bounds.End
	}
	if high-low > wide {
		a.res.Notes = append(a.res.Notes, fmt.Sprintf(
			"the offset syncs around %d stand %d offsets of the target apart (the cleaner thins them), so the place was found by contents alone: %d bytes of the source and %d of the target were read for this partition",
			a.s, high-low, s.src.bytes, s.tgt.bytes))
	}
}
