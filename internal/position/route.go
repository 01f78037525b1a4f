package position

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// GroupRule sends a group, or some topics of it, to a group of the target.
type GroupRule struct {
	Rename
	// Topics are source topics, as globs; none means every topic.
	Topics []string `json:"topics,omitempty"`
}

// RouteOptions are what a route is made of: flags and the content of a route
// file. The zero value gives everything its own name.
type RouteOptions struct {
	// MapTopics and MapGroups are mappings "A=B" from the command line.
	MapTopics []string `json:"map_topics,omitempty"`
	MapGroups []string `json:"map_groups,omitempty"`
	// Topics and Groups are those of a route file.
	Topics []Rename    `json:"topics,omitempty"`
	Groups []GroupRule `json:"groups,omitempty"`
	// Leave are source topics, as globs, that no group takes along.
	Leave []string `json:"leave,omitempty"`
}

// groupRule is a compiled GroupRule.
type groupRule struct {
	mapping
	topics []*pattern // nil: every topic
}

func (r groupRule) takes(topic string) bool {
	return r.topics == nil || slices.ContainsFunc(r.topics, func(p *pattern) bool { return p.match(topic) })
}

// Route gives groups and topics of the source their names on the target. The
// rule for a name is: its exact mapping; else the wildcard with the longest
// literal part; else the name itself. A nil Route gives everything its own
// name. It is safe for concurrent use.
type Route struct {
	opts   RouteOptions
	topics []mapping
	groups []mapping // one for each source side, in the order that decides
	rules  map[string][]groupRule
	leave  []*pattern
}

