package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/topic"
)

// FillSnapshot puts groups that were read into the form in which they are
// kept, sorted by name, and says in it what could not be seen: the snapshot is
// complete only when nothing was missing. Topics give the IDs, bounds the log
// ends; what they lack is left out.
func FillSnapshot(s *snapshot.Snapshot, readings map[string]group.Reading, topics map[string]topic.Topic, bounds map[topic.Partition]topic.Bounds) {
	for _, name := range sortedKeys(readings) {
		r := readings[name]
		g := snapshot.Group{
			Name: name, Kind: string(r.Group.Kind), State: string(r.Group.State), Protocol: r.Group.Protocol,
			Exists: exists(r.Group) || len(r.Positions) > 0, Members: len(r.Group.Members),
		}
		lacks := func(what string) { s.Incomplete = append(s.Incomplete, fmt.Sprintf("group %q: %s", name, what)) }
		for _, m := range r.Complete.Missing {
			lacks(m)
		}
		for _, p := range r.Unstable {
			lacks(p.String() + " has transactional commits that are not decided")
		}
		if err := errors.Join(r.Err, r.Group.Err); err != nil {
			g.Error = strings.ReplaceAll(err.Error(), "\n", "; ")
			lacks(g.Error)
		} else {
			g.Positions = saved(r, topics, bounds)
		}
		s.Groups = append(s.Groups, g)
	}
	s.Complete = len(s.Incomplete) == 0
}

func saved(r group.Reading, topics map[string]topic.Topic, bounds map[topic.Partition]topic.Bounds) []snapshot.Position {
	var out []snapshot.Position
	for _, p := range sortedPartitions(r.Positions) {
		have := r.Positions[p]
		q := snapshot.Position{
			Topic: p.Topic, Partition: p.Partition, Offset: have.Offset, LeaderEpoch: have.LeaderEpoch,
			Metadata: have.Metadata, TopicID: topics[p.Topic].ID,
		}
		if b, ok := bounds[p]; ok && b.Err == nil {
			lag := max(0, b.End-have.Offset)
			q.LogStart, q.LogEnd, q.Lag = &b.Start, &b.End, &lag
		}
		out = append(out, q)
	}
	return out
}
