package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newCompletionCmd(f *Factory) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the completion script of a shell",
		Long: "Prints a script that teaches the shell kferry's commands, flags, and the names of\n" +
			"groups, topics, clusters and runs. Live names are asked for with a short time-out.",
		Example: "  bash:        source <(kferry completion bash)\n" +
			"  zsh:         kferry completion zsh > \"${fpath[1]}/_kferry\"\n" +
			"  fish:        kferry completion fish > ~/.config/fish/completions/kferry.fish\n" +
			"  PowerShell:  kferry completion powershell | Out-String | Invoke-Expression",
		GroupID:   "other",
		Args:      exactArgs("SHELL"),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, w := cmd.Root(), f.stdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(w, true)
			case "zsh":
				return root.GenZshCompletion(w)
			case "fish":
				return root.GenFishCompletion(w, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(w)
			}
			return &usageError{
				err:  fmt.Errorf("shell %q is not known", args[0]),
				hint: "one of bash, zsh, fish and powershell",
			}
		},
	}
}
