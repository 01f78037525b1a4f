package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// readTopics reads the topics of both sides that the items name, and adds the
// partitions on which a source group never committed.
func (b *builder) readTopics(ctx context.Context) error {
	b.event(Event{Stage: "reading topics"})
	sources, targets := map[string]bool{}, map[string]bool{}
	for _, its := range b.items {
		for _, it := range its {
			sources[it.source.Topic] = true
			targets[it.target.Topic] = true
		}
	}
	var err error
	if b.in.From != nil {
		if b.sourceTopics, err = topicsOf(ctx, b.in.From, sortedKeys(sources)); err != nil {
			return err
		}
		b.leaveDeleted()
	}
	if b.targetTopics, err = topicsOf(ctx, &b.in.To, sortedKeys(targets)); err != nil {
		return err
	}
	if b.in.Given == nil {
		b.addUnset()
	}
	return nil
}

// topicsOf reads named topics; what the answer leaves out is unknown.
func topicsOf(ctx context.Context, s *Side, names []string) (map[string]topic.Topic, error) {
	out := map[string]topic.Topic{}
	if len(names) == 0 {
		return out, nil
	}
	got, err := s.Topics.Topics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("reading topics of %s: %w", s.label(), err)
	}
	for _, name := range names {
		t, ok := got[name]
		if !ok {
			t = topic.Topic{Name: name, Err: kerr.UnknownTopicOrPartition}
		}
		out[name] = t
	}
	return out, nil
}

// gone reports whether a topic does not exist, as opposed to cannot be read.
func gone(t topic.Topic) bool {
	return errors.Is(t.Err, kerr.UnknownTopicOrPartition) || errors.Is(t.Err, kerr.UnknownTopicID)
}

// PartitionGone reports whether a partition is not there, by what a Catalogue
// has answered about its topic, as opposed to that it cannot be read.
func PartitionGone(topics map[string]topic.Topic, p topic.Partition) bool {
	t, ok := topics[p.Topic]
	return !ok || gone(t) || t.Err == nil && !slices.Contains(t.Partitions, p.Partition)
}

// leaveDeleted takes out positions of topics that the source no longer has:
// nobody can read there any more.
func (b *builder) leaveDeleted() {
	for _, name := range sortedKeys(b.items) {
		left := map[[2]string][]int32{}
		b.items[name] = slices.DeleteFunc(b.items[name], func(it *item) bool {
			if !gone(b.sourceTopics[it.source.Topic]) || b.in.Given != nil {
				return false
			}
			k := [2]string{it.from, it.source.Topic}
			left[k] = append(left[k], it.source.Partition)
			return true
		})
		for k, partitions := range left {
			slices.Sort(partitions)
			b.plan.LeftBehind = append(b.plan.LeftBehind, LeftBehind{
				Group: k[0], Topic: k[1], Partitions: partitions, Reason: ReasonTopicDeleted,
				Detail: "the source has no such topic any more",
			})
		}
	}
}

// addUnset adds an item for every selected partition of a topic of a group on
// which the group has no commit.
func (b *builder) addUnset() {
	type place struct{ from, topic string }
	for _, name := range sortedKeys(b.items) {
		topics, have := map[place]bool{}, map[topic.Partition]bool{}
		for _, it := range b.items[name] {
			topics[place{it.from, it.source.Topic}] = true
			have[it.target] = true
		}
		for p := range topics {
			for _, n := range b.sourceTopics[p.topic].Partitions {
				source := topic.Partition{Topic: p.topic, Partition: n}
				target := topic.Partition{Topic: b.topicName(p.topic), Partition: n}
				if have[target] || !b.in.Selection.Partition(source) {
					continue
				}
				have[target] = true
				b.items[name] = append(b.items[name], &item{from: p.from, source: source, target: target})
			}
		}
		slices.SortFunc(b.items[name], func(x, y *item) int { return topic.Compare(x.target, y.target) })
	}
}

// readTarget reads the groups of the target and adds what only they have.
func (b *builder) readTarget(ctx context.Context) error {
	b.target = map[string]group.Reading{}
	names := sortedKeys(b.items)
	if b.in.TranslateOnly || len(names) == 0 {
		return nil
	}
	b.event(Event{Stage: "reading groups of the target", Total: len(names)})
	readings, err := b.in.To.Read.Read(ctx, names)
	if err != nil {
		return fmt.Errorf("reading groups of %s: %w", b.in.To.label(), err)
	}
	for _, name := range names {
		r, ok := readings[name]
		if !ok {
			r = absent(name)
		}
		if r.At.IsZero() {
			r.At = b.in.Now()
		}
		b.target[name] = r
		b.incomplete(&b.in.To, r.Complete)
	}
	if b.in.Given != nil {
		return nil
	}
	return b.addExtra(ctx)
}

func absent(name string) group.Reading {
	return group.Reading{Group: group.Group{Name: name, Kind: group.Unknown, State: group.Absent, Coordinator: -1}}
}

// addExtra adds the positions that a target group has on routed topics and its
// source group has not: an application would resume there.
func (b *builder) addExtra(ctx context.Context) error {
	var all map[string][]string // target topic: source topics that become it
	for _, name := range sortedKeys(b.items) {
		known := map[topic.Partition]bool{}
		for _, it := range b.items[name] {
			known[it.target] = true
		}
		for _, p := range sortedPartitions(b.target[name].Positions) {
			if known[p] {
				continue
			}
			if all == nil {
				var err error
				if all, err = b.routed(ctx); err != nil {
					return err
				}
			}
			if len(all[p.Topic]) == 0 {
				all[p.Topic] = b.copyOf(p.Topic)
			}
			if it := b.extraItem(name, p, all[p.Topic]); it != nil {
				b.items[name] = append(b.items[name], it)
			}
		}
		slices.SortFunc(b.items[name], func(x, y *item) int { return topic.Compare(x.target, y.target) })
	}
	return b.moreTargets(ctx)
}

