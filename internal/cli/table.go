package cli

import (
	"bufio"
	"io"
	"strings"
)

// table prints rows aligned under a header. It looks the same on a terminal
// and in a pipe, so that nothing is found only by piping; programs ask for
// -o json or -o csv.
type table struct {
	paint  paint
	header []string
	// right marks the columns that are aligned to the right: numbers.
	right []bool
	rows  [][]cell
}

// cell is one field: its text, cleaned and measured before it is painted.
type cell struct {
	text  string
	paint func(string) string
}

// newTable begins a table. A name that ends in ">" is a column of numbers.
func newTable(p paint, header ...string) *table {
	t := &table{paint: p}
	for _, h := range header {
		name, right := strings.CutSuffix(h, ">")
		t.header = append(t.header, name)
		t.right = append(t.right, right)
	}
	return t
}

// row adds a row of plain fields.
func (t *table) row(fields ...string) {
	cells := make([]cell, len(fields))
	for i, f := range fields {
		cells[i] = cell{text: f}
	}
	t.cells(cells...)
}

// cells adds a row of fields with their own colours.
func (t *table) cells(cells ...cell) {
	for i := range cells {
		cells[i].text = clean(cells[i].text)
	}
	t.rows = append(t.rows, cells)
}

func (t *table) empty() bool { return len(t.rows) == 0 }

// write writes the table with two blanks between the columns and none at the
// end of a line.
func (t *table) write(w io.Writer) error {
	out := bufio.NewWriter(w)
	widths := make([]int, len(t.header))
	for i, h := range t.header {
		widths[i] = width(h)
	}
	for _, r := range t.rows {
		for i, c := range r {
			widths[i] = max(widths[i], width(c.text))
		}
	}
	head := make([]cell, len(t.header))
	for i, h := range t.header {
		head[i] = cell{text: h, paint: t.paint.bold}
	}
	t.line(out, widths, head)
	for _, r := range t.rows {
		t.line(out, widths, r)
	}
	return out.Flush()
}

func (t *table) line(out *bufio.Writer, widths []int, cells []cell) {
	last := len(cells) - 1
	for last > 0 && cells[last].text == "" {
		last--
	}
	for i, c := range cells[:last+1] {
		text := c.text
		if c.paint != nil {
			text = c.paint(text)
		}
		pad := strings.Repeat(" ", widths[i]-width(c.text))
		switch {
		case t.right[i]:
			text = pad + text
		case i < last:
			text += pad
		}
		if i > 0 {
			text = "  " + text
		}
		_, _ = out.WriteString(text) // bufio keeps the error for Flush
	}
	_ = out.WriteByte('\n')
}
