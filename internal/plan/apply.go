package plan

import (
	"context"
	"errors"
)

// Apply does what the plan says, or continues a run of it that was cut short.
// Report is also given with ErrInterrupted, ErrStale and whenever a run exists.
func Apply(ctx context.Context, p *Plan, in ApplyInput) (*Report, error) {
	_, _, _ = ctx, p, in
	return nil, errors.New("not built yet")
}
