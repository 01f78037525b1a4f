package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the release build (-ldflags -X); a plain build tells what
// the module system knows.
var version = ""

// toolName is how plans, runs and snapshots name the program that wrote them.
func toolName() string { return "kferry " + versionText() }

func versionText() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "devel"
}

type versionJSON struct {
	header
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCmd(f *Factory) *cobra.Command {
	var out choice
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this program",
		GroupID: "other",
		Args:    exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			if out.value == asJSON {
				return writeJSON(f.stdout(), v)
			}
			commit := v.Commit
			if v.Modified {
				commit += ", modified"
			}
			if commit != "" {
				commit = " (" + commit + ")"
			}
			_, err := fmt.Fprintf(f.stdout(), "kferry %s%s, %s, %s\n", v.Version, commit, v.Go, v.Platform)
			return err
		},
	}
	addOutput(cmd, &out, asTable, asJSON)
	return cmd
}

func buildVersion() versionJSON {
	v := versionJSON{
		header: head("version"), Version: versionText(),
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	return v
}
