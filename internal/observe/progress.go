// Package observe lets people and machines watch what kferry does: progress
// of whatever takes longer than a moment.
package observe

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Mode chooses how progress is shown.
type Mode string

// The modes.
const (
	// Auto redraws one line on a terminal and is Plain elsewhere.
	Auto Mode = "auto"
	// Plain writes a line now and then.
	Plain Mode = "plain"
	// None writes only when asked (Print).
	None Mode = "none"
)

// The defaults of Options.
const (
	DefaultDelay    = time.Second
	DefaultInterval = 5 * time.Second
	redraw          = 200 * time.Millisecond
)

// Options of New; the zero value is progress in plain lines.
type Options struct {
	Mode Mode
	// TTY tells that the writer is a terminal.
	TTY bool
	// JSON writes each line as a JSON object with "type":"progress".
	JSON bool
	// Width gives the columns of the terminal, 0 unknown; nil is unknown.
	Width func() int
	// Height gives its lines, 0 unknown; nil is unknown. A block that is higher
	// could not be redrawn in place: it is cut.
	Height func() int
	// Delay is how long a task runs before it is first shown (DefaultDelay).
	Delay time.Duration
	// Interval is the least time between two plain lines (DefaultInterval).
	Interval time.Duration
}

// Progress shows on one writer how far the current task is. All methods are
// safe for concurrent use; a nil *Progress shows nothing.
type Progress struct {
	w io.Writer
	o Options

	mu    sync.Mutex
	task  *Task
	board *Board
	drawn int // status lines that stand on the terminal
}

// New makes a Progress that writes to w.
func New(w io.Writer, o Options) *Progress {
	if o.Delay <= 0 {
		o.Delay = DefaultDelay
	}
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	return &Progress{w: w, o: o}
}

// Task is one piece of work that is being counted.
type Task struct {
	p     *Progress
	what  string
	unit  string
	done  int64
	total int64
	began time.Time
	drew  bool // a status line, in the place of the board's
	stop  chan struct{}
	ended chan struct{}
}

// Begin starts to count a task: what is being done ("translating") in which
// unit ("partitions"). Total is 0 while unknown. One task is shown at a time:
// a task that begins takes the place of the one before. End must be called.
func (p *Progress) Begin(what, unit string, total int64) *Task {
	if p == nil {
		return nil
	}
	t := &Task{
		p: p, what: what, unit: unit, total: total,
		began: time.Now(), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	p.mu.Lock()
	p.task = t
	p.mu.Unlock()
	if p.o.Mode == None {
		close(t.ended)
	} else {
		go t.show()
	}
	return t
}

// Set tells how much is done, and of how much in all (0: unknown).
func (t *Task) Set(done, total int64) {
	if t == nil {
		return
	}
	t.p.mu.Lock()
	t.done, t.total = done, total
	t.p.mu.Unlock()
}

// Add tells that n more are done.
func (t *Task) Add(n int64) {
	if t == nil {
		return
	}
	t.p.mu.Lock()
	t.done += n
	t.p.mu.Unlock()
}

// End takes the task off the screen. It may be called more than once, from
// one goroutine.
func (t *Task) End() {
	if t == nil {
		return
	}
	select {
	case <-t.stop:
		return
	default:
	}
	close(t.stop)
	<-t.ended
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	if t.p.task == t {
		t.p.task = nil
	}
	if t.drew {
		t.p.erase()
	}
	if t.p.board != nil && t.p.task == nil && t.p.drawn == 0 {
		t.p.board.redraw()
	}
}

// show runs until the task ends. The first sight is after the delay, so that
// what is quick stays silent.
func (t *Task) show() {
	defer close(t.ended)
	p := t.p
	first := time.NewTimer(p.o.Delay)
	defer first.Stop()
	select {
	case <-t.stop:
		return
	case <-first.C:
	}
	every := p.o.Interval
	if p.live() {
		every = redraw
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		p.mu.Lock()
		if p.task == t {
			p.write(t)
		}
		p.mu.Unlock()
		select {
		case <-t.stop:
			return
		case <-tick.C:
		}
	}
}

// live reports whether one line is redrawn in place.
func (p *Progress) live() bool { return p.o.Mode != Plain && p.o.TTY && !p.o.JSON }

// write shows a task; p.mu is held.
func (p *Progress) write(t *Task) {
	s := t.sight(time.Now())
	if !p.live() {
		p.line(s)
		return
	}
	p.draw(s.text())
	t.drew = true
}

// draw puts lines where the status lines were; p.mu is held.
func (p *Progress) draw(lines ...string) {
	var b strings.Builder
	b.WriteString(p.wipe())
	width, height := 0, 0
	if p.o.Width != nil {
		width = p.o.Width()
	}
	if p.o.Height != nil {
		height = p.o.Height()
	}
	if height > 1 && len(lines) >= height {
		rest := fmt.Sprintf("... %d more lines", len(lines)-height+2)
		lines = append(slices.Clone(lines[:height-2]), rest)
	}
	for i, l := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(cut(l, width))
	}
	_, _ = io.WriteString(p.w, b.String()) // progress that cannot be shown must not stop the work
	p.drawn = len(lines)
}

