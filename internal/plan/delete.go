package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/translate"
)

// DeleteInput is what BuildDelete needs.
type DeleteInput struct {
	// To is the cluster; List, when it is there, names near groups of one that
	// does not exist.
	To Side
	// Groups are names, not patterns; the same name twice is once.
	Groups []string
	// Tool is name and version of the program, Asked the choices in the user's
	// words.
	Tool  string
	Asked []string
	// Now is the clock; nil is time.Now.
	Now      func() time.Time
	Progress func(Event)
}

// BuildDelete plans to delete groups with all their positions, pinned to what
// they have now. It writes nothing. A group that has members, that does not
// exist or that cannot be read in full is in the plan, refused. Apply carries
// the plan out like any other, and Rollback of its run commits the positions
// again, which makes the group anew.
func BuildDelete(ctx context.Context, in DeleteInput) (*Plan, error) {
	if in.Now == nil {
		in.Now = time.Now
	}
	if in.To.Read == nil || len(in.Groups) == 0 || slices.Contains(in.Groups, "") {
		return nil, &Error{Op: "planning", Object: "the deletion", Err: fmt.Errorf("%w: the groups, or the cluster to read them from, are missing", ErrInput)}
	}
	b := &builder{in: Input{To: in.To, Progress: in.Progress}, now: in.Now(), plan: &Plan{
		Kind: DeleteGroups, Tool: in.Tool, Asked: in.Asked, Target: in.To.cluster(), Created: in.Now().UTC().Truncate(time.Millisecond),
		Findings: []Finding{}, LeftBehind: []LeftBehind{}, Topics: []Topic{}, Groups: []Group{},
	}}
	readings, err := b.readNamed(ctx, in.Groups)
	if err != nil {
		return nil, err
	}
	return b.oneByOne(ctx, readings, b.deleted)
}

// readNamed reads groups of the target by their names, each once.
func (b *builder) readNamed(ctx context.Context, names []string) (map[string]group.Reading, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	b.event(Event{Stage: "reading groups of the target", Total: len(names)})
	got, err := b.in.To.Read.Read(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("reading groups of %s: %w", b.in.To.label(), err)
	}
	out := make(map[string]group.Reading, len(names))
	for _, name := range names {
		r, ok := got[name]
		if !ok {
			r = absent(name)
		}
		if r.At.IsZero() {
			r.At = b.now
		}
		out[name] = r
	}
	return out, nil
}

// oneByOne makes a plan of what is planned for each group.
func (b *builder) oneByOne(ctx context.Context, readings map[string]group.Reading, each func(string, group.Reading) Group) (*Plan, error) {
	for _, name := range sortedKeys(readings) {
		b.plan.Groups = append(b.plan.Groups, each(name, readings[name]))
	}
	b.nearGroups(ctx, &b.in.To, func(g *Group) []string { return []string{g.Name} })
	b.plan.finish()
	if err := b.plan.seal(); err != nil {
		return nil, err
	}
	return b.plan, nil
}

// deleted plans the end of one group.
func (b *builder) deleted(name string, r group.Reading) Group {
	g := Group{Name: name, Sources: []SourceGroup{}, Positions: []Position{}, Delete: true, Target: targetGroup(r)}
	label := b.in.To.label()
	switch ob := notCommittable(r, label, label); {
	case ob != nil:
		g.Reason, g.Detail, g.Hint = ob.reason, ob.detail, ob.hint
	case !exists(r.Group) && len(r.Positions) == 0:
		g.Reason, g.Detail = ReasonGroupMissing, fmt.Sprintf("%s has no group %q", label, name)
		g.Hint = "kferry group list shows the groups that can be seen"
	case len(r.Complete.Missing) > 0:
		// What cannot be seen would be deleted without being saved.
		g.Reason, g.Detail = ReasonIncomplete, fmt.Sprintf("group %q may have positions that cannot be seen: %s", name, strings.Join(r.Complete.Missing, "; "))
		g.Hint = "grant the rights that are named and try again: what is deleted is saved first"
	default:
		g.Target.Exists = true
	}
	if !r.Complete.Known && len(r.Complete.Missing) == 0 {
		b.incomplete(&b.in.To, r.Complete)
	}
	for _, p := range sortedPartitions(r.Positions) {
		g.Positions = append(g.Positions, Position{
			Topic: p.Topic, Partition: p.Partition, Action: Delete, Before: offsetOf(r.Positions[p]),
			Outcome: translate.Unset, Reason: ReasonDeleted,
			CopiedThrough: -1, LagBefore: -1, LagAfter: -1, TargetStart: -1, TargetEnd: -1,
		})
	}
	g.judge(Accept{})
	b.noteShare(&g)
	return g
}

// nearGroups gives every group that a plan refuses because it, or a source of
// it, does not exist the names that may have been meant as a hint. It is a
// kindness: where the groups cannot be listed, the hint stays as it is.
func (b *builder) nearGroups(ctx context.Context, s *Side, missing func(*Group) []string) {
	if s == nil || s.List == nil || !slices.ContainsFunc(b.plan.Groups, func(g Group) bool { return g.Reason == ReasonGroupMissing }) {
		return
	}
	all, complete, err := s.List.List(ctx)
	if err != nil {
		return
	}
	names := make([]string, 0, len(all))
	for _, g := range all {
		names = append(names, g.Name)
	}
	for i := range b.plan.Groups {
		g := &b.plan.Groups[i]
		if g.Reason != ReasonGroupMissing {
			continue
		}
		var found []string
		for _, name := range missing(g) {
			if !slices.Contains(names, name) {
				found = append(found, position.Near(name, names, 3)...)
			}
		}
		hint := didYouMean(found)
		if len(complete.Missing) > 0 {
			hint = strings.TrimPrefix(hint+"; groups may be hidden: "+strings.Join(complete.Missing, "; "), "; ")
		}
		g.Hint = orElse(hint, g.Hint)
	}
}

// didYouMean is the sentence for near names, "" when there are none.
func didYouMean(found []string) string {
	switch n := len(found) - 1; n {
	case -1:
		return ""
	case 0:
		return "did you mean " + found[0] + "?"
	default:
		return "did you mean " + strings.Join(found[:n], ", ") + " or " + found[n] + "?"
	}
}
