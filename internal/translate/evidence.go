package translate

import (
	"fmt"
)

// evidence is what ties target records to source offsets. One value serves all
// partitions of one topic, so that no weaker kind can slip in between.
type evidence interface {
	// what is the kind, and in words what was found and will be used.
	what() (Kind, string)
	// tracer says of the records of one partition what they are copies of.
	tracer(s *solver) tracer
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
	case EncodingBig32:
		return "4 bytes big-endian"
	case EncodingAuto:
		return "any known encoding"
	}
	return string(e)
}
