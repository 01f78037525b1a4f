package cluster

import (
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Stats counts what went over the wire since Open.
type Stats struct {
	Requests      int64 // all of them
	FetchRequests int64
	// FetchBytes are the bytes of all fetch answers, protocol included.
	FetchBytes          int64
	ListOffsetsRequests int64
	MetadataRequests    int64
}

// Stats returns the counts so far.
func (c *Cluster) Stats() Stats {
	return Stats{
		Requests:            c.stats.requests.Load(),
		FetchRequests:       c.stats.fetches.Load(),
		FetchBytes:          c.stats.fetchBytes.Load(),
		ListOffsetsRequests: c.stats.listOffsets.Load(),
		MetadataRequests:    c.stats.metadata.Load(),
	}
}

// counters hooks into the Kafka client, so that its own requests and retries
// are counted too.
type counters struct {
	requests, fetches, fetchBytes, listOffsets, metadata atomic.Int64
}

var (
	_ kgo.HookBrokerWrite = (*counters)(nil)
	_ kgo.HookBrokerRead  = (*counters)(nil)
)

// OnBrokerWrite counts a request.
func (c *counters) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err != nil {
		return
	}
	c.requests.Add(1)
	switch kmsg.Key(key) { //nolint:exhaustive // most requests are only in the total
	case kmsg.Fetch:
		c.fetches.Add(1)
	case kmsg.ListOffsets:
		c.listOffsets.Add(1)
	case kmsg.Metadata:
		c.metadata.Add(1)
	}
}

// OnBrokerRead counts the bytes of an answer.
func (c *counters) OnBrokerRead(_ kgo.BrokerMetadata, key int16, bytes int, _, _ time.Duration, _ error) {
	if kmsg.Key(key) == kmsg.Fetch {
		c.fetchBytes.Add(int64(bytes))
	}
}
