package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
)

// completionTime bounds live completion: a shell that hangs is worse than one
// that completes nothing.
const completionTime = 2 * time.Second

// completed is what a completion function answers.
type completed = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

const noFiles = cobra.ShellCompDirectiveNoFileComp

// completeClusters completes a flag with the clusters of the config file.
func completeClusters(f *Factory, cmd *cobra.Command, flag string) {
	// The only error is a flag that does not exist or was registered twice.
	_ = cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		f.silence()
		cfg, err := f.loadConfig()
		if err != nil {
			return nil, noFiles
		}
		var names []string
		for _, c := range cfg.Config.Clusters {
			names = append(names, cobra.CompletionWithDesc(c.Name, c.Description))
		}
		return names, noFiles
	})
}

// completeSelection completes --group and --topic with what the cluster has
// that the other flags name.
func completeSelection(f *Factory, cmd *cobra.Command) {
	for flag, names := range map[string]func(context.Context, *side) []string{
		"group": groupNames, "exclude-group": groupNames, "topic": topicNames, "exclude-topic": topicNames,
	} {
		if cmd.Flags().Lookup(flag) == nil {
			continue
		}
		_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return live(f, cmd, names), noFiles
		})
	}
}

// completeGroups completes the first argument with the groups of the cluster.
func completeGroups(f *Factory) completed {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, noFiles
		}
		return live(f, cmd, groupNames), noFiles
	}
}

// completeMoreGroups completes every argument with the groups of the cluster
// that are not named yet.
func completeMoreGroups(f *Factory) completed {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return slices.DeleteFunc(live(f, cmd, groupNames), func(s string) bool {
			name, _, _ := strings.Cut(s, "\t")
			return slices.Contains(args, name)
		}), noFiles
	}
}

// completeTopics completes every argument with the topics of the cluster that
// are not named yet.
func completeTopics(f *Factory) completed {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return slices.DeleteFunc(liveHere(f, cmd, topicNames), func(s string) bool { return slices.Contains(args, s) }), noFiles
	}
}

// completeStored completes the first argument with something of the state.
func completeStored(f *Factory, names func(context.Context, *store.Bucket) []string) completed {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, noFiles
		}
		f.silence()
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		state, _ := cmd.Flags().GetString("state") // no such flag: the default
		b, err := f.bucket(ctx, state)
		if err != nil {
			return nil, noFiles
		}
		return names(ctx, b), noFiles
	}
}

// completeRuns completes the first argument with the runs of the state.
func completeRuns(f *Factory) completed {
	return completeStored(f, func(ctx context.Context, b *store.Bucket) []string {
		var ids []string
		for l, err := range run.List(ctx, b) {
			if err != nil {
				return ids
			}
			if l.Err == nil {
				ids = append(ids, cobra.CompletionWithDesc(l.ID, l.Info.Command))
			}
		}
		return ids
	})
}

// live asks the cluster that the flags name: the source where there are two.
func live(f *Factory, cmd *cobra.Command, names func(context.Context, *side) []string) []string {
	from, _ := cmd.Flags().GetString("from") // no such flag: not given
	if from == "" {
		return liveHere(f, cmd, names)
	}
	config, _ := cmd.Flags().GetString("from-command-config")
	pair := pairFlags{from: from, fromCommandConfig: config}
	return liveOn(f, cmd, names, func() (api.Cluster, error) { return pair.source(f) })
}

// liveHere asks the one cluster that the flags of a single cluster name.
func liveHere(f *Factory, cmd *cobra.Command, names func(context.Context, *side) []string) []string {
	get := func(flag string) string {
		v, _ := cmd.Flags().GetString(flag) // no such flag: not given
		return v
	}
	one := clusterFlags{bootstrap: get("bootstrap-server"), name: get("cluster"), login: loginFlags{
		commandConfig: get("command-config"), protocol: get("security-protocol"), mechanism: get("sasl-mechanism"),
		username: get("sasl-username"), passwordFile: get("sasl-password-file"),
		tlsCA: get("tls-ca"), tlsCert: get("tls-cert"), key: get("tls-key"),
	}}
	return liveOn(f, cmd, names, func() (api.Cluster, error) { return one.resolve(f) })
}

// liveOn asks a cluster within the time that a shell waits.
func liveOn(f *Factory, cmd *cobra.Command, names func(context.Context, *side) []string, which func() (api.Cluster, error)) []string {
	f.silence()
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	c, err := which()
	if err != nil {
		return nil
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return nil
	}
	return names(ctx, s)
}

func groupNames(ctx context.Context, s *side) []string {
	all, _, err := s.groups.List(ctx)
	if err != nil && len(all) == 0 {
		return nil
	}
	var names []string
	for _, g := range all {
		names = append(names, cobra.CompletionWithDesc(g.Name, string(g.State)))
	}
	return names
}

func topicNames(ctx context.Context, s *side) []string {
	all, err := s.cluster.Topics(ctx)
	if err != nil {
		return nil
	}
	var names []string
	for _, t := range all {
		if !t.Internal && t.Err == nil {
			names = append(names, t.Name)
		}
	}
	return names
}

// silence keeps stderr clean while the shell completes.
func (f *Factory) silence() {
	f.quiet = true
	f.progressBy.value = "none"
	if f.progress == nil {
		_ = f.prepare() // only --quiet with --verbose can fail, and then the logs stay as they are
	}
}
