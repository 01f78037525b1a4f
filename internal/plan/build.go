package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Build reads both sides, translates every position and decides what is to
// become of it. It writes nothing. Positions that cannot be moved are in the
// plan with their reasons; the error is for what prevents a plan at all.
func Build(ctx context.Context, in Input) (*Plan, error) {
	b, err := prepare(ctx, in)
	if err != nil {
		return nil, err
	}
	return b.plan, nil
}

// prepare is Build, and keeps what was read.
func prepare(ctx context.Context, in Input) (*builder, error) {
	b := &builder{in: in, apart: map[pairNames]obstacle{}, plan: &Plan{
		Kind: Move, Tool: in.Tool, Route: in.Route.Options(), Asked: in.Asked, Target: in.To.cluster(),
		Findings: []Finding{}, LeftBehind: []LeftBehind{}, Topics: []Topic{}, Groups: []Group{},
	}}
	if err := b.begin(); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{
		b.keepReady, b.chooseGroups, b.readSource, b.findMirror, b.readTopics, b.readKinds, b.readTarget, b.lookAhead, b.readCheckpoints,
		b.joinUneven, b.translate, b.joinForeign, b.readStreams,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	b.judge()
	if err := b.noteExpiry(ctx); err != nil {
		return nil, err
	}
	b.nearGroups(ctx, in.From, func(g *Group) []string {
		var names []string
		for _, s := range g.Sources {
			names = append(names, s.Name)
		}
		return names
	})
	b.plan.finish()
	if err := b.plan.seal(); err != nil {
		return nil, err
	}
	return b, nil
}

// builder holds what is known while a plan is made. The steps of Build fill it
// in the order of its fields.
type builder struct {
	in   Input
	plan *Plan
	now  time.Time

	shares []share // which source group feeds which target group

	source       map[string]group.Reading // by source group
	mirror       mirror                   // what MirrorMaker 2 has left behind
	kinds                                 // what groups are besides positions
	sourceTopics map[string]topic.Topic
	targetTopics map[string]topic.Topic
	target       map[string]group.Reading // by target group

	items  map[string][]*item // by target group
	bounds map[topic.Partition]topic.Bounds
	fresh  map[topic.Partition]topic.Stamp // first record that retention spares
	apart  map[pairNames]obstacle          // why partitions cannot be taken together
}

// share is one source group on its way to one target group.
type share struct{ from, to string }

// item is one position on its way.
type item struct {
	from     string // source group
	source   topic.Partition
	target   topic.Partition
	have     *Offset // S, nil when the group has none here
	unstable bool
	extra    bool // only the target group has it
	joined   bool // stands for all source partitions that feed the target's
	feeds    []Feed
	result   *translate.Result
}

func (b *builder) begin() error {
	in := &b.in
	if in.Now == nil {
		in.Now = time.Now
	}
	b.now = in.Now()
	settle := in.Settle
	switch {
	case settle == 0:
		settle = DefaultSettle
	case settle < 0:
		settle = 0
	}
	evidence := in.Translate.Evidence
	if evidence == "" {
		evidence = translate.KindAuto
	}
	b.plan.Created = b.now.UTC().Truncate(time.Millisecond)
	b.plan.Options = Options{
		Evidence: evidence, Header: in.Translate.Header, Encoding: in.Translate.Encoding, Quick: in.Translate.Quick,
		CopyComplete: in.Translate.CopyComplete, SettleMS: settle.Milliseconds(), Accept: in.Accept,
		MirrorAlias: in.Mirror.Alias, KeepMS: in.Keep.Milliseconds(),
	}
	bad := func(why string) error {
		return &Error{Op: "planning", Object: "the move", Err: fmt.Errorf("%w: %s", ErrInput, why)}
	}
	switch {
	case in.To.Topics == nil || in.To.Log == nil:
		return bad("the target has no topics to read")
	case in.To.Read == nil && !in.TranslateOnly:
		return bad("the target has no groups to read")
	case in.From == nil && in.Given == nil:
		return bad("without a source the positions must be given")
	case in.AsGiven && in.Given == nil:
		return bad("no positions are given")
	case in.Keep != 0 && !keepable(in.Keep):
		return bad(keepText)
	case in.AsGiven && in.From != nil:
		return bad("positions that are committed as given need no source")
	}
	b.chooseKind()
	b.items = map[string][]*item{}
	return nil
}

// chooseKind says what the plan is for.
func (b *builder) chooseKind() {
	in := &b.in
	if in.From != nil {
		c := in.From.cluster()
		b.plan.Source = &c
		b.plan.SameCluster = sameCluster(c, b.plan.Target)
		if b.plan.SameCluster {
			b.plan.Kind = Copy
		}
	}
	switch {
	case in.AsGiven:
		b.plan.Kind = Given
	case in.saved != nil:
		b.plan.Kind, b.plan.Snapshot = Restore, in.saved.ref()
	}
}

// sameCluster compares cluster IDs; brokers that have none are the same when
// they were reached at the same addresses.
func sameCluster(a, b Cluster) bool {
	if a.ID != "" || b.ID != "" {
		return a.ID == b.ID
	}
	return len(a.Bootstrap) > 0 && slices.Equal(a.Bootstrap, b.Bootstrap)
}

func (b *builder) event(e Event) {
	if b.in.Progress != nil {
		b.in.Progress(e)
	}
}

func (b *builder) find(f Finding) { b.plan.Findings = append(b.plan.Findings, f) }

// topicName is the name of a source topic on the target.
func (b *builder) topicName(name string) string {
	if b.in.AsGiven {
		return name
	}
	if to, ok := b.mirror.renamed[name]; ok {
		return to
	}
	return b.in.Route.Topic(name)
}

// groupFor is the target group of one topic of a source group; ok is false
// when the route leaves the topic behind.
func (b *builder) groupFor(name, topicName string) (string, bool) {
	if b.in.AsGiven {
		return name, true
	}
	return b.in.Route.GroupFor(name, topicName)
}

// groupNames are all target groups of a source group.
func (b *builder) groupNames(name string) []string {
	if b.in.AsGiven {
		return []string{name}
	}
	return b.in.Route.Targets(name)
}

// chooseGroups finds the source groups and their names on the target.
func (b *builder) chooseGroups(ctx context.Context) error {
	names := map[string]bool{}
	sel := b.in.Selection
	switch {
	case b.in.Given != nil:
		for _, p := range b.in.Given {
			if sel.Group(p.Group) && sel.Partition(p.Partition) {
				names[p.Group] = true
			}
		}
	case sel.OnlyLiteralGroups():
		for _, name := range sel.LiteralGroups() {
			if sel.Group(name) {
				names[name] = true
			}
		}
	default:
		if err := b.listGroups(ctx, names); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		return &Error{
			Op: "planning", Object: "the move", Err: fmt.Errorf("%w: %s", ErrNothing, b.nothingSelected()),
			Hint: "kferry group list shows the groups that can be seen",
		}
	}
	for _, from := range sortedKeys(names) {
		for _, to := range b.groupNames(from) {
			if from == "" || to == "" {
				return &Error{Op: "planning", Object: fmt.Sprintf("group %q", from), Err: fmt.Errorf("%w: a group has no name", ErrInput)}
			}
			b.shares = append(b.shares, share{from: from, to: to})
			b.items[to] = nil
		}
	}
	return nil
}

// nothingSelected says why there is no group to move.
func (b *builder) nothingSelected() string {
	var parts []string
	for _, p := range b.in.Selection.UnmatchedGroups() {
		if !strings.HasPrefix(p.Option, "--exclude") {
			parts = append(parts, p.Option+" "+p.Text)
		}
	}
	switch {
	case b.in.Given != nil:
		return "none of the positions that are given is of a selected group and topic"
	case len(parts) > 0:
		return fmt.Sprintf("no group of %s matches %s", b.in.From.label(), strings.Join(parts, ", "))
	default:
		return b.in.From.label() + " has no group that is selected"
	}
}

func (b *builder) listGroups(ctx context.Context, names map[string]bool) error {
	if b.in.From.List == nil {
		return &Error{Op: "planning", Object: "the move", Err: fmt.Errorf("%w: the source cannot list groups", ErrInput)}
	}
	b.event(Event{Stage: "listing groups"})
	all, complete, err := b.in.From.List.List(ctx)
	if err != nil {
		return fmt.Errorf("listing groups of %s: %w", b.in.From.label(), err)
	}
	b.incomplete(b.in.From, complete)
	for _, g := range all {
		if b.in.Selection.Group(g.Name) {
			names[g.Name] = true
		}
	}
	for _, name := range b.in.Selection.LiteralGroups() {
		if b.in.Selection.Group(name) {
			names[name] = true
		}
	}
	return nil
}

// incomplete turns what a missing right may hide into a finding, once for all
// groups of which the same is true.
func (b *builder) incomplete(s *Side, c group.Completeness) {
	f := Finding{Severity: Note, Reason: ReasonIncomplete, Detail: s.label() + " does not tell whether it shows all groups and positions"}
	switch {
	case len(c.Missing) > 0:
		f.Severity, f.Hint = Warning, "grant the rights that are named and plan again"
		f.Detail = s.label() + " may hide groups or positions: " + strings.Join(c.Missing, "; ")
	case c.Known:
		return
	}
	if !slices.Contains(b.plan.Findings, f) {
		b.find(f)
	}
}

func (s *Side) label() string {
	switch {
	case s.Name != "":
		return s.Name
	case len(s.Bootstrap) > 0:
		return s.Bootstrap[0]
	default:
		return "cluster " + s.ID
	}
}

// readSource reads the source groups, or takes the given positions, and lays
// out the items.
func (b *builder) readSource(ctx context.Context) error {
	b.source = map[string]group.Reading{}
	if b.in.Given != nil {
		return b.takeGiven()
	}
	names := map[string]bool{}
	for _, s := range b.shares {
		names[s.from] = true
	}
	b.event(Event{Stage: "reading groups of the source", Total: len(names)})
	readings, err := b.in.From.Read.Read(ctx, sortedKeys(names))
	if err != nil {
		return fmt.Errorf("reading groups of %s: %w", b.in.From.label(), err)
	}
	for _, name := range sortedKeys(names) {
		r, ok := readings[name]
		if !ok {
			r = group.Reading{Group: group.Group{Name: name, Kind: group.Unknown, State: group.Absent}, At: b.now}
		}
		if r.At.IsZero() {
			r.At = b.now
		}
		b.source[name] = r
		b.incomplete(b.in.From, r.Complete)
	}
	if err := b.checkRoute(); err != nil {
		return err
	}
	for _, name := range sortedKeys(b.source) {
		b.takeReading(name, b.source[name])
	}
	if err := b.unmatched(ctx); err != nil {
		return err
	}
	return b.collide()
}

// checkRoute has the route judge all source positions at once.
func (b *builder) checkRoute() error {
	var keys []position.Key
	for name, r := range b.source {
		for p := range r.Positions {
			if b.in.Selection.Partition(p) {
				keys = append(keys, position.Key{Group: name, Partition: p})
			}
		}
	}
	if err := b.in.Route.Check(keys); err != nil {
		return fmt.Errorf("routing the positions: %w", err)
	}
	return nil
}

// unmatched says which parts of the selection selected nothing. A topic that
// is named and does not exist is an error: the plan would look complete.
func (b *builder) unmatched(ctx context.Context) error {
	for _, p := range slices.Concat(b.in.Selection.UnmatchedGroups(), b.in.Selection.UnmatchedTopics()) {
		if err := b.namedTopic(ctx, p); err != nil {
			return err
		}
		b.find(Finding{
			Severity: Warning, Reason: ReasonUnmatched,
			Detail: fmt.Sprintf("%s %s selects nothing", p.Option, p.Text),
		})
	}
	return nil
}

// namedTopic refuses a topic that is included by its name and is not there.
func (b *builder) namedTopic(ctx context.Context, p position.Pattern) error {
	if !p.Literal || p.Option != "--topic" && p.Option != "--partition" {
		return nil
	}
	all, err := topicsOf(ctx, b.in.From, []string{p.Name})
	if err != nil || !gone(all[p.Name]) {
		return err
	}
	if all, err = b.in.From.Topics.Topics(ctx); err != nil {
		return fmt.Errorf("reading topics of %s: %w", b.in.From.label(), err)
	}
	return &Error{
		Op: "planning", Object: "the move", Err: fmt.Errorf("%w: %s has no topic %s (%s %s)", ErrNothing, b.in.From.label(), p.Name, p.Option, p.Text),
		Hint: orElse(near(p.Name, all), "name a topic of the source, or a pattern with * in it"),
	}
}

// near names what may have been meant.
func near(name string, all map[string]topic.Topic) string {
	return didYouMean(position.Near(name, sortedKeys(all), 3))
}
