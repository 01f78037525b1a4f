package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/translate"
)

// selectFlags choose groups, topics and partitions.
type selectFlags struct{ position.Selector }

func (s *selectFlags) add(fs *pflag.FlagSet) {
	s.addGroups(fs)
	s.addTopics(fs)
}

func (s *selectFlags) addGroups(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&s.Groups, "group", "g", nil, "only groups that match `GLOB`")
	fs.StringArrayVar(&s.ExcludeGroups, "exclude-group", nil, "no groups that match `GLOB`")
	fs.StringArrayVar(&s.GroupRegex, "group-regex", nil, "only groups that match `REGEX` as a whole")
}

func (s *selectFlags) addTopics(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&s.Topics, "topic", "t", nil, "only topics that match `GLOB`")
	fs.StringArrayVar(&s.ExcludeTopics, "exclude-topic", nil, "no topics that match `GLOB`")
	fs.StringArrayVar(&s.TopicRegex, "topic-regex", nil, "only topics that match `REGEX` as a whole")
	fs.StringArrayVar(&s.Partitions, "partition", nil, "of a topic only these partitions, `TOPIC:0,1,4-7`")
}

func (s *selectFlags) compile() (*position.Selection, error) {
	sel, err := s.Compile()
	if err != nil {
		return nil, &usageError{err: err}
	}
	return sel, nil
}

// asked is the selection in the user's words, for the plan file.
func asked(cmd *cobra.Command, names ...string) []string {
	var out []string
	for _, name := range names {
		fl := cmd.Flags().Lookup(name)
		if fl == nil || !fl.Changed {
			continue
		}
		if many, ok := fl.Value.(pflag.SliceValue); ok {
			for _, v := range many.GetSlice() {
				out = append(out, "--"+name+" "+quoteArg(v))
			}
			continue
		}
		out = append(out, "--"+name+" "+quoteArg(fl.Value.String()))
	}
	return out
}

// askedFlags are the flags that say what a plan is about.
var askedFlags = []string{
	"group", "exclude-group", "group-regex", "topic", "exclude-topic", "topic-regex", "partition",
	"map-topic", "map-group", "route", "file",
}

// evidenceFlags choose how positions are translated.
type evidenceFlags struct {
	evidence     choice
	header       string
	quick        bool
	copyComplete bool
}

func (e *evidenceFlags) add(cmd *cobra.Command) {
	addChoice(cmd, &e.evidence, "evidence", "", "what ties target records to source offsets",
		string(translate.KindAuto), string(translate.KindHeader), string(translate.KindMM2),
		string(translate.KindIdentity), string(translate.KindContent))
	fs := cmd.Flags()
	fs.StringVarP(&e.header, "header", "H", "", "header with the source offset, `NAME[:ENCODING]`; encodings: decimal, int64be, int64le, int32be")
	fs.BoolVar(&e.quick, "quick", false, "do not show that nothing after a position is missing or twice: exact-unproven")
	fs.BoolVar(&e.copyComplete, "copy-complete", false, "the mover has ended: what is not copied yet will never be")
}

func (e *evidenceFlags) options() (translate.Options, error) {
	o := translate.Options{Evidence: translate.Kind(e.evidence.value), Quick: e.quick, CopyComplete: e.copyComplete}
	if e.header == "" {
		return o, nil
	}
	if o.Evidence != translate.KindAuto && o.Evidence != translate.KindHeader {
		return o, &usageError{err: fmt.Errorf("--header is given, and --evidence %s uses none", o.Evidence)}
	}
	o.Evidence = translate.KindHeader
	name, encoding, err := parseHeader(e.header)
	o.Header, o.Encoding = name, encoding
	return o, err
}

// acceptFlags are the overrides, each named after its consequence.
type acceptFlags struct{ plan.Accept }

func (a *acceptFlags) add(fs *pflag.FlagSet) {
	a.addMoving(fs)
	a.addRewind(fs, "target")
	fs.BoolVar(&a.ActiveSource, "accept-active-source", false, "go on while the group still reads on the source: its positions still move")
}

func (a *acceptFlags) addRewind(fs *pflag.FlagSet, side string) {
	fs.BoolVar(&a.Rewind, "accept-rewind", false, "let a group go back behind the position that it has on the "+side)
}

// words are the overrides as a migration has them.
func (a *acceptFlags) words() (out []string) {
	for _, w := range []struct {
		word  string
		given bool
	}{
		{api.AcceptRepeats, a.Repeats},
		{api.AcceptLoss, a.Loss},
		{api.AcceptRewind, a.Rewind},
		{api.AcceptPartialGroup, a.PartialGroup},
	} {
		if w.given {
			out = append(out, w.word)
		}
	}
	return out
}

func (a *acceptFlags) addMoving(fs *pflag.FlagSet) {
	fs.BoolVar(&a.Repeats, "accept-repeats", false, "let records be read again that the group has read")
	fs.BoolVar(&a.Loss, "accept-loss", false, "let records be skipped that the group has not read")
	fs.BoolVar(&a.PartialGroup, "accept-partial-group", false, "move a group although some of its positions cannot be: there auto.offset.reset decides")
}

// writeFlags are those of every command that writes.
type writeFlags struct {
	yes, dryRun bool
	// cluster is the name of the cluster that is written to, typed once more.
	cluster string
	state   string
	// login are the flags with the login that was used, for the command that
	// takes back.
	login string
	// concurrent is how many groups are written to at a time; 0 leaves it to the
	// config.
	concurrent atLeastOne
}

// atLeastOne is a flag that takes a number from 1 to 1024.
type atLeastOne int

func (n *atLeastOne) Set(s string) error {
	v, err := strconv.Atoi(s)
	if err != nil || v < 1 || v > 1024 {
		return fmt.Errorf("%q is no number from 1 to 1024", s)
	}
	*n = atLeastOne(v)
	return nil
}

func (n *atLeastOne) String() string {
	if *n == 0 {
		return ""
	}
	return strconv.Itoa(int(*n))
}

func (*atLeastOne) Type() string { return "NUMBER" }

// addConcurrent is for commands that write many groups at once.
func (w *writeFlags) addConcurrent(fs *pflag.FlagSet) {
	fs.Var(&w.concurrent, "max-concurrent", "how many groups are written to at a time, 1 to 1024 (default: parallel of the config, 8)")
}

// flags are those that a rollback needs to reach the same state and cluster.
func (w *writeFlags) flags(f *Factory) string {
	var text strings.Builder
	text.WriteString(w.login)
	for _, fl := range [][2]string{{"--config", f.configPath}, {"--state", w.state}} {
		if fl[1] != "" {
			text.WriteString(fl[0] + " " + quoteArg(fl[1]) + " ")
		}
	}
	return text.String()
}

func (w *writeFlags) add(fs *pflag.FlagSet, dryRun bool) {
	fs.BoolVar(&w.yes, "yes", false, "do not ask for a confirmation")
	fs.StringVar(&w.cluster, "confirm-cluster", "", "the `NAME` of the cluster that is written to: needed with --yes when it is protected")
	if dryRun {
		fs.BoolVar(&w.dryRun, "dry-run", false, "show what would be done, and do nothing")
	}
	addState(fs, &w.state)
}

func addState(fs *pflag.FlagSet, state *string) {
	fs.StringVar(state, "state", "", "`URL` or folder that holds runs, snapshots and leases (default: the user's state folder)")
}
