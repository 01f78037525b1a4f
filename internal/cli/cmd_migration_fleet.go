package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/store"
)

// addFleet adds -f to a command that works on a name, or on all migrations of a
// file.
func addFleet(cmd *cobra.Command, file *string, usage string) {
	cmd.Flags().StringVarP(file, "file", "f", "", usage)
	_ = cmd.MarkFlagFilename("file", "yaml", "yml") // the flag was added just above
}

// nameOrFile takes a name, and none with a file.
func nameOrFile(file *string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case *file == "" && len(args) == 0:
			return fmt.Errorf("%s: argument NAME is missing, or -f FILE", cmd.CommandPath())
		case *file == "":
			return exactArgs("NAME")(cmd, args)
		case len(args) > 0:
			return fmt.Errorf("%s -f takes all migrations of the file, but was given %q", cmd.CommandPath(), args[0])
		}
		return nil
	}
}

// onlyWithFleet refuses flags that say something of one migration.
func onlyWithFleet(fs *pflag.FlagSet, hint string, allowed ...string) error {
	var err error
	fs.Visit(func(fl *pflag.Flag) {
		if err == nil && !slices.Contains(allowed, fl.Name) {
			err = &usageError{
				err:  fmt.Errorf("--%s is about one migration, and --file has several", fl.Name),
				hint: hint,
			}
		}
	})
	return err
}

// everyCommand are the flags that every command has.
var everyCommand = []string{"config", "no-color", "quiet", "verbose", "log-format", "log-level", "progress"}

// opener opens each cluster once for several migrations.
type opener struct {
	f    *Factory
	open map[string]*side
}

func (o *opener) get(ctx context.Context, key string, which func() (api.Cluster, error)) (*side, error) {
	if s := o.open[key]; s != nil {
		return s, nil
	}
	c, err := which()
	if err != nil {
		return nil, err
	}
	s, err := o.f.open(ctx, c)
	if err == nil {
		o.open[key] = s
	}
	return s, err
}

// pinned opens the clusters that a migration was created for.
func (o *opener) pinned(ctx context.Context, st *migration.State, pair *pairFlags) (from, to *side, err error) {
	one := func(c plan.Cluster, flag, commandConfig string) (*side, error) {
		return o.get(ctx, strings.Join(append([]string{flag, c.ID, c.Name}, c.Bootstrap...), "\x00"), func() (api.Cluster, error) {
			return o.f.planCluster(c, flag, "", commandConfig)
		})
	}
	if from, err = one(st.Source, "--from", pair.fromCommandConfig); err != nil {
		return nil, nil, err
	}
	to, err = one(st.Target, "--to", pair.toCommandConfig)
	return from, to, err
}

// fleetCreate is one call of "migration create" with a file of several.
type fleetCreate struct {
	f      *Factory
	o      *migrationCreateOptions
	bucket *store.Bucket
	opener opener
	st     stages
	found  []*migration.Checkup
}

func runFleetCreate(ctx context.Context, f *Factory, o *migrationCreateOptions, fleet *api.Fleet) error {
	bucket, err := f.bucket(ctx, o.state)
	if err != nil {
		return unchanged(err)
	}
	c := &fleetCreate{f: f, o: o, bucket: bucket, opener: opener{f, map[string]*side{}}, st: stages{f: f}}
	rep, err := migration.CreateFleet(ctx, fleet, migration.FleetCreateInput{
		Bucket: bucket, Open: c.open, CheckOnly: o.dryRun,
		Checked: func(found *migration.Checkup) { c.st.end(); c.found = append(c.found, found) },
	})
	c.st.end()
	f.sayState()
	if serr := c.show(rep); serr != nil {
		return errors.Join(err, serr)
	}
	state := fmt.Sprintf("%d of %s as asked; nothing was moved", rep.Count(), count(len(rep.Migrations), "migration is", "migrations are"))
	switch {
	case err != nil:
		return withState(err, state)
	case !rep.Complete():
		return &failure{
			code: ExitPartial, err: fmt.Errorf("%d of %s could not be created", len(rep.Migrations)-rep.Count(), count(len(rep.Migrations), "migration", "migrations")),
			state: state, hint: "the table says why; then call the same once more: what is stored stays as it is", next: []string{o.command},
		}
	case o.dryRun:
		f.remark("Nothing was stored (--dry-run).")
	case o.output.value != asJSON:
		f.remark("Nothing was moved, and the applications may run on. When they may be stopped, one after the other: %s", c.advance())
	}
	return nil
}

