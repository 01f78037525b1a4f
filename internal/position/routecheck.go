package position

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/topic"
)

// RouteProblemKind tells the problems of a route apart.
type RouteProblemKind string

// The kinds of problem that a route can have with the names that exist.
const (
	// TopicCollision: two source topics have one target name.
	TopicCollision RouteProblemKind = "topic-collision"
	// GroupCollision: positions of two source groups have one target.
	GroupCollision RouteProblemKind = "group-collision"
	// Forgotten: the group is divided by topic, and no rule has this topic.
	Forgotten RouteProblemKind = "forgotten"
	// Doubled: several rules have this topic, or it is left behind as well.
	Doubled RouteProblemKind = "doubled"
	// BadName: the target name cannot be one.
	BadName RouteProblemKind = "bad-name"
)

// RouteProblem is one thing that is wrong with a route, given what exists on
// the source.
type RouteProblem struct {
	Kind RouteProblemKind
	// Sources are the two names that collide, or the one that is concerned.
	Sources []string
	// Topic is the source topic of Forgotten and Doubled.
	Topic string
	// Targets are the target names that are concerned.
	Targets []string
	// Partitions are target partitions that a GroupCollision is about; the
	// message names the first.
	Partitions []topic.Partition
}

// String returns the problem in words.
func (p RouteProblem) String() string {
	switch p.Kind {
	case TopicCollision:
		return fmt.Sprintf("topics %s would both be %q on the target", quotedList(p.Sources), p.Targets[0])
	case GroupCollision:
		return fmt.Sprintf("groups %s would both be %q on the target, and both have a position on %s", quotedList(p.Sources), p.Targets[0], p.Partitions[0])
	case Forgotten:
		return fmt.Sprintf("topic %q of group %q goes to no group: give it to one, or list it under leave", p.Topic, p.Sources[0])
	case Doubled:
		return fmt.Sprintf("topic %q of group %q goes to more than one place: %s", p.Topic, p.Sources[0], strings.Join(p.Targets, ", "))
	case BadName:
		return fmt.Sprintf("%q would be %q on the target, which cannot be a name", p.Sources[0], p.Targets[0])
	}
	return string(p.Kind)
}

// RouteError has everything that is wrong with a route, given what exists.
type RouteError struct{ Problems []RouteProblem }

// Error implements error: one line for each problem.
func (e *RouteError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func asError(ps []RouteProblem) error {
	if len(ps) == 0 {
		return nil
	}
	return &RouteError{Problems: ps}
}

// CheckTopics reports source topics that would have one name on the target,
// and names that no topic can have, in a *RouteError.
func (r *Route) CheckTopics(sources []string) error { return asError(r.topicProblems(sources)) }

func (r *Route) topicProblems(sources []string) []RouteProblem {
	var ps []RouteProblem
	first := make(map[string]string)
	for _, source := range unique(sources) {
		target := r.Topic(source)
		if target != source && !topicNameOK(target) {
			ps = append(ps, RouteProblem{Kind: BadName, Sources: []string{source}, Targets: []string{target}})
			continue
		}
		if have, dup := first[target]; dup {
			ps = append(ps, RouteProblem{Kind: TopicCollision, Sources: []string{have, source}, Targets: []string{target}})
			continue
		}
		first[target] = source
	}
	return ps
}

// Check reports everything that is wrong with sending these source positions
// along the route, in a *RouteError: what CheckTopics reports, topics of a
// divided group that no rule or more than one has, and positions of two groups
// that would become one. Two groups may become one group where no target
// partition would get a position from both.
func (r *Route) Check(keys []Key) error {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, CompareKeys)
	keys = slices.Compact(keys)

	var topics []string
	groups := make(map[string][]Key)
	for _, k := range keys {
		if !r.Leaves(k.Partition.Topic) {
			topics = append(topics, k.Partition.Topic)
		}
		groups[k.Group] = append(groups[k.Group], k)
	}
	ps := r.topicProblems(topics)
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		ps = append(ps, r.groupProblems(group, groups[group])...)
	}
	return asError(append(ps, r.groupCollisions(keys)...))
}

// groupProblems judges the topics of one group.
func (r *Route) groupProblems(group string, keys []Key) []RouteProblem {
	var ps []RouteProblem
	if targets := r.Targets(group); slices.Contains(targets, "") {
		ps = append(ps, RouteProblem{Kind: BadName, Sources: []string{group}, Targets: []string{""}})
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Partition.Topic)
	}
	for _, name := range unique(names) {
		targets := r.groupsFor(group, name)
		places := make([]string, 0, len(targets)+1)
		for _, t := range targets {
			places = append(places, fmt.Sprintf("group %q", t))
		}
		// A rule without topics and a leave do not contradict each other: all
		// but what is left behind.
		if r.Leaves(name) && r.limited(group) {
			places = append(places, "left behind")
		}
		switch {
		case len(places) == 0:
			ps = append(ps, RouteProblem{Kind: Forgotten, Sources: []string{group}, Topic: name})
		case len(places) > 1:
			ps = append(ps, RouteProblem{Kind: Doubled, Sources: []string{group}, Topic: name, Targets: places})
		}
	}
	return ps
}

// groupCollisions finds target partitions that two groups would write. Keys
// are sorted.
func (r *Route) groupCollisions(keys []Key) []RouteProblem {
	type pair struct{ a, b, target string }
	var order []pair
	found := make(map[pair][]topic.Partition)
	first := make(map[Key]string)
	for _, k := range keys {
		target, ok := r.Partition(k)
		if !ok {
			continue
		}
		have, taken := first[target]
		if !taken {
			first[target] = k.Group
			continue
		}
		if have == k.Group {
			continue // two topics of one group: the topics collide, said there
		}
		p := pair{have, k.Group, target.Group}
		if found[p] == nil {
			order = append(order, p)
		}
		found[p] = append(found[p], target.Partition)
	}
	var ps []RouteProblem
	for _, p := range order {
		ps = append(ps, RouteProblem{
			Kind: GroupCollision, Sources: []string{p.a, p.b},
			Targets: []string{p.target}, Partitions: found[p],
		})
	}
	return ps
}

// topicNameOK reports whether Kafka takes a topic of this name
// (org.apache.kafka.common.internals.Topic).
func topicNameOK(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > 249 {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

func unique(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

func quotedList(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, " and ")
}
