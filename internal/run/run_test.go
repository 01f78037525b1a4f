package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/store/memstore"
)

func TestMain(m *testing.M) {
	if state := os.Getenv("KFERRY_TEST_RACER"); state != "" {
		race(state, os.Getenv("KFERRY_TEST_RUN"))
		return
	}
	goleak.VerifyTestMain(m)
}

// note is the body of the entries in these tests.
type note struct {
	Text string `json:"text"`
}

const digest = "sha256:4f1c"

var info = run.Info{Kind: run.KindApply, Command: "kferry apply plan.json", Tool: "kferry test", PlanDigest: digest}

// process returns options for a process of another host, so that nobody takes
// it for gone.
func process(name string) *run.Options {
	return &run.Options{Who: &run.Who{User: name, Host: name + "-host", PID: 1}}
}

func bucketOn(d driver.Driver) *store.Bucket { return store.New(d, "mem", nil) }

func create(t *testing.T, b *store.Bucket, opts *run.Options) *run.Run {
	t.Helper()
	r, err := run.Create(t.Context(), b, info, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func acquire(t *testing.T, r *run.Run) (context.Context, *run.Lease) {
	t.Helper()
	held, lease, err := r.AcquireLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lease.Release(context.WithoutCancel(t.Context())) }) // a lost one says so
	return held, lease
}

func appendNotes(t *testing.T, r *run.Run, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := r.Append(t.Context(), "note", note{text}); err != nil {
			t.Fatal(err)
		}
	}
}

// journal returns "fence:text" of each entry, with "lease" for takeovers.
func journal(ctx context.Context, r *run.Run) ([]string, error) {
	var all []string
	for e, err := range r.Entries(ctx) {
		if err != nil {
			return all, err
		}
		text := e.Type
		if e.Type == "note" {
			var n note
			if err := json.Unmarshal(e.Body, &n); err != nil {
				return all, err
			}
			text = n.Text
		}
		all = append(all, fmt.Sprintf("%d:%s", e.Fence, text))
	}
	return all, nil
}

