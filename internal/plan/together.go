package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/kferry/kferry/internal/run"
)

// entryBatch is the type of an entry that holds several, in their order.
const entryBatch = "batch"

// maxBatch is the number of bytes of bodies from which on an entry takes no
// more.
const maxBatch = 1 << 20

// batchBody is what several groups had to say while an entry was being written.
type batchBody struct {
	Entries []batchEntry `json:"entries"`
}

type batchEntry struct {
	Type string          `json:"type"`
	Body json.RawMessage `json:"body"`
}

// together lets many goroutines write to a journal that takes one entry at a
// time: what comes while one is being written goes into the next one together,
// so that a journal on a slow disk does not cost its latency once per group.
//
// Append returns when the entry is durable or failed, as that of a run does.
// An object of the store is there as a whole or not at all, so are the entries
// in it; each of them only states what may be done from now on or was read
// back before, by a goroutine that waits for it. An entry that is there without
// its goroutine having gone on is what a process leaves that dies right after
// writing it.
type together struct {
	to journal

	turn sync.Mutex // held while an entry is written; guards done and err of notes

	mu      sync.Mutex
	waiting []*jotting
}

// jotting is one entry on its way.
type jotting struct {
	batchEntry
	done bool
	err  error
}

// Append writes one entry, alone or with those of others.
func (g *together) Append(ctx context.Context, typ string, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding entry %q: %w", typ, err)
	}
	mine := &jotting{batchEntry: batchEntry{typ, raw}}
	g.mu.Lock()
	g.waiting = append(g.waiting, mine)
	g.mu.Unlock()

	g.turn.Lock()
	defer g.turn.Unlock()
	for !mine.done {
		all := g.take()
		err := g.put(ctx, all)
		for _, j := range all {
			j.done, j.err = true, err
		}
	}
	return mine.err
}

// take takes what waits, the oldest first, at least one and not much more than
// maxBatch bytes.
func (g *together) take() []*jotting {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, size := 0, 0
	for n < len(g.waiting) && (n == 0 || size+len(g.waiting[n].Body) <= maxBatch) {
		size += len(g.waiting[n].Body)
		n++
	}
	all := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	return all
}

func (g *together) put(ctx context.Context, all []*jotting) error {
	// One caller that gives up must not take along what others have to say.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalTimeout)
	defer cancel()
	if len(all) == 1 {
		return g.to.Append(ctx, all[0].Type, all[0].Body)
	}
	var b batchBody
	for _, j := range all {
		b.Entries = append(b.Entries, j.batchEntry)
	}
	return g.to.Append(ctx, entryBatch, b)
}

// Unfold gives the entries that an entry holds, itself when it holds no others.
// They have its number, time and fence.
func Unfold(e run.Entry) ([]run.Entry, error) {
	if e.Type != entryBatch {
		return []run.Entry{e}, nil
	}
	var b batchBody
	if err := json.Unmarshal(e.Body, &b); err != nil {
		return nil, fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	out := make([]run.Entry, len(b.Entries))
	for i, one := range b.Entries {
		out[i] = e
		out[i].Type, out[i].Body = one.Type, one.Body
	}
	return out, nil
}
