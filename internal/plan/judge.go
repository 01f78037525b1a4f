package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/translate"
)

// obstacle is what stands in the way of one position before any translation.
type obstacle struct {
	reason       Reason
	detail, hint string
}

// obstacle looks at the topics of an item; nil when there is none.
func (b *builder) obstacle(it *item) *obstacle {
	to := b.targetTopics[it.target.Topic]
	if ob := b.severalCopies(it); ob != nil && gone(to) {
		return ob
	}
	switch {
	case gone(to):
		return &obstacle{
			ReasonTopicMissing, fmt.Sprintf("%s has no topic %s", b.in.To.label(), it.target.Topic),
			orElse(near(it.target.Topic, b.targetTopics), "copy the topic first, or give its name there with --map-topic"),
		}
	case to.Err != nil:
		return &obstacle{ReasonTopicUnreadable, fmt.Sprintf("topic %s of %s: %v", it.target.Topic, b.in.To.label(), to.Err), "grant DESCRIBE on the topic"}
	case !slices.Contains(to.Partitions, it.target.Partition):
		return &obstacle{
			ReasonPartitionMissing,
			fmt.Sprintf("topic %s of %s has %s and no partition %d", it.target.Topic, b.in.To.label(), partitions(len(to.Partitions)), it.target.Partition), "",
		}
	}
	if b.in.From == nil {
		return nil
	}
	from := b.sourceTopics[it.source.Topic]
	switch {
	case from.Err != nil && gone(from):
		return &obstacle{ReasonTopicMissing, fmt.Sprintf("%s has no topic %s", b.in.From.label(), it.source.Topic), near(it.source.Topic, b.sourceTopics)}
	case from.Err != nil && !it.extra:
		return &obstacle{ReasonTopicUnreadable, fmt.Sprintf("topic %s of %s: %v", it.source.Topic, b.in.From.label(), from.Err), "grant DESCRIBE on the topic"}
	case it.extra:
		return nil
	case b.otherLife(it) != nil:
		return b.otherLife(it)
	case len(from.Partitions) != len(to.Partitions) && !it.joined:
		ob := &obstacle{
			ReasonPartitionCount,
			b.counts(it, len(from.Partitions), len(to.Partitions)),
			"copy the topic into one with as many partitions",
		}
		if why, ok := b.apart[pairOf(it)]; ok {
			ob.detail += ", and " + why.detail
			ob.hint = orElse(why.hint, ob.hint)
		}
		return ob
	case !it.joined && !slices.Contains(from.Partitions, it.source.Partition):
		return &obstacle{ReasonPartitionMissing, fmt.Sprintf("topic %s has no partition %d", it.source.Topic, it.source.Partition), ""}
	}
	return nil
}

// counts says on which side a topic has how many partitions.
func (b *builder) counts(it *item, from, to int) string {
	there := fmt.Sprintf("%d on %s", to, b.in.To.label())
	if it.source.Topic != it.target.Topic {
		there = fmt.Sprintf("topic %s has %s", it.target.Topic, there)
	}
	return fmt.Sprintf("topic %s has %s on %s and %s: records of one key are elsewhere there", it.source.Topic, partitions(from), b.in.From.label(), there)
}

