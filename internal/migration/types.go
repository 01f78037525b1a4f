// Package migration moves one application, which is one or several consumer
// groups, from one cluster to another, step by step, with a way back. It stands
// on package plan, which decides where each position goes and is the only one
// to commit; here is when that happens, what is waited for, and what is undone
// when the application turns out not to have stopped.
//
// A migration is a run with a name: what it has done is in its journal and
// nowhere else, so that any process goes on where another one ended. The
// entries are in docs/formats.md.
package migration

import (
	"time"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/plan"
)

// Step is how far a migration is.
type Step string

// The steps in their order, and then those of the two ways back.
const (
	// Checked: everything was looked at; the application still runs.
	Checked Step = "checked"
	// Stopping: the application is to be stopped now.
	Stopping Step = "stopping"
	// Stopped: every group is empty, and what it committed is final.
	Stopped Step = "stopped"
	// Copied: the target has everything that was read on the source.
	Copied Step = "copied"
	// Planned: the plan is made, and can be applied in full.
	Planned Step = "planned"
	// Applied: the positions are committed on the target and read back.
	Applied Step = "applied"
	// Verified: positions and proofs were looked at again.
	Verified Step = "verified"
	// Moved: the application is to be started on the target now.
	Moved Step = "moved"
	// Resumed: the application has committed on the target for the first time.
	Resumed Step = "resumed"
	// Across: every group has.
	Across Step = "across"

	Aborting    Step = "aborting"
	Aborted     Step = "aborted"
	FailingBack Step = "failing-back"
	FailedBack  Step = "failed-back"
)

// Steps returns the steps of a migration that goes well, in order.
func Steps() []Step {
	return []Step{Checked, Stopping, Stopped, Copied, Planned, Applied, Verified, Moved, Resumed, Across}
}

// AllSteps are Steps and those of the ways back: the words that events may name.
func AllSteps() []Step {
	return append(Steps(), Aborting, Aborted, FailingBack, FailedBack)
}

// ordinal is the place of a step on the way there, -1 for the ways back.
func (s Step) ordinal() int {
	for i, o := range Steps() {
		if o == s {
			return i
		}
	}
	return -1
}

// Reached reports whether a migration that stands at s has come to o on its
// way to the target.
func (s Step) Reached(o Step) bool {
	return s == o || s.ordinal() >= 0 && o.ordinal() >= 0 && s.ordinal() >= o.ordinal()
}

// Ended reports whether nothing more is to be done.
func (s Step) Ended() bool { return s == Across || s == Aborted || s == FailedBack }

// Pair is one group on both sides.
type Pair struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

// Severity of a Finding.
type Severity string

