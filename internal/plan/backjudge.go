package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// cutSide parts "source:TOPIC" and "target:TOPIC".
func cutSide(s string) (side, name string, ok bool) {
	side, name, ok = strings.Cut(s, ":")
	return side, name, ok && (side == "source" || side == "target")
}

// backObstacle is what stands in the way of one position before any
// translation; nil when there is nothing.
func (b *backer) backObstacle(it *item) *obstacle {
	q, here, there := b.went[it], b.sourceTopics[it.source.Topic], b.targetTopics[it.target.Topic]
	byHand := "--accept-partial-group leaves it as it is on " + b.in.To.label() + "; or set it by hand with kferry offset apply"
	switch {
	case q == nil || q.Source == nil && !q.Joined:
		return &obstacle{
			ReasonStartedThere,
			fmt.Sprintf("the group has begun to read %s on %s by itself: what it had read on %s before is not known", it.source, b.in.From.label(), b.in.To.label()), byHand,
		}
	case q.Joined:
		return &obstacle{
			Reason(translate.ReasonSourcePartitions),
			fmt.Sprintf("the partitions of %s and %s do not correspond one to one: such positions have no way back", it.source.Topic, it.target.Topic), byHand,
		}
	case q.After == nil || q.Blocked:
		return &obstacle{ReasonStartedThere, fmt.Sprintf("the plan that moved the group left %s out, and the group has read there since", it.source), byHand}
	case here.Err != nil:
		return &obstacle{ReasonTopicUnreadable, fmt.Sprintf("topic %s of %s: %v", it.source.Topic, b.in.From.label(), here.Err), "without the topic it is not known what the group has read there"}
	case gone(there):
		return &obstacle{ReasonTopicMissing, fmt.Sprintf("%s has no topic %s any more", b.in.To.label(), it.target.Topic), byHand}
	case there.Err != nil:
		return &obstacle{ReasonTopicUnreadable, fmt.Sprintf("topic %s of %s: %v", it.target.Topic, b.in.To.label(), there.Err), "grant DESCRIBE on the topic"}
	case !slices.Contains(there.Partitions, it.target.Partition):
		return &obstacle{ReasonPartitionMissing, fmt.Sprintf("topic %s of %s has no partition %d", it.target.Topic, b.in.To.label(), it.target.Partition), byHand}
	}
	pinned := b.forward.pair(q)
	for _, t := range []struct {
		side *Side
		now  topic.Topic
		id   topic.ID
	}{{b.in.From, here, pinned.TargetID}, {&b.in.To, there, pinned.SourceID}} {
		if !t.id.IsZero() && !t.now.ID.IsZero() && t.now.ID != t.id {
			return &obstacle{
				ReasonTopicChanged,
				fmt.Sprintf("topic %s of %s was deleted and created again since the move: its ID was %s and is %s", t.now.Name, t.side.label(), t.id, t.now.ID), byHand,
			}
		}
	}
	return nil
}

// judgeBack turns items into positions and groups.
func (b *backer) judgeBack() {
	pairs := map[[2]string]*Topic{}
	for _, name := range sortedKeys(b.items) {
		g := b.backGroup(name)
		known, topics := map[topic.Partition]bool{}, map[string]bool{}
		for _, it := range b.items[name] {
			known[it.target], topics[it.target.Topic] = true, true
			g.Positions = append(g.Positions, b.backPosition(name, it))
			b.notePair(pairs, it)
			b.noteEvidence(pairs, it)
		}
		b.leaveExtra(&g, known, topics)
		slices.SortFunc(g.Positions, func(x, y Position) int { return topic.Compare(x.Target(), y.Target()) })
		g.judge(b.in.Accept)
		if g.Verdict == VerdictPartly {
			g.Detail = fmt.Sprintf("positions that cannot be found stay as they are on %s; where there is none, a consumer falls to its auto.offset.reset", b.in.To.label())
		}
		b.noteState(name)
		b.noteOnlyThere(&g)
		b.plan.Groups = append(b.plan.Groups, g)
	}
	for _, t := range pairs {
		b.plan.Topics = append(b.plan.Topics, *t)
	}
	slices.SortFunc(b.plan.Topics, func(x, y Topic) int {
		return cmp.Or(strings.Compare(x.Target, y.Target), strings.Compare(x.Source, y.Source))
	})
	b.noteIncarnations()
}

// noteEvidence pins what the way back of a pair of topics rests on. The header
// that names source offsets is none of the records that are compared on this
// plan's target.
func (b *backer) noteEvidence(pairs map[[2]string]*Topic, it *item) {
	t := pairs[[2]string{it.source.Topic, it.target.Topic}]
	if r := b.found[it]; r != nil && r.Evidence != "" && t.Evidence == "" {
		t.Evidence, t.Detected, t.OwnHeaders, t.NoHeaders = r.Evidence, r.Detected, r.Marks.Own, r.Marks.All
	}
}

