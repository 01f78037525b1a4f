package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/kferry/kferry/internal/store"
)

// TypeLease is the type of the entry with which each holder begins; it is
// written by AcquireLease. All other types belong to the caller.
const TypeLease = "lease"

// Entry is one entry of the journal of a run.
type Entry struct {
	Run string `json:"run"`
	// Seq is the number of the entry, from 1 without gaps.
	Seq  int64     `json:"seq"`
	Time time.Time `json:"time"`
	// Fence is the fencing number of the lease under which it was written.
	Fence int64           `json:"fence"`
	Type  string          `json:"type"`
	Body  json.RawMessage `json:"body"`
}

// Takeover is the body of an entry of TypeLease.
type Takeover struct {
	Holder Who `json:"holder"`
	// Previous is the holder before, if there was one.
	Previous *Who `json:"previous,omitempty"`
	// Taken says why the run could be taken: free (nobody had held it),
	// released, expired, or dead (the process was gone).
	Taken string `json:"taken"`
}

func journalFolder(id string) string { return runKey(id, "journal/") }

// lock takes the turn to write.
func (r *Run) lock(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Run) unlock() { <-r.turn }

// Append writes the next entry; it is durable when Append returns nil. It
// needs a lease (ErrNoLease). When somebody else has taken the run over, the
// error is a *FencedError, the context that AcquireLease returned is cancelled
// and every later Append fails.
//
// After any other error the entry may be in the journal, or may come to be
// there later. It is then put again before the next entry, so its place is
// settled and it is never overtaken; an entry is a statement that something
// may be done from now on, and a reader looks at the cluster to see whether it
// was. A context that has ended before the first attempt writes nothing.
func (r *Run) Append(ctx context.Context, typ string, body any) error {
	if typ == "" || typ == TypeLease {
		return fmt.Errorf("run %s: entry type %q is not for callers", r.info.ID, typ)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("run %s: encoding entry %q: %w", r.info.ID, typ, err)
	}
	if err := r.lock(ctx); err != nil {
		return fmt.Errorf("run %s: appending %q: %w", r.info.ID, typ, err)
	}
	defer r.unlock()
	if r.lease == nil {
		return fmt.Errorf("run %s: appending %q: %w", r.info.ID, typ, ErrNoLease)
	}
	if err := r.lease.Confirm(ctx, 0); err != nil {
		return err
	}
	err = r.settle(ctx)
	if err == nil {
		err = r.append(ctx, typ, raw)
	}
	var fenced *FencedError
	if !errors.As(err, &fenced) {
		return err
	}
	if fenced.Fence <= r.lease.fence {
		// AcquireLease has put the first entry of this fence; see put.
		err = &DamagedError{Run: r.info.ID, Key: fenced.Object, Problem: fmt.Sprintf("fence %d after fence %d", fenced.Fence, r.lease.fence)}
	}
	r.lease.lose(err)
	return err
}

// settle puts an entry again whose put ended without a clear answer.
func (r *Run) settle(ctx context.Context) error {
	if r.pending == nil {
		return nil
	}
	return r.put(ctx, r.pending)
}