// The severities.
const (
	// Problem: the migration could not go to its end like this.
	Problem Severity = "problem"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Finding is something that was seen when the migration was created.
type Finding struct {
	Severity Severity `json:"severity"`
	// Reason is a stable word.
	Reason string `json:"reason"`
	Group  string `json:"group,omitempty"`
	Topic  string `json:"topic,omitempty"`
	Detail string `json:"detail"`
	// Remedy is what to do about it.
	Remedy string `json:"remedy,omitempty"`
}

// WaitKind is a stable word for what the next step needs.
type WaitKind string

// The kinds.
const (
	// WaitMembers: a group has members on the source.
	WaitMembers WaitKind = "members"
	// WaitUnsettled: positions are not final yet.
	WaitUnsettled WaitKind = "unsettled"
	// WaitCopy: the copy does not have everything below S.
	WaitCopy WaitKind = "copy"
	// WaitPlan: a position cannot be moved.
	WaitPlan WaitKind = "plan"
	// WaitApply: a group could not be written.
	WaitApply WaitKind = "apply"
	// WaitVerify: a position or a proof is not as it should be.
	WaitVerify WaitKind = "verify"
	// WaitGone: a position on the target is gone since the application was told
	// to start there; its own next commit brings one.
	WaitGone WaitKind = "position-gone"
	// WaitFirstCommit: the application has not committed on the target yet.
	WaitFirstCommit WaitKind = "first-commit"
	// WaitBoth: the application runs on both sides.
	WaitBoth WaitKind = "both-sides"
	// WaitTargetMembers: a group has members on the target (fail-back).
	WaitTargetMembers WaitKind = "target-members"
	// WaitKeep: offsets on the source could not be kept from expiring.
	WaitKeep WaitKind = "keep"
	// WaitEvent: a command or webhook of the last step failed.
	WaitEvent WaitKind = "event"
	// WaitAdvance: nothing but 'advance'.
	WaitAdvance WaitKind = "advance"
)

// Wait is one thing that the next step needs.
type Wait struct {
	Kind WaitKind `json:"kind"`
	// Group on the side that it is about.
	Group  string `json:"group,omitempty"`
	Topic  string `json:"topic,omitempty"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
	// Members that are there still.
	Members []Member `json:"members,omitempty"`
}

// Member is a consumer of a group.
type Member struct {
	ID       string `json:"id"`
	ClientID string `json:"client_id"`
	Host     string `json:"host"`
	// InstanceID is given for static members, which stay until their session
	// ends; LeavesBy is when that is at the latest, nil when not known.
	InstanceID string     `json:"instance_id,omitempty"`
	LeavesBy   *time.Time `json:"leaves_by,omitempty"`
}

// Stamp is a step that was reached.
type Stamp struct {
	Step Step      `json:"step"`
	At   time.Time `json:"at"`
	// Fence tells the processes apart that held the migration.
	Fence int64 `json:"fence"`
	// Detail says what was seen.
	Detail string `json:"detail,omitempty"`
}

// Return is a step back that the migration had to take.
type Return struct {
	From Step      `json:"from"`
	To   Step      `json:"to"`
	At   time.Time `json:"at"`
	// Reason is a stable word: source-active, source-moved, target-moved, stale.
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	// Rollback is the run that took the positions back, if there were any.
	Rollback string `json:"rollback,omitempty"`
}

// EventState is how one event of a step went.
type EventState struct {
	Step  Step `json:"step"`
	Index int  `json:"index"`
	// Attempt counts from 1, over all processes.
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	// State is begun, done, failed or passed (failed, and the policy is to go on).
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"`
}

// State is what the journal of a migration says. Its JSON is what events get
// and what 'migration show -o json' has; it holds no secret.
type State struct {
	Type          string        `json:"type"`
	FormatVersion int           `json:"format_version"`
	Name          string        `json:"name"`
	Run           string        `json:"run"`
	Created       time.Time     `json:"created"`
	Source        plan.Cluster  `json:"source"`
	Target        plan.Cluster  `json:"target"`
	Spec          api.Migration `json:"spec"`
	Groups        []Pair        `json:"groups"`
	Step          Step          `json:"step"`
	Since         time.Time     `json:"since"`
	Ended         bool          `json:"ended"`
	Steps         []Stamp       `json:"steps"`
	Returns       []Return      `json:"returns"`
	Findings      []Finding     `json:"findings"`
	Events        []EventState  `json:"events"`
	// Plan is the attachment of the plan in force, ApplyRun the run that
	// applied it; Back and BackRun are the same for the way back, KeepRuns the
	// runs that kept offsets on the source from expiring.
	Plan        string   `json:"plan,omitempty"`
	PlanDigest  string   `json:"plan_digest,omitempty"`
	ApplyRun    string   `json:"apply_run,omitempty"`
	RollbackRun string   `json:"rollback_run,omitempty"`
	Back        string   `json:"back,omitempty"`
	BackDigest  string   `json:"back_digest,omitempty"`
	BackRun     string   `json:"back_run,omitempty"`
	KeepRuns    []string `json:"keep_runs,omitempty"`
	// Left are positions that stay where somebody else has put them, on a
	// cluster from which the migration has taken back everything else.
	Left []LeftPosition `json:"left,omitempty"`
	// Resumed is when the first commit of each group was seen on the target, by
	// its name there.
	Resumed map[string]time.Time `json:"resumed"`

	// What the journal says beyond that: the number of its last entry and of
	// the entry with which the step was reached, the checksum of the positions
	// that are final, how many plans were attached, when offsets were kept last,
	// and where in Events each event is.
	seq, visit int64
	positions  string
	// committed are the positions of that checksum, also once the application is
	// to be stopped anew: group, partition, offset.
	committed map[string]map[string]int64
	// returning is a way back to an earlier step that has been begun.
	returning *Return
	// stood is where the groups stood on the target when the way back began.
	stood        []stood
	plans, backs int
	// kept is from when on positions are kept on the source; keeping is the plan
	// of a run that does it and may have been cut short, keeps how many there
	// were.
	kept    time.Time
	keeping *planBody
	keeps   int
	events  map[eventKey]int
}

// eventKey is one event of the spec at one time that its step was reached.
type eventKey struct {
	visit int64
	index int
}
