// Package store keeps objects that are written once: the state of kferry
// (runs, snapshots, leases) and later its archives. Bucket is what the rest of
// the program uses; drivers (package driver) adapt one kind of storage each.
// The rules for keys and the envelope of every JSON object are specified in
// docs/formats.md.
package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"

	"github.com/kferry/kferry/internal/store/driver"
)

// The vocabulary of package driver that users of a Bucket need.
var (
	ErrExists   = driver.ErrExists
	ErrNotFound = driver.ErrNotFound
)

// Object is one entry of a listing, as package driver has it.
type Object = driver.Object

// Query selects objects for a listing, as package driver has it.
type Query = driver.Query

// Options for Open and New; nil or zero fields mean the defaults.
type Options struct {
	// MaxObject is the largest JSON object that GetJSON reads, in bytes;
	// default 1 GiB. It bounds memory when an object is not what it should be.
	MaxObject int64
	// Schemes opens other places than folders, by the scheme of the URL. The
	// clouds are in package cloudstore, which is heavy to build and link: only
	// the program itself hands them in.
	Schemes map[string]Opener
}

const defaultMaxObject = 1 << 30

// Error says which operation failed on which object.
type Error struct {
	Op     string // gerund: "putting", "getting", "listing", "deleting", "probing", "opening"
	Bucket string // URL, without secrets
	Key    string // empty when opening
	Err    error
	Hint   string // what a user can do; may be empty
}

// Error names the operation and the object.
func (e *Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%s %s: %v", e.Op, e.Bucket, e.Err)
	}
	return fmt.Sprintf("%s %s in %s: %v", e.Op, e.Key, e.Bucket, e.Err)
}

// Unwrap returns the cause, which may be ErrExists or ErrNotFound.
func (e *Error) Unwrap() error { return e.Err }

// Bucket is a place with objects. It can be used concurrently.
type Bucket struct {
	drv       driver.Driver
	url       string
	maxObject int64

	mu     sync.Mutex
	probed bool
}

// New returns a Bucket on a driver; url names it in messages and must hold no
// secrets.
func New(drv driver.Driver, url string, opts *Options) *Bucket {
	b := &Bucket{drv: drv, url: url, maxObject: defaultMaxObject}
	if opts != nil && opts.MaxObject > 0 {
		b.maxObject = opts.MaxObject
	}
	return b
}

// URL names the bucket for people; it holds no secrets.
func (b *Bucket) URL() string { return b.url }

// Put stores data under a key that is absent, else the error is ErrExists.
// After an error other than ErrExists or ErrKey the object may be there or
// come later: putting the same bytes again is always safe.
func (b *Bucket) Put(ctx context.Context, key string, data []byte) error {
	err := CheckKey(key)
	if err == nil {
		err = b.drv.Put(ctx, key, bytes.NewReader(data), int64(len(data)))
	}
	return b.wrap("putting", key, err)
}

// PutFrom is Put for an object that is not in memory.
func (b *Bucket) PutFrom(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	err := CheckKey(key)
	if err == nil {
		err = b.drv.Put(ctx, key, body, size)
	}
	return b.wrap("putting", key, err)
}

// PutSame puts data under key, and takes it as success when these very bytes
// are there already: the answer to an earlier put may have been lost. Other
// bytes are ErrExists.
func (b *Bucket) PutSame(ctx context.Context, key string, data []byte) error {
	err := b.Put(ctx, key, data)
	if !errors.Is(err, ErrExists) {
		return err
	}
	there, getErr := b.read(ctx, key)
	if getErr != nil {
		return getErr
	}
	if bytes.Equal(there, data) {
		return nil
	}
	return err
}

// Get opens length bytes of an object from offset on (all of the rest for a
// negative length); a missing object is ErrNotFound. The caller closes it.
func (b *Bucket) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := CheckKey(key); err != nil {
		return nil, b.wrap("getting", key, err)
	}
	if offset < 0 {
		return nil, b.wrap("getting", key, fmt.Errorf("offset %d is negative", offset))
	}
	r, err := b.drv.Get(ctx, key, offset, length)
	if err != nil {
		return nil, b.wrap("getting", key, err)
	}
	return r, nil
}

// read returns a whole object of at most maxObject bytes.
func (b *Bucket) read(ctx context.Context, key string) (data []byte, err error) {
	r, err := b.Get(ctx, key, 0, b.maxObject+1)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := r.Close(); err == nil && closeErr != nil {
			err = b.wrap("getting", key, closeErr)
		}
	}()
	data, err = io.ReadAll(r)
	if err != nil {
		return nil, b.wrap("getting", key, err)
	}
	if int64(len(data)) > b.maxObject {
		return nil, &FormatError{
			Key: key, Want: fmt.Sprintf("at most %d bytes", b.maxObject), Got: "more",
			Hint: "this is not an object of kferry", Err: ErrMalformed,
		}
	}
	return data, nil
}

// List yields the objects that q asks for in byte order of their keys, and
// ends after the first error.
func (b *Bucket) List(ctx context.Context, q Query) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := checkPrefix(q.Prefix); err != nil {
			yield(Object{}, b.wrap("listing", q.Prefix, err))
			return
		}
		for o, err := range b.drv.List(ctx, q) {
			if err != nil {
				yield(Object{}, b.wrap("listing", q.Prefix, err))
				return
			}
			if !yield(o, nil) {
				return
			}
		}
	}
}

// Delete removes an object; an absent one is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	err := CheckKey(key)
	if err == nil {
		err = b.drv.Delete(ctx, key)
	}
	return b.wrap("deleting", key, err)
}

// PutJSON stores body in an envelope (see Encode) under a key that is absent,
// else the error is ErrExists.
func (b *Bucket) PutJSON(ctx context.Context, key, format string, version int, body any) error {
	data, err := Encode(format, version, body)
	if err != nil {
		return b.wrap("putting", key, err)
	}
	return b.Put(ctx, key, data)
}

// GetJSON reads an object that PutJSON wrote into body and returns its version
// (1 to maxVersion). A missing object is ErrNotFound; content that cannot be
// trusted is a *FormatError, and body is then not to be used.
func (b *Bucket) GetJSON(ctx context.Context, key, format string, maxVersion int, body any) (int, error) {
	data, err := b.read(ctx, key)
	if err != nil {
		return 0, err
	}
	return Decode(data, key, format, maxVersion, body)
}

// wrap adds operation and object to an error of a driver.
func (b *Bucket) wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: op, Bucket: b.url, Key: key, Err: err, Hint: hintOf(err)}
	if strings.TrimSpace(key) == "" {
		e.Key = "everything"
	}
	return e
}

// hintOf returns the advice that a driver gave with an error.
func hintOf(err error) string {
	if hint, ok := errors.AsType[*driver.HintError](err); ok {
		return hint.Hint
	}
	return ""
}
