package cloudstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/storeserver"
)

// brisk are limits for tests of stores that hang.
var brisk = limits{stall: time.Second, total: 15 * time.Second}

// openBucket opens an address as the program does, with other limits.
func openBucket(t *testing.T, raw string, l limits) *store.Bucket {
	t.Helper()
	b, err := tryOpen(t.Context(), raw, l)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tryOpen(ctx context.Context, raw string, l limits) (*store.Bucket, error) {
	schemes := map[string]store.Opener{}
	for scheme, open := range map[string]func(context.Context, *url.URL, limits) (*cloud, error){"s3": openS3, "azblob": openAzure, "gs": openGoogle} {
		schemes[scheme] = func(ctx context.Context, u *url.URL) (driver.Driver, error) { return newStore(ctx, u, l, open) }
	}
	return store.Open(ctx, raw, &store.Options{Schemes: schemes})
}

// proxy stands in front of a server and leaves each request to a function,
// which passes it on with forward or not.
func proxy(t *testing.T, server *storeserver.Server, handle func(w http.ResponseWriter, r *http.Request, forward http.Handler)) string {
	t.Helper()
	to, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(w, r, forward) }))
	t.Cleanup(front.Close)
	return front.URL
}

// isPut reports whether a request writes an object.
func isPut(r *http.Request) bool {
	return r.Method == http.MethodPut || r.Method == http.MethodPost
}

func eachServer(t *testing.T, test func(t *testing.T, server *storeserver.Server)) {
	t.Helper()
	for _, kind := range storeserver.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, storeserver.Shared(t, kind))
		})
	}
}

// TestLostAnswer: the store takes the put, its answer is lost, and the SDK
// sends it again. The writer has won and must hear so.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, server *storeserver.Server) {
		t.Helper()
		var puts atomic.Int32
		front := proxy(t, server, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			if isPut(r) && puts.Add(1) == 1 {
				forward.ServeHTTP(httptest.NewRecorder(), r)
				if server.Kind != storeserver.Google {
					panic(http.ErrAbortHandler)
				}
				// The SDK of Google does not try again after a plain end.
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			forward.ServeHTTP(w, r)
		})
		b := openBucket(t, server.BucketVia(t, front), usual)
		if err := b.Put(t.Context(), "runs/a", []byte("mine")); err != nil {
			t.Errorf("the winner was told: %v", err)
		}
		if puts.Load() < 2 {
			t.Fatal("the put was not sent again: this test shows nothing")
		}
		if err := b.Put(t.Context(), "runs/a", []byte("mine")); !errors.Is(err, store.ErrExists) {
			t.Errorf("another put: got error %v, want %v", err, store.ErrExists)
		}
	})
}

// TestIgnoresCondition: a store that overwrites is found out by the probe.
func TestIgnoresCondition(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, server *storeserver.Server) {
		t.Helper()
		plain := openBucket(t, server.Bucket(t), usual)
		if err := plain.Probe(t.Context()); err != nil {
			t.Fatalf("the server itself: %v", err)
		}
		var straight driver.Driver
		front := proxy(t, server, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			// The condition is signed and cannot be taken out: what it is about is.
			if i := strings.Index(r.URL.Path+r.URL.Query().Get("name"), "probe/"); isPut(r) && i >= 0 {
				key := (r.URL.Path + r.URL.Query().Get("name"))[i:]
				if err := straight.Delete(context.WithoutCancel(r.Context()), key); err != nil {
					t.Error(err)
				}
			}
			if q := r.URL.Query(); q.Get("ifGenerationMatch") == "0" {
				q.Del("ifGenerationMatch")
				r.URL.RawQuery = q.Encode()
			}
			forward.ServeHTTP(w, r)
		})
		through := server.BucketVia(t, front)
		straight = openURL(t, strings.ReplaceAll(through, url.QueryEscape(front), url.QueryEscape(server.Endpoint)), usual)
		err := openBucket(t, through, usual).Probe(t.Context())
		if !errors.Is(err, store.ErrNoExclusivePut) {
			t.Errorf("got error %v, want %v", err, store.ErrNoExclusivePut)
		}
	})
}

// wantError checks what a user is told, and that nothing is there afterwards.
func wantError(t *testing.T, server *storeserver.Server, through, front string, err error, text, hint string) {
	t.Helper()
	e, ok := errors.AsType[*store.Error](err)
	if !ok || !strings.Contains(err.Error(), text) || !strings.Contains(e.Hint, hint) {
		t.Errorf("got error %v (hint %q), want one with %q and the hint %q", err, hintIn(err), text, hint)
	}
	if strings.Contains(err.Error(), "sig=") || strings.Contains(err.Error(), storeserver.SecretKey) {
		t.Errorf("%v shows a secret", err)
	}
	straight := openBucket(t, strings.ReplaceAll(through, url.QueryEscape(front), url.QueryEscape(server.Endpoint)), usual)
	for o, err := range straight.List(t.Context(), store.Query{}) {
		t.Errorf("something is there: %v, %v", o, err)
	}
}

func hintIn(err error) string {
	if e, ok := errors.AsType[*store.Error](err); ok {
		return e.Hint
	}
	return ""
}

// TestOverloaded: a store that answers 503 to every put is asked as often as
// its SDK asks, and no more.
func TestOverloaded(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, server *storeserver.Server) {
		t.Helper()
		var puts atomic.Int32
		front := proxy(t, server, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			if isPut(r) {
				puts.Add(1)
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			forward.ServeHTTP(w, r)
		})
		through := server.BucketVia(t, front)
		want, most := "503", int32(4)
		if server.Kind == storeserver.Google {
			// Its SDK tries as long as it may, and keeps the last answer to itself.
			want, most = "did not finish in time", 10
		}
		err := openBucket(t, through, brisk).Put(t.Context(), "runs/a", []byte("x"))
		wantError(t, server, through, front, err, want, "overloaded")
		if n := puts.Load(); n < 2 || n > most {
			t.Errorf("the put was sent %d times", n)
		}
	})
}

