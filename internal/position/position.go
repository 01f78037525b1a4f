package position

import "github.com/kferry/kferry/internal/topic"

// Position is one committed offset of one group on one topic partition. The
// offset is that of the next record to read.
type Position struct {
	Group     string
	Partition topic.Partition
	// Offset is the committed offset; never negative in a Position that exists.
	Offset int64
	// LeaderEpoch is the epoch that was committed with the offset, -1 if none.
	LeaderEpoch int32
	// Metadata is the string that the committer left with the offset.
	Metadata string
}