// backGroup states both ends of a group, and refuses it for what they are.
func (b *backer) backGroup(name string) Group {
	r := b.target[name]
	g := Group{Name: name, Sources: []SourceGroup{}, Positions: []Position{}, Target: targetGroup(r)}
	refuse := func(ob *obstacle) {
		if ob != nil && g.Reason == "" {
			g.Reason, g.Detail, g.Hint = ob.reason, ob.detail, ob.hint
		}
	}
	refuse(notCommittable(r, b.in.To.label(), b.in.To.label()))
	for _, s := range b.shares {
		if s.to != name {
			continue
		}
		from := b.source[s.from]
		g.Sources = append(g.Sources, sourceGroup(s.from, from))
		ob := notCommittable(from, b.in.From.label(), b.in.From.label())
		if ob != nil && ob.reason == ReasonGroupActive {
			ob.detail += "; its positions still move"
		}
		refuse(ob)
		switch {
		case from.Group.Kind == group.Share || r.Group.Kind == group.Share:
			refuse(&obstacle{ReasonGroupKind, fmt.Sprintf("%q is a share group: what it has done above its start offsets cannot be seen, so it has no way back", s.from), "set its start offsets by hand"})
		case !exists(from.Group) && from.Err == nil && from.Group.Err == nil:
			b.find(Finding{
				Severity: Warning, Reason: ReasonGroupMissing, Group: name,
				Detail: fmt.Sprintf("%s has no group %q any more: nothing is known of what it has read there, and its positions on %s stay as they are", b.in.From.label(), s.from, b.in.To.label()),
			})
		}
	}
	return g
}

// backPosition decides about one item.
func (b *backer) backPosition(name string, it *item) Position {
	q := Position{
		Topic: it.target.Topic, Partition: it.target.Partition, SourceTopic: it.source.Topic, SourceGroup: it.from, Action: None, Source: it.have,
		CopiedThrough: -1, LagBefore: -1, LagAfter: -1, TargetStart: -1, TargetEnd: -1,
	}
	if have, ok := b.target[name].Positions[it.target]; ok {
		q.Before = offsetOf(have)
	}
	switch {
	case it.unstable:
		q.refuse(ReasonNotSettled, "a transactional commit is pending on "+b.in.From.label(), "wait until the transaction has ended")
		return q
	case it.have == nil:
		q.Outcome, q.Reason = translate.Unset, ReasonNoCommit
		q.Detail = fmt.Sprintf("the group has no position on %s here; what it has on %s stays as it is", b.in.From.label(), b.in.To.label())
		return q
	}
	if ob := b.backObstacle(it); ob != nil {
		q.refuse(ob.reason, ob.detail, ob.hint)
		return q
	}
	b.wayBack(&q, it)
	if q.After == nil || q.Blocked {
		return q
	}
	if b.guard(&q, it.target); q.Blocked {
		return q
	}
	switch {
	case q.Before == nil:
		q.Action = New
	case q.Before.same(q.After):
		q.Action = Same
	default:
		q.Action = Change
	}
	return q
}

// wayBack takes over what the translation answered, with the overrides that the
// user gave.
func (b *backer) wayBack(q *Position, it *item) {
	r := b.found[it]
	if r == nil {
		q.refuse(Reason(translate.ReasonUnreadable), "no answer", "")
		return
	}
	q.Outcome, q.Reason, q.Detail, q.Hint = r.Outcome, Reason(r.Reason), r.Detail, r.Hint
	q.Unproven, q.Notes, q.Repeats, q.Lost = r.Unproven, r.Notes, r.Repeats, r.Lost
	q.TargetStart, q.TargetEnd = r.SourceBounds.Start, r.SourceBounds.End
	q.LagBefore = max(0, r.TargetBounds.End-r.U)
	if there := r.OnlyThere; there.Read.Count+there.Unread.Count+there.Unclear.Count > 0 {
		q.OnlyThere = &there
	}
	if r.Back >= 0 {
		q.After = &Offset{Offset: r.Back, LeaderEpoch: -1, Metadata: it.have.Metadata}
		q.LagAfter = max(0, r.SourceBounds.End-r.Back)
		q.Proof = turned(r)
	}
	switch {
	case r.Outcome == translate.Repeats && b.in.Accept.Repeats:
		q.accept(acceptRepeats)
	case r.Outcome == translate.Repeats:
		q.Blocked = true
	case r.Outcome == translate.Refused:
		q.Blocked = r.Reason != translate.ReasonLoss || r.Back < 0 || !q.lossAccepted(b.in.Accept)
	}
	if q.After != nil {
		b.relative(q)
	}
}

// turned is a proof with its sides changed: source of this plan is what was the
// target of the way there. Records of the target name the offset of their copy.
func turned(r *translate.BackResult) *translate.Proof {
	p := r.Proof
	p.SourceBefore, p.SourceAt, p.TargetBefore, p.TargetAt = r.Proof.TargetBefore, r.Proof.TargetAt, r.Proof.SourceBefore, r.Proof.SourceAt
	p.ReadSource, p.ReadTarget = r.Proof.ReadTarget, r.Proof.ReadSource
	for _, s := range []**translate.Seen{&p.SourceBefore, &p.SourceAt} {
		if *s != nil {
			seen := **s
			seen.SourceOffset = -1
			*s = &seen
		}
	}
	for _, m := range []struct {
		seen *translate.Seen
		text string
	}{
		{p.SourceBefore, fmt.Sprintf("the source shows no copy right before %d", r.U)},
		{p.SourceAt, fmt.Sprintf("the source shows no copy right from %d on", r.U)},
		{p.TargetBefore, fmt.Sprintf("the target shows no record right before %d", r.Back)},
		{p.TargetAt, fmt.Sprintf("the target shows no record right from %d on", r.Back)},
	} {
		if m.seen == nil {
			p.Missing = append(p.Missing, m.text)
		}
	}
	return &p
}

