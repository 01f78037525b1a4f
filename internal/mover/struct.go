package mover

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// Part is the half of a record that a FormatError speaks of.
type Part string

// The parts of a record.
const (
	PartKey   Part = "key"
	PartValue Part = "value"
)

// FormatError says that a record is not one of MirrorMaker 2. It names the
// part and the field; which topic, partition and offset it stands at is for
// whoever read it to add.
type FormatError struct {
	// Record is what was expected: "offset sync", "checkpoint", "heartbeat".
	Record string
	Part   Part
	// Field is the field that does not fit, "" where the whole part does not.
	Field string
	// Problem is one clause: "2 bytes where an INT64 takes 8".
	Problem string
}

// Error is lower case and on one line.
func (e *FormatError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("no %s of MirrorMaker 2: its %s is %s", e.Record, e.Part, e.Problem)
	}
	return fmt.Sprintf("no %s of MirrorMaker 2: %s of its %s: %s", e.Record, e.Field, e.Part, e.Problem)
}

// reader takes a struct apart, field by field. After the first problem every
// further field is zero, and err is that problem.
type reader struct {
	record string
	part   Part
	rest   []byte
	err    *FormatError
}

// parsing begins with one part of a record; a part that is null is a problem.
func parsing(record string, part Part, b []byte) *reader {
	r := &reader{record: record, part: part, rest: b}
	if b == nil {
		r.fail("", "null")
	}
	return r
}

func (r *reader) fail(field, problem string) {
	if r.err == nil {
		r.err = &FormatError{Record: r.record, Part: r.part, Field: field, Problem: problem}
	}
}

// take cuts n bytes off; nil after a problem.
func (r *reader) take(field, kind string, n int) []byte {
	if r.err != nil {
		return nil
	}
	if len(r.rest) < n {
		r.fail(field, fmt.Sprintf("%s left where %s takes %d", count(len(r.rest)), kind, n))
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) int16(field string) int16 {
	if b := r.take(field, "an INT16", 2); b != nil {
		return int16(binary.BigEndian.Uint16(b)) //nolint:gosec // the same bits
	}
	return 0
}

func (r *reader) int32(field string) int32 {
	if b := r.take(field, "an INT32", 4); b != nil {
		return int32(binary.BigEndian.Uint32(b)) //nolint:gosec // the same bits
	}
	return 0
}

func (r *reader) int64(field string) int64 {
	if b := r.take(field, "an INT64", 8); b != nil {
		return int64(binary.BigEndian.Uint64(b)) //nolint:gosec // the same bits
	}
	return 0
}

// text reads Kafka's STRING, which is never null.
func (r *reader) text(field string) string {
	n := r.int16(field)
	if r.err != nil {
		return ""
	}
	if n < 0 {
		r.fail(field, fmt.Sprintf("a length of %d", n))
		return ""
	}
	b := r.take(field, "a STRING of this length", int(n))
	if r.err != nil {
		return ""
	}
	if !utf8.Valid(b) {
		r.fail(field, "no UTF-8")
		return ""
	}
	return string(b)
}

// name reads a STRING that names something and cannot be empty.
func (r *reader) name(field string) string {
	s := r.text(field)
	if s == "" {
		r.fail(field, "empty")
	}
	return s
}

// atLeast refuses a number below low: partitions, offsets and times of records
// that exist.
func (r *reader) atLeast(field string, got, low int64) {
	if got < low {
		r.fail(field, fmt.Sprintf("%d, which cannot be", got))
	}
}

// version reads the version that values of checkpoints and heartbeats begin
// with; Kafka knows 0 only.
func (r *reader) version() {
	if v := r.int16("version"); v != 0 {
		r.fail("version", fmt.Sprintf("%d, and only 0 is known", v))
	}
}

// end is the problem, if any; bytes after the last field are one.
func (r *reader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("", count(len(r.rest))+" longer than its fields")
	}
	if r.err != nil {
		return r.err
	}
	return nil
}

// count is a number of bytes in words.
func count(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

// putText appends Kafka's STRING. What is longer than a STRING can be is cut:
// no topic, group or metadata of a real cluster is.
func putText(b []byte, s string) []byte {
	if len(s) > math.MaxInt16 {
		s = s[:math.MaxInt16]
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s))) //nolint:gosec // at most 32767
	return append(b, s...)
}

func putInt16(b []byte, n int16) []byte {
	return binary.BigEndian.AppendUint16(b, uint16(n)) //nolint:gosec // the same bits
}

func putInt32(b []byte, n int32) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(n)) //nolint:gosec // the same bits
}

func putInt64(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // the same bits
}
