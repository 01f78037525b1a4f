package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/position"
)

// eventFlags are what a migration calls when it reaches a step.
type eventFlags struct {
	commands, webhooks []string
	tokenFile          string
	timeout            time.Duration
	failure            choice
}

// eventTimeout is how long a command or webhook may take when nothing else is
// said.
const eventTimeout = time.Minute

func (e *eventFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringArrayVar(&e.commands, "on", nil, "call a program when a step is reached, `STEP[,STEP]=COMMAND`; split into words as a shell does, no shell runs; step * is every one")
	fs.StringArrayVar(&e.webhooks, "webhook", nil, "POST to an address when a step is reached, `STEP[,STEP]=URL`")
	fs.StringVar(&e.tokenFile, "webhook-token-file", "", "`FILE` with the bearer token for the webhooks")
	fs.DurationVar(&e.timeout, "event-timeout", eventTimeout, "how long a program or webhook may take")
	addChoice(cmd, &e.failure, "event-failure", "", "what an event that fails does to the migration", api.OnFailureStop, api.OnFailureContinue)
	_ = cmd.MarkFlagFilename("webhook-token-file") // the flag was added just above
	for _, flag := range []string{"on", "webhook"} {
		_ = cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var words []string
			for _, s := range stepWords(migration.AllSteps()) {
				words = append(words, s+"=")
			}
			return words, noFiles | cobra.ShellCompDirectiveNoSpace
		})
	}
}

// fill puts the events into the migration: those of the flags in place of those
// of a file. What the other flags say counts for all of them.
func (e *eventFlags) fill(fs *pflag.FlagSet, m *api.Migration) error {
	if fs.Changed("on") || fs.Changed("webhook") {
		m.Events = nil
	}
	for _, text := range e.commands {
		on, command, err := atSteps("--on", text)
		if err != nil {
			return err
		}
		words, err := splitWords(command)
		if err == nil && len(words) == 0 {
			err = errors.New("no program is named")
		}
		if err != nil {
			return &usageError{err: fmt.Errorf("--on %q: %w", text, err), hint: `STEP=COMMAND, such as --on 'stopping=deploy stop "my app"'`}
		}
		// The next call may come from another folder.
		if strings.ContainsRune(words[0], filepath.Separator) {
			if words[0], err = filepath.Abs(words[0]); err != nil {
				return err
			}
		}
		m.Events = append(m.Events, api.Event{On: on, Command: words})
	}
	for _, text := range e.webhooks {
		on, url, err := atSteps("--webhook", text)
		if err != nil {
			return err
		}
		m.Events = append(m.Events, api.Event{On: on, Webhook: &api.Webhook{URL: url}})
	}
	for _, flag := range []string{"webhook-token-file", "event-timeout", "event-failure"} {
		if fs.Changed(flag) && len(m.Events) == 0 {
			return &usageError{err: fmt.Errorf("--%s is given without --on or --webhook", flag)}
		}
	}
	token, err := filepath.Abs(e.tokenFile)
	if err != nil {
		return err
	}
	for i := range m.Events {
		ev := &m.Events[i]
		given(fs, "event-timeout", &ev.Timeout, api.Duration(e.timeout))
		given(fs, "event-failure", &ev.OnFailure, e.failure.value)
		if ev.Webhook != nil && fs.Changed("webhook-token-file") {
			ev.Webhook.TokenFrom = &api.SecretRef{File: token}
		}
	}
	return nil
}

// atSteps splits "STEP[,STEP]=REST".
func atSteps(flag, text string) (steps []string, rest string, err error) {
	on, rest, ok := strings.Cut(text, "=")
	if !ok {
		return nil, "", &usageError{
			err:  fmt.Errorf("%s %q names no step", flag, text),
			hint: "the step at which it is called stands before an equals sign, such as stopping=...; steps: " + strings.Join(stepWords(migration.AllSteps()), ", "),
		}
	}
	known := stepWords(migration.AllSteps())
	for step := range strings.SplitSeq(on, ",") {
		step = strings.TrimSpace(step)
		if step != api.EveryStep && !slices.Contains(known, step) {
			hint := didYouMean(position.Near(step, known, maxNear))
			return nil, "", &usageError{
				err:  fmt.Errorf("%s %q: there is no step %q", flag, text, step),
				hint: firstOf(hint, "steps: "+strings.Join(known, ", ")+", and * for all of them"),
			}
		}
		steps = append(steps, step)
	}
	return steps, rest, nil
}

// stepWords are steps as words.
func stepWords(steps []migration.Step) []string {
	words := make([]string, len(steps))
	for i, s := range steps {
		words[i] = string(s)
	}
	return words
}

// The causes for which a command line cannot be split.
var (
	errOpenQuote = errors.New("a quote is not closed")
	errLastSlash = errors.New("a backslash stands at the end")
)

// splitWords splits a command line as a POSIX shell does: at blanks, which
// quotes and backslashes keep together. Nothing is expanded.
func splitWords(text string) ([]string, error) {
	var (
		words []string
		word  strings.Builder
		begun bool // a word, which may be empty when it was quoted
		quote byte
		slash bool
	)
	for i := range len(text) {
		c := text[i]
		switch {
		case slash:
			// In double quotes a backslash only counts before these.
			if quote == '"' && strings.IndexByte("\"\\$`\n", c) < 0 {
				word.WriteByte('\\')
			}
			if c != '\n' {
				word.WriteByte(c)
			}
			slash = false
		case c == '\\' && quote != '\'':
			slash, begun = true, true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteByte(c)
			}
		case c == '\'' || c == '"':
			quote, begun = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	switch {
	case quote != 0:
		return nil, errOpenQuote
	case slash:
		return nil, errLastSlash
	case begun:
		words = append(words, word.String())
	}
	return words, nil
}
