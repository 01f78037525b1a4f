package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/translate"
)

// MirrorMaker says what MirrorMaker 2 has left on the clusters, as far as the
// user knows better than the names of topics; the zero value finds out.
type MirrorMaker struct {
	// Alias is one of the two cluster aliases of its configuration: only the
	// topics of that alias count, where there are some.
	Alias string
	// Syncs are the offset-syncs topics to use; none finds them.
	Syncs []translate.SyncTopic
}

// namer is the optional ability of a Catalogue to list all topics by name
// only, which is cheaper than to describe them.
type namer interface {
	Names(ctx context.Context) ([]string, error)
}

// topicNames lists all topics of a cluster that can be seen, sorted.
func topicNames(ctx context.Context, s *Side) ([]string, error) {
	if n, ok := s.Topics.(namer); ok {
		names, err := n.Names(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing topics of %s: %w", s.label(), err)
		}
		return names, nil
	}
	all, err := s.Topics.Topics(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing topics of %s: %w", s.label(), err)
	}
	return sortedKeys(all), nil
}

// mirror is what was found of MirrorMaker 2.
type mirror struct {
	source, target []string // all topics, sorted
	// owner is the source topic whose copy a target topic is by its name, the one
	// with the longest name, and copies is owner turned round, sorted.
	owner  map[string]string
	copies map[string][]string
	// aliases are those of the source that MirrorMaker 2's own topics on the
	// target name.
	aliases map[string]bool
	// checkpoints are its checkpoints topics on the target.
	checkpoints []string
	// renamed are source topics whose copies have its name for them; several
	// those with more than one topic that may be the copy.
	renamed map[string]string
	several map[string][]string
	// unfit says which offset-syncs topics cannot be used.
	unfit []Finding
	// found are its checkpoints of the positions, seen all those that were read.
	found map[checkpointKey]*Checkpoint
	seen  map[checkpointAt]bool
}

// findMirror looks for the topics of MirrorMaker 2 on both clusters: offset
// syncs, checkpoints, and copies with the alias of the source before their name.
func (b *builder) findMirror(ctx context.Context) error {
	if b.in.AsGiven || b.in.From == nil || !b.elsewhere() {
		return nil
	}
	b.event(Event{Stage: "listing topics"})
	m := &b.mirror
	var err error
	if m.target, err = topicNames(ctx, &b.in.To); err != nil {
		return err
	}
	m.source = m.target
	if !b.plan.SameCluster {
		if m.source, err = topicNames(ctx, b.in.From); err != nil {
			return err
		}
	}
	m.index(b.in.Route)
	b.findAliases()
	if err := b.checkAlias(); err != nil {
		return err
	}
	if err := b.findSyncs(ctx); err != nil {
		return err
	}
	if b.plan.SameCluster {
		return nil
	}
	b.nameBack()
	b.findRenamed()
	for _, its := range b.items {
		for _, it := range its {
			it.target.Topic = b.topicName(it.source.Topic)
		}
	}
	return b.collide()
}

// index finds the source topic that each target topic would be the copy of. A
// target topic to which a source topic goes by the route belongs to that one,
// and else to the one with the longest name.
func (m *mirror) index(route *position.Route) {
	known, taken := map[string]bool{}, map[string]bool{}
	for _, name := range m.source {
		known[name], taken[route.Topic(name)] = true, true
	}
	m.owner, m.copies = map[string]string{}, map[string][]string{}
	for _, t := range m.target {
		if taken[t] {
			continue
		}
		for i := 1; i < len(t); i++ {
			if strings.IndexByte("._-", t[i-1]) < 0 || !known[t[i:]] {
				continue
			}
			if _, _, ok := mover.Replicated(t, t[i:]); ok {
				m.owner[t] = t[i:]
				m.copies[t[i:]] = append(m.copies[t[i:]], t)
				break
			}
		}
	}
}

// elsewhere reports whether some position goes to another log than its own.
func (b *builder) elsewhere() bool {
	if !b.plan.SameCluster {
		return true
	}
	for _, its := range b.items {
		for _, it := range its {
			if it.source.Topic != it.target.Topic {
				return true
			}
		}
	}
	return false
}

