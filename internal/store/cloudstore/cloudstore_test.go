package cloudstore

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/store/storetest"
	"github.com/kferry/kferry/internal/storeserver"
)

func TestMain(m *testing.M) {
	if address := os.Getenv("KFERRY_TEST_RACER"); address != "" {
		if err := racer(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	storeserver.Main(m)
}

// rootContext is that of a process of its own.
func rootContext() context.Context { return context.Background() }

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
	server := storeserver.Shared(t, kind)
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
