package plan

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/topic"
)

// An application of Kafka Streams is one group, whose name is the application
// ID. The names of the topics that it makes for itself begin with that ID: the
// changelogs from which its state is rebuilt, and the repartition topics
// between its steps. So neither the group nor any of these topics can have
// another name without all of them.

// streamsApp is one application.
type streamsApp struct {
	id string
	// why it is known to be one.
	why string
	// changelogs and repartitions are topics of the source, sorted.
	changelogs, repartitions []string
	// left are repartition topics of which the selection or the route takes no
	// position along.
	left []string
	// missing are topics of both kinds, by their names on the target, that are
	// not there; empty are those that are and have no records, where the source
	// has; filled are topics of the source that have records.
	missing, empty, filled map[string]bool
	// behind are changelogs, by their names on the target, of which the copy is
	// not complete, with a word on how far it is; unseen are those of which that
	// could not be told.
	behind, unseen map[string]string
	// source are the topics as the source has them.
	source map[string]topic.Topic
}

// internal are all topics that the application makes for itself.
func (a *streamsApp) internal() []string { return slices.Concat(a.changelogs, a.repartitions) }

// streamsAssignor is what consumers of Kafka Streams join a classic group with
// (StreamsPartitionAssignor.name).
const streamsAssignor = "stream"

// streamThread is how they call themselves (ClientUtils.consumerClientId).
var streamThread = regexp.MustCompile(`-StreamThread-\d+-consumer$`)

// Names of internal topics end so (StreamsResetter.matchesInternalTopicFormat).
var repartitionName = regexp.MustCompile(`-(repartition|subscription-registration-topic|subscription-response-topic|KTABLE-FK-JOIN-SUBSCRIPTION-(REGISTRATION|RESPONSE)-\d+-topic)$`)

const changelogEnd = "-changelog"

// internalTo reports whether a topic has the name of an internal topic of an
// application, and of which kind.
func internalTo(id, name string) (changelog, repartition bool) {
	rest, ok := strings.CutPrefix(name, id)
	if !ok || !strings.HasPrefix(rest, "-") {
		return false, false
	}
	if loc := repartitionName.FindStringIndex(rest); loc != nil {
		return false, loc[0] > 0 || strings.HasPrefix(rest, "-KTABLE-FK-JOIN-")
	}
	return len(rest) > len(changelogEnd) && strings.HasSuffix(rest, changelogEnd), false
}

// streamsTime reads metadata that Kafka Streams leaves with a position: base64
// of a version, the time of the partition in milliseconds (-1: none yet), and
// in version 2 what processors add (TopicPartitionMetadata, from 2.4 on).
func streamsTime(metadata string) bool {
	const head = 9
	raw, err := base64.StdEncoding.DecodeString(metadata)
	if err != nil || len(raw) < head {
		return false
	}
	at := int64(binary.BigEndian.Uint64(raw[1:head])) //nolint:gosec // signed in Java
	const year3000 = 32_503_680_000_000
	if at < -1 || at > year3000 {
		return false
	}
	switch raw[0] {
	case 1:
		return len(raw) == head
	case 2:
		return processorMetadata(raw[head:])
	}
	return false
}

// processorMetadata knows what version 2 adds: nothing, or a count and as many
// keys, each with its length and a number (ProcessorMetadata).
func processorMetadata(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	n, ok := number(b, 4)
	for b = b[min(4, len(b)):]; ok && n > 0; n-- {
		var size int64
		if size, ok = number(b, 4); !ok || int64(len(b)) < 4+size+8 {
			return false
		}
		b = b[4+size+8:]
	}
	return ok && len(b) == 0
}

// streamsEvidence says why a group is an application of Kafka Streams, "" when
// nothing says so. An old one that is stopped shows nothing but positions on
// its own repartition topics; names alone are no evidence.
func streamsEvidence(r group.Reading) string {
	g := r.Group
	switch {
	case g.Kind == group.Streams:
		return "it uses the protocol of Kafka Streams"
	case g.Kind == group.Classic && g.Protocol == streamsAssignor:
		return "its consumers use the assignor of Kafka Streams"
	case g.Kind == group.Share:
		return ""
	}
	for _, m := range g.Members {
		if streamThread.MatchString(m.ClientID) {
			return "its consumers are threads of Kafka Streams"
		}
	}
	own := ""
	for _, p := range sortedPartitions(r.Positions) {
		if streamsTime(r.Positions[p].Metadata) {
			return "its positions have metadata of Kafka Streams"
		}
		if _, repartition := internalTo(g.Name, p.Topic); repartition {
			own = "it reads its own repartition topic " + p.Topic
		}
	}
	return own
}

