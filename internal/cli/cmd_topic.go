package cli

import "github.com/spf13/cobra"

func newTopicCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "topic COMMAND",
		Short:   "Look at copied topics; export topics and create them elsewhere",
		GroupID: "groups",
		Args:    cobra.ArbitraryArgs,
		RunE:    runParent,

		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newTopicInspectCmd(f), newTopicExportCmd(f), newTopicCreateCmd(f), newTopicScriptCmd(f))
	return cmd
}
