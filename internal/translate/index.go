package translate

import (
	"slices"
	"sort"

	"github.com/kferry/kferry/internal/batch"
)

// copied is one copy on the target: position p and h(p).
type copied struct {
	pos, h int64
	// sure is false where records are alike and h is only one that fits.
	sure bool
	// least and most are the lowest and the greatest h that fit.
	least, most int64
	// loose: a pass may begin here.
	loose bool
	// aborted copies belong to an aborted transaction: they are no copies to a
	// read_committed consumer, and T is moved back behind them all the same.
	aborted bool
}

// view is what one stretch of the target shows.
type view struct {
	from, next int64
	copies     []copied
}

// index is what is known of the copies on one target partition: views that do
// not overlap, in order.
type index struct {
	views []view
	// met says what was seen that makes counting unsafe.
	natives, markers, aborted, transactional bool
}

// look turns a stretch into a view.
func (ix *index) look(st *stretch, origins []origin) view {
	v := view{from: st.from, next: st.next}
	for i := range st.recs {
		r := &st.recs[i]
		ix.transactional = ix.transactional || r.Transactional
		if r.Kind == batch.Marker {
			ix.markers = true
			continue
		}
		o := origins[i]
		if !o.copy() {
			ix.natives = true
			continue
		}
		c := copied{pos: r.Offset, h: o.h, sure: o.sure(), least: o.least, most: o.most, loose: o.loose, aborted: r.Kind == batch.AbortedData}
		ix.aborted = ix.aborted || c.aborted
		v.copies = append(v.copies, c)
	}
	return v
}

// add takes a view in, cut to what was not known yet.
func (ix *index) add(v view) {
	for _, part := range ix.unknown(v.from, v.next) {
		piece := view{from: part.from, next: part.next}
		for _, c := range v.copies {
			if c.pos >= part.from && c.pos < part.next {
				piece.copies = append(piece.copies, c)
			}
		}
		i := sort.Search(len(ix.views), func(i int) bool { return ix.views[i].from > piece.from })
		ix.views = slices.Insert(ix.views, i, piece)
	}
}

// span is a half-open range of target offsets.
type span struct{ from, next int64 }

// unknown lists the parts of [from, next) that no view covers.
func (ix *index) unknown(from, next int64) []span {
	var out []span
	for _, v := range ix.views {
		if v.next <= from || from >= next {
			continue
		}
		if v.from >= next {
			break
		}
		if v.from > from {
			out = append(out, span{from, v.from})
		}
		from = v.next
	}
	if from < next {
		out = append(out, span{from, next})
	}
	return out
}

// bracket is what is known about the place of S: lo is the last known
// committed copy below S before hi, the copy at or above S. Either may be
// missing. open are the unread parts between them; none means that hi is the
// copy that T is before.
type bracket struct {
	lo, hi *copied
	open   []span
	// after is 1 + the last copy, committed or aborted, known before hi, or the
	// log start.
	after int64
}

// bracket looks from the end of the log backwards, so that the last pass is
// found first.
func (ix *index) bracket(s, start, limit int64) bracket {
	var br bracket
	br.after = start
	for i := len(ix.views) - 1; i >= 0 && br.lo == nil; i-- {
		for j := len(ix.views[i].copies) - 1; j >= 0; j-- {
			c := &ix.views[i].copies[j]
			if c.aborted {
				continue
			}
			if c.h < s {
				br.lo = c
				break
			}
			br.hi = c
		}
	}
	from, next := start, limit
	if br.lo != nil {
		from = br.lo.pos + 1
	}
	if br.hi != nil {
		next = br.hi.pos
	}
	br.open = ix.unknown(from, next)
	br.after = ix.after(next, start)
	return br
}

// after is 1 + the last known copy, committed or aborted, below pos; start if
// there is none.
func (ix *index) after(pos, start int64) int64 {
	for _, v := range slices.Backward(ix.views) {
		for _, c := range slices.Backward(v.copies) {
			if c.pos < pos {
				return c.pos + 1
			}
		}
	}
	return start
}

// last is the last known committed copy below limit, and first the first one.
func (ix *index) last() (copied, bool) {
	for _, v := range slices.Backward(ix.views) {
		for _, c := range slices.Backward(v.copies) {
			if !c.aborted {
				return c, true
			}
		}
	}
	return copied{}, false
}

func (ix *index) first() (copied, bool) {
	for _, v := range ix.views {
		for _, c := range v.copies {
			if !c.aborted {
				return c, true
			}
		}
	}
	return copied{}, false
}

// level reports whether every known copy at or behind from stands on slope 1
// through (pos, h) and is committed.
func (ix *index) level(from int64, through copied) bool {
	for _, v := range ix.views {
		for _, c := range v.copies {
			if c.pos >= from && (c.aborted || !c.sure || c.h-c.pos != through.h-through.pos) {
				return false
			}
		}
	}
	return true
}

// highest is the greatest h known, committed.
func (ix *index) highest() int64 {
	top := int64(-1)
	for _, v := range ix.views {
		for _, c := range v.copies {
			if !c.aborted {
				top = max(top, c.h)
			}
		}
	}
	return top
}
