package plan

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kferry/kferry/internal/group"
)

// maxReadTogether is the number of groups that are read with one call.
const maxReadTogether = 200

// readTogether lets many goroutines read one group each with few requests: what
// is asked for while a reading is under way is read together by the next one.
// A reading is never older than the call that it answers. It is to reading what
// together is to the journal.
type readTogether struct {
	to Reader
	// turn is held while a reading is under way: one is being answered while
	// the next one is on its way.
	turn chan struct{}

	mu      sync.Mutex
	waiting []*wanted
}

// wanted is one group that somebody waits for.
type wanted struct {
	ctx  context.Context //nolint:containedctx // a reading ends when nobody waits for it any more
	name string

	done    chan struct{} // closed when reading and err are final
	reading map[string]group.Reading
	err     error
}

// readsTogether returns a side whose groups are read like that; s is not
// changed.
func readsTogether(s Side) Side {
	if _, done := s.Read.(*readTogether); s.Read != nil && !done {
		s.Read = &readTogether{to: s.Read, turn: make(chan struct{}, 2)}
	}
	return s
}

// Read reads one group together with those that others ask for, several at
// once.
func (g *readTogether) Read(ctx context.Context, names []string) (map[string]group.Reading, error) {
	if len(names) != 1 {
		return g.to.Read(ctx, names)
	}
	w := &wanted{ctx: ctx, name: names[0], done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, w)
	g.mu.Unlock()
	for {
		select {
		case <-w.done:
			return w.reading, w.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case g.turn <- struct{}{}:
			if all := g.take(); len(all) > 0 {
				g.ask(ctx, all)
			}
			<-g.turn
		}
		// More may have waited than one reading takes, or another goroutine
		// took this one along and is still reading.
		if g.taken(w) {
			select {
			case <-w.done:
				return w.reading, w.err
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
}

// taken reports whether somebody has begun to read for w.
func (g *readTogether) taken(w *wanted) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !slices.Contains(g.waiting, w)
}

// take takes those that wait, the oldest first, without such as have given up.
func (g *readTogether) take() []*wanted {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []*wanted
	n := 0
	for ; n < len(g.waiting) && len(all) < maxReadTogether; n++ {
		if w := g.waiting[n]; w.ctx.Err() == nil {
			all = append(all, w)
		}
	}
	g.waiting = append([]*wanted(nil), g.waiting[n:]...)
	return all
}

// ask reads for all of them, as long as one of them waits.
func (g *readTogether) ask(ctx context.Context, all []*wanted) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	var left atomic.Int64
	left.Store(int64(len(all)))
	names, stops := map[string]bool{}, make([]func() bool, 0, len(all))
	for _, w := range all {
		names[w.name] = true
		stops = append(stops, context.AfterFunc(w.ctx, func() { //nolint:contextcheck // each waits on a context of its own
			if left.Add(-1) == 0 {
				cancel(context.Cause(w.ctx))
			}
		}))
	}
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	got, err := g.to.Read(ctx, sortedKeys(names))
	for _, w := range all {
		w.err = err
		if r, ok := got[w.name]; ok && err == nil {
			w.reading = map[string]group.Reading{w.name: cloned(r)}
		}
		close(w.done)
	}
}

// cloned keeps callers apart that ask for the same group.
func cloned(r group.Reading) group.Reading {
	r.Positions = maps.Clone(r.Positions)
	return r
}
