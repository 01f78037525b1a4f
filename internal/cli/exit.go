package cli

import (
	"errors"
)

// The exit codes. Scripts must take a code that they do not know as a
// failure.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2 // wrong usage, or a confirmation that is missing
	ExitPartial     = 3 // some groups, or something held, refused or repeated
	ExitChanges     = 4 // with --detailed-exitcode only: the plan has changes
	ExitDiffers     = 5 // verification found differences
	ExitStale       = 6 // the plan is not true any more
	ExitLocked      = 7 // a run is held by another process, or a group is active
	ExitAuth        = 8 // authentication or authorisation
	ExitInterrupted = 130
)

// exitMeaning is shown by "kferry help exit-codes" and is the one list of the
// codes.
var exitMeaning = []struct {
	code int
	text string
}{
	{ExitOK, "done as asked; a plan is applicable in full"},
	{ExitFailure, "failure; the message says what was left unchanged"},
	{ExitUsage, "wrong usage, or a confirmation is missing (no terminal and no --yes)"},
	{ExitPartial, "partial: some groups were not applied, or a plan holds, refuses or repeats, or a topic has an obstacle; or a migration waits or has problems"},
	{ExitChanges, "the plan has changes (only with --detailed-exitcode)"},
	{ExitDiffers, "verification found differences"},
	{ExitStale, "the plan is stale: what it rests on has changed"},
	{ExitLocked, "locked: another process holds the run, or a group is active"},
	{ExitAuth, "authentication or authorisation failed"},
	{ExitInterrupted, "interrupted; what was begun is journalled"},
}

// ErrInterrupted is the cause with which the context of Main ends when the
// user stops the process.
var ErrInterrupted = errors.New("interrupted")

// failure is an error together with what a user needs besides: the exit code,
// what was left unchanged or already done, and what to do next.
type failure struct {
	code int
	err  error
	// state says what was left unchanged or is already done.
	state string
	hint  string
	// next are commands to go on with.
	next []string
	// waits: nothing has gone wrong, something has only not come yet.
	waits bool
	// silent: everything was said, only the code is left.
	silent bool
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usageError is a mistake on the command line: the usage is shown with it.
type usageError struct {
	err  error
	hint string
}

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

// unchanged adds to an error that nothing was changed; nil stays nil. An error
// that already says what its state is keeps it.
func unchanged(err error) error {
	return withState(err, "nothing was changed")
}

// withState adds to an error what was left unchanged or is already done.
func withState(err error, state string) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return err
	}
	if f, ok := errors.AsType[*failure](err); ok {
		if f.state != "" || f.silent {
			return err
		}
		g := *f
		g.state = state
		return &g
	}
	return &failure{err: err, state: state}
}
