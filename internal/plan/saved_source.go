package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/topic"
)

// SavedIn names the snapshot that a plan gives back.
type SavedIn struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
}

// savedGroups reads the groups of a snapshot as a cluster reads its own: they
// have stopped where the snapshot found them. It is a Reader and a Lister.
type savedGroups struct {
	snapshot  *snapshot.Snapshot
	groups    map[string]*snapshot.Group
	positions map[string]map[topic.Partition]snapshot.Position
}

func newSaved(s *snapshot.Snapshot) *savedGroups {
	out := &savedGroups{snapshot: s, groups: map[string]*snapshot.Group{}, positions: map[string]map[topic.Partition]snapshot.Position{}}
	for i := range s.Groups {
		g := &s.Groups[i]
		out.groups[g.Name], out.positions[g.Name] = g, map[topic.Partition]snapshot.Position{}
		for _, p := range g.Positions {
			out.positions[g.Name][topic.Partition{Topic: p.Topic, Partition: p.Partition}] = p
		}
	}
	return out
}

func (s *savedGroups) ref() *SavedIn {
	return &SavedIn{ID: s.snapshot.ID, Created: s.snapshot.Created}
}

// chosen are the groups of the snapshot that are selected, and those that are
// selected by name.
func (s *savedGroups) chosen(sel *position.Selection) []string {
	names := map[string]bool{}
	for name := range s.groups {
		if sel.Group(name) {
			names[name] = true
		}
	}
	for _, name := range sel.LiteralGroups() {
		if sel.Group(name) {
			names[name] = true
		}
	}
	return sortedKeys(names)
}

// lacks says what of a group could not be seen when the snapshot was taken.
func (s *savedGroups) lacks(name string) (out []string) {
	for _, why := range s.snapshot.Incomplete {
		if rest, ok := strings.CutPrefix(why, fmt.Sprintf("group %q: ", name)); ok {
			out = append(out, rest)
		}
	}
	return out
}

// List lists the groups that existed.
func (s *savedGroups) List(context.Context) ([]group.Group, group.Completeness, error) {
	var out []group.Group
	for _, name := range sortedKeys(s.groups) {
		if g := s.groups[name]; g.Exists {
			out = append(out, s.group(g))
		}
	}
	return out, group.Completeness{Known: true}, nil
}

// group is a saved group as one that has stopped.
func (s *savedGroups) group(g *snapshot.Group) group.Group {
	return group.Group{Name: g.Name, Kind: group.Kind(g.Kind), State: group.Empty, Protocol: g.Protocol, Coordinator: -1}
}

// errNotSaved: a snapshot does not know all of a group.
var errNotSaved = errors.New("the snapshot does not have all of the group")

// Read reads saved groups.
func (s *savedGroups) Read(_ context.Context, names []string) (map[string]group.Reading, error) {
	out := map[string]group.Reading{}
	for _, name := range names {
		g := s.groups[name]
		if g == nil || !g.Exists && g.Error == "" {
			r := absent(name)
			r.At, r.Complete.Known = s.snapshot.Created, true
			out[name] = r
			continue
		}
		r := group.Reading{Group: s.group(g), Positions: map[topic.Partition]position.Position{}, At: s.snapshot.Created, Complete: group.Completeness{Known: true}}
		if lacks := s.lacks(name); g.Error != "" || len(lacks) > 0 {
			r.Err = fmt.Errorf("%w: %s", errNotSaved, orElse(g.Error, strings.Join(lacks, "; ")))
		}
		for p, saved := range s.positions[name] {
			r.Positions[p] = position.Position{Group: name, Partition: p, Offset: saved.Offset, LeaderEpoch: saved.LeaderEpoch, Metadata: saved.Metadata}
		}
		out[name] = r
	}
	return out, nil
}

// otherLife says that a saved position is of another life of its topic.
func (b *builder) otherLife(it *item) *obstacle {
	if b.in.saved == nil || it.extra || it.have == nil {
		return nil
	}
	was, now := b.in.saved.positions[it.from][it.source].TopicID, b.sourceTopics[it.source.Topic].ID
	switch {
	case was.IsZero() && !now.IsZero():
		b.noteTopic(Finding{
			Severity: Note, Reason: ReasonIncarnationKnown, Topic: it.source.Topic,
			Detail: "the snapshot has no ID of the topic: whether it was deleted and created again since is not known",
		})
	case !was.IsZero() && !now.IsZero() && was != now:
		return &obstacle{ReasonIncarnationKnown, fmt.Sprintf("topic %s of %s was deleted and created again since the snapshot: its ID was %s and is %s", it.source.Topic, b.in.From.label(), was, now), ""}
	}
	return nil
}

// BuildRestoreElsewhere plans to give groups on another cluster what a snapshot
// has, translated: Build with the snapshot in place of the groups of in.From,
// whose topics and records are the evidence. in.From must be the cluster of the
// snapshot; ErrForeign when it is not.
func BuildRestoreElsewhere(ctx context.Context, s *snapshot.Snapshot, in Input) (*Plan, error) {
	if s == nil || in.From == nil {
		return nil, &Error{Op: "planning", Object: "to restore", Err: fmt.Errorf("%w: the source or the snapshot is missing", ErrInput)}
	}
	if !SnapshotOf(s, in.From) {
		return nil, &Error{
			Op: "planning", Object: "to restore snapshot " + s.ID,
			Err:  fmt.Errorf("%w: it is of cluster %q (%s), and %s is cluster %q", ErrForeign, s.ClusterID, s.ClusterName, in.From.label(), in.From.ID),
			Hint: "name the cluster of the snapshot with --from",
		}
	}
	in.saved = newSaved(s)
	from := *in.From
	from.Read, from.List = in.saved, in.saved
	in.From = &from
	return Build(ctx, in)
}

// savedSource puts the snapshot of a plan in place of the groups of its source,
// as they were when the plan was made.
func (in *ApplyInput) savedSource(ctx context.Context, p *Plan) error {
	if p.Snapshot == nil || p.Source == nil || in.From == nil || in.Bucket == nil {
		return nil
	}
	s, err := snapshot.Load(ctx, in.Bucket, p.Snapshot.ID)
	if err != nil {
		return &Error{
			Op: "applying plan", Object: p.Digest, Err: fmt.Errorf("reading what it restores: %w", err),
			Hint: "the snapshot is in the state that the plan was made with: name it with --state",
		}
	}
	from := *in.From
	from.Read = newSaved(s)
	in.From = &from
	return nil
}
