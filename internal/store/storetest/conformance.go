// Package storetest has what tests of storage need: the conformance suite that
// specifies a driver, and decorators that make a process die or interfere at a
// chosen operation.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/store/driver"
)

// Place opens handles on one and the same empty storage; each handle stands
// for a process.
type Place func(t *testing.T) driver.Driver

// Run checks everything that package driver promises. newPlace is called once
// for each test.
func Run(t *testing.T, newPlace func(t *testing.T) Place) {
	t.Helper()
	tests := []struct {
		name string
		test func(t *testing.T, open Place)
	}{
		{"put and get", testPutGet},
		{"get a range", testRange},
		{"a missing object", testMissing},
		{"put only if absent", testPutTwice},
		{"concurrent puts of one key", testRace},
		{"an object is seen whole or not", testWhole},
		{"a body that ends early", testShortBody},
		{"a body that fails", testFailingBody},
		{"delete", testDelete},
		{"list", testList},
		{"list against a model", testListModel},
		{"list ends when told to", testListBreak},
		{"list more than a page", testListPages},
		{"put a large object", testLarge},
		{"concurrent puts of a large object", testRaceLarge},
		{"keys at the limits", testKeys},
		{"a cancelled context", testCancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.test(t, newPlace(t))
		})
	}
}

func put(ctx context.Context, d driver.Driver, key string, data []byte) error {
	return d.Put(ctx, key, bytes.NewReader(data), int64(len(data)))
}

func mustPut(t *testing.T, d driver.Driver, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := put(t.Context(), d, key, []byte("content of "+key)); err != nil {
			t.Fatalf("putting %s: %v", key, err)
		}
	}
}

func get(ctx context.Context, d driver.Driver, key string, offset, length int64) (data []byte, err error) {
	r, err := d.Get(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(r)
}

func wantContent(t *testing.T, d driver.Driver, key string, want []byte) {
	t.Helper()
	got, err := get(t.Context(), d, key, 0, -1)
	if err != nil {
		t.Fatalf("getting %s: %v", key, err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s holds %d bytes %.60q, want %d bytes %.60q", key, len(got), got, len(want), want)
	}
}

func wantMissing(t *testing.T, d driver.Driver, key string) {
	t.Helper()
	if _, err := get(t.Context(), d, key, 0, -1); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("getting %s: got error %v, want %v", key, err, driver.ErrNotFound)
	}
}

// randomBytes returns the same bytes each time for the same seed.
func randomBytes(seed, size int) []byte {
	var key [32]byte
	copy(key[:], strconv.Itoa(seed))
	data := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(data) // never fails
	return data
}

func testPutGet(t *testing.T, open Place) {
	t.Helper()
	writer, reader := open(t), open(t)
	for _, size := range []int{0, 1, 4096, 3 << 20} {
		key := fmt.Sprintf("sizes/%d", size)
		data := randomBytes(1, size)
		if err := put(t.Context(), writer, key, data); err != nil {
			t.Fatalf("putting %d bytes: %v", size, err)
		}
		wantContent(t, reader, key, data)
	}
}

func testRange(t *testing.T, open Place) {
	t.Helper()
	d := open(t)
	if err := put(t.Context(), d, "a/digits", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		offset, length int64
		want           string
	}{
		{0, -1, "0123456789"},
		{0, 10, "0123456789"},
		{0, 4, "0123"},
		{3, 4, "3456"},
		{3, -1, "3456789"},
		{8, 5, "89"},
		{0, 0, ""},
		{10, -1, ""},
		{10, 3, ""},
		{11, 1, ""},
	} {
		got, err := get(t.Context(), d, "a/digits", tt.offset, tt.length)
		if err != nil || string(got) != tt.want {
			t.Errorf("range %d+%d: got %q, %v, want %q", tt.offset, tt.length, got, err, tt.want)
		}
	}
}

func testMissing(t *testing.T, open Place) {
	t.Helper()
	d := open(t)
	wantMissing(t, d, "nothing")
	wantList(t, d, driver.Query{}, nil)
	mustPut(t, d, "folder/object")
	wantMissing(t, d, "folder")
	wantMissing(t, d, "folder/other")
	wantMissing(t, d, "folder/object/below")
}

func testPutTwice(t *testing.T, open Place) {
	t.Helper()
	first, second := open(t), open(t)
	if err := put(t.Context(), first, "a/b", []byte("first")); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"other": "second", "same": "first", "empty": ""} {
		for _, d := range []driver.Driver{first, second} {
			if err := put(t.Context(), d, "a/b", []byte(data)); !errors.Is(err, driver.ErrExists) {
				t.Errorf("putting %s content again: got error %v, want %v", name, err, driver.ErrExists)
			}
		}
	}
	wantContent(t, second, "a/b", []byte("first"))
}

