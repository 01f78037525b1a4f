package run_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/store/storetest"
)

var texts = []string{"one", "two", "three", "four"}

// work is what the processes of these tests do; it returns what was
// acknowledged before the first error.
func work(ctx context.Context, d driver.Driver, opts *run.Options) (acked []string, err error) {
	b := bucketOn(d)
	r, err := run.Create(ctx, b, info, opts)
	if err != nil {
		return nil, err
	}
	if err := r.Attach(ctx, "plan", "kferry-test", 1, note{"plan"}); err != nil {
		return nil, err
	}
	_, lease, err := r.AcquireLease(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lease.Release(ctx)) }()
	for _, text := range texts {
		if err := r.Append(ctx, "note", note{text}); err != nil {
			return acked, err
		}
		acked = append(acked, text)
	}
	return acked, nil
}

// TestKilledAnywhere kills the process at every write, before and after it
// takes effect, and goes on as the next process would.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, when := range []storetest.When{storetest.Before, storetest.After} {
		t.Run(when.String(), func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				inner := memstore.New()
				killer := storetest.KillAfter(inner, n, when)
				acked, err := work(t.Context(), killer, process("anna"))
				if !killer.Killed() {
					if err != nil || n < 10 {
						t.Fatalf("lived through %d operations: %v", n, err)
					}
					return
				}
				if !errors.Is(err, storetest.ErrKilled) {
					t.Fatalf("killed at %d: got error %v", n, err)
				}
				finishAfterKill(t, fmt.Sprintf("killed %s write %d", when, n), inner, acked)
			}
		})
	}
}

