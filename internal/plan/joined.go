package plan

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Feed is one source partition of which records are on a target partition, with
// the position of the group on it. Topics whose partitions do not correspond one
// to one have any number of them.
type Feed struct {
	Partition int32 `json:"partition"`
	// Source is S there; nil where the group has none.
	Source *Offset `json:"source"`
	// Alone is where the position would be if only this source partition
	// counted; -1 where that was not found out.
	Alone int64 `json:"alone"`
	// CopiedThrough is the source offset below which the copy is complete, all
	// target partitions together; -1 unknown.
	CopiedThrough int64 `json:"copied_through"`
	// Over are the target partitions that have records of it.
	Over []int32 `json:"over"`
}

// pairNames are the names of a pair of topics.
type pairNames struct{ source, target string }

func pairOf(it *item) pairNames { return pairNames{it.source.Topic, it.target.Topic} }

// joinUneven translates the pairs of topics with other numbers of partitions on
// both sides.
func (b *builder) joinUneven(ctx context.Context) error {
	return b.joinWhere(ctx, func(it *item) bool {
		from, to := b.sourceTopics[it.source.Topic], b.targetTopics[it.target.Topic]
		return from.Err == nil && to.Err == nil && len(to.Partitions) > 0 && len(from.Partitions) != len(to.Partitions)
	})
}

// joinForeign translates the pairs of topics again in which a record turned out
// to be a copy from another partition than its own.
func (b *builder) joinForeign(ctx context.Context) error {
	return b.joinWhere(ctx, func(it *item) bool {
		return it.result != nil && it.result.Reason == translate.ReasonSourcePartitions
	})
}

