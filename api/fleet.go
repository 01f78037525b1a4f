package api

import (
	"fmt"
	"slices"
	"strings"
)

// Fleet is a file with several migrations.
type Fleet struct {
	APIVersion string `json:"apiVersion,omitempty" yaml:"apiVersion"`
	Kind       string `json:"kind,omitempty" yaml:"kind"`
	// Defaults count where a migration leaves something out (Merge). They have no
	// name and no groups.
	Defaults *Migration `json:"defaults,omitempty" yaml:"defaults"`
	// Pause lies between the end of one and the beginning of the next.
	Pause Duration `json:"pause,omitempty" yaml:"pause"`
	// OnFailure is OnFailureStop (at the first that fails) or OnFailureContinue.
	OnFailure string `json:"onFailure,omitempty" yaml:"onFailure"`
	// Until is the step that one has to reach before the next begins.
	Until string `json:"until,omitempty" yaml:"until"`
	// Migrations in the order in which they are done.
	Migrations []Migration `json:"migrations" yaml:"migrations"`
}

// SetDefaults fills what was left out, in the migrations from Defaults first.
func (f *Fleet) SetDefaults() {
	if f.APIVersion == "" {
		f.APIVersion = Version
	}
	if f.Kind == "" {
		f.Kind = KindFleet
	}
	if f.OnFailure == "" {
		f.OnFailure = OnFailureStop
	}
	if f.Until == "" {
		steps := MigrationSteps()
		f.Until = steps[len(steps)-1]
	}
	f.Merge(nil)
	for i := range f.Migrations {
		f.Migrations[i].SetDefaults()
	}
}

// Merge gives the migrations what they leave out and Defaults have. A list
// that a migration has stands in place of that of Defaults and adds nothing to
// it. Mover, Evidence, Header and Encoding are one choice: a migration that
// makes some of it takes none of it from Defaults.
//
// A field with its zero value was left out, unless written says of its path,
// such as "migrations[1].accept", that it was not: "accept: []" must not accept
// what Defaults accept. written may be nil.
func (f *Fleet) Merge(written func(path string) bool) {
	if f.Defaults == nil {
		return
	}
	for i := range f.Migrations {
		g := merger{to: &f.Migrations[i], from: f.Defaults.Clone(), out: func(key string, zero bool) bool {
			return zero && (written == nil || !written(fmt.Sprintf("migrations[%d].%s", i, key)))
		}}
		g.merge()
	}
}

// merger fills one migration; out tells whether a key was left out.
type merger struct {
	to   *Migration
	from Migration
	out  func(key string, zero bool) bool
}

func (g *merger) merge() {
	to, from := g.to, &g.from
	fill(g, "from", &to.From, from.From)
	fill(g, "to", &to.To, from.To)
	for _, l := range []struct {
		key  string
		to   *[]string
		from []string
	}{
		{"excludeGroups", &to.ExcludeGroups, from.ExcludeGroups},
		{"topics", &to.Topics, from.Topics},
		{"topicRegex", &to.TopicRegex, from.TopicRegex},
		{"excludeTopics", &to.ExcludeTopics, from.ExcludeTopics},
		{"partitions", &to.Partitions, from.Partitions},
		{"accept", &to.Accept, from.Accept},
	} {
		fillList(g, l.key, l.to, l.from)
	}
	fillList(g, "mapTopics", &to.MapTopics, from.MapTopics)
	fillList(g, "mapGroups", &to.MapGroups, from.MapGroups)
	fillList(g, "events", &to.Events, from.Events)
	if g.out("mover", to.Mover == "") && g.out("evidence", to.Evidence == "") && g.out("header", to.Header == "") && g.out("encoding", to.Encoding == "") {
		to.Mover, to.Evidence, to.Header, to.Encoding = from.Mover, from.Evidence, from.Header, from.Encoding
	}
	fill(g, "mirrorMaker", &to.MirrorMaker, from.MirrorMaker)
	fill(g, "quick", &to.Quick, from.Quick)
	fill(g, "copyComplete", &to.CopyComplete, from.CopyComplete)
	fill(g, "settle", &to.Settle, from.Settle)
	fill(g, "interval", &to.Interval, from.Interval)
	fill(g, "timeout", &to.Timeout, from.Timeout)
	fill(g, "keepOffsets", &to.KeepOffsets, from.KeepOffsets)
}

