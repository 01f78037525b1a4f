package cloudstore

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	ghttp "google.golang.org/api/transport/http"

	"github.com/kferry/kferry/internal/store/driver"
)

// googleAttempts and googleChunk bound the retries of the SDK, which has no
// bound of its own for requests, and a longer one for a part of an object.
const (
	googleAttempts = 5
	googleChunk    = 10 * time.Second
)

// openGoogle opens gs://BUCKET/PREFIX with the application default
// credentials (environment, the login of gcloud, the machine's service
// account), or with the file of a service account that ?credentials= refers
// to. Over http://, as emulators speak it, no credentials are ever sent.
func openGoogle(ctx context.Context, u *url.URL, l limits) (*cloud, error) {
	q := u.Query()
	endpoint := q.Get("endpoint")
	login, err := googleLogin(q.Get("credentials"), endpoint)
	if err != nil {
		return nil, err
	}
	// The transport outlives this call, and fetches tokens in its name.
	transport, err := ghttp.NewTransport(context.WithoutCancel(ctx), &guard{do: newTransport().RoundTrip, stall: l.stall}, login...)
	if err != nil {
		return nil, &driver.HintError{
			Err:  &Error{text: "no credentials for Google Cloud were found, or they cannot be read", err: err},
			Hint: "log in with gcloud auth application-default login, set GOOGLE_APPLICATION_CREDENTIALS, give this machine a service account, or refer to one with ?credentials=file:PATH",
		}
	}
	options := []option.ClientOption{option.WithHTTPClient(&http.Client{Transport: transport}), storage.WithJSONReads()}
	if endpoint != "" {
		options = append(options, option.WithEndpoint(strings.TrimSuffix(endpoint, "/")+"/storage/v1/"))
	}
	client, err := storage.NewClient(ctx, options...)
	if err != nil {
		return nil, err
	}
	client.SetRetry(storage.WithMaxAttempts(googleAttempts))
	bucket, err := gcsblob.OpenBucket(ctx, nil, u.Host, &gcsblob.Options{Client: client})
	if err != nil {
		return nil, err
	}
	return &cloud{
		bucket: bucket,
		noun:   "bucket",
		status: statusGoogle,
		startAfter: func(as func(any) bool, name string) {
			var query *storage.Query
			if as(&query) {
				query.StartOffset = name // from this one on; it is left out later
			}
		},
		beforeWrite: func(as func(any) bool) error {
			var w *storage.Writer
			if as(&w) {
				w.ChunkRetryDeadline = googleChunk
			}
			return nil
		},
		bucketMissing: func(ctx context.Context) bool {
			_, _, err := bucket.ListPage(ctx, blob.FirstPageToken, 1, nil)
			return err != nil && statusGoogle(err).status == http.StatusNotFound
		},
	}, nil
}

func googleLogin(reference, endpoint string) ([]option.ClientOption, error) {
	secret, err := resolve(reference)
	switch {
	case err != nil:
		return nil, err
	case strings.HasPrefix(endpoint, "http://") && secret != "":
		return nil, &driver.HintError{Err: errors.New("tokens would go over the network in clear"), Hint: "use an endpoint with https://, or none"}
	case strings.HasPrefix(endpoint, "http://"):
		return []option.ClientOption{option.WithoutAuthentication()}, nil
	}
	login := []option.ClientOption{option.WithScopes(storage.ScopeReadWrite)}
	if secret != "" {
		login = append(login, option.WithAuthCredentialsJSON(option.ServiceAccount, []byte(secret)))
	}
	return login, nil
}

func statusGoogle(err error) answer {
	if ge, ok := errors.AsType[*googleapi.Error](err); ok {
		a := answer{status: ge.Code, message: ge.Message}
		if len(ge.Errors) > 0 {
			a.code = ge.Errors[0].Reason
		}
		return a
	}
	switch {
	case errors.Is(err, storage.ErrBucketNotExist):
		return answer{status: http.StatusNotFound, code: "NoSuchBucket", message: "the bucket does not exist"}
	case errors.Is(err, storage.ErrObjectNotExist):
		return answer{status: http.StatusNotFound}
	}
	return answer{}
}
