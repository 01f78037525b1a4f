package batch

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// mendLZ4 gives an LZ4 frame of magic 0 the header checksum that the format
// asks for: Kafka's clients before message format 0.10 computed it over the
// frame's magic number too, and readers of magic 0 have to accept that
// (KAFKA-3160). Anything that is no such frame is returned as it is.
func mendLZ4(frame []byte) []byte {
	const head = 4 + 2 // magic number, flags, block descriptor
	if len(frame) < head+1 || binary.LittleEndian.Uint32(frame) != 0x184d2204 {
		return frame
	}
	end := head
	if frame[4]&0x08 != 0 { // content size
		end += 8
	}
	if frame[4]&0x01 != 0 { // dictionary ID
		end += 4
	}
	if len(frame) <= end {
		return frame
	}
	right := byte(xxh32(frame[4:end]) >> 8)
	if frame[end] == right || frame[end] != byte(xxh32(frame[:end])>>8) {
		return frame
	}
	mended := slices.Clone(frame)
	mended[end] = right
	return mended
}

// xxh32 is the 32-bit xxHash of b with seed 0, which LZ4 frames use.
func xxh32(b []byte) uint32 {
	const p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	h := uint32(p5)
	n := uint32(len(b))
	if len(b) >= 16 {
		one := uint32(p1)
		v := [4]uint32{one + p2, p2, 0, -one}
		for ; len(b) >= 16; b = b[16:] {
			for i := range v {
				v[i] = bits.RotateLeft32(v[i]+binary.LittleEndian.Uint32(b[4*i:])*p2, 13) * p1
			}
		}
		h = bits.RotateLeft32(v[0], 1) + bits.RotateLeft32(v[1], 7) + bits.RotateLeft32(v[2], 12) + bits.RotateLeft32(v[3], 18)
	}
	h += n
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*p3, 17) * p4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*p5, 11) * p1
	}
	h ^= h >> 15
	h *= p2
	h ^= h >> 13
	h *= p3
	return h ^ h>>16
}
