package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/kferry/kferry/internal/store"
)

// TakeOptions say how a snapshot is stored.
type TakeOptions struct {
	// Full: all positions, also when a delta would do.
	Full bool
	// IfChanged: nothing but a mark when nothing has changed since the last
	// snapshot of the same selection.
	IfChanged bool
}

// Taken is what became of a snapshot.
type Taken struct {
	// ID is the new snapshot, or the one that still stands.
	ID string
	// Kind and Base say how it was stored; Bytes is its size.
	Kind, Base string
	Bytes      int
	// Mark is set when nothing has changed: no snapshot was stored.
	Mark *Mark
	// Remarks say what was found damaged on the way, and was begun anew.
	Remarks []string
}

// Take stores a snapshot of a series: as a delta of the full snapshot that the
// last one of the same selection is or builds on, where there is one and the
// delta is short; else as a full one. Without a selection it is Save.
func Take(ctx context.Context, b *store.Bucket, s *Snapshot, o TakeOptions) (Taken, error) {
	c, err := ready(ctx, b, s)
	if err != nil {
		return Taken{}, err
	}
	var out Taken
	last, base, err := c.before(ctx, b, &out)
	if err != nil {
		return out, fmt.Errorf("looking for the snapshot before: %w", err)
	}
	if o.IfChanged && last != nil && unchanged(last, c) {
		e := entry{folder: folder(last.ClusterID), id: last.ID, base: last.Base}
		m, damaged, err := e.look(ctx, b, c.ClusterID, last.Created, c.Created)
		if damaged != nil {
			out.Remarks = append(out.Remarks, "the mark before is begun anew: "+damaged.Error())
		}
		out.ID, out.Kind, out.Base, out.Mark = last.ID, last.Kind, last.Base, m
		return out, err
	}
	if o.Full {
		base = nil
	}
	out.ID, out.Bytes, err = c.put(ctx, b, base)
	if err != nil {
		return out, err
	}
	out.Kind, out.Base = c.Kind, c.Base
	if c.Base == "" {
		return out, nil
	}
	err = c.keepWhole(ctx, b, &out)
	return out, err
}

// keepWhole puts a full snapshot in place of a delta whose base was deleted
// meanwhile.
func (s *Snapshot) keepWhole(ctx context.Context, b *store.Bucket, out *Taken) error {
	there, err := exists(ctx, b, keyOf(s.ClusterID, s.Base, ""))
	if there || err != nil {
		return err
	}
	if err := b.Delete(ctx, keyOf(s.ClusterID, s.ID, s.Base)); err != nil {
		return err
	}
	out.Kind, out.Base = KindFull, ""
	out.ID, out.Bytes, err = s.put(ctx, b, nil)
	return err
}

func exists(ctx context.Context, b *store.Bucket, key string) (bool, error) {
	r, err := b.Get(ctx, key, 0, 1)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = io.Copy(io.Discard, r)
	return true, errors.Join(err, r.Close())
}

// before is the last snapshot of the same selection, and the full one that it
// is or builds on; nil when there is none. What is damaged is passed over with
// a remark: a full snapshot begins anew.
func (s *Snapshot) before(ctx context.Context, b *store.Bucket, out *Taken) (last, base *Snapshot, err error) {
	if s.Selection == nil {
		return nil, nil, nil
	}
	known := newSeries(b)
	for e, err := range newestFirst(ctx, b, s.ClusterID, s.Created, noTime) {
		if err != nil {
			return nil, nil, err
		}
		sum, err := known.of(ctx, e)
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if err != nil || !sum.Selection.same(s.Selection) {
			continue // what cannot be read builds no series
		}
		last, base, err = e.loadBoth(ctx, b)
		if err != nil {
			if ctx.Err() != nil {
				return nil, nil, err
			}
			out.Remarks = append(out.Remarks, "a full snapshot begins anew: "+err.Error())
			return nil, nil, nil
		}
		return last, base, nil
	}
	return nil, nil, nil
}

// unchanged reports whether no position, group or state differs. Log ends, lags
// and numbers of members are not looked at.
func unchanged(a, b *Snapshot) bool {
	return a.Complete == b.Complete && slices.Equal(a.Incomplete, b.Incomplete) &&
		slices.EqualFunc(a.Groups, b.Groups, func(g, h Group) bool {
			return equalHeads(&g, &h) && slices.EqualFunc(g.Positions, h.Positions, func(p, q Position) bool {
				return comparePositions(p, q) == 0 && p.Offset == q.Offset && sameRest(&p, &q)
			})
		})
}
