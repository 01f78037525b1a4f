package plan

import (
	"context"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Reader reads groups with their states and positions; a group that does not
// exist is answered as Absent.
type Reader interface {
	Read(ctx context.Context, names []string) (map[string]group.Reading, error)
}

// Lister lists all groups that can be seen.
type Lister interface {
	List(ctx context.Context) ([]group.Group, group.Completeness, error)
}

// Committer writes groups. Only Apply and Rollback call it.
type Committer interface {
	// Commit sends one OffsetCommit; errors per partition are in the map.
	Commit(ctx context.Context, group string, ps []position.Position) (map[topic.Partition]error, error)
	DeleteOffsets(ctx context.Context, group string, ps []topic.Partition) (map[topic.Partition]error, error)
	DeleteGroup(ctx context.Context, group string) error
}

// Limiter is the optional ability of a Committer to say how long one of its
// requests may be on its way: after that time a request of a dead process
// cannot land any more.
type Limiter interface {
	RequestTimeout() time.Duration
}

// Catalogue knows topics.
type Catalogue interface {
	// Topics reads the named topics, all when none is named.
	Topics(ctx context.Context, names ...string) (map[string]topic.Topic, error)
}

// Side is one cluster with what this package needs of it. Everything in it
// must be safe for concurrent use.
type Side struct {
	ID, Name  string
	Bootstrap []string

	Topics Catalogue
	Log    translate.Log
	// Read is needed unless the positions are given and only translated; List
	// only for Build, to choose groups; Write only on the target of Apply and
	// Rollback.
	Read  Reader
	List  Lister
	Write Committer
}

func (s *Side) cluster() Cluster {
	return Cluster{ID: s.ID, Name: s.Name, Bootstrap: append([]string{}, s.Bootstrap...)}
}

// requestTimeout is how long a commit can be on its way.
func (s *Side) requestTimeout() time.Duration {
	if l, ok := s.Write.(Limiter); ok && l.RequestTimeout() > 0 {
		return l.RequestTimeout()
	}
	return defaultRequestTimeout
}

const defaultRequestTimeout = 30 * time.Second

// Event is progress, for people.
type Event struct {
	// Stage is a gerund: "reading groups", "translating", "settling",
	// "waiting for late commits", "committing", "checking".
	Stage string
	// Group that it is about, when it is about one.
	Group string
	// Done of Total steps of the stage; Total 0 when not known.
	Done, Total int
	// Wait is the time that a waiting stage will take.
	Wait time.Duration
}
