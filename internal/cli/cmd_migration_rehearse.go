package cli

import (
	"context"
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

func joinComma(words []string) string { return strings.Join(words, ",") }
