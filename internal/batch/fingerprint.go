package batch

import (
	"crypto/sha256"
	"encoding/binary"
)

// Fingerprint identifies the content of a record: SHA-256 over key, value and
// headers, cut to 16 bytes. Every part has its length before it, null differs
// from empty, and the order of headers counts. Headers whose name skip reports
// (nil: none) are left out, as a mover adds some of its own. The timestamp is
// not part of it: a LogAppendTime target changes it.
func Fingerprint(key, value []byte, headers []RecordHeader, skip func(name string) bool) [16]byte {
	buf := make([]byte, 0, 64+len(key)+len(value))
	buf = appendPart(buf, key)
	buf = appendPart(buf, value)
	for _, h := range headers {
		if skip != nil && skip(h.Key) {
			continue
		}
		buf = binary.AppendUvarint(buf, uint64(len(h.Key)))
		buf = append(buf, h.Key...)
		buf = appendPart(buf, h.Value)
	}
	sum := sha256.Sum256(buf)
	return [16]byte(sum[:16])
}

// appendPart writes 0 for null, else the length plus one and the bytes.
func appendPart(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(b))+1)
	return append(dst, b...)
}