func (b *builder) joinWhere(ctx context.Context, where func(*item) bool) error {
	if b.in.AsGiven || b.in.From == nil || b.in.From.Log == nil {
		return nil
	}
	found := map[pairNames]bool{}
	for _, its := range b.items {
		for _, it := range its {
			if it.have != nil && !it.extra && !it.joined && where(it) {
				found[pairOf(it)] = true
			}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(found), func(x, y pairNames) int {
		return slices.Compare([]string{x.source, x.target}, []string{y.source, y.target})
	}) {
		if err := b.join(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// joining is one target group on one pair of topics.
type joining struct {
	name     string // target group
	from     string // source group
	have     map[int32]*Offset
	unstable bool
}

// join translates one pair of topics for all groups, and puts an item per target
// partition in the place of those per source partition. Where records do not say
// their source partition the items stay, and why is kept.
func (b *builder) join(ctx context.Context, k pairNames) error {
	groups := b.joining(k)
	req := &translate.JoinRequest{SourceTopic: b.sourceTopics[k.source], TargetTopic: b.targetTopics[k.target]}
	for _, g := range groups {
		at := map[int32]translate.At{}
		for p, o := range g.have {
			at[p] = translate.At{Offset: o.Offset, Epoch: o.LeaderEpoch}
		}
		req.Positions = append(req.Positions, at)
	}
	opts := b.in.Translate
	if opts.Progress == nil && b.in.Progress != nil {
		opts.Progress = func(done, total int) {
			b.event(Event{Stage: "reading topic " + k.target, Done: done, Total: total})
		}
	}
	answers, err := translate.Join(ctx, b.in.From.Log, b.in.To.Log, req, &opts)
	if err != nil {
		return fmt.Errorf("translating: %w", err)
	}
	if why := cannotJoin(answers); why != nil && len(req.SourceTopic.Partitions) != len(req.TargetTopic.Partitions) {
		b.apart[k] = *why
		return nil
	}
	for i, g := range groups {
		b.replace(k, g, answers[i])
	}
	return b.freshen(ctx, k.target)
}

// joining collects the positions of every group on a pair of topics.
func (b *builder) joining(k pairNames) []*joining {
	var out []*joining
	for _, name := range sortedKeys(b.items) {
		var g *joining
		for _, it := range b.items[name] {
			if pairOf(it) != k || it.extra {
				continue
			}
			if g == nil {
				g = &joining{name: name, from: it.from, have: map[int32]*Offset{}}
			}
			g.unstable = g.unstable || it.unstable
			if it.have != nil {
				g.have[it.source.Partition] = it.have
			}
		}
		if g != nil && (len(g.have) > 0 || g.unstable) {
			out = append(out, g)
		}
	}
	return out
}

// cannotJoin is the refusal that all answers have in common because the records
// do not say of which source partition they are; nil when there is none.
func cannotJoin(answers []map[int32]*translate.Result) *obstacle {
	for _, byPartition := range answers {
		for _, r := range byPartition {
			if r.Reason != translate.ReasonNoSourcePartition && r.Reason != translate.ReasonNoEvidence {
				return nil
			}
			return &obstacle{ReasonPartitionCount, r.Detail, r.Hint}
		}
	}
	return nil
}

// replace puts the answers for one group in the place of its items.
func (b *builder) replace(k pairNames, g *joining, answers map[int32]*translate.Result) {
	its := slices.DeleteFunc(b.items[g.name], func(it *item) bool {
		_, answered := answers[it.target.Partition]
		return pairOf(it) == k || it.extra && it.target.Topic == k.target && answered
	})
	for q, r := range answers {
		it := &item{
			from: g.from, source: topic.Partition{Topic: k.source, Partition: -1}, target: topic.Partition{Topic: k.target, Partition: q},
			unstable: g.unstable, joined: true, result: r,
		}
		for _, f := range r.Feeds {
			it.feeds = append(it.feeds, Feed{Partition: f.Partition, Source: g.have[f.Partition], Alone: f.T, CopiedThrough: f.CopiedThrough, Over: f.Over})
		}
		its = append(its, it)
	}
	slices.SortFunc(its, func(x, y *item) int { return topic.Compare(x.target, y.target) })
	b.items[g.name] = its
}

// freshen reads which records retention spares on partitions that were not
// looked at before.
func (b *builder) freshen(ctx context.Context, name string) error {
	t, times := b.targetTopics[name], map[topic.Partition]int64{}
	if c := t.Config; !c.Known || c.Retention < 0 || c.Compacted {
		return nil
	}
	for _, q := range t.Partitions {
		p := topic.Partition{Topic: name, Partition: q}
		if _, ok := b.fresh[p]; !ok {
			times[p] = b.now.Add(-t.Config.Retention).UnixMilli()
		}
	}
	before := b.fresh
	if err := b.readLog(ctx, nil, times); err != nil {
		return err
	}
	if b.fresh == nil {
		b.fresh = map[topic.Partition]topic.Stamp{}
	}
	for p, s := range before {
		if _, ok := b.fresh[p]; !ok {
			b.fresh[p] = s
		}
	}
	return nil
}

// joinedPosition takes over the answer for a target partition that several
// source partitions feed, or one of several that share one.
func (b *builder) joinedPosition(q *Position, it *item) {
	q.Joined, q.FedBy = true, it.feeds
	if it.unstable {
		q.refuse(ReasonNotSettled, "a transactional commit is pending on the source", "wait until the transaction has ended")
		return
	}
	if app := b.streams[it.from]; app != nil && len(app.changelogs) > 0 {
		q.refuse(ReasonPartitionCount,
			fmt.Sprintf("%q is an application of Kafka Streams: its state is kept by partition (%s), and records of %s are in other partitions of %s than there", it.from, app.changelogs[0], it.source.Topic, it.target.Topic),
			"copy the topic one to one; or leave its positions out with --exclude-topic, and let the application begin anew")
		return
	}
	metadata, done, note := oneMetadata(it.feeds)
	with := *it
	with.have = &Offset{Metadata: metadata}
	b.translated(q, &with)
	if note != "" && q.After != nil {
		q.Notes = append(q.Notes, note)
	}
	if done == 0 || q.After == nil {
		return
	}
	q.Repeats += done
	if q.Blocked {
		return
	}
	if q.Outcome != translate.Repeats {
		q.Outcome, q.Reason, q.Detail = translate.Repeats, ReasonRelativeMetadata, note
	}
	if b.in.Accept.Repeats {
		if !slices.Contains(q.Accepted, acceptRepeats) {
			q.accept(acceptRepeats)
		}
		return
	}
	q.Blocked, q.Hint = true, "--accept-repeats lets it through"
}

// oneMetadata is the metadata for a position that comes of several: theirs when
// it is the same everywhere. What a parallel consumer notes is about one of
// them; done counts the records that it called done and that are read again.
func oneMetadata(feeds []Feed) (metadata string, done int64, note string) {
	same, first, relative := true, true, false
	for _, f := range feeds {
		if f.Source == nil || len(f.Over) == 0 {
			continue
		}
		if _, n, ok := doneAhead(f.Source.Metadata); ok {
			relative, done = true, done+n
		}
		same = same && (first || f.Source.Metadata == metadata)
		metadata, first = f.Source.Metadata, false
	}
	switch {
	case relative && done > 0:
		return "", done, fmt.Sprintf("%d records that a parallel consumer notes as done in the metadata will be read again: what it notes is about one source partition", done)
	case relative:
		return "", 0, "the metadata of a parallel consumer was dropped; it called no record done"
	case !same:
		return "", 0, "the metadata of the positions on the source partitions differs and was dropped"
	}
	return metadata, 0, ""
}

// isFrom reports whether something of the source stands behind the position.
func (q *Position) isFrom() bool { return q.Source != nil || q.Joined }

// origin is one source partition with the position there.
type origin struct {
	partition topic.Partition
	at        *Offset // nil for none
}

// origins are what the position comes of: one source partition, or all that
// feed the target's; none where there is no source.
func (q *Position) origins() []origin {
	if p, ok := q.SourcePartition(); ok {
		return []origin{{p, q.Source}}
	}
	var out []origin
	for _, f := range q.FedBy {
		out = append(out, origin{topic.Partition{Topic: q.SourceTopic, Partition: f.Partition}, f.Source})
	}
	return out
}
