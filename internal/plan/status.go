package plan

import (
	"context"
	"encoding/json"
	"time"

	"github.com/kferry/kferry/internal/run"
)

// RunStatus is how a run stands, in a word.
type RunStatus string

// The states of a run.
const (
	RunRunning     RunStatus = "running"      // a process holds it
	RunFinished    RunStatus = "finished"     // its last call came to its end
	RunInterrupted RunStatus = "interrupted"  // its last call was asked to stop
	RunUnfinished  RunStatus = "unfinished"   // its process ended before its end
	RunUndoing     RunStatus = "rolling-back" // a rollback of it was begun
	RunUndone      RunStatus = "rolled-back"
	RunDamaged     RunStatus = "damaged" // its journal cannot be read
)

// Status says how a run stands: by who holds it, and by the last entry of its
// journal. It writes nothing and needs no lease, so that it may be out of date
// when it returns.
func Status(ctx context.Context, r *run.Run, now time.Time) RunStatus {
	if s, ok, err := r.LeaseState(ctx); err == nil && ok && s.Held() && now.Before(s.Until) && !s.Holder.Gone() {
		return RunRunning
	}
	last, ok, err := r.Last(ctx)
	switch {
	case err != nil:
		return RunDamaged
	case !ok:
		return RunUnfinished
	}
	switch last.Type {
	case entryEnd:
		var end runEndBody
		if err := json.Unmarshal(last.Body, &end); err != nil {
			return RunDamaged
		}
		if end.Interrupted {
			return RunInterrupted
		}
		return RunFinished
	case entryRollback:
		return RunUndoing
	case entryRolledBack:
		return RunUndone
	}
	return RunUnfinished
}
