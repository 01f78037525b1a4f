package translate

import (
	"context"
	"math"
	"slices"

	"github.com/kferry/kferry/internal/batch"
)

// stride is how many source offsets are rather read than passed over: a request
// of its own costs more.
const stride = 4096

// gotBy are the source offsets at or above S that a group has read for certain,
// in order.
func (b *back) gotBy(a *backAsk) []run {
	part := history{}
	for _, r := range b.copies.runs {
		from, end := max(r.pos, a.res.T), min(r.pos+r.n, a.res.U)
		if from < end {
			part.runs = append(part.runs, run{pos: from, h: r.h + from - r.pos, n: end - from})
		}
	}
	return part.offsets(a.res.S)
}

// top is 1 + the highest source offset that the group has read.
func (a *backAsk) top() int64 {
	if len(a.got) == 0 {
		return a.res.S
	}
	last := a.got[len(a.got)-1]
	return last.h + last.n
}

// hunt looks for the lowest record of the source that one group has not read.
type hunt struct {
	a *backAsk
	b *back
	// pending are records with a key that are not on a compacted target, by key,
	// until a later one of that key that was read makes up for them.
	pending map[[16]byte]int64
	hard    int64 // the lowest that nothing can make up for, -1 none
	done    bool
}

// wants is the lowest offset at or above x that matters.
func (h *hunt) wants(x int64) int64 {
	x = max(x, h.a.res.S)
	if len(h.pending) > 0 && x < h.a.top() {
		return x
	}
	i, _ := slices.BinarySearchFunc(h.a.got, x, func(r run, x int64) int {
		switch {
		case r.h+r.n <= x:
			return -1
		case r.h > x:
			return 1
		}
		return 0
	})
	if i < len(h.a.got) && h.a.got[i].h <= x {
		return h.a.got[i].h + h.a.got[i].n
	}
	return x
}

// take looks at one record of the source that a consumer could be given.
func (h *hunt) take(e *batch.Entry) {
	if h.done || e.Offset < h.a.res.S {
		return
	}
	if has(h.a.got, e.Offset) {
		if k := fingerKey(e.Key); e.Key != nil && hasKey(h.pending, k) {
			delete(h.pending, k)
			h.b.held -= keyStretches
		}
	} else if h.hard < 0 {
		h.miss(e)
	}
	// Behind what was read nothing makes up for anything any more.
	h.done = h.hard >= 0 && len(h.pending) == 0 || e.Offset >= h.a.top()-1 && len(h.pending) > 0
}

// miss takes a record that the group has not read.
func (h *hunt) miss(e *batch.Entry) {
	cfg := h.b.s.req.TargetTopic.Config
	if !cfg.Known || !cfg.Compacted || e.Key == nil || e.Offset >= h.a.top() || !h.b.s.afford(h.b.kept()+keyStretches) {
		h.hard = e.Offset
		return
	}
	if h.pending == nil {
		h.pending = map[[16]byte]int64{}
	}
	if k := fingerKey(e.Key); !hasKey(h.pending, k) {
		h.pending[k] = e.Offset
		h.b.held += keyStretches
	}
}

func hasKey(m map[[16]byte]int64, k [16]byte) bool {
	_, ok := m[k]
	return ok
}

// kept is what is remembered, in stretches.
func (b *back) kept() int { return len(b.copies.runs) + 2*len(b.doubts) + b.held }

// findUnread reads the source where what was read has gaps, for all groups at
// once.
func (b *back) findUnread(ctx context.Context) error {
	var hunts []*hunt
	for _, a := range b.asks {
		if !a.done {
			hunts = append(hunts, &hunt{a: a, b: b, hard: -1})
		}
	}
	err := b.walk(ctx, func(x int64) int64 {
		next := int64(math.MaxInt64)
		for _, h := range hunts {
			if !h.done {
				next = min(next, h.wants(x))
			}
		}
		return next
	}, func(e *batch.Entry) {
		for _, h := range hunts {
			h.take(e)
		}
	})
	for _, h := range hunts {
		h.a.unread = h.hard
		b.held -= keyStretches * len(h.pending)
		for _, off := range h.pending {
			if h.a.unread < 0 || off < h.a.unread {
				h.a.unread = off
			}
		}
	}
	return err
}

// walk reads the records of the source that a consumer could be given, passing
// over long stretches that nobody wants: wants is the next wanted offset at or
// above x, the highest number for none.
func (b *back) walk(ctx context.Context, wants func(x int64) int64, take func(*batch.Entry)) error {
	src := b.s.src
	x := wants(src.bounds.Start)
	for x < src.limit {
		st := src.stream(x, src.limit)
		for {
			e, err := st.data(ctx)
			if err != nil {
				return err
			}
			if e == nil {
				b.source += st.read
				return nil
			}
			if e.Kind == batch.AbortedData {
				continue
			}
			take(e)
			if x = wants(e.Offset + 1); x > e.Offset+stride {
				break
			}
		}
		b.source += st.read
	}
	return nil
}

// countRepeats counts the records of the source behind each position that the
// group has read. What was read twice is met again once.
func (b *back) countRepeats(ctx context.Context) error {
	var counts []*count
	for _, a := range b.asks {
		if !a.done && a.res.Back < a.top() && a.unread >= 0 && a.unread < a.top() {
			counts = append(counts, &count{a: a, compacted: b.s.req.TargetTopic.Config.Compacted})
		}
	}
	return b.walk(ctx, func(x int64) int64 {
		next := int64(math.MaxInt64)
		for _, c := range counts {
			if x < c.a.top() {
				next = min(next, max(x, c.a.res.Back))
			}
		}
		return next
	}, func(e *batch.Entry) {
		for _, c := range counts {
			if e.Offset >= c.a.res.Back && e.Offset < c.a.top() {
				c.take(e, b)
			}
		}
	})
}

// count counts the records that one group meets again.
type count struct {
	a         *backAsk
	compacted bool
	// superseded are those by key that a compacted target does not have, until a
	// later one of that key that was read shows that they were made up for.
	superseded map[[16]byte]int64
}

func (c *count) take(e *batch.Entry, b *back) {
	in := has(c.a.got, e.Offset)
	if in {
		c.a.res.Repeats++
	}
	if !c.compacted || e.Key == nil {
		return
	}
	k := fingerKey(e.Key)
	if in {
		if n, ok := c.superseded[k]; ok {
			c.a.res.Repeats += n
			delete(c.superseded, k)
			b.held -= keyStretches
		}
		return
	}
	if c.superseded == nil {
		c.superseded = map[[16]byte]int64{}
	}
	if !hasKey(c.superseded, k) {
		if !b.s.afford(b.kept() + keyStretches) {
			c.a.res.Repeats++ // it may be one, which is not remembered
			return
		}
		b.held += keyStretches
	}
	c.superseded[k]++
}
