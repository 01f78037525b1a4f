package snapshot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kferry/kferry/internal/store"
)

// noTime stands for no bound.
var noTime time.Time

// ErrNoneThen says that no snapshot of a cluster is old enough.
var ErrNoneThen = errors.New("there is no snapshot of that time or before it")

// Evidence says how well it is known that a snapshot shows what stood at a
// time.
type Evidence struct {
	// At is the time that was asked for.
	At time.Time
	// Taken is when the snapshot was taken.
	Taken time.Time
	// Until is the last look that found nothing changed; Taken when nobody has
	// looked again. Looks counts the looks after the snapshot, and Gap is the
	// longest time between two: what changed and changed back within it was not
	// seen.
	Until time.Time
	Looks int64
	Gap   time.Duration
	// Next is the first later snapshot of the same selection, empty when there
	// is none: what changed after Until and before NextTaken may have stood at
	// At already.
	Next      string
	NextTaken time.Time
	// Doubt says why the marks could not be read; Until is then Taken.
	Doubt error
}

// Covered reports whether somebody has looked at At or later, and had seen
// nothing change.
func (e *Evidence) Covered() bool { return !e.At.After(e.Until) }

// lookBack is how many series are searched for one of every group.
const lookBack = 64

// At returns what stood on a cluster at a time: the last snapshot at or before
// it, of those that were taken by patterns. One of every group goes before the
// others, whose Summary says what they are of. Snapshots that were taken for
// runs have only the groups of the run and are passed over. Without any it is
// ErrNoneThen.
func At(ctx context.Context, b *store.Bucket, clusterID string, t time.Time) (*Snapshot, Evidence, error) {
	ev := Evidence{At: t.UTC()}
	known := newSeries(b)
	var best entry
	var of Summary
	for e, err := range newestFirst(ctx, b, clusterID, t, t) {
		if err != nil {
			return nil, ev, err
		}
		sum, err := known.of(ctx, e)
		if ctx.Err() != nil {
			return nil, ev, context.Cause(ctx)
		}
		// One that cannot be read was taken for something: what stood then is
		// not guessed from an older one.
		if err != nil && best.id == "" {
			if e.base != "" {
				return nil, ev, &BaseError{ID: e.id, Base: e.base, Err: err}
			}
			return nil, ev, fmt.Errorf("loading snapshot %q: %w", e.id, err)
		}
		if err == nil && sum.Trigger.Kind == Manual && (best.id == "" || sum.Selection.All()) {
			best, of = e, sum
		}
		if of.Selection.All() || best.id != "" && len(known.fulls) > lookBack {
			break
		}
	}
	if best.id == "" {
		return nil, ev, fmt.Errorf("%w: %s of cluster %q", ErrNoneThen, t.UTC().Format(time.RFC3339), clusterID)
	}
	s, err := best.load(ctx, b)
	if err != nil {
		return nil, ev, err
	}
	err = ev.fill(ctx, b, best, s, known)
	return s, ev, err
}

// fill finds out how long a snapshot stood.
func (e *Evidence) fill(ctx context.Context, b *store.Bucket, of entry, s *Snapshot, known *series) error {
	e.Taken, e.Until = s.Created, s.Created
	m, _, err := of.lastMark(ctx, b)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		e.Doubt = err
	case m != nil:
		e.Until, e.Looks, e.Gap = m.Last, m.Looks, m.Gap()
	}
	for next, err := range entriesIn(ctx, b, of.folder, from(s.Created)) {
		if err != nil {
			return err
		}
		if next.id <= of.id {
			continue
		}
		sum, err := known.of(ctx, next)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil && sum.Trigger.Kind == Manual && sum.Selection.same(s.Selection) {
			e.Next, e.NextTaken = next.id, idTime(next.id)
			break
		}
	}
	return nil
}
