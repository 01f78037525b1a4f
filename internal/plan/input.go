package plan

import (
	"time"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/translate"
)

// DefaultSettle is the time that lies between two equal readings of a source
// position before it counts as final: above the usual auto.commit.interval of
// 5 s.
const DefaultSettle = 10 * time.Second

// Input of Build.
type Input struct {
	// From is nil when there is no source. The same cluster as To makes a plan
	// of kind Copy.
	From *Side
	To   Side

	// Selection is in names of the source (of the target where there is no
	// source); nil selects everything. A group selected by its literal name
	// that does not exist is in the plan, refused.
	Selection *position.Selection
	// Route gives the names on the target, and splits groups; nil keeps all
	// names. Problems with it are a *position.RouteError.
	Route *position.Route
	// Given are positions to be used instead of those that the groups have.
	// Group and topic are named as on the source, and Route gives their names
	// on the target (as on the target when AsGiven: Route is not looked at).
	Given []position.Position
	// AsGiven commits Given without translation, after a check against the
	// target's log.
	AsGiven bool
	// TranslateOnly leaves the target's groups unread: the plan is only for
	// looking at, Apply refuses it.
	TranslateOnly bool

	// Keep commits positions so that they are kept for that long at least; 0
	// leaves that to the cluster.
	Keep time.Duration

	Translate translate.Options
	// Mirror says what the user knows of MirrorMaker 2; Translate.Syncs is
	// filled by Build.
	Mirror MirrorMaker
	// Settle, 0 for DefaultSettle; negative for none (one reading suffices).
	Settle time.Duration
	Accept Accept
	// Tool is name and version of the program, Asked the choices in the user's
	// words.
	Tool  string
	Asked []string
	// Now is the clock; nil is time.Now.
	Now      func() time.Time
	Progress func(Event)

	// saved stands in place of the groups of From; see BuildRestoreElsewhere.
	saved *savedGroups
}

// ApplyInput is what Apply needs beside the plan.
type ApplyInput struct {
	// From may be nil only when the plan has no source.
	From *Side
	To   Side
	// Bucket is where runs and snapshots are kept.
	Bucket *store.Bucket
	// AllOrNothing applies no group when one of them is stale or blocked.
	AllOrNothing bool
	// Keep, when it is not 0, stands over the plan's time for which positions
	// are kept. A call that goes on with a run does as that run did.
	Keep time.Duration
	// Again starts a new run of a plan that is finished, instead of finding it
	// applied: after a rollback.
	Again bool
	// Settle overrides the plan's; 0 keeps it, negative is none.
	Settle time.Duration
	// Parallel is the number of groups that are written to at once (default 16);
	// as many times 16 are journalled or read back meanwhile. 1 is one group
	// after the other.
	Parallel int
	// MaxCommit is the number of positions per OffsetCommit (default 20000).
	MaxCommit int
	// Stop, once closed, ends the run after the step that is under way.
	Stop <-chan struct{}
	// Tool is name and version of the program; Command what the user called,
	// without secrets.
	Tool, Command string
	// Run are options for the journal and its lease; nil is the defaults.
	Run *run.Options
	// Now is the clock; nil is time.Now.
	Now      func() time.Time
	Progress func(Event)
}

// RollbackInput is what Rollback needs beside the run.
type RollbackInput struct {
	To            Side
	Bucket        *store.Bucket
	Parallel      int
	MaxCommit     int
	Stop          <-chan struct{}
	Tool, Command string
	Run           *run.Options
	Now           func() time.Time
	Progress      func(Event)
}

// VerifyInput is what Verify needs beside the plan.
type VerifyInput struct {
	// From may be nil: what only the source can show is then said.
	From *Side
	To   Side
	// Bucket may be nil: the journal then cannot help to tell what happened.
	Bucket   *store.Bucket
	Parallel int
	Now      func() time.Time
	Progress func(Event)
}
