package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/store/storetest"
)

type body struct {
	N int `json:"n"`
}

func TestBucketJSON(t *testing.T) {
	t.Parallel()
	b := store.New(memstore.New(), "mem", nil)
	if err := b.PutJSON(t.Context(), "a/b.json", "kferry-test", 1, body{N: 1}); err != nil {
		t.Fatal(err)
	}
	err := b.PutJSON(t.Context(), "a/b.json", "kferry-test", 1, body{N: 2})
	var storeErr *store.Error
	if !errors.Is(err, store.ErrExists) || !errors.As(err, &storeErr) || storeErr.Key != "a/b.json" || storeErr.Op != "putting" {
		t.Errorf("second put: got error %v", err)
	}
	var got body
	if v, err := b.GetJSON(t.Context(), "a/b.json", "kferry-test", 1, &got); err != nil || v != 1 || got.N != 1 {
		t.Errorf("got %+v, version %d, %v", got, v, err)
	}
	if _, err := b.GetJSON(t.Context(), "a/c.json", "kferry-test", 1, &got); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("missing object: got error %v", err)
	}
	var formatErr *store.FormatError
	if _, err := b.GetJSON(t.Context(), "a/b.json", "kferry-other", 1, &got); !errors.As(err, &formatErr) || formatErr.Key != "a/b.json" {
		t.Errorf("other format: got error %v", err)
	}
}

func TestBucketMaxObject(t *testing.T) {
	t.Parallel()
	b := store.New(memstore.New(), "mem", &store.Options{MaxObject: 1000})
	for size, ok := range map[int]bool{1000: true, 1001: false} {
		data, err := store.Encode("kferry-test", 1, body{})
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, bytes.Repeat([]byte("\n"), size-len(data))...)
		key := "size" + strings.Repeat("x", size%7)
		if err := b.Put(t.Context(), key, data); err != nil {
			t.Fatal(err)
		}
		var got body
		if _, err := b.GetJSON(t.Context(), key, "kferry-test", 1, &got); (err == nil) != ok || err != nil && !errors.Is(err, store.ErrMalformed) {
			t.Errorf("%d bytes: got error %v", size, err)
		}
	}
}

func TestBucketPutSame(t *testing.T) {
	t.Parallel()
	b := store.New(memstore.New(), "mem", nil)
	for range 2 {
		if err := b.PutSame(t.Context(), "k", []byte("mine")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.PutSame(t.Context(), "k", []byte("other")); !errors.Is(err, store.ErrExists) {
		t.Errorf("other bytes: got error %v", err)
	}
}

func TestBucketChecksKeys(t *testing.T) {
	t.Parallel()
	b := store.New(memstore.New(), "mem", nil)
	ctx := t.Context()
	for _, key := range []string{"", "../x", "a//b", "a b"} {
		_, getErr := b.Get(ctx, key, 0, -1)
		for op, err := range map[string]error{
			"put": b.Put(ctx, key, nil), "put from": b.PutFrom(ctx, key, strings.NewReader(""), 0),
			"put same": b.PutSame(ctx, key, nil), "get": getErr, "delete": b.Delete(ctx, key),
		} {
			if !errors.Is(err, store.ErrKey) {
				t.Errorf("%s %q: got error %v", op, key, err)
			}
		}
	}
	for _, err := range b.List(ctx, store.Query{Prefix: "../"}) {
		if !errors.Is(err, store.ErrKey) {
			t.Errorf("list: got error %v", err)
		}
	}
	if _, err := b.Get(ctx, "a", -1, 1); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("negative offset: got error %v", err)
	}
}

// overwriting is a store as probes must find it: it takes every put.
type overwriting struct {
	*memstore.Store
	silent bool // it says ErrExists and overwrites all the same
}

func (o overwriting) Put(ctx context.Context, key string, r io.ReaderAt, size int64) error {
	err := o.Store.Put(ctx, key, r, size)
	if !errors.Is(err, driver.ErrExists) {
		return err
	}
	if err := o.Delete(ctx, key); err != nil {
		return err
	}
	if err := o.Store.Put(ctx, key, r, size); err != nil || !o.silent {
		return err
	}
	return driver.ErrExists
}

func TestProbe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		drv  driver.Driver
		ok   bool
	}{
		{"honest", memstore.New(), true},
		{"overwriting", overwriting{memstore.New(), false}, false},
		{"overwriting in silence", overwriting{memstore.New(), true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := store.New(tt.drv, "mem", nil)
			err := b.Probe(t.Context())
			if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, store.ErrNoExclusivePut) {
				t.Errorf("got error %v", err)
			}
			var storeErr *store.Error
			if !tt.ok && (!errors.As(err, &storeErr) || storeErr.Hint == "") {
				t.Errorf("%v has no hint", err)
			}
			for o, err := range b.List(t.Context(), store.Query{}) {
				t.Errorf("%s was left behind, error %v", o.Key, err)
			}
		})
	}
}

