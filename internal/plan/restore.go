package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// RestoreInput is what BuildRestore needs.
type RestoreInput struct {
	// Snapshot has what groups are to get back, on the cluster that it is of.
	Snapshot *snapshot.Snapshot
	To       Side
	// Selection chooses among the groups and positions of the snapshot. PartOnly
	// says that it leaves topics or partitions out: then only what is selected
	// is given back, and no group is deleted.
	Selection *position.Selection
	PartOnly  bool
	// Accept: Loss, Rewind and PartialGroup are looked at.
	Accept Accept
	// Tool is name and version of the program, Asked the choices in the user's
	// words.
	Tool  string
	Asked []string
	// Now is the clock; nil is time.Now.
	Now      func() time.Time
	Progress func(Event)
}

// BuildRestore plans to give groups on the cluster of a snapshot exactly what
// the snapshot has: its positions, none that came since, and no group where it
// looked for one and there was none. It writes nothing. Positions of another
// life of their topic, and such as are outside of its log by now, refuse their
// group. ErrForeign when the snapshot is of another cluster.
func BuildRestore(ctx context.Context, in RestoreInput) (*Plan, error) {
	if in.Now == nil {
		in.Now = time.Now
	}
	if in.Snapshot == nil || in.To.Read == nil || in.To.Topics == nil || in.To.Log == nil {
		return nil, &Error{Op: "planning", Object: "to restore", Err: fmt.Errorf("%w: the cluster or the snapshot is missing", ErrInput)}
	}
	if s := in.Snapshot; !SnapshotOf(s, &in.To) {
		return nil, &Error{
			Op: "planning", Object: "to restore snapshot " + s.ID,
			Err:  fmt.Errorf("%w: it is of cluster %q (%s), and %s is cluster %q", ErrForeign, s.ClusterID, s.ClusterName, in.To.label(), in.To.ID),
			Hint: "positions of another cluster have to be translated: name it with --from",
		}
	}
	b := &restorer{saved: newSaved(in.Snapshot), part: in.PartOnly, builder: newHere(Restore, Input{
		To: in.To, Selection: in.Selection, Accept: in.Accept, Tool: in.Tool, Asked: in.Asked, Now: in.Now, Progress: in.Progress,
	})}
	b.plan.Snapshot = b.saved.ref()
	names := b.saved.chosen(in.Selection)
	if len(names) == 0 {
		return nil, &Error{
			Op: "planning", Object: "to restore snapshot " + in.Snapshot.ID, Err: fmt.Errorf("%w: the snapshot has no group that is selected", ErrNothing),
			Hint: "kferry snapshot show " + in.Snapshot.ID + " lists its groups",
		}
	}
	readings, err := b.readNamed(ctx, names)
	if err != nil {
		return nil, err
	}
	topics, ask := map[string]bool{}, map[topic.Partition]bool{}
	for name, r := range readings {
		for _, p := range b.union(name, r) {
			topics[p.Topic], ask[p] = true, true
		}
	}
	if err := b.readHere(ctx, topics, ask); err != nil {
		return nil, err
	}
	return b.oneByOne(ctx, readings, b.restored)
}

// SnapshotOf reports whether a snapshot is of a cluster.
func SnapshotOf(s *snapshot.Snapshot, c *Side) bool {
	return sameCluster(Cluster{ID: s.ClusterID, Bootstrap: s.Bootstrap}, c.cluster())
}

// restorer builds a plan of kind Restore within one cluster.
type restorer struct {
	*builder
	saved *savedGroups
	part  bool
}

// union are the selected partitions on which a group has a position or had one
// in the snapshot.
func (b *restorer) union(name string, r group.Reading) []topic.Partition {
	all := positionsOf(r, b.in.Selection)
	for p := range b.saved.positions[name] {
		if b.in.Selection.Partition(p) && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, topic.Compare)
	return all
}

// restored plans one group.
func (b *restorer) restored(name string, r group.Reading) Group {
	g := Group{Name: name, Sources: []SourceGroup{}, Positions: []Position{}, Target: targetGroup(r), Scope: ScopeGroup}
	if b.part {
		g.Scope = ScopeTopics
	}
	label, want := b.in.To.label(), b.saved.groups[name]
	if ob := notCommittable(r, label, label); ob != nil {
		g.refuseGroup(ob.reason, ob.detail, ob.hint)
	}
	b.unseen(&g, r)
	b.whatIsSaved(&g, r, want)
	if want == nil {
		g.judge(b.in.Accept)
		return g
	}
	g.Delete = !want.Exists && want.Error == "" && !b.part && exists(r.Group)
	for _, p := range b.union(name, r) {
		q := b.here(r, p)
		saved, had := b.saved.positions[name][p]
		switch {
		case had:
			b.giveBack(&q, saved, g.share())
		default:
			b.removed(&q, &g)
		}
		g.Positions = append(g.Positions, q)
	}
	g.judge(b.in.Accept)
	b.noteShare(&g)
	return g
}

