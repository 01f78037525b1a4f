package plan

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Back takes groups that a plan has moved back to where they came from, with
// what they have read since.
const Back Kind = "back"

// The reasons that only plans of kind Back have.
const (
	ReasonOnlyThere    Reason = "only-there"    // records that have no place on the target
	ReasonStartedThere Reason = "started-there" // the plan there gave no position, and the group has one now
)

// BackInput is what BuildBack needs.
type BackInput struct {
	// From is the cluster on which the groups are now, To the one that they came
	// from.
	From, To Side
	// Forward is the plan, of kind Move, that was applied: from To to From.
	Forward *Plan
	Accept  Accept
	// Settle, 0 for DefaultSettle; negative for none (one reading suffices).
	Settle time.Duration
	// Tool is name and version of the program, Asked the choices in the user's
	// words.
	Tool  string
	Asked []string
	// Now is the clock; nil is time.Now.
	Now      func() time.Time
	Progress func(Event)
}

// BuildBack plans the way back of the groups of a plan that was applied: where
// each is to go on at the cluster that it came from, by what it has read on the
// other one since. It writes nothing. The plan has the cluster where the groups
// are now as its source, so that Apply, Verify and Rollback treat it as any
// other. Positions that only the group there has are left as they are. The error
// is for what prevents a plan at all: ErrForeign when Forward is of other
// clusters, ErrNothing when it moved nothing.
func BuildBack(ctx context.Context, in BackInput) (*Plan, error) {
	b, err := newBacker(in)
	if err != nil {
		return nil, err
	}
	b.takeForward()
	if len(b.items) == 0 {
		return nil, &Error{Op: "planning", Object: "the way back", Err: fmt.Errorf("%w: the plan moved no group", ErrNothing)}
	}
	for _, step := range []func(context.Context) error{b.readGroups, b.readBackTopics, b.lookAhead, b.findBack} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	b.judgeBack()
	b.plan.finish()
	if err := b.plan.seal(); err != nil {
		return nil, err
	}
	return b.plan, nil
}

// backer makes a plan of kind Back. In terms of builder its source is where the
// groups are now.
type backer struct {
	builder
	forward *Plan
	// went is what the forward plan says of an item, nil where it says nothing;
	// found is the way back.
	went  map[*item]*Position
	found map[*item]*translate.BackResult
}

func newBacker(in BackInput) (*backer, error) {
	bad := func(kind error, why, hint string) error {
		return &Error{Op: "planning", Object: "the way back", Err: fmt.Errorf("%w: %s", kind, why), Hint: hint}
	}
	p := in.Forward
	switch {
	case p == nil || p.Kind != Move || p.Source == nil:
		return nil, bad(ErrInput, "only a plan that moves groups between two clusters has a way back", "")
	case in.From.Read == nil || in.From.Topics == nil || in.From.Log == nil || in.To.Read == nil:
		return nil, bad(ErrInput, "one of the clusters is missing", "")
	}
	if err := foreign(p.Target, &in.From); err != nil {
		return nil, bad(ErrForeign, "the groups are on "+err.Error(), "name the two clusters of the plan, the other way round")
	}
	if err := foreign(*p.Source, &in.To); err != nil {
		return nil, bad(ErrForeign, "the groups came from "+err.Error(), "name the two clusters of the plan, the other way round")
	}
	b := &backer{forward: p, went: map[*item]*Position{}, found: map[*item]*translate.BackResult{}}
	b.builder = builder{
		in: Input{
			From: &in.From, To: in.To, Accept: in.Accept, Settle: in.Settle, Tool: in.Tool, Asked: in.Asked, Now: in.Now, Progress: in.Progress,
			Translate: translate.Options{Evidence: p.Options.Evidence, Header: p.Options.Header, Encoding: p.Options.Encoding, Syncs: syncsOf(p.Options.OffsetSyncs)},
		},
		plan: &Plan{
			Tool: in.Tool, Asked: in.Asked, Target: in.To.cluster(),
			Findings: []Finding{}, LeftBehind: []LeftBehind{}, Topics: []Topic{}, Groups: []Group{},
		},
	}
	if err := b.begin(); err != nil {
		return nil, err
	}
	b.plan.Kind = Back
	b.plan.Options.OffsetSyncs = p.Options.OffsetSyncs
	return b, nil
}

// syncsOf reads offset-syncs topics as a plan names them.
func syncsOf(names []string) (out []translate.SyncTopic) {
	for _, name := range names {
		if where, t, ok := cutSide(name); ok {
			out = append(out, translate.SyncTopic{OnTarget: where == "target", Topic: t})
		}
	}
	return out
}

// takeForward lays out what the forward plan moved, the other way round.
func (b *backer) takeForward() {
	seen := map[share]bool{}
	for i := range b.forward.Groups {
		g := &b.forward.Groups[i]
		if !g.Applicable() && g.Verdict != VerdictNothing {
			b.find(Finding{
				Severity: Note, Reason: ReasonOutOfRoute, Group: g.Name,
				Detail: fmt.Sprintf("the plan did not move group %q (%s), so it has no way back", g.Name, g.Verdict),
			})
			continue
		}
		for j := range g.Positions {
			q := &g.Positions[j]
			to, s := q.SourceGroup, share{g.Name, q.SourceGroup}
			if to == "" || q.SourceTopic == "" {
				continue
			}
			if !seen[s] {
				seen[s] = true
				b.shares = append(b.shares, s)
			}
			it := &item{from: g.Name, source: q.Target(), target: topic.Partition{Topic: q.SourceTopic, Partition: q.Partition}}
			b.went[it] = q
			b.items[to] = append(b.items[to], it)
		}
	}
}

