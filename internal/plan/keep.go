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

// A cluster forgets the positions of a group without members after
// offsets.retention.minutes. A commit can name a longer time (KIP-211 left that
// to OffsetCommit up to version 4). Nothing that can be read shows it: whether
// it was done is known from the answers only.

// Keeper is the optional ability of a Committer to say for how long what it
// commits is kept.
type Keeper interface {
	// CommitFor is Commit with that time.
	CommitFor(ctx context.Context, group string, ps []position.Position, retention time.Duration) (map[topic.Partition]error, error)
	// KeepReady reports whether the brokers take it; group.ErrNoKeep when not.
	KeepReady(ctx context.Context) error
}

// retainer is the optional ability of a Catalogue to say how long its cluster
// keeps positions without being told.
type retainer interface {
	OffsetsRetention(ctx context.Context) (keep time.Duration, known bool, err error)
}

// maxKeep bounds what is asked for: a broker adds it to its clock, and a sum
// that overflows would be in the past.
const (
	maxKeep  = 100 * 365 * 24 * time.Hour
	keepText = "positions can be kept for a millisecond to a hundred years"
)

func keepable(d time.Duration) bool { return d >= time.Millisecond && d <= maxKeep }

// retention is how long a cluster keeps positions; known is false when it does
// not tell. The error is that of ctx: what cannot be learned is not known.
func (s *Side) retention(ctx context.Context) (keep time.Duration, known bool, err error) {
	r, ok := s.Topics.(retainer)
	if !ok {
		return 0, false, nil
	}
	keep, known, err = r.OffsetsRetention(ctx)
	if err != nil {
		return 0, false, context.Cause(ctx)
	}
	return keep, known, nil
}

// keeper is the ability of a side to keep positions; the error says that it
// has none.
func (s *Side) keeper(ctx context.Context) error {
	k, ok := s.Write.(Keeper)
	if !ok {
		return fmt.Errorf("%w, as this writer knows them", group.ErrNoKeep)
	}
	return k.KeepReady(ctx)
}

const noKeepHint = "leave out --keep-offsets, and start the consumers before the cluster forgets the positions"

// keepReady refuses a plan that the target could not carry out.
func (b *builder) keepReady(ctx context.Context) error {
	if b.in.Keep == 0 || b.in.To.Write == nil {
		return nil
	}
	if err := b.in.To.keeper(ctx); err != nil {
		return &Error{Op: "planning", Object: "to keep positions on " + b.in.To.label(), Err: err, Hint: noKeepHint}
	}
	return nil
}

// choose takes the groups that are to be written. Where positions are kept, that
// includes those that are as planned already.
func (a *applier) choose(keep time.Duration) {
	a.keep, a.todo = keep, map[string]*Group{}
	for i := range a.plan.Groups {
		g := &a.plan.Groups[i]
		if keep > 0 {
			g = g.keeping()
		}
		if g.Applicable() {
			a.todo[g.Name] = g
		}
	}
}

// keeping is a group of which nothing that is as planned is left out; the group
// itself where that is nothing.
func (g *Group) keeping() *Group {
	isSame := func(q Position) bool { return q.Action == Same && !q.Blocked }
	if g.share() || g.Target.Unread || !g.Applicable() && g.Verdict != VerdictNothing || !slices.ContainsFunc(g.Positions, isSame) {
		return g
	}
	out := *g
	out.Positions = slices.Clone(g.Positions)
	for i := range out.Positions {
		if isSame(out.Positions[i]) {
			out.Positions[i].Action = Keep
		}
	}
	if out.Verdict == VerdictNothing {
		out.Verdict = VerdictApply
	}
	return &out
}

// readyToKeep settles for how long positions are kept, before anything is
// journalled: as long as was asked for, and never less than the cluster would
// keep them by itself, because the time of a commit stands over its setting.
func (a *applier) readyToKeep(ctx context.Context) error {
	if a.keep == 0 || len(a.todo) == 0 {
		return nil
	}
	if err := a.to.keeper(ctx); err != nil {
		return &Error{Op: "applying plan", Object: a.digest, Err: err, Hint: noKeepHint}
	}
	own, known, err := a.to.retention(ctx)
	if err != nil {
		return err
	}
	if known {
		a.keep = min(max(a.keep, own), maxKeep)
	}
	a.report.KeepMS = a.keep.Milliseconds()
	return nil
}

// keepMS is what the attempts on a group say in the journal.
func (a *applier) keepMS(g *Group) int64 {
	if g.share() || g.Delete {
		return 0
	}
	return a.keep.Milliseconds()
}

// commitFor sends a commit, with its time where it has one.
func (w *writer) commitFor(ctx context.Context, b *beginBody, ps []position.Position) (map[topic.Partition]error, error) {
	if b.KeepMS == 0 {
		return w.to.Write.Commit(ctx, b.Group, ps)
	}
	k, ok := w.to.Write.(Keeper)
	if !ok {
		return nil, fmt.Errorf("%w, as this writer knows them", group.ErrNoKeep)
	}
	return k.CommitFor(ctx, b.Group, ps, time.Duration(b.KeepMS)*time.Millisecond)
}

// keepsSome reports whether some position is only kept.
func (t *beginBody) keepsSome() bool {
	return slices.ContainsFunc(t.Writes, func(e edit) bool { return e.keeps() })
}