// leaveExtra keeps what only the group of the target has on these topics in
// sight: it stays as it is.
func (b *backer) leaveExtra(g *Group, known map[topic.Partition]bool, topics map[string]bool) {
	elsewhere := 0
	for _, p := range sortedPartitions(b.target[g.Name].Positions) {
		switch {
		case known[p]:
		case !topics[p.Topic]:
			elsewhere++
		default:
			have := b.target[g.Name].Positions[p]
			g.Positions = append(g.Positions, Position{
				Topic: p.Topic, Partition: p.Partition, Action: None, Before: offsetOf(have), Outcome: translate.Unset, Reason: ReasonExtra,
				Detail:        fmt.Sprintf("only the group on %s has a position here; it stays as it is", b.in.To.label()),
				CopiedThrough: -1, LagBefore: -1, LagAfter: -1, TargetStart: -1, TargetEnd: -1,
			})
		}
	}
	if elsewhere > 0 {
		b.find(Finding{
			Severity: Note, Reason: ReasonExtra, Group: g.Name,
			Detail: fmt.Sprintf("%d positions on other topics of %s, which the plan did not move, stay as they are", elsewhere, b.in.To.label()),
		})
	}
}

// noteState says of an application of Kafka Streams that its state stays.
func (b *backer) noteState(name string) {
	if !slices.ContainsFunc(b.forward.Findings, func(f Finding) bool { return f.Reason == ReasonStreams && f.Group == name }) {
		return
	}
	b.find(Finding{
		Severity: Warning, Reason: ReasonStreams, Group: name,
		Detail: fmt.Sprintf("an application of Kafka Streams: its own topics on %s are as it left them, and what it has computed since is on %s", b.in.To.label(), b.in.From.label()),
		Hint:   "let it build its state anew, or copy its own topics back before it starts",
	})
}

// noteOnlyThere sums up per topic which records have no place on the target.
func (b *backer) noteOnlyThere(g *Group) {
	type sum struct {
		read, unread, unclear int64
		where                 []string
	}
	sums := map[[2]string]*sum{}
	for i := range g.Positions {
		q := &g.Positions[i]
		if q.OnlyThere == nil {
			continue
		}
		k := [2]string{q.SourceTopic, q.Topic}
		if sums[k] == nil {
			sums[k] = &sum{}
		}
		s, there := sums[k], q.OnlyThere
		s.read, s.unread, s.unclear = s.read+there.Read.Count, s.unread+there.Unread.Count, s.unclear+there.Unclear.Count
		if text := spans(there.Read, there.Unread); text != "" {
			s.where = append(s.where, fmt.Sprintf("%s/%d at %s", q.SourceTopic, q.Partition, text))
		}
	}
	keys := make([][2]string, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y [2]string) int { return cmp.Or(strings.Compare(x[0], y[0]), strings.Compare(x[1], y[1])) })
	for _, k := range keys {
		s := sums[k]
		if s.read+s.unread == 0 {
			continue // said as a note of the positions
		}
		f := Finding{
			Severity: Warning, Reason: ReasonOnlyThere, Group: g.Name, Topic: k[1],
			Detail: fmt.Sprintf("%d records stand only on %s and have no place on %s, %d read and %d not (%s)",
				s.read+s.unread, b.in.From.label(), b.in.To.label(), s.read, s.unread, someOf(s.where)),
			Hint: "what was not read there will not be read here: let the group read on first, or produce them to this cluster again",
		}
		if s.unread == 0 {
			f.Severity, f.Hint = Note, ""
		}
		b.find(f)
	}
}

// spansShown and placesShown are how many ranges and partitions a finding names.
const spansShown, placesShown = 4, 4

// spans writes ranges in short.
func spans(lists ...translate.OffsetRanges) string {
	var parts []string
	more := int64(0)
	for _, l := range lists {
		more += l.More
		for _, r := range l.Ranges {
			switch {
			case len(parts) == spansShown:
				more++
			case r.First == r.Last:
				parts = append(parts, strconv.FormatInt(r.First, 10))
			default:
				parts = append(parts, fmt.Sprintf("%d-%d", r.First, r.Last))
			}
		}
	}
	text := strings.Join(parts, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more ranges", more)
	}
	return text
}

func someOf(where []string) string {
	if n := len(where) - placesShown; n > 0 {
		return strings.Join(where[:placesShown], "; ") + fmt.Sprintf("; and %d more partitions", n)
	}
	return strings.Join(where, "; ")
}
