package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// chooseGroups lists the groups that a selection means: those that are named,
// as they are, and those of the cluster that the patterns match.
func (f *Factory) chooseGroups(ctx context.Context, s *side, sel *position.Selection) ([]string, group.Completeness, error) {
	complete := group.Completeness{Known: true}
	names := map[string]bool{}
	for _, n := range sel.LiteralGroups() {
		if sel.Group(n) {
			names[n] = true
		}
	}
	if !sel.OnlyLiteralGroups() {
		all, listed, err := s.groups.List(ctx)
		if err != nil {
			return nil, listed, err
		}
		complete = listed
		for _, g := range all {
			if sel.Group(g.Name) {
				names[g.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), complete, nil
}

// read reads groups with their positions, and shows how far it is.
func (f *Factory) read(ctx context.Context, s *side, names []string) (map[string]group.Reading, error) {
	task := f.progress.Begin("reading groups of "+s.cluster.Name(), "groups", int64(len(names)))
	defer task.End()
	return s.groups.Read(ctx, names)
}

// exists refuses a group that is not there, with the names it may have meant.
func (f *Factory) exists(ctx context.Context, s *side, r group.Reading) error {
	if r.Err != nil {
		return r.Err
	}
	if r.Group.State != group.Absent && (r.Group.State != group.Dead || len(r.Positions) > 0) {
		return nil
	}
	fail := &failure{
		err:  fmt.Errorf("group %q does not exist on cluster %q", r.Group.Name, s.cluster.Name()),
		hint: "'kferry group list' shows the groups that can be seen",
	}
	if near := nearGroup(ctx, s, r.Group.Name); near != "" {
		fail.hint = near
	}
	return fail
}

// nearGroup names the groups that a misspelt name may have meant. It is a
// kindness: when the groups cannot be listed, the message stands without.
func nearGroup(ctx context.Context, s *side, name string) string {
	all, complete, err := s.groups.List(ctx)
	if err != nil {
		return ""
	}
	var names []string
	for _, g := range all {
		names = append(names, g.Name)
	}
	near := didYouMean(position.Near(name, names, maxNear))
	for _, m := range complete.Missing {
		near = strings.TrimPrefix(near+"; groups may be hidden: "+m, "; ")
	}
	return near
}

// sayHidden warns of what a missing right may have hidden.
func (f *Factory) sayHidden(what string, c group.Completeness) {
	for _, m := range c.Missing {
		f.remark("warning: %s may lack %s", what, clean(m))
	}
}

// bounds reads the logs under positions. A log that cannot be read has its Err
// and shows as unknown.
func (f *Factory) bounds(ctx context.Context, s *side, readings map[string]group.Reading) (map[topic.Partition]topic.Bounds, error) {
	seen := map[topic.Partition]bool{}
	for _, r := range readings {
		for p := range r.Positions {
			seen[p] = true
		}
	}
	ps := slices.SortedFunc(maps.Keys(seen), topic.Compare)
	if len(ps) == 0 {
		return nil, nil
	}
	task := f.progress.Begin("reading log ends of "+s.cluster.Name(), "partitions", int64(len(ps)))
	defer task.End()
	return s.cluster.Bounds(ctx, ps)
}

// lagOf is how many offsets lie before a position, -1 unknown.
func lagOf(p position.Position, b topic.Bounds, known bool) int64 {
	if !known || b.Err != nil {
		return -1
	}
	return max(0, b.End-p.Offset)
}

// sortedPositions are the positions of a reading by topic and partition.
func sortedPositions(r group.Reading) []position.Position {
	return slices.SortedFunc(maps.Values(r.Positions), position.Compare)
}

// escapeGlob makes a pattern of a name: a group may be called "a*".
func escapeGlob(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// escapeRename makes one side of a mapping of a name.
func escapeRename(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`).Replace(name)
}
