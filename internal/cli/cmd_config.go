package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/spec"
)

func newConfigCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config COMMAND",
		Short:   "Look at the configuration",
		GroupID: "clusters",
		Args:    cobra.ArbitraryArgs,
		RunE:    runParent,

		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newConfigViewCmd(f))
	return cmd
}

// configJSON is the configuration for programs.
type configJSON struct {
	header
	// File is null when there is no config file; Found says how it was found.
	File   *string      `json:"file"`
	Found  string       `json:"found,omitempty"`
	Values []spec.Value `json:"values"`
}

func newConfigViewCmd(f *Factory) *cobra.Command {
	var origin bool
	var out choice
	cmd := &cobra.Command{
		Use:   "view",
		Short: "Show the configuration in force, and where each value comes from",
		Long: "Shows every value that the config file has or that has a default. Secrets are not in it:\n" +
			"only the places from which they are fetched.",
		Example: "  kferry config view --show-origin",
		Args:    exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			return runConfigView(f, origin, out.value)
		},
	}
	cmd.Flags().BoolVar(&origin, "show-origin", false, "show file, line and column of each value")
	addOutput(cmd, &out, asTable, asJSON)
	return cmd
}

func runConfigView(f *Factory, origin bool, output string) error {
	cfg, err := f.loadConfig()
	if err != nil {
		return err
	}
	if output == asJSON {
		doc := configJSON{header: head("config"), Found: cfg.Found, Values: list(cfg.Values())}
		if cfg.File != "" {
			doc.File = &cfg.File
		}
		return writeJSON(f.stdout(), doc)
	}
	if cfg.File == "" {
		f.remark("There is no config file; 'kferry help environment' says where it is looked for.")
	} else {
		f.remark("%s (%s)", clean(cfg.File), cfg.Found)
	}
	columns := []string{"KEY", "VALUE"}
	if origin {
		columns = append(columns, "ORIGIN")
	}
	t := newTable(f.outPaint(), columns...)
	for _, v := range cfg.Values() {
		row := []string{v.Path, v.Text}
		if origin {
			row = append(row, fmt.Sprint(v.Origin))
		}
		t.row(row...)
	}
	return t.write(f.stdout())
}
