package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// checkInterval lies between two looks at the copy.
const checkInterval = 2 * time.Second

// Check looks, while the application still runs on the source, at all that a
// migration will need, and says what it found. It writes nothing: neither to a
// cluster nor to the state. When the copy is behind it
// is looked at for two intervals (Input.Interval, 2 s), at least twice.
//
// The error is for what prevents looking: a cluster or a state that does not
// answer, a pattern that is none, and ErrSameCluster. Everything else is a
// finding; with a Problem among them Create refuses. Progress is told of with no
// State, because there is none yet.
func Check(ctx context.Context, in Input, spec api.Migration) (*Checkup, error) {
	in.defaults()
	spec = spec.Clone()
	spec.SetDefaults()
	c := &checker{in: &in, spec: &spec, out: &Checkup{Spec: spec, Groups: []Pair{}, Findings: []Finding{}}, said: map[Finding]bool{}}
	if err := c.run(ctx); err != nil {
		if _, known := errors.AsType[*Error](err); known {
			return nil, err
		}
		out := &Error{Op: "checking", Name: spec.Name, Err: err}
		if failed, ok := errors.AsType[*plan.Error](err); ok {
			out.Hint = failed.Hint
		}
		return nil, out
	}
	c.finish()
	return c.out, nil
}

// checker is one Check. Its fields are filled in this order.
type checker struct {
	in   *Input
	spec *api.Migration
	out  *Checkup
	said map[Finding]bool

	input plan.Input
	names []string // of the source groups, sorted
	// source are the groups as they were before the plan was made.
	source map[string]group.Reading
	// plan is what would be planned now; nil when none can be made.
	plan *plan.Plan
	// sourceTopics and targetTopics are all that can be seen.
	sourceTopics, targetTopics map[string]topic.Topic
}

func (c *checker) run(ctx context.Context) error {
	if err := c.otherCluster(ctx); err != nil {
		return err
	}
	var err error
	if c.input, err = planInput(c.in, c.spec, nil); err != nil {
		return err
	}
	c.commands()
	if err := c.choose(ctx); err != nil {
		return err
	}
	for _, look := range []func(context.Context) error{c.readSource, c.claims, c.makePlan, c.rights} {
		if err := look(ctx); err != nil {
			return err
		}
	}
	if c.plan == nil {
		return nil
	}
	c.fromPlan()
	c.copyState()
	for _, look := range []func(context.Context) error{c.unset, c.topics, c.retention, c.expiry} {
		if err := look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// say adds a finding, each once.
func (c *checker) say(f Finding) {
	if !c.said[f] {
		c.said[f] = true
		c.out.Findings = append(c.out.Findings, f)
	}
}

// found reports whether something was said with that reason of a topic.
func (c *checker) found(reason, topicName string) bool {
	return slices.ContainsFunc(c.out.Findings, func(f Finding) bool { return f.Reason == reason && f.Topic == topicName })
}

// severities are in the order in which findings are shown.
var severities = []Severity{Problem, Warning, Note}

func (c *checker) finish() {
	slices.SortStableFunc(c.out.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)),
			strings.Compare(a.Group, b.Group), strings.Compare(a.Topic, b.Topic),
			strings.Compare(a.Reason, b.Reason), strings.Compare(a.Detail, b.Detail),
		)
	})
	pairs := map[Pair]bool{}
	if c.plan == nil {
		for _, name := range c.names {
			for _, to := range c.input.Route.Targets(name) {
				pairs[Pair{name, to}] = true
			}
		}
	} else {
		for i := range c.plan.Groups {
			for _, s := range c.plan.Groups[i].Sources {
				pairs[Pair{s.Name, c.plan.Groups[i].Name}] = true
			}
		}
	}
	for p := range pairs {
		c.out.Groups = append(c.out.Groups, p)
	}
	slices.SortFunc(c.out.Groups, func(a, b Pair) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Target, b.Target))
	})
	c.out.Plan = c.plan
}

// otherCluster refuses one cluster on both sides. Where the brokers give no
// cluster ID, the same address on both sides or a topic ID that both have shows
// it: topic IDs are random (KIP-516).
func (c *checker) otherCluster(ctx context.Context) error {
	from, to := &c.in.From, &c.in.To
	why := ""
	switch {
	case from.ID != "" && to.ID != "":
		if from.ID == to.ID {
			why = fmt.Sprintf("both have cluster ID %q", from.ID)
		}
	default:
		for _, address := range from.Bootstrap {
			if slices.Contains(to.Bootstrap, address) {
				why = "both were reached at " + address
			}
		}
		if why == "" {
			name, err := c.sharedTopic(ctx)
			if err != nil {
				return err
			}
			if name != "" {
				why = fmt.Sprintf("topic %s has the same ID on both", name)
			}
		}
	}
	if why == "" {
		return nil
	}
	return &Error{
		Op: "checking", Name: c.spec.Name, Err: fmt.Errorf("%w: %s", ErrSameCluster, why),
		Hint: "a migration goes to another cluster; kferry group copy gives a group of one cluster the positions of another",
	}
}