// cut keeps a line from being wrapped. A rune counts as one column.
func cut(l string, width int) string {
	if width <= 1 || utf8.RuneCountInString(l) < width {
		return l
	}
	return string([]rune(l)[:width-1])
}

// wipe is what takes the status lines away.
func (p *Progress) wipe() string {
	return "\r\x1b[K" + strings.Repeat("\x1b[A\x1b[K", max(0, p.drawn-1))
}

func (p *Progress) line(s sight) {
	if p.o.JSON {
		b, err := json.Marshal(s)
		if err == nil {
			_, _ = p.w.Write(append(b, '\n'))
		}
		return
	}
	_, _ = io.WriteString(p.w, s.text()+"\n")
}

// erase takes the status lines away; p.mu is held.
func (p *Progress) erase() {
	if p.drawn > 0 {
		_, _ = io.WriteString(p.w, p.wipe())
		p.drawn = 0
	}
}

// Print writes one line about the current task now, whatever the mode; a user
// asked for it (SIGUSR1).
func (p *Progress) Print() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	switch {
	case p.task != nil:
		p.line(p.task.sight(time.Now()))
	case p.board != nil:
		p.board.say()
	}
}

// Write lets other text (logs, warnings) share the writer with the status
// line: the line is taken away first and drawn again with the next step.
func (p *Progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	n, err := p.w.Write(b)
	if p.board != nil && p.task == nil {
		p.board.redraw()
	}
	return n, err
}

// sight is how a task looks at one moment.
type sight struct {
	Type  string `json:"type"`
	What  string `json:"what"`
	Unit  string `json:"unit"`
	Done  int64  `json:"done"`
	Total *int64 `json:"total"`
	// Elapsed and Left in seconds; Left is null while it cannot be told.
	Elapsed float64  `json:"elapsed_seconds"`
	Rate    float64  `json:"rate_per_second"`
	Left    *float64 `json:"left_seconds"`
}

// sight measures a task; p.mu is held.
func (t *Task) sight(now time.Time) sight {
	s := sight{Type: "progress", What: t.what, Unit: t.unit, Done: t.done, Elapsed: now.Sub(t.began).Seconds()}
	if s.Elapsed > 0 {
		s.Rate = float64(t.done) / s.Elapsed
	}
	if t.total > 0 {
		total := t.total
		s.Total = &total
		if s.Rate > 0 && total >= t.done {
			left := float64(total-t.done) / s.Rate
			s.Left = &left
		}
	}
	return s
}

func (s sight) text() string {
	var b strings.Builder
	b.WriteString(s.What)
	if s.Done > 0 || s.Total != nil { // else nothing is counted: a wait
		fmt.Fprintf(&b, ": %d", s.Done)
		if s.Total != nil {
			fmt.Fprintf(&b, " of %d", *s.Total)
		}
		b.WriteByte(' ')
		b.WriteString(s.Unit)
	}
	if s.Total != nil && *s.Total > 0 {
		fmt.Fprintf(&b, " (%d%%)", s.Done*100 / *s.Total)
	}
	if s.Rate > 0 {
		fmt.Fprintf(&b, ", %s/s", rate(s.Rate))
	}
	fmt.Fprintf(&b, ", %s", seconds(s.Elapsed))
	if s.Left != nil && *s.Left >= 1 {
		fmt.Fprintf(&b, ", about %s left", seconds(*s.Left))
	}
	return b.String()
}

func rate(r float64) string {
	if r >= 10 {
		return strconv.FormatFloat(r, 'f', 0, 64)
	}
	return strconv.FormatFloat(r, 'f', 1, 64)
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}
