package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/position"
)

// topics are the help texts that belong to no command.
var helpTopics = []struct{ name, short, text string }{
	{"exit-codes", "what the exit codes mean", exitCodesText()},
	{"environment", "environment variables and where files are looked for", environmentText},
	{"formats", "output formats, CSV and stored files", formatsText},
}

// newHelpCmd shows the help of a command, or of a topic that is none.
func newHelpCmd(root *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "help [COMMAND | exit-codes | environment | formats]",
		Short:   "Show the help of a command or a topic",
		GroupID: "other",
		Args:    cobra.ArbitraryArgs,
		// Help needs neither configuration nor progress.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				for _, t := range helpTopics {
					if t.name == args[0] {
						_, err := fmt.Fprint(cmd.OutOrStdout(), t.text)
						return err
					}
				}
			}
			found, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return &usageError{
					err:  fmt.Errorf("there is no help for %q", strings.Join(args, " ")),
					hint: didYouMean(position.Near(strings.Join(args, " "), helpNames(root), maxNear)),
				}
			}
			return found.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return helpNames(root), cobra.ShellCompDirectiveNoFileComp
		},
	}
	return cmd
}

func helpNames(root *cobra.Command) []string {
	var names []string
	for _, t := range helpTopics {
		names = append(names, t.name)
	}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

func exitCodesText() string {
	var b strings.Builder
	b.WriteString("Exit codes\n\n")
	for _, e := range exitMeaning {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.text)
	}
	b.WriteString("\nA script must take a code that is not in this list as a failure.\n" +
		"Whatever the code, an error says what was left unchanged or is already done.\n")
	return b.String()
}

const environmentText = `Environment variables

  KFERRY_CONFIG    config file, unless --config is given
  KFERRY_STATE     URL or folder of runs, snapshots and leases, unless --state is given
  XDG_CONFIG_HOME  where the user's configuration is (default ~/.config)
  XDG_STATE_HOME   where the user's state is (default ~/.local/state)
  NO_COLOR         any value: no colour
  TERM=dumb        no colour and no line that is redrawn

A flag wins over an environment variable, which wins over the config file, which
wins over the default. 'kferry config view --show-origin' shows what came from where.

Signals

  INT, TERM        the first one stops after the step under way and says how to go on;
                   the second one ends kferry at once. The journal knows in both cases.
  USR1             prints the progress
`

const formatsText = `Output formats (-o)

  table  aligned columns under a header; the same on a terminal and in a pipe
  wide   table with more columns
  json   one document, described field by field in docs/json.md; fields are only added
  csv    group,topic,partition,offset without a header row, RFC 4180 quoting:
         what kafka-consumer-groups --reset-offsets reads with --from-file and writes with --export
  kmap   the JSON file of kmap

The result goes to stdout, everything else to stderr. Times are RFC 3339 in UTC.
Offsets and lags are whole numbers; what is not known is "?" in tables and null in
JSON, never 0. With -o json an error is a JSON line at the end of stderr.

Input files

  Positions (-i): CSV as above; topic,partition,offset with --group NAME; JSON of
                  offset fetch and snapshot show, of kmap and of kafka-backup.
                  --input-format names the format where it is not found by itself.
  Routes (--route): YAML. Plans, runs and snapshots: docs/formats.md.
`
