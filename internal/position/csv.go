package position

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a CSV file. A row of Kafka cannot come near them: names are at
// most 32767 bytes on the wire.
const (
	// MaxRowBytes bounds one row, and with it the memory that reading a row
	// takes.
	MaxRowBytes = 256 << 10
	// MaxCSVProblems is how many problems are reported before reading stops.
	MaxCSVProblems = 20
)

// CSVOptions say how positions are read and written. Nil is the zero value.
type CSVOptions struct {
	// Group makes the rows topic,partition,offset, all of this group; "" means
	// group,topic,partition,offset.
	Group string
	// RowGroup is such a group for files whose first row has three fields; it
	// is only looked at when reading, and Group wins.
	RowGroup string
	// Name of the file in messages; "" means standard input.
	Name string
}

// CSVProblem is one thing that is wrong in a CSV file.
type CSVProblem struct {
	// Line is the line of the file, from 1. A quoted field can span lines: it
	// is the line in which the field begins.
	Line int
	// Field is the number of the field in its row, from 1; 0 is the whole row.
	Field int
	// FieldName is "group", "topic", "partition", "offset", or "".
	FieldName string
	// Column is the character of Line at which the field begins, from 1.
	Column int
	// Message says what is wrong, Hint what to do; Hint may be "".
	Message, Hint string
}

// String returns the problem in one line, without the name of the file.
func (p CSVProblem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d, column %d", p.Line, p.Column)
	switch {
	case p.FieldName != "":
		fmt.Fprintf(&b, ", field %d (%s)", p.Field, p.FieldName)
	case p.Field > 0:
		fmt.Fprintf(&b, ", field %d", p.Field)
	}
	b.WriteString(": " + p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// CSVError has everything that is wrong with a CSV file.
type CSVError struct {
	// Name of the file.
	Name string
	// Problems in the order of the file.
	Problems []CSVProblem
	// Stopped says that reading ended before the end of the file, because of
	// the number of problems or because of the last one.
	Stopped bool
}

// Error implements error: one line for each problem.
func (e *CSVError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(e.Name + ": " + p.String())
	}
	if e.Stopped {
		b.WriteString("\n" + e.Name + ": the rest was not read")
	}
	return b.String()
}

// UnwritableError says that a position cannot be written to a file so that it
// reads back the same.
type UnwritableError struct {
	Position Position
	Reason   string
}

// Error implements error.
func (e *UnwritableError) Error() string {
	return fmt.Sprintf("writing position %s: %s", e.Position.Key(), e.Reason)
}

// writable refuses names that no text file can hold.
func writable(p Position) error {
	if utf8.ValidString(p.Group) && utf8.ValidString(p.Partition.Topic) {
		return nil
	}
	return &UnwritableError{Position: p, Reason: "the name is not UTF-8"}
}

// WriteCSV writes a set as group,topic,partition,offset, or with a group in
// the options as topic,partition,offset: no header row, lines end with LF,
// RFC 4180 quoting where a field needs it. Metadata and leader epochs are not
// in the file. Names that are not UTF-8, and positions of another group than
// that of the options, are an *UnwritableError.
func WriteCSV(w io.Writer, s *Set, opts *CSVOptions) error {
	group := ""
	if opts != nil {
		group = opts.Group
	}
	// Judged before the first byte goes out, so that nobody is left with half
	// a file.
	for p := range s.Each() {
		if err := writable(p); err != nil {
			return err
		}
		if group != "" && p.Group != group {
			return &UnwritableError{Position: p, Reason: fmt.Sprintf("the file has no group column and is for group %q", group)}
		}
	}
	out := bufio.NewWriter(w)
	for p := range s.Each() {
		writeRow(out, group == "", p)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing positions as CSV: %w", err)
	}
	return nil
}

// writeRow leaves errors to the Flush that follows: bufio keeps them.
func writeRow(out *bufio.Writer, withGroup bool, p Position) {
	if withGroup {
		_, _ = out.WriteString(quote(p.Group) + ",")
	}
	_, _ = out.WriteString(quote(p.Partition.Topic) + "," +
		strconv.FormatInt(int64(p.Partition.Partition), 10) + "," +
		strconv.FormatInt(p.Offset, 10) + "\n")
}

// quote quotes a field where RFC 4180 asks for it, where readers would
// otherwise drop something (spaces at its ends, a byte order mark), and where
// the file could be taken for JSON.
func quote(s string) string {
	plain := !strings.ContainsAny(s, "\",\r\n") && strings.TrimSpace(s) == s && !strings.HasPrefix(s, bom)
	if plain && !strings.HasPrefix(s, "{") && !strings.HasPrefix(s, "[") {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}
