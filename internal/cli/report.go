package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// problem is an error as it is shown. It is also the JSON object that ends
// stderr with -o json; docs/json.md describes it.
type problem struct {
	Type  string   `json:"type"`
	Code  int      `json:"code"`
	Error string   `json:"error"`
	State string   `json:"state,omitempty"`
	Hint  string   `json:"hint,omitempty"`
	Next  []string `json:"next,omitempty"`
	// waits: what is said under "error" is only not there yet.
	waits bool
}

// report shows an error once, in the one place that does, and returns the
// exit code that goes with it.
func report(f *Factory, cmd *cobra.Command, err error, asJSON bool) int {
	p := diagnose(err)
	if quiet, ok := errors.AsType[*failure](err); ok && quiet.silent {
		return p.Code
	}
	if asJSON {
		b, jerr := json.Marshal(p)
		if jerr == nil {
			_, _ = fmt.Fprintf(f.stderr(), "%s\n", b)
		}
		return p.Code
	}
	printProblem(f.stderr(), f.errPaint(), p)
	var usage *usageError
	if errors.As(err, &usage) && cmd != nil {
		printUsage(f.stderr(), cmd)
	}
	return p.Code
}

// printProblem writes what failed, what its state is and what to do next, each
// under its own word.
func printProblem(w io.Writer, paint paint, p problem) {
	say := func(label, text string, colour func(string) string) {
		if text == "" {
			return
		}
		text = strings.ReplaceAll(cleanLines(text), "\n", "\n       ")
		_, _ = fmt.Fprintf(w, "%s%s %s\n", colour(label), strings.Repeat(" ", 6-len(label)), text)
	}
	label := "error:"
	colour := paint.red
	switch {
	case p.Code == ExitInterrupted:
		label = "stop:"
	case p.waits:
		label, colour = "wait:", paint.yellow
	}
	say(label, p.Error, colour)
	say("hint:", p.Hint, paint.bold)
	say("state:", p.State, paint.bold)
	for _, n := range p.Next {
		say("next:", n, paint.bold)
	}
}

func printUsage(w io.Writer, cmd *cobra.Command) {
	_, _ = fmt.Fprintf(w, "\nUsage:\n  %s\n\nRun '%s --help' for its flags and examples.\n", cmd.UseLine(), cmd.CommandPath())
	if cmd.HasAvailableSubCommands() {
		_, _ = fmt.Fprintln(w, "Its commands:")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				_, _ = fmt.Fprintf(w, "  %s %s\n", c.NameAndAliases()+strings.Repeat(" ", max(0, 22-len(c.NameAndAliases()))), c.Short)
			}
		}
	}
}

// diagnose says what a user has to know of an error.
func diagnose(err error) problem {
	p := problem{Type: "error", Code: exitCode(err), Error: err.Error()}
	p.Hint = hintOf(err)
	var usage *usageError
	if errors.As(err, &usage) && usage.hint != "" {
		p.Hint = usage.hint
	}
	if f, ok := errors.AsType[*failure](err); ok {
		p.State = f.state
		p.Next = f.next
		p.waits = f.waits
		if f.hint != "" {
			p.Hint = f.hint
		}
	}
	return p
}

// interrupted is what remains of an error that only happened because the user
// stopped the process.
func interrupted(err error) error {
	g := failure{code: ExitInterrupted, err: ErrInterrupted}
	if f, ok := errors.AsType[*failure](err); ok {
		g.state, g.next, g.hint = f.state, f.next, f.hint
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, ErrInterrupted) {
		g.err = fmt.Errorf("%w: %w", ErrInterrupted, err)
	}
	return &g
}
