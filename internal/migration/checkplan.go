package migration

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

// fromPlan turns what the plan says into findings.
func (c *checker) fromPlan() {
	for _, f := range c.plan.Findings {
		c.say(Finding{
			Severity: planSeverity(&f), Reason: string(f.Reason), Group: f.Group, Topic: f.Topic, Detail: f.Detail, Remedy: planRemedy(f.Hint),
		})
	}
	for i := range c.plan.LeftBehind {
		c.leftBehind(&c.plan.LeftBehind[i])
	}
	for i := range c.plan.Groups {
		g := &c.plan.Groups[i]
		c.verdict(g)
		c.named(g)
		c.there(g)
		c.positions(g)
	}
}

// planSeverity is what a finding of a plan weighs here: the same as there.
func planSeverity(f *plan.Finding) Severity {
	if f.Severity == plan.Note {
		return Note
	}
	return Warning
}

// planRemedy is the hint of a plan for somebody who checks a migration.
func planRemedy(hint string) string { return strings.ReplaceAll(hint, "plan again", "check again") }

// leftBehind says which positions do not come along. Partitions that the target
// lacks are said of the positions themselves.
func (c *checker) leftBehind(l *plan.LeftBehind) {
	f := Finding{Reason: string(l.Reason), Group: l.Group, Topic: l.Topic}
	what := fmt.Sprintf("positions of group %q on partitions %s of %s stay behind: %s", l.Group, numbers(l.Partitions), l.Topic, l.Detail)
	switch l.Reason {
	case plan.ReasonPartitionMissing:
		return
	case plan.ReasonTopicDeleted:
		f.Severity, f.Detail = Note, what
		f.Remedy = "nobody can read there any more; nothing is to be done"
	default:
		f.Severity, f.Detail = Warning, what+"; on the target auto.offset.reset decides about this topic"
		f.Remedy = "let selection and mappings take the topic along, unless the application does not read it there"
	}
	c.say(f)
}

// groupReasons are why a plan refuses a group as a whole.
var groupReasons = map[plan.Reason]Severity{
	plan.ReasonGroupActive:     Problem,
	plan.ReasonGroupKind:       Problem,
	plan.ReasonGroupMissing:    Problem,
	plan.ReasonGroupUnreadable: Problem,
	plan.ReasonStreamsRename:   Problem,
	// A transaction ends or times out.
	plan.ReasonNotSettled: Warning,
}

// verdict says why a group could not be moved as a whole.
func (c *checker) verdict(g *plan.Group) {
	severity, ok := groupReasons[g.Reason]
	if !ok || g.Verdict != plan.VerdictRefused || slices.ContainsFunc(g.Positions, func(p plan.Position) bool { return p.Blocked && p.Reason == g.Reason }) {
		return
	}
	f := Finding{Severity: severity, Reason: string(g.Reason), Group: g.Name, Detail: g.Detail, Remedy: planRemedy(g.Hint)}
	if g.Reason == plan.ReasonGroupActive {
		f.Detail += "; the group is in use on " + c.in.To.Name
		f.Remedy = "stop who reads there, or give the group another name there with --map-group"
	}
	c.say(f)
}

// named says what the names mean for whoever starts the application.
func (c *checker) named(g *plan.Group) {
	var from []string
	for _, s := range g.Sources {
		from = append(from, s.Name)
	}
	if len(from) > 1 {
		c.say(Finding{
			Severity: Warning, Reason: reasonMerged, Group: g.Name,
			Detail: fmt.Sprintf("%s of %s become one group %q on %s", some(quoted(from)), c.in.From.Name, g.Name, c.in.To.Name),
			Remedy: "all of them have to stop together, and what is started there reads for all; without --map-group each keeps its name",
		})
	}
	for _, name := range from {
		if to := c.input.Route.Targets(name); len(to) > 1 {
			c.say(Finding{
				Severity: Note, Reason: reasonDivided, Group: name,
				Detail: fmt.Sprintf("group %q becomes %s on %s, by topic", name, some(quoted(to)), c.in.To.Name),
				Remedy: "each of them has to be started there with its own group.id and topics",
			})
		}
	}
	if len(from) == 1 && from[0] != g.Name {
		c.say(Finding{
			Severity: Note, Reason: reasonOtherName, Group: from[0],
			Detail: fmt.Sprintf("group %q has the name %q on %s", from[0], g.Name, c.in.To.Name),
			Remedy: "start the application there with group.id=" + g.Name,
		})
	}
}

