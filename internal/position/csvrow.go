package position

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// bom is the byte order mark that some editors put before UTF-8.
const bom = "\uFEFF"

// field is one field of a row and where it begins.
type field struct {
	text         string
	line, column int
}

// rowError is a problem after which the borders of rows are not known any
// more.
type rowError struct{ problem CSVProblem }

func (e *rowError) Error() string { return e.problem.String() }

// rowReader splits RFC 4180 into rows. encoding/csv does not serve: it turns
// CRLF within quotes into LF, so that a name would not read back the same.
type rowReader struct {
	in           *bufio.Reader
	line, column int // of the next character
	size         int // bytes of the row so far
}

// newRowReader skips a UTF-8 byte order mark and refuses UTF-16.
func newRowReader(r io.Reader) (*rowReader, error) {
	rr := &rowReader{in: bufio.NewReaderSize(r, 64<<10), line: 1, column: 1}
	head, err := rr.in.Peek(len(bom))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case string(head) == bom:
		_, err = rr.in.Discard(len(bom))
		return rr, err
	case strings.HasPrefix(string(head), "\xff\xfe"), strings.HasPrefix(string(head), "\xfe\xff"):
		return nil, &rowError{CSVProblem{Line: 1, Column: 1, Message: "the file is UTF-16", Hint: "save it as UTF-8"}}
	}
	return rr, nil
}

// read returns the next character as its bytes, so that what is not UTF-8
// stays what it is.
func (r *rowReader) read() (string, error) {
	c, n, err := r.in.ReadRune()
	if err != nil {
		return "", err
	}
	s := string(c)
	if c == utf8.RuneError && n == 1 {
		if err := r.in.UnreadRune(); err != nil {
			return "", err
		}
		b, err := r.in.ReadByte()
		if err != nil {
			return "", err
		}
		s = string([]byte{b})
	}
	r.size += n
	r.column++
	if c == '\n' {
		r.line, r.column = r.line+1, 1
	}
	if r.size > MaxRowBytes {
		return "", r.broken(r.line, r.column, "the row is longer than any row of positions can be", `is a '"' not closed?`)
	}
	return s, nil
}

func (r *rowReader) broken(line, column int, message, hint string) error {
	return &rowError{CSVProblem{Line: line, Column: column, Message: message, Hint: hint}}
}

// next returns the next row that is not blank. io.EOF is the end of the file,
// a *rowError a file that cannot be split into rows from here on.
func (r *rowReader) next() ([]field, error) {
	for {
		row, err := r.row()
		if err != nil || len(row) > 0 {
			return row, err
		}
	}
}

// row returns one row, none for a blank line.
func (r *rowReader) row() ([]field, error) {
	r.size = 0
	var row []field
	for {
		f := field{line: r.line, column: r.column}
		end, quoted, err := r.field(&f)
		if err != nil {
			if errors.Is(err, io.EOF) && len(row) == 0 {
				return nil, io.EOF
			}
			return nil, err
		}
		if end != "," && len(row) == 0 && f.text == "" && !quoted {
			if end == "" {
				return nil, io.EOF
			}
			return nil, nil
		}
		row = append(row, f)
		if end != "," {
			return row, nil
		}
	}
}

// field reads one field and what ends it: ",", "\n", or "" at the end of the
// file.
func (r *rowReader) field(f *field) (end string, quoted bool, err error) {
	var b strings.Builder
	for {
		line, column := r.line, r.column
		c, err := r.read()
		if errors.Is(err, io.EOF) {
			f.text = b.String()
			return "", false, nil
		}
		if err != nil {
			return "", false, err
		}
		switch c {
		case ",", "\n":
			f.text = b.String()
			return c, false, nil
		case "\r":
			if end, err := r.afterCR(line, column); err != nil || end != "" {
				f.text = b.String()
				return "\n", false, err
			}
		case `"`:
			if b.Len() > 0 {
				return "", false, r.broken(line, column, `a '"' within a field that does not begin with one`, `the field stands in quotes, and a '"' in it is written '""'`)
			}
			end, err := r.quotedField(f, &b)
			return end, true, err
		default:
			b.WriteString(c)
		}
	}
}

// afterCR reads the LF of a CRLF; a CR alone ends no line.
func (r *rowReader) afterCR(line, column int) (string, error) {
	c, err := r.read()
	switch {
	case err == nil && c == "\n":
		return "\n", nil
	case err == nil, errors.Is(err, io.EOF):
		return "", r.broken(line, column, "a carriage return without a line feed", "lines end with LF or CRLF")
	}
	return "", err
}

// quotedField reads on after the opening quote.
func (r *rowReader) quotedField(f *field, b *strings.Builder) (end string, err error) {
	open := func(err error) (string, error) {
		if errors.Is(err, io.EOF) {
			return "", r.broken(f.line, f.column, `the '"' that opens the field is not closed`, "")
		}
		return "", err
	}
	for {
		c, err := r.read()
		if err != nil {
			return open(err)
		}
		if c != `"` {
			b.WriteString(c)
			continue
		}
		line, column := r.line, r.column
		c, err = r.read()
		f.text = b.String()
		switch {
		case errors.Is(err, io.EOF):
			return "", nil
		case err != nil:
			return "", err
		case c == `"`:
			b.WriteString(c)
		case c == ",", c == "\n":
			return c, nil
		case c == "\r":
			return r.afterCR(line, column)
		default:
			return "", r.broken(line, column, `something follows the '"' that closes the field`, `a '"' within a field is written '""'`)
		}
	}
}
