package run

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kferry/kferry/internal/store"
)

// The states of a lease.
const (
	stateHeld     = "held"
	stateReleased = "released"
)

// LeaseState is one stored lease object; the last one of a run counts.
type LeaseState struct {
	Run   string `json:"run"`
	Seq   int64  `json:"seq"`
	Fence int64  `json:"fence"`
	// State is held or released.
	State  string `json:"state"`
	Holder Who    `json:"holder"`
	// Token is random, one for each time that a run is taken: it tells a
	// holder its own objects from those of another one in the same process.
	Token string    `json:"token"`
	Since time.Time `json:"since"`
	Time  time.Time `json:"time"`
	Until time.Time `json:"until"`
}

// Held reports whether the run was held when this was written.
func (s LeaseState) Held() bool { return s.State == stateHeld }

// Lease is a run that this process holds. Its methods can be called
// concurrently. It is renewed in the background until Release, which must be
// called.
type Lease struct {
	run   *Run
	fence int64
	token string
	since time.Time
	// cancel ends the context that AcquireLease returned.
	cancel context.CancelCauseFunc
	stop   chan struct{} // closed by Release
	done   chan struct{} // closed when the renewals have ended

	// turn serialises what puts lease objects, and guards seq; see Run.turn.
	turn chan struct{}
	seq  int64 // of the last lease object of ours

	mu       sync.Mutex // never held while anything is read or written
	until    time.Time  // when it ends, by the clock on the wall
	renewed  []renewed  // the objects that renewed it and are not deleted yet
	lost     error
	released bool
	deadline *time.Timer // ends the lease when no renewal gets through
}

func leaseFolder(id string) string { return runKey(id, "lease/") }

// LeaseState returns the last lease object of the run, for lists and for
// messages; ok is false when nobody ever held it.
func (r *Run) LeaseState(ctx context.Context) (s LeaseState, ok bool, err error) {
	s, err = r.lastLease(ctx)
	return s, err == nil && s.Seq > 0, err
}

// lastLease returns the lease object that counts; one with Seq 0 when there is
// none.
func (r *Run) lastLease(ctx context.Context) (LeaseState, error) {
	const tries = 5
	for try := 1; ; try++ {
		last, err := lastNumber(ctx, r.bucket, r.info.ID, leaseFolder(r.info.ID))
		if err != nil {
			return LeaseState{}, fmt.Errorf("run %s: reading the lease: %w", r.info.ID, err)
		}
		if last == 0 {
			return LeaseState{}, nil
		}
		s, err := r.leaseObject(ctx, last)
		// One that is gone was superseded long ago: this reader was too slow.
		if !errors.Is(err, store.ErrNotFound) || try == tries {
			return s, err
		}
	}
}

func (r *Run) leaseObject(ctx context.Context, seq int64) (LeaseState, error) {
	var s LeaseState
	key := numbered(leaseFolder(r.info.ID), seq)
	if _, err := r.bucket.GetJSON(ctx, key, FormatLease, version, &s); err != nil {
		return LeaseState{}, fmt.Errorf("run %s: reading the lease: %w", r.info.ID, err)
	}
	if s.Run != r.info.ID || s.Seq != seq {
		return LeaseState{}, &DamagedError{Run: r.info.ID, Key: key, Problem: fmt.Sprintf("it is lease %d of run %q", s.Seq, s.Run)}
	}
	return s, nil
}

// AcquireLease takes the run, so that Append can be called, and returns a
// context that is cancelled when the lease is lost or released, or ctx ends;
// everything that acts in the name of the run uses it. context.Cause tells
// which: a *FencedError, ErrLeaseLost, or the cause of ctx.
//
// A run that somebody else holds is a *HeldError, after Options.Wait. When the
// holder was a process of this host that is gone, the run is taken at once;
// else when its lease has ended. Entries are to be read after this: an entry of
// the holder before may have been added until the first one of ours.
func (r *Run) AcquireLease(ctx context.Context) (context.Context, *Lease, error) {
	if err := r.bucket.Probe(ctx); err != nil {
		return nil, nil, fmt.Errorf("run %s: taking the lease: %w", r.info.ID, err)
	}
	if err := r.lock(ctx); err != nil {
		return nil, nil, fmt.Errorf("run %s: taking the lease: %w", r.info.ID, err)
	}
	defer r.unlock()
	lease, takeover, err := r.take(ctx)
	if err != nil {
		return nil, nil, err
	}
	r.lease = lease
	if err := r.begin(ctx, takeover); err != nil {
		lease.lose(err)
		r.lease = nil
		// Nothing was done in its name, so the run need not wait for its end.
		return nil, nil, errors.Join(err, lease.putReleased(ctx))
	}
	held, cancel := context.WithCancelCause(ctx)
	lease.start(context.WithoutCancel(ctx), cancel)
	return held, lease, nil
}

