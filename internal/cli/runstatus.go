package cli

import (
	"context"
	"encoding/json"
	"time"

	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
)

// The states of a run in lists. docs/formats.md and docs/plan-format.md say
// what the journal holds.
const (
	runRunning     = "running"
	runFinished    = "finished"
	runInterrupted = "interrupted"
	runUnfinished  = "unfinished"
	runUndoing     = "rolling-back"
	runUndone      = "rolled-back"
	runDamaged     = "damaged"
)

// runStatus says how a run stands: by the last entry of its journal, and by
// who holds it.
func runStatus(ctx context.Context, b *store.Bucket, id string, now time.Time) string {
	r, err := run.Open(ctx, b, id, nil)
	if err != nil {
		return runDamaged
	}
	if s, ok, err := r.LeaseState(ctx); err == nil && ok && s.Held() && now.Before(s.Until) && !s.Holder.Gone() {
		return runRunning
	}
	last, ok, err := r.Last(ctx)
	switch {
	case err != nil:
		return runDamaged
	case !ok:
		return runUnfinished
	}
	switch last.Type {
	case "run-end":
		var end struct {
			Interrupted bool `json:"interrupted"`
		}
		if json.Unmarshal(last.Body, &end) == nil && end.Interrupted {
			return runInterrupted
		}
		return runFinished
	case "rollback-begin":
		return runUndoing
	case "rollback-end":
		return runUndone
	}
	return runUnfinished
}
