package translate

import (
	"context"

	"github.com/kferry/kferry/internal/batch"
)

// stream reads one side on and on, a stretch at a time.
type stream struct {
	side *side
	next int64 // to ask for
	end  int64 // not read at or above
	from int64 // records below are passed over
	recs []batch.Entry
	read int64
	max  int32 // bytes per answer
}

func (s *side) stream(from, end int64) *stream {
	from = max(from, s.bounds.Start)
	return &stream{side: s, next: from, from: from, end: min(end, s.limit), max: s.max}
}

// entry is the next record in [from, end); nil at the end. It stays valid until
// the next call.
func (st *stream) entry(ctx context.Context) (*batch.Entry, error) {
	for {
		for len(st.recs) > 0 {
			e := &st.recs[0]
			st.recs = st.recs[1:]
			if e.Offset >= st.from && e.Offset < st.end {
				st.read++
				return e, nil
			}
		}
		if st.next >= st.end {
			return nil, nil
		}
		got, err := st.side.read(ctx, st.next, st.max)
		if err != nil {
			return nil, err
		}
		st.recs, st.from, st.next = got.recs, st.next, got.next
	}
}

// data is the next record that a consumer could be given: committed, aborted
// or not decided yet, but no marker.
func (st *stream) data(ctx context.Context) (*batch.Entry, error) {
	for {
		e, err := st.entry(ctx)
		if e == nil || err != nil || e.Kind != batch.Marker {
			return e, err
		}
	}
}

// undecided reports whether e belongs to a transaction that is still open.
func (st *stream) undecided(e *batch.Entry) bool {
	return e.Transactional && e.Offset >= st.side.bounds.Stable
}
