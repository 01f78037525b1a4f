package api

import (
	"fmt"
	"strings"
)

// Route is the route file: what has another name on the other side. Names may
// have one '*', which carries over; \*, \= and \\ stand for the characters
// themselves.
//
// With From it is a split: the topics of the one group From go to several
// groups, each topic to exactly one of them.
type Route struct {
	// APIVersion is Version; it may be left out.
	APIVersion string `json:"apiVersion,omitempty" yaml:"apiVersion"`
	// From is the group that is split; "" if this is no split.
	From string `json:"from,omitempty" yaml:"from"`
	// Topics that have another name on the target.
	Topics []NameMap `json:"topics,omitempty" yaml:"topics"`
	// Groups that have another name on the target.
	Groups []GroupMap `json:"groups,omitempty" yaml:"groups"`
	// Leave are source topics, as globs, that are left behind on purpose.
	Leave []string `json:"leave,omitempty" yaml:"leave"`
}

// NameMap gives a name its name on the other side.
type NameMap struct {
	From string `json:"from" yaml:"from"`
	To   string `json:"to" yaml:"to"`
}

// GroupMap sends a group, or some topics of it, to a group of the target.
type GroupMap struct {
	// From is the source group; left out in a split.
	From string `json:"from,omitempty" yaml:"from"`
	// To is the target group.
	To string `json:"to" yaml:"to"`
	// Topics are source topics, as globs; none means every topic.
	Topics []string `json:"topics,omitempty" yaml:"topics"`
}

// SetDefaults fills what was left out.
func (r *Route) SetDefaults() {
	if r.APIVersion == "" {
		r.APIVersion = Version
	}
}

// Validate reports everything that is wrong with the shape of the file. What
// the patterns mean, and whether they agree, is judged where the route is
// built.
func (r *Route) Validate() []Problem {
	ps := checkVersion(r.APIVersion)
	for i := range r.Topics {
		ps = append(ps, join(fmt.Sprintf("topics[%d]", i), r.Topics[i].Validate())...)
	}
	for i := range r.Groups {
		at := fmt.Sprintf("groups[%d]", i)
		g := r.Groups[i]
		ps = append(ps, join(at, g.Validate())...)
		switch {
		case r.From != "" && g.From != "":
			ps = append(ps, Problem{
				Path:    at + ".from",
				Message: "this file splits one group, which from at the top names",
				Hint:    "leave one of the two from out",
			})
		case r.From == "" && g.From == "":
			ps = append(ps, Problem{Path: at + ".from", Message: "the source group is missing"})
		}
		if r.From != "" && len(r.Groups) > 1 && len(g.Topics) == 0 {
			ps = append(ps, Problem{
				Path:    at + ".topics",
				Message: "without topics the group would get every topic, and each topic goes to exactly one group",
				Hint:    "list its topics; those that go nowhere under leave",
			})
		}
	}
	if r.From != "" {
		if strings.Contains(strings.ReplaceAll(r.From, `\*`, ""), "*") {
			ps = append(ps, Problem{Path: "from", Message: "a split is of one group: no * here"})
		}
		if len(r.Groups) == 0 {
			ps = append(ps, Problem{Path: "groups", Message: "the split has no target groups", Hint: "groups: [{to: NEW, topics: [orders]}]"})
		}
	}
	return append(ps, join("leave", checkGlobs(r.Leave))...)
}

// Validate reports everything that is wrong.
func (m *NameMap) Validate() []Problem {
	var ps []Problem
	if m.From == "" {
		ps = append(ps, Problem{Path: "from", Message: "the source name is missing"})
	}
	if m.To == "" {
		ps = append(ps, Problem{Path: "to", Message: "the target name is missing"})
	}
	return ps
}

// Validate reports everything that is wrong.
func (m *GroupMap) Validate() []Problem {
	var ps []Problem
	if m.To == "" {
		ps = append(ps, Problem{Path: "to", Message: "the target group is missing"})
	}
	return append(ps, join("topics", checkGlobs(m.Topics))...)
}

func checkGlobs(globs []string) []Problem {
	var ps []Problem
	for i, g := range globs {
		if g == "" {
			ps = append(ps, Problem{Path: fmt.Sprintf("[%d]", i), Message: "the topic has no name"})
		}
	}
	return ps
}