// NewRoute checks and compiles a route. The error joins a *PatternError for
// everything that is wrong. Mappings of flags and of the file count alike: one
// name that both send to different places is an error.
func NewRoute(opts RouteOptions) (*Route, error) {
	r := &Route{opts: opts, rules: make(map[string][]groupRule)}
	var errs []error
	keep := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, text := range opts.MapTopics {
		keep(r.addTopic("--map-topic", text, Rename{}))
	}
	for i, m := range opts.Topics {
		keep(r.addTopic(fmt.Sprintf("topics[%d]", i), "", m))
	}
	for _, text := range opts.MapGroups {
		keep(r.addGroup("--map-group", text, GroupRule{}))
	}
	for i, g := range opts.Groups {
		keep(r.addGroup(fmt.Sprintf("groups[%d]", i), "", g))
	}
	for i, g := range opts.Leave {
		p, err := compileGlob(fmt.Sprintf("leave[%d]", i), g)
		keep(err)
		if err == nil {
			r.leave = append(r.leave, p)
		}
	}
	errs = append(errs, conflicts(r.topics)...)
	for _, m := range r.groups {
		errs = append(errs, overlaps(r.rules[m.from.key()])...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	sortMappings(r.topics)
	sortMappings(r.groups)
	return r, nil
}

func (r *Route) addTopic(option, text string, m Rename) error {
	var err error
	if text != "" {
		if m, err = ParseRename(option, text); err != nil {
			return err
		}
	}
	compiled, err := compileRename(option, m)
	if err == nil {
		r.topics = append(r.topics, compiled)
	}
	return err
}

func (r *Route) addGroup(option, text string, g GroupRule) error {
	var err error
	if text != "" {
		if g.Rename, err = ParseRename(option, text); err != nil {
			return err
		}
	}
	rule := groupRule{}
	if rule.mapping, err = compileRename(option, g.Rename); err != nil {
		return err
	}
	for i, t := range g.Topics {
		p, err := compileGlob(fmt.Sprintf("%s.topics[%d]", option, i), t)
		if err != nil {
			return err
		}
		rule.topics = append(rule.topics, p)
	}
	key := rule.from.key()
	if len(r.rules[key]) == 0 {
		r.groups = append(r.groups, rule.mapping)
	}
	r.rules[key] = append(r.rules[key], rule)
	return nil
}

// overlaps reports rules of one source group of which one takes every topic,
// so that no topic could go to exactly one of them.
func overlaps(rules []groupRule) []error {
	var errs []error
	for i, a := range rules {
		for _, b := range rules[:i] {
			same := a.to.key() == b.to.key()
			if same && (a.topics == nil) == (b.topics == nil) || a.topics != nil && b.topics != nil {
				continue
			}
			errs = append(errs, &PatternError{
				Option: a.option, Pattern: a.String(),
				Reason: fmt.Sprintf("%s %q sends the same group elsewhere", b.option, b.String()),
				Hint:   "to split a group, list the topics of each target group in a route file",
			})
		}
	}
	return errs
}

// Options returns what the route was made of, for a plan to keep.
func (r *Route) Options() RouteOptions {
	if r == nil {
		return RouteOptions{}
	}
	return r.opts
}

// Topic returns the target name of a source topic.
func (r *Route) Topic(source string) string {
	if r == nil {
		return source
	}
	name, _ := forward(r.topics, source)
	return name
}

// Partition returns the target partition of a source partition: the same
// number of the topic's target name.
func (r *Route) Partition(source Key) (target Key, ok bool) {
	group, ok := r.GroupFor(source.Group, source.Partition.Topic)
	target = Key{Group: group, Partition: source.Partition}
	target.Partition.Topic = r.Topic(source.Partition.Topic)
	return target, ok
}

// Targets returns every target group that topics of a source group may go to,
// sorted: one, unless the route splits the group.
func (r *Route) Targets(group string) []string {
	if r == nil {
		return []string{group}
	}
	_, m := forward(r.groups, group)
	if m == nil {
		return []string{group}
	}
	var out []string
	for _, rule := range r.rules[m.from.key()] {
		carried, _ := rule.from.carried(group)
		out = append(out, rule.to.with(carried))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Group returns the target name of a source group, and "" for a group that the
// route splits: it has no one name then, and GroupFor has to be asked.
func (r *Route) Group(source string) string {
	if targets := r.Targets(source); len(targets) == 1 {
		return targets[0]
	}
	return ""
}

// GroupFor returns the target group of one source topic of a source group. ok
// is false if the topic does not go anywhere: it is left behind, or no rule or
// more than one has it, which Check tells apart.
func (r *Route) GroupFor(group, topic string) (target string, ok bool) {
	if r.Leaves(topic) {
		return "", false
	}
	targets := r.groupsFor(group, topic)
	if len(targets) != 1 {
		return "", false
	}
	return targets[0], true
}

// Leaves reports whether the route leaves a source topic behind on purpose.
func (r *Route) Leaves(topic string) bool {
	return r != nil && matchAny(r.leave, topic)
}

// groupsFor returns the target groups whose rules take a topic.
func (r *Route) groupsFor(group, topic string) []string {
	if r == nil {
		return []string{group}
	}
	_, m := forward(r.groups, group)
	if m == nil {
		return []string{group}
	}
	var out []string
	for _, rule := range r.rules[m.from.key()] {
		if !rule.takes(topic) {
			continue
		}
		carried, _ := rule.from.carried(group)
		out = append(out, rule.to.with(carried))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// limited reports whether some rule of the group lists topics.
func (r *Route) limited(group string) bool {
	if r == nil {
		return false
	}
	_, m := forward(r.groups, group)
	return m != nil && slices.ContainsFunc(r.rules[m.from.key()], func(rule groupRule) bool { return rule.topics != nil })
}

// AmbiguousError says that a topic name can stand for more than one topic.
type AmbiguousError struct {
	// Name is the name that was asked for.
	Name string
	// Meanings are what it can stand for, in words.
	Meanings []string
}

// Error implements error.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("topic %q can stand for %s", e.Name, strings.Join(e.Meanings, " or for "))
}

// TopicBack returns the source name of a target topic. The mappings are
// applied backwards; a name to which none of them leads stands for itself. It
// is an *AmbiguousError when several source names have this target name.
func (r *Route) TopicBack(target string) (string, error) {
	sources := r.sources(target)
	switch len(sources) {
	case 0:
		return target, nil
	case 1:
		return sources[0], nil
	}
	e := &AmbiguousError{Name: target}
	for _, s := range sources {
		e.Meanings = append(e.Meanings, fmt.Sprintf("source topic %q", s))
	}
	return "", e
}

// sources returns the names from which some mapping leads to target, where no
// other mapping takes precedence.
func (r *Route) sources(target string) []string {
	if r == nil {
		return nil
	}
	var out []string
	for _, m := range r.topics {
		carried, ok := m.to.carried(target)
		if !ok {
			continue
		}
		source := m.from.with(carried)
		if source != "" && r.Topic(source) == target && !slices.Contains(out, source) {
			out = append(out, source)
		}
	}
	slices.Sort(out)
	return out
}

// Known says which topics exist on either side; a nil function means that this
// is not known.
type Known struct {
	Source, Target func(topic string) bool
}

// Sides returns both names of a topic of which one is given and nobody said
// which: as a source name that is mapped, or as a target name that is mapped
// back. What is known to exist decides between the two if it can; if both fit
// and differ, it is an *AmbiguousError.
func (r *Route) Sides(name string, known Known) (source, target string, err error) {
	type reading struct{ source, target string }
	var readings []reading
	if to := r.Topic(name); to != name || r.Maps(name) {
		readings = append(readings, reading{name, to})
	}
	for _, from := range r.sources(name) {
		if rd := (reading{from, name}); !slices.Contains(readings, rd) {
			readings = append(readings, rd)
		}
	}
	if len(readings) == 0 {
		return name, name, nil
	}
	exists := func(rd reading) bool {
		return (known.Source == nil || known.Source(rd.source)) && (known.Target == nil || known.Target(rd.target))
	}
	if fits := slices.DeleteFunc(slices.Clone(readings), func(rd reading) bool { return !exists(rd) }); len(fits) > 0 {
		readings = fits
	}
	if len(readings) == 1 {
		return readings[0].source, readings[0].target, nil
	}
	e := &AmbiguousError{Name: name}
	for _, rd := range readings {
		e.Meanings = append(e.Meanings, fmt.Sprintf("source topic %q, which is %q on the target", rd.source, rd.target))
	}
	return "", "", e
}

// Maps reports whether some mapping names this source topic: the user has said
// what it is called on the target, be it by the same name.
func (r *Route) Maps(source string) bool {
	if r == nil {
		return false
	}
	_, m := forward(r.topics, source)
	return m != nil
}
