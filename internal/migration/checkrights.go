package migration

import (
	"context"
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

// authority is the optional ability of a committer to tell rights (KIP-430).
type authority interface {
	Rights(ctx context.Context, names, topics []string) (group.Rights, error)
}

// rights looks whether what the migration writes may be written: on the target
// commits, and deletions when they are taken back; on the source commits, for
// the way back and for keeping offsets.
func (c *checker) rights(ctx context.Context) error {
	if c.plan == nil || len(c.plan.Groups) == 0 {
		return nil
	}
	var need, back []needed
	for i := range c.plan.Groups {
		g := &c.plan.Groups[i]
		n := needed{group: g.Name, remove: !g.Target.Exists, topics: map[string]bool{}}
		from := map[string]*needed{}
		for j := range g.Positions {
			p := &g.Positions[j]
			n.topics[p.Topic] = true
			n.remove = n.remove || p.Action == plan.Delete || p.Before == nil && p.Source != nil
			if p.SourceGroup == "" || p.SourceTopic == "" || p.Outcome == translate.Unset {
				continue
			}
			if from[p.SourceGroup] == nil {
				from[p.SourceGroup] = &needed{group: p.SourceGroup, topics: map[string]bool{}}
			}
			from[p.SourceGroup].topics[p.SourceTopic] = true
		}
		need = append(need, n)
		for _, name := range sorted(from) {
			back = append(back, *from[name])
		}
	}
	what := "the migration commits there, and takes back what it wrote when it is aborted"
	if err := c.missing(ctx, &c.in.To, need, Problem, what); err != nil {
		return err
	}
	severity, what := Warning, "without it neither fail-back nor --keep-offsets can write there; the way to the target needs no right to write"
	if c.spec.KeepOffsets > 0 {
		severity, what = Problem, "--keep-offsets commits there"
	}
	return c.missing(ctx, &c.in.From, back, severity, what)
}

// needed is what is written to one group.
type needed struct {
	group  string
	topics map[string]bool
	// remove: positions or the group itself may have to be deleted.
	remove bool
}

// missing says which rights on one side are missing, and of which that cannot
// be seen.
func (c *checker) missing(ctx context.Context, side *plan.Side, need []needed, severity Severity, why string) error {
	a, ok := side.Write.(authority)
	if !ok || len(need) == 0 {
		return nil
	}
	topics := map[string]bool{}
	var groups []string
	for _, n := range need {
		groups = append(groups, n.group)
		for name := range n.topics {
			topics[name] = true
		}
	}
	slices.Sort(groups)
	rights, err := a.Rights(ctx, slices.Compact(groups), sorted(topics))
	if err != nil {
		return fmt.Errorf("reading rights on %s: %w", side.Name, err)
	}
	var hidden []string
	said := map[string]bool{}
	lacks := func(g group.Grant, operation, what, name, topicName, groupName string) {
		switch allowed, known := g.May(operation); {
		case !known:
			if words := what + " " + name; !slices.Contains(hidden, words) {
				hidden = append(hidden, words)
			}
		case !allowed && !said[operation+what+name]:
			said[operation+what+name] = true
			c.say(Finding{
				Severity: severity, Reason: string(plan.ReasonRights), Group: groupName, Topic: topicName,
				Detail: fmt.Sprintf("the right %s on %s %q of %s is missing: %s", operation, what, name, side.Name, why),
				Remedy: fmt.Sprintf("grant %s on %s %s to the user of kferry on %s", operation, what, name, side.Name),
			})
		}
	}
	for _, n := range need {
		lacks(rights.Groups[n.group], "READ", "group", n.group, "", n.group)
		if n.remove {
			lacks(rights.Groups[n.group], "DELETE", "group", n.group, "", n.group)
		}
		for _, name := range sorted(n.topics) {
			lacks(rights.Topics[name], "READ", "topic", name, name, "")
		}
	}
	if len(hidden) > 0 {
		c.say(Finding{
			Severity: Note, Reason: reasonRightsUnknown,
			Detail: fmt.Sprintf("whether kferry may write on %s cannot be seen for %s", side.Name, some(hidden)),
			Remedy: "brokers tell from 2.3 on; a topic that is not there yet has no rights to tell. What is refused later moves nothing",
		})
	}
	return nil
}
