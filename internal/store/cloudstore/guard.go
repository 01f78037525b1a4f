package cloudstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// stallError says that an attempt of a request was given up. The SDKs try
// again after it, as after every time-out.
type stallError struct{ after time.Duration }

func (e *stallError) Error() string {
	return fmt.Sprintf("no answer, and no progress for %v", e.after)
}

// Timeout makes this a time-out for whoever asks, as net.Error does.
func (e *stallError) Timeout() bool { return true }

// Temporary lets older code try again, as net.Error does.
func (e *stallError) Temporary() bool { return true }

// guard gives up a request that makes no progress. A deadline for the whole of
// it would be too short for a large object or too long for a small one.
type guard struct {
	do    func(*http.Request) (*http.Response, error)
	stall time.Duration
}

// Do is what the SDKs of AWS and Azure call.
func (g *guard) Do(req *http.Request) (*http.Response, error) { return g.RoundTrip(req) }

// RoundTrip makes one attempt.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	stalled := &stallError{after: g.stall}
	timer := time.AfterFunc(g.stall, func() { cancel(stalled) })
	attempt := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		attempt.Body = &sending{ReadCloser: req.Body, progress: func() { timer.Reset(g.stall) }}
	}
	resp, err := g.do(attempt)
	stopped := timer.Stop()
	if err != nil {
		defer cancel(nil)
		if errors.Is(context.Cause(ctx), stalled) {
			return nil, stalled
		}
		return nil, err
	}
	if !stopped && context.Cause(ctx) != nil { // too late by an instant
		_ = resp.Body.Close()
		return nil, stalled
	}
	resp.Body = &receiving{ReadCloser: resp.Body, timer: timer, stall: g.stall, stalled: stalled, cause: func() error { return context.Cause(ctx) }, cancel: cancel}
	return resp, nil
}

// sending is the body of a request: each read of it is progress.
type sending struct {
	io.ReadCloser
	progress func()
}

func (s *sending) Read(p []byte) (int, error) {
	s.progress()
	return s.ReadCloser.Read(p)
}

// receiving is the body of an answer. Its clock runs only while somebody waits
// for bytes.
type receiving struct {
	io.ReadCloser
	timer   *time.Timer
	stall   time.Duration
	stalled error
	cause   func() error
	cancel  context.CancelCauseFunc
}

func (r *receiving) Read(p []byte) (int, error) {
	r.timer.Reset(r.stall)
	n, err := r.ReadCloser.Read(p)
	r.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(r.cause(), r.stalled) {
		err = r.stalled
	}
	return n, err
}

func (r *receiving) Close() error {
	r.timer.Stop()
	err := r.ReadCloser.Close()
	r.cancel(nil)
	return err
}
