// Package cli is the command line of kferry: one file per command that
// parses, calls the rooms below and renders their answers for people or for
// machines. It decides nothing about groups or offsets.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kferry/kferry/internal/position"
)

// Main runs one command line, without the program's name, and returns the exit
// code. The first interrupt ends ctx with the cause ErrInterrupted: the step
// that is under way is finished first.
func Main(ctx context.Context, args []string, s *Streams) int {
	f := newFactory(s)
	defer f.close()
	root := newRootCmd(f) //nolint:contextcheck // cobra hands the context to each command itself
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), ErrInterrupted) {
		err = interrupted(err)
	}
	return report(f, cmd, err, wantsJSON(args))
}

// newRootCmd builds the whole tree.
func newRootCmd(f *Factory) *cobra.Command {
	keepOrder()
	root := &cobra.Command{
		Use:   "kferry COMMAND",
		Short: "Move Kafka consumer groups between clusters, to exactly the next record",
		Long: "kferry moves Kafka consumer groups between clusters, topics and groups.\n" +
			"After the move each group resumes at exactly the next record, and kferry can show why.",
		Example: "  kferry plan --from old --to new --group 'order-*' --out plan.json\n" +
			"  kferry apply plan.json\n" +
			"  kferry verify plan.json\n" +
			"  kferry rollback RUN",
		SilenceErrors:         true,
		SilenceUsage:          true,
		Args:                  cobra.ArbitraryArgs,
		DisableFlagsInUseLine: true,
		CompletionOptions:     cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE:     func(*cobra.Command, []string) error { return f.prepare() },
		RunE:                  runParent,
	}
	f.addFlags(root.PersistentFlags())
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(usageTemplate)
	all := commands(f)
	for _, g := range helpGroups {
		if slices.ContainsFunc(all, func(c *cobra.Command) bool { return c.GroupID == g.ID }) {
			root.AddGroup(&cobra.Group{ID: g.ID, Title: g.Title})
		}
	}
	root.AddCommand(all...)
	root.SetHelpCommand(newHelpCmd(root))
	root.SetHelpCommandGroupID("other")
	checkArgs(root)
	return root
}

// usageTemplate is cobra's own, with one line of usage and flags that are named
// after what they are for.
const usageTemplate = `Usage:
  {{.UseLine}}{{if .HasAvailableSubCommands}} [flags]{{end}}{{if .Aliases}}

Also called:
  {{.NameAndAliases}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{if eq (len .Groups) 0}}

Commands:{{range $cmds}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{else}}{{range $group := .Groups}}

{{.Title}}{{range $cmds}}{{if (and (eq .GroupID $group.ID) .IsAvailableCommand)}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

"{{.CommandPath}} COMMAND --help" says more about a command.{{end}}
`

// helpGroups are the headings of the help, in their order.
var helpGroups = []cobra.Group{
	{ID: "start", Title: "Start here:"},
	{ID: "move", Title: "Move groups:"},
	{ID: "groups", Title: "Groups and their positions:"},
	{ID: "clusters", Title: "Clusters and configuration:"},
	{ID: "other", Title: "Other:"},
}

// keepOrder makes the help show commands in the order of the work and not of
// the alphabet. cobra has one switch for the whole process.
var keepOrder = sync.OnceFunc(func() { cobra.EnableCommandSorting = false })

// runParent answers for commands that only have commands below them: alone
// they show their help, with anything else they name what was not found.
func runParent(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
			names = append(names, c.Aliases...)
		}
	}
	return &usageError{
		err:  fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath()),
		hint: didYouMean(position.Near(args[0], names, maxNear)),
	}
}

// checkArgs makes a wrong number of arguments a usage error everywhere.
func checkArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return &usageError{err: err}
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		checkArgs(c)
	}
}

// flagKinds are pflag's own types of values, in words. All other types have
// errors of ours.
var flagKinds = map[string]string{
	"bool":     "true or false",
	"duration": "a time as 90s, 30m or 2h",
	"float64":  "a number",
	"int":      "a whole number",
	"uint64":   "a whole number, 0 at least",
}

// flagError says what a flag takes, or names the flags that a misspelt one may
// have meant.
func flagError(cmd *cobra.Command, err error) error {
	u := &usageError{err: err}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		if wanted := flagKinds[invalid.GetFlag().Value.Type()]; wanted != "" {
			u.err = fmt.Errorf("--%s %q: it must be %s", invalid.GetFlag().Name, invalid.GetValue(), wanted)
		}
		return u
	}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		near := position.Near(unknown.GetSpecifiedName(), names, maxNear)
		for i := range near {
			near[i] = "--" + near[i]
		}
		u.hint = didYouMean(near)
	}
	return u
}

// exactArgs asks for arguments by their names, so that the message can say
// which one is missing.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%s: argument %s is missing", cmd.CommandPath(), names[len(args)])
		case len(args) > len(names) && len(names) == 0:
			return fmt.Errorf("%s takes no argument, but was given %q", cmd.CommandPath(), args[0])
		case len(args) > len(names):
			return fmt.Errorf("%s: one argument too many: %q", cmd.CommandPath(), args[len(names)])
		}
		return nil
	}
}

// wantsJSON looks for "-o json" in the arguments themselves: an error while
// they are being parsed has to know it before they are parsed.
func wantsJSON(args []string) bool {
	for i, a := range args {
		switch a {
		case "--":
			return false
		case "-o", "--output":
			if i+1 < len(args) && args[i+1] == asJSON {
				return true
			}
		case "-ojson", "-o=json", "--output=json":
			return true
		}
	}
	return false
}

// pathError gives an error about a file that the user named its usual words.
func pathError(op, path string, err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		err = pe.Err
	}
	return fmt.Errorf("%s %s: %w", op, path, err)
}
