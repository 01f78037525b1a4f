package plan

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"

	"github.com/klauspost/compress/zstd"
)

// doneAhead reads metadata that Confluent's Parallel Consumer left with a
// position: which of the records from the position on are done. span is the
// number of offsets it speaks of, done how many of them are done. ok is false
// for anything else.
//
// The form (OffsetEncoding, OffsetBitSet and OffsetRunLength of that project):
// base64 of one letter and a payload. l, o: the number of bits, as 16 or 32
// bits big-endian, and the bits, lowest first, set where done. n, e: runs of
// 16 or 32 bits, in turn not done and done. L: a byte 0 or 1 for each. a, s, J,
// p and 0xee: the same five, compressed with zstd.
func doneAhead(metadata string) (span, done int64, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(metadata)
	if err != nil || len(raw) < 2 {
		return 0, 0, false
	}
	letter, payload := raw[0], raw[1:]
	if plain, packed := map[byte]byte{'a': 'l', 's': 'o', 'J': 'n', 'p': 'e', 0xee: 'L'}[letter]; packed {
		if payload, ok = unpack(payload); !ok {
			return 0, 0, false
		}
		letter = plain
	}
	switch letter {
	case 'l':
		return doneBits(payload, 2)
	case 'o':
		return doneBits(payload, 4)
	case 'n':
		return doneRuns(payload, 2)
	case 'e':
		return doneRuns(payload, 4)
	case 'L':
		return doneBytes(payload)
	default:
		return 0, 0, false
	}
}

// maxDone bounds what compressed metadata may unfold to.
const maxDone = 4 << 20

func unpack(b []byte) ([]byte, bool) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxDone), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, false
	}
	defer dec.Close()
	out, err := dec.DecodeAll(b, nil)
	return out, err == nil
}

// number reads a big-endian integer that is signed in Java and never negative
// here.
func number(b []byte, size int) (int64, bool) {
	if len(b) < size {
		return 0, false
	}
	if size == 2 {
		n := int16(binary.BigEndian.Uint16(b)) //nolint:gosec // the sign is what is asked for
		return int64(n), n >= 0
	}
	n := int32(binary.BigEndian.Uint32(b)) //nolint:gosec // the sign is what is asked for
	return int64(n), n >= 0
}

// doneBits counts set bits; none may be set beyond the stated number, and the
// first, which is that of the position itself, is never done.
func doneBits(b []byte, size int) (span, done int64, ok bool) {
	span, ok = number(b, size)
	if !ok || span == 0 {
		return 0, 0, false
	}
	set := b[size:]
	if len(set) == 0 || int64(len(set)) > span/8+1 || set[0]&1 != 0 {
		return 0, 0, false
	}
	for i, x := range set {
		for x != 0 {
			if int64(i)*8+int64(bits.TrailingZeros8(x)) >= span {
				return 0, 0, false
			}
			x &= x - 1
			done++
		}
	}
	return span, done, true
}

// doneRuns adds up the runs; the first is that of the position, which is not
// done, and the last is done, because only what lies below a done record is
// noted.
func doneRuns(b []byte, size int) (span, done int64, ok bool) {
	if len(b) == 0 || len(b)%(2*size) != 0 {
		return 0, 0, false
	}
	for i := 0; i*size < len(b); i++ {
		n, ok := number(b[i*size:], size)
		if !ok || n == 0 {
			return 0, 0, false
		}
		span += n
		if i%2 == 1 {
			done += n
		}
	}
	return span, done, true
}

// doneBytes counts ones; the first is never done and the last always.
func doneBytes(b []byte) (span, done int64, ok bool) {
	if len(b) < 2 || b[0] != 0 || b[len(b)-1] != 1 {
		return 0, 0, false
	}
	for _, x := range b {
		if x > 1 {
			return 0, 0, false
		}
		done += int64(x)
	}
	return int64(len(b)), done, true
}
