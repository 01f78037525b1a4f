package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/translate"
)

// mirrorFlags say what is known of MirrorMaker 2 where the names of its topics
// do not tell.
type mirrorFlags struct {
	alias string
	syncs []string
}

func (m *mirrorFlags) add(f *Factory, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&m.alias, "mm2-alias", "", "of MirrorMaker 2's topics only those of this `ALIAS`, of either cluster in its configuration")
	fs.StringArrayVar(&m.syncs, "mm2-syncs", nil, "offset-syncs topic of MirrorMaker 2, `SIDE:TOPIC`, side source or target (default: found by its name)")
	// The only error is a flag that does not exist or was registered twice.
	_ = cmd.RegisterFlagCompletionFunc("mm2-alias", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return live(f, cmd, syncAliases), noFiles
	})
	_ = cmd.RegisterFlagCompletionFunc("mm2-syncs", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return live(f, cmd, syncTopics), noFiles
	})
}

// value checks the flags. source tells whether there is a source cluster.
func (m *mirrorFlags) value(source bool) (plan.MirrorMaker, error) {
	out := plan.MirrorMaker{Alias: m.alias}
	if !source && (m.alias != "" || len(m.syncs) > 0) {
		return out, &usageError{err: errors.New("--mm2-alias and --mm2-syncs need --from: without the source nothing of MirrorMaker 2 can be checked")}
	}
	for _, text := range m.syncs {
		s, ok := plan.ParseSyncTopic(text)
		if !ok {
			return out, &usageError{
				err:  fmt.Errorf("--mm2-syncs %q names no side and topic", text),
				hint: "source:TOPIC or target:TOPIC, such as source:mm2-offset-syncs.backup.internal",
			}
		}
		out.Syncs = append(out.Syncs, s)
	}
	return out, nil
}

// syncAliases are the aliases that the offset-syncs topics of a cluster name.
func syncAliases(ctx context.Context, s *side) []string {
	return syncNames(ctx, s, cobra.CompletionWithDesc)
}

// syncTopics are the offset-syncs topics of the source.
func syncTopics(ctx context.Context, s *side) []string {
	return syncNames(ctx, s, func(_, name string) string {
		return plan.SyncTopicText(translate.SyncTopic{Topic: name})
	})
}

func syncNames(ctx context.Context, s *side, word func(alias, name string) string) []string {
	all, err := s.cluster.Names(ctx)
	if err != nil {
		return nil
	}
	var out []string
	for _, name := range all {
		if alias, ok := mover.SyncTopicAlias(name); ok {
			out = append(out, word(alias, name))
		}
	}
	return out
}
