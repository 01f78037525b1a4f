package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/spec"
)

// migrationFlags are all fields of an api.Migration, and the file that may have
// them. What a flag gives stands in place of what the file says.
type migrationFlags struct {
	name, file string
	// loaded is the file, once it was read.
	loaded   *api.Fleet
	pair     pairFlags
	sel      selectFlags
	route    routeFlags
	mover    choice
	evidence evidenceFlags
	mirror   mirrorFlags
	accept   acceptFlags
	settle   settleFlag
	events   eventFlags

	overwrite               bool
	interval, timeout, keep time.Duration
}

// movers are the words of --mover.
var movers = []string{
	api.MoverAuto, api.MoverMirrorMaker2, api.MoverArmory, api.MoverKafkaBackup, api.MoverRedpanda,
	api.MoverK2K, api.MoverKferry, api.MoverNone,
}

func (o *migrationFlags) add(f *Factory, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&o.name, "name", "", "`NAME` of the migration, the same as the argument")
	fs.StringVarP(&o.file, "file", "f", "", "YAML `FILE` with the migration, or with several; - is standard input")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml") // the flag was added just above
	o.pair.add(f, cmd)
	o.sel.add(fs)
	o.route.add(cmd)
	addChoice(cmd, &o.mover, "mover", "", "what copies the records: `WORD`, one of "+strings.Join(movers, ", "), movers...)
	o.evidence.add(cmd)
	o.mirror.add(f, cmd)
	o.accept.addMoving(fs)
	o.accept.addRewind(fs, "target")
	fs.BoolVar(&o.overwrite, "accept-overwrite", false, "replace positions that the group has on the target already and that this migration did not put there")
	o.settle.add(fs)
	fs.DurationVar(&o.interval, "interval", migration.DefaultInterval, "time between two looks while something is waited for")
	fs.DurationVar(&o.timeout, "timeout", 0, "how long 'advance --wait' waits at most; 0 is no limit")
	fs.DurationVar(&o.keep, "keep-offsets", 0, "keep what the groups have committed on the source from expiring for that long; 0 leaves it alone")
	o.events.add(cmd)
	completeSelection(f, cmd)
}

// load reads the file once: it may be standard input.
func (o *migrationFlags) load(f *Factory) (err error) {
	if o.loaded == nil {
		o.loaded, err = f.readMigrations(o.file)
	}
	return err
}

// fleet are the migrations of a file that has several, nil for one that does
// not.
func (o *migrationFlags) fleet(f *Factory, cmd *cobra.Command, args []string) (*api.Fleet, error) {
	if o.file == "" {
		return nil, nil //nolint:nilnil // no file is no error
	}
	if err := o.load(f); err != nil || len(o.loaded.Migrations) == 1 {
		return nil, err
	}
	if len(args) > 0 {
		return nil, &usageError{err: fmt.Errorf("--file %s has %d migrations with names of their own, but was given %q", o.file, len(o.loaded.Migrations), args[0])}
	}
	allowed := append([]string{"file", "from-command-config", "to-command-config", "dry-run", "state", "output"}, everyCommand...)
	return o.loaded, onlyWithFleet(cmd.Flags(), "write it into the file, under 'defaults' when it is for all of them", allowed...)
}

// spec is the migration that the flags, or the file and the flags, describe.
func (o *migrationFlags) spec(f *Factory, cmd *cobra.Command, args []string) (api.Migration, error) {
	var m api.Migration
	if o.file != "" {
		if err := o.load(f); err != nil {
			return m, err
		}
		m = o.loaded.Migrations[0]
	}
	if err := o.fill(cmd.Flags(), args, &m); err != nil {
		return m, err
	}
	m.SetDefaults()
	if problems := m.Validate(); len(problems) > 0 {
		return m, fieldProblems(problems)
	}
	return m, nil
}

// maxSpecBytes bounds what is read from standard input.
const maxSpecBytes = 16 << 20

