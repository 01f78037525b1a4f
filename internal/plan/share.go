package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Share groups (KIP-932) keep a start offset per partition in place of a
// committed one, and above it what has become of each record, which no request
// shows. So their move is at least once: start offsets are translated like
// positions, and what was done above them is delivered again.

// ShareCommitter is the optional ability of a Committer to write share groups.
// Errors are as those of Commit; group.ErrNoShare where the brokers cannot.
type ShareCommitter interface {
	// CommitShare sets start offsets, and makes the group if there is none.
	CommitShare(ctx context.Context, group string, ps []position.Position) (map[topic.Partition]error, error)
	// ForgetShare removes them.
	ForgetShare(ctx context.Context, group string, ps []topic.Partition) (map[topic.Partition]error, error)
}

// shareJudge is the optional ability of a Reader to tell whether start offsets
// can be set at all; the error is of kind group.ErrNoShare when not.
type shareJudge interface {
	ShareReady(ctx context.Context) error
}

// share reports whether start offsets of a share group are to be written: that
// is for the sources to say, and for the group itself where there are none.
func (g *Group) share() bool {
	if len(g.Sources) == 0 {
		return g.Target.Kind == group.Share
	}
	return slices.ContainsFunc(g.Sources, func(s SourceGroup) bool { return s.Kind == group.Share })
}

// otherKind says that the target has a group of the name that cannot keep what
// is to be written, nil when it can or is absent.
func (g *Group) otherKind(r group.Reading, side string) *obstacle {
	is := r.Group.Kind == group.Share
	if !exists(r.Group) || is == g.share() || r.Group.Kind == group.Unknown {
		return nil
	}
	detail := fmt.Sprintf("%q is a group of kind %s on %s, and start offsets of a share group are to be set", g.Name, r.Group.Kind, side)
	if is {
		detail = fmt.Sprintf("%q is a share group on %s, which has no committed offsets to set", g.Name, side)
	}
	return &obstacle{ReasonGroupKind, detail, "give it another name with --map-group, or delete the group there first"}
}

// shareObstacle says why a share group cannot be moved to a group of the
// target, nil when it can.
func (b *builder) shareObstacle(g *Group) *obstacle {
	plain := slices.IndexFunc(g.Sources, func(s SourceGroup) bool { return s.Kind != group.Share && s.Kind != group.Unknown })
	shared := slices.IndexFunc(g.Sources, func(s SourceGroup) bool { return s.Kind == group.Share })
	if plain >= 0 && shared >= 0 {
		return &obstacle{
			ReasonGroupKind,
			fmt.Sprintf("%q is a share group and %q is of kind %s: they cannot become one group", g.Sources[shared].Name, g.Sources[plain].Name, g.Sources[plain].Kind),
			"send them to groups of different names",
		}
	}
	if !b.in.TranslateOnly {
		if ob := g.otherKind(b.target[g.Name], b.in.To.label()); ob != nil {
			return ob
		}
	}
	if shared >= 0 && b.noShare != nil {
		return &obstacle{
			ReasonGroupKind, fmt.Sprintf("%q is a share group, and %s cannot keep one: %v", g.Sources[shared].Name, b.in.To.label(), b.noShare),
			"share groups need Apache Kafka 4.1 or newer; where it is, kafka-features upgrade --feature share.version=1 switches them on",
		}
	}
	return nil
}

// lookForShare asks, when a share group is to be moved, whether the target can
// keep one.
func (b *builder) lookForShare(ctx context.Context) error {
	judge, ok := b.in.To.Read.(shareJudge)
	if !ok || !slices.ContainsFunc(b.shares, func(s share) bool { return b.source[s.from].Group.Kind == group.Share }) {
		return nil
	}
	err := judge.ShareReady(ctx)
	if err != nil && !errors.Is(err, group.ErrNoShare) {
		return fmt.Errorf("looking for share groups on %s: %w", b.in.To.label(), err)
	}
	b.noShare = err
	return nil
}