// take puts the lease object, waiting for a foreign lease as long as asked.
func (r *Run) take(ctx context.Context) (*Lease, Takeover, error) {
	waitUntil := r.opts.Now().Add(r.opts.Wait)
	for {
		last, err := r.lastLease(ctx)
		if err != nil {
			return nil, Takeover{}, err
		}
		how := r.mayTake(last)
		if how == "" {
			if err := r.awaitLease(ctx, last, waitUntil); err != nil {
				return nil, Takeover{}, err
			}
			continue
		}
		lease := &Lease{
			run: r, fence: last.Seq + 1, token: rand.Text(), since: r.opts.Now().UTC(),
			stop: make(chan struct{}), done: make(chan struct{}), turn: make(chan struct{}, 1),
		}
		err = lease.put(ctx, last.Seq+1, stateHeld)
		if errors.Is(err, store.ErrExists) {
			continue // somebody else was faster: look at what they hold
		}
		if err != nil {
			return nil, Takeover{}, err
		}
		newest, err := lease.settleTake(ctx)
		if err != nil {
			return nil, Takeover{}, err
		}
		if !newest {
			continue // what was looked at was older than thought
		}
		takeover := Takeover{Holder: *r.opts.Who, Taken: how}
		if last.Seq > 0 {
			takeover.Previous = &last.Holder
		}
		return lease, takeover, nil
	}
}

// mayTake says why the run may be taken after the given lease object, or ""
// when it may not.
func (r *Run) mayTake(last LeaseState) string {
	switch {
	case last.Seq == 0:
		return "free"
	case !last.Held():
		return "released"
	case r.opts.Now().After(last.Until.Add(r.opts.Skew)):
		return "expired"
	case r.opts.Gone(last.Holder):
		return "dead"
	default:
		return ""
	}
}

// awaitLease waits a moment for a foreign lease to change, or returns a
// *HeldError when the time to wait is over.
func (r *Run) awaitLease(ctx context.Context, last LeaseState, until time.Time) error {
	left := until.Sub(r.opts.Now())
	if left <= 0 {
		return &HeldError{Run: r.info.ID, Holder: last.Holder, Since: last.Since, Until: last.Until}
	}
	timer := time.NewTimer(min(left, r.opts.TTL/12+time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("run %s: waiting for %s: %w", r.info.ID, last.Holder, ctx.Err())
	}
}

// begin finds the end of the journal and puts the first entry of this holder.
// The holder before may still be adding entries: whenever the number is taken
// by an older fence, the next one is tried; see Run.put.
func (r *Run) begin(ctx context.Context, takeover Takeover) error {
	last, err := lastNumber(ctx, r.bucket, r.info.ID, journalFolder(r.info.ID))
	if err != nil {
		return fmt.Errorf("run %s: reading the journal: %w", r.info.ID, err)
	}
	raw, err := json.Marshal(takeover)
	if err != nil {
		return err
	}
	if last > 0 {
		e, err := r.entry(ctx, last)
		if err != nil {
			return err
		}
		// A number that was deleted, and taken once more: see tidy.go.
		if e.Fence >= r.lease.fence {
			return r.overtaken(ctx, last)
		}
	}
	r.pending = nil
	for r.next = last + 1; ; r.next++ {
		err := r.append(ctx, TypeLease, raw)
		var fenced *FencedError
		if !errors.As(err, &fenced) || fenced.Fence >= r.lease.fence {
			return err
		}
	}
}
