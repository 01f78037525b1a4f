package translate

import (
	"context"

	"github.com/kferry/kferry/internal/batch"
)

// origin says what a target record is a copy of.
type origin struct {
	// h is the source offset; below 0 the record is no copy.
	h int64
	// least and most bound it: they differ from h where records are alike and
	// the neighbours do not decide which of them this is a copy of.
	least, most int64
	// loose: h is neither certain nor in step with the copies beside it, so that
	// this may as well be a copy of a record like it in another pass.
	loose bool
	// alike: others like the original stand around it, and records on both sides
	// do not pair off one to one between two that are like no other.
	alike bool
	// maybe: h is below 0, and yet this may be a copy of a record from least to
	// most that the source has forgotten.
	maybe bool
}

// noCopy is the origin of what the mover did not write.
var noCopy = origin{h: -1, least: -1, most: -1}

func certain(h int64) origin { return origin{h: h, least: h, most: h} }

func (o origin) copy() bool { return o.h >= 0 }

// sure reports whether only one source offset fits.
func (o origin) sure() bool { return o.least == o.most }

// doubtful reports whether it is open on which side of s the original stands.
func (o origin) doubtful(s int64) bool { return o.least < s && s <= o.most }

// tracer says of the records of one target partition what they are copies of.
// It is used by one goroutine, as its solver is.
type tracer interface {
	// spot says it for each record of a stretch, wherever that lies. Errors
	// are a *evidenceError, those of reading, or a *tooManyError.
	spot(ctx context.Context, st *stretch) ([]origin, error)
	// follow reads on from one offset to another.
	follow(from, end int64) follower
}

// follower yields the records of the target that are no markers, in order,
// with their origins; nil at the end. A record stays valid until the next call.
type follower interface {
	next(ctx context.Context) (*traced, error)
	// count is the number of records read so far.
	count() int64
}

// traced is a record and what it is a copy of.
type traced struct {
	*batch.Entry
	origin
}

// committed reports whether the record is a copy to a read_committed consumer.
func (t *traced) committed() bool { return t.Kind == batch.Data && t.copy() }

// recordwise is the tracer of evidence that every record carries itself.
type recordwise struct {
	tgt *side
	// source is the source offset that r was copied from; ok is false for a
	// record that is no copy.
	source func(r *batch.Record) (h int64, ok bool, err error)
}

var _ tracer = (*recordwise)(nil)

func (t *recordwise) origin(e *batch.Entry) (origin, error) {
	if e.Kind == batch.Marker {
		return noCopy, nil
	}
	h, ok, err := t.source(&e.Record)
	if err != nil || !ok {
		return noCopy, err
	}
	return certain(h), nil
}

func (t *recordwise) spot(_ context.Context, st *stretch) ([]origin, error) {
	out := make([]origin, len(st.recs))
	for i := range st.recs {
		var err error
		if out[i], err = t.origin(&st.recs[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t *recordwise) follow(from, end int64) follower {
	return &recordwiseFollower{t: t, st: t.tgt.stream(from, end)}
}

type recordwiseFollower struct {
	t  *recordwise
	st *stream
}

func (f *recordwiseFollower) next(ctx context.Context) (*traced, error) {
	e, err := f.st.data(ctx)
	if e == nil || err != nil {
		return nil, err
	}
	o, err := f.t.origin(e)
	return &traced{e, o}, err
}

func (f *recordwiseFollower) count() int64 { return f.st.read }

// trace says of the records of a stretch of the target what they are copies
// of; the answer is kept with the stretch.
func (s *solver) trace(ctx context.Context, st *stretch) ([]origin, error) {
	if st.origins == nil {
		origins, err := s.tr.spot(ctx, st)
		if err != nil {
			return nil, err
		}
		st.origins = origins
	}
	return st.origins, nil
}
