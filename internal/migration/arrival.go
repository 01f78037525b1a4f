package migration

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/topic"
)

// arrived is how far one group has come on the target.
type arrived struct {
	members int
	// committed: some position is further than planned, or one is there where
	// nothing was put. What it has on partitions that were not moved it may have
	// had before.
	committed bool
	// nothing: there is nothing to read from where the group stands.
	nothing bool
	// behind says which position is before the one that was planned.
	behind string
	// gone are positions that were put there and are not there any more.
	gone []gonePosition
	// ahead are those that are further than planned, or where nothing was put.
	ahead []topic.Partition
	// synced says which positions MirrorMaker 2 has put ahead, where all that
	// are can be its work.
	synced string
	detail string
}

// gonePosition is a position that was put on the target and is not there.
type gonePosition struct {
	tp  topic.Partition
	put int64
}

// here reports whether the group has gone on: by a commit, or, where there is
// nothing to read and so nothing to commit, by its members.
func (a *arrived) here() bool { return a.committed || a.members > 0 && a.nothing }

// wrong says what is not as it was put there, "" when nothing is.
func (a *arrived) wrong() string {
	if a.behind == "" && len(a.gone) > 0 {
		return fmt.Sprintf("%s has no position any more, and was put at %d", a.gone[0].tp, a.gone[0].put)
	}
	return a.behind
}

// arrival compares a group of the target with its plan.
func arrival(g *plan.Group, now group.Reading, ends map[topic.Partition]int64) arrived {
	a := arrived{members: len(now.Group.Members), nothing: true}
	lag := int64(0)
	if g != nil {
		for i := range g.Positions {
			pos := &g.Positions[i]
			tp := pos.Target()
			at, ok := now.Positions[tp]
			if pos.After == nil {
				// Nothing was put there; what is there now is the application's.
				if ok && (pos.Before == nil || pos.Action == plan.Delete) {
					a.ahead = append(a.ahead, tp)
				}
				continue
			}
			switch {
			case !ok:
				a.gone = append(a.gone, gonePosition{tp, pos.After.Offset})
				continue
			case at.Offset < pos.After.Offset:
				a.behind = fmt.Sprintf("%s stands at %d, before %d where it was put", tp, at.Offset, pos.After.Offset)
			case at.Offset > pos.After.Offset:
				a.ahead = append(a.ahead, tp)
			}
			if end, ok := ends[tp]; ok && end > at.Offset {
				a.nothing, lag = false, lag+end-at.Offset
			}
		}
	}
	a.committed = len(a.ahead) > 0
	a.detail = fmt.Sprintf("%s, %s, %s to read", now.Group.State, count(a.members, "member", "members"), count(lag, "record", "records"))
	if !a.committed {
		a.detail += ", no commit yet"
	}
	return a
}

// arrivals reads the groups of the target and compares them with the plan. What
// of it can be the work of MirrorMaker 2 while nobody is in a group is not taken
// for a commit, and a position whose topic is gone is not missed.
func (e *engine) arrivals(ctx context.Context, p *plan.Plan) (map[string]arrived, *reading, error) {
	there, err := read(ctx, &e.in.To, e.st.targets())
	if err != nil {
		return nil, nil, err
	}
	all, err := e.compare(ctx, p, there)
	return all, there, err
}

// compare is arrivals with what was read.
func (e *engine) compare(ctx context.Context, p *plan.Plan, there *reading) (map[string]arrived, error) {
	to, err := ends(ctx, &e.in.To, there)
	if err != nil {
		return nil, err
	}
	out := map[string]arrived{}
	for _, name := range e.st.targets() {
		a := arrival(p.Group(name), there.groups[name], to)
		if len(a.gone) > 0 {
			if a.gone, err = e.missed(ctx, a.gone); err != nil {
				return nil, err
			}
		}
		if a.committed && a.members == 0 {
			if err := e.mirrored(ctx, p, name, there.groups[name], &a); err != nil {
				return nil, err
			}
		}
		out[name] = a
	}
	return out, nil
}

// missed are those of the positions of which the partition is still there:
// nobody can have a position on one that was deleted.
func (e *engine) missed(ctx context.Context, gone []gonePosition) ([]gonePosition, error) {
	var names []string
	for _, g := range gone {
		names = append(names, g.tp.Topic)
	}
	slices.Sort(names)
	topics, err := e.in.To.Topics.Topics(ctx, slices.Compact(names)...)
	if err != nil {
		return nil, fmt.Errorf("reading topics of %s: %w", e.in.To.Name, err)
	}
	var out []gonePosition
	for _, g := range gone {
		if !plan.PartitionGone(topics, g.tp) {
			out = append(out, g)
		}
	}
	return out, nil
}

