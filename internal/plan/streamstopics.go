package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// readStreams looks which internal topics the target has, which of them have
// nothing of what the source has, whether the copies of changelogs are complete,
// and which topics the plan takes positions of; and says so.
func (b *builder) readStreams(ctx context.Context) error {
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
		for _, name := range app.repartitions {
			if !taken[[2]string{id, name}] {
				app.left = append(app.left, name)
			}
		}
		if err := b.internalThere(ctx, app, there); err != nil {
			return err
		}
		b.noteStreams(app)
	}
	return nil
}

// internalThere compares the internal topics of both sides.
func (b *builder) internalThere(ctx context.Context, app *streamsApp, there map[string]topic.Topic) error {
	for _, name := range app.internal() {
		to := b.topicName(name)
		app.missing[to] = gone(there[to])
		ends, had, err := boundsOf(ctx, b.in.From, app.source[name])
		if err != nil {
			return err
		}
		app.filled[name] = had
		if !had || app.missing[to] || b.plan.SameCluster && to == name {
			continue
		}
		_, has, err := boundsOf(ctx, &b.in.To, there[to])
		if err != nil {
			return err
		}
		app.empty[to] = !has
		if has && slices.Contains(app.changelogs, name) {
			if err := b.changelogThere(ctx, app, app.source[name], there[to], ends); err != nil {
				return err
			}
		}
	}
	return nil
}

// changelogThere finds out whether everything that the source has in a changelog
// is on the target: that is so when a position at its end can be translated.
func (b *builder) changelogThere(ctx context.Context, app *streamsApp, from, to topic.Topic, ends map[topic.Partition]topic.Bounds) error {
	if len(from.Partitions) != len(to.Partitions) {
		app.behind[to.Name] = fmt.Sprintf("it has %s there and %d on the source", partitions(len(to.Partitions)), len(from.Partitions))
		return nil
	}
	var requests []translate.Request
	for _, p := range sortedPartitions(ends) {
		if ends[p].Err == nil && ends[p].Start < ends[p].End {
			requests = append(requests, translate.Request{
				Source: p, Target: topic.Partition{Topic: to.Name, Partition: p.Partition}, SourceTopic: from, TargetTopic: to, Offsets: []int64{ends[p].End},
			})
		}
	}
	if len(requests) == 0 {
		return nil
	}
	opts := b.in.Translate
	opts.Quick, opts.Progress = true, nil // nothing comes after the end
	results, err := translate.Translate(ctx, b.in.From.Log, b.in.To.Log, requests, &opts)
	if err != nil {
		return fmt.Errorf("translating: %w", err)
	}
	for n := range results {
		switch r := &results[n][0]; r.Outcome {
		case translate.Hold:
			app.behind[to.Name] = r.Detail
			return nil
		case translate.Exact, translate.ExactUnproven, translate.AtEnd, translate.Repeats:
		case translate.Refused, translate.Unset:
			app.unseen[to.Name] = r.Detail
		}
	}
	return nil
}

// boundsOf reads the bounds of a topic, and whether some partition has records;
// one that cannot be read is taken to have some.
func boundsOf(ctx context.Context, s *Side, t topic.Topic) (bounds map[topic.Partition]topic.Bounds, filled bool, err error) {
	if t.Err != nil || len(t.Partitions) == 0 || s.Log == nil {
		return nil, t.Err != nil && !gone(t), nil
	}
	ps := make([]topic.Partition, 0, len(t.Partitions))
	for _, n := range t.Partitions {
		ps = append(ps, topic.Partition{Topic: t.Name, Partition: n})
	}
	if bounds, err = s.Log.Bounds(ctx, ps); err != nil {
		return nil, false, fmt.Errorf("reading offsets of %s: %w", s.label(), err)
	}
	filled = slices.ContainsFunc(ps, func(p topic.Partition) bool { return bounds[p].Err != nil || bounds[p].Start < bounds[p].End })
	return bounds, filled, nil
}

// noteStreams says what an application needs besides its positions.
func (b *builder) noteStreams(app *streamsApp) {
	as := strings.Join(b.groupNames(app.id), ", ")
	b.find(Finding{
		Severity: Note, Reason: ReasonStreams, Group: app.id,
		Detail: fmt.Sprintf("an application of Kafka Streams (%s), whose application.id is the group's name. The metadata of its positions, where it keeps the time of each partition, goes along byte for byte", app.why),
		Hint:   fmt.Sprintf("start it on the target with application.id %s and an empty state.dir: what is in the old one counts in offsets of the source's changelogs", as),
	})
	b.noteInternal(app, app.changelogs, "changelog", "the application rebuilds its state from there, and everything that the source has by now is copied",
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
		case app.behind[to] != "":
			b.find(Finding{
				Severity: Warning, Reason: ReasonStreams, Group: app.id, Topic: to,
				Detail: "the copy of this changelog is not complete, and the application would begin with an old state: " + app.behind[to],
				Hint:   "wait until the mover has copied everything, before the application starts there",
			})
		case app.unseen[to] != "":
			b.find(Finding{
				Severity: Warning, Reason: ReasonStreams, Group: app.id, Topic: to,
				Detail: "whether the copy of this changelog is complete could not be seen: " + app.unseen[to],
				Hint:   "make sure that it is, before the application starts there: it would begin with an old state",
			})
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
