package position

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxValueBytes bounds one value of a JSON file that has to be in memory as a
// whole: a name, a position, or something that is passed over.
const MaxValueBytes = 4 << 20

// JSONProblem is one thing that is wrong in a JSON file of positions.
type JSONProblem struct {
	// Line is the line of the file, from 1, in which the value begins; 0 is
	// not known.
	Line int
	// Path names the value: "positions[3].offset". "" is the whole file.
	Path    string
	Message string
}

// String returns "line LINE, PATH: MESSAGE".
func (p JSONProblem) String() string {
	var where []string
	if p.Line > 0 {
		where = append(where, "line "+strconv.Itoa(p.Line))
	}
	if p.Path != "" {
		where = append(where, p.Path)
	}
	if len(where) == 0 {
		return p.Message
	}
	return strings.Join(where, ", ") + ": " + p.Message
}

// JSONError has everything that is wrong with a JSON file of positions, up to
// MaxCSVProblems.
type JSONError struct {
	// Name of the file; may be "".
	Name     string
	Problems []JSONProblem
	// Stopped says that reading ended before the end of the file, because of
	// the number of problems or because of the last one.
	Stopped bool
}

// Error implements error: one line for each problem.
func (e *JSONError) Error() string {
	prefix := ""
	if e.Name != "" {
		prefix = e.Name + ": "
	}
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(prefix + p.String())
	}
	if e.Stopped && len(e.Problems) >= MaxCSVProblems {
		b.WriteString("\n" + prefix + "the rest was not read")
	}
	return b.String()
}

// errStopped ends a scan; what is wrong is among its problems.
var errStopped = errors.New("stopped")

// errTooLong is given out by a tap instead of more bytes of one value.
var errTooLong = errors.New("too long")

// tap passes bytes on to a decoder and keeps those that it is not known to be
// past, so that a value can be looked at as it stands in the file.
type tap struct {
	r    io.Reader
	held []byte
	base int64 // offset of held[0]
	line int   // its line
}

func (t *tap) Read(p []byte) (int, error) {
	if len(t.held) > MaxValueBytes {
		return 0, errTooLong
	}
	n, err := t.r.Read(p)
	t.held = append(t.held, p[:n]...)
	return n, err
}

// from is what is held from an offset on.
func (t *tap) from(offset int64) []byte {
	return t.held[min(max(offset-t.base, 0), int64(len(t.held))):]
}

// forget lets go of what is before an offset.
func (t *tap) forget(offset int64) {
	rest := t.from(offset)
	gone := t.held[:len(t.held)-len(rest)]
	t.line += bytes.Count(gone, []byte("\n"))
	t.base += int64(len(gone))
	t.held = rest
}

// lineOf is the line of the first byte from an offset on that belongs to a
// value.
func (t *tap) lineOf(offset int64) int {
	rest := t.from(offset)
	rest = rest[:len(rest)-len(bytes.TrimLeft(rest, " \t\r\n,:"))]
	return t.line + bytes.Count(t.held[:len(t.held)-len(t.from(offset))], []byte("\n")) + bytes.Count(rest, []byte("\n"))
}

// scanner reads a JSON file of positions value by value, in bounded memory,
// and collects what is wrong with it. encoding/json alone does not serve: it
// takes the last of two equal keys, keys of another case, a number that is
// missing for 0, and puts U+FFFD in place of what is no UTF-8.
type scanner struct {
	dec      *json.Decoder
	tap      *tap
	set      *Set
	at       map[Key]string // the path of each position
	problems []JSONProblem
}

func newScanner(r io.Reader) *scanner {
	t := &tap{r: r, line: 1}
	return &scanner{dec: json.NewDecoder(t), tap: t, set: new(Set), at: make(map[Key]string)}
}

// done turns how a scan ended into an error: nil, a *JSONError, or what
// reading the file has met.
func (s *scanner) done(name string, err error) error {
	if err == nil {
		err = s.end()
	}
	if err != nil && !errors.Is(err, errStopped) {
		return fmt.Errorf("reading %s: %w", firstOf(name, "positions"), err)
	}
	if len(s.problems) == 0 {
		return nil
	}
	return &JSONError{Name: name, Problems: s.problems, Stopped: err != nil}
}

// line is that of the value that comes next, or that was just begun.
func (s *scanner) line() int { return s.tap.lineOf(s.dec.InputOffset()) }

// report adds a problem; errStopped comes back when there are enough.
func (s *scanner) report(line int, path, format string, args ...any) error {
	s.problems = append(s.problems, JSONProblem{Line: line, Path: path, Message: fmt.Sprintf(format, args...)})
	if len(s.problems) >= MaxCSVProblems {
		return errStopped
	}
	return nil
}

// fatal adds a problem after which the rest means nothing.
func (s *scanner) fatal(line int, path, format string, args ...any) error {
	_ = s.report(line, path, format, args...) // it is the end either way
	return errStopped
}

