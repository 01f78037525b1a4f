package oracle

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

// Memory loads pairs into logs that answer as brokers do, without a broker,
// with what brokers may do and the in-process one does not: empty answers over
// existing data, batches cut at the end, gaps between batches, tiny answers,
// records that arrive between two requests.
type Memory struct{}

// Name is the loader's name in the table.
func (Memory) Name() string { return "memory" }

// Load makes the logs.
func (Memory) Load(_ context.Context, seed uint64, topics []TopicPair) (*Loaded, error) {
	r := rand.New(rand.NewPCG(seed, 1))
	src, tgt := newMemoryLog(r), newMemoryLog(r)
	for i := range topics {
		t := &topics[i]
		for p := range t.Pairs {
			one := &t.Pairs[p]
			// What arrives is on the source before it is on the target.
			clock := &clock{source: 1 + r.IntN(5)}
			clock.target = clock.source + r.IntN(3)
			if err := src.add(topic.Partition{Topic: t.source(), Partition: int32(p)}, &one.Source, nil, one.LateSource); err != nil {
				return nil, err
			}
			if err := tgt.add(topic.Partition{Topic: t.target(), Partition: int32(p)}, &one.Target, &t.Header, one.LateTarget); err != nil {
				return nil, err
			}
			from := src.parts[topic.Partition{Topic: t.source(), Partition: int32(p)}]
			from.clock, from.mute = clock, one.Mute
			tgt.parts[topic.Partition{Topic: t.target(), Partition: int32(p)}].clock = clock
		}
	}
	for _, one := range []struct {
		log      *memoryLog
		onTarget bool
	}{{src, false}, {tgt, true}} {
		if err := one.log.addSyncs(syncSpans(r, topics, one.onTarget), one.onTarget); err != nil {
			return nil, err
		}
	}
	return &Loaded{Source: src, Target: tgt, Syncs: syncTopics(), Close: func() {}}, nil
}

// memoryLog is a translate.Log. Safe for concurrent use.
type memoryLog struct {
	// empty answers nothing when not told to wait, one time in empty.
	empty int
	// bytes bounds every answer.
	bytes int
	// cut adds part of the next batch.
	cut bool
	// noStart leaves the log start out of fetch answers, as Fetch before v5.
	noStart bool

	mu    sync.Mutex
	r     *rand.Rand
	parts map[topic.Partition]*memoryPart
}

func newMemoryLog(r *rand.Rand) *memoryLog {
	l := &memoryLog{r: rand.New(rand.NewPCG(r.Uint64(), 2)), parts: map[topic.Partition]*memoryPart{}, cut: r.IntN(2) == 0, noStart: r.IntN(8) == 0}
	if r.IntN(3) == 0 {
		l.empty = 2 + r.IntN(4)
	}
	switch r.IntN(3) {
	case 0:
		l.bytes = 1
	case 1:
		l.bytes = 500 + r.IntN(4000)
	default:
		l.bytes = 1 << 20
	}
	return l
}

// memoryBatch is one batch and where it lies.
type memoryBatch struct {
	base, last int64
	raw        []byte
}

// view is what can be seen of a partition at one time.
type view struct {
	log     Log
	bounds  topic.Bounds
	batches int
	aborted []abortedSpan
}

type abortedSpan struct {
	batch.Aborted
	marker int64
}

type memoryPart struct {
	batches []memoryBatch
	records []batch.Record
	// early is seen by the first calls, then final.
	early, final view
	// late: there is a difference; onTarget: which side it is.
	late, onTarget bool
	// mute: the reader may not ask for leader epochs.
	mute bool
	*clock
}

// clock counts the calls to either side of a pair, and says after how many of
// them the late slots arrive there.
type clock struct {
	mu             sync.Mutex
	calls          int
	source, target int
}

func (l *memoryLog) add(p topic.Partition, log *Log, h *Header, late int) error {
	one := &memoryPart{onTarget: h != nil}
	spans := layout(log, l.r, h, late)
	early := cut(log, late)
	ends := []int64{log.Stable(log.Fates()), log.End(), early.Stable(early.Fates()), early.End()}
	for i := range spans {
		s := &spans[i]
		// A cleaned batch without records may be gone altogether, but not the
		// last one that a reader could get: its segment is not cleaned.
		next := s.last + 1
		if len(s.records) == 0 && !s.marker && !slices.Contains(ends, next) && l.r.IntN(2) == 0 {
			continue
		}
		// Retention drops whole batches at least.
		if s.last < log.Start && l.r.IntN(4) > 0 {
			continue
		}
		raw, err := s.bytes(false, producerID(s.producer), 0, int32(i))
		if err != nil {
			return err
		}
		one.batches = append(one.batches, memoryBatch{s.base, s.last, raw})
		one.records = append(one.records, s.records...)
	}
	one.final = one.view(log)
	if late > 0 {
		one.early, one.late = one.view(&early), true
	}
	l.parts[p] = one
	return nil
}