// sharedTopic is a topic that has one ID on both sides, "" when there is none.
func (c *checker) sharedTopic(ctx context.Context) (string, error) {
	if err := c.allTopics(ctx); err != nil {
		return "", err
	}
	for _, name := range sorted(c.sourceTopics) {
		if id := c.sourceTopics[name].ID; !id.IsZero() && id == c.targetTopics[name].ID {
			return name, nil
		}
	}
	return "", nil
}

// allTopics reads the topics of both sides, once.
func (c *checker) allTopics(ctx context.Context) (err error) {
	if c.sourceTopics != nil {
		return nil
	}
	if c.targetTopics, err = c.in.To.Topics.Topics(ctx); err != nil {
		return fmt.Errorf("reading topics of %s: %w", c.in.To.Name, err)
	}
	if c.sourceTopics, err = c.in.From.Topics.Topics(ctx); err != nil {
		return fmt.Errorf("reading topics of %s: %w", c.in.From.Name, err)
	}
	return nil
}

// choose finds the groups of the source that the spec means, as a plan does.
func (c *checker) choose(ctx context.Context) error {
	sel := c.input.Selection
	names := map[string]bool{}
	for _, name := range sel.LiteralGroups() {
		if sel.Group(name) {
			names[name] = true
		}
	}
	if !sel.OnlyLiteralGroups() && c.in.From.List != nil {
		all, _, err := c.in.From.List.List(ctx)
		if err != nil {
			return fmt.Errorf("listing groups of %s: %w", c.in.From.Name, err)
		}
		for _, g := range all {
			if sel.Group(g.Name) {
				names[g.Name] = true
			}
		}
	}
	c.names = sorted(names)
	return nil
}

// makePlan builds what would be planned now, with the positions of an
// application that still runs. The copy is looked at before, more than once
// where something is held: that needs no proofs, which take reading all that the
// groups have yet to read.
func (c *checker) makePlan(ctx context.Context) error {
	in := c.input
	in.Accept.ActiveSource = true
	if c.in.Progress != nil {
		in.Progress = func(e plan.Event) { c.in.Progress(Event{Plan: &e}) }
	}
	every := checkInterval
	if c.in.Interval > 0 {
		every = c.in.Interval
	}
	unproven := in
	unproven.Translate.Quick = true
	p, look, err := plan.Await(ctx, unproven, plan.WaitInput{
		Interval: every, Limit: 2 * every, Looks: 2, Sleep: c.in.Sleep,
		Look: func(l *plan.Look) {
			if c.in.Progress != nil {
				c.in.Progress(Event{Look: l})
			}
		},
	})
	if err == nil && !c.spec.Quick {
		p, err = plan.Build(ctx, in)
	}
	if err != nil {
		return c.noPlan(err)
	}
	c.plan, c.out.Look = p, look
	return nil
}

// noPlan says why no plan can be made, when that is for the user to mend.
func (c *checker) noPlan(err error) error {
	var route *position.RouteError
	var failed *plan.Error
	switch {
	case errors.As(err, &route):
		for _, p := range route.Problems {
			c.say(routeFinding(p))
		}
		return nil
	case !errors.As(err, &failed):
		return err
	}
	f := Finding{Severity: Problem, Detail: err.Error(), Remedy: failed.Hint}
	switch {
	case errors.Is(err, plan.ErrNothing) && len(c.names) == 0:
		f.Reason = reasonNoGroup
	case errors.Is(err, plan.ErrNothing):
		f.Reason = reasonNotFound
	case errors.Is(err, plan.ErrCollision):
		f.Reason = reasonCollision
	case errors.Is(err, plan.ErrInput):
		f.Reason = reasonContradiction
	default:
		return err
	}
	c.say(f)
	return nil
}

func routeFinding(p position.RouteProblem) Finding {
	f := Finding{Severity: Problem, Reason: reasonRoute, Topic: p.Topic, Detail: p.String()}
	switch p.Kind {
	case position.TopicCollision:
		f.Reason, f.Remedy = reasonCollision, "give them different names with --map-topic"
	case position.GroupCollision:
		f.Reason, f.Group, f.Remedy = reasonCollision, p.Sources[0], "give them different names with --map-group, or move them one after the other"
	case position.Forgotten, position.Doubled:
		f.Group, f.Remedy = p.Sources[0], "let exactly one mapping of the group have the topic"
	case position.BadName:
		f.Remedy = "change the mapping"
	}
	return f
}