// there says what the target has of a group already.
func (c *checker) there(g *plan.Group) {
	if !g.Target.Exists {
		c.say(Finding{
			Severity: Note, Reason: reasonNewGroup, Group: g.Name,
			Detail: fmt.Sprintf("%s has no group %q yet; the migration makes it", c.in.To.Name, g.Name),
		})
		return
	}
	if len(g.Positions) > 0 && g.Verdict == plan.VerdictNothing {
		c.say(Finding{
			Severity: Note, Reason: reasonThere, Group: g.Name,
			Detail: fmt.Sprintf("group %q of %s already is where it would be put now", g.Name, c.in.To.Name),
		})
	}
	c.foreign(g)
}

// foreign says which positions of a group on the target would be replaced. They
// may be those of the application itself, started there before its time.
func (c *checker) foreign(g *plan.Group) {
	severity, remedy := Problem, "if that is the application, started there before its time, look at what it has read; kferry group delete removes the group there, --accept-overwrite replaces its positions, and --map-group gives this one another name"
	if slices.Contains(c.spec.Accept, api.AcceptOverwrite) {
		severity, remedy = Warning, "accepted: "+api.AcceptOverwrite+"; abort brings them back"
	}
	extra := map[string][]int32{}
	var own, synced, unclear []*plan.Position
	for i := range g.Positions {
		p := &g.Positions[i]
		switch {
		case p.Before == nil:
		case p.Action == plan.Delete:
			extra[p.Topic] = append(extra[p.Topic], p.Partition)
		case Foreign(p):
			own = append(own, p)
		case p.Action == plan.Change:
			synced = append(synced, p)
		case p.Blocked && p.After == nil:
			unclear = append(unclear, p)
		}
	}
	at := func(severity Severity, ps []*plan.Position, what, remedy string) {
		if len(ps) == 0 {
			return
		}
		c.say(Finding{
			Severity: severity, Reason: reasonOther, Group: g.Name, Remedy: remedy,
			Detail: fmt.Sprintf("group %q has %s on %s already%s: %s is at %d", g.Name, count(len(ps), "position", "positions"), c.in.To.Name, what, ps[0].Target(), ps[0].Before.Offset),
		})
	}
	at(severity, own, " that would be replaced", remedy)
	at(Note, synced, ", put there by MirrorMaker 2, that would be replaced", "")
	at(Warning, unclear, ", of which it is not known yet whether they would be replaced", "if the application did not run there, it is well; else look at what it has read")
	for _, name := range sorted(extra) {
		c.say(Finding{
			Severity: severity, Reason: string(plan.ReasonExtra), Group: g.Name, Topic: name, Remedy: remedy,
			Detail: fmt.Sprintf("group %q has positions on partitions %s of %s on %s and none there on %s: they would be deleted, because the application would go on from them", g.Name, numbers(extra[name]), name, c.in.To.Name, c.in.From.Name),
		})
	}
}

// outcome groups what has become of positions.
type outcome struct {
	severity Severity
	reason   string
	group    string
	topic    string
}

// positions says which positions could not be moved as they are now, and with
// what they could.
func (c *checker) positions(g *plan.Group) {
	type seen struct {
		first      *plan.Position
		partitions []int32
		remedy     string
	}
	all := map[outcome]*seen{}
	var order []outcome
	for i := range g.Positions {
		p := &g.Positions[i]
		k := outcome{group: sourceOf(g, p), topic: p.Topic}
		remedy := planRemedy(p.Hint)
		switch {
		case p.Outcome == translate.Hold:
			continue // copyState
		case p.Blocked:
			k.severity, k.reason, remedy = c.blocked(p)
		case len(p.Accepted) > 0:
			k.severity, k.reason, remedy = Warning, p.Accepted[0], "accepted: "+strings.Join(p.Accepted, ", ")
		case p.Outcome == translate.ExactUnproven:
			k.severity, k.reason = Note, reasonUnproven
		default:
			continue
		}
		if all[k] == nil {
			all[k] = &seen{first: p, remedy: remedy}
			order = append(order, k)
		}
		all[k].partitions = append(all[k].partitions, p.Partition)
	}
	for _, k := range order {
		s := all[k]
		detail := s.first.Detail
		switch {
		case k.reason == reasonUnproven:
			detail = strings.Join(s.first.Unproven, "; ")
		case !s.first.Blocked:
			detail = strings.Trim(consequence(s.first)+"; "+detail, "; ")
		}
		text := fmt.Sprintf("partition %d of %s: %s", s.first.Partition, k.topic, detail)
		if n := len(s.partitions); n > 1 {
			text = fmt.Sprintf("partitions %s of %s, such as %d: %s", numbers(s.partitions), k.topic, s.first.Partition, detail)
		}
		c.say(Finding{Severity: k.severity, Reason: k.reason, Group: k.group, Topic: k.topic, Detail: text, Remedy: s.remedy})
	}
}

