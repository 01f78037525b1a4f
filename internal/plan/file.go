package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/kferry/kferry/internal/store"
)

// Write writes the plan as a file: the envelope of docs/formats.md with one
// position on a line, so that people can read it and compare two. It sets
// Digest.
func Write(w io.Writer, p *Plan) error {
	sealed, err := p.sealing()
	if err != nil {
		return err
	}
	p.sealed, p.Digest = sealed, sealed.digest
	body := layout(sealed.body())
	sum := sha256.Sum256(body)
	var out bytes.Buffer
	out.WriteString(`{"format":` + strconv.Quote(Format) + `,"version":` + strconv.Itoa(Version) + `,"sha256":"`)
	out.WriteString(hex.EncodeToString(sum[:]))
	out.WriteString("\",\n\"body\":")
	out.Write(body)
	out.WriteString("}\n")
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("writing plan: %w", err)
	}
	return nil
}

// Read reads a file that Write wrote; name is for messages. The error is a
// *store.FormatError: ErrVersion for a newer version, ErrDigest when the body
// was changed.
func Read(r io.Reader, name string) (*Plan, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading plan %s: %w", name, err)
	}
	if len(data) > maxFile {
		return nil, &Error{Op: "reading plan", Object: name, Err: fmt.Errorf("%w: more than %d bytes", ErrNoPlan, int64(maxFile))}
	}
	p := new(Plan)
	if _, err := store.Decode(data, name, Format, Version, p); err != nil {
		var format *store.FormatError
		if errors.As(err, &format) && format.Hint != "" {
			return nil, &Error{Op: "reading plan", Object: name, Err: err, Hint: format.Hint}
		}
		return nil, &Error{Op: "reading plan", Object: name, Err: err}
	}
	if err := p.check(); err != nil {
		return nil, &Error{Op: "reading plan", Object: name, Err: err, Hint: "make the plan anew"}
	}
	if err := p.seal(); err != nil {
		return nil, err
	}
	return p, nil
}

// maxFile bounds the memory that something that is no plan can take.
const maxFile = 1 << 30

// layout puts line breaks into compact JSON down to the elements of the lists
// of the outermost object and of the positions of a group.
func layout(raw []byte) []byte {
	var l lines
	for i, c := range raw {
		switch {
		case l.text:
			l.inText(c)
		case c == '{' || c == '[':
			l.out.WriteByte(c)
			l.depth++
			// An empty list or object stays on its line.
			if l.depth <= deepest && raw[i+1] != c+2 {
				l.newline()
			}
		case c == '}' || c == ']':
			l.depth--
			if l.depth < deepest && raw[i-1] != c-2 {
				l.newline()
			}
			l.out.WriteByte(c)
		default:
			l.out.WriteByte(c)
			l.text = c == '"'
			if c == ',' && l.depth <= deepest {
				l.newline()
			}
		}
	}
	return l.out.Bytes()
}

// deepest is how many brackets are around what still gets a line of its own: a
// position is in the body, in groups, in a group and in positions.
const deepest = 4

type lines struct {
	out           bytes.Buffer
	depth         int
	text, escaped bool
}

// inText copies a string, in which brackets mean nothing.
func (l *lines) inText(c byte) {
	l.out.WriteByte(c)
	l.text = c != '"' || l.escaped
	l.escaped = c == '\\' && !l.escaped
}

func (l *lines) newline() {
	l.out.WriteByte('\n')
	for range l.depth {
		l.out.WriteByte(' ')
	}
}
