package plan

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Place is a kind of place in a log that groups can be moved to.
type Place string

// The places.
const (
	// PlaceEarliest is the first record that can be read.
	PlaceEarliest Place = "earliest"
	// PlaceLatest is the last stable offset: below it everything is decided, so
	// that a consumer of either isolation level skips nothing that is in a
	// transaction that is open now.
	PlaceLatest Place = "latest"
	// PlaceCurrent is what the group has, and PlaceLatest where it has nothing.
	PlaceCurrent Place = "current"
	// PlaceOffset is Reset.Offset on every partition.
	PlaceOffset Place = "offset"
	// PlaceTime is the first record whose timestamp is Reset.Time or later, and
	// the end of the log where there is none.
	PlaceTime Place = "time"
	// PlaceShift is Reset.Offset from what the group has, backwards when it is
	// negative.
	PlaceShift Place = "shift"
	// PlaceGiven is what ResetInput.Given has.
	PlaceGiven Place = "given"
)

// ResetTo says where groups are to go on.
type ResetTo struct {
	Place Place
	// Offset is the offset of PlaceOffset, the distance of PlaceShift.
	Offset int64
	// Time is that of PlaceTime, to the millisecond.
	Time time.Time
}

// ResetInput is what BuildReset needs.
type ResetInput struct {
	To Side
	// Selection chooses groups, topics and partitions. A topic on which a group
	// has no position is taken in when topic and group are selected by name.
	Selection *position.Selection
	ResetTo   ResetTo
	// Given are the positions of PlaceGiven; Selection is applied to them.
	Given []position.Position
	// Accept: PartialGroup alone is looked at.
	Accept Accept
	// Tool is name and version of the program, Asked the choices in the user's
	// words.
	Tool  string
	Asked []string
	// Now is the clock; nil is time.Now.
	Now      func() time.Time
	Progress func(Event)
}