// readMigrations reads a file of migrations; "-" is standard input.
func (f *Factory) readMigrations(path string) (*api.Fleet, error) {
	if path != "-" {
		fleet, err := spec.LoadMigrations(path)
		return fleet, unchanged(err)
	}
	data, err := io.ReadAll(io.LimitReader(f.streams.In, maxSpecBytes))
	if err != nil {
		return nil, unchanged(fmt.Errorf("reading standard input: %w", err))
	}
	return spec.ReadMigrations("standard input", data)
}

// fill puts what the flags give into the migration.
func (o *migrationFlags) fill(fs *pflag.FlagSet, args []string, m *api.Migration) error {
	if err := o.named(args, m); err != nil {
		return err
	}
	if err := o.pair.checkLogins(); err != nil {
		return err
	}
	given(fs, "from", &m.From, o.pair.from)
	given(fs, "to", &m.To, o.pair.to)
	given(fs, "group", &m.Groups, o.sel.Groups)
	given(fs, "group-regex", &m.GroupRegex, o.sel.GroupRegex)
	given(fs, "exclude-group", &m.ExcludeGroups, o.sel.ExcludeGroups)
	given(fs, "topic", &m.Topics, o.sel.Topics)
	given(fs, "topic-regex", &m.TopicRegex, o.sel.TopicRegex)
	given(fs, "exclude-topic", &m.ExcludeTopics, o.sel.ExcludeTopics)
	given(fs, "partition", &m.Partitions, o.sel.Partitions)
	given(fs, "mover", &m.Mover, o.mover.value)
	given(fs, "quick", &m.Quick, o.evidence.quick)
	given(fs, "copy-complete", &m.CopyComplete, o.evidence.copyComplete)
	given(fs, "interval", &m.Interval, api.Duration(o.interval))
	given(fs, "timeout", &m.Timeout, api.Duration(o.timeout))
	given(fs, "keep-offsets", &m.KeepOffsets, api.Duration(o.keep))
	settle := api.Duration(o.settle.length)
	given(fs, "settle", &m.Settle, &settle)
	o.accepted(fs, m)
	if err := o.traces(fs, m); err != nil {
		return err
	}
	if err := o.names(fs, m); err != nil {
		return err
	}
	return o.events.fill(fs, m)
}

// given sets a field when the flag was.
func given[T any](fs *pflag.FlagSet, flag string, field *T, value T) {
	if fs.Changed(flag) {
		*field = value
	}
}

// named takes the name from the argument or the flag.
func (o *migrationFlags) named(args []string, m *api.Migration) error {
	if len(args) > 0 && o.name != "" && args[0] != o.name {
		return &usageError{err: fmt.Errorf("the migration is named twice: %q and --name %q", args[0], o.name)}
	}
	if name := firstOf(append(slices.Clone(args), o.name)...); name != "" {
		m.Name = name
	}
	if m.Name == "" {
		return &usageError{err: errors.New("the migration has no name"), hint: "kferry migration create NAME --from SOURCE --to TARGET --group GLOB"}
	}
	return nil
}

// accepted takes the overrides, and takes back those that are given as false.
func (o *migrationFlags) accepted(fs *pflag.FlagSet, m *api.Migration) {
	for _, a := range []struct {
		word string
		on   bool
	}{
		{api.AcceptRepeats, o.accept.Repeats},
		{api.AcceptLoss, o.accept.Loss},
		{api.AcceptRewind, o.accept.Rewind},
		{api.AcceptPartialGroup, o.accept.PartialGroup},
		{api.AcceptOverwrite, o.overwrite},
	} {
		if !fs.Changed("accept-" + a.word) {
			continue
		}
		m.Accept = slices.DeleteFunc(slices.Clone(m.Accept), func(w string) bool { return w == a.word })
		if a.on {
			m.Accept = append(m.Accept, a.word)
		}
	}
}

// traces takes what ties the copies to their originals.
func (o *migrationFlags) traces(fs *pflag.FlagSet, m *api.Migration) error {
	given(fs, "evidence", &m.Evidence, o.evidence.evidence.value)
	if fs.Changed("header") {
		if _, err := o.evidence.options(); err != nil {
			return err
		}
		name, encoding, err := parseHeader(o.evidence.header)
		if err != nil {
			return err
		}
		m.Header, m.Encoding = name, string(encoding)
	}
	if !fs.Changed("mm2-alias") && !fs.Changed("mm2-syncs") {
		return nil
	}
	if _, err := o.mirror.value(true); err != nil {
		return err
	}
	own := api.MirrorMaker{}
	if m.MirrorMaker != nil {
		own = *m.MirrorMaker
	}
	given(fs, "mm2-alias", &own.Alias, o.mirror.alias)
	given(fs, "mm2-syncs", &own.Syncs, o.mirror.syncs)
	m.MirrorMaker = &own
	return nil
}

