package inspect

import (
	"context"
	"slices"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// counting is a log whose reads are counted with those of a reader.
type counting struct {
	translate.Log
	r *reader
}

// Fetch reads, and counts.
func (c counting) Fetch(ctx context.Context, asks []batch.Ask) ([]batch.Chunk, error) {
	out, err := c.Log.Fetch(ctx, asks)
	c.r.fetches.Add(1)
	for i := range out {
		c.r.bytes.Add(int64(len(out[i].Raw)))
	}
	return out, err
}

// choose asks what a plan would take for evidence by itself. Nobody but
// translate decides that, so that what is said here holds there.
func (w *work) choose(ctx context.Context, l *look) error {
	if l.source == nil {
		return nil
	}
	var reqs []translate.Request
	for _, p := range l.parts {
		if _, ok := l.bounds[p.Partition.Partition]; ok {
			reqs = append(reqs, translate.Request{
				Source: topic.Partition{Topic: l.source.Name, Partition: p.Partition.Partition}, Target: p.Partition,
				SourceTopic: *l.source, TargetTopic: w.here[l.ask.Topic],
			})
		}
	}
	opts := translate.Options{Header: w.opt.Header, Encoding: translate.Encoding(w.opt.Encoding), Now: w.opt.Now}
	m, err := w.mirrors(ctx)
	if err != nil {
		return err
	}
	for _, s := range m.syncs {
		if s.err == nil && s.foreign == 0 {
			opts.Syncs = append(opts.Syncs, translate.SyncTopic{OnTarget: s.onTarget, Topic: s.name})
		}
	}
	slices.SortStableFunc(opts.Syncs, func(a, b translate.SyncTopic) int { return order(a.OnTarget) - order(b.OnTarget) })
	l.plan, err = translate.Recognise(ctx, counting{w.source.log, w.source}, counting{w.target.log, &w.target}, reqs, &opts)
	return err
}

// order puts the topics of the source first, as a plan does.
func order(onTarget bool) int {
	if onTarget {
		return 1
	}
	return 0
}

// settle takes over what a plan takes.
func (l *look) settle() {
	if l.plan == nil {
		return
	}
	out := l.out
	if l.rec.dec != nil && l.plan.Kind == "" {
		// There are headers, and something is wrong with them.
		if !slices.ContainsFunc(l.rec.findings, func(f Finding) bool { return f.Severity == Obstacle }) {
			l.rec.findings = append(l.rec.findings, Finding{Severity: Obstacle, Reason: ReasonBadHeader, Partition: -1, Detail: l.plan.Why, Hint: l.plan.Hint})
		}
		return
	}
	out.Evidence = l.plan.Kind
	if l.plan.Kind == translate.KindHeader {
		out.Header, out.Encoding = l.plan.Header, string(l.plan.Encoding)
	}
}
