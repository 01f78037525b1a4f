// Package filestore keeps objects as files of one folder. Several processes
// may use the folder at once, on a local disk or on a network file system with
// working hard links or exclusive renames.
package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/kferry/kferry/internal/store/driver"
)

const (
	// tmpDir holds files that are being written. Its name begins with a dot,
	// which no key does.
	tmpDir = ".tmp"
	// staleAfter is the age of a file in tmpDir that a crash must have left.
	staleAfter = 24 * time.Hour

	dirMode  = 0o700
	fileMode = 0o600
)

// Store is the driver for one folder.
type Store struct {
	root  string
	sweep sync.Once
	// link publishes a written file under its key without replacing; tests put
	// a file system without hard links here.
	link func(oldname, newname string) error
}

var _ driver.Driver = (*Store)(nil)

// New returns the driver for the folder root, an absolute path. The folder may
// be missing: then it is empty, and the first Put creates it. A root that is
// something else is an error.
func New(root string) (*Store, error) {
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, hint(err)
	case !info.IsDir():
		return nil, &driver.HintError{Err: fmt.Errorf("%s is not a folder", root), Hint: "name a folder, or one that does not exist yet"}
	}
	return &Store{root: root, link: os.Link}, nil
}

func (s *Store) path(key string) string { return filepath.Join(s.root, filepath.FromSlash(key)) }

// Put writes a temporary file, syncs it, and then makes it visible under its
// key in one step that fails when the key exists. The order is what a crash
// must not break: data durable, then the name, then the name durable.
func (s *Store) Put(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	target := s.path(key)
	if _, err := os.Lstat(target); err == nil {
		return driver.ErrExists // spares writing; the link below decides
	}
	tmp, err := s.writeTemp(body, size)
	if err != nil {
		return hint(err)
	}
	defer func() { _ = os.Remove(tmp) }() // harmless when it stays: nobody lists it
	if err := s.mkdirSynced(filepath.Dir(target)); err != nil {
		return hint(err)
	}
	if err := s.publish(tmp, target); err != nil {
		return hint(err)
	}
	return hint(syncDir(filepath.Dir(target)))
}

// writeTemp writes a whole and durable file that is not visible yet.
func (s *Store) writeTemp(body io.ReaderAt, size int64) (path string, err error) {
	dir := filepath.Join(s.root, tmpDir)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return "", err
	}
	s.sweep.Do(func() { sweepStale(dir, time.Now().Add(-staleAfter)) })
	path = filepath.Join(dir, rand.Text())
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return "", err
	}
	n, err := io.Copy(f, io.NewSectionReader(body, 0, size))
	if err == nil && n != size {
		err = fmt.Errorf("%w: %d of %d bytes", io.ErrUnexpectedEOF, n, size)
	}
	if err == nil {
		err = f.Sync()
	}
	// Network file systems report a full disk as late as on close.
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(path)
		return "", err
	}
	return path, nil
}

// publish gives tmp the name target unless that exists. A hard link does so on
// every file system that has them; the others (FAT, some network and FUSE
// ones) may have a rename that does not replace.
func (s *Store) publish(tmp, target string) error {
	linkErr := s.link(tmp, target)
	switch {
	case linkErr == nil:
		return nil
	case errors.Is(linkErr, fs.ErrExist):
		return driver.ErrExists
	case !linkUnsupported(linkErr):
		return linkErr
	}
	err := renameNoReplace(tmp, target)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return driver.ErrExists
	default:
		return &driver.HintError{
			Err:  fmt.Errorf("neither a hard link nor an exclusive rename: %w", errors.Join(linkErr, err)),
			Hint: "this file system cannot create a file only if it is absent; keep the state on another one",
		}
	}
}

// linkUnsupported reports whether an error of link may mean that the file
// system has no hard links. EPERM is what Linux says for FAT.
func linkUnsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) ||
		errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EMLINK) || errors.Is(err, syscall.EXDEV)
}

// mkdirSynced creates a folder with its parents and makes each new name
// durable: a synced file in a folder whose own name is lost is lost as well.
func (s *Store) mkdirSynced(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if info.IsDir() {
			return nil
		}
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := s.mkdirSynced(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// sweepStale removes what crashes left long ago. Errors do not matter: the
// files are harmless.
func sweepStale(dir string, before time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.ModTime().Before(before) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// Get opens a part of an object.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(s.path(key))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil, driver.ErrNotFound
		}
		return nil, hint(err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = driver.ErrNotFound // a folder of keys is no object
	}
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if length < 0 {
		return f, nil
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, length), f}, nil
}

// Delete removes an object and makes that durable. Folders stay: removing one
// would race with a Put that has just found it.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := s.path(key)
	err := os.Remove(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil
	case err != nil:
		return hint(err)
	}
	return hint(syncDir(filepath.Dir(path)))
}

// hint adds what the user can do about the errors that users can mend.
func hint(err error) error {
	var text string
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		text = "the disk or the quota is full; free some space and call again, nothing half-written is visible"
	case errors.Is(err, syscall.EROFS):
		text = "the file system is read-only; choose another place with --state"
	case errors.Is(err, fs.ErrPermission):
		text = "this user may not use the folder; change its owner or choose another place with --state"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		text = "a file is where a folder should be or the reverse; something else has written into the folder"
	default:
		return err
	}
	return &driver.HintError{Err: err, Hint: text}
}