// consequence says what was accepted of a position.
func consequence(p *plan.Position) string {
	var out []string
	for _, word := range p.Accepted {
		n, what := p.Repeats, "would be read again"
		switch word {
		case api.AcceptLoss:
			n, what = p.Lost, "would never be read"
		case api.AcceptRewind:
			n, what = p.Rewind, "that were read there would be read again"
		}
		number := "an unknown number of records"
		if n >= 0 {
			number = count(n, "record", "records")
		}
		out = append(out, number+" "+what)
	}
	return strings.Join(out, ", ")
}

// sourceOf is the group of the source that a position comes from.
func sourceOf(g *plan.Group, p *plan.Position) string {
	if p.SourceGroup != "" {
		return p.SourceGroup
	}
	return g.Name
}

func reasonOf(p *plan.Position) string {
	switch {
	case p.Reason != "":
		return string(p.Reason)
	case p.Outcome == translate.Hold:
		return reasonHeld
	}
	return reasonRepeats
}

// blocked weighs a position that could not be moved now. An application that
// goes on reading moves on: what is against its present position need not be
// against the one at which it stops.
func (c *checker) blocked(p *plan.Position) (severity Severity, reason, remedy string) {
	severity, reason, remedy = Problem, reasonOf(p), planRemedy(p.Hint)
	if remedy == "" {
		remedy = bareRemedies[p.Reason]
	}
	word := overrideOf(p)
	if word != "" && !strings.Contains(remedy, "--accept-"+word) {
		remedy = strings.TrimPrefix(remedy+"; --accept-"+word+" lets it through", "; ")
	}
	switch {
	case slices.Contains(c.spec.Accept, api.AcceptPartialGroup):
		return Warning, reason, "accepted: " + api.AcceptPartialGroup + ", it stays out, and auto.offset.reset decides there"
	case p.Reason == plan.ReasonNotSettled:
		return Warning, reason, remedy
	case word == api.AcceptRewind, p.Reason == plan.ReasonShareGroup:
		return severity, reason, remedy
	case p.Reason == plan.ReasonRelativeMetadata && c.reads(p.SourceGroup), passes(p) && c.reads(p.SourceGroup) && p.LagBefore > 0:
		return Warning, reason, strings.TrimSuffix("it may pass as the application reads on, and is looked at again when that has stopped. "+remedy, ". ")
	}
	return severity, reason, remedy
}

// bareRemedies are for positions about which a plan says no more than what is
// against them.
var bareRemedies = map[plan.Reason]string{
	plan.ReasonPartitionMissing:              "copy the topic into one with as many partitions",
	plan.ReasonTopicMissing:                  "copy the topic first, or give its name there with --map-topic",
	plan.Reason(translate.ReasonUnreadable):  "see that the partition has a leader and may be read, and check again",
	plan.Reason(translate.ReasonBeyondEnd):   "look at the group on the source: the topic may have been deleted and created again, or its log cut back",
	plan.Reason(translate.ReasonIncarnation): "find out what was copied, and make a fresh copy",
}

// overrideOf is the word that would let a blocked position through.
func overrideOf(p *plan.Position) string {
	switch {
	case p.Reason == plan.ReasonRewind:
		return api.AcceptRewind
	case p.Reason == plan.ReasonRetention, p.Reason == plan.Reason(translate.ReasonLoss) && p.After != nil:
		return api.AcceptLoss
	case p.Outcome == translate.Repeats:
		return api.AcceptRepeats
	}
	return ""
}

// passes reports whether what is against a position is at that position, and
// not in the topic as a whole.
func passes(p *plan.Position) bool {
	return p.Outcome == translate.Repeats || slices.Contains([]plan.Reason{
		plan.ReasonRetention, plan.Reason(translate.ReasonLoss), plan.Reason(translate.ReasonSeveralFit),
		plan.Reason(translate.ReasonForgotten), plan.Reason(translate.ReasonNoGoodPosition),
	}, p.Reason)
}

// reads reports whether a source group has members.
func (c *checker) reads(name string) bool { return len(c.source[name].Group.Members) > 0 }