// finishAfterKill checks what a dead process left, takes its run over, and
// finishes it.
func finishAfterKill(t *testing.T, name string, d driver.Driver, acked []string) {
	t.Helper()
	b := bucketOn(d)
	opts := process("ben")
	opts.Gone = func(w run.Who) bool { return w.User == "anna" }
	ids, err := run.ByPlan(t.Context(), b, digest)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(ids) == 0 {
		if len(acked) > 0 {
			t.Fatalf("%s: entries %q belong to no run", name, acked)
		}
		if _, err := work(t.Context(), d, opts); err != nil {
			t.Fatalf("%s: beginning anew: %v", name, err)
		}
		return
	}
	r, err := run.Open(t.Context(), b, ids[0], opts)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	got, err := journal(t.Context(), r)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	whole := []string{"1:lease"}
	for _, text := range texts {
		whole = append(whole, "1:"+text)
	}
	// All that was acknowledged, and at most one entry more.
	if len(got) > len(whole) || !slices.Equal(got, whole[:len(got)]) {
		t.Fatalf("%s: journal %q is no beginning of %q", name, got, whole)
	}
	if n := max(len(got)-1, 0); n < len(acked) || n > len(acked)+1 {
		t.Fatalf("%s: journal %q, acknowledged %q", name, got, acked)
	}
	_, lease, err := r.AcquireLease(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	want := append(slices.Clone(got), fmt.Sprintf("%d:lease", lease.Fence()))
	for _, text := range texts[max(len(got)-1, 0):] {
		appendNotes(t, r, text)
		want = append(want, fmt.Sprintf("%d:%s", lease.Fence(), text))
	}
	wantJournal(t, r, want...)
	if err := lease.Release(t.Context()); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestTakenOverAnywhere suspends process A before each of its writes, lets B
// take the run over and work, and wakes A up.
func TestTakenOverAnywhere(t *testing.T) {
	t.Parallel()
	overtaken := 0
	for n := 1; ; n++ {
		inner := memstore.New()
		var b *run.Run
		var bLease *run.Lease
		suspended := false
		hook := storetest.NewHook(inner, func(op storetest.Op) error {
			if op.N == n {
				suspended = true
				b, bLease = takeOver(t, inner)
			}
			return op.Do()
		})
		_, err := work(t.Context(), hook, process("anna"))
		if !suspended {
			if overtaken < 5 {
				t.Errorf("only %d of %d suspensions led to a takeover", overtaken, n-1)
			}
			return
		}
		if b == nil {
			continue // there was no run yet
		}
		name := fmt.Sprintf("suspended before write %d (error %v)", n, err)
		appendNotes(t, b, "last of b")
		got, readErr := journal(t.Context(), b)
		if readErr != nil {
			t.Fatalf("%s: %v", name, readErr)
		}
		first := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, fmt.Sprintf("%d:", bLease.Fence())) })
		for _, s := range got[first:] {
			if !strings.HasPrefix(s, fmt.Sprintf("%d:", bLease.Fence())) {
				t.Fatalf("%s: %q has an old entry after the takeover", name, got)
			}
		}
		if err == nil || !errors.Is(err, run.ErrFenced) && !errors.Is(err, run.ErrHeld) {
			t.Fatalf("%s: A did not notice; journal %q", name, got)
		}
		overtaken++
		if err := bLease.Release(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// takeOver makes B hold the run of the plan, if there is one.
func takeOver(t *testing.T, d driver.Driver) (*run.Run, *run.Lease) {
	t.Helper()
	bucket := bucketOn(d)
	ids, err := run.ByPlan(t.Context(), bucket, digest)
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	opts := process("ben")
	opts.Gone = func(run.Who) bool { return true }
	r, err := run.Open(t.Context(), bucket, ids[0], opts)
	if err != nil {
		t.Fatal(err)
	}
	_, lease, err := r.AcquireLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	appendNotes(t, r, "b is here")
	return r, lease
}

// TestLatePut loses the answer of each journal write of A in turn: the write
// lands at once, late (after B has taken the run over), or never.
func TestLatePut(t *testing.T) {
	t.Parallel()
	cause := errors.New("no answer in time")
	for _, lands := range []string{"at once", "late", "never"} {
		for victim := 1; victim <= len(texts)+1; victim++ {
			t.Run(fmt.Sprintf("%s, entry %d", lands, victim), func(t *testing.T) {
				t.Parallel()
				inner := memstore.New()
				var late func() error
				hook := storetest.NewHook(inner, func(op storetest.Op) error {
					if late != nil || !strings.HasSuffix(op.Key, fmt.Sprintf("journal/%08d.json", victim)) {
						return op.Do()
					}
					late = op.Do
					if lands == "at once" {
						_ = op.Do() // its answer is lost
					}
					return cause
				})
				acked, err := work(t.Context(), hook, process("anna"))
				if !errors.Is(err, cause) {
					t.Fatalf("got error %v", err)
				}
				b, lease := takeOver(t, inner)
				if lands == "late" {
					_ = late() // it may be refused
				}
				appendNotes(t, b, "more of b")
				got, err := journal(t.Context(), b)
				if err != nil {
					t.Fatal(err)
				}
				for i, text := range acked {
					if got[i+1] != "1:"+text {
						t.Errorf("journal %q has lost %q", got, text)
					}
				}
				tail := []string{"lease", "b is here", "more of b"}
				for i, s := range got[len(got)-3:] {
					if s != fmt.Sprintf("%d:%s", lease.Fence(), tail[i]) {
						t.Errorf("journal %q does not end with %q", got, tail)
					}
				}
				if err := lease.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// TestUnclearAppend: an entry whose answer was lost keeps its place, whether it
// had landed or not, and is not there twice.
func TestUnclearAppend(t *testing.T) {
	t.Parallel()
	cause := errors.New("no answer in time")
	for _, landed := range []bool{false, true} {
		t.Run(fmt.Sprintf("landed %t", landed), func(t *testing.T) {
			t.Parallel()
			fail := false
			r := create(t, bucketOn(storetest.NewHook(memstore.New(), func(op storetest.Op) error {
				if !fail {
					return op.Do()
				}
				if landed {
					_ = op.Do() // its answer is lost
				}
				return cause
			})), process("anna"))
			acquire(t, r)
			appendNotes(t, r, "one")
			fail = true
			for _, text := range []string{"unclear", "not tried, the unclear one is first"} {
				if err := r.Append(t.Context(), "note", note{text}); err == nil && !landed {
					t.Fatalf("%s was written", text)
				}
				if landed {
					break
				}
			}
			fail = false
			appendNotes(t, r, "two")
			wantJournal(t, r, "1:lease", "1:one", "1:unclear", "1:two")
		})
	}
}

func TestCancelledAppendWritesNothing(t *testing.T) {
	t.Parallel()
	r := create(t, bucketOn(memstore.New()), process("anna"))
	acquire(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Append(ctx, "note", note{"cancelled"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	if err := r.Append(context.WithoutCancel(ctx), "note", note{"cleaning up"}); err != nil {
		t.Error(err)
	}
	wantJournal(t, r, "1:lease", "1:cleaning up")
}

// TestAcquireRace: many holders race for one run in one process.
func TestAcquireRace(t *testing.T) {
	t.Parallel()
	for range 20 {
		s := memstore.New()
		id := create(t, bucketOn(s), process("anna")).ID()
		leases := make([]*run.Lease, 8)
		var wg sync.WaitGroup
		for i := range leases {
			wg.Go(func() {
				r, err := run.Open(t.Context(), bucketOn(s), id, process(fmt.Sprint("p", i)))
				if err != nil {
					t.Error(err)
					return
				}
				_, leases[i], err = r.AcquireLease(t.Context())
				if err != nil && !errors.Is(err, run.ErrHeld) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		leases = slices.DeleteFunc(leases, func(l *run.Lease) bool { return l == nil })
		if len(leases) != 1 {
			t.Fatalf("%d processes hold the run, want one", len(leases))
		}
		if err := leases[0].Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLastEntriesOfTheOldHolder: A gets entries in while B, who has the lease
// already, looks for the end of the journal. B goes on after them, and A is
// stopped, with its work, as soon as B's first entry is there.
func TestLastEntriesOfTheOldHolder(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	a := create(t, bucketOn(s), process("anna"))
	held, _ := acquire(t, a)
	appendNotes(t, a, "one")
	left := 3
	hook := storetest.NewHook(s, func(op storetest.Op) error {
		if strings.Contains(op.Key, "/journal/") && left > 0 {
			left--
			appendNotes(t, a, fmt.Sprintf("%d to go", left))
		}
		return op.Do()
	})
	opts := process("ben")
	opts.Gone = func(run.Who) bool { return true }
	b, err := run.Open(t.Context(), bucketOn(hook), a.ID(), opts)
	if err != nil {
		t.Fatal(err)
	}
	acquire(t, b)
	appendNotes(t, b, "of b")
	if held.Err() != nil {
		t.Fatalf("A was told by nobody yet: %v", context.Cause(held))
	}
	if err := a.Append(t.Context(), "note", note{"too late"}); !errors.Is(err, run.ErrFenced) {
		t.Errorf("A: got error %v", err)
	}
	if cause := context.Cause(held); !errors.Is(cause, run.ErrFenced) {
		t.Errorf("A's work goes on; cause %v", cause)
	}
	wantJournal(t, b, "1:lease", "1:one", "1:2 to go", "1:1 to go", "1:0 to go", "2:lease", "2:of b")
}

// TestBeginFails: whoever takes the lease and cannot write its first entry
// gives the run back at once.
func TestBeginFails(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	cause := errors.New("the store refuses")
	a := create(t, bucketOn(storetest.NewHook(s, func(op storetest.Op) error {
		if strings.Contains(op.Key, "/journal/") {
			return cause
		}
		return op.Do()
	})), process("anna"))
	if _, _, err := a.AcquireLease(t.Context()); !errors.Is(err, cause) {
		t.Fatalf("got error %v", err)
	}
	if err := a.Append(t.Context(), "note", note{"x"}); !errors.Is(err, run.ErrNoLease) {
		t.Errorf("appending: got error %v", err)
	}
	b, err := run.Open(t.Context(), bucketOn(s), a.ID(), process("ben"))
	if err != nil {
		t.Fatal(err)
	}
	acquire(t, b)
	wantJournal(t, b, "3:lease")
}
