package migration

import (
	"context"
	"fmt"
	"time"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// copyState says what would be held now, and how long the copy needs.
func (c *checker) copyState() {
	type key struct{ group, topic, reason string }
	held := map[key][]*plan.Position{}
	var keys []key
	for i := range c.plan.Groups {
		g := &c.plan.Groups[i]
		for j := range g.Positions {
			p := &g.Positions[j]
			if p.Outcome != translate.Hold {
				continue
			}
			k := key{sourceOf(g, p), p.Topic, reasonOf(p)}
			if held[k] == nil {
				keys = append(keys, k)
			}
			held[k] = append(held[k], p)
		}
	}
	for _, k := range keys {
		ps := held[k]
		f := Finding{
			Severity: Warning, Reason: k.reason, Group: k.group, Topic: k.topic, Remedy: planRemedy(ps[0].Hint),
			Detail: fmt.Sprintf("%s of group %q on %s would be held now: %s", count(len(ps), "position", "positions"), k.group, k.topic, ps[0].Detail),
		}
		// A copy that is behind is how copies are; what else holds is not.
		if k.reason == string(translate.ReasonNotCopied) || k.reason == reasonHeld {
			f.Severity = Note
		}
		c.say(f)
	}
	c.progress()
}

// progress says at which rate the copy goes on, or that it does not.
func (c *checker) progress() {
	if c.out.Look == nil {
		return
	}
	for i := range c.out.Look.Topics {
		t := &c.out.Look.Topics[i]
		if t.Held == 0 {
			continue
		}
		f := Finding{
			Severity: Note, Reason: reasonProgress, Topic: t.Topic,
			Detail: fmt.Sprintf("%d of %d offsets of %s that were read on %s are copied", t.Copied, t.Wanted, t.Source, c.in.From.Name),
		}
		switch {
		case t.Rate > 0:
			f.Detail += fmt.Sprintf(", at %.0f per second: the others take %s", max(1, t.Rate), took(t.Left))
			f.Remedy = "the migration waits for them once the application has stopped"
		case t.Rate == 0 && c.out.Look.Elapsed > 0:
			f.Severity, f.Reason = Warning, reasonStandsStill
			f.Detail += ", and none within " + took(c.out.Look.Elapsed)
			f.Remedy = "look whether the mover runs, and copies this topic; if it has ended, say --copy-complete"
		}
		c.say(f)
	}
}

// took shows a time without needless digits.
func took(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	}
	return d.Round(time.Second).String()
}

// unset says where the application has no position, and auto.offset.reset will
// decide.
func (c *checker) unset(ctx context.Context) error {
	type key struct{ group, topic string }
	none, of := map[key][]topic.Partition{}, map[key]int{}
	ask := map[topic.Partition]bool{}
	var order []key
	for i := range c.plan.Groups {
		g := &c.plan.Groups[i]
		for j := range g.Positions {
			p := &g.Positions[j]
			k := key{sourceOf(g, p), p.SourceTopic}
			of[k]++
			tp, whole := p.SourcePartition()
			if p.Outcome == translate.Unset && p.Action == plan.None {
				if none[k] == nil {
					order = append(order, k)
				}
				none[k] = append(none[k], tp)
				if whole {
					ask[tp] = true
				}
			}
		}
	}
	bounds, err := c.bounds(ctx, ask)
	if err != nil {
		return err
	}
	for _, k := range order {
		parts := none[k]
		filled := 0
		var numbered []int32
		for _, tp := range parts {
			numbered = append(numbered, tp.Partition)
			if b, asked := bounds[tp]; !asked || b.Err != nil || b.End > b.Start {
				filled++
			}
		}
		f := Finding{
			Severity: Note, Reason: reasonUnset, Group: k.group, Topic: k.topic,
			Detail: fmt.Sprintf("group %q has no position on %s of %d of %s (%s), none of which has records: auto.offset.reset decides on the target", k.group, count(len(parts), "partition", "partitions"), of[k], k.topic, numbers(numbered)),
		}
		if filled > 0 {
			f.Severity = Warning
			f.Detail = fmt.Sprintf("group %q has no position on %s of %d of %s (%s), of which %d %s records: on the target auto.offset.reset decides whether they are read", k.group, count(len(parts), "partition", "partitions"), of[k], k.topic, numbers(numbered), filled, hasHave(filled))
			f.Remedy = "let the application run until it has committed there, or see that its auto.offset.reset does what you want"
		}
		c.say(f)
	}
	c.assigned()
	return nil
}

