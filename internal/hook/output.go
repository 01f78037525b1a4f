package hook

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is shown of a command's output.
const (
	maxLine   = 500      // bytes of one line
	maxOutput = 64 << 10 // bytes of all lines
)

// lines passes on what is written to it, line by line. It takes everything,
// lest a program meets a closed pipe, and shows what the bounds allow. Only one
// goroutine may write.
type lines struct {
	to     io.Writer // nil: nobody
	mu     *sync.Mutex
	prefix string
	line   []byte // the line so far, bounded
	shown  int
	full   bool
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	if l.to == nil {
		return n, nil
	}
	for {
		part, rest, found := bytes.Cut(p, []byte("\n"))
		// A little more than is shown, for print to see that it is too long.
		l.line = append(l.line, part[:min(len(part), max(0, 2*maxLine-len(l.line)))]...)
		if !found {
			return n, nil
		}
		l.print()
		p = rest
	}
}

// flush shows a last line that has no end.
func (l *lines) flush() {
	if len(l.line) > 0 {
		l.print()
	}
}

func (l *lines) print() {
	text := printable(l.line, maxLine)
	l.line = l.line[:0]
	if l.full {
		return
	}
	if l.shown += len(text) + 1; l.shown > maxOutput {
		l.full, text = true, "... (more is not shown)"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// Whoever reads our standard error may be gone; the program goes on.
	_, _ = io.WriteString(l.to, l.prefix+text+"\n")
}

// printable makes bytes of others fit for a terminal and a log: what is no
// character, or moves the cursor, or colours, becomes '?'. It is cut at limit
// bytes.
func printable(b []byte, limit int) string {
	var out strings.Builder
	b = bytes.TrimRight(b, "\r\n")
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		if r == '\t' {
			r = ' '
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		if out.Len()+utf8.RuneLen(r) > limit {
			out.WriteString("...")
			break
		}
		out.WriteRune(r)
	}
	return out.String()
}
