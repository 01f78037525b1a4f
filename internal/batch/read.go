package batch

import "github.com/kferry/kferry/internal/topic"

// Ask is one read of one partition: the batches from the one that contains
// Offset on.
type Ask struct {
	Partition topic.Partition
	Offset    int64
	// MaxBytes bounds the answer; at least one whole batch is returned all the
	// same. 0 means the reader's default.
	MaxBytes int32
	// Committed asks as a read_committed consumer does: nothing at or above
	// the last stable offset, and the aborted transactions of the stretch.
	Committed bool
	// Wait lets the answer take a moment: asked alone and with a waiting time,
	// as tiered storage may need: before 3.8.0 its answer can be empty over data.
	Wait bool
}

// Chunk is the answer to one Ask, as the broker gave it.
type Chunk struct {
	Partition topic.Partition
	Offset    int64 // as asked
	// Raw holds whole record batches in order; the last one may be cut and is
	// then to be ignored. The first may begin below Offset.
	Raw []byte
	// HighWatermark, Stable and Start are the partition's bounds in this very
	// answer; -1 where the protocol version did not carry one.
	HighWatermark int64
	Stable        int64
	Start         int64
	// Aborted are the aborted transactions that overlap the stretch; only for
	// a Committed ask.
	Aborted []Aborted
	Err     error
}

// Aborted is one aborted transaction: all transactional batches of the
// producer from First to its abort marker.
type Aborted struct {
	ProducerID int64
	First      int64
}