// BuildReset plans to move groups to a place in the log, pinned to what they
// have and to the log as it is now. It writes nothing. A place outside the log
// refuses its group, with the range, and is never moved to the edge; a group
// that has members or cannot be read is in the plan, refused. Rollback of its
// run brings back what the groups had.
func BuildReset(ctx context.Context, in ResetInput) (*Plan, error) {
	if in.Now == nil {
		in.Now = time.Now
	}
	if in.To.Read == nil || in.To.Topics == nil || in.To.Log == nil || (in.ResetTo.Place == PlaceGiven) != (len(in.Given) > 0) {
		return nil, &Error{Op: "planning", Object: "the reset", Err: fmt.Errorf("%w: the cluster or the positions are missing", ErrInput)}
	}
	b := &resetter{to: in.ResetTo, builder: newHere(Reset, Input{
		To: in.To, Selection: in.Selection, Given: in.Given, Accept: in.Accept, Tool: in.Tool, Asked: in.Asked, Now: in.Now, Progress: in.Progress,
	})}
	readings, err := b.readReset(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.layOut(ctx, readings); err != nil {
		return nil, err
	}
	for name := range readings {
		// A pattern is about the groups that have something there.
		if len(b.chosen[name]) == 0 && !b.literally(name) {
			delete(readings, name)
		}
	}
	if len(readings) == 0 {
		return nil, b.nothingHere("no position that is selected")
	}
	return b.oneByOne(ctx, readings, b.reset)
}

// resetter builds a plan of kind Reset.
type resetter struct {
	*builder
	to     ResetTo
	given  map[position.Key]position.Position
	chosen map[string][]topic.Partition
	stamps map[topic.Partition]topic.Stamp // of PlaceTime
}

// readReset reads the groups: those of the selection, or those of the given
// positions.
func (b *resetter) readReset(ctx context.Context) (map[string]group.Reading, error) {
	if b.to.Place != PlaceGiven {
		return b.readChosen(ctx)
	}
	b.given = map[position.Key]position.Position{}
	names := map[string]bool{}
	for _, p := range b.in.Given {
		if b.in.Selection.Group(p.Group) && b.in.Selection.Partition(p.Partition) {
			b.given[p.Key()], names[p.Group] = p, true
		}
	}
	if len(names) == 0 {
		return nil, &Error{
			Op: "planning", Object: "the reset", Err: fmt.Errorf("%w: none of the positions that are given is of a selected group and topic", ErrNothing),
			Hint: "look at the names in the file, and at --group and --topic",
		}
	}
	return b.readNamed(ctx, sortedKeys(names))
}

// layOut decides which partitions of which group are moved, and reads their
// logs.
func (b *resetter) layOut(ctx context.Context, readings map[string]group.Reading) error {
	b.chosen = map[string][]topic.Partition{}
	names, ask := map[string]bool{}, map[topic.Partition]bool{}
	for k := range b.given {
		b.chosen[k.Group] = append(b.chosen[k.Group], k.Partition)
	}
	if b.to.Place != PlaceGiven {
		for name, r := range readings {
			b.chosen[name] = positionsOf(r, b.in.Selection)
		}
		if err := b.addNamed(ctx, readings, names); err != nil {
			return err
		}
	}
	for _, ps := range b.chosen {
		slices.SortFunc(ps, topic.Compare)
		for _, p := range ps {
			names[p.Topic], ask[p] = true, true
		}
	}
	if err := b.readHere(ctx, names, ask); err != nil {
		return err
	}
	// After the bounds: a record of that time that comes in between is after
	// the end that was read, and not skipped.
	if b.to.Place == PlaceTime && len(ask) > 0 {
		times := map[topic.Partition]int64{}
		for p := range ask {
			times[p] = b.to.Time.UnixMilli()
		}
		var err error
		if b.stamps, err = b.in.To.Log.Since(ctx, times); err != nil {
			return fmt.Errorf("reading offsets by time of %s: %w", b.in.To.label(), err)
		}
	}
	return b.unmatchedHere(ctx)
}

// addNamed adds the partitions of topics that are selected by name on which a
// group has no position: all of them for a group that is selected by name, too,
// and the rest of those topics that a group has a part of.
func (b *resetter) addNamed(ctx context.Context, readings map[string]group.Reading, names map[string]bool) error {
	literal := b.in.Selection.LiteralTopics()
	topics, err := topicsOf(ctx, &b.in.To, literal)
	if err != nil {
		return err
	}
	for _, name := range literal {
		names[name] = true
		for _, n := range topics[name].Partitions {
			p := topic.Partition{Topic: name, Partition: n}
			if !b.in.Selection.Partition(p) {
				continue
			}
			for group := range readings {
				ps := b.chosen[group]
				knows := b.literally(group) || slices.ContainsFunc(ps, func(q topic.Partition) bool { return q.Topic == name })
				if knows && !slices.Contains(ps, p) {
					b.chosen[group] = append(ps, p)
				}
			}
		}
	}
	return nil
}

// reset plans one group.
func (b *resetter) reset(name string, r group.Reading) Group {
	g := Group{Name: name, Sources: []SourceGroup{}, Positions: []Position{}, Target: targetGroup(r)}
	label := b.in.To.label()
	if ob := notCommittable(r, label, label); ob != nil {
		g.refuseGroup(ob.reason, ob.detail, ob.hint)
	}
	switch {
	case len(b.chosen[name]) > 0:
	case !exists(r.Group) && len(r.Positions) == 0:
		g.refuseGroup(ReasonGroupMissing, fmt.Sprintf("%s has no group %q", label, name), "kferry group list shows the groups that can be seen; to make a group, name its topics with -t")
	default:
		g.refuseGroup(ReasonNoCommit, fmt.Sprintf("group %q has no position that is selected", name), "a topic that it has never committed on is taken in when it is named with -t")
	}
	for _, p := range b.chosen[name] {
		q := b.here(r, p)
		q.Outcome, q.Reason = translate.Exact, ReasonReset
		if !b.bad(&q) {
			b.place(&q, name, g.share())
		}
		g.Positions = append(g.Positions, q)
	}
	g.judge(b.in.Accept)
	b.noteShare(&g)
	if !exists(r.Group) && len(r.Positions) == 0 && g.Applicable() {
		b.find(Finding{Severity: Note, Reason: ReasonGroupMissing, Group: name, Detail: "the group does not exist: setting positions makes it"})
	}
	return g
}

// place finds where one position is to be.
func (b *resetter) place(q *Position, name string, share bool) {
	bounds := b.bounds[q.Target()]
	to := &Offset{LeaderEpoch: -1}
	where := b.to.Place
	if where == PlaceCurrent && q.Before == nil {
		where = PlaceLatest
	}
	switch where {
	case PlaceEarliest:
		to.Offset = bounds.Start
	case PlaceLatest:
		to.Offset = stableEnd(bounds)
		if to.Offset < bounds.End {
			q.Notes = append(q.Notes, fmt.Sprintf("a transaction is open from %d on, and the log ends at %d: what is in between is read, by read_committed consumers once it is decided", to.Offset, bounds.End))
		}
	case PlaceCurrent:
		*to = *q.Before
	case PlaceOffset:
		to.Offset = b.to.Offset
	case PlaceShift:
		if q.Before == nil {
			q.refuse(ReasonNoCommit, "the group has no position here that could be shifted", "leave the partition out with --partition, or give it a position first, for example with --to-latest")
			return
		}
		to.Offset = shifted(q.Before.Offset, b.to.Offset)
	case PlaceTime:
		if !b.since(q, to, bounds) {
			return
		}
	case PlaceGiven:
		p := b.given[position.Key{Group: name, Partition: q.Target()}]
		to.Offset, to.Metadata = p.Offset, p.Metadata
	}
	b.arrive(q, to, share)
}

// arrive plans the place that was found, unless it is outside the log.
func (b *resetter) arrive(q *Position, to *Offset, share bool) {
	bounds := b.bounds[q.Target()]
	if to.Offset < bounds.Start || to.Offset > bounds.End {
		q.refuse(ReasonOutOfRange, fmt.Sprintf("offset %d is outside the log of %s, which has %d to %d", to.Offset, q.Target(), bounds.Start, bounds.End),
			"it is never moved to the edge: --to-earliest and --to-latest are the edges")
		return
	}
	if q.Before != nil && q.Before.Offset == to.Offset && b.to.Place != PlaceGiven {
		to.Metadata = q.Before.Metadata // it belongs to that offset
	}
	q.becomes(to, share)
	if q.Before != nil && q.Before.Metadata != "" && to.Metadata == "" && !share {
		q.Notes = append(q.Notes, fmt.Sprintf("its metadata of %d bytes belongs to the old position and is dropped", len(q.Before.Metadata)))
	}
}

// since is the place of PlaceTime.
func (b *resetter) since(q *Position, to *Offset, bounds topic.Bounds) bool {
	stamp, ok := b.stamps[q.Target()]
	switch {
	case !ok || stamp.Err != nil:
		q.refuse(ReasonTopicUnreadable, fmt.Sprintf("offset by time of %s: %v", q.Target(), stamp.Err), "")
		return false
	case stamp.Offset < 0 || stamp.Offset > bounds.End:
		to.Offset = bounds.End
		q.Notes = append(q.Notes, fmt.Sprintf("no record is of %s or later: the end of the log", b.to.Time.UTC().Format(time.RFC3339Nano)))
	default:
		to.Offset = max(stamp.Offset, bounds.Start)
	}
	return true
}

// stableEnd is the last stable offset, or the end of a log whose brokers have
// none.
func stableEnd(b topic.Bounds) int64 {
	if b.Stable < b.Start || b.Stable > b.End {
		return b.End
	}
	return b.Stable
}

// shifted adds without running over: what would is out of any range.
func shifted(offset, by int64) int64 {
	switch sum := offset + by; {
	case by > 0 && sum < offset:
		return int64(^uint64(0) >> 1)
	case by < 0 && sum > offset:
		return -1
	default:
		return sum
	}
}