func hasHave(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

// assigned names topics that members read and on which the group has committed
// nothing at all.
func (c *checker) assigned() {
	known := map[[2]string]bool{}
	for i := range c.plan.Groups {
		g := &c.plan.Groups[i]
		for j := range g.Positions {
			known[[2]string{sourceOf(g, &g.Positions[j]), g.Positions[j].SourceTopic}] = true
		}
	}
	for _, l := range c.plan.LeftBehind {
		known[[2]string{l.Group, l.Topic}] = true
	}
	for _, name := range c.names {
		for _, m := range c.source[name].Group.Members {
			for _, tp := range m.Assigned {
				k := [2]string{name, tp.Topic}
				if known[k] || !c.input.Selection.Topic(tp.Topic) {
					continue
				}
				known[k] = true
				c.say(Finding{
					Severity: Warning, Reason: reasonUnset, Group: name, Topic: tp.Topic,
					Detail: fmt.Sprintf("members of group %q read %s, and the group has not committed there: on the target auto.offset.reset decides where it begins", name, tp.Topic),
					Remedy: "let the application run until it has committed there, or see that its auto.offset.reset does what you want",
				})
			}
		}
	}
}

func (c *checker) bounds(ctx context.Context, parts map[topic.Partition]bool) (map[topic.Partition]topic.Bounds, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	got, err := c.in.From.Log.Bounds(ctx, sortedParts(parts))
	if err != nil {
		return nil, fmt.Errorf("reading offsets of %s: %w", c.in.From.Name, err)
	}
	return got, nil
}

// retention looks whether the source will have deleted records by its retention
// before they are copied.
func (c *checker) retention(ctx context.Context) error {
	behind, at := c.behind()
	if len(at) == 0 {
		return nil
	}
	ask := map[topic.Partition]bool{}
	for tp := range at {
		ask[tp] = true
	}
	bounds, err := c.bounds(ctx, ask)
	if err != nil {
		return err
	}
	fresh, err := c.in.From.Log.Since(ctx, at)
	if err != nil {
		return fmt.Errorf("reading offsets by time of %s: %w", c.in.From.Name, err)
	}
	due := map[string]int64{}
	for tp, through := range behind {
		b, stamp := bounds[tp], fresh[tp]
		if b.Err != nil || stamp.Err != nil {
			continue
		}
		spared := stamp.Offset
		if spared < 0 {
			spared = b.End
		}
		if n := spared - max(through, b.Start); n > 0 {
			due[tp.Topic] += n
		}
	}
	for _, name := range sorted(due) {
		c.say(Finding{
			Severity: Warning, Reason: reasonSourceGone, Topic: name,
			Detail: fmt.Sprintf("%s of %s on %s will be older than its retention of %s before they are copied, and may be deleted uncopied", count(due[name], "offset", "offsets"), name, c.in.From.Name, took(c.sourceTopics[name].Config.Retention)),
			Remedy: "raise retention.ms of the topic on the source until the copy has caught up",
		})
	}
	return nil
}

// behind are the source partitions that are not copied through, with the offset
// below which they are, and with the time in milliseconds since the epoch: what
// is older than that may be deleted by the time the copy has caught up.
func (c *checker) behind() (through, at map[topic.Partition]int64) {
	through, at = map[topic.Partition]int64{}, map[topic.Partition]int64{}
	left := map[string]time.Duration{}
	if c.out.Look != nil {
		for _, t := range c.out.Look.Topics {
			left[t.Source] = max(t.Left, left[t.Source])
		}
	}
	for i := range c.plan.Groups {
		for j := range c.plan.Groups[i].Positions {
			p := &c.plan.Groups[i].Positions[j]
			tp, ok := p.SourcePartition()
			conf := c.sourceTopics[tp.Topic].Config
			if !ok || p.Outcome != translate.Hold || p.CopiedThrough < 0 || !conf.Known || conf.Retention < 0 || conf.Compacted {
				continue
			}
			if have, seen := through[tp]; !seen || p.CopiedThrough < have {
				through[tp] = p.CopiedThrough
			}
			at[tp] = c.in.Now().Add(left[tp.Topic] - conf.Retention).UnixMilli()
		}
	}
	return through, at
}

// retainer is the optional ability of a cluster to say how long it keeps what a
// group has committed (offsets.retention.minutes).
type retainer interface {
	OffsetsRetention(ctx context.Context) (keep time.Duration, known bool, err error)
}

// expiry says how long the way back stays open. What plan has to say of it is
// said as it is; where the source keeps positions for the usual time that is all
// there is to know.
func (c *checker) expiry(ctx context.Context) error {
	if len(c.plan.Groups) == 0 {
		return nil
	}
	keep := time.Duration(c.spec.KeepOffsets)
	found, err := plan.SourceExpiry(ctx, c.in.From, c.source, keep)
	switch {
	case err != nil:
		return err
	case found != nil:
		f := Finding{Severity: planSeverity(found), Reason: reasonSourceExpiry, Detail: found.Detail, Remedy: found.Hint}
		if keep > 0 {
			f.Severity = Problem // it was asked for, and cannot be
		}
		c.say(f)
		return nil
	}
	s, ok := c.in.From.Topics.(retainer)
	if !ok || keep > 0 {
		return nil
	}
	kept, known, err := s.OffsetsRetention(ctx)
	if err != nil || !known {
		return err
	}
	c.say(Finding{
		Severity: Note, Reason: reasonSourceExpiry,
		Detail: fmt.Sprintf("%s forgets what a group has committed %s after its last member has left: until then the application can go back", c.in.From.Name, took(kept)),
		Remedy: "--keep-offsets DURATION keeps them longer",
	})
	return nil
}
