package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/translate"
)

// findSyncs chooses the offset-syncs topics that the translation may use.
func (b *builder) findSyncs() error {
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
	if o.Evidence == translate.KindMM2 && len(o.Syncs) == 0 {
		return &Error{
			Op: "planning", Object: "the move",
			Err:  fmt.Errorf("%w: --evidence mm2 needs an offset-syncs topic of MirrorMaker 2, and neither cluster shows one", ErrNothing),
			Hint: "grant DESCRIBE and READ on mm2-offset-syncs.*, name it with --mm2-syncs, or use --evidence content",
		}
	}
	for _, s := range o.Syncs {
		b.plan.Options.OffsetSyncs = append(b.plan.Options.OffsetSyncs, SyncTopicText(s))
	}
	return nil
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
