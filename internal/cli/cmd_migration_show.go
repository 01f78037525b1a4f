package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/store"
)

// showInterval lies between two looks of "migration show".
const showInterval = 2 * time.Second

// showOptions are the flags of "kferry migration show".
type showOptions struct {
	pair                  pairFlags
	state                 string
	once, follow, offline bool
	interval, timeout     time.Duration
	wait                  choice
	output                choice
}

func newMigrationShowCmd(f *Factory) *cobra.Command {
	o := &showOptions{}
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show where a migration stands, and what its groups and topics look like now",
		Long: "Shows the step, who holds the migration, and per group and topic the lag on both sides, whether the\n" +
			"copy is through, the members, and what the next step waits for. It holds nothing and writes nothing.\n\n" +
			"On a terminal it looks again every --interval until Ctrl-C or the end of the migration; elsewhere, with\n" +
			"-o json and with --once it looks once. --follow looks again there too: with -o json one document a\n" +
			"line. --wait STEP only waits until another process has taken the migration there.\n\n" +
			"Exit code 0: shown, or the step is reached; 3: a cluster could not be looked at (--once), or the time\n" +
			"limit of --wait has passed; 1: the migration will not come to the step of --wait.",
		Example: "  kferry migration show shop\n" +
			"  kferry migration show shop --once -o json\n" +
			"  kferry migration show shop -o json --follow | jq .migration.step\n" +
			"  kferry migration show shop --wait moved --timeout 30m && deploy shop\n" +
			"  kferry migration show shop --offline",
		Args:              exactArgs("NAME"),
		ValidArgsFunction: completeMigrations(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(f, cmd); err != nil {
				return err
			}
			return runMigrationShow(cmd.Context(), f, o, args[0])
		},
	}
	o.pair.add(f, cmd)
	fs := cmd.Flags()
	for flag, usage := range sideUsage {
		fs.Lookup(flag).Usage = usage
	}
	addState(fs, &o.state)
	fs.BoolVar(&o.once, "once", false, "look once, also on a terminal")
	fs.BoolVar(&o.follow, "follow", false, "look again every --interval until the migration ends, also in a pipe")
	fs.BoolVar(&o.offline, "offline", false, "only what the journal says: look at no cluster")
	fs.DurationVar(&o.interval, "interval", showInterval, "time between two looks")
	o.wait.words = stepWords(migration.AllSteps())
	fs.Var(&o.wait, "wait", "wait until the migration has come to this `STEP`")
	completeWords(cmd, "wait", o.wait.words)
	fs.DurationVar(&o.timeout, "timeout", 0, "with --wait: how long at most; 0 is no limit")
	addOutput(cmd, &o.output, asTable, asWide, asJSON)
	return cmd
}

// sideUsage are the words for --from and --to of a command whose migration
// names the clusters.
var sideUsage = map[string]string{
	"from": "source cluster, instead of the one that the migration names: `NAME` or HOST:PORT[,...]",
	"to":   "target cluster, instead of the one that the migration names: `NAME` or HOST:PORT[,...]",
}

// check refuses flags that contradict each other, and decides whether to look
// more than once.
func (o *showOptions) check(f *Factory, cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	if !o.follow && !o.once && o.wait.value == "" {
		o.follow = f.streams.OutTTY && o.output.value != asJSON && !given("follow")
	}
	switch {
	case given("wait") && (given("once") || given("follow") || o.offline):
		return &usageError{err: errors.New("--wait shows nothing: it excludes --once, --follow and --offline")}
	case o.once && given("follow") && o.follow:
		return &usageError{err: errors.New("--once and --follow exclude each other")}
	case given("timeout") && o.wait.value == "":
		return &usageError{err: errors.New("--timeout is given without --wait")}
	case o.timeout < 0:
		return &usageError{err: fmt.Errorf("--timeout %s is negative", o.timeout)}
	case o.interval <= 0:
		return &usageError{err: fmt.Errorf("--interval %s is no time to wait", o.interval)}
	case given("interval") && !o.follow && o.wait.value == "":
		return &usageError{err: errors.New("--interval is given, and only one look is taken"), hint: "give --follow to look again"}
	}
	return o.pair.checkLogins()
}

func runMigrationShow(ctx context.Context, f *Factory, o *showOptions, name string) error {
	bucket, err := f.bucket(ctx, o.state)
	if err != nil {
		return err
	}
	st, err := f.loadMigration(ctx, bucket, name)
	if err != nil {
		return err
	}
	if o.wait.value != "" {
		return o.await(ctx, f, bucket, name)
	}
	l := &looker{f: f, o: o, bucket: bucket, name: name}
	if err := l.resolve(st); err != nil {
		return err
	}
	if o.follow {
		return l.follow(ctx)
	}
	s, err := l.look(ctx)
	if s == nil {
		return err
	}
	if serr := l.show(s); serr != nil {
		return serr
	}
	if err != nil {
		return &failure{
			code: ExitPartial, err: err,
			hint: "what the journal says is shown; --offline shows it without the clusters, and is no failure",
		}
	}
	return nil
}

// looker looks at a migration, and at its clusters as far as they answer.
type looker struct {
	f      *Factory
	o      *showOptions
	bucket *store.Bucket
	name   string
	// sides are source and target.
	sides [2]lookedSide
}

// lookedSide is a cluster that is opened as soon as it answers.
type lookedSide struct {
	open func(ctx context.Context) (*side, error)
	side *side
	err  error
}

