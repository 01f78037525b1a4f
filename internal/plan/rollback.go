package plan

import (
	"context"
	"errors"
)

// Rollback restores what the groups of a run had before it.
func Rollback(ctx context.Context, runID string, in RollbackInput) (*Report, error) {
	_, _, _ = ctx, runID, in
	return nil, errors.New("not built yet")
}