// append encodes and puts one entry under the current lease.
func (r *Run) append(ctx context.Context, typ string, raw json.RawMessage) error {
	if r.next > maxNumber {
		return fmt.Errorf("run %s: appending %q: the journal is full", r.info.ID, typ)
	}
	data, err := store.Encode(FormatEntry, version, Entry{
		Run: r.info.ID, Seq: r.next, Time: r.opts.Now().UTC(), Fence: r.lease.fence, Type: typ, Body: raw,
	})
	if err != nil {
		return fmt.Errorf("run %s: appending %q: %w", r.info.ID, typ, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("run %s: appending %q: %w", r.info.ID, typ, err)
	}
	return r.put(ctx, data)
}

// put puts the bytes of entry r.next. The number is a compare-and-swap on the
// end of the journal:
//
//	A (fence 1)                     B (fence 2)
//	knows entries 1..4, is stopped
//	                                takes the lease, puts entry 5 (fence 2)
//	wakes, puts entry 5: refused
//	reads entry 5, sees fence 2, stops for good
//
// Had A been faster, B's entry 5 would have been refused, and B would have
// read A's before it went on (AcquireLease). Either way no entry of fence 1
// stands after the first of fence 2.
func (r *Run) put(ctx context.Context, data []byte) error {
	key := numbered(journalFolder(r.info.ID), r.next)
	err := r.bucket.PutSame(ctx, key, data)
	switch {
	case err == nil:
		r.next++
		r.pending = nil
		return nil
	case errors.Is(err, store.ErrExists):
		return r.overtaken(ctx, r.next)
	default:
		r.pending = data
		return fmt.Errorf("run %s: writing journal entry %d: %w", r.info.ID, r.next, err)
	}
}

// overtaken returns the *FencedError for an entry number that is taken.
func (r *Run) overtaken(ctx context.Context, seq int64) error {
	entry, err := r.entry(ctx, seq)
	if err != nil {
		return err
	}
	fenced := &FencedError{Run: r.info.ID, Object: fmt.Sprintf("journal entry %d", seq), Fence: entry.Fence, Mine: r.lease.fence}
	// Who it is can be read from the lease; that this fails changes nothing.
	if last, err := r.lastLease(ctx); err == nil && last.Fence > r.lease.fence {
		fenced.Holder = last.Holder
	}
	return fenced
}

// entry reads one entry and checks that it is where it belongs.
func (r *Run) entry(ctx context.Context, seq int64) (Entry, error) {
	var e Entry
	key := numbered(journalFolder(r.info.ID), seq)
	if _, err := r.bucket.GetJSON(ctx, key, FormatEntry, version, &e); err != nil {
		return Entry{}, fmt.Errorf("run %s: reading journal entry %d: %w", r.info.ID, seq, err)
	}
	if e.Run != r.info.ID || e.Seq != seq {
		return Entry{}, &DamagedError{Run: r.info.ID, Key: key, Problem: fmt.Sprintf("it is entry %d of run %q", e.Seq, e.Run)}
	}
	return e, nil
}

// Entries yields the journal from its first entry to its end, and checks that
// there is no gap and that the fence rises only with a new holder. It ends
// after the first error: a *DamagedError, a *store.FormatError, or one of the
// store. It can be called without a lease, and then may miss what is appended
// meanwhile.
func (r *Run) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var fence int64
		for seq := int64(1); ; seq++ {
			e, err := r.entry(ctx, seq)
			if errors.Is(err, store.ErrNotFound) {
				if e, err = r.atEnd(ctx, seq); err == nil && e.Seq == 0 {
					return
				}
			}
			if err == nil {
				err = r.checkFence(e, fence)
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			fence = e.Fence
			if !yield(e, nil) {
				return
			}
		}
	}
}

// atEnd is called when entry seq is not there: the journal ends, or has a gap,
// or the entry has appeared meanwhile and is returned. An entry above is looked
// for first and the missing one after it: entries appear in order, so one that
// is still missing then has been lost.
func (r *Run) atEnd(ctx context.Context, seq int64) (Entry, error) {
	folder := journalFolder(r.info.ID)
	above := ""
	for o, err := range r.bucket.List(ctx, store.Query{Prefix: folder, After: numbered(folder, seq-1)}) {
		if err != nil {
			return Entry{}, fmt.Errorf("run %s: reading the journal: %w", r.info.ID, err)
		}
		above = o.Key
		break
	}
	if above == "" {
		return Entry{}, nil
	}
	e, err := r.entry(ctx, seq)
	if errors.Is(err, store.ErrNotFound) {
		return Entry{}, &DamagedError{
			Run: r.info.ID, Key: numbered(folder, seq), Problem: "it is missing, and there is " + above,
		}
	}
	return e, err
}

// checkFence checks the order of an entry after one with the given fence.
func (r *Run) checkFence(e Entry, before int64) error {
	problem := ""
	switch {
	case e.Fence < before:
		problem = fmt.Sprintf("fence %d after fence %d", e.Fence, before)
	case e.Fence > before && e.Type != TypeLease:
		problem = fmt.Sprintf("fence %d begins with an entry of type %q", e.Fence, e.Type)
	case e.Fence == before && e.Type == TypeLease:
		problem = fmt.Sprintf("fence %d begins twice", e.Fence)
	default:
		return nil
	}
	return &DamagedError{Run: r.info.ID, Key: numbered(journalFolder(r.info.ID), e.Seq), Problem: problem}
}

// Last returns the last entry of the journal without reading the others; ok is
// false when there is none.
func (r *Run) Last(ctx context.Context) (e Entry, ok bool, err error) {
	last, err := lastNumber(ctx, r.bucket, r.info.ID, journalFolder(r.info.ID))
	if err != nil || last == 0 {
		return Entry{}, false, err
	}
	e, err = r.entry(ctx, last)
	return e, err == nil, err
}
