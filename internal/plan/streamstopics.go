package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/topic"
)

// internalThere looks which internal topics the target has, which of them have
// nothing of what the source has, and which the plan takes positions of.
func (b *builder) internalThere(ctx context.Context, topics map[string]topic.Topic) error {
	names, taken := map[string]bool{}, map[[2]string]bool{}
	for _, app := range b.streams {
		for _, name := range app.internal() {
			names[b.topicName(name)] = true
		}
	}
	for _, its := range b.items {
		for _, it := range its {
			taken[[2]string{it.from, it.source.Topic}] = true
		}
	}
	there, err := topicsOf(ctx, &b.in.To, sortedKeys(names))
	if err != nil {
		return err
	}
	for _, id := range sortedKeys(b.streams) {
		app := b.streams[id]
		for _, name := range app.internal() {
			if to := b.topicName(name); gone(there[to]) {
				app.missing[to] = true
			}
		}
		for _, name := range app.repartitions {
			if !taken[[2]string{id, name}] {
				app.left = append(app.left, name)
			}
		}
		if err := b.emptyThere(ctx, app, topics, there); err != nil {
			return err
		}
		b.noteStreams(app)
	}
	return nil
}

// emptyThere finds the internal topics of which the source has records and the
// target none. That a copy is complete it does not show.
func (b *builder) emptyThere(ctx context.Context, app *streamsApp, source, target map[string]topic.Topic) error {
	for _, name := range app.internal() {
		to := b.topicName(name)
		had, err := hasRecords(ctx, b.in.From, source[name])
		if err != nil {
			return err
		}
		app.filled[name] = had
		if !had || app.missing[to] || b.plan.SameCluster && to == name {
			continue
		}
		has, err := hasRecords(ctx, &b.in.To, target[to])
		if err != nil {
			return err
		}
		app.empty[to] = !has
	}
	return nil
}

// hasRecords reports whether some partition of a topic has records; one that
// cannot be read is taken to have some on either side.
func hasRecords(ctx context.Context, s *Side, t topic.Topic) (bool, error) {
	if t.Err != nil || len(t.Partitions) == 0 || s.Log == nil {
		return t.Err != nil && !gone(t), nil
	}
	ps := make([]topic.Partition, 0, len(t.Partitions))
	for _, n := range t.Partitions {
		ps = append(ps, topic.Partition{Topic: t.Name, Partition: n})
	}
	bounds, err := s.Log.Bounds(ctx, ps)
	if err != nil {
		return false, fmt.Errorf("reading offsets of %s: %w", s.label(), err)
	}
	return slices.ContainsFunc(ps, func(p topic.Partition) bool { return bounds[p].Err != nil || bounds[p].Start < bounds[p].End }), nil
}

// noteStreams says what an application needs besides its positions.
func (b *builder) noteStreams(app *streamsApp) {
	as := strings.Join(b.groupNames(app.id), ", ")
	b.find(Finding{
		Severity: Note, Reason: ReasonStreams, Group: app.id,
		Detail: fmt.Sprintf("an application of Kafka Streams (%s), whose application.id is the group's name. The metadata of its positions, where it keeps the time of each partition, goes along byte for byte", app.why),
		Hint:   fmt.Sprintf("start it on the target with application.id %s and an empty state.dir: what is in the old one counts in offsets of the source's changelogs", as),
	})
	b.noteInternal(app, app.changelogs, "changelog", "the application rebuilds its state from there, so the copy must be complete before it starts",
		"the application would begin with an empty state")
	b.noteInternal(app, app.repartitions, "repartition", "records on their way between two steps of the application, and positions there are moved like the others",
		"records on their way between two steps of the application would be missing")
	b.noteLeft(app)
}

// noteInternal names the internal topics of one kind, by their names on the
// target, and which of them are not there or have nothing.
func (b *builder) noteInternal(app *streamsApp, topics []string, kind, use, without string) {
	var have, lack, empty []string
	for _, name := range topics {
		switch to := b.topicName(name); {
		case app.missing[to]:
			lack = append(lack, to)
		case app.empty[to]:
			empty = append(empty, to)
		default:
			have = append(have, to)
		}
	}
	for _, x := range []struct {
		names    []string
		severity Severity
		text     string
		hint     string
	}{
		{have, Note, "on the target: " + use, ""},
		{lack, Warning, "not on the target: " + without, "copy what is missing with the other topics, before the application starts there"},
		{empty, Warning, "empty on the target, and not on the source: " + without, "wait until the mover has copied everything, before the application starts there"},
	} {
		if n := len(x.names); n > 0 {
			b.find(Finding{
				Severity: x.severity, Reason: ReasonStreams, Group: app.id, Hint: x.hint,
				Detail: fmt.Sprintf("its %s %s %s %s %s", kind, plural(n, "topic", "topics"), listed(x.names), plural(n, "is", "are"), x.text),
			})
		}
	}
}

// noteLeft names repartition topics of which no position is taken along, because
// the group has none or because it is left behind.
func (b *builder) noteLeft(app *streamsApp) {
	never, behind := []string{}, []string{}
	for _, name := range app.left {
		switch committed := slices.ContainsFunc(sortedPartitions(b.source[app.id].Positions), func(p topic.Partition) bool { return p.Topic == name }); {
		case committed:
			behind = append(behind, name)
		case app.filled[name]:
			never = append(never, name)
		}
	}
	if n := len(behind); n > 0 {
		b.find(Finding{
			Severity: Warning, Reason: ReasonStreams, Group: app.id,
			Detail: fmt.Sprintf("its positions on its own %s %s are left behind: records on their way between two steps would be skipped or read again", plural(n, "topic", "topics"), listed(behind)),
			Hint:   "let the selection and the route take all topics of the group along",
		})
	}
	if n := len(never); n > 0 {
		b.find(Finding{
			Severity: Warning, Reason: ReasonStreams, Group: app.id,
			Detail: fmt.Sprintf("it has no position on its own %s %s, which %s records: on the target its auto.offset.reset decides whether they are read", plural(n, "topic", "topics"), listed(never), plural(n, "has", "have")),
			Hint:   "let the application run on the source until it has committed there, and plan again",
		})
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
