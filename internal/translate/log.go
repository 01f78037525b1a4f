package translate

import (
	"context"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

// Log is what translate reads: a cluster, and later an archive. It does not
// know which it has. Implementations are safe for concurrent use.
type Log interface {
	// Bounds reads start, end and last stable offset of each partition.
	Bounds(ctx context.Context, ps []topic.Partition) (map[topic.Partition]topic.Bounds, error)
	// Fetch answers every ask, in their order; an error of one partition is in
	// its chunk.
	Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error)
	// Since finds per partition the first record with a timestamp at or above
	// the one given, in milliseconds.
	Since(ctx context.Context, times map[topic.Partition]int64) (map[topic.Partition]topic.Stamp, error)
}

// Epochs is an ability of logs that know leader epochs (KIP-320): a position
// above the end of its own epoch was cut away by an unclean election.
type Epochs interface {
	EpochEnd(ctx context.Context, asks []topic.EpochAsk) (map[topic.Partition]topic.EpochEnd, error)
}

// Transactions is an ability of logs that can name open transactions
// (DescribeProducers, KIP-664, brokers from 2.8 on). known is false where the
// brokers cannot tell.
type Transactions interface {
	OpenTransactions(ctx context.Context, ps []topic.Partition) (open map[topic.Partition]topic.Producers, known bool, err error)
}
