package batch

import "testing"

func TestXXH32(t *testing.T) {
	t.Parallel()
	// Known answers of the reference implementation.
	for in, want := range map[string]uint32{
		"": 0x02cc5d05, "a": 0x550d7456, "abc": 0x32d153ff,
		"Nobody inspects the spammish repetition": 0xe2293b2f,
	} {
		if got := xxh32([]byte(in)); got != want {
			t.Errorf("%q: got %#x, want %#x", in, got, want)
		}
	}
}

// TestOldLZ4 reads a magic 0 message as clients before 0.10 compressed it.
func TestOldLZ4(t *testing.T) {
	t.Parallel()
	frame := packed(t, LZ4, message(0, 0, 0, 0, []byte("k"), []byte("v")))
	end := 6
	if frame[4]&0x08 != 0 {
		end += 8
	}
	if frame[end] != byte(xxh32(frame[4:end])>>8) {
		t.Fatalf("the header checksum of a new frame is not where it should be: % x", frame[:16])
	}
	frame[end] = byte(xxh32(frame[:end]) >> 8)
	got := walkAll(t, message(0, 0, int8(LZ4), 0, nil, frame))
	if len(got) != 1 || len(got[0].old) != 1 || string(got[0].old[0].Value) != "v" {
		t.Errorf("got %+v", got)
	}
	frame[end] ^= 0x55
	for _, err := range Walk(message(0, 0, int8(LZ4), 0, nil, frame)) {
		if err == nil {
			t.Error("a frame with a wrong header checksum was read")
		}
	}
}
