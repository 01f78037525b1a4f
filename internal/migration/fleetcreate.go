package migration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/store"
)

// FleetCreateInput is what CreateFleet needs beside the file.
type FleetCreateInput struct {
	Bucket *store.Bucket
	// Open connects to the clusters of a migration.
	Open func(ctx context.Context, m *api.Migration) (Input, error)
	// CheckOnly stores nothing.
	CheckOnly bool
	// Checked is told what was found of each migration that was looked at; it
	// may be nil.
	Checked func(*Checkup)
	Stop    <-chan struct{}
}

// CreateFleet checks and creates the migrations of a file in its order. One
// with a problem is not stored; then the call stops, or goes on with the next,
// as the file says. One that exists with the same spec, or is across with it,
// is left as it is, so that the call can be repeated; one that exists with
// another spec is not touched and counts as failed. Those that were aborted or
// failed back begin anew.
func CreateFleet(ctx context.Context, f *api.Fleet, in FleetCreateInput) (*FleetReport, error) {
	rep := &FleetReport{}
	clock := Input{Stop: in.Stop}
	for i := range f.Migrations {
		if clock.stopped() {
			rep.rest(f, "the call was stopped before it")
			return rep, ErrInterrupted
		}
		entry := createOne(ctx, &f.Migrations[i], &in)
		rep.Migrations = append(rep.Migrations, entry)
		if ctx.Err() != nil {
			rep.rest(f, "the call was stopped before it")
			return rep, context.Cause(ctx)
		}
		if !entry.Result.there() && f.OnFailure != api.OnFailureContinue {
			rep.rest(f, "one before it has stopped")
			break
		}
	}
	return rep, nil
}

func createOne(ctx context.Context, m *api.Migration, in *FleetCreateInput) FleetEntry {
	entry := FleetEntry{Name: m.Name}
	failed := func(err error) FleetEntry {
		entry.Result, entry.Detail, entry.Err = FleetFailed, err.Error(), err
		return entry
	}
	before, err := Load(ctx, in.Bucket, m.Name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return failed(err)
	}
	if before != nil && before.Step != "" {
		same, err := before.has(m)
		switch {
		case err != nil:
			return failed(err)
		case same && (!before.Ended || before.Step == Across):
			entry.Result, entry.Step, entry.Run = FleetExists, before.Step, before.Run
			return entry
		case !before.Ended:
			entry.Step, entry.Run = before.Step, before.Run
			return failed(&Error{
				Op: "creating", Name: m.Name, Err: fmt.Errorf("%w, with another spec, and stands at %s", ErrExists, before.Step),
				Hint: "write the file as it was, or abort the migration and create it again",
			})
		}
	}
	one, err := in.Open(ctx, m)
	if err != nil {
		return failed(err)
	}
	c, err := Check(ctx, one, *m)
	if err != nil {
		return failed(err)
	}
	if in.Checked != nil {
		in.Checked(c)
	}
	entry.Findings, entry.Detail = c.Findings, c.Detail()
	switch n := c.Count(Problem); {
	case n > 0:
		entry.Result, entry.Detail = FleetProblems, firstProblem(c)
		return entry
	case in.CheckOnly:
		entry.Result = FleetCheckedOnly
		return entry
	}
	// What was begun is ended, and journalled.
	st, err := Create(context.WithoutCancel(ctx), one, c)
	if st != nil {
		entry.Step, entry.Run = st.Step, st.Run
	}
	if err != nil {
		return failed(err)
	}
	entry.Result = FleetCreated
	return entry
}

// firstProblem is the first problem, and how many more there are.
func firstProblem(c *Checkup) string {
	text := ""
	more := c.Count(Problem) - 1
	for i := range c.Findings {
		if c.Findings[i].Severity == Problem {
			text = c.Findings[i].Detail
			break
		}
	}
	if more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// has reports whether a migration was created with this spec.
func (s *State) has(m *api.Migration) (bool, error) {
	then, err := json.Marshal(s.Spec)
	if err != nil {
		return false, err
	}
	now, err := json.Marshal(m)
	return bytes.Equal(then, now), err
}
