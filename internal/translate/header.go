package translate

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
)

// knownHeaders are the headers in which movers leave the source offset, with
// the encodings that each is known for. They only decide where the values
// themselves do not.
var knownHeaders = mover.Headers()

// KnownHeaders are the header names that are recognised by themselves.
func KnownHeaders() []string {
	var names []string
	for _, k := range knownHeaders {
		names = append(names, k.Offset)
	}
	return names
}

// ParseHeader reads NAME or NAME:ENCODING, as -H takes it. A name with a colon
// of its own needs the encoding behind it.
func ParseHeader(s string) (name string, enc Encoding, err error) {
	name = s
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		switch strings.ToLower(s[i+1:]) {
		case "decimal", "text":
			enc = EncodingDecimal
		case "int64be", "be", "big-endian":
			enc = EncodingBig
		case "int64le", "le", "little-endian":
			enc = EncodingLittle
		case "int32be":
			enc = EncodingBig32
		case "auto", "":
			enc = EncodingAuto
		default:
			return "", "", fmt.Errorf("header %q: unknown encoding %q (known: decimal, int64be, int64le, int32be, auto)", s, s[i+1:])
		}
		name = s[:i]
	}
	if name == "" {
		return "", "", fmt.Errorf("header %q has no name", s)
	}
	return name, enc, nil
}

// header is the evidence of movers that write the source offset into a header.
type header struct {
	name     string
	encoding Encoding
	how      string // how name and encoding were found
}

var _ evidence = (*header)(nil)

func (h *header) what() (Kind, string) {
	return KindHeader, fmt.Sprintf("header %s, %s%s", h.name, h.encoding.words(), h.how)
}

func (h *header) tracer(s *solver) tracer {
	known, named := mover.HeaderNamed(h.name)
	if !named || known.Partition == "" {
		return &recordwise{s.tgt, h.source}
	}
	return &recordwise{s.tgt, func(r *batch.Record) (int64, bool, error) {
		n, ok, err := h.source(r)
		if ok && elsewhere(r, &known, s.req.Source.Partition) {
			return -1, false, &foreignError{offset: r.Offset, of: s.req.Source}
		}
		return n, ok, err
	}}
}

func (h *header) own(name string) bool {
	if name == h.name {
		return true
	}
	for i := range knownHeaders {
		if k := &knownHeaders[i]; k.Offset == h.name {
			return slices.Contains(k.Also, name)
		}
	}
	return false
}

// source takes the last header of the name: a record that was copied twice
// carries the header twice, and movers append.
func (h *header) source(r *batch.Record) (int64, bool, error) {
	v, ok := lastHeader(r, h.name)
	if !ok {
		return -1, false, nil
	}
	n, ok := decodeOffset(v, h.encoding)
	if !ok || n > plausible {
		return -1, false, &evidenceError{offset: r.Offset, header: h.name, value: v, want: h.encoding}
	}
	return n, true, nil
}

func lastHeader(r *batch.Record, name string) ([]byte, bool) {
	for _, h := range slices.Backward(r.Headers) {
		if h.Key == name {
			return h.Value, true
		}
	}
	return nil, false
}

// decodeOffset reads a source offset; ok is false for what is none.
func decodeOffset(v []byte, enc Encoding) (int64, bool) {
	switch enc {
	case EncodingDecimal:
		if len(v) == 0 || len(v) > 19 {
			return 0, false
		}
		for _, c := range v {
			if c < '0' || c > '9' {
				return 0, false
			}
		}
		n, err := strconv.ParseInt(string(v), 10, 64)
		return n, err == nil
	case EncodingBig, EncodingLittle:
		if len(v) != 8 {
			return 0, false
		}
		n := binary.BigEndian.Uint64(v)
		if enc == EncodingLittle {
			n = binary.LittleEndian.Uint64(v)
		}
		return int64(n), n <= math.MaxInt64 //nolint:gosec // ok says whether it fits
	case EncodingBig32:
		if len(v) != 4 {
			return 0, false
		}
		n := binary.BigEndian.Uint32(v)
		return int64(n), n <= math.MaxInt32
	case EncodingAuto:
	}
	return 0, false
}

// sample is one header value with the target offset of its record.
type sample struct {
	pos   int64
	value []byte
}

// plausible is an upper bound for offsets where the source cannot give one:
// a partition that takes a million records a second for eight years.
const plausible = 1 << 48

// recogniseEncoding finds the one encoding that all samples fit. highest is the
// source's end offset where it is known, else -1. known decides a tie.
// certain is false where the values alone do not decide.
func recogniseEncoding(samples []sample, highest int64, known Encoding) (enc Encoding, certain, ok bool) {
	if highest < 0 {
		highest = plausible
	}
	var fits []Encoding
	for _, enc := range []Encoding{EncodingDecimal, EncodingBig, EncodingLittle, EncodingBig32} {
		if allFit(samples, enc, highest) {
			fits = append(fits, enc)
		}
	}
	if mostlyDigits(samples) {
		// Four digits are digits: as bytes they would all be offsets between 808
		// and 960 million. Another byte among them is one that was spoilt.
		fits = slices.DeleteFunc(fits, func(e Encoding) bool { return e == EncodingBig32 })
	}
	if len(fits) > 1 {
		// Eight digits are also eight bytes, four are four, and small numbers may read well
		// from either end: copies that stand side by side are mostly one apart.
		best, most, tie := fits[0], -1, false
		for _, enc := range fits {
			n := neighbours(samples, enc)
			if n == most {
				tie = true
			}
			if n > most {
				best, most, tie = enc, n, false
			}
		}
		if !tie {
			return best, true, true
		}
		if slices.Contains(fits, known) {
			return known, false, true
		}
		// What reads the same either way (eight zero bytes) needs no choice;
		// should the other order have been right, the next value is far above
		// plausible and refused.
		if allSame(samples, fits) {
			return fits[0], false, true
		}
		return EncodingAuto, false, false
	}
	if len(fits) == 1 {
		return fits[0], true, true
	}
	return EncodingAuto, true, false
}

// mostlyDigits reports whether at least half of the samples are decimal.
func mostlyDigits(samples []sample) bool {
	n := 0
	for _, s := range samples {
		if _, ok := decodeOffset(s.value, EncodingDecimal); ok {
			n++
		}
	}
	return 2*n >= len(samples)
}

func allFit(samples []sample, enc Encoding, highest int64) bool {
	for _, s := range samples {
		if n, ok := decodeOffset(s.value, enc); !ok || n > highest {
			return false
		}
	}
	return len(samples) > 0
}

// neighbours counts samples that are as far apart in the source as they are on
// the target.
func neighbours(samples []sample, enc Encoding) int {
	n := 0
	for i := 1; i < len(samples); i++ {
		a, _ := decodeOffset(samples[i-1].value, enc)
		b, _ := decodeOffset(samples[i].value, enc)
		if b-a == samples[i].pos-samples[i-1].pos && b > a {
			n++
		}
	}
	return n
}

// allSame reports whether the samples mean the same in all encodings.
func allSame(samples []sample, encs []Encoding) bool {
	for _, s := range samples {
		first, _ := decodeOffset(s.value, encs[0])
		for _, enc := range encs[1:] {
			if n, _ := decodeOffset(s.value, enc); n != first {
				return false
			}
		}
	}
	return true
}
