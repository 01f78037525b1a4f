// Package memstore keeps objects in memory, for tests and for what is not
// meant to last. It follows the same rules as every other driver.
package memstore

import (
	"bytes"
	"context"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/kferry/kferry/internal/store/driver"
)

// Store is the driver; the zero value is empty and ready.
type Store struct {
	mu      sync.Mutex
	objects map[string][]byte
}

var _ driver.Driver = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{} }

// Clone returns a store with the same objects.
func (s *Store) Clone() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Store{objects: maps.Clone(s.objects)} // what is stored is never changed
}

// Put stores a copy of body under an absent key.
func (s *Store) Put(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data := make([]byte, size)
	if n, err := io.ReadFull(io.NewSectionReader(body, 0, size), data); int64(n) != size {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[key]; ok {
		return driver.ErrExists
	}
	if s.objects == nil {
		s.objects = map[string][]byte{}
	}
	s.objects[key] = data
	return nil
}

// Get opens a part of an object.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.objects[key]
	if !ok {
		return nil, driver.ErrNotFound
	}
	data = data[min(offset, int64(len(data))):]
	if length >= 0 {
		data = data[:min(length, int64(len(data)))]
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// List yields the objects that there are when it begins.
func (s *Store) List(ctx context.Context, q driver.Query) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		last := ""
		for _, o := range s.snapshot() {
			if err := ctx.Err(); err != nil {
				yield(driver.Object{}, err)
				return
			}
			rest, ok := strings.CutPrefix(o.Key, q.Prefix)
			if !ok {
				continue
			}
			if folder, _, below := strings.Cut(rest, "/"); below && q.Shallow {
				o = driver.Object{Key: q.Prefix + folder + "/", Folder: true}
			}
			if o.Key <= q.After || o.Key == last {
				continue
			}
			last = o.Key
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (s *Store) snapshot() []driver.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]driver.Object, 0, len(s.objects))
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		all = append(all, driver.Object{Key: key, Size: int64(len(s.objects[key]))})
	}
	return all
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}
