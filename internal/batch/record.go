package batch

import (
	"encoding/binary"
	"errors"
	"math"
)

// Bounds on what one batch may make us allocate beside its decompressed bytes.
const (
	// MaxRecords is how many records Batch.Records decodes at most: 4 Mi.
	MaxRecords = 4 << 20
	// MaxHeaders is how many headers one record may have: 1 Mi.
	MaxHeaders = 1 << 20
)

// Record is one decoded record. Its slices alias the batch or what the batch
// was decompressed to.
type Record struct {
	Offset int64
	// Timestamp is in milliseconds since the epoch; -1 for magic 0, which has
	// none. In a LogAppendTime batch it is the batch's.
	Timestamp int64
	// Key and Value: nil is null, empty is empty.
	Key     []byte
	Value   []byte
	Headers []RecordHeader
}

// RecordHeader is one header of a record. A nil Value is null.
type RecordHeader struct {
	Key   string
	Value []byte
}

// Records appends the decoded records of the batch to dst, markers too. An
// error wraps ErrCorrupt or ErrTooLarge; dst then is as it was.
//
// Fewer records than the header declares are taken for holes when the bytes
// end exactly behind the last record: the offsets are in the records, so no
// position depends on the count. (Kafka refuses such a batch when it is
// produced; the in-process test broker does not.) Bytes that are left over
// are an error.
func (b Batch) Records(dst []Record) ([]Record, error) {
	out := dst
	n := 0
	err := b.each(func(r Record) bool {
		n++
		if n > MaxRecords {
			return false
		}
		out = append(out, r)
		return true
	})
	if n > MaxRecords {
		return dst, &CorruptError{BaseOffset: b.BaseOffset, Reason: "more than 4 Mi records", Err: ErrTooLarge}
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// each calls yield for the records in order until it returns false. It holds
// one decoded record at a time, so that memory is bounded by the bytes.
func (b Batch) each(yield func(Record) bool) error {
	if b.Magic < 2 {
		for _, r := range b.old {
			if !yield(r) {
				return nil
			}
		}
		return nil
	}
	if len(b.Raw) < headerSize {
		return corrupt(b.BaseOffset, "it has no records part")
	}
	body, err := decompress(b.Raw[headerSize:], b.Codec())
	if err != nil {
		return &CorruptError{BaseOffset: b.BaseOffset, Reason: "decompressing " + b.Codec().String(), Err: err}
	}
	in := reader{b: body}
	last := int32(-1)
	n := int32(0)
	for ; n < b.Count && len(in.b) > 0; n++ {
		r, delta, err := b.record(&in)
		if err != nil {
			return err
		}
		if delta <= last || delta > b.LastOffsetDelta {
			return corrupt(b.BaseOffset, "record %d has offset delta %d after %d, of %d", n, delta, last, b.LastOffsetDelta)
		}
		last = delta
		if !yield(r) {
			return nil
		}
	}
	if len(in.b) > 0 {
		return corrupt(b.BaseOffset, "%d bytes behind its %d records", len(in.b), n)
	}
	return nil
}

// record reads one v2 record (DefaultRecord).
func (b Batch) record(in *reader) (Record, int32, error) {
	size := in.varint()
	body := reader{b: in.take(size)}
	if in.err != nil {
		return Record{}, 0, &CorruptError{BaseOffset: b.BaseOffset, Reason: "reading the length of a record", Err: in.err}
	}
	body.take(1) // attributes, unused
	stamp := body.varint()
	delta := body.varint()
	r := Record{Timestamp: b.FirstTimestamp + stamp, Key: body.bytes(), Value: body.bytes()}
	r.Headers = body.headers()
	switch {
	case body.err != nil:
		return Record{}, 0, &CorruptError{BaseOffset: b.BaseOffset, Reason: "reading a record", Err: body.err}
	case len(body.b) > 0:
		return Record{}, 0, corrupt(b.BaseOffset, "a record is %d bytes shorter than its length", len(body.b))
	case delta < 0 || delta > math.MaxInt32:
		return Record{}, 0, corrupt(b.BaseOffset, "impossible offset delta %d", delta)
	}
	if b.AppendTime() {
		r.Timestamp = b.MaxTimestamp
	}
	r.Offset = b.BaseOffset + delta
	return r, int32(delta), nil
}

// Control record types (ControlRecordType).
const (
	controlAbort  = 0
	controlCommit = 1
)

// Marker reports what a transaction marker says. ok is false for batches that
// are none: data, and control records of other types. Like Kafka's consumer
// (CompletedFetch) it looks at the first record of a control batch only.
func (b Batch) Marker() (commit, ok bool) {
	if !b.Control() {
		return false, false
	}
	_ = b.each(func(r Record) bool {
		commit, ok = marker(r.Key)
		return false
	})
	return commit, ok
}

// marker reads the key of a control record: version and type, each int16.
func marker(key []byte) (commit, ok bool) {
	if len(key) < 4 {
		return false, false
	}
	switch binary.BigEndian.Uint16(key[2:]) {
	case controlCommit:
		return true, true
	case controlAbort:
		return false, true
	default:
		return false, false
	}
}

var (
	errShort  = errors.New("it ends too early")
	errVarint = errors.New("a number is longer than 64 bits")
	errLength = errors.New("a length is impossible")
)

// reader takes values from the front of b. After the first error it returns
// zero values.
type reader struct {
	b   []byte
	err error
}

func (r *reader) varint() int64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Varint(r.b)
	switch {
	case n == 0:
		r.err = errShort
		return 0
	case n < 0:
		r.err = errVarint
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) take(n int64) []byte {
	switch {
	case r.err != nil:
		return nil
	case n < 0:
		r.err = errLength
		return nil
	case n > int64(len(r.b)):
		r.err = errShort
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

// bytes takes a length and as many bytes; a length of -1 is null.
func (r *reader) bytes() []byte {
	n := r.varint()
	if n == -1 {
		return nil
	}
	return r.take(n)
}

func (r *reader) headers() []RecordHeader {
	n := r.varint()
	switch {
	case r.err != nil || n == 0:
		return nil
	case n < 0 || n > MaxHeaders || n > int64(len(r.b)):
		r.err = errLength
		return nil
	}
	out := make([]RecordHeader, 0, n)
	for range n {
		key := r.take(r.varint())
		out = append(out, RecordHeader{Key: string(key), Value: r.bytes()})
		if r.err != nil {
			return nil
		}
	}
	return out
}
