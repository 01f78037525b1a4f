package hook_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/hook"
)

const (
	secret = "hunter2-hunter2"
	sent   = `{"id":"R-3-0"}` + "\n"
)

func tokens(_ context.Context, ref api.SecretRef) (string, error) {
	if ref.Env == "" {
		return "", errors.New("there is no such file")
	}
	return ref.Env, nil
}

// webhook calls an address with a token, if there is one.
func webhook(t *testing.T, url, token string, timeout time.Duration) error {
	t.Helper()
	ev := api.Event{On: []string{"moved"}, Webhook: &api.Webhook{URL: url}, Timeout: api.Duration(timeout)}
	if token != "" {
		ev.Webhook.TokenFrom = &api.SecretRef{Env: token}
	}
	err := hook.New(hook.Options{Token: tokens}).Notify(t.Context(), ev, []byte(sent))
	if err != nil {
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "?q=") {
			t.Errorf("what may be secret is in the error: %v", err)
		}
		if _, ok := errors.AsType[*hook.Error](err); !ok {
			t.Errorf("an error of type %T", err)
		}
	}
	return err
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	type request struct{ Method, URI, Type, Auth, Body string }
	got := make(chan request, 2)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- request{r.Method, r.RequestURI, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), string(b)}
		w.WriteHeader(http.StatusAccepted)
	})
	for token, auth := range map[string]string{"": "", secret: "Bearer " + secret} {
		if err := webhook(t, url+"/a?q=1", token, 0); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(request{"POST", "/a?q=1", "application/json", auth, sent}, <-got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestWebhookRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		want   string // behind the host
	}{
		"no body":            {http.StatusInternalServerError, "", "it answered 500 Internal Server Error"},
		"first line":         {http.StatusBadRequest, "\n no such app\nstack", "it answered 400 Bad Request: no such app"},
		"terminal sequences": {http.StatusBadRequest, "a\x1b[31mb\x00", "it answered 400 Bad Request: a?[31mb?"},
		"long":               {http.StatusBadRequest, strings.Repeat("x", 1<<20), "it answered 400 Bad Request: " + strings.Repeat("x", 200) + "..."},
		"it says the token":  {http.StatusForbidden, "bad token " + secret + "!", "it answered 403 Forbidden: bad token [redacted]! (look at tokenFrom)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			err := webhook(t, url+"/a?q=1", secret, 0)
			want := "webhook at " + strings.TrimPrefix(url, "http://") + ": " + tc.want
			if !errors.Is(err, hook.ErrRefused) || err.Error() != want {
				t.Errorf("got %v\nwant %s", err, want)
			}
		})
	}
}

func TestWebhookRedirects(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := serve(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	for name, tc := range map[string]struct {
		status int
		to     string // "" is the same server
		ok     bool
	}{
		"307 to the same server":         {http.StatusTemporaryRedirect, "", true},
		"308 to the same server":         {http.StatusPermanentRedirect, "", true},
		"302 would be a GET":             {http.StatusFound, "", false},
		"303 would be a GET":             {http.StatusSeeOther, "", false},
		"307 to another server":          {http.StatusTemporaryRedirect, other, false},
		"301 to another server":          {http.StatusMovedPermanently, other, false},
		"307 to the same, over and over": {http.StatusTemporaryRedirect, "loop", false},
		"307 to what is no address":      {http.StatusTemporaryRedirect, "http://[", false},
		"307 to another scheme":          {http.StatusTemporaryRedirect, "ftp://127.0.0.1/", false},
		"307 to nowhere (no Location)":   {http.StatusTemporaryRedirect, "none", false},
		"200 is what it says, no matter": {http.StatusOK, other, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var arrived atomic.Int32
			mux := http.NewServeMux()
			mux.HandleFunc("/there", func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				if r.Method == http.MethodPost && string(b) == sent && r.Header.Get("Authorization") == "Bearer "+secret {
					arrived.Add(1)
				} else {
					w.WriteHeader(http.StatusTeapot)
				}
			})
			mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
				switch tc.to {
				case "none":
				case "":
					w.Header().Set("Location", "/there")
				case "loop":
					w.Header().Set("Location", "/?q="+secret)
				default:
					w.Header().Set("Location", tc.to)
				}
				w.WriteHeader(tc.status)
			})
			url := serve(t, mux.ServeHTTP)
			err := webhook(t, url+"/?q=1", secret, 0)
			if (err == nil) != tc.ok {
				t.Errorf("got %v", err)
			}
			if tc.ok && tc.to == "" && arrived.Load() != 1 {
				t.Errorf("arrived %d times", arrived.Load())
			}
		})
	}
	t.Cleanup(func() {
		if n := elsewhere.Load(); n != 0 {
			t.Errorf("another server was called %d times", n)
		}
	})
}

func TestWebhookThatHangs(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	silent := func(http.ResponseWriter, *http.Request) { <-end }
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	for name, url := range map[string]string{
		"no answer":   hang(t, silent),
		"no protocol": "http://" + listener.Addr().String(),
		"no TLS":      "https://" + listener.Addr().String(),
		"half an answer": hang(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_ = http.NewResponseController(w).Flush()
			<-end
		}),
	} {
		t.Run(name, func(t *testing.T) {
			err := webhook(t, url+"/?q=1", secret, 50*time.Millisecond)
			if !errors.Is(err, hook.ErrTimeout) || !strings.HasSuffix(err.Error(), ": it did not answer within 50ms") {
				t.Errorf("got %v", err)
			}
		})
	}
	// Whoever fetches the token can hang, too, and take no notice of the end.
	c := hook.New(hook.Options{Token: func(context.Context, api.SecretRef) (string, error) { <-end; return "", nil }})
	ev := api.Event{Webhook: &api.Webhook{URL: hang(t, silent), TokenFrom: &api.SecretRef{Env: "x"}}, Timeout: api.Duration(20 * time.Millisecond)}
	if err := c.Notify(t.Context(), ev, []byte(sent)); !errors.Is(err, hook.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := c.Notify(ctx, ev, []byte(sent)); !errors.Is(err, why) || errors.Is(err, hook.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

// hang serves a handler that waits; its connections are closed before the
// server waits for them.
func hang(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections() })
	return s.URL
}

func TestWebhookWithoutAnswer(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	if err := webhook(t, "http://"+addr+"/?q="+secret, "", 0); err == nil || !strings.Contains(err.Error(), "webhook at "+addr+": ") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
	insecure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(insecure.Close)
	if err := webhook(t, insecure.URL+"/?q="+secret, secret, 0); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody: got %v", err)
	}
	for _, token := range []string{"a b" + secret, secret + "\n", secret + "\x00"} {
		if err := webhook(t, "http://"+addr, token, 0); err == nil || !strings.Contains(err.Error(), "token has spaces") {
			t.Errorf("got %v", err)
		}
	}
	ev := api.Event{Webhook: &api.Webhook{URL: "http://" + addr, TokenFrom: &api.SecretRef{File: "x"}}}
	for want, c := range map[string]*hook.Caller{
		"fetching its token: there is no such file": hook.New(hook.Options{Token: tokens}),
		"nothing here can fetch its token":          hook.New(hook.Options{}),
		"its token is empty":                        hook.New(hook.Options{Token: func(context.Context, api.SecretRef) (string, error) { return "", nil }}),
	} {
		if err := c.Notify(t.Context(), ev, []byte(sent)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