func TestProbeOnce(t *testing.T) {
	t.Parallel()
	counter := storetest.KillAfter(memstore.New(), 0, storetest.Before)
	b := store.New(counter, "mem", nil)
	for range 3 {
		if err := b.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if counter.Ops() != 3 {
		t.Errorf("%d operations, want two puts and a delete", counter.Ops())
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, u := range []string{store.FileURL(filepath.Join(dir, "with space #1?")), filepath.Join(dir, "plain"), filepath.Join(dir, "a:b")} {
		b, err := store.Open(t.Context(), u, nil)
		if err != nil {
			t.Fatalf("%s: %v", u, err)
		}
		if err := b.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		again, err := store.Open(t.Context(), b.URL(), nil)
		if err != nil || again.URL() != b.URL() {
			t.Errorf("%s does not lead back to itself: %v", b.URL(), err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("made %v, %v", entries, err)
	}
}

func TestOpenWritesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	b, err := store.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for o, err := range b.List(t.Context(), store.Query{}) {
		t.Errorf("an empty place has %q, error %v", o.Key, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading has made the folder: %v", err)
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 12, 45, 27, 999_999_999, time.FixedZone("CET", 3600))
	id := store.NewID(at)
	if !strings.HasPrefix(id, "20261121T114527Z-fff") || !store.IsID(id) {
		t.Errorf("got %q", id)
	}
	if later := store.NewID(at.Add(time.Millisecond)); later <= id {
		t.Errorf("%q does not sort after %q", later, id)
	}
	for _, s := range []string{"", "x", "20261121T114527Z-7F3A9C", "20261321T114527Z-7f3a9c", "20261121T114527Z-7f3a9c/..", "20261121T114527Z-7f3a9"} {
		if store.IsID(s) {
			t.Errorf("%q was taken for an ID", s)
		}
	}
}

func TestKillAfter(t *testing.T) {
	t.Parallel()
	for _, when := range []storetest.When{storetest.Before, storetest.After} {
		t.Run(when.String(), func(t *testing.T) {
			t.Parallel()
			inner := memstore.New()
			killer := storetest.KillAfter(inner, 2, when)
			b := store.New(killer, "mem", nil)
			if err := b.Put(t.Context(), "one", nil); err != nil || killer.Killed() {
				t.Fatalf("died too early: %v", err)
			}
			_, getErr := b.Get(t.Context(), "one", 0, -1)
			if getErr != nil {
				t.Fatal(getErr)
			}
			if err := b.Put(t.Context(), "two", nil); !errors.Is(err, storetest.ErrKilled) || !killer.Killed() {
				t.Fatalf("did not die: %v", err)
			}
			_, getErr = b.Get(t.Context(), "one", 0, -1)
			for op, err := range map[string]error{"put": b.Put(t.Context(), "three", nil), "delete": b.Delete(t.Context(), "one"), "get": getErr} {
				if !errors.Is(err, storetest.ErrKilled) {
					t.Errorf("%s works after death: %v", op, err)
				}
			}
			for _, err := range b.List(t.Context(), store.Query{}) {
				if !errors.Is(err, storetest.ErrKilled) {
					t.Errorf("list works after death: %v", err)
				}
			}
			var left []string
			for o, err := range inner.List(t.Context(), driver.Query{}) {
				if err != nil {
					t.Fatal(err)
				}
				left = append(left, o.Key)
			}
			want := map[storetest.When]string{storetest.Before: "one", storetest.After: "one two"}[when]
			if got := strings.Join(left, " "); got != want {
				t.Errorf("%q is left, want %q", got, want)
			}
		})
	}
}
