package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kferry/kferry/internal/store"
)

// Fence returns the fencing number of this lease.
func (l *Lease) Fence() int64 { return l.fence }

// Err returns why the lease is lost, nil while it is held.
func (l *Lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// lose ends the lease for good; the first reason counts.
func (l *Lease) lose(err error) {
	l.mu.Lock()
	if l.lost == nil {
		l.lost = err
	}
	err = l.lost
	l.mu.Unlock()
	if l.cancel != nil {
		l.cancel(err)
	}
}

// start begins to renew in the background. ctx is for the renewals: they go on
// when the work is cancelled, so that its cleaning up is covered, and end with
// Release.
func (l *Lease) start(ctx context.Context, cancel context.CancelCauseFunc) {
	l.cancel = cancel
	l.mu.Lock()
	l.deadline = time.AfterFunc(l.until.Sub(l.run.opts.Now()), l.expired)
	l.mu.Unlock()
	go l.renewals(ctx)
}

// expired runs when no renewal got through in time, also while one hangs.
func (l *Lease) expired() {
	l.lose(fmt.Errorf("run %s: %w: it could not be renewed in time", l.run.info.ID, ErrLeaseLost))
}

func (l *Lease) renewals(ctx context.Context) {
	defer close(l.done)
	pause := l.run.opts.TTL / 3
	for {
		timer := time.NewTimer(pause)
		select {
		case <-l.stop:
			timer.Stop()
			return
		case <-timer.C:
		}
		// A renewal that fails for a passing reason is tried again soon; when
		// none gets through, the deadline ends the lease.
		pause = l.run.opts.TTL / 3
		if err := l.renew(ctx); err != nil {
			pause = l.run.opts.TTL / 12
		} else {
			l.tidy(ctx)
		}
		if l.Err() != nil {
			return
		}
	}
}

// lock takes the turn to put a lease object.
func (l *Lease) lock(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Lease) unlock() { <-l.turn }

// renew puts the next lease object. Losing that put to somebody else ends the
// lease; another error does not.
func (l *Lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.run.opts.TTL/3)
	defer cancel()
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	if err := l.Err(); err != nil {
		return err
	}
	err := l.put(ctx, l.seq+1, stateHeld)
	if errors.Is(err, store.ErrExists) {
		err = l.adopt(ctx)
	}
	return err
}

// adopt looks at the lease object whose number was taken. It is our own when
// the answer to an earlier renewal was lost; else the run is somebody else's.
func (l *Lease) adopt(ctx context.Context) error {
	s, err := l.run.leaseObject(ctx, l.seq+1)
	if err != nil {
		return err
	}
	if s.Token == l.token && s.Held() {
		l.seq = s.Seq
		l.note(s.Seq, l.run.opts.Now())
		l.extend(s.Until)
		return nil
	}
	err = &FencedError{
		Run: l.run.info.ID, Object: fmt.Sprintf("lease %d", s.Seq), Fence: s.Fence, Mine: l.fence, Holder: s.Holder,
	}
	l.lose(err)
	return err
}

// put puts one lease object of ours. The end of the lease is counted from
// before the put, so that a slow one cannot make it longer.
func (l *Lease) put(ctx context.Context, seq int64, state string) error {
	if seq > maxNumber {
		return fmt.Errorf("run %s: the numbers of lease objects have run out", l.run.info.ID)
	}
	now := l.run.opts.Now().UTC()
	s := LeaseState{
		Run: l.run.info.ID, Seq: seq, Fence: l.fence, State: state, Holder: *l.run.opts.Who, Token: l.token,
		Since: l.since, Time: now, Until: now,
	}
	if state == stateHeld {
		s.Until = now.Add(l.run.opts.TTL)
	}
	data, err := store.Encode(FormatLease, version, s)
	if err != nil {
		return err
	}
	if err := l.run.bucket.PutSame(ctx, numbered(leaseFolder(l.run.info.ID), seq), data); err != nil {
		return fmt.Errorf("run %s: writing lease %d: %w", l.run.info.ID, seq, err)
	}
	l.seq = seq
	if state == stateHeld {
		l.note(seq, l.run.opts.Now())
		l.extend(s.Until)
	}
	return nil
}

// extend notes when the lease ends, now that this is in the store.
func (l *Lease) extend(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = until
	if l.deadline != nil {
		l.deadline.Reset(until.Sub(l.run.opts.Now()))
	}
}

// Confirm makes sure that the lease holds for at least need from now on,
// renewing it if necessary; whatever sends a request that must not outlive the
// lease calls it with the time-out of the request. It goes by the clock on the
// wall, because timers stand still while a machine sleeps.
func (l *Lease) Confirm(ctx context.Context, need time.Duration) error {
	if err := l.Err(); err != nil {
		return err
	}
	if need >= l.run.opts.TTL {
		return fmt.Errorf("run %s: a lease of %s cannot cover %s", l.run.info.ID, l.run.opts.TTL, need)
	}
	err := ctx.Err()
	if err == nil && !l.lasts(need) {
		err = l.renew(ctx)
	}
	if err != nil {
		return fmt.Errorf("run %s: confirming the lease: %w", l.run.info.ID, err)
	}
	return l.Err()
}

// lasts reports whether the lease ends later than need from now.
func (l *Lease) lasts(need time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.run.opts.Now().Add(need).Before(l.until)
}

// Release gives the run back, so that another process need not wait, and ends
// the context that AcquireLease returned. It works also when ctx has ended. It
// returns the reason when the lease was lost before. Calling it again does
// nothing.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	again, lost := l.released, l.lost
	l.released = true
	l.mu.Unlock()
	if again {
		return nil
	}
	// The work ends before the run is given back.
	l.lose(fmt.Errorf("run %s: %w: it was released", l.run.info.ID, ErrLeaseLost))
	close(l.stop)
	<-l.done
	l.mu.Lock()
	l.deadline.Stop()
	l.mu.Unlock()
	if lost != nil {
		return lost
	}
	return l.putReleased(ctx)
}

// putReleased puts the lease object that ends ours.
func (l *Lease) putReleased(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := l.lock(ctx); err != nil {
		return fmt.Errorf("run %s: releasing the lease: %w", l.run.info.ID, err)
	}
	defer l.unlock()
	err := l.put(ctx, l.seq+1, stateReleased)
	if errors.Is(err, store.ErrExists) {
		if err = l.adopt(ctx); err == nil {
			err = l.put(ctx, l.seq+1, stateReleased)
		}
	}
	return err
}
