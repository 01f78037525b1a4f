package cloudstore

import (
	"net/url"
	"testing"

	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/store/storetest"
	"github.com/kferry/kferry/internal/storeserver"
)

func TestMain(m *testing.M) {
	storeserver.Setenv()
	m.Run()
}

// openURL opens a driver as store.Open does.
func openURL(t *testing.T, raw string, l limits) *Store {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]func() (*Store, error){
		"s3":     func() (*Store, error) { return newStore(t.Context(), u, l, openS3) },
		"azblob": func() (*Store, error) { return newStore(t.Context(), u, l, openAzure) },
		"gs":     func() (*Store, error) { return newStore(t.Context(), u, l, openGoogle) },
	}[u.Scheme]
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func conformance(t *testing.T, kind storeserver.Kind) {
	t.Helper()
	t.Parallel()
	server := storeserver.Start(t, kind)
	storetest.Run(t, func(t *testing.T) storetest.Place {
		t.Helper()
		bucket := server.Bucket(t)
		return func(t *testing.T) driver.Driver {
			t.Helper()
			return openURL(t, bucket, usual)
		}
	})
}

func TestS3(t *testing.T)     { conformance(t, storeserver.S3) }
func TestAzure(t *testing.T)  { conformance(t, storeserver.Azure) }
func TestGoogle(t *testing.T) { conformance(t, storeserver.Google) }

var _ = store.Options{Schemes: Schemes()}
