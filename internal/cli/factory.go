package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"

	"github.com/spf13/pflag"

	"github.com/kferry/kferry/internal/observe"
	"github.com/kferry/kferry/internal/spec"
)

// Factory gives commands what they share: streams, the config file, clusters
// and the state. Everything is made when it is first needed, so that a command
// that needs no cluster reads no configuration.
type Factory struct {
	streams *Streams

	configPath string
	noColour   bool
	quiet      bool
	verbose    bool
	logFormat  choice
	logLevel   choice
	progressBy choice

	progress *observe.Progress
	log      *slog.Logger
	config   *spec.Loaded
	// ownState is the user's own state folder once it is used, until that was
	// said.
	ownState string
	// closers are undone, last first, when Main returns.
	closers []func()
}

func newFactory(s *Streams) *Factory {
	return &Factory{streams: s}
}

// addFlags adds the flags that every command has.
func (f *Factory) addFlags(fs *pflag.FlagSet) {
	f.logFormat = choice{value: "text", words: []string{"text", "json"}}
	f.logLevel = choice{value: "warn", words: []string{"debug", "info", "warn", "error"}}
	f.progressBy = choice{value: string(observe.Auto), words: []string{string(observe.Auto), string(observe.Plain), string(observe.None)}}
	fs.StringVar(&f.configPath, "config", "", "config `FILE` (see 'kferry help environment' for where it is looked for)")
	fs.BoolVar(&f.noColour, "no-color", false, "no colour, even on a terminal")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "only results and errors: no progress, no remarks")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "the same as --log-level debug")
	fs.Var(&f.logFormat, "log-format", "how logs and progress are written to stderr")
	fs.Var(&f.logLevel, "log-level", "least level of logs on stderr")
	fs.Var(&f.progressBy, "progress", "progress of what takes over a second")
}

// prepare runs once the flags are known.
func (f *Factory) prepare() error {
	if f.quiet && f.verbose {
		return &usageError{err: errors.New("--quiet and --verbose exclude each other")}
	}
	mode := observe.Mode(f.progressBy.value)
	if f.quiet {
		mode = observe.None
	}
	asJSON := f.logFormat.value == "json"
	f.progress = observe.New(f.streams.Err, observe.Options{
		Mode: mode, TTY: f.streams.ErrTTY && f.streams.env("TERM") != "dumb",
		JSON: asJSON, Width: f.streams.ErrWidth, Height: f.streams.ErrHeight,
	})
	f.log = slog.New(f.logHandler(asJSON))
	f.answerRequests()
	return nil
}

func (f *Factory) logHandler(asJSON bool) slog.Handler {
	var level slog.Level
	// The words of the flag are names of levels.
	_ = level.UnmarshalText([]byte(f.logLevel.value))
	if f.verbose {
		level = slog.LevelDebug
	}
	o := &slog.HandlerOptions{Level: level}
	if asJSON {
		return slog.NewJSONHandler(f.stderr(), o)
	}
	return slog.NewTextHandler(f.stderr(), o)
}

// answerRequests prints the progress whenever the user asks the process for
// it.
func (f *Factory) answerRequests() {
	requests := make(chan os.Signal, 1)
	observe.NotifyRequests(requests)
	done := make(chan struct{})
	f.onClose(func() {
		signal.Stop(requests)
		close(done)
	})
	go func() {
		for {
			select {
			case <-requests:
				f.progress.Print()
			case <-done:
				return
			}
		}
	}()
}

func (f *Factory) onClose(undo func()) { f.closers = append(f.closers, undo) }

func (f *Factory) close() {
	for _, undo := range slices.Backward(f.closers) {
		undo()
	}
	f.closers = nil
}

func (f *Factory) stdout() io.Writer { return f.streams.Out }

// stderr shares the stream with the progress line.
func (f *Factory) stderr() io.Writer {
	if f.progress != nil {
		return f.progress
	}
	return f.streams.Err
}

func (f *Factory) outPaint() paint {
	return paint(f.streams.colour(f.streams.OutTTY, f.noColour))
}

func (f *Factory) errPaint() paint {
	return paint(f.streams.colour(f.streams.ErrTTY, f.noColour))
}

// remark says something in passing on stderr, unless --quiet.
func (f *Factory) remark(format string, args ...any) {
	if !f.quiet {
		_, _ = fmt.Fprintf(f.stderr(), format+"\n", args...)
	}
}

// stages turns events of long work into progress: each stage is a task.
type stages struct {
	f    *Factory
	task *observe.Task
	what string
}

func (s *stages) set(what, unit string, done, total int64) {
	if s.what != what {
		s.end()
		s.what, s.task = what, s.f.progress.Begin(what, unit, total)
	}
	s.task.Set(done, total)
}

func (s *stages) end() {
	s.task.End()
	s.task, s.what = nil, ""
}

// stopOf gives the pieces of a two-stage stop: a context that outlives the
// first interrupt, so that the step under way is finished and journalled, and
// the channel that tells that the interrupt has come.
func stopOf(ctx context.Context) (context.Context, <-chan struct{}) {
	return context.WithoutCancel(ctx), ctx.Done()
}