// partitions is a number of partitions in words.
func partitions(n int) string {
	if n == 1 {
		return "1 partition"
	}
	return fmt.Sprintf("%d partitions", n)
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

// judge turns items into positions and groups.
func (b *builder) judge() {
	pairs := map[[2]string]*Topic{}
	for _, name := range sortedKeys(b.items) {
		g := b.newGroup(name)
		for _, it := range b.items[name] {
			q := b.position(&g, it)
			g.Positions = append(g.Positions, q)
			b.notePair(pairs, it)
		}
		g.judge(b.in.Accept)
		b.noteShare(&g)
		b.plan.Groups = append(b.plan.Groups, g)
	}
	for _, t := range pairs {
		b.plan.Topics = append(b.plan.Topics, *t)
	}
	slices.SortFunc(b.plan.Topics, func(x, y Topic) int {
		return strings.Compare(x.Target+"\x00"+x.Source, y.Target+"\x00"+y.Source)
	})
	b.noteIncarnations()
	b.noteSyncs()
	b.noteCheckpoints()
	b.leaveMissing()
}

func (b *builder) notePair(pairs map[[2]string]*Topic, it *item) {
	to := b.targetTopics[it.target.Topic]
	t := &Topic{Target: it.target.Topic, TargetID: to.ID, TargetPartitions: len(to.Partitions), OwnHeaders: []string{}}
	if b.in.From != nil && !it.extra {
		from := b.sourceTopics[it.source.Topic]
		t.Source, t.SourceID, t.SourcePartitions = it.source.Topic, from.ID, len(from.Partitions)
	}
	k := [2]string{t.Source, t.Target}
	if pairs[k] == nil {
		pairs[k] = t
	}
	if r := it.result; r != nil && r.Evidence != "" && pairs[k].Evidence == "" {
		pairs[k].Evidence, pairs[k].Detected = r.Evidence, r.Detected
		m := &r.Marks
		pairs[k].Header, pairs[k].Encoding, pairs[k].OwnHeaders, pairs[k].NoHeaders = m.Header, m.Encoding, m.Own, m.All
	}
}

// noteIncarnations says which topics have no ID: a topic that was deleted and
// created would then not be noticed.
func (b *builder) noteIncarnations() {
	for _, t := range b.plan.Topics {
		var on []string
		if t.Source != "" && t.SourceID.IsZero() {
			on = append(on, "source")
		}
		if t.TargetID.IsZero() && t.TargetPartitions > 0 {
			on = append(on, "target")
		}
		if len(on) > 0 {
			b.find(Finding{
				Severity: Note, Reason: ReasonIncarnationKnown, Topic: t.Target,
				Detail: "the " + strings.Join(on, " and ") + " gives the topic no ID: should it be deleted and created again, that is noticed only by its offsets",
			})
		}
	}
}

// leaveMissing lists the partitions that the target lacks.
func (b *builder) leaveMissing() {
	left := map[[2]string][]int32{}
	for i := range b.plan.Groups {
		for j := range b.plan.Groups[i].Positions {
			q := &b.plan.Groups[i].Positions[j]
			if q.Reason == ReasonPartitionMissing && q.Source != nil && q.SourceTopic != "" {
				k := [2]string{q.SourceGroup, q.SourceTopic}
				left[k] = append(left[k], q.Partition)
			}
		}
	}
	for k, ps := range left {
		slices.Sort(ps)
		b.plan.LeftBehind = append(b.plan.LeftBehind, LeftBehind{
			Group: k[0], Topic: k[1], Partitions: slices.Compact(ps), Reason: ReasonPartitionMissing,
			Detail: "the target has no such partition",
		})
	}
}

// newGroup states both ends of a group, and refuses it for what they are.
func (b *builder) newGroup(name string) Group {
	g := Group{Name: name, Sources: []SourceGroup{}, Positions: []Position{}}
	refuse := func(reason Reason, detail, hint string) {
		if g.Reason == "" {
			g.Reason, g.Detail, g.Hint = reason, detail, hint
		}
	}
	if b.in.TranslateOnly {
		g.Target = TargetGroup{Unread: true, Kind: group.Unknown, ReadAt: b.now.UTC()}
	} else {
		r := b.target[name]
		g.Target = targetGroup(r)
		if ob := notCommittable(r, "the target", b.in.To.label()); ob != nil {
			refuse(ob.reason, ob.detail, ob.hint)
		}
	}
	if b.in.Given != nil {
		return g
	}
	for _, s := range b.shares {
		if s.to != name {
			continue
		}
		r := b.source[s.from]
		g.Sources = append(g.Sources, sourceGroup(s.from, r))
		if ob := b.sourceObstacle(s.from, r); ob != nil {
			if ob.reason == ReasonGroupActive && b.in.Accept.ActiveSource {
				g.Accepted = append(g.Accepted, acceptActive)
				continue
			}
			refuse(ob.reason, ob.detail, ob.hint)
		}
	}
	if ob := b.kindObstacle(&g); ob != nil {
		refuse(ob.reason, ob.detail, ob.hint)
	}
	return g
}

// The words for overrides in Accepted.
const (
	acceptActive  = "active-source"
	acceptRepeats = "repeats"
	acceptLoss    = "loss"
	acceptRewind  = "rewind"
	acceptPartial = "partial-group"
)

// exists reports whether a group is there; a described group that is Dead has
// no positions and is as good as absent.
func exists(g group.Group) bool {
	return g.State != group.Absent && g.State != group.Dead && g.State != ""
}

// targetGroup and sourceGroup are what a plan says of a group on each side.
func targetGroup(r group.Reading) TargetGroup {
	return TargetGroup{
		Exists: exists(r.Group), Kind: r.Group.Kind, State: r.Group.State, Members: members(r.Group), ReadAt: r.At.UTC(),
	}
}

func sourceGroup(name string, r group.Reading) SourceGroup {
	return SourceGroup{Name: name, Kind: r.Group.Kind, State: r.Group.State, Members: members(r.Group), ReadAt: r.At.UTC()}
}

// members names clients and hosts, at most 10 of them.
func members(g group.Group) []string {
	var out []string
	for i, m := range g.Members {
		if i == 10 {
			return append(out, fmt.Sprintf("and %d more", len(g.Members)-i))
		}
		client := m.ClientID
		if m.InstanceID != "" {
			client = m.InstanceID
		}
		out = append(out, client+" ("+strings.TrimPrefix(m.Host, "/")+")")
	}
	return out
}

// notCommittable says why a group of the target cannot be committed to.
func notCommittable(r group.Reading, side, label string) *obstacle {
	switch {
	case errors.Is(r.Err, group.ErrNoShare):
		return &obstacle{ReasonGroupKind, fmt.Sprintf("%q is a share group on %s, and its brokers have no request for start offsets: %v", r.Group.Name, side, r.Err), "share groups can be moved from Apache Kafka 4.1 on"}
	case r.Err != nil:
		return &obstacle{ReasonGroupUnreadable, fmt.Sprintf("group %q of %s: %v", r.Group.Name, label, r.Err), "grant DESCRIBE on the group and on its topics"}
	case r.Group.Err != nil:
		return &obstacle{ReasonGroupUnreadable, fmt.Sprintf("group %q of %s: %v", r.Group.Name, label, r.Group.Err), "grant DESCRIBE on the group"}
	case len(r.Group.Members) > 0:
		return &obstacle{ReasonGroupActive, fmt.Sprintf("group %q has members on %s: %s", r.Group.Name, side, strings.Join(members(r.Group), ", ")), "stop the application there"}
	case exists(r.Group) && r.Group.State != group.Empty:
		return &obstacle{ReasonGroupActive, fmt.Sprintf("group %q is in state %s on %s", r.Group.Name, r.Group.State, side), "wait until it is Empty: static members leave only after their session time-out"}
	case len(r.Unstable) > 0:
		return &obstacle{ReasonNotSettled, fmt.Sprintf("group %q has pending transactional commits on %s for %s", r.Group.Name, side, r.Unstable[0]), "wait until the transaction has ended"}
	}
	return nil
}

// sourceObstacle says why the positions of a source group are not final.
func (b *builder) sourceObstacle(name string, r group.Reading) *obstacle {
	ob := notCommittable(r, "the source", b.in.From.label())
	switch {
	case ob != nil && ob.reason == ReasonGroupActive:
		ob.detail += "; its positions still move"
		ob.hint = "stop the application, or go on with --accept-active-source: what it commits after the plan is read again" + b.stopHint(name)
	case ob == nil && !exists(r.Group):
		ob = &obstacle{ReasonGroupMissing, fmt.Sprintf("%s has no group %q", b.in.From.label(), name), "kferry group list shows the groups that can be seen"}
	}
	return ob
}

// position decides about one item.
func (b *builder) position(g *Group, it *item) Position {
	q := Position{
		Topic: it.target.Topic, Partition: it.target.Partition, Action: None, Source: it.have,
		CopiedThrough: -1, LagBefore: -1, LagAfter: -1, TargetStart: -1, TargetEnd: -1,
	}
	if !b.in.AsGiven {
		q.SourceTopic, q.SourceGroup = it.source.Topic, it.from
	}
	if r, ok := b.target[g.Name]; ok {
		if have, ok := r.Positions[it.target]; ok {
			q.Before = offsetOf(have)
		}
	}
	ob := b.obstacle(it)
	switch {
	case it.joined:
		b.joinedPosition(&q, it)
	case it.unstable:
		q.refuse(ReasonNotSettled, "a transactional commit is pending on the source", "wait until the transaction has ended")
	case it.have == nil:
		b.unset(&q, it)
	case ob != nil:
		q.refuse(ob.reason, ob.detail, ob.hint)
	case b.in.AsGiven:
		b.asGiven(&q, it)
	case it.result == nil:
		q.refuse(Reason(translate.ReasonUnreadable), "no answer", "")
	default:
		b.translated(&q, it)
	}
	b.shareOutcome(&q, it, g.Name)
	b.checkpoint(&q, it, g.Name)
	if q.After != nil && !q.Blocked {
		b.guard(&q, it.target)
	}
	if q.After != nil && !q.Blocked {
		q.Action = q.action(b.in.Keep > 0 && !g.share())
	}
	return q
}

// action is what takes a position from Before to After; keep commits also what
// is there already.
func (q *Position) action(keep bool) Action {
	switch {
	case q.Before == nil:
		return New
	case !q.Before.same(q.After):
		return Change
	case keep:
		return Keep
	default:
		return Same
	}
}

func (q *Position) refuse(reason Reason, detail, hint string) {
	q.Outcome, q.Reason, q.Detail, q.Hint = translate.Refused, reason, detail, hint
	q.Blocked = true
}

func (q *Position) accept(word string) { q.Accepted = append(q.Accepted, word) }

// unset is a partition on which the source group has no commit: the target
// group must have none either.
func (b *builder) unset(q *Position, it *item) {
	q.Outcome, q.Reason = translate.Unset, ReasonNoCommit
	switch {
	case q.Before != nil:
		q.Action, q.Reason = Delete, ReasonExtra
		q.Detail = fmt.Sprintf("the source group has no commit here, and the target group has one at %d at which an application would resume", q.Before.Offset)
	default:
		q.Detail = "the source group has no commit here; the application's auto.offset.reset decides where it begins"
	}
	if ob := b.obstacle(it); ob != nil && q.Action == None {
		q.Notes = append(q.Notes, ob.detail)
	}
}

// asGiven checks a given position against the target's log.
func (b *builder) asGiven(q *Position, it *item) {
	bounds, ok := b.bounds[it.target]
	switch {
	case !ok || bounds.Err != nil:
		q.refuse(ReasonTopicUnreadable, fmt.Sprintf("offsets of %s: %v", it.target, bounds.Err), "")
		return
	case it.have.Offset < bounds.Start || it.have.Offset > bounds.End:
		q.TargetStart, q.TargetEnd = bounds.Start, bounds.End
		q.refuse(ReasonOutOfRange, fmt.Sprintf("offset %d is outside the log of %s, which has %d to %d", it.have.Offset, it.target, bounds.Start, bounds.End),
			"a consumer would fall to its auto.offset.reset there")
		return
	}
	q.TargetStart, q.TargetEnd = bounds.Start, bounds.End
	q.LagAfter = bounds.End - it.have.Offset
	q.Outcome = translate.ExactUnproven
	q.Unproven = []string{"committed as given: what the position means elsewhere was not looked at"}
	q.After = &Offset{Offset: it.have.Offset, LeaderEpoch: -1, Metadata: it.have.Metadata}
	q.Source = nil
}

// noteTopic adds a finding once per topic and reason.
func (b *builder) noteTopic(f Finding) {
	if !slices.ContainsFunc(b.plan.Findings, func(x Finding) bool { return x.Reason == f.Reason && x.Topic == f.Topic && x.Group == f.Group }) {
		b.find(f)
	}
}
