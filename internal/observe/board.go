package observe

import (
	"encoding/json"
	"io"
	"strings"
)

// Board shows how far something long is that is looked at now and then: on a
// terminal a block of lines that is redrawn in place, elsewhere one line for
// each look. A task that begins meanwhile takes its place until it ends. A nil
// *Board shows nothing; End must be called.
type Board struct {
	p     *Progress
	lines []string
	plain string
	json  any
}

// Board begins to show one.
func (p *Progress) Board() *Board {
	if p == nil {
		return nil
	}
	b := &Board{p: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.board = b
	return b
}

// Show tells what was seen at one look: as lines for a terminal, as one line
// for anything else, and as an object for programs, which should have "type"
// as "progress".
func (b *Board) Show(lines []string, plain string, object any) {
	if b == nil {
		return
	}
	p := b.p
	p.mu.Lock()
	defer p.mu.Unlock()
	b.lines, b.plain, b.json = lines, plain, object
	switch {
	case p.o.Mode == None:
	case p.live():
		if p.task == nil {
			b.redraw()
		}
	default:
		b.say()
	}
}

// End takes the board off the screen.
func (b *Board) End() {
	if b == nil {
		return
	}
	p := b.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.board == b {
		p.board = nil
		if p.task == nil {
			p.erase()
		}
	}
}

// redraw draws the block where that is done; p.mu is held.
func (b *Board) redraw() {
	if len(b.lines) > 0 && b.p.o.Mode != None && b.p.live() {
		b.p.draw(b.lines...)
	}
}

// say writes the last look as one line; p.mu is held.
func (b *Board) say() {
	if b.json == nil {
		return // nothing was seen yet
	}
	if b.p.o.JSON {
		if text, err := json.Marshal(b.json); err == nil {
			_, _ = b.p.w.Write(append(text, '\n'))
		}
		return
	}
	_, _ = io.WriteString(b.p.w, strings.TrimSuffix(b.plain, "\n")+"\n")
}
