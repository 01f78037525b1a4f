package position

import (
	"errors"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/kferry/kferry/internal/topic"
)

// The options of a selection, as messages name them.
const (
	optGroup        = "--group"
	optTopic        = "--topic"
	optExcludeGroup = "--exclude-group"
	optExcludeTopic = "--exclude-topic"
	optGroupRegex   = "--group-regex"
	optTopicRegex   = "--topic-regex"
	optPartition    = "--partition"
)

// Selector says which groups, topics and partitions are meant, as people write
// it. Several inclusions add up; no inclusion of a kind means all of that
// kind; an exclusion wins over every inclusion.
type Selector struct {
	// Groups, Topics, ExcludeGroups and ExcludeTopics are globs: '*' any
	// characters, '?' one character, [a-z] and [^a-z] one of a class, '\'
	// before a character that means itself.
	Groups, Topics, ExcludeGroups, ExcludeTopics []string
	// GroupRegex and TopicRegex are regular expressions (RE2) that match the
	// whole name.
	GroupRegex, TopicRegex []string
	// Partitions are "TOPIC:0,1,4-7" with the name of a topic, no glob. Such a
	// topic is included, and of it only these partitions.
	Partitions []string
}

// Selection is a compiled Selector. A nil Selection has everything. It is safe
// for concurrent use.
type Selection struct {
	groups, topics           []*pattern
	exceptGroups, exceptTops []*pattern
	partitions               map[string][]*span
	order                    []*span
}

// span is a stretch of partitions of one topic.
type span struct {
	topic    string
	from, to int32
	text     string
	hit      atomic.Bool
}

// Compile checks and compiles a selector. The error joins a *PatternError for
// everything that is wrong.
func (s Selector) Compile() (*Selection, error) {
	out := &Selection{partitions: make(map[string][]*span)}
	var errs []error
	add := func(to *[]*pattern, option string, texts []string, compile func(option, text string) (*pattern, error)) {
		for _, t := range texts {
			p, err := compile(option, t)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			*to = append(*to, p)
		}
	}
	add(&out.groups, optGroup, s.Groups, compileGlob)
	add(&out.groups, optGroupRegex, s.GroupRegex, compileRegex)
	add(&out.topics, optTopic, s.Topics, compileGlob)
	add(&out.topics, optTopicRegex, s.TopicRegex, compileRegex)
	add(&out.exceptGroups, optExcludeGroup, s.ExcludeGroups, compileGlob)
	add(&out.exceptTops, optExcludeTopic, s.ExcludeTopics, compileGlob)
	for _, text := range s.Partitions {
		spans, err := parsePartitions(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, sp := range spans {
			out.partitions[sp.topic] = append(out.partitions[sp.topic], sp)
			out.order = append(out.order, sp)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// parsePartitions reads "TOPIC:0,1,4-7".
func parsePartitions(text string) ([]*span, error) {
	fail := func(reason string) error {
		return &PatternError{Option: optPartition, Pattern: text, Reason: reason, Hint: "such as orders:0,1,4-7"}
	}
	// No topic has a ':' in its name; the last one is looked for all the same,
	// since the list behind it cannot have one.
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return nil, fail("there is no ':' between topic and partitions")
	}
	name, list := text[:at], text[at+1:]
	switch {
	case name == "":
		return nil, fail("the topic has no name")
	case strings.ContainsAny(name, `*?[\`):
		return nil, fail("the topic is a name here, no pattern")
	}
	var out []*span
	for item := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(item, "-")
		if !isRange {
			to = from
		}
		lo, okLo := parseDigits(from, 32)
		hi, okHi := parseDigits(to, 32)
		switch {
		case !okLo || !okHi:
			return nil, fail("\"" + item + "\" is no partition and no range of partitions")
		case hi < lo:
			return nil, fail("the range \"" + item + "\" is the wrong way round")
		}
		out = append(out, &span{topic: name, from: int32(lo), to: int32(hi), text: name + ":" + item}) //nolint:gosec // parseDigits keeps them within 31 bits
	}
	return out, nil
}

// parseDigits reads a number of decimal digits only, without sign, that fits a
// signed integer of so many bits.
func parseDigits(s string, bits int) (int64, bool) {
	if !onlyDigits(s) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, bits)
	return n, err == nil
}

func onlyDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Group reports whether a group is selected.
func (s *Selection) Group(name string) bool {
	if s == nil {
		return true
	}
	in := matchAny(s.groups, name) || len(s.groups) == 0
	return !matchAny(s.exceptGroups, name) && in
}

// Topic reports whether a topic, or some partition of it, is selected.
func (s *Selection) Topic(name string) bool {
	if s == nil {
		return true
	}
	in := matchAny(s.topics, name)
	_, listed := s.partitions[name]
	if len(s.topics) == 0 && len(s.partitions) == 0 {
		in = true
	}
	return !matchAny(s.exceptTops, name) && (in || listed)
}

// Partition reports whether a partition is selected: its topic is, and where
// partitions of that topic were listed, it is among them.
func (s *Selection) Partition(tp topic.Partition) bool {
	if s == nil {
		return true
	}
	spans := s.partitions[tp.Topic]
	in := len(spans) == 0
	for _, sp := range spans {
		if sp.from <= tp.Partition && tp.Partition <= sp.to {
			sp.hit.Store(true)
			in = true
		}
	}
	return s.Topic(tp.Topic) && in
}

// LiteralGroups returns the groups that were included by name, in the order in
// which they were given: groups that must exist, whatever a listing shows.
func (s *Selection) LiteralGroups() []string {
	if s == nil {
		return nil
	}
	return literals(s.groups)
}

// LiteralTopics returns the topics that were included by name, those of
// partition lists too.
func (s *Selection) LiteralTopics() []string {
	if s == nil {
		return nil
	}
	out := literals(s.topics)
	seen := make(map[string]bool, len(out))
	for _, n := range out {
		seen[n] = true
	}
	for _, sp := range s.order {
		if !seen[sp.topic] {
			seen[sp.topic] = true
			out = append(out, sp.topic)
		}
	}
	return out
}

// OnlyLiteralGroups reports whether groups were included, and all of them by
// name: then nothing needs to be listed.
func (s *Selection) OnlyLiteralGroups() bool {
	return s != nil && len(s.groups) > 0 && len(literals(s.groups)) == len(s.groups)
}

func literals(ps []*pattern) []string {
	var out []string
	for _, p := range ps {
		if p.Literal {
			out = append(out, p.Name)
		}
	}
	return out
}

// UnmatchedGroups returns the patterns for groups, exclusions too, that
// matched none of the names that Group was asked for.
func (s *Selection) UnmatchedGroups() []Pattern {
	if s == nil {
		return nil
	}
	return unmatched(s.groups, s.exceptGroups)
}

// UnmatchedTopics returns the patterns for topics, exclusions too, that
// matched none of the names that Topic and Partition were asked for, and the
// items of partition lists that no partition asked for was in.
func (s *Selection) UnmatchedTopics() []Pattern {
	if s == nil {
		return nil
	}
	out := unmatched(s.topics, s.exceptTops)
	for _, sp := range s.order {
		if !sp.hit.Load() {
			out = append(out, Pattern{Option: optPartition, Text: sp.text, Literal: true, Name: sp.topic})
		}
	}
	return out
}

func unmatched(lists ...[]*pattern) []Pattern {
	var out []Pattern
	for _, ps := range lists {
		for _, p := range ps {
			if !p.hit.Load() {
				out = append(out, p.Pattern)
			}
		}
	}
	return out
}
