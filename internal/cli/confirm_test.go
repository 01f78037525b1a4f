package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

func TestConfirm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		typed    string
		in, err  bool // terminals
		word     string
		wantCode int
	}{
		"yes":                  {typed: "yes\n", in: true, err: true, word: "yes", wantCode: ExitOK},
		"blanks around":        {typed: " yes \r\n", in: true, err: true, word: "yes", wantCode: ExitOK},
		"last line, no end":    {typed: "yes", in: true, err: true, word: "yes", wantCode: ExitOK},
		"the group's name":     {typed: "shop\n", in: true, err: true, word: "shop", wantCode: ExitOK},
		"y is not enough":      {typed: "y\n", in: true, err: true, word: "yes", wantCode: ExitUsage},
		"another case":         {typed: "YES\n", in: true, err: true, word: "yes", wantCode: ExitUsage},
		"nothing":              {typed: "\n", in: true, err: true, word: "yes", wantCode: ExitUsage},
		"end of input":         {typed: "", in: true, err: true, word: "yes", wantCode: ExitUsage},
		"no terminal for in":   {typed: "yes\n", err: true, word: "yes", wantCode: ExitUsage},
		"no terminal for text": {typed: "yes\n", in: true, word: "yes", wantCode: ExitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			f := newFactory(&Streams{In: strings.NewReader(c.typed), Err: &out, InTTY: c.in, ErrTTY: c.err})
			err := f.confirm(t.Context(), "Commit 1 group?", c.word)
			code := ExitOK
			if err != nil {
				code = exitCode(err)
				if p := diagnose(err); p.State != "nothing was changed" {
					t.Errorf("the state is %q", p.State)
				}
			}
			if code != c.wantCode {
				t.Errorf("exit code %d, want %d: %v", code, c.wantCode, err)
			}
			asked := strings.Contains(out.String(), "Only '"+c.word+"' will be accepted")
			if asked != (c.in && c.err) {
				t.Errorf("asked: %v, with terminals %v and %v: %q", asked, c.in, c.err, out.String())
			}
		})
	}
}

// TestConfirmEndsWithItsContext: an interrupt ends the question, although
// nothing is typed.
func TestConfirmEndsWithItsContext(t *testing.T) {
	t.Parallel()
	never, hold := io.Pipe()
	t.Cleanup(func() { _ = hold.Close() })
	f := newFactory(&Streams{In: never, Err: io.Discard, InTTY: true, ErrTTY: true})
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(ErrInterrupted) })
	err := f.confirm(ctx, "Commit?", "yes")
	if got := exitCode(err); got != ExitInterrupted {
		t.Errorf("exit code %d, want %d: %v", got, ExitInterrupted, err)
	}
}
