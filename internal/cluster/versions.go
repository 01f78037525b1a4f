package cluster

import "github.com/twmb/franz-go/pkg/kmsg"

// Versions is what all brokers of a cluster speak: the lowest over them, as a
// cluster in the middle of an upgrade is as old as its oldest broker.
type Versions struct {
	// HasTopicIDs: metadata carries topic IDs (KIP-516, 2.8).
	HasTopicIDs bool
	// HasDescribeProducers: KIP-664, 2.8.
	HasDescribeProducers bool
	// HasOffsetDelete: KIP-496, 2.4.
	HasOffsetDelete bool
	// HasRequireStable: OffsetFetch can wait out pending transactional commits
	// (KIP-447, 2.5).
	HasRequireStable bool
	// HasOffsetFetchGroups: OffsetFetch takes many groups (KIP-709, 3.0).
	HasOffsetFetchGroups bool
	// HasConsumerGroupDescribe: KIP-848 groups can be described.
	HasConsumerGroupDescribe bool
	// HasShareGroupOffsets: the offsets of share groups can be described
	// (KIP-932).
	HasShareGroupOffsets bool

	highest map[int16]int16
}

// Highest returns the highest version of a request that all brokers take, and
// -1 when one of them does not know it.
func (v Versions) Highest(key kmsg.Key) int16 {
	if n, ok := v.highest[int16(key)]; ok {
		return n
	}
	return -1
}

func newVersions(all []*kmsg.ApiVersionsResponse) Versions {
	low := map[int16]int16{}
	for i, resp := range all {
		one := make(map[int16]int16, len(resp.ApiKeys))
		for _, k := range resp.ApiKeys {
			if other, ok := low[k.ApiKey]; ok || i == 0 {
				one[k.ApiKey] = k.MaxVersion
				if ok {
					one[k.ApiKey] = min(k.MaxVersion, other)
				}
			}
		}
		low = one
	}
	v := Versions{highest: low}
	v.HasTopicIDs = v.Highest(kmsg.Metadata) >= 10
	v.HasDescribeProducers = v.Highest(kmsg.DescribeProducers) >= 0
	v.HasOffsetDelete = v.Highest(kmsg.OffsetDelete) >= 0
	v.HasRequireStable = v.Highest(kmsg.OffsetFetch) >= 7
	v.HasOffsetFetchGroups = v.Highest(kmsg.OffsetFetch) >= 8
	v.HasConsumerGroupDescribe = v.Highest(kmsg.ConsumerGroupDescribe) >= 0
	v.HasShareGroupOffsets = v.Highest(kmsg.DescribeShareGroupOffsets) >= 0
	return v
}

// Versions tells what all brokers spoke when the cluster was opened.
func (c *Cluster) Versions() Versions { return c.versions }
