package spec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/kferry/kferry/api"
)

// MaxSecretBytes bounds a secret.
const MaxSecretBytes = 64 << 10

const redacted = "[redacted]"

// Secret is a secret that was fetched. However it is printed, as text or as
// JSON, it prints as "[redacted]"; only Reveal has the value.
type Secret struct{ value string }

// Reveal returns the value, for the one place that hands it to a library.
func (s Secret) Reveal() string { return s.value }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// Format writes "[redacted]" for every verb: with %d or %#v fmt would look into
// the struct.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// SecretError says that a secret could not be fetched. It never has any part
// of the secret, nor of what a program printed.
type SecretError struct {
	// Source is "file PATH", "env NAME" or "exec PROGRAM".
	Source string
	Err    error
	// Hint says what to do; it may be "".
	Hint string
}

// Error implements error.
func (e *SecretError) Error() string {
	s := fmt.Sprintf("fetching a secret from %s: %v", e.Source, e.Err)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *SecretError) Unwrap() error { return e.Err }

// The causes of a SecretError that no other package has.
var (
	ErrSecretEmpty   = errors.New("it is empty")
	ErrSecretTooLong = fmt.Errorf("it is longer than %d bytes", MaxSecretBytes)
	ErrNotSet        = errors.New("the variable is not set")
	ErrExecTimeout   = errors.New("the program did not end in time")
)

// SecretOptions say where secrets are looked for. Nil is the zero value.
type SecretOptions struct {
	// LookupEnv reads the environment; nil means os.LookupEnv.
	LookupEnv func(string) (string, bool)
	// Stderr receives what a program of exec says to people; nil drops it.
	Stderr io.Writer
}

// Resolve fetches a secret now. Call it as late as possible and once for each
// connection, so that a secret which was changed is the new one. The warnings
// say that others can read the file. Errors are *SecretError. A program of
// exec is ended after its Timeout, or with ctx.
func Resolve(ctx context.Context, ref api.SecretRef, opts *SecretOptions) (Secret, []Problem, error) {
	o := SecretOptions{}
	if opts != nil {
		o = *opts
	}
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	ref.SetDefaults()
	var (
		value    []byte
		warnings []Problem
		err      error
		hint     string
		source   string
	)
	switch {
	case ref.File != "":
		source = "file " + ref.File
		value, warnings, err = fromFile(ref.File)
	case ref.Env != "":
		source, hint = "env "+ref.Env, "export "+ref.Env+" before starting kferry"
		text, ok := o.LookupEnv(ref.Env)
		if value = []byte(text); !ok {
			err = ErrNotSet
		}
	case len(ref.Exec) > 0:
		source = "exec " + ref.Exec[0]
		value, err = fromExec(ctx, ref, o.Stderr)
	default:
		source, err = "nowhere", errors.New("none of file, env and exec is given")
	}
	switch {
	case err != nil:
	case len(value) > MaxSecretBytes:
		err = ErrSecretTooLong
	case len(value) == 0:
		err = ErrSecretEmpty
	}
	if err != nil {
		return Secret{}, nil, &SecretError{Source: source, Err: err, Hint: hint}
	}
	return Secret{value: string(value)}, warnings, nil
}

// withoutLineEnd drops the one line end that editors and programs add.
func withoutLineEnd(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

func fromFile(path string) ([]byte, []Problem, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	value, err := io.ReadAll(io.LimitReader(f, MaxSecretBytes+3))
	if err != nil {
		return nil, nil, err
	}
	return withoutLineEnd(value), permissions(path, info.Mode()), nil
}

func permissions(path string, mode fs.FileMode) []Problem {
	if runtime.GOOS == "windows" || !mode.IsRegular() || mode&0o066 == 0 {
		return nil
	}
	return []Problem{{
		File:    path,
		Message: fmt.Sprintf("the file has a secret, and others can read or change it (mode %04o)", mode.Perm()),
		Hint:    "chmod 600",
	}}
}

// fromExec runs a program. It gets no standard input, so that it cannot take
// what was piped into kferry.
func fromExec(ctx context.Context, ref api.SecretRef, stderr io.Writer) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(ref.Timeout), ErrExecTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, ref.Exec[0], ref.Exec[1:]...) //nolint:gosec // the program is the user's own
	var out capped
	cmd.Stdout, cmd.Stderr = &out, stderr
	// A program that hands its output to a child which stays must not keep us.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case out.full:
		return nil, ErrSecretTooLong
	case err != nil:
		return nil, err
	}
	return withoutLineEnd(out.buf.Bytes()), nil
}

// capped keeps the beginning of what a program prints. The buffer is no
// embedded one, whose ReadFrom would pass the limit by.
type capped struct {
	buf  bytes.Buffer
	full bool
}

// Write implements io.Writer; it takes everything, lest the program meets a
// closed pipe.
func (c *capped) Write(p []byte) (int, error) {
	room := MaxSecretBytes + 2 - c.buf.Len()
	if len(p) > room {
		c.full = true
	}
	c.buf.Write(p[:min(len(p), room)])
	return len(p), nil
}

// Describe says where a secret is, for people: "file PATH", "env NAME", "exec
// PROGRAM ARGUMENTS". It does not fetch it.
func Describe(ref api.SecretRef) string {
	switch {
	case ref.File != "":
		return "file " + ref.File
	case ref.Env != "":
		return "env " + ref.Env
	case len(ref.Exec) > 0:
		return "exec " + strings.Join(ref.Exec, " ")
	}
	return ""
}