func wantJournal(t *testing.T, r *run.Run, want ...string) {
	t.Helper()
	got, err := journal(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	b := bucketOn(memstore.New())
	r := create(t, b, process("anna"))
	if err := r.Append(t.Context(), "note", note{"x"}); !errors.Is(err, run.ErrNoLease) {
		t.Errorf("appending without a lease: got error %v", err)
	}
	if _, ok, err := r.Last(t.Context()); ok || err != nil {
		t.Errorf("an empty journal has a last entry: %v", err)
	}
	if err := r.Attach(t.Context(), "plan", "kferry-test", 1, note{"the plan"}); err != nil {
		t.Fatal(err)
	}
	held, lease := acquire(t, r)
	appendNotes(t, r, "one", "two")
	if err := r.Append(t.Context(), run.TypeLease, note{"x"}); err == nil {
		t.Error("a caller may write an entry of type lease")
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if cause := context.Cause(held); !errors.Is(cause, run.ErrLeaseLost) {
		t.Errorf("after the release the context has cause %v", cause)
	}
	if err := r.Append(t.Context(), "note", note{"x"}); !errors.Is(err, run.ErrLeaseLost) {
		t.Errorf("appending after the release: got error %v", err)
	}

	again, err := run.Open(t.Context(), b, r.ID(), process("ben"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Info(), again.Info()); diff != "" {
		t.Errorf("info: %s", diff)
	}
	_, second := acquire(t, again)
	appendNotes(t, again, "three")
	wantJournal(t, again, "1:lease", "1:one", "1:two", "3:lease", "3:three")
	if second.Fence() != 3 {
		t.Errorf("second fence is %d, want the number of its lease object", second.Fence())
	}
	if last, ok, err := again.Last(t.Context()); err != nil || !ok || last.Seq != 5 || last.Fence != 3 {
		t.Errorf("last entry is %+v, %v", last, err)
	}
	var plan note
	if v, err := again.Attachment(t.Context(), "plan", "kferry-test", 1, &plan); err != nil || v != 1 || plan.Text != "the plan" {
		t.Errorf("attachment %+v, version %d, %v", plan, v, err)
	}
}

func TestAttachOnce(t *testing.T) {
	t.Parallel()
	r := create(t, bucketOn(memstore.New()), process("anna"))
	for range 2 {
		if err := r.Attach(t.Context(), "plan", "kferry-test", 1, note{"a"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Attach(t.Context(), "plan", "kferry-test", 1, note{"b"}); !errors.Is(err, store.ErrExists) {
		t.Errorf("other content: got error %v", err)
	}
	for _, name := range []string{"run", "", "../x", "a/b", "Plan"} {
		if err := r.Attach(t.Context(), name, "kferry-test", 1, note{"b"}); err == nil {
			t.Errorf("attached as %q", name)
		}
	}
	var n note
	if _, err := r.Attachment(t.Context(), "other", "kferry-test", 1, &n); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("missing attachment: got error %v", err)
	}
}

func TestHeld(t *testing.T) {
	t.Parallel()
	b := bucketOn(memstore.New())
	first := create(t, b, process("anna"))
	acquire(t, first)
	second, err := run.Open(t.Context(), b, first.ID(), process("ben"))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*run.Run{"another process": second, "the same run again": first} {
		_, _, err = r.AcquireLease(t.Context())
		var held *run.HeldError
		if !errors.As(err, &held) || !errors.Is(err, run.ErrHeld) {
			t.Fatalf("%s: got error %v", name, err)
		}
		if held.Run != first.ID() || held.Holder.User != "anna" || held.Since.IsZero() || !held.Until.After(held.Since) {
			t.Errorf("%s: got %+v", name, held)
		}
	}
	appendNotes(t, first, "still mine")
	wantJournal(t, second, "1:lease", "1:still mine")
}

func TestDeadHolder(t *testing.T) {
	t.Parallel()
	b := bucketOn(memstore.New())
	r := create(t, b, process("anna"))
	_, lease := acquire(t, r)
	appendNotes(t, r, "one")
	opts := process("ben")
	opts.Gone = func(w run.Who) bool { return w.User == "anna" }
	second, err := run.Open(t.Context(), b, r.ID(), opts)
	if err != nil {
		t.Fatal(err)
	}
	acquire(t, second)
	var takeover run.Takeover
	last, _, err := second.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(last.Body, &takeover); err != nil {
		t.Fatal(err)
	}
	if takeover.Taken != "dead" || takeover.Previous == nil || takeover.Previous.User != "anna" || takeover.Holder.User != "ben" {
		t.Errorf("takeover is %+v", takeover)
	}
	// Declared dead wrongly: the first holder finds out at its next entry.
	err = r.Append(t.Context(), "note", note{"late"})
	var fenced *run.FencedError
	if !errors.As(err, &fenced) || !errors.Is(err, run.ErrFenced) || fenced.Holder.User != "ben" || fenced.Fence != 2 || fenced.Mine != 1 {
		t.Errorf("got error %v", err)
	}
	if err := lease.Release(t.Context()); !errors.Is(err, run.ErrFenced) {
		t.Errorf("releasing a lost lease: got error %v", err)
	}
	appendNotes(t, second, "two")
	wantJournal(t, second, "1:lease", "1:one", "2:lease", "2:two")
}

// TestConcurrentAppends: groups are committed in parallel under one lease.
func TestConcurrentAppends(t *testing.T) {
	t.Parallel()
	r := create(t, bucketOn(memstore.New()), process("anna"))
	acquire(t, r)
	var wg sync.WaitGroup
	want := []string{"1:lease"}
	for i := range 50 {
		text := fmt.Sprintf("note %02d", i)
		want = append(want, "1:"+text)
		wg.Go(func() {
			if err := r.Append(t.Context(), "note", note{text}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := journal(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	b := bucketOn(memstore.New())
	for _, id := range []string{"", "x", "../../etc/passwd", "20261121T114527Z-7f3a9c"} {
		if _, err := run.Open(t.Context(), b, id, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: got error %v", id, err)
		}
	}
}

func TestEntriesFindDamage(t *testing.T) {
	t.Parallel()
	type entry = run.Entry
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, b *store.Bucket, id, folder string)
		want   error
		read   int
	}{
		{"a gap", func(t *testing.T, b *store.Bucket, _, folder string) {
			t.Helper()
			remove(t, b, folder+"00000002.json")
		}, run.ErrDamaged, 1},
		{"no beginning", func(t *testing.T, b *store.Bucket, _, folder string) {
			t.Helper()
			remove(t, b, folder+"00000001.json")
		}, run.ErrDamaged, 0},
		{"truncated", func(t *testing.T, b *store.Bucket, _, folder string) {
			t.Helper()
			replace(t, b, folder+"00000003.json", []byte(`{"format":"kferry-jour`))
		}, store.ErrTruncated, 2},
		{"an entry of another run", func(t *testing.T, b *store.Bucket, _, folder string) {
			t.Helper()
			put(t, b, folder+"00000004.json", entry{Run: "other", Seq: 4, Fence: 1, Type: "note"})
		}, run.ErrDamaged, 3},
		{"an entry under another number", func(t *testing.T, b *store.Bucket, id, folder string) {
			t.Helper()
			put(t, b, folder+"00000004.json", entry{Run: id, Seq: 3, Fence: 1, Type: "note"})
		}, run.ErrDamaged, 3},
		{"the fence falls", func(t *testing.T, b *store.Bucket, id, folder string) {
			t.Helper()
			put(t, b, folder+"00000004.json", entry{Run: id, Seq: 4, Fence: 0, Type: "note"})
		}, run.ErrDamaged, 3},
		{"the fence rises without a holder", func(t *testing.T, b *store.Bucket, id, folder string) {
			t.Helper()
			put(t, b, folder+"00000004.json", entry{Run: id, Seq: 4, Fence: 2, Type: "note"})
		}, run.ErrDamaged, 3},
		{"a holder begins twice", func(t *testing.T, b *store.Bucket, id, folder string) {
			t.Helper()
			put(t, b, folder+"00000004.json", entry{Run: id, Seq: 4, Fence: 1, Type: run.TypeLease})
		}, run.ErrDamaged, 3},
		{"something else at the end", func(t *testing.T, b *store.Bucket, _, folder string) {
			t.Helper()
			put(t, b, folder+"notes.json", entry{})
		}, run.ErrDamaged, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := bucketOn(memstore.New())
			r := create(t, b, process("anna"))
			acquire(t, r)
			appendNotes(t, r, "one", "two")
			tt.damage(t, b, r.ID(), "runs/"+r.ID()+"/journal/")
			got, err := journal(t.Context(), r)
			if !errors.Is(err, tt.want) || len(got) != tt.read {
				t.Errorf("read %q, error %v, want %d entries and %v", got, err, tt.read, tt.want)
			}
		})
	}
}

func remove(t *testing.T, b *store.Bucket, key string) {
	t.Helper()
	if err := b.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, b *store.Bucket, key string, data []byte) {
	t.Helper()
	remove(t, b, key)
	if err := b.Put(t.Context(), key, data); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, b *store.Bucket, key string, e run.Entry) {
	t.Helper()
	e.Body = json.RawMessage("{}")
	if err := b.PutJSON(t.Context(), key, run.FormatEntry, 1, e); err != nil {
		t.Fatal(err)
	}
}
