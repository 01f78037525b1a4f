package translate

import (
	"fmt"

	"github.com/kferry/kferry/internal/batch"
)

// evidence says which source offset a target record is a copy of. One value
// serves all partitions of one topic, so that no weaker kind can slip in
// between.
type evidence interface {
	kind() Kind
	// detected says in words what was found and will be used.
	detected() string
	// source is the source offset that r was copied from. ok is false for a
	// record that is no copy; the error is a *evidenceError.
	source(r *batch.Record) (h int64, ok bool, err error)
	// own reports whether the mover added a header of that name, so that it
	// is left out when contents are compared.
	own(name string) bool
}

// evidenceError is a record that names a source offset that cannot be read.
type evidenceError struct {
	offset int64
	header string
	value  []byte
	want   Encoding
}

func (e *evidenceError) Error() string {
	return fmt.Sprintf("header %q of the record at offset %d is %s, which is no source offset as %s",
		e.header, e.offset, printable(e.value), e.want.words())
}

func printable(v []byte) string {
	if v == nil {
		return "null"
	}
	if len(v) > 24 {
		return fmt.Sprintf("%q… (%d bytes)", v[:24], len(v))
	}
	return fmt.Sprintf("%q", v)
}

// words names an encoding for people.
func (e Encoding) words() string {
	switch e {
	case EncodingDecimal:
		return "decimal text"
	case EncodingBig:
		return "8 bytes big-endian"
	case EncodingLittle:
		return "8 bytes little-endian"
	case EncodingAuto:
		return "any known encoding"
	}
	return string(e)
}
