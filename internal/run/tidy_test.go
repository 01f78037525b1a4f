package run_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/store/storetest"
)

// leases are the numbers of the lease objects that are there.
func leases(t *testing.T, d driver.Driver) []string {
	t.Helper()
	var out []string
	for o, err := range bucketOn(d).List(t.Context(), store.Query{Prefix: "runs/"}) {
		if err != nil {
			t.Fatal(err)
		}
		if isLease(o.Key) {
			out = append(out, strings.TrimSuffix(o.Key[len(o.Key)-13:], ".json"))
		}
	}
	return out
}

// hold opens the run for another process and takes it.
func hold(t *testing.T, d driver.Driver, id string, opts *run.Options) (*run.Run, context.Context, *run.Lease, error) {
	t.Helper()
	r, err := run.Open(t.Context(), bucketOn(d), id, opts)
	if err != nil {
		t.Fatal(err)
	}
	held, lease, err := r.AcquireLease(t.Context())
	return r, held, lease, err
}

// TestADayOfRenewals: what is left of a day is the first object, those of the
// last minutes, and the release; the numbers go on from there.
func TestADayOfRenewals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		r := create(t, bucketOn(s), process("anna"))
		held, lease, err := r.AcquireLease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(24*time.Hour + time.Second)
		synctest.Wait()
		if held.Err() != nil {
			t.Fatal(context.Cause(held))
		}
		if got := leaseSeq(t, r); got.Seq != 4321 || got.Fence != 1 {
			t.Errorf("after a day it is %+v", got)
		}
		got := leases(t, s)
		if want := []string{"00000001", "00004317", "00004318", "00004319", "00004320", "00004321"}; !slices.Equal(got, want) {
			t.Errorf("after a day there are %q, want %q", got, want)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _, second, err := hold(t, s, r.ID(), process("ben"))
		if err != nil {
			t.Fatal(err)
		}
		if second.Fence() != 4323 {
			t.Errorf("fence %d, want one more than the last number", second.Fence())
		}
		wantJournal(t, r, "1:lease", "4323:lease")
		if err := second.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestTakingOnAnOldView: a process that has seen a lease which is over by its
// clock sleeps before it takes the run, while the holder renews it and deletes
// that number: it does not get the run, and the holder keeps it.
func TestTakingOnAnOldView(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		a := create(t, bucketOn(s), process("anna"))
		held, lease, err := a.AcquireLease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Minute + time.Second)
		before := leaseSeq(t, a).Seq
		var slept, looked atomic.Bool
		slow := storetest.NewHook(s, func(op storetest.Op) error {
			if isLease(op.Key) && slept.CompareAndSwap(false, true) {
				time.Sleep(time.Hour)
			}
			return op.Do()
		})
		opts := process("ben")
		opts.Gone = func(run.Who) bool { return looked.CompareAndSwap(false, true) }
		_, _, _, err = hold(t, slow, a.ID(), opts)
		var by *run.HeldError
		if !errors.As(err, &by) || by.Holder.User != "anna" || !slept.Load() {
			t.Fatalf("got error %v, want that anna holds it", err)
		}
		if held.Err() != nil {
			t.Fatalf("anna has lost it: %v", context.Cause(held))
		}
		appendNotes(t, a, "still mine")
		if now := leases(t, s); slices.Contains(now, "00000032") || before != 31 {
			t.Errorf("what was put on a number that was deleted is there: %q after %d", now, before)
		}
		wantJournal(t, a, "1:lease", "1:still mine")
		if err := lease.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestRenewingOnAnOldView: a holder sleeps in the middle of a renewal, another
// one takes the run and holds it for a day. The number of that renewal is not
// free again.
func TestRenewingOnAnOldView(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newLeaseHook()
		a := create(t, bucketOn(h.driver()), process("anna"))
		held, lease, err := a.AcquireLease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Minute + time.Second)
		h.hang.Store(true)
		time.Sleep(2 * time.Minute)
		b, second, other, err := hold(t, h.inner, a.ID(), process("ben"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		close(h.woken) // the put lands now
		if err := lease.Release(t.Context()); !errors.Is(err, run.ErrLeaseLost) {
			t.Errorf("releasing: got error %v", err)
		}
		if err := a.Append(t.Context(), "note", note{"x"}); err == nil || held.Err() == nil || second.Err() != nil {
			t.Errorf("anna appended after ben: %v; ben: %v", err, second.Err())
		}
		appendNotes(t, b, "mine")
		wantJournal(t, b, "1:lease", "32:lease", "32:mine")
		if n := len(leases(t, h.inner)); n > 16 {
			t.Errorf("%d lease objects are left", n)
		}
		if err := other.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// blind hides the lease objects above a number, as a listing would that has
// begun before they were there.
type blind struct {
	driver.Driver
	above string
}

func (b blind) List(ctx context.Context, q driver.Query) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		for o, err := range b.Driver.List(ctx, q) {
			if isLease(o.Key) && o.Key[len(o.Key)-13:] > b.above {
				continue
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// TestTheJournalRefusesAnOlderFence: even a process that does not get to see any
// newer lease object writes nothing after an entry of a newer fence.
func TestTheJournalRefusesAnOlderFence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		a := create(t, bucketOn(s), process("anna"))
		_, lease, err := a.AcquireLease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*time.Hour + time.Second)
		if err := lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		b, held, second, err := hold(t, s, a.ID(), process("ben"))
		if err != nil {
			t.Fatal(err)
		}
		putRenewal(t, s, a, 20) // what carl has seen long ago
		opts := process("carl")
		opts.Gone = func(run.Who) bool { return true }
		_, _, _, err = hold(t, blind{s, "00000020.json"}, a.ID(), opts)
		if !errors.Is(err, run.ErrFenced) {
			t.Errorf("got error %v", err)
		}
		appendNotes(t, b, "mine")
		if held.Err() != nil {
			t.Error(context.Cause(held))
		}
		wantJournal(t, b, "1:lease", "363:lease", "363:mine")
		if err := second.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// putRenewal puts a renewal of anna where she has deleted hers.
func putRenewal(t *testing.T, s *memstore.Store, r *run.Run, seq int64) {
	t.Helper()
	at := run.LeaseState{Run: r.ID(), Seq: seq, Fence: 1, State: "held", Holder: *process("anna").Who, Token: "x"}
	if err := bucketOn(s).PutJSON(t.Context(), fmt.Sprintf("runs/%s/lease/%08d.json", r.ID(), seq), run.FormatLease, 1, at); err != nil {
		t.Fatal(err)
	}
}
