// Package cloudstore keeps objects in S3 and what speaks its protocol, in
// Azure Blob Storage and in Google Cloud Storage. One file for each cloud
// opens it; the rest is the same for all, over gocloud.dev/blob.
//
// The SDKs are heavy to build and link. Nothing but the program itself imports
// this package: it hands [Schemes] to store.Open.
package cloudstore

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/driver"
)

const (
	// partSize is the size of a part of a large object in bytes: smaller ones
	// are put in one request.
	partSize = 8 << 20
	// maxParts is the limit of S3; Azure has 50,000 blocks.
	maxParts = 10_000
	// maxName is the limit of all three for the name of an object, in bytes.
	maxName = 1024
)

// limits bound how long a request may take.
type limits struct {
	// stall is how long one attempt of a request may go without any progress.
	stall time.Duration
	// total is how long an operation may take with all retries of the SDK; for
	// a put, as much again for every part.
	total time.Duration
}

var usual = limits{stall: 30 * time.Second, total: 2 * time.Minute}

// Schemes returns what opens the URLs of the clouds: s3, azblob and gs.
func Schemes() map[string]store.Opener {
	return map[string]store.Opener{
		"s3":     opener(openS3),
		"azblob": opener(openAzure),
		"gs":     opener(openGoogle),
	}
}

// cloud is one bucket with what differs between the clouds.
type cloud struct {
	bucket *blob.Bucket
	// noun is what this cloud calls a bucket.
	noun string
	// status takes the HTTP status, the code and the message out of an error of
	// the SDK; status 0 says that there was no answer.
	status func(err error) answer
	// startAfter makes a request for a listing begin after a name; nil where
	// the cloud cannot. It may yield the name itself.
	startAfter func(as func(any) bool, name string)
	// beforeWrite adjusts a writer of the SDK; may be nil.
	beforeWrite func(as func(any) bool) error
	// remove deletes an object; nil means that bucket does it well.
	remove func(ctx context.Context, name string) error
	// bucketMissing finds out whether it was the bucket that was not found, for
	// a cloud whose SDK does not say; nil where it does.
	bucketMissing func(ctx context.Context) bool
}

func opener(open func(context.Context, *url.URL, limits) (*cloud, error)) store.Opener {
	return func(ctx context.Context, u *url.URL) (driver.Driver, error) {
		return newStore(ctx, u, usual, open)
	}
}

func newStore(ctx context.Context, u *url.URL, l limits, open func(context.Context, *url.URL, limits) (*cloud, error)) (*Store, error) {
	c, err := open(ctx, u, l)
	if err != nil {
		return nil, err
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &Store{cloud: c, prefix: prefix, limits: l}, nil
}

// Store is the driver for one bucket, or for what is below a prefix of it.
type Store struct {
	*cloud
	prefix string // empty, or ends in a slash
	limits limits
}

var _ driver.Driver = (*Store)(nil)

// name returns the name of the object for a key.
func (s *Store) name(key string) (string, error) {
	name := s.prefix + key
	if len(name) > maxName {
		return "", &driver.HintError{
			Err:  fmt.Errorf("the name of the object has %d bytes with its prefix, more than %d", len(name), maxName),
			Hint: "choose a shorter prefix",
		}
	}
	return name, nil
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, key string) error {
	name, err := s.name(key)
	if err != nil {
		return err
	}
	request, cancel := context.WithTimeout(ctx, s.limits.total)
	defer cancel()
	if s.remove != nil {
		err = s.remove(request, name)
	} else {
		err = s.bucket.Delete(request, name)
	}
	if err == nil || s.status(err).objectMissing() && !s.noBucket(request) {
		return nil
	}
	return s.explain(ctx, err)
}

// noBucket reports whether a missing object is in truth a missing bucket.
func (s *Store) noBucket(ctx context.Context) bool {
	return s.bucketMissing != nil && s.bucketMissing(ctx)
}