// broken judges an error of the decoder.
func (s *scanner) broken(path string, err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, errTooLong):
		return s.fatal(s.line(), path, "the value is longer than %d bytes", MaxValueBytes)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return s.fatal(s.line(), path, "the file ends in the middle (unexpected EOF): it was cut off")
	case errors.As(err, &syntax):
		return s.fatal(s.line(), path, "%s", syntax)
	}
	return err
}

func (s *scanner) delim(path string, want json.Delim) error {
	line := s.line()
	tok, err := s.dec.Token()
	if err != nil {
		return s.broken(path, err)
	}
	if tok != want {
		what := map[json.Delim]string{'{': "an object", '[': "a list", '}': "the end of the object", ']': "the end of the list"}[want]
		return s.fatal(line, path, "found %s where %s belongs", shorten(fmt.Sprint(tok)), what)
	}
	return nil
}

// object calls each for every key of an object, which then reads the value. A
// key that is there twice is a problem: one reader takes the first and another
// one the last. Keys are exact, unlike those of json.Unmarshal.
func (s *scanner) object(path string, each func(key, path string) error) error {
	if err := s.delim(path, '{'); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for s.dec.More() {
		before := s.dec.InputOffset()
		s.tap.forget(before)
		line := s.line()
		tok, err := s.dec.Token()
		if err != nil {
			return s.broken(path, err)
		}
		key, _ := tok.(string)
		inner := pathTo(path, key)
		raw := s.tap.from(before)
		raw = raw[:s.dec.InputOffset()-before]
		switch {
		case !unchanged(raw):
			return s.fatal(line, inner, "the name is not UTF-8")
		case seen[key]:
			return s.fatal(line, inner, "key %q is there twice", shorten(key))
		}
		seen[key] = true
		if err := each(key, inner); err != nil {
			return err
		}
	}
	return s.delim(path, '}')
}

// list calls each for every element of a list, which then reads it.
func (s *scanner) list(path string, each func(path string) error) error {
	if err := s.delim(path, '['); err != nil {
		return err
	}
	for i := 0; s.dec.More(); i++ {
		s.tap.forget(s.dec.InputOffset())
		if err := each(path + "[" + strconv.Itoa(i) + "]"); err != nil {
			return err
		}
	}
	return s.delim(path, ']')
}

// value reads a text, number or truth value; null leaves a pointer nil.
func (s *scanner) value(path string, to any) error {
	line := s.line()
	var raw json.RawMessage
	if err := s.dec.Decode(&raw); err != nil {
		return s.broken(path, err)
	}
	if !unchanged(raw) {
		return s.report(line, path, "is not UTF-8")
	}
	err := json.Unmarshal(raw, to)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what := "what belongs there"
		switch wrong.Type.Kind().String() {
		case "int32", "int64", "int":
			what = "a whole number of " + strconv.Itoa(wrong.Type.Bits()) + " bits"
		case "string":
			what = "a text"
		case "bool":
			what = "true or false"
		}
		return s.report(line, path, "%s is not %s", shorten(wrong.Value), what)
	}
	if err != nil {
		return s.report(line, path, "%s", err)
	}
	return nil
}

// skip passes over a value.
func (s *scanner) skip(path string) error {
	var raw json.RawMessage
	if err := s.dec.Decode(&raw); err != nil {
		return s.broken(path, err)
	}
	return nil
}

// unknown reports a key that a newer version of a format may have.
func (s *scanner) unknown(path string) error {
	line := s.line()
	if err := s.skip(path); err != nil {
		return err
	}
	return s.report(line, path, "is not known here: is the file of a newer version of its program?")
}

// end wants nothing but white space behind the document.
func (s *scanner) end() error {
	s.tap.forget(s.dec.InputOffset())
	line := s.line()
	switch _, err := s.dec.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return s.broken("", err)
	}
	return s.fatal(line, "", "something follows the end")
}

// add puts a position into the set.
func (s *scanner) add(line int, path string, p Position) error {
	if first, dup := s.at[p.Key()]; dup {
		return s.report(line, path, "position %s is %s already", p.Key(), first)
	}
	if err := s.set.Add(p); err != nil {
		if p.Offset < 0 {
			return s.report(line, path, "%s (a partition without a position has no entry: delete it)", err)
		}
		return s.report(line, path, "%s", err)
	}
	s.at[p.Key()] = path
	return nil
}

// pathTo extends a path by a key, quoted where it could be taken for more.
func pathTo(path, key string) string {
	plain := key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
	switch {
	case !plain:
		return path + "[" + quoted(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// firstOf is the first text that is not empty.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// unchanged reports whether every character of a string value is one: no
// broken UTF-8 and no half of a surrogate pair.
func unchanged(raw []byte) bool {
	if !utf8.Valid(raw) {
		return false
	}
	for i := 0; i+6 <= len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		unit, isUnit := escaped(raw[i:])
		if !isUnit {
			i++ // the character behind the backslash is not one itself
			continue
		}
		i += 5
		if !utf16.IsSurrogate(unit) {
			continue
		}
		low, _ := escaped(raw[i+1:])
		if utf16.DecodeRune(unit, low) == utf8.RuneError {
			return false
		}
		i += 6
	}
	return true
}

// escaped reads \uXXXX.
func escaped(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}