// shareOutcome makes of the translation of a start offset what it is worth to a
// share group: never exact.
func (b *builder) shareOutcome(q *Position, it *item, to string) {
	switch {
	case b.in.Given != nil && b.target[to].Group.Kind == group.Share && q.After != nil:
		q.After.Metadata = "" // there is no place for it
		return
	case b.source[it.from].Group.Kind != group.Share:
		return
	case q.Outcome == translate.Unset && q.Action == None:
		q.Detail = "the share group has no start offset here; share.auto.offset.reset of the group decides where it begins"
		return
	case q.After == nil:
		return
	}
	q.After.Metadata = ""
	done, detail := b.doneAbove(q, it, to)
	if q.Blocked && q.Outcome != translate.Repeats {
		q.Notes = append(q.Notes, detail)
		return
	}
	if done < 0 {
		q.Repeats = -1
	} else {
		q.Repeats += done
	}
	switch q.Outcome {
	case translate.Refused: // a loss that was accepted
		q.Notes = append(q.Notes, detail)
	case translate.Repeats:
		q.Detail = q.Detail + "; " + detail
	default:
		q.Detail = detail
	}
	if q.Outcome != translate.Refused {
		q.Outcome, q.Reason = translate.Repeats, ReasonShareGroup
	}
	switch {
	case !b.in.Accept.Repeats:
		q.Blocked, q.Hint = true, "--accept-repeats lets it through"
	case !slices.Contains(q.Accepted, acceptRepeats):
		q.accept(acceptRepeats)
	}
}

// doneAbove counts the records above a start offset that are done already, on
// the source, and on the target, whose group forgets them; -1 when the brokers
// do not tell. They are offsets: markers and holes count as done once they were
// passed.
func (b *builder) doneAbove(q *Position, it *item, to string) (done int64, detail string) {
	const what = "a share group moves at least once: "
	done = doneOf(b.source[it.from], it.source, q.LagBefore)
	if it.joined {
		done = -1
	}
	switch {
	case it.joined:
		detail = what + "what is done above the start offsets of the partitions that feed this one will be delivered again, uncounted"
	case done < 0:
		detail = what + "what is done above its start offset will be delivered again, and how much that is the brokers do not tell (they do from 4.2 on)"
	case done == 0:
		detail = what + "nothing counts as done above its start offset, and nobody can see what is"
	default:
		detail = what + recordsText(done) + " above its start offset " + plural(int(done), "is", "are") + " done already and will be delivered again, because nobody can see which"
	}
	if q.Before == nil {
		return done, detail
	}
	there := doneOf(b.target[to], it.target, q.TargetEnd-q.Before.Offset)
	switch {
	case there == 0:
		return done, detail
	case there < 0:
		detail += "; what the group of the target has done above its own start offset is forgotten, also by a rollback"
	default:
		detail += fmt.Sprintf("; the group of the target forgets %s that it has done above its own start offset, also by a rollback", recordsText(there))
	}
	if done < 0 || there < 0 {
		return -1, detail
	}
	return done + there, detail
}

// doneOf is what lies above a start offset without what the broker counts as
// open, -1 unknown.
func doneOf(r group.Reading, p topic.Partition, above int64) int64 {
	open, told := r.Open[p]
	if !told || above < 0 {
		return -1
	}
	return max(0, above-open)
}

func recordsText(n int64) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// noteShare says what deleting a share group, or overwriting it as given, takes
// along that no rollback brings back.
func (b *builder) noteShare(g *Group) {
	if g.Target.Kind != group.Share || len(g.Sources) > 0 || len(g.Positions) == 0 {
		return
	}
	b.find(Finding{
		Severity: Warning, Reason: ReasonShareGroup, Group: g.Name,
		Detail: "a share group: what it has done above its start offsets is forgotten, and a rollback brings back the start offsets only",
	})
}

// errNoShareCommitter: a writer that was given no way to write share groups.
var errNoShareCommitter = fmt.Errorf("%w to this writer", group.ErrNoShare)

// commit sets positions with the request for the group's kind.
func (w *writer) commit(ctx context.Context, b *beginBody, ps []position.Position) (map[topic.Partition]error, error) {
	if b.Kind != group.Share {
		return w.commitFor(ctx, b, ps)
	}
	s, ok := w.to.Write.(ShareCommitter)
	if !ok {
		return nil, errNoShareCommitter
	}
	return s.CommitShare(ctx, b.Group, ps)
}

// forget removes positions with the request for the group's kind.
func (w *writer) forget(ctx context.Context, b *beginBody, now group.Reading) (map[topic.Partition]error, error) {
	if b.Kind != group.Share {
		return w.to.Write.DeleteOffsets(ctx, b.Group, b.deletes())
	}
	s, ok := w.to.Write.(ShareCommitter)
	switch {
	case !ok:
		return nil, errNoShareCommitter
	case !exists(now.Group) && len(b.sets()) == 0:
		return nil, nil // the request would make the group
	}
	return s.ForgetShare(ctx, b.Group, b.deletes())
}
