package translate

import (
	"context"

	"github.com/kferry/kferry/internal/batch"
)

// sameOffset is the tracer of copies that kept their offsets, on a target that
// others may have written to since: a record is a copy when the source has an
// equal one at its offset.
type sameOffset struct {
	s *solver
	// strange: a record that is no copy was met, and the mover can have written
	// nothing behind it.
	strange bool
}

var _ tracer = (*sameOffset)(nil)

func (t *sameOffset) spot(ctx context.Context, st *stretch) ([]origin, error) {
	out := make([]origin, len(st.recs))
	for i := range st.recs {
		out[i] = noCopy
		if st.recs[i].Kind == batch.Marker {
			continue
		}
		here, err := t.s.src.record(ctx, st.recs[i].Offset)
		if err != nil {
			return nil, err
		}
		out[i] = t.judge(&st.recs[i], here)
	}
	return out, nil
}

// judge compares a record with what the source has at its offset, nil nothing.
func (t *sameOffset) judge(there, here *batch.Entry) origin {
	off := there.Offset
	switch {
	case here != nil && here.Kind != batch.Marker && !t.s.differ(here, there):
		return certain(off)
	case here != nil || off >= t.s.src.bounds.End || t.strange:
		return noCopy
	}
	// Where records do not vanish, none was ever there.
	cfg := t.s.req.SourceTopic.Config
	if off >= t.s.src.bounds.Start && cfg.Known && !cfg.Compacted {
		return noCopy
	}
	return origin{h: -1, least: off, most: off, maybe: true}
}

func (t *sameOffset) follow(from, end int64) follower {
	return &sameFollower{t: t, st: t.s.tgt.stream(from, end), src: t.s.src.stream(from, end)}
}

// sameFollower reads both sides in step.
type sameFollower struct {
	t       *sameOffset
	st, src *stream
	here    *batch.Entry // of the source, at or above the last offset asked for
	begun   bool
}

func (f *sameFollower) count() int64 { return f.st.read }

func (f *sameFollower) next(ctx context.Context) (*traced, error) {
	e, err := f.st.data(ctx)
	if e == nil || err != nil {
		return nil, err
	}
	for !f.begun || f.here != nil && f.here.Offset < e.Offset {
		f.begun = true
		if f.here, err = f.src.entry(ctx); err != nil {
			return nil, err
		}
	}
	here := f.here
	if here != nil && here.Offset != e.Offset {
		here = nil
	}
	o := f.t.judge(e, here)
	f.t.strange = f.t.strange || !o.copy() && !o.maybe && e.Kind == batch.Data
	return &traced{e, o}, nil
}
