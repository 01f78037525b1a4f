// Package driver is the interface between store.Bucket and one kind of object
// storage. A driver stores bytes under keys and does nothing else: names,
// envelopes and checks are written once, in package store. What a driver must
// do is specified by the suite in package storetest.
package driver

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Sentinel errors that a driver must return (wrapped or not) for these cases.
var (
	// ErrExists says that Put found an object under the key.
	ErrExists = errors.New("object exists already")
	// ErrNotFound says that Get found no object under the key.
	ErrNotFound = errors.New("object not found")
)

// Driver is one place with objects. All methods can be called concurrently,
// also from several processes, and bound each network request by a deadline of
// their own below that of ctx. Keys have been checked by store.Bucket.
type Driver interface {
	// Put stores the size bytes of body under key if the key is absent, else
	// it returns ErrExists and changes nothing. An object is visible only when
	// it is whole, and durable when Put returns nil. After any other error the
	// object may be there, may be absent, or may come later.
	Put(ctx context.Context, key string, body io.ReaderAt, size int64) error
	// Get opens length bytes of an object from offset on, all of the rest for
	// a negative length. What lies beyond the end is left out without an
	// error. A key without an object is ErrNotFound. The caller closes.
	Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
	// List yields the objects that q asks for, in byte order of their keys. An
	// object that is put or deleted meanwhile may or may not be seen. It ends
	// after the first error.
	List(ctx context.Context, q Query) iter.Seq2[Object, error]
	// Delete removes an object; deleting an absent one is no error.
	Delete(ctx context.Context, key string) error
}

// Query selects objects for List.
type Query struct {
	// Prefix is what the keys begin with; it need not end at a slash.
	Prefix string
	// After leaves out all keys, and in a shallow listing all folders, up to
	// and including this one in byte order.
	After string
	// Shallow yields, in place of all keys with a slash after the prefix, each
	// beginning up to and including that slash once, as an Object with Folder
	// set. A folder without objects does not exist.
	Shallow bool
}

// Object is one entry of a listing.
type Object struct {
	Key string
	// Size in bytes; 0 for a folder.
	Size int64
	// Folder marks a common beginning of keys, found by a shallow listing.
	Folder bool
}

// HintError is an error with advice for the user; drivers use it for what a
// user can mend (disk full, read-only, rights).
type HintError struct {
	Err  error
	Hint string
}

// Error returns the text of the error that is wrapped.
func (e *HintError) Error() string { return e.Err.Error() }

// Unwrap returns the error that is wrapped.
func (e *HintError) Unwrap() error { return e.Err }
