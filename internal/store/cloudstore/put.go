package cloudstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"gocloud.dev/blob"

	"github.com/kferry/kferry/internal/store/driver"
)

// putMark is the name of the metadata that tells whose put an object is from.
const putMark = "kferryput"

// conflictTries is how often a put is begun again after the store refused it
// because another one was under way, without saying that it succeeded.
const conflictTries = 8

// Put stores an object if it is absent.
//
// The SDK sends a put again when the answer is lost, and then the store
// refuses the second one because of the first: without more, a writer would be
// told that another has won while the object is its own. Every put therefore
// carries a mark of its own as metadata, and a refused one looks whose the
// object is.
func (s *Store) Put(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	name, err := s.name(key)
	if err != nil {
		return err
	}
	parts := size/partSize + 1
	request, cancel := context.WithTimeout(ctx, time.Duration(parts)*s.limits.total)
	defer cancel()
	mark := rand.Text()
	for try := 1; ; try++ {
		err := s.put(request, name, mark, body, size)
		if err == nil {
			return nil
		}
		a := s.status(err)
		if !a.exists() && !a.conflict() {
			return s.explain(ctx, err)
		}
		there, ours, lookErr := s.whose(request, name, mark)
		switch {
		case lookErr != nil:
			return s.explain(ctx, lookErr)
		case ours:
			return nil
		case there || a.exists(): // or it was there, and has been deleted since
			return driver.ErrExists
		case try == conflictTries:
			return s.explain(ctx, err)
		}
		if err := pause(request, time.Duration(try)*50*time.Millisecond); err != nil {
			return s.explain(ctx, err)
		}
	}
}

// whose reports whether there is an object, and whether it is from this put.
func (s *Store) whose(ctx context.Context, name, mark string) (there, ours bool, err error) {
	attrs, err := s.bucket.Attributes(ctx, name)
	switch {
	case err == nil:
		return true, attrs.Metadata[putMark] == mark, nil
	case s.status(err).objectMissing():
		return false, false, nil
	default:
		return false, false, err
	}
}

// put makes one conditional put. A body of one part is read before anything is
// sent, a larger one is sent in parts that become visible with the last
// request, which carries the condition.
func (s *Store) put(ctx context.Context, name, mark string, body io.ReaderAt, size int64) error {
	// Cancelled before the SDK hears of a body that fails: it would take what
	// it has so far for the whole object.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	source := &source{r: io.NewSectionReader(body, 0, size), left: size, fail: cancel}
	var r io.Reader = source
	if size <= partSize {
		data, err := io.ReadAll(source)
		if err != nil {
			return err
		}
		r = bytes.NewReader(data)
	}
	err := s.bucket.Upload(ctx, name, r, &blob.WriterOptions{
		BufferSize:                  int(max(partSize, size/maxParts+1)),
		MaxConcurrency:              2,
		ContentType:                 "application/octet-stream",
		DisableContentTypeDetection: true,
		Metadata:                    map[string]string{putMark: mark},
		IfNotExist:                  true,
		BeforeWrite:                 s.beforeWrite,
	})
	if source.err != nil {
		return source.err // what the SDK makes of it says less
	}
	return err
}

// source reads exactly the size that was promised. The SDKs take an early end
// for the end of the object.
type source struct {
	r    io.Reader
	left int64
	err  error
	fail func()
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF) && s.left > 0:
		s.err = fmt.Errorf("the body ends %d bytes too early", s.left)
	case err != nil && !errors.Is(err, io.EOF):
		s.err = fmt.Errorf("reading the body: %w", err)
	default:
		return n, err
	}
	s.fail()
	return n, s.err
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