// TestSlow: a store that never answers is given up.
func TestSlow(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, server *storeserver.Server) {
		t.Helper()
		front := proxy(t, server, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			if isPut(r) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
				return
			}
			forward.ServeHTTP(w, r)
		})
		through := server.BucketVia(t, front)
		err := openBucket(t, through, brisk).Put(t.Context(), "runs/a", []byte("x"))
		wantError(t, server, through, front, err, "", "slow")
	})
}

// TestCutOff: the connection breaks in the middle of the body of each put.
func TestCutOff(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, server *storeserver.Server) {
		t.Helper()
		front := cutter(t, server, 1<<20)
		through := server.BucketVia(t, front)
		err := openBucket(t, through, brisk).Put(t.Context(), "runs/a", bytes.Repeat([]byte("0123456789abcdef"), 3<<16))
		wantError(t, server, through, front, err, "", "calling again is safe")
		// The same bytes can be put over a network that works.
		straight := openBucket(t, strings.ReplaceAll(through, url.QueryEscape(front), url.QueryEscape(server.Endpoint)), usual)
		if err := straight.PutSame(t.Context(), "runs/a", []byte("x")); err != nil {
			t.Error(err)
		}
	})
}

// cutter passes on so many bytes of each connection to the server, then breaks it.
func cutter(t *testing.T, server *storeserver.Server, bytes int64) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", strings.TrimPrefix(server.Endpoint, "http://"))
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(in, out) }()
				_, _ = io.CopyN(out, in, bytes)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestNoBucket(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, server *storeserver.Server) {
		t.Helper()
		b := openBucket(t, server.URL(server.Endpoint, "not-there"), usual)
		_, getErr := b.Get(t.Context(), "a", 0, -1)
		var listErr error
		for _, err := range b.List(t.Context(), store.Query{}) {
			listErr = err
		}
		for op, err := range map[string]error{"put": b.Put(t.Context(), "a", nil), "get": getErr, "list": listErr} {
			if err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(hintIn(err), "create the ") {
				t.Errorf("%s: got error %v (hint %q)", op, err, hintIn(err))
			}
		}
	})
}

func TestStopped(t *testing.T) {
	t.Parallel()
	server := storeserver.Start(t, storeserver.S3)
	b := openBucket(t, server.Bucket(t), brisk)
	server.Stop()
	err := b.Put(t.Context(), "a", nil)
	if err == nil || !strings.Contains(err.Error(), "refused") || !strings.Contains(hintIn(err), "nothing listens there") {
		t.Errorf("got error %v (hint %q)", err, hintIn(err))
	}
}

// TestWrongCredentials changes the environment, and so is not parallel.
func TestWrongCredentials(t *testing.T) {
	server := storeserver.Shared(t, storeserver.S3)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hush")
	err := openBucket(t, server.Bucket(t), usual).Put(t.Context(), "a", nil)
	if err == nil || !strings.Contains(hintIn(err), "does not accept these credentials") || strings.Contains(err.Error(), "hush") {
		t.Errorf("S3: got error %v (hint %q)", err, hintIn(err))
	}
	azurite := storeserver.Shared(t, storeserver.Azure)
	t.Setenv("HUSH", "aHVzaA==")
	err = openBucket(t, azurite.Bucket(t)+"&credentials=env:HUSH", usual).Put(t.Context(), "a", nil)
	if err == nil || !strings.Contains(hintIn(err), "credentials") || strings.Contains(err.Error(), "aHVzaA==") {
		t.Errorf("Azure: got error %v (hint %q)", err, hintIn(err))
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if _, err = tryOpen(t.Context(), "s3://b?region=x", usual); err == nil || !strings.Contains(hintIn(err), "AWS_ACCESS_KEY_ID") {
		t.Errorf("no credentials: got error %v (hint %q)", err, hintIn(err))
	}
}

// TestAnswers: what S3 says becomes advice.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status     int
		code, hint string
	}{
		{http.StatusMovedPermanently, "PermanentRedirect", "?region="},
		{http.StatusBadRequest, "AuthorizationHeaderMalformed", "?region="},
		{http.StatusForbidden, "RequestTimeTooSkewed", "clock"},
		{http.StatusForbidden, "AccessDenied", "lack the right"},
		{http.StatusForbidden, "SignatureDoesNotMatch", "does not accept these credentials"},
		{http.StatusNotFound, "NoSuchBucket", "create the bucket"},
		{http.StatusMethodNotAllowed, "MethodNotAllowed", "read-only"},
		{http.StatusInsufficientStorage, "XMinioStorageFull", "full"},
		{http.StatusForbidden, "QuotaExceeded", "full"},
		{http.StatusNotImplemented, "NotImplemented", "conditional writes"},
	} {
		t.Run(fmt.Sprint(tt.status, tt.code), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(tt.status)
				fmt.Fprintf(w, "<Error><Code>%s</Code><Message>in words</Message></Error>", tt.code)
			}))
			t.Cleanup(server.Close)
			err := openBucket(t, "s3://b?region=x&endpoint="+url.QueryEscape(server.URL), usual).Put(t.Context(), "a", []byte("x"))
			if err == nil || !strings.Contains(err.Error(), tt.code+": in words") || !strings.Contains(hintIn(err), tt.hint) {
				t.Errorf("got error %v (hint %q), want the hint %q", err, hintIn(err), tt.hint)
			}
		})
	}
}