// readGroups reads the groups on both sides, and adds what only they have.
func (b *backer) readGroups(ctx context.Context) error {
	names := map[string]bool{}
	for _, s := range b.shares {
		names[s.from] = true
	}
	read := func(s *Side, stage string, names []string) (map[string]group.Reading, error) {
		b.event(Event{Stage: stage, Total: len(names)})
		got, err := s.Read.Read(ctx, names)
		if err != nil {
			return nil, fmt.Errorf("reading groups of %s: %w", s.label(), err)
		}
		out := map[string]group.Reading{}
		for _, name := range names {
			r, ok := got[name]
			if !ok {
				r = absent(name)
			}
			if r.At.IsZero() {
				r.At = b.in.Now()
			}
			out[name] = r
			b.incomplete(s, r.Complete)
		}
		return out, nil
	}
	var err error
	if b.source, err = read(b.in.From, "reading groups of the source", sortedKeys(names)); err != nil {
		return err
	}
	if b.target, err = read(&b.in.To, "reading groups of the target", sortedKeys(b.items)); err != nil {
		return err
	}
	for _, its := range b.items {
		for _, it := range its {
			r := b.source[it.from]
			it.unstable = slices.Contains(r.Unstable, it.source)
			if p, ok := r.Positions[it.source]; ok && !it.unstable {
				it.have = offsetOf(p)
			}
		}
	}
	b.addStarted()
	return nil
}

// addStarted adds the positions that a group has where the forward plan knew
// nothing of a partition; topics of which it knew nothing are left behind.
func (b *backer) addStarted() {
	known, names := map[share]map[topic.Partition]bool{}, map[[2]string]map[string]share{}
	for to, its := range b.items {
		for _, it := range its {
			s := share{it.from, to}
			if known[s] == nil {
				known[s] = map[topic.Partition]bool{}
			}
			known[s][it.source] = true
			k := [2]string{it.from, it.source.Topic}
			if names[k] == nil {
				names[k] = map[string]share{}
			}
			names[k][it.target.Topic] = s
		}
	}
	for _, from := range sortedKeys(b.source) {
		left := map[string][]int32{}
		for _, p := range sortedPartitions(b.source[from].Positions) {
			back := names[[2]string{from, p.Topic}]
			if len(back) == 0 {
				left[p.Topic] = append(left[p.Topic], p.Partition)
				continue
			}
			name := sortedKeys(back)[0]
			s := back[name]
			if known[s][p] {
				continue
			}
			b.items[s.to] = append(b.items[s.to], &item{
				from: from, source: p, target: topic.Partition{Topic: name, Partition: p.Partition}, have: offsetOf(b.source[from].Positions[p]),
			})
		}
		for name, ps := range left {
			b.plan.LeftBehind = append(b.plan.LeftBehind, LeftBehind{
				Group: from, Topic: name, Partitions: ps, Reason: ReasonOutOfRoute, Detail: "the plan that moved the group did not take this topic along",
			})
		}
	}
	for _, its := range b.items {
		slices.SortFunc(its, func(x, y *item) int { return topic.Compare(x.target, y.target) })
	}
}

// readBackTopics reads the topics of both sides.
func (b *backer) readBackTopics(ctx context.Context) (err error) {
	b.event(Event{Stage: "reading topics"})
	sources, targets := map[string]bool{}, map[string]bool{}
	for _, its := range b.items {
		for _, it := range its {
			sources[it.source.Topic], targets[it.target.Topic] = true, true
		}
	}
	if b.sourceTopics, err = topicsOf(ctx, b.in.From, sortedKeys(sources)); err != nil {
		return err
	}
	b.targetTopics, err = topicsOf(ctx, &b.in.To, sortedKeys(targets))
	return err
}

// findBack asks for the way back of all positions at once, each partition once.
func (b *backer) findBack(ctx context.Context) error {
	type pair struct{ source, target topic.Partition }
	index := map[pair]int{}
	var requests []translate.BackRequest
	var waiting [][]*item
	for _, name := range sortedKeys(b.items) {
		for _, it := range b.items[name] {
			q := b.went[it]
			if it.have == nil || b.backObstacle(it) != nil {
				continue
			}
			k := pair{it.source, it.target}
			n, ok := index[k]
			if !ok {
				n = len(requests)
				index[k] = n
				pinned := b.forward.pair(q)
				requests = append(requests, translate.BackRequest{
					Source: it.target, Target: it.source, SourceTopic: b.targetTopics[it.target.Topic], TargetTopic: b.sourceTopics[it.source.Topic],
					Evidence: pinned.Evidence, Header: pinned.Header, Encoding: pinned.Encoding, Detected: pinned.Detected, Known: max(0, q.TargetEnd),
				})
				waiting = append(waiting, nil)
			}
			requests[n].Asks = append(requests[n].Asks, translate.BackAsk{S: q.Source.Offset, T: q.After.Offset, U: it.have.Offset})
			waiting[n] = append(waiting[n], it)
		}
	}
	if len(requests) == 0 {
		return nil
	}
	opts := b.in.Translate
	if b.in.Progress != nil {
		opts.Progress = func(done, total int) { b.event(Event{Stage: "translating", Done: done, Total: total}) }
	}
	results, err := translate.Back(ctx, b.in.To.Log, b.in.From.Log, requests, &opts)
	if err != nil {
		return fmt.Errorf("translating back: %w", err)
	}
	for n, its := range waiting {
		for i, it := range its {
			b.found[it] = &results[n][i]
		}
	}
	return nil
}
