package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"math"
)

// ErrCorrupt is what every error about bytes that are no valid batch wraps.
var ErrCorrupt = errors.New("corrupt record batch")

// ErrCut says that an answer holds bytes but no whole batch. A broker returns
// the first batch whole (KIP-74), so asking again would not help by itself.
var ErrCut = errors.New("no whole record batch in the answer")

// CorruptError says which batch is broken and how. It wraps ErrCorrupt.
type CorruptError struct {
	// BaseOffset is what the batch says its first offset is; it may itself be
	// damaged.
	BaseOffset int64
	Reason     string
	Err        error // the cause, or nil
}

// Error names the batch by its base offset.
func (e *CorruptError) Error() string {
	s := fmt.Sprintf("record batch at offset %d: %s", e.BaseOffset, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap lets errors.Is find ErrCorrupt and the cause.
func (e *CorruptError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrCorrupt}
	}
	return []error{ErrCorrupt, e.Err}
}

func corrupt(base int64, format string, args ...any) error {
	return &CorruptError{BaseOffset: base, Reason: fmt.Sprintf(format, args...)}
}

// Batch is one whole record batch, or one outer message of an old message set.
type Batch struct {
	Header
	// Raw is the whole batch, header included. It aliases what was walked.
	Raw []byte
	// old has the records of a message (magic 0 and 1): its offsets are only
	// known once it is decoded, so Walk decodes it.
	old []Record
}

const (
	// frameSize covers the base offset and the length of any format.
	frameSize = 12
	// magicEnd is where the magic byte ends: at the same place in all formats.
	magicEnd = 17
	// minOld is the least length of a message: CRC, magic, attributes and two
	// empty fields (MessageV0).
	minOld = 14
)

// Walk yields the whole batches of a fetch answer in order. What is left of a
// batch that was cut at the end is ignored, as the protocol asks (a broker may
// cut the last one). A batch with a wrong checksum, with a length or offsets
// that cannot be, or that does not lie behind the one before ends the walk with
// an error that wraps ErrCorrupt and names the base offset.
func Walk(raw []byte) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		last := int64(-1)
		for rest := raw; ; {
			b, size, err := first(rest)
			if err == nil && size > 0 && b.BaseOffset <= last {
				err = corrupt(b.BaseOffset, "it does not follow offset %d", last)
			}
			if err != nil {
				yield(Batch{}, err)
				return
			}
			if size == 0 || !yield(b, nil) {
				return
			}
			last = b.LastOffset()
			rest = rest[size:]
		}
	}
}

// first reads the batch at the beginning of b; a size of 0 means that b ends
// before it does.
func first(b []byte) (Batch, int, error) {
	if len(b) < magicEnd {
		return Batch{}, 0, nil
	}
	base := int64(binary.BigEndian.Uint64(b))
	length := int64(int32(binary.BigEndian.Uint32(b[8:])))
	magic := int8(b[magicEnd-1])
	switch {
	case base < 0:
		return Batch{}, 0, corrupt(base, "negative base offset")
	case magic < 0 || magic > 2:
		return Batch{}, 0, corrupt(base, "unknown format version (magic) %d", magic)
	case length < minOld || (magic == 2 && length < headerSize-frameSize):
		return Batch{}, 0, corrupt(base, "impossible length %d", length)
	case length+frameSize > int64(len(b)):
		return Batch{}, 0, nil
	}
	size := int(length) + frameSize
	whole := b[:size:size]
	if magic < 2 {
		out, err := readOld(whole)
		return out, size, err
	}
	h := readHeader(whole)
	if err := h.check(whole); err != nil {
		return Batch{}, 0, err
	}
	return Batch{Header: h, Raw: whole}, size, nil
}

// check judges a v2 header against its batch.
func (h Header) check(whole []byte) error {
	if got := crc32.Checksum(whole[21:], castagnoli); got != h.CRC {
		return corrupt(h.BaseOffset, "checksum is %08x and should be %08x", got, h.CRC)
	}
	switch {
	case h.LastOffsetDelta < 0 || h.BaseOffset > math.MaxInt64-1-int64(h.LastOffsetDelta):
		return corrupt(h.BaseOffset, "impossible last offset delta %d", h.LastOffsetDelta)
	case h.Count < 0 || int64(h.Count) > int64(h.LastOffsetDelta)+1:
		return corrupt(h.BaseOffset, "impossible record count %d for a last offset delta of %d", h.Count, h.LastOffsetDelta)
	case h.Codec() > Zstd:
		return corrupt(h.BaseOffset, "unknown compression codec %d", h.Codec())
	}
	return nil
}
