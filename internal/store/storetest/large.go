package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kferry/kferry/internal/store/driver"
)

// largeSize is more than a store takes in one request.
const largeSize = 20<<20 + 7

func testLarge(t *testing.T, open Place) {
	t.Helper()
	writer, reader := open(t), open(t)
	data := randomBytes(3, largeSize)
	if err := put(t.Context(), writer, "large/object", data); err != nil {
		t.Fatal(err)
	}
	wantContent(t, reader, "large/object", data)
	const offset, length = 16<<20 - 5, 11
	got, err := get(t.Context(), reader, "large/object", offset, length)
	if err != nil || !bytes.Equal(got, data[offset:offset+length]) {
		t.Errorf("range across parts: got %d bytes, %v", len(got), err)
	}
	got, err = get(t.Context(), reader, "large/object", largeSize-3, 100)
	if err != nil || !bytes.Equal(got, data[largeSize-3:]) {
		t.Errorf("range beyond the end: got %d bytes, %v", len(got), err)
	}
	if err := put(t.Context(), writer, "large/object", randomBytes(4, largeSize)); !errors.Is(err, driver.ErrExists) {
		t.Errorf("putting it again: got error %v, want %v", err, driver.ErrExists)
	}
	wantContent(t, reader, "large/object", data)
	if err := writer.Put(t.Context(), "large/failing", failingLate{data}, largeSize); err == nil {
		t.Error("a body that fails at its end was taken")
	}
	wantMissing(t, reader, "large/failing")
	wantList(t, reader, driver.Query{}, []string{"large/object"})
}

// failingLate fails in the last part of a large body.
type failingLate struct{ data []byte }

func (r failingLate) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > largeSize-100 {
		return 0, errors.New("the disk with the body is gone")
	}
	return copy(p, r.data[off:]), nil
}

func testRaceLarge(t *testing.T, open Place) {
	t.Helper()
	const writers = 3
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		d, data := open(t), randomBytes(i, largeSize)
		wg.Go(func() { errs[i] = put(t.Context(), d, "race/large", data) })
	}
	wg.Wait()
	winner := slices.Index(errs, nil)
	for i, err := range errs {
		if i != winner && !errors.Is(err, driver.ErrExists) {
			t.Errorf("writer %d: got error %v, want %v", i, err, driver.ErrExists)
		}
	}
	if winner < 0 {
		t.Fatal("nobody has put it")
	}
	wantContent(t, open(t), "race/large", randomBytes(winner, largeSize))
}

// testListPages lists more than any store gives in two answers, with the ends
// of its pages among folders as well.
func testListPages(t *testing.T, open Place) {
	t.Helper()
	const objects, folders, writers = 2500, 50, 8
	d := open(t)
	all := make([]string, objects)
	for i := range all {
		all[i] = fmt.Sprintf("many/%02d/%04d", i%folders, i)
	}
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < objects && errs[w] == nil; i += writers {
				errs[w] = put(t.Context(), d, all[i], []byte(all[i]))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	wantList(t, d, driver.Query{}, all)
	wantList(t, d, driver.Query{Prefix: "many/", After: all[1234]}, all[1235:])
	wantList(t, d, driver.Query{Prefix: "many/4"}, slices.DeleteFunc(slices.Clone(all), func(key string) bool { return !strings.HasPrefix(key, "many/4") }))
	var shallow []string
	for i := range folders {
		shallow = append(shallow, fmt.Sprintf("many/%02d/", i))
	}
	wantList(t, d, driver.Query{Prefix: "many/", Shallow: true}, shallow)
	wantList(t, d, driver.Query{Prefix: "many/", Shallow: true, After: shallow[30]}, shallow[31:])
}