// findAliases reads the names of MirrorMaker 2's own topics on the target.
func (b *builder) findAliases() {
	m := &b.mirror
	m.aliases = map[string]bool{}
	for _, name := range m.target {
		if alias, ok := mover.SyncTopicAlias(name); ok {
			m.aliases[alias] = true
		}
		if alias, ok := mover.CheckpointTopicAlias(name); ok {
			m.aliases[alias] = true
			m.checkpoints = append(m.checkpoints, name)
		}
		if alias, ok := mover.HeartbeatTopicAlias(name); ok && alias != "" {
			m.aliases[alias] = true
		}
	}
	if m.aliases[b.in.Mirror.Alias] {
		m.checkpoints = slices.DeleteFunc(m.checkpoints, func(name string) bool {
			alias, _ := mover.CheckpointTopicAlias(name)
			return alias != b.in.Mirror.Alias
		})
	}
}

// checkAlias refuses an alias that no topic has: it would be without effect.
func (b *builder) checkAlias() error {
	m, want := &b.mirror, b.in.Mirror.Alias
	if want == "" || m.aliases[want] {
		return nil
	}
	found := map[string]string{}
	for _, name := range m.target {
		switch alias, ok := mover.SyncTopicAlias(name); {
		case ok:
			found[alias] = name + " of " + b.in.To.label()
		default:
			if alias, ok = mover.CheckpointTopicAlias(name); ok {
				found[alias] = name + " of " + b.in.To.label()
			}
		}
	}
	for _, name := range m.source {
		if alias, ok := mover.SyncTopicAlias(name); ok {
			found[alias] = name + " of " + b.in.From.label()
		}
	}
	for _, source := range b.sourceTopicNames() {
		for _, name := range m.copies[source] {
			if alias, _, ok := mover.Replicated(name, source); ok && found[alias] == "" {
				found[alias] = name + " of " + b.in.To.label()
			}
			if hasAlias(name, source, want) {
				return nil
			}
		}
	}
	if _, ok := found[want]; ok {
		return nil
	}
	var parts []string
	for _, alias := range sortedKeys(found) {
		parts = append(parts, fmt.Sprintf("%s (%s)", alias, found[alias]))
	}
	e := &Error{
		Op: "planning", Object: "the move",
		Err:  fmt.Errorf("%w: no topic of MirrorMaker 2 has the alias %q", ErrNothing, want),
		Hint: "neither cluster shows a topic of MirrorMaker 2: plan without --mm2-alias, or grant DESCRIBE on mm2-offset-syncs.*",
	}
	if len(parts) > 0 {
		e.Hint = "aliases that were found: " + strings.Join(parts, ", ")
	}
	return e
}

// sourceTopicNames are the source topics of all positions, sorted.
func (b *builder) sourceTopicNames() []string {
	names := map[string]bool{}
	for _, its := range b.items {
		for _, it := range its {
			names[it.source.Topic] = true
		}
	}
	return sortedKeys(names)
}

// hasAlias reports whether a target topic is named as the copy of a source
// topic from the cluster of this alias.
func hasAlias(target, source, alias string) bool {
	if _, _, ok := mover.Replicated(target, source); !ok || alias == "" {
		return false
	}
	sep, ok := strings.CutPrefix(strings.TrimSuffix(target, source), alias)
	return ok && sep != "" && strings.Trim(sep, "._-") == ""
}

// nameBack gives positions of a file that carry the name of the copy the name
// of the source topic.
func (b *builder) nameBack() {
	if b.in.Given == nil {
		return
	}
	for _, name := range b.sourceTopicNames() {
		if _, there := slices.BinarySearch(b.mirror.source, name); there || b.in.Route.Maps(name) {
			continue
		}
		original := b.copyOf(name)
		if len(original) == 0 {
			continue
		}
		for _, its := range b.items {
			for _, it := range its {
				if it.source.Topic == name {
					it.source.Topic = original[0]
				}
			}
		}
	}
}

