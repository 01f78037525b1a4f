package run_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/store/storetest"
)

// leaseHook is a store in which the puts of lease objects can be broken.
type leaseHook struct {
	inner  *memstore.Store
	broken atomic.Bool // they fail
	hang   atomic.Bool // they do not come back while this is set
	deaf   atomic.Bool // they land, and the answer is lost
	woken  chan struct{}
}

var errBroken = errors.New("the store cannot be reached")

func newLeaseHook() *leaseHook {
	return &leaseHook{inner: memstore.New(), woken: make(chan struct{})}
}

func (h *leaseHook) driver() *storetest.Hook {
	return storetest.NewHook(h.inner, func(op storetest.Op) error {
		if !isLease(op.Key) {
			return op.Do()
		}
		if h.hang.Load() {
			<-h.woken
		}
		if h.broken.Load() {
			return errBroken
		}
		err := op.Do()
		if err == nil && h.deaf.Load() {
			return errBroken
		}
		return err
	})
}

func isLease(key string) bool { return len(key) > 19 && key[len(key)-19:len(key)-13] == "lease/" }

func leaseSeq(t *testing.T, r *run.Run) run.LeaseState {
	t.Helper()
	s, ok, err := r.LeaseState(t.Context())
	if err != nil || !ok {
		t.Fatalf("no lease: %v", err)
	}
	return s
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := create(t, bucketOn(memstore.New()), process("anna"))
		held, lease, err := r.AcquireLease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		if held.Err() != nil {
			t.Fatalf("the lease is lost: %v", context.Cause(held))
		}
		s := leaseSeq(t, r)
		if s.Seq != 31 || s.Fence != 1 || !s.Held() || !s.Since.Equal(began) || !s.Until.Equal(began.Add(11*time.Minute)) {
			t.Errorf("after 10 minutes it is %+v, want a renewal each 20 s", s)
		}
		appendNotes(t, r, "one")
		if err := lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := leaseSeq(t, r); s.Seq != 32 || s.Held() {
			t.Errorf("after the release it is %+v", s)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Errorf("releasing again: %v", err)
		}
	})
}

// TestRenewalOutlivesWork: cleaning up after an interrupt is covered.
func TestRenewalOutlivesWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := create(t, bucketOn(memstore.New()), process("anna"))
		ctx, interrupt := context.WithCancel(t.Context())
		held, lease, err := r.AcquireLease(ctx)
		if err != nil {
			t.Fatal(err)
		}
		interrupt()
		if !errors.Is(held.Err(), context.Canceled) || lease.Err() != nil {
			t.Errorf("after the interrupt: %v, %v", held.Err(), lease.Err())
		}
		time.Sleep(5 * time.Minute)
		appendNotes(t, r, "cleaning up")
		if err := lease.Release(ctx); err != nil {
			t.Fatal(err)
		}
		if leaseSeq(t, r).Held() {
			t.Error("an interrupted run was not released")
		}
	})
}

func TestRenewalFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		set  func(h *leaseHook)
	}{
		{"with an error", func(h *leaseHook) { h.broken.Store(true) }},
		{"without an answer", func(h *leaseHook) { h.hang.Store(true) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newLeaseHook()
				r := create(t, bucketOn(h.driver()), process("anna"))
				held, lease, err := r.AcquireLease(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				tt.set(h)
				<-held.Done()
				if cause := context.Cause(held); !errors.Is(cause, run.ErrLeaseLost) {
					t.Errorf("cause is %v", cause)
				}
				if took := time.Since(began); took != time.Minute {
					t.Errorf("the work ended after %v, want exactly when the lease does", took)
				}
				if err := r.Append(t.Context(), "note", note{"x"}); !errors.Is(err, run.ErrLeaseLost) {
					t.Errorf("appending: got error %v", err)
				}
				h.broken.Store(true) // what hangs must not land after all
				close(h.woken)
				if err := lease.Release(t.Context()); !errors.Is(err, run.ErrLeaseLost) {
					t.Errorf("releasing: got error %v", err)
				}
			})
		})
	}
}

