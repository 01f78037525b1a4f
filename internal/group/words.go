package group

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/topic"
)

// Protocol types of classic groups: what Java's consumers and Connect's
// workers join with.
const (
	consumerProtocol = "consumer"
	shareProtocol    = "share"
)

// kindOf reads the type that ListGroups 5 tells (KIP-848).
func kindOf(groupType string) Kind {
	switch k := Kind(strings.ToLower(groupType)); k {
	case Classic, Consumer, Share, Streams:
		return k
	default:
		return Unknown
	}
}

// operations names the rights of a bit field (KIP-430): bit n stands for
// AclOperation n. Nil when the broker did not say, empty when there are none.
func operations(bits int32) []string {
	if bits == math.MinInt32 {
		return nil
	}
	ops := []string{}
	for i := range 31 {
		if bits&(1<<i) == 0 {
			continue
		}
		ops = append(ops, kmsg.ACLOperation(i).String())
	}
	slices.Sort(ops)
	return ops
}

// decodeAssignment reads the consumer protocol's assignment of a classic
// member (ConsumerProtocolAssignment). What cannot be read is nobody's
// business but the consumers' own, and comes back as nothing.
func decodeAssignment(raw []byte) []topic.Partition {
	if len(raw) == 0 {
		return nil
	}
	var a kmsg.ConsumerMemberAssignment
	if err := a.ReadFrom(raw); err != nil {
		return nil
	}
	var ps []topic.Partition
	for _, t := range a.Topics {
		for _, p := range t.Partitions {
			ps = append(ps, topic.Partition{Topic: t.Topic, Partition: p})
		}
	}
	slices.SortFunc(ps, topic.Compare)
	return ps
}

func compareMembers(a, b Member) int {
	return cmp.Or(cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.ID, b.ID))
}

// text is a nullable string of the protocol.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
