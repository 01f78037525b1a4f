// Package hook calls what a migration names for its steps: a command, or a
// webhook. Whatever is called has a time limit and cannot hang its caller, and
// nothing that may be secret gets into an error: no arguments, no output, no
// URL beyond its host, no token.
package hook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/kferry/kferry/api"
)

// DefaultGrace is Options.Grace.
const DefaultGrace = 5 * time.Second

// Options of New; the zero value is the default.
type Options struct {
	// Token fetches a secret; it is called anew for each call of a webhook that
	// has one. Nil is an error when one is needed.
	Token func(ctx context.Context, ref api.SecretRef) (string, error)
	// Env are variables NAME=VALUE for commands, beside those of the process.
	Env []string
	// Stderr gets what commands print, line by line, each behind the name of the
	// program; nil drops it.
	Stderr io.Writer
	// Grace lies between asking a command to end and ending it, and is how long
	// the output of one that has ended is waited for (default DefaultGrace).
	Grace time.Duration
}

// Caller calls commands and webhooks. It is safe for concurrent use.
type Caller struct {
	o      Options
	client *http.Client
	mu     sync.Mutex // one line of output at a time
}

// New returns a Caller.
func New(o Options) *Caller {
	o.Grace = cmp.Or(o.Grace, DefaultGrace)
	return &Caller{o: o, client: newClient()}
}

// Error says which command or webhook did not do what it was called for.
type Error struct {
	// What is `command "NAME"` or `webhook at HOST`.
	What string
	Err  error
	// Hint says what to do; it may be "".
	Hint string
}

// Error implements error.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %v", e.What, e.Err)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Causes of an Error.
var (
	// ErrTimeout: the time limit of the event has passed.
	ErrTimeout = errors.New("the time limit has passed")
	// ErrNotFound: there is no such program.
	ErrNotFound = errors.New("there is no such program")
	// ErrRefused: the program ended with another exit code than 0, or the
	// webhook answered with another status than 2xx.
	ErrRefused = errors.New("the call was refused")
)

// lateError is ErrTimeout in words.
type lateError struct {
	what  string
	after time.Duration
}

// Error implements error.
func (e *lateError) Error() string { return fmt.Sprintf("%s within %s", e.what, e.after) }

// Is reports whether target is ErrTimeout.
func (e *lateError) Is(target error) bool { return target == ErrTimeout }

// refusedError is ErrRefused with what was answered.
type refusedError struct{ answer string }

// Error implements error.
func (e *refusedError) Error() string { return e.answer }

// Is reports whether target is ErrRefused.
func (e *refusedError) Is(target error) bool { return target == ErrRefused }

// Notify calls the command or the webhook of an event with body, which is
// JSON, and waits until it has ended. A nil error means that it did its work.
// Errors are *Error, except that of a ctx that has ended. When the time limit
// has passed, nobody knows whether the work was done: who calls again must say
// so with the ID in body.
func (c *Caller) Notify(ctx context.Context, ev api.Event, body []byte) error {
	limit := time.Duration(ev.Timeout)
	if limit <= 0 {
		limit = time.Duration(api.DefaultEventTimeout)
	}
	limited, cancel := context.WithTimeoutCause(ctx, limit, ErrTimeout)
	defer cancel()
	var err error
	switch {
	case len(ev.Command) > 0:
		err = c.command(limited, limit, ev.Command, body)
	case ev.Webhook != nil:
		err = c.webhook(limited, limit, ev.Webhook, body)
	default:
		err = &Error{What: "event", Err: errors.New("it names neither command nor webhook")}
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// facts are what scripts want to know without reading JSON.
type facts struct {
	ID        string `json:"id"`
	Step      string `json:"step"`
	Migration struct {
		Name string `json:"name"`
	} `json:"migration"`
}

// env are the facts of a body as variables of the environment; none of a body
// that does not have them.
func env(body []byte) []string {
	var f facts
	if json.Unmarshal(body, &f) != nil {
		return nil
	}
	var out []string
	for _, v := range [][2]string{{"KFERRY_EVENT_ID", f.ID}, {"KFERRY_STEP", f.Step}, {"KFERRY_MIGRATION", f.Migration.Name}} {
		if v[1] != "" {
			out = append(out, v[0]+"="+v[1])
		}
	}
	return out
}
