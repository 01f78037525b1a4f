package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/kferry/kferry/internal/migration"
)

// rehearse shows where a migration stands, what the next step needs, and the
// plan as it would be made now. It neither takes hold of the migration nor
// writes anything.
func (o *advanceOptions) rehearse(ctx context.Context, f *Factory, m *opened) error {
	in, err := f.migrationInput(m.from, m.to, m.bucket, &m.state.Spec, o.command)
	if err != nil {
		return unchanged(err)
	}
	progress := &stages{f: f}
	defer progress.end()
	in.Progress = func(e migration.Event) {
		if e.Plan != nil {
			progress.event(*e.Plan)
		}
	}
	now, err := migration.Look(ctx, m.state.Name, in)
	if err != nil {
		return unchanged(err)
	}
	st := now.State
	var c *migration.Checkup
	if st.Step.Reached(migration.Checked) && !st.Step.Reached(migration.Applied) {
		if c, err = migration.Check(ctx, in, st.Spec); err != nil {
			return unchanged(err)
		}
	}
	progress.end()
	out := &migration.Outcome{State: st, Waiting: now.Waiting}
	if err := o.rehearsed(f, out, c); err != nil {
		return err
	}
	f.remark("Nothing was changed (--dry-run). 'advance' would %s.", nextText(st))
	if out.Done() {
		return nil
	}
	fail := &failure{state: standText(out, nil)}
	o.waits(fail, out, o.migrationCall(f, "advance", st.Name, ""))
	return fail
}

func (o *advanceOptions) rehearsed(f *Factory, out *migration.Outcome, c *migration.Checkup) error {
	if o.output.value == asJSON {
		return writeJSON(f.stdout(), outcomeDoc(out))
	}
	v := migrationView{w: f.stdout(), paint: f.outPaint(), now: f.streams.now()}
	if err := v.outcome(out); err != nil || c == nil || c.Plan == nil {
		return err
	}
	v.linef("\n%s\n", v.paint.bold("The plan as it would be made now:"))
	if err := (planView{w: v.w, paint: v.paint}).show(c.Plan); err != nil {
		return err
	}
	(checkView{w: v.w, paint: v.paint}).held(c)
	return nil
}

// nextText is what 'advance' would do at a step.
func nextText(st *migration.State) string {
	switch st.Step {
	case migration.Checked:
		return "declare that the application is to be stopped, and wait until it is"
	case migration.Stopping:
		return "wait until the application is stopped on " + clusterText(st.Source)
	case migration.Stopped, migration.Copied:
		return "wait until everything is copied, make the plan, and apply it"
	case migration.Planned:
		return "apply the plan that was made, or make a new one if it is stale"
	case migration.Applied:
		return "look at positions and proofs once more"
	case migration.Verified:
		return "say where the application is to be started"
	case migration.Moved, migration.Resumed:
		return "look for the first commits on " + clusterText(st.Target)
	case migration.Across, migration.Aborted, migration.FailedBack:
		return "do nothing: it has ended"
	case migration.Aborting, migration.FailingBack:
	}
	return "refuse: it is on its way back (" + string(st.Step) + ")"
}

// rehearse shows what the next step would do with each migration of a file, and
// what it would wait for. It holds nothing and writes nothing.
func (a *fleetAdvance) rehearse(ctx context.Context) error {
	progress := &stages{f: a.f}
	rep, err := migration.RehearseFleet(ctx, a.fleet, migration.FleetInput{
		Bucket: a.bucket, Next: nextText,
		Open: func(ctx context.Context, st *migration.State) (migration.Input, error) {
			from, to, err := a.opener.pinned(ctx, st, &a.o.pair)
			if err != nil {
				return migration.Input{}, err
			}
			in, err := a.f.migrationInput(from, to, a.bucket, &st.Spec, a.o.command)
			in.Progress = func(e migration.Event) {
				if e.Plan != nil {
					ev := *e.Plan
					ev.Stage = st.Name + ": " + ev.Stage
					progress.event(ev)
				}
			}
			return in, err
		},
	})
	progress.end()
	if err != nil {
		return unchanged(err)
	}
	if a.o.output.value == asJSON {
		err = writeJSON(a.f.stdout(), fleetDoc("rehearse", a.fleet.Until, rep))
	} else {
		err = (fleetView{w: a.f.stdout(), paint: a.f.outPaint()}).show(rep)
	}
	if err != nil {
		return err
	}
	a.f.remark("Nothing was changed (--dry-run).")
	if rep.Complete() {
		return nil
	}
	fail := &failure{
		code: ExitPartial, waits: true, state: "nothing was changed",
		err: fmt.Errorf("%d of %s could not go on now", len(rep.Migrations)-rep.Count(), count(len(rep.Migrations), "migration", "migrations")),
	}
	for i := range rep.Migrations {
		if m := &rep.Migrations[i]; m.Result == migration.FleetFailed {
			fail.waits, fail.hint = false, firstOf(fail.hint, hintOf(m.Err))
		}
	}
	return fail
}

func joinComma(words []string) string { return strings.Join(words, ",") }
