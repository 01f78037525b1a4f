package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errNoConfirmation says that nobody can be asked.
var errNoConfirmation = errors.New("confirmation is missing")

// confirm asks the user to type word. Without a terminal nobody is asked: the
// answer is an error that names --yes, and nothing waits for ever.
func (f *Factory) confirm(ctx context.Context, question, word string) error {
	s := f.streams
	if !s.InTTY || !s.ErrTTY {
		return &failure{
			code:  ExitUsage,
			err:   fmt.Errorf("%w: there is no terminal to ask on", errNoConfirmation),
			state: "nothing was changed",
			hint:  "give --yes to go on without a question, or --dry-run to look only",
		}
	}
	_, _ = fmt.Fprintf(f.stderr(), "%s\nOnly '%s' will be accepted: ", question, clean(word))
	line, err := readLine(ctx, s.In)
	if err != nil {
		_, _ = fmt.Fprintln(f.stderr())
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: nothing was typed", errNoConfirmation)
		}
		return unchanged(fmt.Errorf("reading the confirmation: %w", err))
	}
	if line != word {
		return &failure{
			code:  ExitUsage,
			err:   fmt.Errorf("%w: the answer was not %q", errNoConfirmation, word),
			state: "nothing was changed",
		}
	}
	return nil
}

// readLine reads one line, and gives up when ctx ends. The read itself cannot
// be stopped; the process is about to end then.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(r).ReadString('\n')
		if errors.Is(err, io.EOF) && line != "" {
			err = nil
		}
		got <- answer{strings.TrimSpace(line), err}
	}()
	select {
	case a := <-got:
		return a.line, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
