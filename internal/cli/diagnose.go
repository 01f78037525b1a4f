package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/migration"
	"github.com/kferry/kferry/internal/offsetstopic"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/spec"
	"github.com/kferry/kferry/internal/store"
)

// exitCode is the one switch from errors to exit codes.
func exitCode(err error) int {
	var f *failure
	if errors.As(err, &f) && f.code != 0 {
		return f.code
	}
	var (
		usage    *usageError
		file     *spec.Error
		csv      *position.CSVError
		document *position.JSONError
		patterns *position.PatternError
	)
	switch {
	case errors.As(err, &usage), errors.As(err, &file), errors.As(err, &csv), errors.As(err, &document), errors.As(err, &patterns),
		errors.Is(err, errNoConfirmation):
		return ExitUsage
	case errors.Is(err, migration.ErrSameCluster):
		return ExitUsage
	case errors.Is(err, ErrInterrupted), errors.Is(err, plan.ErrInterrupted), errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.Is(err, plan.ErrStale):
		return ExitStale
	case errors.Is(err, migration.ErrFindings), errors.Is(err, migration.ErrInUse):
		return ExitPartial
	case errors.Is(err, run.ErrHeld), errors.Is(err, run.ErrFenced), errors.Is(err, group.ErrActive):
		return ExitLocked
	case errors.Is(err, cluster.ErrAuth), errors.Is(err, group.ErrAuth), errors.Is(err, plan.ErrRights):
		return ExitAuth
	}
	return ExitFailure
}

// hintOf is what to do about an error, as the rooms or their errors say it.
func hintOf(err error) string {
	var (
		held   *run.HeldError
		active *group.ActiveError
	)
	switch hint := ownHint(err); {
	case hint != "":
		return hint
	case errors.As(err, &held):
		return "wait until it has ended, or until " + held.Until.UTC().Format(time.RFC3339)
	case errors.As(err, &active):
		return fmt.Sprintf("stop its consumers; 'kferry group describe %s' shows them", quoteArg(active.Group))
	case errors.Is(err, migration.ErrNotFound):
		return "'kferry migration list' shows the migrations"
	case errors.Is(err, migration.ErrEvent):
		return "mend what was called, then advance again: it is called once more"
	case errors.Is(err, plan.ErrForeign):
		return "the plan belongs to other clusters: name those, or make a new plan"
	case errors.Is(err, fs.ErrPermission):
		return "check who may read and write this file or folder"
	}
	return ""
}

// ownHint is the hint that an error brings along.
func ownHint(err error) string {
	var (
		connect  *cluster.ConnectError
		planned  *plan.Error
		grouped  *group.Error
		format   *store.FormatError
		stored   *store.Error
		moving   *migration.Error
		restored *offsetstopic.Error
	)
	switch {
	case errors.As(err, &connect) && connect.Hint != "":
		return connect.Hint
	case errors.As(err, &planned) && planned.Hint != "":
		return planned.Hint
	case errors.As(err, &moving) && moving.Hint != "":
		return moving.Hint
	case errors.As(err, &grouped) && grouped.Hint != "":
		return grouped.Hint
	case errors.As(err, &format) && format.Hint != "":
		return format.Hint
	case errors.As(err, &stored) && stored.Hint != "":
		return stored.Hint
	case errors.As(err, &restored) && restored.Hint != "":
		return restored.Hint
	}
	return ""
}
