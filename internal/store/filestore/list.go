package filestore

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/kferry/kferry/internal/store/driver"
)

// List walks the folders in key order, reading one folder at a time.
func (s *Store) List(ctx context.Context, q driver.Query) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		w := walk{ctxErr: ctx.Err, store: s, query: q, yield: yield}
		// Only the folder in which the prefix ends can hold matches.
		dir := path.Dir(q.Prefix + "x")
		if dir == "." {
			dir = ""
		}
		w.folder(dir)
	}
}

// walk is one listing under way.
type walk struct {
	ctxErr func() error
	store  *Store
	query  driver.Query
	yield  func(driver.Object, error) bool
}

// entry is one name in a folder, as the part of a key: folders end in a slash,
// because that is what decides the order of the keys in them ("a-b" is before
// "a/b").
type entry struct {
	name string
	dir  fs.DirEntry
}

// folder yields what is in one folder ("" is the root) and reports whether to
// go on.
func (w *walk) folder(dir string) bool {
	entries, err := w.store.read(dir)
	if err != nil {
		w.yield(driver.Object{}, hint(err))
		return false
	}
	for _, e := range entries {
		if err := w.ctxErr(); err != nil {
			w.yield(driver.Object{}, err)
			return false
		}
		if !w.entry(path.Join(dir, e.name), e) {
			return false
		}
	}
	return true
}

// entry yields one file, or goes into one folder.
func (w *walk) entry(key string, e entry) bool {
	q := w.query
	if !e.dir.IsDir() {
		if !strings.HasPrefix(key, q.Prefix) || key <= q.After {
			return true
		}
		info, err := e.dir.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return true // deleted meanwhile
		case err != nil:
			w.yield(driver.Object{}, hint(err))
			return false
		}
		return w.yield(driver.Object{Key: key, Size: info.Size()}, nil)
	}
	key += "/"
	inside := strings.HasPrefix(key, q.Prefix)
	if !inside || w.passed(key) {
		return true
	}
	if !q.Shallow {
		return w.folder(strings.TrimSuffix(key, "/"))
	}
	found, err := w.store.holdsAny(w.ctxErr, strings.TrimSuffix(key, "/"))
	if err != nil {
		w.yield(driver.Object{}, hint(err))
		return false
	}
	return !found || w.yield(driver.Object{Key: key, Folder: true}, nil)
}

// passed reports whether all keys of a folder are at or before After.
func (w *walk) passed(folder string) bool {
	after := w.query.After
	if w.query.Shallow {
		return folder <= after
	}
	return folder <= after && !strings.HasPrefix(after, folder)
}

// read returns the names of one folder in key order, without those that belong
// to the driver. A missing folder is empty.
func (s *Store) read(dir string) ([]entry, error) {
	list, err := os.ReadDir(filepath.Join(s.root, filepath.FromSlash(dir)))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(list))
	for _, d := range list {
		if strings.HasPrefix(d.Name(), ".") {
			continue
		}
		e := entry{name: d.Name(), dir: d}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.sortKey(), b.sortKey()) })
	return entries, nil
}

func (e entry) sortKey() string {
	if e.dir.IsDir() {
		return e.name + "/"
	}
	return e.name
}

// holdsAny reports whether there is an object below a folder: a delete leaves
// empty folders, which no listing shows.
func (s *Store) holdsAny(ctxErr func() error, dir string) (bool, error) {
	if err := ctxErr(); err != nil {
		return false, err
	}
	entries, err := s.read(dir)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if !e.dir.IsDir() {
			return true, nil
		}
	}
	for _, e := range entries {
		if found, err := s.holdsAny(ctxErr, path.Join(dir, e.name)); found || err != nil {
			return found, err
		}
	}
	return false, nil
}
