package translate

import (
	"context"
	"sync"

	"github.com/kferry/kferry/internal/batch"
)

// rounds turns the reads of many solvers, each written as straight code for
// one partition, into few requests: a read waits until every solver at work
// waits, and then all of them go out together, one Fetch per log. Requests
// thus grow with the number of steps and not with the number of partitions.
//
// A solver must join before its first read and leave after its last, and must
// have at most one read under way; then no partition is asked twice at once.
type rounds struct {
	logs [2]Log

	mu      sync.Mutex
	active  int
	waiting []*read
	count   int // rounds sent
}

// which log a read is for.
type which int

const (
	onSource which = iota
	onTarget
)

type read struct {
	of    which
	ask   batch.Ask
	chunk batch.Chunk
	done  chan struct{}
}

func newRounds(source, target Log) *rounds {
	return &rounds{logs: [2]Log{source, target}}
}

func (r *rounds) join() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active++
}

// leave may complete a round: the others no longer wait for this one.
func (r *rounds) leave(ctx context.Context) {
	r.mu.Lock()
	r.active--
	batch := r.take()
	r.mu.Unlock()
	r.send(ctx, batch)
}

// fetch reads one stretch. The error is that of the context or of the whole
// request; an error of the partition is in the chunk.
func (r *rounds) fetch(ctx context.Context, of which, ask batch.Ask) (batch.Chunk, error) {
	me := &read{of: of, ask: ask, done: make(chan struct{})}
	r.mu.Lock()
	r.waiting = append(r.waiting, me)
	full := r.take()
	r.mu.Unlock()
	r.send(ctx, full)
	// No select on ctx here: send always closes done, and its Fetch ends with
	// the context. Giving up early would leave a round short of a reader.
	<-me.done
	return me.chunk, ctx.Err()
}

// take returns the round if every solver at work waits; r.mu is held.
func (r *rounds) take() []*read {
	if len(r.waiting) == 0 || len(r.waiting) < r.active {
		return nil
	}
	full := r.waiting
	r.waiting = nil
	r.count++
	return full
}

// send asks both logs side by side and hands out the answers.
func (r *rounds) send(ctx context.Context, full []*read) {
	if len(full) == 0 {
		return
	}
	var wg sync.WaitGroup
	for of, log := range r.logs {
		var mine []*read
		for _, w := range full {
			if w.of == which(of) {
				mine = append(mine, w)
			}
		}
		if len(mine) > 0 {
			wg.Go(func() { answer(ctx, log, mine) })
		}
	}
	wg.Wait()
	for _, w := range full {
		close(w.done)
	}
}

func answer(ctx context.Context, log Log, mine []*read) {
	asks := make([]batch.Ask, len(mine))
	for i, w := range mine {
		asks[i] = w.ask
	}
	chunks, err := log.Fetch(ctx, asks)
	for i, w := range mine {
		if err != nil {
			w.chunk = batch.Chunk{Partition: w.ask.Partition, Offset: w.ask.Offset, Err: err}
			continue
		}
		w.chunk = chunks[i]
	}
}