// whatIsSaved refuses a group of which the snapshot does not know everything,
// or which is of another kind by now.
func (b *restorer) whatIsSaved(g *Group, r group.Reading, want *snapshot.Group) {
	id := b.plan.Snapshot.ID
	if want == nil {
		g.refuseGroup(ReasonGroupMissing, fmt.Sprintf("snapshot %s has no group %q", id, g.Name), orElse(didYouMean(position.Near(g.Name, sortedKeys(b.saved.groups), 3)), "kferry snapshot show "+id+" lists its groups"))
		return
	}
	if want.Error != "" {
		g.refuseGroup(ReasonGroupUnreadable, fmt.Sprintf("group %q could not be read when snapshot %s was taken: %s", g.Name, id, want.Error), "choose another snapshot")
	}
	if lacks := b.saved.lacks(g.Name); len(lacks) > 0 {
		g.refuseGroup(ReasonIncomplete, fmt.Sprintf("snapshot %s does not have all of group %q: %s", id, g.Name, strings.Join(lacks, "; ")), "choose a snapshot that is complete")
	}
	is, was := r.Group.Kind == group.Share, group.Kind(want.Kind) == group.Share
	switch {
	case !exists(r.Group) && was:
		g.Target.Kind = group.Share // what it will be
	case exists(r.Group) && want.Exists && is != was:
		g.refuseGroup(ReasonGroupKind, fmt.Sprintf("%q was a group of kind %s and is one of kind %s", g.Name, want.Kind, r.Group.Kind), "delete the group first")
	}
	if want.Members > 0 {
		b.find(Finding{Severity: Note, Reason: ReasonSaved, Group: g.Name, Detail: fmt.Sprintf("the group was in use when the snapshot was taken (%s): what it had read by then and not committed is read again", want.State)})
	}
}

// giveBack plans a position that the snapshot has.
func (b *restorer) giveBack(q *Position, p snapshot.Position, share bool) {
	q.Outcome, q.Reason = translate.Exact, ReasonSaved
	if b.bad(q) {
		return
	}
	bounds, now := b.bounds[q.Target()], b.targetTopics[q.Topic].ID
	to := &Offset{Offset: p.Offset, LeaderEpoch: -1, Metadata: p.Metadata}
	switch {
	case p.TopicID.IsZero() || now.IsZero():
		q.Outcome = translate.ExactUnproven
		q.Unproven = []string{"that the topic is the one that the snapshot was taken of is not known: it has no ID"}
	case p.TopicID != now:
		q.refuse(ReasonIncarnationKnown, fmt.Sprintf("topic %s was deleted and created again since: its ID was %s and is %s, and offset %d means another record there", q.Topic, p.TopicID, now, p.Offset), "")
		return
	default:
		to.LeaderEpoch = p.LeaderEpoch // of the same log
	}
	switch {
	case p.Offset > bounds.End:
		q.refuse(ReasonOutOfRange, fmt.Sprintf("offset %d of the snapshot is outside the log of %s, which has %d to %d: it was cut", p.Offset, q.Target(), bounds.Start, bounds.End), "kferry offset reset sets another position")
		return
	case p.Offset < bounds.Start:
		lost := bounds.Start - p.Offset
		q.refuse(ReasonOutOfRange, fmt.Sprintf("offset %d of the snapshot is outside the log of %s, which has %d to %d: up to %d records are gone", p.Offset, q.Target(), bounds.Start, bounds.End, lost), "--accept-loss goes on at the first record that is left")
		q.Lost = lost
		if !b.in.Accept.Loss {
			return
		}
		q.Blocked = false
		q.accept(acceptLoss)
		to = &Offset{Offset: bounds.Start, LeaderEpoch: -1}
	}
	lost := q.Lost
	q.becomes(to, share)
	q.Lost = lost
	if q.Rewind == 0 {
		return
	}
	if !b.in.Accept.Rewind {
		q.refuse(ReasonRewind, fmt.Sprintf("the group is at %d, ahead of %d: it would read up to %d records again that it has read", q.Before.Offset, to.Offset, q.Rewind), "--accept-rewind lets it through")
		q.Action = None
		return
	}
	q.accept(acceptRewind)
}

// removed plans a position that the snapshot has not.
func (b *restorer) removed(q *Position, g *Group) {
	q.Outcome, q.Reason, q.Action = translate.Unset, ReasonExtra, Delete
	if g.Delete {
		q.Reason = ReasonDeleted
		return
	}
	if t := b.targetTopics[q.Topic]; gone(t) || t.Err == nil && !slices.Contains(t.Partitions, q.Partition) {
		q.Action, q.Reason, q.Notes = None, ReasonTopicDeleted, []string{"the topic or the partition is gone: the brokers remove such positions themselves, and on no request"}
	}
}
