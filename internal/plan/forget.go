package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// ForgetInput is what BuildForget needs.
type ForgetInput struct {
	To Side
	// Selection chooses groups, topics and partitions.
	Selection *position.Selection
	// Tool is name and version of the program, Asked the choices in the user's
	// words.
	Tool  string
	Asked []string
	// Now is the clock; nil is time.Now.
	Now      func() time.Time
	Progress func(Event)
}

// BuildForget plans to delete the selected positions of groups and to leave
// their others, pinned to what they are now. It writes nothing. A group that
// members use stays in use: only topics that none of them subscribes to can be
// forgotten (KIP-496), and a rollback waits until they have stopped.
func BuildForget(ctx context.Context, in ForgetInput) (*Plan, error) {
	if in.Now == nil {
		in.Now = time.Now
	}
	if in.To.Read == nil || in.To.Topics == nil || in.To.Log == nil {
		return nil, &Error{Op: "planning", Object: "the deletion", Err: fmt.Errorf("%w: the cluster is missing", ErrInput)}
	}
	b := newHere(Forget, Input{To: in.To, Selection: in.Selection, Tool: in.Tool, Asked: in.Asked, Now: in.Now, Progress: in.Progress})
	readings, err := b.readChosen(ctx)
	if err != nil {
		return nil, err
	}
	names, ask := map[string]bool{}, map[topic.Partition]bool{}
	for name, r := range readings {
		ps := positionsOf(r, in.Selection)
		if len(ps) == 0 && !b.literally(name) {
			delete(readings, name)
		}
		for _, p := range ps {
			names[p.Topic], ask[p] = true, true
		}
	}
	if len(readings) == 0 {
		return nil, b.nothingHere("no position that is selected")
	}
	if err := b.readHere(ctx, names, ask); err != nil {
		return nil, err
	}
	// A topic of that name need not exist: what it left behind may be meant.
	for _, p := range slices.Concat(in.Selection.UnmatchedGroups(), in.Selection.UnmatchedTopics()) {
		b.find(Finding{Severity: Warning, Reason: ReasonUnmatched, Detail: fmt.Sprintf("%s %s selects nothing", p.Option, p.Text)})
	}
	return b.oneByOne(ctx, readings, b.forgotten)
}

// forgotten plans one group.
func (b *builder) forgotten(name string, r group.Reading) Group {
	g := Group{Name: name, Sources: []SourceGroup{}, Positions: []Position{}, Target: targetGroup(r)}
	label := b.in.To.label()
	ps := positionsOf(r, b.in.Selection)
	switch {
	case len(ps) > 0 || r.Err != nil || r.Group.Err != nil:
	case !exists(r.Group) && len(r.Positions) == 0:
		g.refuseGroup(ReasonGroupMissing, fmt.Sprintf("%s has no group %q", label, name), "kferry group list shows the groups that can be seen")
	default:
		g.refuseGroup(ReasonNoCommit, fmt.Sprintf("group %q has no position that is selected", name), "kferry group describe "+name+" shows those that it has")
	}
	for _, p := range ps {
		q := b.here(r, p)
		q.Outcome, q.Reason = translate.Unset, ReasonDeleted
		if t := b.targetTopics[p.Topic]; gone(t) || t.Err == nil && !slices.Contains(t.Partitions, p.Partition) {
			// Brokers refuse it, and clean up after deleted topics by themselves.
			q.Reason, q.Notes = ReasonTopicDeleted, []string{"the topic or the partition is gone: the brokers remove such positions themselves, and on no request"}
		} else {
			q.Action = Delete
		}
		g.Positions = append(g.Positions, q)
	}
	if ob := g.notForgettable(r, label, label); ob != nil {
		g.refuseGroup(ob.reason, ob.detail, ob.hint)
	}
	g.judge(Accept{})
	b.noteShare(&g)
	if g.Applicable() && len(ps) == len(r.Positions) && r.Complete.Known && len(r.Complete.Missing) == 0 && len(r.Unstable) == 0 {
		f := Finding{Severity: Warning, Reason: ReasonLastPosition, Group: name, Detail: "the last position of the group goes: brokers then remove a group without members, at once or with their next clean-up (offsets.retention.check.interval.ms, 10 minutes by default); a rollback makes it again"}
		if len(r.Group.Members) > 0 {
			f.Severity, f.Detail = Note, "the last position of the group goes: the group stays for as long as it has members"
		}
		b.find(f)
	}
	return g
}

// onlyForgets reports whether all that is done with a group is to delete chosen
// positions: that its members need not stop for.
func (g *Group) onlyForgets() bool {
	writes := false
	for i := range g.Positions {
		q := &g.Positions[i]
		if q.Action != Delete && q.Action != None {
			return false
		}
		writes = writes || q.Action == Delete
	}
	return writes && !g.Delete && len(g.Sources) == 0 && g.Scope == ""
}

// standsInTheWay says why a group of the target cannot be written.
func (g *Group) standsInTheWay(r group.Reading, side, label string) *obstacle {
	if g.onlyForgets() {
		return g.notForgettable(r, side, label)
	}
	return notCommittable(r, side, label)
}

// notForgettable is notCommittable for positions that are only deleted: members
// stand in the way of the topics that they read. What they subscribe to and
// are assigned nothing of, only the broker knows; it refuses that itself
// (GROUP_SUBSCRIBED_TO_TOPIC).
func (g *Group) notForgettable(r group.Reading, side, label string) *obstacle {
	ob := notCommittable(r, side, label)
	if ob == nil || ob.reason != ReasonGroupActive {
		return ob
	}
	if r.Group.Kind == group.Share || r.Group.State != group.Stable || len(r.Group.Members) == 0 {
		return ob
	}
	readers := map[string][]string{}
	for _, m := range r.Group.Members {
		if len(m.Assigned) == 0 {
			continue
		}
		who := members(group.Group{Members: []group.Member{m}})[0]
		for _, p := range m.Assigned {
			if !slices.Contains(readers[p.Topic], who) {
				readers[p.Topic] = append(readers[p.Topic], who)
			}
		}
	}
	for i := range g.Positions {
		if q := &g.Positions[i]; len(readers[q.Topic]) > 0 {
			return &obstacle{
				ReasonGroupActive, fmt.Sprintf("members of group %q read topic %s on %s: %s", r.Group.Name, q.Topic, side, strings.Join(readers[q.Topic], ", ")),
				"stop the application there, or have it unsubscribe from the topic first",
			}
		}
	}
	return nil
}
