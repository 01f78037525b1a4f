package batch

import (
	"testing"
)

// FuzzWalk feeds bytes, sealed with a right checksum so that the parsers
// behind it are reached, to everything that reads: nothing may panic or loop,
// offsets must rise, and Next must agree with the walk.
func FuzzWalk(f *testing.F) {
	f.Add(logOf(f), int64(3))
	for _, codec := range codecs {
		f.Add(mustEncode(f, []Record{{Key: []byte("k"), Headers: []RecordHeader{{Key: "h"}}}, {}}, EncodeOptions{Codec: codec}), int64(0))
	}
	f.Add(message(0, 7, 0, 0, []byte("a"), nil), int64(7))
	f.Add(message(1, 7, int8(Gzip), 0, nil, []byte("a")), int64(0))
	f.Fuzz(func(t *testing.T, raw []byte, offset int64) {
		if len(raw) >= headerSize && raw[16] == 2 {
			if b, size := sealable(raw); size > 0 {
				seal(b)
			}
		}
		last := int64(-1)
		for b, err := range Walk(raw) {
			if err != nil {
				break
			}
			records, err := b.Records(nil)
			if err != nil {
				continue
			}
			b.Marker()
			for _, r := range records {
				if r.Offset <= last || r.Offset > b.LastOffset() {
					t.Fatalf("offset %d after %d in a batch up to %d", r.Offset, last, b.LastOffset())
				}
				last = r.Offset
			}
		}
		c := &Chunk{Offset: offset, Raw: raw, Aborted: []Aborted{{ProducerID: 1, First: 2}}}
		next, nextErr := c.Next()
		for e, err := range Visible(c) {
			if err != nil {
				break
			}
			if nextErr == nil && (e.Offset < offset || e.Offset >= next) {
				t.Fatalf("offset %d outside of %d to %d", e.Offset, offset, next)
			}
		}
		if next < offset {
			t.Fatalf("next %d is below %d", next, offset)
		}
	})
}

// sealable returns the first batch of raw when its length is possible.
func sealable(raw []byte) ([]byte, int) {
	size := int(int32(uint32(raw[8])<<24|uint32(raw[9])<<16|uint32(raw[10])<<8|uint32(raw[11]))) + frameSize
	if size < headerSize || size > len(raw) {
		return nil, 0
	}
	return raw[:size], size
}
