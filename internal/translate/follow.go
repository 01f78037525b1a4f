package translate

import (
	"context"

	"github.com/kferry/kferry/internal/batch"
)

// follow reads on with the originals, a chunk at a time: each chunk is aligned
// with the source behind the last copy that was certain.
func (a *aligner) follow(from, end int64) follower {
	return &alignedFollower{a: a, st: a.s.tgt.stream(from, end), from: from, size: chunkSize}
}

type alignedFollower struct {
	a     *aligner
	st    *stream
	from  int64
	begun bool
	// left is the original of the last certain copy, front; -1 when there is
	// none.
	left    int64
	front   mark
	source  ahead
	waiting []batch.Entry // read and not aligned for good yet
	ready   []traced
	size    int // records per chunk
	ended   bool
}

func (f *alignedFollower) count() int64 { return f.st.read }

func (f *alignedFollower) next(ctx context.Context) (*traced, error) {
	for len(f.ready) == 0 {
		if f.ended && len(f.waiting) == 0 {
			return nil, nil
		}
		if err := f.advance(ctx); err != nil {
			return nil, err
		}
	}
	e := &f.ready[0]
	f.ready = f.ready[1:]
	return e, nil
}

// advance reads a chunk, aligns it and hands out what is certain not to change.
func (f *alignedFollower) advance(ctx context.Context) error {
	if !f.begun {
		f.begun = true
		if err := f.begin(ctx); err != nil {
			return err
		}
	}
	for !f.ended && len(f.waiting) < f.size {
		e, err := f.st.data(ctx)
		if err != nil {
			return err
		}
		if e == nil {
			f.ended = true
			break
		}
		f.waiting = append(f.waiting, *e)
	}
	if len(f.waiting) == 0 {
		return nil
	}
	origins, err := f.align(ctx)
	if err != nil {
		return err
	}
	f.release(origins)
	return nil
}

// begin finds the last certain copy before the first record.
func (f *alignedFollower) begin(ctx context.Context) error {
	f.left = -1
	tgt := f.a.s.tgt
	if f.from <= tgt.bounds.Start {
		return nil
	}
	st, err := tgt.at(ctx, f.from-1)
	if err != nil {
		return err
	}
	origins, err := f.a.s.trace(ctx, st)
	if err != nil {
		return err
	}
	for i := range st.recs {
		if o := origins[i]; st.recs[i].Offset < f.from && st.recs[i].Kind == batch.Data && o.copy() && o.sure() {
			f.left, f.front = o.h, f.a.by.mark(&st.recs[i])
		}
	}
	return nil
}

// align finds the originals of what is waiting.
func (f *alignedFollower) align(ctx context.Context) ([]origin, error) {
	if f.left < 0 {
		return f.a.search(ctx, f.waiting)
	}
	marks, where := f.a.committed(f.waiting)
	var in *frame
	var origins []origin
	for n := 2*len(f.waiting) + nearby; ; n *= 4 {
		var err error
		if in, err = f.source.window(ctx, f.a, f.left+1, n); err != nil {
			return nil, err
		}
		in.low, in.anchored, in.front = f.left+1, true, &f.front
		if j, ok := in.find(f.left); ok {
			in.left = j
		}
		origins = in.align(marks)
		whole := in.high >= f.a.s.src.bounds.End || len(in.source) >= windowMost
		if whole || len(origins) == 0 || origins[len(origins)-1].copy() {
			break
		}
	}
	if err := f.a.elsewhere(ctx, f.waiting, marks, where, origins); err != nil {
		return nil, err
	}
	in.rank(marks, origins)
	return f.a.spread(f.waiting, in, origins, where), nil
}

// release hands out the records up to the last certain copy: what is behind it
// may look otherwise with more of the target read. At the end, and where no
// anchor is found in chunkMost records, all of them are handed out.
func (f *alignedFollower) release(origins []origin) {
	last := -1
	for i := range origins {
		if o := origins[i]; f.waiting[i].Kind == batch.Data && o.copy() && o.sure() {
			last = i
		}
	}
	if last >= 0 {
		f.left, f.front = origins[last].h, f.a.by.mark(&f.waiting[last])
	}
	n := last + 1
	switch {
	case f.ended:
		n = len(origins)
	case n == 0 && f.size < chunkMost:
		f.size *= 2
		return
	case n == 0:
		// Records behind may still show that these are copies of later ones.
		n = len(origins)
		for i := range origins {
			if origins[i].copy() {
				origins[i].most = max(origins[i].most, f.a.s.src.bounds.End-1)
			}
		}
	}
	f.size = chunkSize
	f.ready = make([]traced, n)
	kept := f.waiting[:n]
	for i := range kept {
		f.ready[i] = traced{&kept[i], origins[i]}
	}
	f.waiting = append([]batch.Entry(nil), f.waiting[n:]...)
	if len(f.waiting) >= f.size {
		f.size = 2 * len(f.waiting)
	}
}

// ahead is the source as it is read in step with the target: what the next
// chunk needs again is kept, and the rest of an answer is not thrown away.
type ahead struct {
	st   *stream
	held []mark
	// low is the first offset that held covers, next the one to be read.
	low, next int64
	ended     bool
}

// window is the source from low on, at least n records of it unless it ends,
// and at most windowMost.
func (h *ahead) window(ctx context.Context, a *aligner, low int64, n int) (*frame, error) {
	src := a.s.src
	if src.bounds.End-src.bounds.Start <= windowMost {
		return a.everything(ctx)
	}
	low = max(low, src.bounds.Start)
	if h.st == nil || low < h.low || low > h.next {
		*h = ahead{st: src.stream(low, src.bounds.End), low: low, next: low}
	}
	i, _ := (&frame{source: h.held}).find(low)
	h.held, h.low = append(h.held[:0:0], h.held[i:]...), low
	for len(h.held) < min(n, windowMost) && !h.ended {
		e, err := a.record(ctx, h.st)
		if err != nil {
			return nil, err
		}
		if e == nil {
			h.ended, h.next = true, src.bounds.End
			break
		}
		h.held = append(h.held, a.by.mark(e))
		h.next = e.Offset + 1
	}
	return a.frame(h.held, low, h.next), nil
}
