package group

import (
	"time"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// Kind tells the protocols of groups apart, which decide what a commit meets.
type Kind string

// The kinds of group.
const (
	Classic  Kind = "classic"
	Consumer Kind = "consumer" // KIP-848
	Share    Kind = "share"    // KIP-932
	Streams  Kind = "streams"  // KIP-1071
	Unknown  Kind = "unknown"
)

// State is a group's state in Kafka's own words ("Empty", "Stable", "Dead",
// "PreparingRebalance", "Assigning", …). Absent groups are "Absent".
type State string

// The states that kferry acts on.
const (
	Empty  State = "Empty"
	Dead   State = "Dead"
	Stable State = "Stable"
	Absent State = "Absent"
)

// Group is one consumer group as its coordinator describes it.
type Group struct {
	Name        string
	Kind        Kind
	State       State
	Protocol    string // assignor or protocol type detail
	Coordinator int32  // broker id, -1 unknown
	Members     []Member
	// Operations are the operations that we are authorized for, in Kafka's
	// words ("READ", "DELETE", "DESCRIBE"); nil when the broker does not say.
	Operations []string
	// Internal are the changelog and repartition topics that the topology of a
	// Streams group (KIP-1071) names, sorted; nil for all others.
	Internal []string
	Err      error
}

// Stopped reports whether nobody is a member: the group is Empty, Dead or
// Absent. Consumers that only assign partitions are invisible to it.
func (g Group) Stopped() bool {
	return g.Err == nil && len(g.Members) == 0 && (g.State == Empty || g.State == Dead || g.State == Absent)
}

// Member is one member of a group.
type Member struct {
	ID         string
	InstanceID string // static membership, "" if none
	ClientID   string
	Host       string
	Assigned   []topic.Partition
}

// Completeness says whether a listing can be trusted to have everything: a
// missing right makes rows vanish without an error.
type Completeness struct {
	// Known is false when the broker gives no way to tell.
	Known bool
	// Missing names what is or may be hidden, and the right that would show it.
	Missing []string
}

// Reading is one group with its committed positions; those of a share group are
// its start offsets.
type Reading struct {
	Group     Group
	Positions map[topic.Partition]position.Position
	// Unstable are partitions with pending transactional commits
	// (UNSTABLE_OFFSET_COMMIT): they have no final position yet.
	Unstable []topic.Partition
	// Open is, for share groups, how many records at and above a start offset
	// are not done, as the broker counts them; a partition of which it does not
	// tell (before 4.2) is left out. Nil for groups of other kinds.
	Open     map[topic.Partition]int64
	Complete Completeness
	At       time.Time
	Err      error
}