func (c *fleetCreate) advance() string {
	call := migrationOptions{
		pair:  pairFlags{fromCommandConfig: c.o.flags.pair.fromCommandConfig, toCommandConfig: c.o.flags.pair.toCommandConfig},
		write: writeFlags{state: c.o.state},
	}
	return "kferry migration advance " + call.again(c.f) + "-f " + quoteArg(c.o.flags.file)
}

func (c *fleetCreate) open(ctx context.Context, m *api.Migration) (migration.Input, error) {
	pair := &pairFlags{from: m.From, to: m.To, fromCommandConfig: c.o.flags.pair.fromCommandConfig, toCommandConfig: c.o.flags.pair.toCommandConfig}
	if err := pair.check(); err != nil {
		return migration.Input{}, err
	}
	from, err := c.opener.get(ctx, "--from\x00"+m.From, func() (api.Cluster, error) { return pair.source(c.f) })
	if err != nil {
		return migration.Input{}, err
	}
	to, err := c.opener.get(ctx, "--to\x00"+m.To, func() (api.Cluster, error) { return pair.target(c.f) })
	if err != nil {
		return migration.Input{}, err
	}
	in, err := c.f.migrationInput(from, to, c.bucket, m, c.o.command)
	in.Interval = min(time.Duration(m.Interval), checkInterval)
	in.Progress = func(e migration.Event) {
		if e.Plan != nil {
			ev := *e.Plan
			ev.Stage = m.Name + ": " + ev.Stage
			c.st.event(ev)
		}
	}
	return in, err
}

// show shows what became of each one, and what was found of those that have
// problems.
func (c *fleetCreate) show(rep *migration.FleetReport) error {
	if c.o.output.value == asJSON {
		return writeJSON(c.f.stdout(), fleetDoc("create", "", rep))
	}
	v := checkView{w: c.f.stdout(), paint: c.f.outPaint()}
	for _, found := range c.found {
		if found.Count(migration.Problem) == 0 {
			continue
		}
		v.linef("%s", v.paint.bold("Migration "+clean(found.Spec.Name)))
		if err := v.findings(found.Findings); err != nil {
			return err
		}
	}
	return fleetView(v).show(rep)
}

// fleetAdvance is one call of "migration advance" with a file.
type fleetAdvance struct {
	f      *Factory
	o      *advanceOptions
	fleet  *api.Fleet
	bucket *store.Bucket
	opener opener
	stop   <-chan struct{}
	live   *migrationLive
	pause  stages
}

func runFleetAdvance(ctx context.Context, f *Factory, o *advanceOptions, fs *pflag.FlagSet) error {
	allowed := append([]string{
		"file", "from-command-config", "to-command-config", "until", "wait", "wait-interval", "yes", "confirm-cluster", "dry-run", "state", "output",
	}, everyCommand...)
	if err := onlyWithFleet(fs, "leave it out, or name one migration instead of the file", allowed...); err != nil {
		return err
	}
	if err := o.pair.checkLogins(); err != nil {
		return err
	}
	fleet, err := f.readMigrations(o.file)
	if err != nil {
		return err
	}
	if fs.Changed("until") {
		fleet.Until = o.until.value
	}
	bucket, err := f.bucket(ctx, o.write.state)
	if err != nil {
		return unchanged(err)
	}
	a := &fleetAdvance{f: f, o: o, fleet: fleet, bucket: bucket, opener: opener{f, map[string]*side{}}, pause: stages{f: f}}
	if o.write.dryRun {
		return a.rehearse(ctx)
	}
	if err := a.confirm(ctx); err != nil {
		return unchanged(err)
	}
	f.sayState()
	var work context.Context
	work, a.stop = stopOf(ctx)
	rep, err := migration.AdvanceFleet(work, fleet, migration.FleetInput{
		Bucket: bucket, Open: a.open, Stop: a.stop, Now: f.streams.Now,
		Pausing: func(name string, d time.Duration) {
			a.end()
			f.remark("Waiting %s before migration %s: the file's pause.", durationText(d), clean(name))
			a.pause.set("pausing before "+clean(name), "done", 0, 0)
		},
	})
	a.end()
	return a.finish(rep, err)
}