// names takes the names on the target, from --map-topic and --map-group or from
// a route file.
func (o *migrationFlags) names(fs *pflag.FlagSet, m *api.Migration) error {
	var topics, groups []api.NameMap
	if o.route.file != "" {
		file, err := spec.LoadRoute(o.route.file)
		if err != nil {
			return unchanged(err)
		}
		if topics, groups, err = plainNames(o.route.file, file); err != nil {
			return err
		}
	}
	for _, one := range []struct {
		flag  string
		texts []string
		into  *[]api.NameMap
	}{{"map-topic", o.route.mapTopics, &topics}, {"map-group", o.route.mapGroups, &groups}} {
		for _, text := range one.texts {
			r, err := position.ParseRename("--"+one.flag, text)
			if err != nil {
				return &usageError{err: err}
			}
			*one.into = append(*one.into, api.NameMap{From: r.From, To: r.To})
		}
	}
	if len(topics) > 0 || fs.Changed("map-topic") {
		m.MapTopics = topics
	}
	if len(groups) > 0 || fs.Changed("map-group") {
		m.MapGroups = groups
	}
	return nil
}

// plainNames are the names of a route file that does nothing but rename.
func plainNames(path string, r *api.Route) (topics, groups []api.NameMap, err error) {
	refused := func(what string) error {
		return &usageError{
			err:  fmt.Errorf("--route %s: %s, which a migration cannot", path, what),
			hint: "a migration takes groups as they are; 'kferry group copy --route' splits one, on the source before the move or on the target after it",
		}
	}
	switch {
	case r.From != "":
		return nil, nil, refused("the file splits a group")
	case len(r.Leave) > 0:
		return nil, nil, &usageError{
			err: fmt.Errorf("--route %s: a migration leaves topics behind by --exclude-topic, not by 'leave' in the file", path),
		}
	}
	for _, g := range r.Groups {
		if len(g.Topics) > 0 {
			return nil, nil, refused(fmt.Sprintf("group %q takes some of its topics only", g.From))
		}
		groups = append(groups, api.NameMap{From: g.From, To: g.To})
	}
	return r.Topics, groups, nil
}

// flagOfField translates fields of a migration to the flags that set them.
var flagOfField = map[string]string{
	"name": "--name", "from": "--from", "to": "--to", "groups": "--group", "groupRegex": "--group-regex",
	"excludeGroups": "--exclude-group", "topics": "--topic", "topicRegex": "--topic-regex",
	"excludeTopics": "--exclude-topic", "partitions": "--partition", "mapTopics": "--map-topic",
	"mapGroups": "--map-group", "mover": "--mover", "evidence": "--evidence", "header": "--header",
	"encoding": "--header", "mirrorMaker.alias": "--mm2-alias", "mirrorMaker.syncs": "--mm2-syncs",
	"accept": "--accept-...", "settle": "--settle", "interval": "--interval", "timeout": "--timeout",
	"keepOffsets": "--keep-offsets", "events": "--on or --webhook",
}

// fieldProblems is an error about fields in the words of the flags.
func fieldProblems(problems []api.Problem) error {
	var texts, hints []string
	for _, p := range problems {
		field := p.Path
		if i := strings.IndexByte(field, '['); i >= 0 {
			field = field[:i]
		}
		text := p.Message
		if at := firstOf(flagOfField[field], p.Path); at != "" {
			text = at + ": " + text
		}
		texts = append(texts, text)
		if p.Hint != "" && !slices.Contains(hints, p.Hint) {
			hints = append(hints, p.Hint)
		}
	}
	return &usageError{err: errors.New(strings.Join(texts, "; ")), hint: strings.Join(hints, "; ")}
}
