package plan

import (
	"context"
	"errors"
)

// Build reads both sides, translates every position and decides what is to
// become of it. It writes nothing. Positions that cannot be moved are in the
// plan with their reasons; the error is for what prevents a plan at all.
func Build(ctx context.Context, in Input) (*Plan, error) {
	_, _ = ctx, in
	return nil, errors.New("not built yet")
}
