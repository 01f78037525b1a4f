package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// findSyncs chooses the offset-syncs topics that the translation may use.
func (b *builder) findSyncs(ctx context.Context) error {
	m, o := &b.mirror, &b.in.Translate
	found := syncTopics(m.source, false)
	if !b.plan.SameCluster {
		found = append(found, syncTopics(m.target, true)...)
	}
	switch {
	case o.Evidence != "" && o.Evidence != translate.KindAuto && o.Evidence != translate.KindMM2:
		return nil
	case len(b.in.Mirror.Syncs) > 0:
		for _, s := range b.in.Mirror.Syncs {
			if err := b.checkSyncs(s); err != nil {
				return err
			}
		}
		o.Syncs = b.in.Mirror.Syncs
	default:
		o.Syncs = found
		if same := slices.DeleteFunc(slices.Clone(found), func(s translate.SyncTopic) bool {
			alias, _ := mover.SyncTopicAlias(s.Topic)
			return alias != b.in.Mirror.Alias
		}); len(same) > 0 {
			o.Syncs = same
		}
	}
	if err := b.fitSyncs(ctx); err != nil {
		return err
	}
	if o.Evidence == translate.KindMM2 && len(o.Syncs) == 0 {
		why := "neither cluster shows one"
		if len(m.unfit) > 0 {
			why = m.unfit[0].Detail
		}
		return &Error{
			Op: "planning", Object: "the move",
			Err:  fmt.Errorf("%w: --evidence mm2 needs an offset-syncs topic of MirrorMaker 2, and %s", ErrNothing, why),
			Hint: "grant DESCRIBE and READ on mm2-offset-syncs.*, name it with --mm2-syncs, or use --evidence content",
		}
	}
	for _, s := range o.Syncs {
		b.plan.Options.OffsetSyncs = append(b.plan.Options.OffsetSyncs, SyncTopicText(s))
	}
	return nil
}

// fitSyncs leaves out what cannot be read, or holds something else than offset
// syncs, by its first records. A topic that the user has named is refused then.
func (b *builder) fitSyncs(ctx context.Context) error {
	o := &b.in.Translate
	var fit []translate.SyncTopic
	for _, s := range o.Syncs {
		side := b.in.From
		if s.OnTarget {
			side = &b.in.To
		}
		why, err := unfit(ctx, side.Log, topic.Partition{Topic: s.Topic})
		switch {
		case err != nil:
			return fmt.Errorf("reading topic %s of %s: %w", s.Topic, side.label(), err)
		case why == nil:
			fit = append(fit, s)
			continue
		case len(b.in.Mirror.Syncs) > 0:
			return &Error{Op: "planning", Object: "the move", Err: fmt.Errorf("%w: --mm2-syncs %s: %w", ErrInput, SyncTopicText(s), why), Hint: "name the offset-syncs topic of MirrorMaker 2, or plan without --mm2-syncs"}
		}
		b.mirror.unfit = append(b.mirror.unfit, Finding{
			Severity: Warning, Reason: ReasonOffsetSyncs, Topic: s.Topic,
			Detail: fmt.Sprintf("the offset syncs of %s cannot be used: %v", side.label(), why),
			Hint:   "grant READ on the topic; when another program writes there, --mm2-syncs names the right one",
		})
	}
	o.Syncs = fit
	return nil
}

// unfit says why a topic holds no offset syncs that can be read; nil when there
// is nothing against it. The error is of the cluster.
func unfit(ctx context.Context, log fetcher, p topic.Partition) (why, err error) {
	all, err := log.Bounds(ctx, []topic.Partition{p})
	if err != nil {
		return nil, err
	}
	bounds := all[p]
	if bounds.Err != nil || bounds.Start >= bounds.End {
		return bounds.Err, nil
	}
	const enough = 64 << 10
	chunks, err := log.Fetch(ctx, []batch.Ask{{Partition: p, Offset: bounds.Start, MaxBytes: enough, Committed: true}})
	if err != nil {
		return nil, err
	}
	for e, err := range batch.Visible(&chunks[0]) {
		if err != nil {
			return err, nil
		}
		if e.Kind != batch.Data || e.Value == nil {
			continue
		}
		if _, err := mover.ParseOffsetSync(e.Key, e.Value); err != nil {
			return fmt.Errorf("the record at offset %d of %s is %w", e.Offset, p, err), nil
		}
	}
	return nil, nil
}

// noteSyncs says which offset-syncs topics were of no use, where they could have
// been of some.
func (b *builder) noteSyncs() {
	for _, t := range b.plan.Topics {
		if t.Source != "" && (t.Evidence == "" || t.Evidence == translate.KindContent) {
			b.plan.Findings = append(b.plan.Findings, b.mirror.unfit...)
			return
		}
	}
}

func syncTopics(names []string, onTarget bool) []translate.SyncTopic {
	var out []translate.SyncTopic
	for _, name := range names {
		if _, ok := mover.SyncTopicAlias(name); ok {
			out = append(out, translate.SyncTopic{OnTarget: onTarget, Topic: name})
		}
	}
	return out
}

// checkSyncs refuses an offset-syncs topic that is named and is not there.
func (b *builder) checkSyncs(s translate.SyncTopic) error {
	side, names := b.in.From, b.mirror.source
	if s.OnTarget {
		side, names = &b.in.To, b.mirror.target
	}
	if slices.Contains(names, s.Topic) {
		return nil
	}
	return &Error{
		Op: "planning", Object: "the move",
		Err:  fmt.Errorf("%w: %s has no topic %s (--mm2-syncs %s)", ErrNothing, side.label(), s.Topic, SyncTopicText(s)),
		Hint: orElse(didYouMean(position.Near(s.Topic, names, 3)), "the topic of MirrorMaker 2 is mm2-offset-syncs.ALIAS.internal, on the source unless offset-syncs.topic.location is target"),
	}
}

// SyncTopicText is the form in which plans and flags name an offset-syncs
// topic: "source:TOPIC" or "target:TOPIC".
func SyncTopicText(s translate.SyncTopic) string {
	if s.OnTarget {
		return "target:" + s.Topic
	}
	return "source:" + s.Topic
}

// ParseSyncTopic reads what SyncTopicText writes; ok is false for anything
// else.
func ParseSyncTopic(text string) (s translate.SyncTopic, ok bool) {
	side, name, found := strings.Cut(text, ":")
	s = translate.SyncTopic{OnTarget: side == "target", Topic: name}
	return s, found && name != "" && (side == "source" || side == "target")
}
