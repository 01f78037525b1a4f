package cli

import (
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/kferry/kferry/internal/store"
)

// Streams are the standard streams of the process and what is known of them.
// Results go to Out, everything else to Err.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// InTTY, OutTTY and ErrTTY tell which of them are terminals.
	InTTY, OutTTY, ErrTTY bool
	// Getenv reads an environment variable; nil means that there are none.
	Getenv func(string) string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// ErrWidth gives the number of columns of the terminal behind Err, 0 when
	// unknown; nil means unknown.
	ErrWidth func() int
	// ErrHeight gives the number of its lines, in the same way.
	ErrHeight func() int
	// Schemes are the kinds of object storage that this program can open
	// beside folders; nil means none.
	Schemes map[string]store.Opener
}

// SystemStreams are those of this process.
func SystemStreams() *Streams {
	return &Streams{
		In:       os.Stdin,
		Out:      os.Stdout,
		Err:      os.Stderr,
		InTTY:    isTerminal(os.Stdin),
		OutTTY:   isTerminal(os.Stdout),
		ErrTTY:   isTerminal(os.Stderr),
		Getenv:   os.Getenv,
		Now:      time.Now,
		ErrWidth: func() int { w, _, _ := term.GetSize(descriptor(os.Stderr)); return w },

		ErrHeight: func() int { _, h, _ := term.GetSize(descriptor(os.Stderr)); return h },
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(descriptor(f)) }

func descriptor(f *os.File) int {
	return int(f.Fd())
}

func (s *Streams) env(name string) string {
	if s.Getenv == nil {
		return ""
	}
	return s.Getenv(name)
}

func (s *Streams) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// colour reports whether a stream that is a terminal (tty) may carry colour.
// NO_COLOR is https://no-color.org: any non-empty value switches colour off.
func (s *Streams) colour(tty, off bool) bool {
	return tty && !off && s.env("NO_COLOR") == "" && s.env("TERM") != "dumb"
}