// findRenamed finds the copies of source topics that MirrorMaker 2 has named
// after the alias of the source.
func (b *builder) findRenamed() {
	m := &b.mirror
	m.renamed, m.several = map[string]string{}, map[string][]string{}
	for _, name := range b.sourceTopicNames() {
		if b.in.Route.Maps(name) {
			continue
		}
		found := b.copiesOf(name)
		if _, there := slices.BinarySearch(m.target, name); there {
			b.noteOther(name, found)
			continue
		}
		switch len(found) {
		case 0:
		case 1:
			m.renamed[name] = found[0]
		default:
			m.several[name] = found
		}
	}
	b.noteRenamed()
}

// noteRenamed says once which topics are taken for copies by their names; the
// plan's topics have all pairs.
func (b *builder) noteRenamed() {
	m := &b.mirror
	names := sortedKeys(m.renamed)
	if len(names) == 0 {
		return
	}
	first := names[0]
	f := Finding{
		Severity: Note, Reason: ReasonRenamed, Topic: m.renamed[first],
		Detail: fmt.Sprintf("%s has no topic %s; %s is named as MirrorMaker 2 names its copy, and is taken for it", b.in.To.label(), first, m.renamed[first]),
		Hint:   fmt.Sprintf("should it be another one: --map-topic %s=NAME", first),
	}
	if n := len(names) - 1; n > 0 {
		f.Topic = ""
		f.Detail += fmt.Sprintf("; likewise %d more", n)
	}
	b.find(f)
}

// copiesOf are the topics of the target that may be MirrorMaker 2's copy of a
// source topic: those of the alias that was asked for, else of aliases that it
// uses in its own topics, else of any.
func (b *builder) copiesOf(name string) []string {
	m := &b.mirror
	var all, known, asked []string
	for _, t := range m.copies[name] {
		alias, _, _ := mover.Replicated(t, name)
		all = append(all, t)
		if m.aliases[alias] || b.inUse(t, name) {
			known = append(known, t)
		}
		if hasAlias(t, name, b.in.Mirror.Alias) {
			asked = append(asked, t)
		}
	}
	switch {
	case len(asked) > 0:
		return asked
	case len(known) > 0:
		return known
	default:
		return all
	}
}

// copyOf is the source topic of which a target topic is the copy by the name
// that MirrorMaker 2 gives, none where that is not certain.
func (b *builder) copyOf(target string) []string {
	name, ok := b.mirror.owner[target]
	if _, there := slices.BinarySearch(b.mirror.target, name); !ok || there || b.in.Route.Maps(name) {
		return nil
	}
	if found := b.copiesOf(name); len(found) == 1 && found[0] == target {
		return []string{name}
	}
	return nil
}

// noteOther says of a topic that both clusters have by the same name that
// MirrorMaker 2 may have copied it elsewhere.
func (b *builder) noteOther(name string, found []string) {
	for _, t := range found {
		if b.inUse(t, name) || hasAlias(t, name, b.in.Mirror.Alias) {
			b.find(Finding{
				Severity: Note, Reason: ReasonRenamed, Topic: name,
				Detail: fmt.Sprintf("%s has a topic of that name, which is used, and also %s, which is named as MirrorMaker 2 names its copy", b.in.To.label(), t),
				Hint:   fmt.Sprintf("if that is the copy: --map-topic %s=%s", name, t),
			})
		}
	}
}

// inUse reports whether MirrorMaker 2's own topics name the alias of a copy.
func (b *builder) inUse(target, source string) bool {
	for alias := range b.mirror.aliases {
		if hasAlias(target, source, alias) {
			return true
		}
	}
	return false
}

// severalCopies is the obstacle of a topic that has more than one copy.
func (b *builder) severalCopies(it *item) *obstacle {
	found := b.mirror.several[it.source.Topic]
	if len(found) == 0 || it.target.Topic != it.source.Topic {
		return nil
	}
	alias, _, _ := mover.Replicated(found[0], it.source.Topic)
	return &obstacle{
		ReasonTopicMissing,
		fmt.Sprintf("%s has no topic %s, and %d that may be its copy: %s", b.in.To.label(), it.source.Topic, len(found), strings.Join(found, ", ")),
		fmt.Sprintf("choose one: --map-topic %s=%s, or --mm2-alias %s for all topics", it.source.Topic, found[0], alias),
	}
}
