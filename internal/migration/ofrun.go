package migration

import (
	"context"

	"github.com/kferry/kferry/internal/run"
)

// OfRun reads the migration that a run is, whether or not its name means
// another run by now. It needs no lease. The Step is "" when its process died
// before it was stored in full.
func OfRun(ctx context.Context, r *run.Run) (*State, error) { return readState(ctx, r) }
