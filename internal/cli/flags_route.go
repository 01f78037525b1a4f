package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/spec"
	"github.com/kferry/kferry/internal/translate"
)

// routeFlags give groups and topics other names on the target.
type routeFlags struct {
	mapTopics, mapGroups []string
	file                 string
}

func (r *routeFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringArrayVar(&r.mapTopics, "map-topic", nil, "the source topic A is B on the target, `A=B`; one * on each side carries over")
	fs.StringArrayVar(&r.mapGroups, "map-group", nil, "the source group A is B on the target, `A=B`; one * on each side carries over")
	r.addFile(cmd)
}

func (r *routeFlags) addFile(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.file, "route", "", "YAML `FILE` with the names on the other side, or with a split")
	_ = cmd.MarkFlagFilename("route", "yaml", "yml") // the flag was added just above
}

// load reads the file and compiles the names. split tells that the file splits
// a group.
func (r *routeFlags) load() (names *position.Route, split string, err error) {
	file := &api.Route{}
	if r.file != "" {
		if file, err = spec.LoadRoute(r.file); err != nil {
			return nil, "", unchanged(err)
		}
	}
	opts := spec.RouteOptions(file)
	opts.MapTopics, opts.MapGroups = r.mapTopics, r.mapGroups
	if names, err = position.NewRoute(opts); err != nil {
		return nil, "", &usageError{err: err}
	}
	return names, file.From, nil
}

// settleFlag is the time between two equal readings of a source position.
type settleFlag struct {
	length time.Duration
	given  *pflag.Flag
}

func (s *settleFlag) add(fs *pflag.FlagSet) {
	fs.DurationVar(&s.length, "settle", plan.DefaultSettle,
		"time that must lie between two equal readings of a source position; 0 for none (demos, tests)")
	s.given = fs.Lookup("settle")
}

// addPlans is add for a command that has a plan: its value is the default.
func (s *settleFlag) addPlans(fs *pflag.FlagSet) {
	fs.DurationVar(&s.length, "settle", 0,
		"time that must lie between two equal readings of a source position; 0 for none (default: the plan's)")
	s.given = fs.Lookup("settle")
}

// value is what the plan room takes: 0 is its default, negative is none.
func (s *settleFlag) value(f *Factory) (time.Duration, error) {
	if !s.given.Changed {
		cfg, err := f.loadConfig()
		if err != nil {
			return 0, err
		}
		return time.Duration(cfg.Config.Defaults.Settle), nil
	}
	switch {
	case s.length < 0:
		return 0, &usageError{err: fmt.Errorf("--settle %s is negative", s.length)}
	case s.length == 0:
		return -1, nil
	}
	return s.length, nil
}

// parseHeader reads NAME[:ENCODING]. A name that holds a colon itself is
// followed by its encoding, or by ":auto".
func parseHeader(text string) (string, translate.Encoding, error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return text, translate.EncodingAuto, nil
	}
	name, encoding := text[:i], text[i+1:]
	if name == "" {
		return "", "", &usageError{err: fmt.Errorf("--header %q: the header has no name", text), hint: "NAME[:ENCODING], such as __original_offset:decimal"}
	}
	known := []translate.Encoding{translate.EncodingDecimal, translate.EncodingBig, translate.EncodingLittle, translate.EncodingBig32}
	switch {
	case slices.Contains(known, translate.Encoding(encoding)):
		return name, translate.Encoding(encoding), nil
	case encoding == "auto":
		return name, translate.EncodingAuto, nil
	}
	return "", "", &usageError{
		err:  fmt.Errorf("--header %q: encoding %q is not known", text, encoding),
		hint: "one of decimal, int64be, int64le, int32be and auto; a name with a colon in it is written NAME:auto",
	}
}

// quoteArg quotes an argument for a POSIX shell when it needs it.
func quoteArg(s string) string {
	if s != "" && !strings.ContainsFunc(s, needsQuote) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func needsQuote(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:,=@%+", r)
}