func testRace(t *testing.T, open Place) {
	t.Helper()
	const rounds, writers = 10, 8
	handles := make([]driver.Driver, writers)
	for i := range handles {
		handles[i] = open(t)
	}
	for round := range rounds {
		key := fmt.Sprintf("race/%d/object", round)
		errs := make([]error, writers)
		var wg sync.WaitGroup
		for i, d := range handles {
			wg.Go(func() { errs[i] = put(t.Context(), d, key, randomBytes(i, 10_000)) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Errorf("%s: writers %d and %d have both put it", key, winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, driver.ErrExists):
				t.Errorf("%s: writer %d: %v", key, i, err)
			}
		}
		if winner < 0 {
			t.Fatalf("%s: nobody has put it", key)
		}
		wantContent(t, handles[0], key, randomBytes(winner, 10_000))
	}
}

func testWhole(t *testing.T, open Place) {
	t.Helper()
	writer, reader := open(t), open(t)
	want := randomBytes(7, 1<<20)
	for round := range 5 {
		key := fmt.Sprintf("whole/%d", round)
		done := make(chan error, 1)
		go func() { done <- put(t.Context(), writer, key, want) }()
		for finished := false; !finished; {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				finished = true
			default:
			}
			got, err := get(t.Context(), reader, key, 0, -1)
			if errors.Is(err, driver.ErrNotFound) && !finished {
				continue
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: seen with %d of %d bytes, error %v", key, len(got), len(want), err)
			}
		}
	}
}

func testShortBody(t *testing.T, open Place) {
	t.Helper()
	d := open(t)
	if err := d.Put(t.Context(), "short", strings.NewReader("abc"), 5); err == nil {
		t.Error("a body of 3 bytes was taken as one of 5")
	}
	wantMissing(t, d, "short")
	mustPut(t, d, "short")
}

// failingReader fails after some bytes.
type failingReader struct{ err error }

func (r failingReader) ReadAt(p []byte, off int64) (int, error) {
	if off > 0 {
		return 0, r.err
	}
	p[0] = 'x'
	return 1, r.err
}

func testFailingBody(t *testing.T, open Place) {
	t.Helper()
	d := open(t)
	cause := errors.New("the disk with the body is gone")
	if err := d.Put(t.Context(), "failing", failingReader{cause}, 100); !errors.Is(err, cause) {
		t.Errorf("got error %v, want %v", err, cause)
	}
	wantMissing(t, d, "failing")
	wantList(t, d, driver.Query{}, nil)
}

func testDelete(t *testing.T, open Place) {
	t.Helper()
	d, other := open(t), open(t)
	mustPut(t, d, "a/b/one", "a/b/two")
	for range 2 { // the second time it is absent
		if err := d.Delete(t.Context(), "a/b/one"); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Delete(t.Context(), "never/was"); err != nil {
		t.Errorf("deleting an absent object: %v", err)
	}
	wantMissing(t, other, "a/b/one")
	wantList(t, other, driver.Query{}, []string{"a/b/two"})
	if err := d.Delete(t.Context(), "a/b/two"); err != nil {
		t.Fatal(err)
	}
	wantList(t, other, driver.Query{Shallow: true}, nil)
	wantList(t, other, driver.Query{Prefix: "a/", Shallow: true}, nil)
	mustPut(t, other, "a/b/one")
	wantList(t, d, driver.Query{Shallow: true}, []string{"a/"})
}

func testCancelled(t *testing.T, open Place) {
	t.Helper()
	d := open(t)
	mustPut(t, d, "there")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := put(ctx, d, "new", []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: got error %v", err)
	}
	if _, err := get(ctx, d, "there", 0, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: got error %v", err)
	}
	if err := d.Delete(ctx, "there"); !errors.Is(err, context.Canceled) {
		t.Errorf("Delete: got error %v", err)
	}
	var listErr error
	for _, err := range d.List(ctx, driver.Query{}) {
		listErr = err
	}
	if !errors.Is(listErr, context.Canceled) {
		t.Errorf("List: got error %v", listErr)
	}
	wantList(t, d, driver.Query{}, []string{"there"})
}

func testKeys(t *testing.T, open Place) {
	t.Helper()
	d := open(t)
	long := strings.Repeat("s", 240)
	keys := []string{
		"abcdefghijklmnopqrstuvwxyz/ABCDEFGHIJKLMNOPQRSTUVWXYZ/0123456789/-_.=-",
		"=", "-", "_", "a..b",
		strings.Join([]string{long, long, long, long}, "/") + "/" + strings.Repeat("e", 60),
	}
	mustPut(t, d, keys...)
	slices.Sort(keys)
	wantList(t, d, driver.Query{}, keys)
	for _, key := range keys {
		wantContent(t, d, key, []byte("content of "+key))
	}
}

func wantList(t *testing.T, d driver.Driver, q driver.Query, want []string) {
	t.Helper()
	var got []string
	for o, err := range d.List(t.Context(), q) {
		if err != nil {
			t.Fatalf("listing %+v: %v", q, err)
		}
		if o.Folder != strings.HasSuffix(o.Key, "/") {
			t.Errorf("listing %+v: %q has Folder %t", q, o.Key, o.Folder)
		}
		got = append(got, o.Key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listing %+v (-want +got):\n%s", q, diff)
	}
}