// findStreams recognises applications, and finds their internal topics.
func (b *builder) findStreams(ctx context.Context) error {
	b.streams = map[string]*streamsApp{}
	for name, r := range b.source {
		if why := streamsEvidence(r); why != "" && r.Err == nil {
			b.streams[name] = &streamsApp{
				id: name, why: why, missing: map[string]bool{}, empty: map[string]bool{}, filled: map[string]bool{},
				behind: map[string]string{}, unseen: map[string]string{}, source: map[string]topic.Topic{},
			}
		}
	}
	if len(b.streams) == 0 {
		return nil
	}
	topics, err := b.in.From.Topics.Topics(ctx)
	if err != nil {
		return fmt.Errorf("reading topics of %s: %w", b.in.From.label(), err)
	}
	b.internalTopics(ctx, topics)
	return nil
}

// internalTopics gives each application its topics. A topic whose name fits two
// applications, "shop" and "shop-eu", is that of the longer name.
func (b *builder) internalTopics(ctx context.Context, topics map[string]topic.Topic) {
	names := map[string]bool{}
	for name := range b.source {
		names[name] = true
	}
	if b.in.From.List != nil {
		// A kindness: where the groups cannot be listed, those that are moved
		// have to do.
		if all, _, err := b.in.From.List.List(ctx); err == nil {
			for _, g := range all {
				names[g.Name] = true
			}
		}
	}
	longest := sortedKeys(names)
	slices.SortStableFunc(longest, func(x, y string) int { return len(y) - len(x) })
	for _, name := range sortedKeys(topics) {
		for _, id := range longest {
			changelog, repartition := internalTo(id, name)
			if !changelog && !repartition {
				continue
			}
			if app := b.streams[id]; app != nil {
				app.add(name, changelog)
				app.source[name] = topics[name]
			}
			break
		}
	}
	for id, app := range b.streams {
		for _, name := range b.source[id].Group.Internal {
			app.add(name, strings.HasSuffix(name, changelogEnd))
			app.source[name] = topics[name]
		}
		slices.Sort(app.changelogs)
		slices.Sort(app.repartitions)
	}
}

func (a *streamsApp) add(name string, changelog bool) {
	to := &a.repartitions
	if changelog {
		to = &a.changelogs
	}
	if !slices.Contains(*to, name) {
		*to = append(*to, name)
	}
}

// streamsObstacle refuses names under which the application would not find its
// own topics.
func (b *builder) streamsObstacle(g *Group) *obstacle {
	for _, s := range g.Sources {
		app := b.streams[s.Name]
		if app == nil {
			continue
		}
		switch {
		case len(b.groupNames(s.Name)) > 1:
			return &obstacle{
				ReasonStreamsRename, fmt.Sprintf("%q is an application of Kafka Streams: its positions and its state are one, and cannot go to several groups", s.Name),
				"send all topics of the group to one group",
			}
		case len(g.Sources) > 1:
			return &obstacle{
				ReasonStreamsRename, fmt.Sprintf("%q is an application of Kafka Streams, and cannot become one group with another", s.Name),
				"send it to a group of its own",
			}
		}
		if ob := b.renamedStreams(g, app); ob != nil {
			return ob
		}
	}
	return nil
}

func (b *builder) renamedStreams(g *Group, app *streamsApp) *obstacle {
	var wrong []string
	for _, name := range app.internal() {
		if rest, ok := strings.CutPrefix(name, app.id); ok && b.topicName(name) != g.Name+rest {
			wrong = append(wrong, name)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	rest := strings.TrimPrefix(wrong[0], app.id)
	detail := fmt.Sprintf("%q is an application of Kafka Streams: with application.id %s it looks for the topic %s, and the route makes %s of %s", app.id, g.Name, g.Name+rest, b.topicName(wrong[0]), wrong[0])
	if n := len(wrong) - 1; n > 0 {
		detail += fmt.Sprintf(" (and %d more)", n)
	}
	return &obstacle{ReasonStreamsRename, detail, b.streamsFlags(g, app)}
}

// streamsFlags are the mappings under which the application finds its topics,
// and such as keep other topics that begin alike where the route has them.
func (b *builder) streamsFlags(g *Group, app *streamsApp) string {
	mapping := func(from, to string) string { return "--map-topic '" + from + "=" + to + "'" }
	flags := []string{mapping(escaped(app.id)+"-*", escaped(g.Name)+"-*")}
	said := map[string]bool{}
	for _, it := range b.items[g.Name] {
		name := it.source.Topic
		changelog, repartition := internalTo(app.id, name)
		if strings.HasPrefix(name, app.id+"-") && !changelog && !repartition && !said[name] {
			said[name] = true
			flags = append(flags, mapping(escaped(name), escaped(b.topicName(name))))
		}
	}
	hint := "add " + strings.Join(flags, " ")
	if b.plan.SameCluster {
		hint = "kferry plan with this cluster on both sides, --map-group '" + escaped(app.id) + "=" + escaped(g.Name) + "' " + strings.Join(flags, " ")
	}
	if g.Name != app.id {
		return hint + ", with the topics copied to these names; or leave the group its name"
	}
	return hint
}

// escaped makes one side of a mapping of a name.
func escaped(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `=`, `\=`).Replace(name)
}
