package cloudstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"gocloud.dev/blob"

	"github.com/kferry/kferry/internal/store/driver"
)

// pageSize is how many objects one request for a listing asks for: what all
// three clouds give at most, Azure apart.
const pageSize = 1000

// Get opens a part of an object. Each read from it is bounded as a request is.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	name, err := s.name(key)
	if err != nil {
		return nil, err
	}
	ask := length
	if length == 0 {
		ask = 1 // no cloud has an empty range; that the object is there matters
	}
	r, err := s.bucket.NewRangeReader(ctx, name, offset, ask, nil)
	if err != nil {
		a := s.status(err)
		switch {
		case a.beyond():
			return io.NopCloser(bytes.NewReader(nil)), nil
		case a.objectMissing() && !s.noBucket(ctx):
			return nil, driver.ErrNotFound
		case a.objectMissing():
			return nil, &driver.HintError{Err: fmt.Errorf("the %s is not there", s.noun), Hint: s.hintNoBucket()}
		}
		return nil, s.explain(ctx, err)
	}
	if length == 0 {
		return io.NopCloser(bytes.NewReader(nil)), r.Close()
	}
	return &reader{Reader: r, explain: func(err error) error { return s.explain(ctx, err) }}, nil
}

// reader adds to the errors of a body what the user can do.
type reader struct {
	*blob.Reader
	explain func(error) error
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.explain(err)
	}
	return n, err
}

// List asks for page after page.
func (s *Store) List(ctx context.Context, q driver.Query) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		opts := &blob.ListOptions{Prefix: s.prefix + q.Prefix}
		if q.Shallow {
			opts.Delimiter = "/"
		}
		if q.After != "" && s.startAfter != nil {
			opts.BeforeList = func(as func(any) bool) error {
				s.startAfter(as, s.prefix+q.After)
				return nil
			}
		}
		last := ""
		for token := blob.FirstPageToken; len(token) > 0; {
			page, next, err := s.page(ctx, token, opts)
			if err != nil {
				yield(driver.Object{}, err)
				return
			}
			token = next
			for _, entry := range page {
				o := driver.Object{Key: strings.TrimPrefix(entry.Key, s.prefix), Size: entry.Size, Folder: entry.IsDir}
				if skip(entry, o.Key, q) {
					continue
				}
				if last != "" && o.Key <= last {
					yield(driver.Object{}, outOfOrder(last, o.Key))
					return
				}
				last = o.Key
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

// page makes one request of a listing.
func (s *Store) page(ctx context.Context, token []byte, opts *blob.ListOptions) ([]*blob.ListObject, []byte, error) {
	request, cancel := context.WithTimeout(ctx, s.limits.total)
	defer cancel()
	page, next, err := s.bucket.ListPage(request, token, pageSize, opts)
	if err != nil {
		return nil, nil, s.explain(ctx, err)
	}
	return page, next, nil
}

// skip reports whether an entry is no object of a listing: what lies before
// its beginning, and the empty objects that consoles make for folders.
func skip(entry *blob.ListObject, key string, q driver.Query) bool {
	marker := !entry.IsDir && (key == "" || strings.HasSuffix(key, "/"))
	return marker || key <= q.After
}

// outOfOrder refuses a store in which the newest entry of a journal cannot be
// found by its place: one with a real tree of folders lists "a/" before "a-".
func outOfOrder(last, key string) error {
	return &driver.HintError{
		Err:  fmt.Errorf("the store does not list in the order of the names: %q came after %q", key, last),
		Hint: "use a bucket without hierarchical namespace (Azure Data Lake) and no directory bucket (S3 Express)",
	}
}
