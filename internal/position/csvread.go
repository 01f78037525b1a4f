package position

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// ReadCSV reads a set as WriteCSV writes it. CRLF line ends, a byte order mark
// at the beginning and blank lines are accepted; a header row, extra columns,
// signs, spaces around numbers, numbers that do not fit, empty names and
// duplicates are not. All problems are reported in one *CSVError, up to
// MaxCSVProblems, and then no set is returned. An empty file is an empty set.
func ReadCSV(r io.Reader, opts *CSVOptions) (*Set, error) {
	c := csvReader{set: new(Set), lines: make(map[Key]int)}
	if opts != nil {
		c.group, c.rowGroup, c.err.Name = opts.Group, opts.RowGroup, opts.Name
	}
	if c.err.Name == "" {
		c.err.Name = "standard input"
	}
	rows, err := newRowReader(r)
	for err == nil && !c.err.Stopped {
		var row []field
		if row, err = rows.next(); err == nil {
			c.row(row)
		}
	}
	var broken *rowError
	switch {
	case c.err.Stopped, err == nil, errors.Is(err, io.EOF):
	case errors.As(err, &broken):
		c.report(broken.problem)
		c.err.Stopped = true
	default:
		return nil, fmt.Errorf("reading %s: %w", c.err.Name, err)
	}
	if len(c.err.Problems) > 0 {
		return nil, &c.err
	}
	return c.set, nil
}

// csvReader turns rows into positions.
type csvReader struct {
	group, rowGroup string
	set             *Set
	lines           map[Key]int // where each position stands
	rows            int
	err             CSVError
}

func (c *csvReader) report(p CSVProblem) {
	if len(c.err.Problems) == MaxCSVProblems {
		c.err.Stopped = true
		return
	}
	c.err.Problems = append(c.err.Problems, p)
}

func (c *csvReader) columns() []string {
	all := []string{"group", "topic", "partition", "offset"}
	if c.group != "" {
		return all[1:]
	}
	return all
}

func (c *csvReader) row(row []field) {
	c.rows++
	if c.rows == 1 && c.group == "" && len(row) == 3 {
		c.group = c.rowGroup
	}
	names := c.columns()
	if c.rows == 1 && looksLikeHeader(row) {
		c.report(CSVProblem{
			Line: row[0].line, Column: row[0].column,
			Message: "the first row looks like a header",
			Hint:    "delete it: the columns are always " + strings.Join(names, ","),
		})
		return
	}
	if len(row) != len(names) {
		c.report(c.wrongCount(row, names))
		return
	}
	before := len(c.err.Problems)
	p := Position{Group: c.group, LeaderEpoch: -1}
	fields := row
	if c.group == "" {
		p.Group = c.name(row, 0, names)
		fields = row[1:]
	}
	shift := len(row) - len(fields)
	p.Partition.Topic = c.name(row, shift, names)
	p.Partition.Partition = int32(c.number(row, shift+1, names, math.MaxInt32)) //nolint:gosec // number keeps to the limit
	p.Offset = c.number(row, shift+2, names, math.MaxInt64)
	if len(c.err.Problems) > before || c.err.Stopped {
		return
	}
	if line, dup := c.lines[p.Key()]; dup {
		c.report(CSVProblem{
			Line: row[0].line, Column: row[0].column,
			Message: fmt.Sprintf("position %s is in line %d already", p.Key(), line),
			Hint:    "a group has one position on a partition: delete one of the two lines",
		})
		return
	}
	if err := c.set.Add(p); err != nil {
		c.report(CSVProblem{Line: row[0].line, Column: row[0].column, Message: err.Error()})
		return
	}
	c.lines[p.Key()] = row[0].line
}

// problem begins a problem with field i of a row.
func problem(row []field, i int, names []string) CSVProblem {
	return CSVProblem{Line: row[i].line, Column: row[i].column, Field: i + 1, FieldName: names[i]}
}

func (c *csvReader) name(row []field, i int, names []string) string {
	s := row[i].text
	p := problem(row, i, names)
	switch {
	case s == "":
		p.Message = "the name is empty"
	case !utf8.ValidString(s):
		p.Message = "the name is not UTF-8"
	default:
		return s
	}
	c.report(p)
	return ""
}

func (c *csvReader) number(row []field, i int, names []string, limit int64) int64 {
	s := row[i].text
	n, ok := parseDigits(s, 64)
	if ok && n <= limit {
		return n
	}
	p := problem(row, i, names)
	unsigned := strings.TrimLeft(s, "+-")
	switch {
	case s == "":
		p.Message = "the number is missing"
	case s[0] == '-' && onlyDigits(unsigned):
		p.Message = shorten(s) + " is negative"
		if i == len(names)-1 {
			p.Hint = "a group without a position has no row"
		}
	case onlyDigits(s):
		p.Message = fmt.Sprintf("%s is above %d", shorten(s), limit)
	case strings.TrimSpace(s) != s:
		p.Message = quoted(s) + " is not a number"
		p.Hint = "spaces are part of a field: delete them"
	default:
		p.Message = quoted(s) + " is not a number"
		p.Hint = "decimal digits only"
	}
	c.report(p)
	return 0
}

func (c *csvReader) wrongCount(row []field, names []string) CSVProblem {
	p := CSVProblem{
		Line: row[0].line, Column: row[0].column,
		Message: fmt.Sprintf("%s where %s has %d", counted(len(row)), strings.Join(names, ","), len(names)),
	}
	switch {
	case len(row) == 1 && strings.ContainsAny(row[0].text, ";\t|"):
		p.Hint = "fields are separated by commas"
	case len(row) == 3 && c.group == "" && c.rows == 1:
		p.Hint = "for topic,partition,offset give the group with --group"
	case len(row) == 4 && c.group == NoGroup && c.rows == 1:
		p.Hint = "the rows name their groups: leave --no-group out"
	case len(row) == 4 && c.group != "" && c.rows == 1:
		p.Hint = "with a group given the rows have none: leave --group out"
	case len(row) > len(names):
		extra := row[len(names)]
		p.Line, p.Column, p.Field = extra.line, extra.column, len(names)+1
		p.Hint = "a name with a comma stands in quotes"
	}
	return p
}

// looksLikeHeader reports whether no field is a number and one is a word that
// headers have. A row of data always has numbers.
func looksLikeHeader(row []field) bool {
	words := []string{"group", "groupid", "consumergroup", "topic", "partition", "offset", "currentoffset", "committedoffset"}
	return !slices.ContainsFunc(row, func(f field) bool { return onlyDigits(f.text) }) &&
		slices.ContainsFunc(row, func(f field) bool { return slices.Contains(words, fold(f.text)) })
}

func counted(n int) string {
	if n == 1 {
		return "1 field"
	}
	return fmt.Sprintf("%d fields", n)
}

func quoted(s string) string { return fmt.Sprintf("%q", shorten(s)) }

// shorten keeps what a file can hold from flooding a message.
func shorten(s string) string {
	const most = 60
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}
