package migration

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/inspect"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

// topics says what ties each topic to its source, and looks at samples of it.
func (c *checker) topics(ctx context.Context) error {
	if len(c.plan.Topics) == 0 {
		return nil
	}
	if err := c.allTopics(ctx); err != nil {
		return err
	}
	pairs := map[string]*plan.Topic{}
	var asks []inspect.Ask
	for i := range c.plan.Topics {
		t := &c.plan.Topics[i]
		if t.Source == "" || t.TargetPartitions == 0 {
			continue
		}
		c.evidence(t)
		if pairs[t.Target] == nil {
			asks = append(asks, inspect.Ask{Topic: t.Target, Source: t.Source})
		}
		pairs[t.Target] = t
	}
	if len(asks) == 0 {
		return nil
	}
	opts := inspect.Options{Header: c.spec.Header, Encoding: mover.Encoding(c.spec.Encoding), Now: c.in.Now}
	if c.in.Progress != nil {
		opts.Topic = func(done, total int) {
			c.in.Progress(Event{Plan: &plan.Event{Stage: "sampling topics", Done: done, Total: total}})
		}
	}
	got, err := inspect.Inspect(ctx,
		inspect.Side{Log: c.in.To.Log, Topics: c.targetTopics},
		&inspect.Side{Log: c.in.From.Log, Topics: c.sourceTopics}, asks, &opts)
	if err != nil {
		return fmt.Errorf("sampling topics of %s: %w", c.in.To.Name, err)
	}
	movers := map[string][]string{}
	for i := range got.Topics {
		t := &got.Topics[i]
		c.recognised(t, pairs[t.Name])
		c.inspected(t)
		if t.Mover != "" {
			movers[t.Mover] = append(movers[t.Mover], t.Name)
		}
	}
	c.several(movers)
	return nil
}

// evidence says what ties the copies of a topic to source offsets, and why that
// was chosen.
func (c *checker) evidence(t *plan.Topic) {
	f := Finding{Severity: Note, Reason: reasonEvidence, Topic: t.Target}
	if t.Evidence == "" {
		f.Detail = fmt.Sprintf("%s of %s → %s: no position of it could be looked at yet", t.Source, c.in.From.Name, t.Target)
	} else {
		f.Detail = fmt.Sprintf("%s of %s → %s: evidence %s, %s", t.Source, c.in.From.Name, t.Target, t.Evidence, t.Detected)
	}
	if t.Evidence == translate.KindContent {
		f.Remedy = "the copies carry no trace of their offsets: records are found by what they hold, which reads more, and records that are alike may make repeats"
	}
	c.say(f)
	if t.SourcePartitions != t.TargetPartitions && !c.found(string(plan.ReasonPartitionCount), t.Target) {
		c.say(Finding{
			Severity: Warning, Reason: string(plan.ReasonPartitionCount), Topic: t.Target,
			Detail: fmt.Sprintf("%s has %s on %s, and %s has %s on %s: each position is made of all partitions that feed it",
				t.Source, count(t.SourcePartitions, "partition", "partitions"), c.in.From.Name, t.Target, count(t.TargetPartitions, "partition", "partitions"), c.in.To.Name),
			Remedy: "records may be read again; a copy with as many partitions would be exact",
		})
	}
}

// moverNames are the movers behind the words of a spec.
var moverNames = map[string]string{
	api.MoverMirrorMaker2: mover.MirrorMaker,
	api.MoverArmory:       mover.Armory,
	api.MoverKafkaBackup:  mover.KafkaBackup,
	api.MoverRedpanda:     mover.RedpandaMigrator,
	api.MoverK2K:          mover.LensesK2K,
	api.MoverKferry:       mover.Kferry,
}

