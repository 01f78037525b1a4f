package oracle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Real loads pairs into two clusters that run Apache Kafka. Such a broker
// takes no holes, so what is gone is removed by its own cleaner, which chooses
// itself; the pairs that it is given are replaced by what is on the brokers in
// the end. Transactions are ended by the brokers' coordinators, log starts are
// moved by DeleteRecords.
type Real struct {
	Source, Target RealSide
	// Prefix begins the names of topics and transactional producers.
	Prefix string
}

// RealSide is one cluster.
type RealSide struct {
	// Cluster is what translate reads from.
	Cluster *cluster.Cluster
	// Seeds are addresses of the same cluster; it has one broker.
	Seeds []string
}

// Name is the loader's name in the table.
func (Real) Name() string { return "Apache Kafka" }

// moment says when the cleaner works on the source.
type moment uint8

const (
	never moment = iota
	beforeCopy
	afterCopy
)

// work is one topic pair on its way.
type work struct {
	topic        *TopicPair
	source       moment
	forget       bool // delete.retention.ms is 0: tombstones and markers go too
	movers       []*mover
	sLogs, tLogs []*Log
}

// Load writes the topics and fills in their pairs.
func (l Real) Load(ctx context.Context, seed uint64, topics []TopicPair) (*Loaded, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	// The records' times lie in the future, so that the times of markers, which
	// are the broker's, end no segment.
	shift := time.Now().Add(12*time.Minute).Unix()*1000 - stampOf(0)
	src, err := newReal(ctx, &l.Source, l.Prefix, shift)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	tgt, err := newReal(ctx, &l.Target, l.Prefix, shift)
	if err != nil {
		src.close(ctx)
		return nil, fmt.Errorf("target: %w", err)
	}
	syncs := [2]string{"mm2-offset-syncs." + l.Prefix + "-east.internal", "mm2-offset-syncs." + l.Prefix + "-west.internal"}
	out := &Loaded{Source: l.Source.Cluster, Target: l.Target.Cluster, Syncs: syncs, Close: func() { src.close(ctx); tgt.close(ctx) }}
	err = l.load(ctx, seed, topics, src, tgt)
	for i, k := range []*realWriter{src, tgt} {
		if err == nil {
			err = k.writeSyncs(ctx, syncs[i], syncSpans(rand.New(rand.NewPCG(seed, 6)), topics, i == 1))
		}
	}
	if err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

func (l Real) load(ctx context.Context, seed uint64, topics []TopicPair, src, tgt *realWriter) error {
	r := rand.New(rand.NewPCG(seed, 5))
	all := make([]*work, len(topics))
	for i := range topics {
		all[i] = l.plan(r, i, &topics[i])
	}
	if err := l.writeSource(ctx, r, src, all); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if err := l.writeTarget(ctx, r, tgt, all); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	group, both := errgroup.WithContext(ctx)
	for _, one := range []struct {
		k      *realWriter
		name   string
		target bool
	}{{src, "source", false}, {tgt, "target", true}} {
		group.Go(func() error {
			if err := finishSide(both, one.k, all, one.target); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, w := range all {
		if err := l.pairs(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// plan decides what happens to the i-th pair of topics, and makes its sources.
func (l Real) plan(r *rand.Rand, i int, t *TopicPair) *work {
	t.Name = fmt.Sprintf("%s-%d", l.Prefix, i)
	w := &work{topic: t, source: []moment{beforeCopy, afterCopy, never, afterCopy}[i%4], forget: i%8 >= 4}
	switch {
	case t.Kind == translate.KindIdentity && w.source == beforeCopy:
		w.source = afterCopy // such a broker takes no holes
	case t.Kind != translate.KindIdentity && t.Tame && w.source == afterCopy:
		w.source = beforeCopy
	}
	t.SourceCompacted, t.TargetCompacted = w.source != never, i%4 == 1 || i%8 == 2 || i%8 == 4
	if t.TargetCompacted && t.Stamps == Appended {
		t.Stamps = Kept // the times end the segments
	}
	t.Header.Stamps = t.Stamps
	for range t.Pairs {
		m := newMover(r, t.Policies)
		m.s.base = 0 // a log begins at 0
		m.s.steady = t.SourceCompacted || t.TargetCompacted
		if m.s.early && t.SourceCompacted {
			m.s.likes = unlike // as in other tame pairs
		}
		if t.SourceCompacted || t.TargetCompacted {
			// The cleaner leaves the last segment alone, and what stands behind
			// the first record of an open transaction.
			m.s.slots = max(m.s.slots, 50+r.IntN(60))
			m.s.openSource = m.s.openSource && r.IntN(2) == 0
			m.s.compactSource = true // keys come again
		}
		if w.source == never { // for a fair share of open transactions in all
			m.s.transactions, m.s.openSource = true, true
		}
		m.makeSource()
		// The rest is the cleaner's.
		m.s.compactSource, m.s.compactTarget = false, false
		w.movers = append(w.movers, m)
	}
	return w
}

// writeSource writes the sources; those that are to be are cleaned at once.
func (l Real) writeSource(ctx context.Context, r *rand.Rand, k *realWriter, all []*work) error {
	var early []*work
	for _, w := range all {
		if err := k.create(ctx, w.topic.source(), len(w.movers), w.forget, false); err != nil {
			return err
		}
		for p, m := range w.movers {
			k.add(w.topic.source(), int32(p), &m.src, nil, r)
			w.sLogs = append(w.sLogs, &m.src)
		}
		if w.source == beforeCopy {
			early = append(early, w)
		}
	}
	if err := k.write(ctx); err != nil {
		return err
	}
	if err := k.clean(ctx, sides(early, false)); err != nil {
		return err
	}
	for _, w := range all {
		for _, m := range w.movers {
			if m.s.early {
				m.loseEarly()
			}
		}
	}
	return k.trimCleaned(ctx, sides(all, false), sides(early, false))
}

// writeTarget lets the movers work on what is left on the source.
func (l Real) writeTarget(ctx context.Context, r *rand.Rand, k *realWriter, all []*work) error {
	for _, w := range all {
		if err := k.create(ctx, w.topic.target(), len(w.movers), w.forget, w.topic.Stamps == Appended); err != nil {
			return err
		}
		for p, m := range w.movers {
			m.copyAll()
			m.finish()
			m.syncs.move(-m.tgt.Base)
			m.tgt.Start, m.tgt.Base = m.tgt.Start-m.tgt.Base, 0
			k.add(w.topic.target(), int32(p), &m.tgt, &w.topic.Header, r)
			w.tLogs = append(w.tLogs, &m.tgt)
		}
	}
	return k.write(ctx)
}

// side is one topic and what is meant to be in it.
type side struct {
	name string
	logs []*Log
}

func sides(all []*work, target bool) []side {
	var out []side
	for _, w := range all {
		if target {
			out = append(out, side{w.topic.target(), w.tLogs})
		} else {
			out = append(out, side{w.topic.source(), w.sLogs})
		}
	}
	return out
}

// finishSide moves log starts, lets the cleaner work, and reads everything.
func finishSide(ctx context.Context, k *realWriter, all []*work, target bool) error {
	every := sides(all, target)
	var cleaned, clean []*work
	for _, w := range all {
		switch {
		case target && w.topic.TargetCompacted || !target && w.source == afterCopy:
			clean = append(clean, w)
		case !target && w.source == beforeCopy:
			cleaned = append(cleaned, w)
		}
	}
	if err := k.trimCleaned(ctx, every, sides(cleaned, target)); err != nil {
		return err
	}
	if err := k.clean(ctx, sides(clean, target)); err != nil {
		return err
	}
	return k.match(ctx, every)
}

// pairs puts together what was found, and describes the topics.
func (l Real) pairs(ctx context.Context, w *work) error {
	t := w.topic
	for i, m := range w.movers {
		t.Pairs[i] = m.pair(t.Policies)
	}
	for i, from := range []struct {
		c         *cluster.Cluster
		name      string
		compacted bool
	}{{l.Source.Cluster, t.source(), t.SourceCompacted}, {l.Target.Cluster, t.target(), t.TargetCompacted}} {
		found, err := from.c.Topics(ctx, from.name)
		if err != nil {
			return fmt.Errorf("describing %s: %w", from.name, err)
		}
		one, ok := found[from.name]
		if !ok || one.Err != nil || one.Config.Compacted != from.compacted {
			return errors.Join(fmt.Errorf("describing %s: %+v", from.name, one), one.Err)
		}
		if t.ConfigUnknown {
			one.Config = topic.Config{}
		}
		t.described[i] = &one
	}
	return nil
}
