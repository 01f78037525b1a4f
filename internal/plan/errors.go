package plan

import (
	"errors"
	"fmt"

	"github.com/kferry/kferry/internal/store"
)

// Kinds of error, for errors.Is.
var (
	// ErrForeign: the plan was made for other clusters.
	ErrForeign = errors.New("plan is for another cluster")
	// ErrVersion: the plan was written by a newer kferry.
	ErrVersion = store.ErrVersion
	// ErrDigest: the plan was changed after it was written.
	ErrDigest = store.ErrChecksum
	// ErrNoPlan: the file is no plan at all, or is damaged.
	ErrNoPlan = errors.New("not a plan")
	// ErrStale: something that the plan rests on has changed; only with
	// ApplyInput.AllOrNothing, else it is in the report.
	ErrStale = errors.New("plan is stale")
	// ErrInterrupted: stopped on request after the current step; what was
	// done is journalled.
	ErrInterrupted = errors.New("interrupted")
	// ErrRights: a right that is needed is missing.
	ErrRights = errors.New("missing right")
	// ErrNothing: the selection finds no group, or no position.
	ErrNothing = errors.New("nothing to plan")
	// ErrCollision: a position would be copied onto itself.
	ErrCollision = errors.New("a position becomes itself")
	// ErrInput: the input contradicts itself.
	ErrInput = errors.New("contradictory input")
	// ErrRun: the run cannot be rolled back or continued.
	ErrRun = errors.New("run cannot be used")
)

// Error says what failed on which object.
type Error struct {
	// Op is a gerund ("applying", "rolling back").
	Op string
	// Object is the plan, run, group or topic concerned.
	Object string
	Err    error
	Hint   string
}

// Error names operation, object and cause.
func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Object, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
