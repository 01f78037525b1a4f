package run

import (
	"errors"
	"fmt"
	"time"
)

// Kinds of errors, for errors.Is.
var (
	// ErrFenced says that somebody else has taken the run over: nothing more
	// may be done in its name.
	ErrFenced = errors.New("the run was taken over")
	// ErrHeld says that somebody else holds the run.
	ErrHeld = errors.New("the run is held")
	// ErrLeaseLost says that the lease could not be renewed in time; somebody
	// else may hold the run.
	ErrLeaseLost = errors.New("the lease of the run has ended")
	// ErrNoLease says that a run is written to without a lease.
	ErrNoLease = errors.New("no lease on the run")
	// ErrDamaged says that stored objects of a run contradict each other.
	ErrDamaged = errors.New("the run is damaged")
	// ErrPlanTaken says that a plan has a run already.
	ErrPlanTaken = errors.New("the plan has a run already")
	// ErrNameTaken says that a name is that of another run.
	ErrNameTaken = errors.New("the name is taken")
)

// HeldError says who holds a run.
type HeldError struct {
	Run    string
	Holder Who
	Since  time.Time
	Until  time.Time // when the lease ends unless it is renewed
}

// Error names the holder.
func (e *HeldError) Error() string {
	return fmt.Sprintf("run %s: held by %s since %s, until %s unless renewed", e.Run, e.Holder,
		e.Since.UTC().Format(time.RFC3339), e.Until.UTC().Format(time.RFC3339))
}

// Unwrap returns ErrHeld.
func (e *HeldError) Unwrap() error { return ErrHeld }

// FencedError says that another holder has written to the run since this one
// could last have known.
type FencedError struct {
	Run    string
	Object string // "journal entry 7", "lease 3"
	Fence  int64  // the fencing number found there
	Mine   int64  // the fencing number of this holder
	Holder Who    // who holds the run now, as far as could be read
}

// Error names the new holder.
func (e *FencedError) Error() string {
	holder := "another process"
	if e.Holder != (Who{}) {
		holder = e.Holder.String()
	}
	return fmt.Sprintf("run %s: %v by %s: %s has fence %d, ours is %d", e.Run, ErrFenced, holder, e.Object, e.Fence, e.Mine)
}

// Unwrap returns ErrFenced.
func (e *FencedError) Unwrap() error { return ErrFenced }

// DamagedError says which object of a run cannot be trusted, and why.
type DamagedError struct {
	Run     string
	Key     string
	Problem string
}

// Error names the object.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("run %s: %v: %s: %s", e.Run, ErrDamaged, e.Key, e.Problem)
}

// Unwrap returns ErrDamaged.
func (e *DamagedError) Unwrap() error { return ErrDamaged }

// PlanTakenError names the last run of a plan that was to be run for the first
// time, or after another run.
type PlanTakenError struct {
	Digest string
	Run    string // the last run of the plan; empty when there is none
}

// Error names the run.
func (e *PlanTakenError) Error() string {
	if e.Run == "" {
		return fmt.Sprintf("plan %s: it has no run yet that another could follow", e.Digest)
	}
	return fmt.Sprintf("plan %s: %v: %s", e.Digest, ErrPlanTaken, e.Run)
}

// Unwrap returns ErrPlanTaken.
func (e *PlanTakenError) Unwrap() error { return ErrPlanTaken }

// NameTakenError names the last run of a name that was to be given for the
// first time, or after another run.
type NameTakenError struct {
	Name string
	Run  string // the last run of the name; empty when there is none
}

// Error names the run.
func (e *NameTakenError) Error() string {
	if e.Run == "" {
		return fmt.Sprintf("%q: it has no run yet that another could follow", e.Name)
	}
	return fmt.Sprintf("%q: %v by run %s", e.Name, ErrNameTaken, e.Run)
}

// Unwrap returns ErrNameTaken.
func (e *NameTakenError) Unwrap() error { return ErrNameTaken }