// TestRenewalRecovers: a store that is away for less than the lease does no
// harm, also when it had taken a renewal and the answer was lost.
func TestRenewalRecovers(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := newLeaseHook()
			r := create(t, bucketOn(h.driver()), process("anna"))
			held, lease, err := r.AcquireLease(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			away := &h.broken
			if deaf {
				away = &h.deaf
			}
			for range 5 {
				time.Sleep(19 * time.Second)
				away.Store(true)
				time.Sleep(30 * time.Second)
				away.Store(false)
			}
			time.Sleep(time.Minute)
			if held.Err() != nil {
				t.Fatalf("deaf %t: the lease is lost: %v", deaf, context.Cause(held))
			}
			appendNotes(t, r, "one")
			h.deaf.Store(deaf) // the release is not heard of either
			err = lease.Release(t.Context())
			if !deaf && err != nil || deaf && !errors.Is(err, errBroken) {
				t.Errorf("deaf %t: releasing: %v", deaf, err)
			}
			if leaseSeq(t, r).Held() {
				t.Errorf("deaf %t: not released", deaf)
			}
		})
	}
}

// TestReleaseAfterUnheardRenewal: the number of the release is taken by a
// renewal of our own.
func TestReleaseAfterUnheardRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newLeaseHook()
		r := create(t, bucketOn(h.driver()), process("anna"))
		_, lease, err := r.AcquireLease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h.deaf.Store(true)
		time.Sleep(21 * time.Second)
		h.deaf.Store(false)
		if err := lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := leaseSeq(t, r); s.Held() || s.Seq != 3 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newLeaseHook()
		a := create(t, bucketOn(h.driver()), process("anna"))
		held, lease, err := a.AcquireLease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h.broken.Store(true) // A cannot reach the store; B can
		began := time.Now()
		opts := process("ben")
		opts.Wait = 30 * time.Second
		b, err := run.Open(t.Context(), bucketOn(h.inner), a.ID(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.AcquireLease(t.Context()); !errors.Is(err, run.ErrHeld) || time.Since(began) != opts.Wait {
			t.Errorf("after %v: got error %v", time.Since(began), err)
		}
		opts.Wait = time.Hour
		if b, err = run.Open(t.Context(), bucketOn(h.inner), a.ID(), opts); err != nil {
			t.Fatal(err)
		}
		_, second, err := b.AcquireLease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// 60 s, 10 s for the clocks, and at most one look 5 s later.
		if took := time.Since(began); took <= 70*time.Second || took > 76*time.Second {
			t.Errorf("taken over after %v", took)
		}
		if held.Err() == nil {
			t.Error("A still believes that it holds the run")
		}
		if err := second.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if err := lease.Release(t.Context()); !errors.Is(err, run.ErrLeaseLost) {
			t.Errorf("releasing a lost lease: got error %v", err)
		}
		wantJournal(t, b, "1:lease", "2:lease")
	})
}

// TestSleepingMachine: timers stand still while a machine sleeps, the clock on
// the wall does not.
func TestSleepingMachine(t *testing.T) {
	t.Parallel()
	var offset atomic.Int64
	wall := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	for _, taken := range []bool{false, true} {
		offset.Store(0)
		s := memstore.New()
		opts := process("anna")
		opts.Now = wall
		a := create(t, bucketOn(s), opts)
		_, lease := acquire(t, a)
		offset.Store(int64(10 * time.Minute))
		if taken {
			opts = process("ben")
			opts.Now = wall
			b, err := run.Open(t.Context(), bucketOn(s), a.ID(), opts)
			if err != nil {
				t.Fatal(err)
			}
			acquire(t, b)
		}
		err := a.Append(t.Context(), "note", note{"awake"})
		if !taken && err != nil || taken && !errors.Is(err, run.ErrFenced) {
			t.Errorf("taken %t: got error %v", taken, err)
		}
		if got := leaseSeq(t, a); got.Seq != 2 {
			t.Errorf("taken %t: lease %d, want a renewal or a takeover", taken, got.Seq)
		}
		if err := lease.Confirm(t.Context(), 30*time.Second); (err == nil) == taken {
			t.Errorf("taken %t: confirming: %v", taken, err)
		}
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := create(t, bucketOn(memstore.New()), process("anna"))
		_, lease, err := r.AcquireLease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second) // 45 s are left
		for _, tt := range []struct {
			need time.Duration
			seq  int64
		}{{40 * time.Second, 1}, {50 * time.Second, 2}, {50 * time.Second, 2}} {
			if err := lease.Confirm(t.Context(), tt.need); err != nil {
				t.Errorf("%v: %v", tt.need, err)
			}
			if s := leaseSeq(t, r); s.Seq != tt.seq {
				t.Errorf("%v: lease %d, want %d", tt.need, s.Seq, tt.seq)
			}
		}
		if err := lease.Confirm(t.Context(), time.Minute); err == nil {
			t.Error("a lease covered all of its own length")
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := lease.Confirm(t.Context(), 0); !errors.Is(err, run.ErrLeaseLost) {
			t.Errorf("after the release: %v", err)
		}
	})
}
