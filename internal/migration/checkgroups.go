package migration

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
)

// commands looks whether the commands of events are there; webhooks are not
// called.
func (c *checker) commands() {
	for i := range c.spec.Events {
		e := &c.spec.Events[i]
		if len(e.Command) == 0 {
			continue
		}
		if _, err := exec.LookPath(e.Command[0]); err != nil {
			c.say(Finding{
				Severity: Problem, Reason: reasonCommand,
				Detail: fmt.Sprintf("the command of %s cannot be run: %v", strings.Join(e.On, ", "), err),
				Remedy: "install it, name it with its path, or make it executable",
			})
		}
	}
}

// readSource reads the groups of the source with their members.
func (c *checker) readSource(ctx context.Context) error {
	c.source = map[string]group.Reading{}
	if len(c.names) == 0 {
		return nil
	}
	got, err := c.in.From.Read.Read(ctx, c.names)
	if err != nil {
		return fmt.Errorf("reading groups of %s: %w", c.in.From.Name, err)
	}
	c.source = got
	for _, name := range c.names {
		r, ok := got[name]
		if err := errors.Join(r.Err, r.Group.Err); !ok || err != nil || r.Group.State == group.Absent || r.Group.State == group.Dead {
			continue // the plan says so
		}
		c.atWork(name, &r)
		if err := c.protocol(ctx, name, r.Group.Kind); err != nil {
			return err
		}
		if len(r.Positions) == 0 && len(r.Unstable) == 0 {
			c.say(Finding{
				Severity: Warning, Reason: reasonNoPositions, Group: name,
				Detail: fmt.Sprintf("group %q has not committed anything on %s: there is nothing to move, and auto.offset.reset decides where it begins", name, c.in.From.Name),
				Remedy: "let the application run until it has committed, and check again",
			})
		}
	}
	return nil
}

// atWork says who is to be stopped.
func (c *checker) atWork(name string, r *group.Reading) {
	if len(r.Group.Members) == 0 {
		if r.Group.State == group.Empty {
			c.say(Finding{
				Severity: Note, Reason: reasonStopped, Group: name,
				Detail: fmt.Sprintf("group %q has no members on %s now; a consumer that only assigns its partitions is none", name, c.in.From.Name),
			})
		}
		return
	}
	var all, static []string
	for _, m := range r.Group.Members {
		words := m.ClientID
		if m.InstanceID != "" {
			words = m.InstanceID
			static = append(static, m.InstanceID)
		}
		all = append(all, fmt.Sprintf("%s (%s)", words, strings.TrimPrefix(m.Host, "/")))
	}
	c.say(Finding{
		Severity: Note, Reason: reasonMembers, Group: name,
		Detail: fmt.Sprintf("group %q is %s on %s with %s: %s", name, r.Group.State, c.in.From.Name, count(len(all), "member", "members"), some(all)),
		Remedy: "they go on until the migration stands at stopping, and are to be stopped then",
	})
	if len(static) == 0 {
		return
	}
	stay := "until session.timeout.ms has passed (45 s by default)"
	if s, ok := c.in.From.Topics.(sessions); ok {
		if d, known := s.LongestSession(r.Group.Kind == group.Consumer); known {
			stay = fmt.Sprintf("until their session has timed out, at most %s", d)
		}
	}
	c.say(Finding{
		Severity: Note, Reason: reasonStatic, Group: name,
		Detail: fmt.Sprintf("%s of group %q %s static (%s): a static member stays in the group after it was stopped, %s", count(len(static), "member", "members"), name, isAre(len(static)), some(static), stay),
		Remedy: "the migration waits for that and shows the time that is left",
	})
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// joiner is the optional ability of a reader of groups to say whether members of
// a kind can join on its cluster.
type joiner interface {
	Joinable(ctx context.Context, kind group.Kind) (bool, error)
}

// protocol looks whether the application can join on the target as it does on
// the source.
func (c *checker) protocol(ctx context.Context, name string, kind group.Kind) error {
	what, since := "the consumer protocol of KIP-848", "Apache Kafka 4.0"
	switch kind {
	case group.Consumer:
	case group.Streams:
		what, since = "the protocol of Kafka Streams of KIP-1071", "Apache Kafka 4.1"
	case group.Share:
		c.say(Finding{
			Severity: Warning, Reason: string(plan.ReasonShareGroup), Group: name,
			Detail: "a share group moves at least once: what is done above its start offsets will be delivered again, because nobody can see which records these are",
			Remedy: "--accept-repeats lets it through",
		})
		return nil
	case group.Classic, group.Unknown:
		return nil
	}
	j, ok := c.in.To.Read.(joiner)
	if !ok {
		return nil
	}
	can, err := j.Joinable(ctx, kind)
	if err != nil {
		return fmt.Errorf("asking %s for %s: %w", c.in.To.Name, what, err)
	}
	if !can {
		c.say(Finding{
			Severity: Warning, Reason: reasonProtocol, Group: name,
			Detail: fmt.Sprintf("group %q uses %s, which the brokers of %s do not know or have switched off: its positions move, and the application as it is configured now cannot join there", name, what, c.in.To.Name),
			Remedy: "start it there with group.protocol=classic, or switch the protocol on (brokers have it from " + since + " on)",
		})
	}
	return nil
}

// claims looks for migrations of the same state that have one of the groups.
func (c *checker) claims(ctx context.Context) error {
	if c.in.Bucket == nil {
		return nil
	}
	all, err := List(ctx, c.in.Bucket)
	if err != nil {
		return err
	}
	for _, l := range all {
		switch {
		case l.Err != nil:
			c.say(Finding{
				Severity: Warning, Reason: reasonUnknownClaims,
				Detail: fmt.Sprintf("migration %q cannot be read, and may have one of the groups: %v", l.Name, l.Err),
				Remedy: "look at it with kferry migration show; a newer kferry may have written it",
			})
		case l.State.Ended || l.State.Step == "":
		case l.Name == c.spec.Name:
			c.say(Finding{
				Severity: Problem, Reason: reasonNameTaken,
				Detail: fmt.Sprintf("%v: migration %q has not ended and stands at %s", ErrExists, l.Name, l.State.Step),
				Remedy: "kferry migration advance goes on with it, kferry migration abort ends it; or take another name",
			})
		default:
			c.claimed(l.State)
		}
	}
	return nil
}

// claimed compares one migration that has not ended with this one.
func (c *checker) claimed(s *State) {
	problem := func(name, where string) {
		c.say(Finding{
			Severity: Problem, Reason: reasonClaimed, Group: name,
			Detail: fmt.Sprintf("group %q of %s belongs to migration %q, which stands at %s", name, where, s.Name, s.Step),
			Remedy: "let that one come to its end, or end it with kferry migration abort " + s.Name,
		})
	}
	for _, name := range c.names {
		if s.Source.ID == c.in.From.ID && slices.Contains(s.sources(), name) || s.Target.ID == c.in.From.ID && slices.Contains(s.targets(), name) {
			problem(name, c.in.From.Name)
		}
		for _, to := range c.input.Route.Targets(name) {
			if s.Target.ID == c.in.To.ID && slices.Contains(s.targets(), to) || s.Source.ID == c.in.To.ID && slices.Contains(s.sources(), to) {
				problem(to, c.in.To.Name)
			}
		}
	}
}
