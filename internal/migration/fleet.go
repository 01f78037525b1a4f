package migration

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/store"
)

// FleetResult is how one migration of a fleet ended in a call.
type FleetResult string

// The results.
const (
	// FleetThere: it had come to its step before.
	FleetThere FleetResult = "there-already"
	// FleetDone: it has come there now.
	FleetDone FleetResult = "done"
	// FleetWaits: it needs something that did not come in time, or that does not
	// come by itself.
	FleetWaits FleetResult = "waits"
	// FleetFailed: the call failed.
	FleetFailed FleetResult = "failed"
	// FleetEnded: it was aborted or has failed back.
	FleetEnded FleetResult = "ended"
	// FleetNotTried: one before it did not come to its step.
	FleetNotTried FleetResult = "not-tried"
	// FleetWould: the next step could be taken now, and was not asked for.
	FleetWould FleetResult = "would-advance"
	// FleetCreated: it is stored now.
	FleetCreated FleetResult = "created"
	// FleetExists: it was created before, with the same spec.
	FleetExists FleetResult = "exists-already"
	// FleetCheckedOnly: it could be created, and was not asked for.
	FleetCheckedOnly FleetResult = "checked-only"
	// FleetProblems: something was found with which it could not go to its end.
	FleetProblems FleetResult = "problems"
)

// there reports whether a migration is where it was to be.
func (r FleetResult) there() bool {
	switch r {
	case FleetThere, FleetDone, FleetWould, FleetCreated, FleetExists, FleetCheckedOnly:
		return true
	case FleetWaits, FleetFailed, FleetEnded, FleetNotTried, FleetProblems:
	}
	return false
}

