package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands are all commands of the first level, in the order of the help.
func commands(f *Factory) []*cobra.Command {
	return []*cobra.Command{
		newDemoCmd(f), newSandboxCmd(f),
		newPlanCmd(f), newApplyCmd(f), newVerifyCmd(f), newRollbackCmd(f), newMigrationCmd(f), newHistoryCmd(f),
		newGroupCmd(f), newOffsetCmd(f), newSnapshotCmd(f), newTopicCmd(f),
		newClusterCmd(f), newConfigCmd(f),
		newCompletionCmd(f), newVersionCmd(f),
	}
}

// commandLine is what the user called, for the journal and for hints on how to
// go on. No flag holds a secret; the flags are in alphabetical order.
func commandLine(cmd *cobra.Command, args []string) string {
	var b strings.Builder
	b.WriteString(cmd.CommandPath())
	for _, a := range args {
		b.WriteString(" " + quoteArg(a))
	}
	cmd.Flags().Visit(func(fl *pflag.Flag) {
		values := []string{fl.Value.String()}
		if many, ok := fl.Value.(pflag.SliceValue); ok {
			values = many.GetSlice()
		}
		for _, v := range values {
			b.WriteString(" --" + fl.Name)
			if fl.Value.Type() == "bool" {
				if v != "true" {
					b.WriteString("=" + v)
				}
				continue
			}
			b.WriteString(" " + quoteArg(v))
		}
	})
	return b.String()
}

func quoteArgs(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = quoteArg(a)
	}
	return strings.Join(quoted, " ")
}