// extraItem is the deletion of one position, nil when it is out of the route.
func (b *builder) extraItem(name string, p topic.Partition, sources []string) *item {
	for _, from := range b.shares {
		if from.to != name {
			continue
		}
		for _, source := range sources {
			q := topic.Partition{Topic: source, Partition: p.Partition}
			if to, ok := b.groupFor(from.from, source); ok && to == name && b.in.Selection.Partition(q) {
				return &item{from: from.from, source: q, target: p, extra: true}
			}
		}
	}
	return nil
}

// routed lists for every target topic the source topics that become it.
func (b *builder) routed(ctx context.Context) (map[string][]string, error) {
	topics, err := b.in.From.Topics.Topics(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading topics of %s: %w", b.in.From.label(), err)
	}
	out := map[string][]string{}
	for _, name := range sortedKeys(topics) {
		to := b.topicName(name)
		out[to] = append(out[to], name)
	}
	return out, nil
}

// moreTargets reads the topics that only extra positions name.
func (b *builder) moreTargets(ctx context.Context) error {
	missing := map[string]bool{}
	for _, its := range b.items {
		for _, it := range its {
			if _, ok := b.targetTopics[it.target.Topic]; !ok {
				missing[it.target.Topic] = true
			}
		}
	}
	more, err := topicsOf(ctx, &b.in.To, sortedKeys(missing))
	if err != nil {
		return err
	}
	maps.Copy(b.targetTopics, more)
	return nil
}

// lookAhead reads what is judged by the target's log: which records retention
// spares, and the bounds where no translation reads them; and all topic names
// when one is missing, to name near ones.
func (b *builder) lookAhead(ctx context.Context) error {
	ask, times := map[topic.Partition]bool{}, map[topic.Partition]int64{}
	missing := false
	for _, its := range b.items {
		for _, it := range its {
			t := b.targetTopics[it.target.Topic]
			missing = missing || gone(t)
			if it.have == nil || t.Err != nil || !slices.Contains(t.Partitions, it.target.Partition) {
				continue
			}
			if b.in.AsGiven {
				ask[it.target] = true
			}
			if c := t.Config; c.Known && c.Retention >= 0 && !c.Compacted {
				times[it.target] = b.now.Add(-c.Retention).UnixMilli()
			}
		}
	}
	if err := b.readLog(ctx, ask, times); err != nil || !missing {
		return err
	}
	all, err := b.in.To.Topics.Topics(ctx)
	if err != nil {
		return fmt.Errorf("reading topics of %s: %w", b.in.To.label(), err)
	}
	for name, t := range all {
		if _, ok := b.targetTopics[name]; !ok {
			b.targetTopics[name] = t
		}
	}
	return nil
}

// readLog reads bounds, and what retention spares.
func (b *builder) readLog(ctx context.Context, ask map[topic.Partition]bool, times map[topic.Partition]int64) (err error) {
	if len(ask) > 0 {
		if b.bounds, err = b.in.To.Log.Bounds(ctx, sortedPartitions(ask)); err != nil {
			return fmt.Errorf("reading offsets of %s: %w", b.in.To.label(), err)
		}
	}
	if len(times) > 0 {
		if b.fresh, err = b.in.To.Log.Since(ctx, times); err != nil {
			return fmt.Errorf("reading offsets by time of %s: %w", b.in.To.label(), err)
		}
	}
	return nil
}

// translate asks for all positions at once, each partition once.
func (b *builder) translate(ctx context.Context) error {
	if b.in.AsGiven {
		return nil
	}
	type pair struct{ source, target topic.Partition }
	index := map[pair]int{}
	var requests []translate.Request
	var waiting [][]*item
	for _, name := range sortedKeys(b.items) {
		for _, it := range b.items[name] {
			if it.have == nil || b.obstacle(it) != nil {
				continue
			}
			k := pair{it.source, it.target}
			n, ok := index[k]
			if !ok {
				n = len(requests)
				index[k] = n
				requests = append(requests, translate.Request{
					Source: it.source, Target: it.target, SourceTopic: b.sourceTopics[it.source.Topic],
					TargetTopic: b.targetTopics[it.target.Topic], SameLog: b.plan.SameCluster && it.source == it.target,
				})
				waiting = append(waiting, nil)
			}
			requests[n].Offsets = append(requests[n].Offsets, it.have.Offset)
			requests[n].Epochs = append(requests[n].Epochs, it.have.LeaderEpoch)
			waiting[n] = append(waiting[n], it)
		}
	}
	if len(requests) == 0 {
		return nil
	}
	opts := b.in.Translate
	if opts.Progress == nil && b.in.Progress != nil {
		opts.Progress = func(done, total int) { b.event(Event{Stage: "translating", Done: done, Total: total}) }
	}
	var source translate.Log
	if b.in.From != nil {
		source = b.in.From.Log
	}
	results, err := translate.Translate(ctx, source, b.in.To.Log, requests, &opts)
	if err != nil {
		return fmt.Errorf("translating: %w", err)
	}
	for n, its := range waiting {
		for i, it := range its {
			it.result = &results[n][i]
		}
	}
	return nil
}