func fill[T comparable](g *merger, key string, to *T, from T) {
	if g.out(key, *to == *new(T)) {
		*to = from
	}
}

func fillList[T any](g *merger, key string, to *[]T, from []T) {
	if g.out(key, len(*to) == 0) {
		*to = from
	}
}

// Validate reports everything that is wrong. It expects SetDefaults to have
// run. What is wrong with Defaults is not said once more of each migration
// that has it from there.
func (f *Fleet) Validate() []Problem {
	ps := append(checkVersion(f.APIVersion), checkKind(f.Kind, KindFleet)...)
	var defaults []Problem
	if f.Defaults != nil {
		defaults = f.Defaults.validateDefaults()
		ps = append(ps, join("defaults", slices.Clone(defaults))...)
	}
	if f.Pause < 0 {
		ps = append(ps, Problem{Path: "pause", Message: fmt.Sprintf("%s is negative", f.Pause)})
	}
	ps = append(ps, checkWord("onFailure", f.OnFailure, OnFailureStop, OnFailureContinue)...)
	ps = append(ps, checkUntil(f.Until)...)
	if len(f.Migrations) == 0 {
		ps = append(ps, Problem{
			Path:    "migrations",
			Message: "there is no migration",
			Hint:    "migrations: [{name: orders, from: old, to: new, groups: [orders-app]}]",
		})
	}
	first := make(map[string]int, len(f.Migrations))
	for i := range f.Migrations {
		m := &f.Migrations[i]
		at := fmt.Sprintf("migrations[%d]", i)
		own := slices.DeleteFunc(m.Validate(), func(p Problem) bool { return slices.Contains(defaults, p) })
		ps = append(ps, join(at, own)...)
		if m.Name == "" {
			continue
		}
		if j, dup := first[m.Name]; dup {
			ps = append(ps, Problem{
				Path:    at + ".name",
				Message: fmt.Sprintf("migration %q is there already, as migrations[%d]", m.Name, j),
				Hint:    "give each migration a name of its own",
			})
			continue
		}
		first[m.Name] = i
	}
	return ps
}

func checkUntil(until string) []Problem {
	ps := checkWord("until", until, MigrationSteps()...)
	if len(ps) > 0 && slices.Contains(EventSteps(), until) {
		ps[0].Hint = "a fleet goes to the target: " + until + " is a step of a way back"
	}
	return ps
}

// validateDefaults reports what is wrong with m as Defaults of a Fleet, which
// need less than a migration and may not say which application is meant.
func (m *Migration) validateDefaults() []Problem {
	d := m.Clone()
	d.SetDefaults()
	ps := append(checkVersion(d.APIVersion), checkKind(d.Kind, KindMigration)...)
	refuse := func(set bool, path string) {
		if set {
			ps = append(ps, Problem{
				Path:    path,
				Message: "the defaults do not say which application is meant",
				Hint:    "each migration has its own " + path,
			})
		}
	}
	refuse(d.Name != "", "name")
	refuse(len(d.Groups) > 0, "groups")
	refuse(len(d.GroupRegex) > 0, "groupRegex")
	if d.From != "" {
		ps = append(ps, checkCluster("from", d.From)...)
	}
	if d.To != "" {
		ps = append(ps, checkCluster("to", d.To)...)
	}
	return append(ps, d.validateChoices()...)
}

func checkKind(kind, want string) []Problem {
	if kind == want {
		return nil
	}
	p := Problem{Path: "kind", Message: fmt.Sprintf("kind %q does not belong here", kind), Hint: "this is a " + want + "; kind can be left out"}
	if strings.EqualFold(kind, want) {
		p.Hint = "did you mean " + want + "?"
	}
	return []Problem{p}
}