// resolve finds out which clusters to look at, without a look at them.
func (l *looker) resolve(st *migration.State) error {
	if l.o.offline {
		return nil
	}
	p := &l.o.pair
	for i, one := range []struct {
		pinned                     plan.Cluster
		flag, value, commandConfig string
	}{{st.Source, "--from", p.from, p.fromCommandConfig}, {st.Target, "--to", p.to, p.toCommandConfig}} {
		c, err := l.f.planCluster(one.pinned, one.flag, one.value, one.commandConfig)
		if err != nil {
			return err
		}
		l.sides[i].open = func(ctx context.Context) (*side, error) { return l.f.open(ctx, c) }
	}
	return nil
}

// look looks once. With a status, an error is about clusters that could not be
// looked at.
func (l *looker) look(ctx context.Context) (*migration.Status, error) {
	in := migration.Input{Bucket: l.bucket, Now: l.f.streams.Now}
	if l.o.offline {
		return migration.LookOffline(ctx, l.name, in)
	}
	for i, into := range []*plan.Side{&in.From, &in.To} {
		s := &l.sides[i]
		if s.side == nil {
			s.side, s.err = s.open(ctx)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
		}
		if s.side != nil {
			*into = s.side.plan()
		}
	}
	progress := &stages{f: l.f}
	in.Progress = func(e migration.Event) {
		if e.Plan != nil {
			progress.event(*e.Plan)
		}
	}
	s, err := migration.Look(ctx, l.name, in)
	progress.end()
	if s == nil {
		return nil, err
	}
	// Why a cluster could not be opened is known here only.
	var unseen []error
	for i := range s.Unseen {
		u := &s.Unseen[i]
		for j, name := range []string{"source", "target"} {
			if u.Side == name && l.sides[j].err != nil {
				u.Err, u.Error = l.sides[j].err, l.sides[j].err.Error()
			}
		}
		unseen = append(unseen, u.Err)
	}
	return s, errors.Join(unseen...)
}

// show shows one look in full.
func (l *looker) show(s *migration.Status) error {
	if l.o.output.value == asJSON {
		return writeJSON(l.f.stdout(), statusDoc(s, l.o.offline))
	}
	v := statusView{
		migrationView: migrationView{w: l.f.stdout(), paint: l.f.outPaint(), now: l.f.streams.now()},
		wide:          l.o.output.value == asWide, offline: l.o.offline,
	}
	if err := v.show(s); err != nil {
		return err
	}
	if s.Holder == nil && !l.o.follow {
		call := migrationOptions{pair: l.o.pair, write: writeFlags{state: l.o.state}}
		l.f.remark("%s", call.next(l.f, s.State))
	}
	return nil
}

// follow looks until the migration ends or the user stops it, which is how it
// is meant to end.
func (l *looker) follow(ctx context.Context) error {
	say, end := l.follower()
	defer end()
	var last *migration.Status
	for ctx.Err() == nil {
		began := time.Now()
		s, err := l.look(ctx)
		if ctx.Err() != nil {
			break
		}
		if s == nil {
			return err
		}
		last = s
		if err := say(s); err != nil {
			return err
		}
		if s.State.Ended {
			break
		}
		// A look that takes long is followed by a pause as long.
		pause := time.NewTimer(max(l.o.interval, time.Since(began)))
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
	end()
	if last == nil || l.o.output.value == asJSON || !l.redraws() {
		return nil
	}
	return l.show(last)
}

// redraws reports whether a block can be drawn again in place.
func (l *looker) redraws() bool {
	s := l.f.streams
	return s.OutTTY && s.ErrTTY && s.env("TERM") != "dumb" && !l.f.quiet && l.f.progressBy.value == "auto" && l.f.logFormat.value != "json"
}

// follower is how looks are shown one after the other: a document a line, a
// block that is redrawn, or a line whenever something has changed.
func (l *looker) follower() (say func(*migration.Status) error, end func()) {
	out := l.f.stdout()
	switch {
	case l.o.output.value == asJSON:
		return func(s *migration.Status) error {
			e := json.NewEncoder(out)
			e.SetEscapeHTML(false)
			return e.Encode(statusDoc(s, l.o.offline))
		}, func() {}
	case l.redraws():
		board := l.f.progress.Board()
		return func(s *migration.Status) error {
			board.Show(statusBlock(s, l.o.offline, l.f.streams.now()), statusLine(s), statusDoc(s, l.o.offline))
			return nil
		}, board.End
	}
	said := ""
	return func(s *migration.Status) error {
		line := statusLine(s)
		if line == said {
			return nil
		}
		said = line
		_, err := fmt.Fprintf(out, "%s %s\n", stamp(s.At), line)
		return err
	}, func() {}
}

// await waits until another process has taken the migration to a step.
func (o *showOptions) await(ctx context.Context, f *Factory, bucket *store.Bucket, name string) error {
	task := &stages{f: f}
	step := migration.Step(o.wait.value)
	in := migration.Input{Bucket: bucket, Now: f.streams.Now, Progress: func(e migration.Event) {
		task.set(fmt.Sprintf("waiting for %s: migration %s stands at %s", step, clean(name), e.State.Step), "looks", 0, 0)
	}}
	st, err := migration.WaitFor(ctx, name, step, o.timeout, o.interval, in)
	task.end()
	switch {
	case st == nil:
		return err
	case o.output.value == asJSON:
		s, lerr := migration.LookOffline(context.WithoutCancel(ctx), name, in)
		if lerr != nil {
			return errors.Join(err, lerr)
		}
		if werr := writeJSON(f.stdout(), statusDoc(s, true)); werr != nil {
			return werr
		}
	case err == nil:
		if _, werr := fmt.Fprintf(f.stdout(), "Migration %s stands at %s since %s.\n", clean(name), st.Step, stamp(st.Since)); werr != nil {
			return werr
		}
	}
	if errors.Is(err, migration.ErrTimeout) {
		return &failure{code: ExitPartial, err: err, waits: true}
	}
	return err
}
