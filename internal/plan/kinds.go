package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/group"
)

// kinds is what is known of groups that need more than their positions.
type kinds struct {
	// streams are the applications of Kafka Streams, by source group.
	streams map[string]*streamsApp
	// noShare says why the target cannot keep share groups, nil when it can or
	// was not asked.
	noShare error
}

// readKinds finds out which source groups are applications of Kafka Streams,
// sinks of Kafka Connect, share groups, or such as nobody ever joined, and
// reads what these need.
func (b *builder) readKinds(ctx context.Context) error {
	if b.in.Given != nil {
		return nil
	}
	if err := b.findStreams(ctx); err != nil {
		return err
	}
	for _, name := range sortedKeys(b.source) {
		b.noteConnect(name)
	}
	b.noteUnseen()
	return b.lookForShare(ctx)
}

// kindObstacle says what the kind of a group has against its move.
func (b *builder) kindObstacle(g *Group) *obstacle {
	if ob := b.shareObstacle(g); ob != nil {
		return ob
	}
	return b.streamsObstacle(g)
}

// stopHint completes the advice to stop an application with how that is done
// for its kind.
func (b *builder) stopHint(name string) string {
	if b.streams[name] != nil && b.source[name].Group.Kind == group.Classic {
		return "; a member of Kafka Streams does not leave when it stops: it is gone after session.timeout.ms, 45 s by default"
	}
	if connector, ok := b.sinkOf(name); ok {
		return fmt.Sprintf("; a sink of Kafka Connect is stopped with PUT /connectors/%s/stop", connector)
	}
	return ""
}

// connectPrefix begins the groups of sink connectors (SinkUtils of Kafka
// Connect), unless consumer.override.group.id says otherwise.
const connectPrefix = "connect-"

// sinkOf is the connector that a group is of, by its name.
func (b *builder) sinkOf(name string) (connector string, ok bool) {
	g := b.source[name].Group
	connector, ok = strings.CutPrefix(name, connectPrefix)
	ok = ok && connector != "" && exists(g) && g.Kind != group.Share && b.streams[name] == nil
	return connector, ok
}

// noteConnect names the connector of a group that is one's by its name.
func (b *builder) noteConnect(name string) {
	connector, ok := b.sinkOf(name)
	if !ok {
		return
	}
	f := Finding{
		Severity: Note, Reason: ReasonConnect, Group: name,
		Detail: fmt.Sprintf("by its name the group of the sink connector %q of Kafka Connect, which must stay stopped meanwhile, here and on the target. MirrorMaker 2 leaves groups connect-* out unless its groups.exclude is changed", connector),
		Hint:   fmt.Sprintf("PUT /connectors/%s/stop stops it (Connect from 3.5 on; a connector that is only paused keeps its members); a sink's own way to set positions is PATCH /connectors/%s/offsets", connector, connector),
	}
	for _, to := range b.groupNames(name) {
		if to == name {
			continue
		}
		f.Severity = Warning
		if there, is := strings.CutPrefix(to, connectPrefix); is && there != "" {
			f.Detail += fmt.Sprintf(". As group %q it is read by a connector of the name %q only", to, there)
		} else {
			f.Detail += fmt.Sprintf(". No connector reads as group %q unless its consumer.override.group.id says so", to)
		}
	}
	b.find(f)
}

// noteUnseen names the groups that no consumer has ever joined: who commits
// there assigns partitions to itself and is no member, so that nobody can see
// whether it is at work.
func (b *builder) noteUnseen() {
	var names []string
	for _, name := range sortedKeys(b.source) {
		r := b.source[name]
		if r.Group.Kind == group.Classic && r.Group.Protocol == "" && r.Group.State == group.Empty && len(r.Positions) > 0 {
			names = append(names, fmt.Sprintf("%q", name))
		}
	}
	if len(names) == 0 {
		return
	}
	what := "group " + names[0] + " has"
	if len(names) > 1 {
		what = "groups " + listed(names) + " have"
	}
	b.find(Finding{
		Severity: Note, Reason: ReasonUnseen,
		Detail: what + " never had a member: consumers that only assign partitions, and producers that commit for them in transactions, cannot be seen. Apply reads the positions again before and after it writes, and takes back what it wrote where they moved",
		Hint:   "make sure that these applications are stopped",
	})
}

// listed joins names for a sentence, at most five of them.
func listed(names []string) string {
	const most = 5
	if len(names) == 1 {
		return names[0]
	}
	if n := len(names) - most; n > 1 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", n)
	}
	last := len(names) - 1
	return strings.Join(slices.Clone(names[:last]), ", ") + " and " + names[last]
}
