package inspect

import (
	"context"
	"maps"
	"slices"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

// Bounds on what is read of MirrorMaker 2's own topics.
const (
	// lastRecords is how many records of such a topic are read, its last ones;
	// Options.Full reads all.
	lastRecords = 200_000
	// keptSyncs is how many syncs of a partition are kept, the last ones.
	keptSyncs = 32
	// checkedSyncs is how many pairs of a partition are compared.
	checkedSyncs = 2
)

// mirrors is what MirrorMaker 2 left behind on both clusters.
type mirrors struct {
	// aliases of sources, each with the topics of the target that show it.
	aliases map[string][]string
	// checkpointed topics of the target, with the alias.
	checkpointed map[string]string
	syncs        []*syncTopic
}

// syncTopic is one offset-syncs topic as far as it was read.
type syncTopic struct {
	name     string
	alias    string
	onTarget bool
	by       map[topic.Partition][]mover.OffsetSync
	// foreign records are none of MirrorMaker 2's, the first one at foreignAt.
	read, foreign int64
	foreignAt     int64
	foreignErr    error
	err           error
}

// mirrors reads MirrorMaker 2's own topics, once.
func (w *work) mirrors(ctx context.Context) (*mirrors, error) {
	if w.mm2 != nil {
		return w.mm2, nil
	}
	m := &mirrors{aliases: map[string][]string{}, checkpointed: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(w.here)) {
		if w.here[name].Err != nil {
			continue
		}
		if alias, ok := mover.SyncTopicAlias(name); ok {
			m.aliases[alias] = append(m.aliases[alias], name)
			m.syncs = append(m.syncs, newSyncTopic(name, alias, true))
		}
		if alias, ok := mover.HeartbeatTopicAlias(name); ok && alias != "" {
			m.aliases[alias] = append(m.aliases[alias], name)
		}
		if alias, ok := mover.CheckpointTopicAlias(name); ok {
			m.aliases[alias] = append(m.aliases[alias], name)
			if err := w.checkpoints(ctx, m, name, alias); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.there)) {
		if alias, ok := mover.SyncTopicAlias(name); ok && w.there[name].Err == nil {
			m.syncs = append(m.syncs, newSyncTopic(name, alias, false))
		}
	}
	for _, s := range m.syncs {
		if err := w.readSyncs(ctx, s); err != nil {
			return nil, err
		}
	}
	w.mm2 = m
	return m, nil
}

func newSyncTopic(name, alias string, onTarget bool) *syncTopic {
	return &syncTopic{name: name, alias: alias, onTarget: onTarget, by: map[topic.Partition][]mover.OffsetSync{}, foreignAt: -1}
}

// own reads the last records of a topic of MirrorMaker 2. What goes wrong with
// one of its partitions is returned as bad.
func (w *work) own(ctx context.Context, r *reader, t topic.Topic, each func(e *batch.Entry)) (bad, err error) {
	ids := make([]topic.Partition, len(t.Partitions))
	for i, n := range t.Partitions {
		ids[i] = topic.Partition{Topic: t.Name, Partition: n}
	}
	bounds, err := r.log.Bounds(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		b := bounds[id]
		if b.Err != nil {
			bad = b.Err
			continue
		}
		from := b.Start
		if !w.opt.Full {
			from = max(from, b.End-lastRecords)
		}
		err := r.through(ctx, place{part: id, bounds: b, at: from}, b.End, func(recs []batch.Entry, _ int64) bool {
			for i := range recs {
				if recs[i].Kind == batch.Data {
					each(&recs[i])
				}
			}
			return true
		})
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			bad = err
		}
	}
	return bad, nil
}

// checkpoints notes of which topics a checkpoints topic speaks.
func (w *work) checkpoints(ctx context.Context, m *mirrors, name, alias string) error {
	_, err := w.own(ctx, &w.target, w.here[name], func(e *batch.Entry) {
		if c, err := mover.ParseCheckpoint(e.Key, e.Value); err == nil {
			m.checkpointed[c.Target.Topic] = alias
		}
	})
	return err
}

// readSyncs keeps the last syncs of each partition, of the present incarnation
// only: target offsets that fall begin a new one.
func (w *work) readSyncs(ctx context.Context, s *syncTopic) (err error) {
	r, t := &w.target, w.here[s.name]
	if !s.onTarget {
		r, t = w.source, w.there[s.name]
	}
	s.err, err = w.own(ctx, r, t, func(e *batch.Entry) {
		s.read++
		sync, err := mover.ParseOffsetSync(e.Key, e.Value)
		if err != nil {
			if s.foreign++; s.foreignAt < 0 {
				s.foreignAt, s.foreignErr = e.Offset, err
			}
			return
		}
		kept := s.by[sync.Source]
		if n := len(kept); n > 0 && (sync.TargetOffset < kept[n-1].TargetOffset || sync.SourceOffset < kept[n-1].SourceOffset) {
			kept = nil
		}
		if len(kept) == keptSyncs {
			kept = slices.Delete(kept, 1, 2) // the oldest one stays: it shows how far back they go
		}
		s.by[sync.Source] = append(kept, sync)
	})
	return err
}

// replica is what says that MirrorMaker 2 copied a topic.
type replica struct {
	alias string
	how   []string
	// syncs that speak of it under the source name; nil none.
	syncs  *syncTopic
	source string
	// checked pairs and how many of them were equal records.
	checked, equal int64
	// bad is a pair that was not equal.
	bad *badPair
}