// FleetEntry is one migration of a fleet.
type FleetEntry struct {
	Name   string      `json:"name"`
	Result FleetResult `json:"result"`
	// Step at which it stands, "" when that could not be read.
	Step    Step   `json:"step,omitempty"`
	Detail  string `json:"detail,omitempty"`
	Waiting []Wait `json:"waiting,omitempty"`
	// Run and Findings are given by CreateFleet.
	Run      string    `json:"run,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	// Err is the cause, for a program.
	Err error `json:"-"`
}

// FleetReport is what became of each migration, in their order.
type FleetReport struct {
	Migrations []FleetEntry `json:"migrations"`
}

// Complete reports whether every migration is where it was to be: at its step,
// or created, or, when it was only looked at, could go on.
func (r *FleetReport) Complete() bool {
	return r.Count() == len(r.Migrations)
}

// Count counts the migrations that are where they were to be.
func (r *FleetReport) Count() int {
	n := 0
	for i := range r.Migrations {
		if r.Migrations[i].Result.there() {
			n++
		}
	}
	return n
}

// rest notes those that the report does not have yet as not tried.
func (r *FleetReport) rest(f *api.Fleet, why string) {
	for i := len(r.Migrations); i < len(f.Migrations); i++ {
		r.Migrations = append(r.Migrations, FleetEntry{Name: f.Migrations[i].Name, Result: FleetNotTried, Detail: why})
	}
}

// FleetInput is what AdvanceFleet needs beside the file.
type FleetInput struct {
	Bucket *store.Bucket
	// Open connects to the clusters of a migration and returns how to advance
	// it; Wait and Until are set by AdvanceFleet.
	Open func(ctx context.Context, st *State) (Input, error)
	// Pausing is told of a pause before the migration of that name; it may be
	// nil.
	Pausing func(name string, d time.Duration)
	// Next says in words what comes after the step of a migration, "would"
	// before it, for RehearseFleet; it may be nil.
	Next  func(*State) string
	Stop  <-chan struct{}
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
}

// AdvanceFleet takes migrations that were created before to their step, one
// after the other in the order of the file, with the pause of the file between
// two. At the first that does not come there it stops, or goes on with the
// next, as the file says. Everything that it knows is in the migrations
// themselves, so that another call goes on where one ended.
func AdvanceFleet(ctx context.Context, f *api.Fleet, in FleetInput) (*FleetReport, error) {
	clock := Input{Now: in.Now, Sleep: in.Sleep, Stop: in.Stop}
	clock.defaults()
	until := Step(f.Until)
	if until == "" {
		until = Across
	}
	rep := &FleetReport{}
	var there time.Time // when the one before came to its step
	stopped := false
	for i := range f.Migrations {
		name := f.Migrations[i].Name
		if stopped {
			rep.Migrations = append(rep.Migrations, FleetEntry{Name: name, Result: FleetNotTried, Detail: "one before it has stopped"})
			continue
		}
		entry, at, err := advanceOne(ctx, name, until, f, in, &clock, there)
		rep.Migrations = append(rep.Migrations, entry)
		if err != nil {
			rep.rest(f, "the call was stopped before it")
			return rep, err
		}
		switch {
		case entry.Result.there():
			there = at
		case entry.Result != FleetNotTried:
			stopped = f.OnFailure != api.OnFailureContinue
		}
	}
	return rep, nil
}

// advanceOne takes one migration to its step, and returns when it came there.
// The error ends the whole call.
func advanceOne(ctx context.Context, name string, until Step, f *api.Fleet, in FleetInput, clock *Input, before time.Time) (FleetEntry, time.Time, error) {
	entry := FleetEntry{Name: name}
	failed := func(err error) (FleetEntry, time.Time, error) {
		entry.Result, entry.Detail, entry.Err = FleetFailed, err.Error(), err
		if ctx.Err() != nil || errors.Is(err, ErrInterrupted) {
			return entry, time.Time{}, err
		}
		return entry, time.Time{}, nil
	}
	st, err := Load(ctx, in.Bucket, name)
	if err != nil {
		return failed(err)
	}
	entry.Step = st.Step
	switch {
	case st.Step.Reached(until) && st.settled():
		entry.Result = FleetThere
		return entry, st.reachedAt(until), nil
	case st.Step.ordinal() < 0:
		entry.Result, entry.Detail = FleetEnded, endedText(st.Step)
		return entry, time.Time{}, nil
	}
	if d := before.Add(time.Duration(f.Pause)).Sub(clock.Now()); st.Step == Checked && !before.IsZero() && d > 0 {
		if in.Pausing != nil {
			in.Pausing(name, d)
		}
		if err := clock.Sleep(ctx, d); err != nil {
			return failed(err)
		}
	}
	one, err := in.Open(ctx, st)
	if err != nil {
		return failed(err)
	}
	one.Wait, one.Until = true, until
	out, err := Advance(ctx, name, one)
	if out != nil && out.State != nil {
		st, entry.Step = out.State, out.State.Step
	}
	switch {
	case err != nil:
		return failed(err)
	case !out.Done():
		entry.Result, entry.Waiting, entry.Detail = FleetWaits, out.Waiting, out.Waiting[0].Detail
		return entry, time.Time{}, nil
	}
	entry.Result = FleetDone
	return entry, st.reachedAt(until), nil
}

// settled reports whether nothing is left to do at the step: no way back to an
// earlier one is under way, and its events were called.
func (s *State) settled() bool { return s.returning == nil && !s.due() }

// due reports whether an event of the step is still to be called.
func (s *State) due() bool {
	for i := range s.Spec.Events {
		ev := &s.Spec.Events[i]
		if !slices.Contains(ev.On, string(s.Step)) && !slices.Contains(ev.On, api.EveryStep) {
			continue
		}
		if went, called := s.outcome(i); !called || went.State != eventDone && went.State != eventPassed {
			return true
		}
	}
	return false
}

// TakingBack reports whether the positions that were committed are being taken
// back, to return to the step.
func (s *State) TakingBack() (to Step, ok bool) {
	if s.returning == nil {
		return "", false
	}
	return s.returning.To, true
}

// reachedAt is when the migration came to a step, or beyond it, last.
func (s *State) reachedAt(step Step) time.Time {
	var at time.Time
	for _, m := range s.Steps {
		if m.Step == step || at.IsZero() && m.Step.Reached(step) {
			at = m.At
		}
	}
	return at
}