// mirrored looks whether positions that are ahead in a group without members
// are where MirrorMaker 2's group sync would put them: it writes checkpoints of
// its own into groups of the same name that are empty, where these are ahead of
// what is there (MirrorCheckpointTask.syncGroupOffset).
func (e *engine) mirrored(ctx context.Context, p *plan.Plan, name string, now group.Reading, a *arrived) error {
	g := p.Group(name)
	var names []string
	var at []plan.MirrorPosition
	for i := range g.Positions {
		pos := &g.Positions[i]
		if pos.MirrorMaker != nil && !slices.Contains(names, pos.MirrorMaker.Topic) {
			names = append(names, pos.MirrorMaker.Topic)
		}
		if slices.Contains(a.ahead, pos.Target()) && slices.ContainsFunc(e.st.Groups, func(q Pair) bool { return q.Source == name && q.Target == name }) {
			is := now.Positions[pos.Target()]
			at = append(at, plan.MirrorPosition{Group: name, Target: pos.Target(), Offset: is.Offset, LeaderEpoch: is.LeaderEpoch})
		}
	}
	if len(names) == 0 || len(at) < len(a.ahead) {
		return nil
	}
	its, err := plan.AtCheckpoint(ctx, &e.in.To, names, at)
	if err != nil || slices.Contains(its, false) {
		return err
	}
	var words []string
	for _, m := range at {
		words = append(words, fmt.Sprintf("%s at %d", m.Target, m.Offset))
	}
	a.committed = false
	a.synced = "nobody is in it, and what is ahead of where it was put is exactly a checkpoint of MirrorMaker 2: " + strings.Join(words, ", ")
	return nil
}

// absence is what a group of the target waits for, nil when it has gone on
// there.
func (e *engine) absence(name string, a arrived) *Wait {
	on := e.in.To.Name
	switch {
	case a.behind != "":
		return &Wait{
			Kind: WaitVerify, Group: name, Detail: a.behind,
			Remedy: "its positions have been put back: something else commits there, such as MirrorMaker 2 (sync.group.offsets.enabled) or a reset; kferry verify shows which; kferry migration abort undoes the rest while nobody reads there, and it can be created again",
		}
	case a.synced != "":
		return &Wait{
			Kind: WaitVerify, Group: name,
			Detail: fmt.Sprintf("group %q on %s: %s", name, on, a.synced),
			Remedy: "nobody can tell that from a commit of the application: if it has read there, start it, and its next commit shows; if not, set sync.group.offsets.enabled=false, put the group where it was put with kferry offset apply, and start it then, or it begins behind records that it has not read",
		}
	case len(a.gone) > 0:
		return e.goneWait(name, a)
	case a.here():
		return nil
	}
	return &Wait{Kind: WaitFirstCommit, Group: name, Detail: fmt.Sprintf("group %q on %s: %s", name, on, a.detail), Remedy: e.startText()}
}

// goneWait says which positions are gone, and how to put them back.
func (e *engine) goneWait(name string, a arrived) *Wait {
	var rows []string
	for i, g := range a.gone {
		if i == 3 {
			rows = append(rows, fmt.Sprintf("and %d more", len(a.gone)-i))
			break
		}
		rows = append(rows, fmt.Sprintf("%s,%s,%d,%d", name, g.tp.Topic, g.tp.Partition, g.put))
	}
	detail := fmt.Sprintf("group %q on %s has no position any more on %s where one was put", name, e.in.To.Name, count(len(a.gone), "partition", "partitions"))
	if a.committed {
		detail += ", and has gone on on others"
	}
	return &Wait{
		Kind: WaitGone, Group: name, Topic: a.gone[0].tp.Topic, Detail: detail + ": " + strings.Join(rows, " "),
		Remedy: "it has expired (offsets.retention.minutes), or somebody has deleted it: without it the application begins there by its auto.offset.reset. If it has not read there, stop it and put these rows back with kferry offset apply; if it has, its next commit there ends this",
	}
}

// unsure are words for groups that have gone on and that nobody is in now: a
// commit does not say whose it is.
func (e *engine) unsure(all map[string]arrived) string {
	var names []string
	for _, name := range e.st.targets() {
		if a := all[name]; a.committed && a.members == 0 {
			names = append(names, fmt.Sprintf("%q", name))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; nobody is in " + strings.Join(names, ", ") + " now: the application has committed and stopped again, or something else has committed there"
}