// badPair is an offset sync whose two records differ.
type badPair struct {
	sync mover.OffsetSync
	part int32
}

// replica gathers what MirrorMaker 2 left behind of a topic: how is empty when
// nothing speaks of it.
func (w *work) replica(ctx context.Context, l *look) (*replica, error) {
	m, err := w.mirrors(ctx)
	if err != nil {
		return nil, err
	}
	r := &replica{}
	if alias := m.checkpointed[l.ask.Topic]; alias != "" {
		r.alias = alias
		r.how = append(r.how, "the checkpoints of "+alias+" speak of it")
	}
	source := ""
	if l.source != nil {
		source = l.source.Name
	}
	for _, alias := range slices.Sorted(maps.Keys(m.aliases)) {
		if prefixed(l.ask.Topic, source, alias) {
			r.alias = alias
			r.how = append(r.how, "its name begins with "+alias+", the alias of "+m.aliases[alias][0])
		}
	}
	if err := w.pickSyncs(ctx, l, m, r); err != nil {
		return nil, err
	}
	return r, nil
}

// prefixed reports whether a topic is named after an alias: before the source's
// name where that is known.
func prefixed(name, source, alias string) bool {
	if source != "" {
		got, _, ok := mover.Replicated(name, source)
		return ok && got == alias
	}
	if len(name) <= len(alias)+1 || name[:len(alias)] != alias {
		return false
	}
	got, _, ok := mover.Replicated(name, name[len(alias)+1:])
	return ok && got == alias
}

// pickSyncs takes the offset syncs whose pairs are equal records.
func (w *work) pickSyncs(ctx context.Context, l *look, m *mirrors, r *replica) error {
	for _, s := range m.syncs {
		for _, source := range s.topics() {
			if l.source != nil && source != l.source.Name || l.source == nil && !couldBe(l.ask.Topic, source, s) {
				continue
			}
			try := &replica{syncs: s, source: source}
			if err := w.checkSyncs(ctx, l, try); err != nil {
				return err
			}
			if r.syncs != nil && try.equal <= r.equal {
				continue
			}
			if try.checked > 0 && try.equal == 0 {
				r.bad = cmpOr(r.bad, try.bad)
				if r.syncs == nil {
					r.checked = try.checked
				}
				continue
			}
			r.syncs, r.source, r.checked, r.equal, r.bad = s, source, try.checked, try.equal, try.bad
			if s.onTarget && r.alias == "" {
				r.alias = s.alias
			}
		}
	}
	if r.syncs != nil {
		r.how = append(r.how, "the offset syncs in "+r.syncs.name+" speak of "+r.source)
	}
	return nil
}

func cmpOr[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// couldBe reports whether a source topic can be the one that was copied, when
// the source is not looked at.
func couldBe(target, source string, s *syncTopic) bool {
	if !s.onTarget {
		return false
	}
	alias, _, ok := mover.Replicated(target, source)
	return target == source || ok && alias == s.alias
}

// topics are the source topics that the syncs speak of.
func (s *syncTopic) topics() []string {
	seen := map[string]bool{}
	for p := range s.by {
		seen[p.Topic] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// usable are the syncs of a partition within its log.
func (r *replica) usable(p *part) []mover.OffsetSync {
	if r.syncs == nil {
		return nil
	}
	all := r.syncs.by[topic.Partition{Topic: r.source, Partition: p.Partition.Partition}]
	return slices.DeleteFunc(slices.Clone(all), func(s mover.OffsetSync) bool {
		return s.TargetOffset < p.bounds.Start || s.TargetOffset >= p.bounds.End
	})
}

// checkSyncs compares the records of syncs on both sides.
func (w *work) checkSyncs(ctx context.Context, l *look, r *replica) error {
	if l.source == nil {
		return nil
	}
	var targets, sources []place
	var syncs []badPair
	for _, p := range l.parts {
		b, ok := l.bounds[p.Partition.Partition]
		if p.err != nil || !ok || b.Err != nil {
			continue
		}
		usable := r.usable(p)
		for i, s := range slices.Backward(usable) {
			if len(usable)-i > checkedSyncs || len(syncs) == atOnce {
				break
			}
			if s.SourceOffset < b.Start || s.SourceOffset >= b.End {
				continue
			}
			targets = append(targets, place{part: p.Partition, bounds: p.bounds, at: s.TargetOffset, max: sampleBytes})
			sources = append(sources, l.there(p.Partition.Partition, s.SourceOffset))
			syncs = append(syncs, badPair{sync: s, part: p.Partition.Partition})
		}
	}
	if len(syncs) == 0 {
		return nil
	}
	here, err := w.target.at(ctx, targets)
	if err != nil {
		return err
	}
	there, err := w.source.at(ctx, sources)
	if err != nil {
		return err
	}
	for i := range syncs {
		a, b := recordAt(&here[i], syncs[i].sync.TargetOffset), recordAt(&there[i], syncs[i].sync.SourceOffset)
		if a == nil || b == nil || a.Kind == batch.Marker {
			continue // compaction may have taken one of them
		}
		r.checked++
		if w.same(b, batch.Fingerprint(a.Key, a.Value, a.Headers, w.names.added)) {
			r.equal++
		} else if r.bad == nil {
			r.bad = &syncs[i]
		}
	}
	return nil
}