// addSyncs adds MirrorMaker 2's topic of offset syncs.
func (l *memoryLog) addSyncs(spans []span, onTarget bool) error {
	one := &memoryPart{onTarget: onTarget, clock: &clock{}}
	end := int64(0)
	for i := range spans {
		s := &spans[i]
		raw, err := s.bytes(false, 0, 0, int32(i))
		if err != nil {
			return err
		}
		one.batches = append(one.batches, memoryBatch{s.base, s.last, raw})
		one.records = append(one.records, s.records...)
		end = s.last + 1
	}
	one.final = view{bounds: topic.Bounds{End: end, Stable: end, Epoch: -1}, batches: len(spans)}
	l.parts[topic.Partition{Topic: syncTopic(onTarget)}] = one
	return nil
}

// producerID is 0, which encodes as none, for what is not written in
// transactions.
func producerID(n uint8) int64 {
	if n == 0 {
		return 0
	}
	return 1000 + int64(n)
}

func (m *memoryPart) view(log *Log) view {
	fates := log.Fates()
	v := view{log: *log, bounds: topic.Bounds{Start: log.Start, End: log.End(), Stable: log.Stable(fates), Epoch: -1}}
	if epoch := log.epoch(); epoch > 0 {
		v.bounds.Epoch = epoch
	}
	first := map[uint8]int64{}
	for i, s := range log.Slots {
		off := log.Base + int64(i)
		switch s.Kind {
		case Data:
			if _, ok := first[s.Producer]; !ok && s.Producer != 0 {
				first[s.Producer] = off
			}
		case Abort:
			if f, ok := first[s.Producer]; ok {
				v.aborted = append(v.aborted, abortedSpan{batch.Aborted{ProducerID: producerID(s.Producer), First: f}, off})
			}
			delete(first, s.Producer)
		case Commit:
			delete(first, s.Producer)
		}
	}
	v.batches = sort.Search(len(m.batches), func(i int) bool { return m.batches[i].base >= log.End() })
	return v
}

// now counts a call and says what it sees.
func (m *memoryPart) now() *view {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.late && (m.onTarget && m.calls <= m.target || !m.onTarget && m.calls <= m.source) {
		return &m.early
	}
	return &m.final
}

// Bounds implements translate.Log.
func (l *memoryLog) Bounds(_ context.Context, ps []topic.Partition) (map[topic.Partition]topic.Bounds, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[topic.Partition]topic.Bounds, len(ps))
	for _, p := range ps {
		if one, ok := l.parts[p]; ok {
			out[p] = one.now().bounds
		} else {
			out[p] = topic.Bounds{Err: kerr.UnknownTopicOrPartition}
		}
	}
	return out, nil
}

// Fetch implements translate.Log.
func (l *memoryLog) Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]batch.Chunk, len(asks))
	for i, a := range asks {
		out[i] = l.fetch(a)
	}
	return out, nil
}

func (l *memoryLog) fetch(a batch.Ask) batch.Chunk {
	c := batch.Chunk{Partition: a.Partition, Offset: a.Offset, HighWatermark: -1, Stable: -1, Start: -1}
	m, ok := l.parts[a.Partition]
	if !ok {
		c.Err = kerr.UnknownTopicOrPartition
		return c
	}
	v := m.now()
	if a.Offset < v.bounds.Start || a.Offset > v.bounds.End {
		c.Err = fmt.Errorf("offset %d of %s: %w", a.Offset, a.Partition, kerr.OffsetOutOfRange)
		return c
	}
	c.HighWatermark, c.Stable, c.Start = v.bounds.End, v.bounds.Stable, v.bounds.Start
	if l.noStart {
		c.Start = -1
	}
	if !a.Wait && l.empty > 0 && l.r.IntN(l.empty) == 0 {
		return c
	}
	limit := l.bytes
	if a.MaxBytes > 0 {
		limit = min(limit, int(a.MaxBytes))
	}
	first := sort.Search(v.batches, func(i int) bool { return m.batches[i].last >= a.Offset })
	upper := a.Offset
	for i := first; i < v.batches; i++ {
		b := &m.batches[i]
		if a.Committed && b.base >= v.bounds.Stable {
			break
		}
		if len(c.Raw) > 0 && len(c.Raw)+len(b.raw) > limit {
			if l.cut {
				c.Raw = append(c.Raw, b.raw[:l.r.IntN(len(b.raw))]...)
			}
			break
		}
		c.Raw = append(c.Raw, b.raw...)
		upper = b.last + 1
	}
	if a.Committed {
		for _, ab := range v.aborted {
			if ab.marker >= a.Offset && ab.First < upper {
				c.Aborted = append(c.Aborted, ab.Aborted)
			}
		}
	}
	return c
}

// Since implements translate.Log.
func (l *memoryLog) Since(_ context.Context, times map[topic.Partition]int64) (map[topic.Partition]topic.Stamp, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[topic.Partition]topic.Stamp, len(times))
	for p, t := range times {
		m, ok := l.parts[p]
		if !ok {
			out[p] = topic.Stamp{Offset: -1, Timestamp: -1, Err: kerr.UnknownTopicOrPartition}
			continue
		}
		v := m.now()
		out[p] = topic.Stamp{Offset: -1, Timestamp: -1}
		for _, r := range m.records {
			if r.Offset >= v.bounds.Start && r.Offset < v.bounds.End && r.Timestamp >= t {
				out[p] = topic.Stamp{Offset: r.Offset, Timestamp: r.Timestamp}
				break
			}
		}
	}
	return out, nil
}