// KeepInput is what BuildKeep needs.
type KeepInput struct {
	// To is the cluster on which groups are to be kept.
	To Side
	// Groups are names, not patterns; the same name twice is once.
	Groups []string
	// For is how long the positions are kept at least, from the commit on.
	For time.Duration
	// Tool is name and version of the program, Asked the choices in the user's
	// words.
	Tool  string
	Asked []string
	// Now is the clock; nil is time.Now.
	Now      func() time.Time
	Progress func(Event)
}

// BuildKeep plans to commit the positions that groups have once more as they
// are, metadata byte for byte, so that they do not expire. It writes nothing. A
// group that has members, that does not exist or that cannot be read is in the
// plan, refused; positions of topics that are gone stay out. A rollback of its
// run has nothing to restore. group.ErrNoKeep when the brokers cannot.
func BuildKeep(ctx context.Context, in KeepInput) (*Plan, error) {
	if in.Now == nil {
		in.Now = time.Now
	}
	bad := func(err error, hint string) error {
		return &Error{Op: "planning", Object: "to keep positions on " + in.To.label(), Err: err, Hint: hint}
	}
	switch {
	case in.To.Read == nil || in.To.Topics == nil || len(in.Groups) == 0 || slices.Contains(in.Groups, ""):
		return nil, bad(fmt.Errorf("%w: the groups, or the cluster to read them from, are missing", ErrInput), "")
	case !keepable(in.For):
		return nil, bad(fmt.Errorf("%w: %s", ErrInput, keepText), "")
	}
	b := &builder{in: Input{To: in.To, Keep: in.For, Progress: in.Progress}, now: in.Now(), plan: &Plan{
		Kind: KeepOffsets, Tool: in.Tool, Asked: in.Asked, Target: in.To.cluster(), Created: in.Now().UTC().Truncate(time.Millisecond),
		Options: Options{KeepMS: in.For.Milliseconds()}, Findings: []Finding{}, LeftBehind: []LeftBehind{}, Topics: []Topic{}, Groups: []Group{},
	}}
	if err := b.keepReady(ctx); err != nil {
		return nil, err
	}
	readings, err := b.readNamed(ctx, in.Groups)
	if err != nil {
		return nil, err
	}
	if err := b.readKept(ctx, readings); err != nil {
		return nil, err
	}
	return b.oneByOne(ctx, readings, b.kept)
}

// readKept reads the topics of all positions, and pins them.
func (b *builder) readKept(ctx context.Context, readings map[string]group.Reading) error {
	names := map[string]bool{}
	for _, r := range readings {
		for p := range r.Positions {
			names[p.Topic] = true
		}
	}
	var err error
	if b.targetTopics, err = topicsOf(ctx, &b.in.To, sortedKeys(names)); err != nil {
		return err
	}
	for _, name := range sortedKeys(names) {
		if t := b.targetTopics[name]; t.Err == nil {
			b.plan.Topics = append(b.plan.Topics, Topic{Target: name, TargetID: t.ID, TargetPartitions: len(t.Partitions), OwnHeaders: []string{}})
		}
	}
	return nil
}

// kept plans what is committed of one group.
func (b *builder) kept(name string, r group.Reading) Group {
	g := Group{Name: name, Sources: []SourceGroup{}, Positions: []Position{}, Target: targetGroup(r)}
	label := b.in.To.label()
	switch ob := notCommittable(r, label, label); {
	case ob != nil:
		g.Reason, g.Detail, g.Hint = ob.reason, ob.detail, ob.hint
	case !exists(r.Group) && len(r.Positions) == 0:
		g.Reason, g.Detail = ReasonGroupMissing, fmt.Sprintf("%s has no group %q", label, name)
		g.Hint = "kferry group list shows the groups that can be seen"
	case r.Group.Kind == group.Share:
		g.Reason, g.Detail = ReasonGroupKind, fmt.Sprintf("%q is a share group: its start offsets are no commits, and have no time", name)
	case len(r.Complete.Missing) > 0:
		g.Reason, g.Detail = ReasonIncomplete, fmt.Sprintf("group %q may have positions that cannot be seen, and would expire: %s", name, strings.Join(r.Complete.Missing, "; "))
		g.Hint = "grant the rights that are named"
	default:
		g.Target.Exists = true
	}
	for _, p := range sortedPartitions(r.Positions) {
		now := offsetOf(r.Positions[p])
		q := Position{
			Topic: p.Topic, Partition: p.Partition, Action: Keep, Before: now,
			After:   &Offset{Offset: now.Offset, LeaderEpoch: -1, Metadata: now.Metadata},
			Outcome: translate.Exact, Reason: ReasonKept,
			CopiedThrough: -1, LagBefore: -1, LagAfter: -1, TargetStart: -1, TargetEnd: -1,
		}
		switch t := b.targetTopics[p.Topic]; {
		case gone(t) || t.Err == nil && !slices.Contains(t.Partitions, p.Partition):
			q.Action, q.After, q.Reason = None, nil, ReasonTopicDeleted
			q.Outcome, q.Notes = translate.Unset, []string{"the topic or the partition is gone: there is nothing to keep"}
		case t.Err != nil:
			q.Action, q.After = None, nil
			q.refuse(ReasonTopicUnreadable, fmt.Sprintf("topic %s of %s: %v", p.Topic, label, t.Err), "grant DESCRIBE on the topic")
		}
		g.Positions = append(g.Positions, q)
	}
	g.judge(Accept{})
	return g
}