// end takes everything off the screen.
func (a *fleetAdvance) end() {
	a.pause.end()
	if a.live != nil {
		a.live.end()
	}
}

// confirm asks once for all that are to be moved, and once for each protected
// cluster that they go to. A cluster that cannot be reached fails its
// migrations later.
func (a *fleetAdvance) confirm(ctx context.Context) error {
	var names, asked []string
	var protected []*side
	for i := range a.fleet.Migrations {
		st, err := migration.Load(ctx, a.bucket, a.fleet.Migrations[i].Name)
		if err != nil || st.Ended || st.Step.Reached(migration.Step(a.fleet.Until)) {
			continue
		}
		names = append(names, st.Name)
		_, to, err := a.opener.pinned(ctx, st, &a.o.pair)
		if err != nil {
			continue
		}
		name, err := a.f.protectedName(to)
		if err != nil {
			return err
		}
		if name != "" && a.o.write.cluster != name && !slices.Contains(asked, name) {
			asked, protected = append(asked, name), append(protected, to)
		}
	}
	switch {
	case len(names) == 0:
		return nil
	case a.o.write.yes && len(protected) > 0:
		return a.o.write.named(a.f, protected[0])
	case a.o.write.yes:
		return nil
	}
	question := fmt.Sprintf("Move %s, one after the other, up to %s: %s? Their positions are committed without another question.",
		count(len(names), "application", "applications"), a.fleet.Until, clean(strings.Join(names, ", ")))
	if err := a.f.confirm(ctx, question, "yes"); err != nil {
		return err
	}
	for _, name := range asked {
		if err := a.f.confirm(ctx, "One of the clusters is protected: type its name.", name); err != nil {
			return err
		}
	}
	return nil
}

// open is how one migration is advanced.
func (a *fleetAdvance) open(ctx context.Context, st *migration.State) (migration.Input, error) {
	a.end()
	from, to, err := a.opener.pinned(ctx, st, &a.o.pair)
	if err != nil {
		return migration.Input{}, err
	}
	if a.o.write.yes {
		if err := a.o.write.named(a.f, to); err != nil {
			return migration.Input{}, err
		}
	}
	in, err := a.f.migrationInput(from, to, a.bucket, &st.Spec, a.o.command)
	if err != nil {
		return in, err
	}
	a.f.remark("Migration %s from %s", clean(st.Name), sidesText(st.Source, st.Target))
	a.live = newMigrationLive(a.f, st, true)
	in.Progress, in.Stop = a.live.show, a.stop
	in.Limit, in.Interval = a.o.wait.limit, a.o.interval
	return in, nil
}

// finish shows what became of each migration, and is the exit code.
func (a *fleetAdvance) finish(rep *migration.FleetReport, err error) error {
	if a.o.output.value == asJSON {
		if serr := writeJSON(a.f.stdout(), fleetDoc("advance", a.fleet.Until, rep)); serr != nil {
			return errors.Join(err, serr)
		}
	} else if serr := (fleetView{w: a.f.stdout(), paint: a.f.outPaint()}).show(rep); serr != nil {
		return errors.Join(err, serr)
	}
	all := count(len(rep.Migrations), "migration", "migrations")
	fail := &failure{
		err: err, state: fmt.Sprintf("%d of %s are at %s; what was reached is journalled", rep.Count(), all, a.fleet.Until),
		next: []string{a.o.command + "   (goes on where it stopped)"},
	}
	switch {
	case errors.Is(err, migration.ErrInterrupted), errors.Is(err, ErrInterrupted):
		fail.code, fail.err = ExitInterrupted, ErrInterrupted
		return fail
	case err != nil:
		return fail
	case rep.Complete():
		return nil
	}
	fail.code, fail.waits = ExitPartial, true
	fail.err = fmt.Errorf("%d of %s are not at %s", len(rep.Migrations)-rep.Count(), all, a.fleet.Until)
	for i := range rep.Migrations {
		m := &rep.Migrations[i]
		if m.Result == migration.FleetFailed {
			fail.waits = false
			fail.hint = firstOf(fail.hint, hintOf(m.Err))
		}
	}
	return fail
}