// recognised compares the mover that the spec names with the one that was
// recognised on a topic. One that is not what was recognised is a problem,
// unless the plan has found its evidence all the same.
func (c *checker) recognised(t *inspect.Topic, pair *plan.Topic) {
	word := c.spec.Mover
	want := moverNames[word]
	if word == api.MoverAuto || want == t.Mover && want != "" {
		return
	}
	f := Finding{Severity: Problem, Reason: reasonMover, Topic: t.Name, Remedy: "name the mover that copied it, or none for auto"}
	switch {
	case word == api.MoverNone && t.Mover == "":
		return
	case word == api.MoverNone:
		f.Severity = Warning
		f.Detail = fmt.Sprintf("%s was copied by %s (%s), and with --mover none its records are compared instead, which shows less", t.Name, t.Mover, strings.Join(t.How, "; "))
	case t.Mover != "":
		f.Detail = fmt.Sprintf("--mover %s is not what copied %s: that was %s (%s)", word, t.Name, t.Mover, strings.Join(t.How, "; "))
	case isEmpty(t):
		f.Severity, f.Remedy = Note, ""
		f.Detail = fmt.Sprintf("%s has no records yet: whether it is copied by %s cannot be seen", t.Name, want)
	case c.usedOf(word, pair):
		return
	default:
		f.Detail = fmt.Sprintf("nothing on %s shows that %s has copied it", t.Name, want)
	}
	if f.Severity == Problem && c.usedOf(word, pair) {
		f.Severity = Warning
	}
	c.say(f)
}

// usedOf reports whether the plan rests on what a mover leaves behind, and has
// found copies by it.
func (c *checker) usedOf(word string, t *plan.Topic) bool {
	o := movers[word]
	if t == nil || t.Evidence == "" || t.Evidence != o.Evidence || o.Header != "" && t.Header != o.Header {
		return false
	}
	return slices.ContainsFunc(c.plan.Groups, func(g plan.Group) bool {
		return slices.ContainsFunc(g.Positions, func(p plan.Position) bool {
			return p.Topic == t.Target && p.Proof != nil && (p.Proof.TargetBefore != nil || p.Proof.TargetAt != nil)
		})
	})
}

func isEmpty(t *inspect.Topic) bool {
	return slices.ContainsFunc(t.Findings, func(f inspect.Finding) bool { return f.Reason == inspect.ReasonEmpty })
}

// inspected passes on what samples of a topic have shown. What stands in the
// way of exact positions there is a problem where the plan has refused a
// position of the topic; elsewhere the positions that there are can be moved.
func (c *checker) inspected(t *inspect.Topic) {
	type kind struct {
		severity inspect.Severity
		reason   inspect.Reason
	}
	first, partitions := map[kind]inspect.Finding{}, map[kind][]int32{}
	var order []kind
	for _, f := range t.Findings {
		k := kind{f.Severity, f.Reason}
		if _, ok := first[k]; !ok {
			order, first[k] = append(order, k), f
		}
		if f.Partition >= 0 {
			partitions[k] = append(partitions[k], f.Partition)
		}
	}
	refused := c.refused(t.Name)
	for _, k := range order {
		f := first[k]
		if c.found(string(f.Reason), t.Name) || f.Reason == inspect.ReasonPartitionCounts && c.found(string(plan.ReasonPartitionCount), t.Name) {
			continue // the plan has said it of the positions that it is about
		}
		out := Finding{Severity: Note, Reason: string(f.Reason), Topic: t.Name, Detail: f.Detail, Remedy: f.Hint}
		switch {
		case f.Severity == inspect.Obstacle && refused:
			out.Severity = Problem
		case f.Severity != inspect.Note:
			out.Severity = Warning
		}
		if n := len(partitions[k]); n > 0 {
			out.Detail = fmt.Sprintf("partition %d: %s", f.Partition, f.Detail)
			if n > 1 {
				out.Detail = fmt.Sprintf("partitions %s, such as %d: %s", numbers(partitions[k]), f.Partition, f.Detail)
			}
		}
		c.say(out)
	}
}

// refused reports whether the plan has refused a position on a topic.
func (c *checker) refused(name string) bool {
	return slices.ContainsFunc(c.plan.Groups, func(g plan.Group) bool {
		return slices.ContainsFunc(g.Positions, func(p plan.Position) bool {
			return p.Topic == name && p.Blocked && p.Outcome == translate.Refused
		})
	})
}

// several says that not all topics were copied by one mover.
func (c *checker) several(movers map[string][]string) {
	if len(movers) < 2 {
		return
	}
	var words []string
	for _, name := range sorted(movers) {
		words = append(words, fmt.Sprintf("%s (%s)", name, some(movers[name])))
	}
	c.say(Finding{
		Severity: Warning, Reason: reasonMovers,
		Detail: "the topics were copied by different movers: " + strings.Join(words, "; "),
		Remedy: "each has to go on until the application has stopped; --mover auto, which is the default, takes each topic for itself",
	})
}
