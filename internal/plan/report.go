package plan

import (
	"time"

	"github.com/kferry/kferry/internal/translate"
)

// Result is how one group ended in a run.
type Result string

// The results.
const (
	// Ready: Apply would write the group now (Rehearse only).
	Ready Result = "ready"
	// Applied: committed and read back, by this call.
	Applied Result = "applied"
	// AlreadyApplied: done by an earlier call of the same run, not touched now.
	AlreadyApplied Result = "already-applied"
	// Unchanged: there was nothing to do.
	Unchanged Result = "unchanged"
	// Blocked: the plan itself says that the group is not to be applied.
	Blocked Result = "blocked"
	// Stale: what the plan rests on has changed; nothing was done.
	Stale Result = "stale"
	// Refused: nothing was done (rights, members, somebody else's commit, …).
	Refused Result = "refused"
	// TakenBack: written and restored at once; it is as it was before.
	TakenBack Result = "taken-back"
	// TakenOver: written, and an application already reads there; left alone.
	TakenOver Result = "taken-over"
	// Failed: what the group has now is not known for certain; the detail says
	// what is known. Calling again goes on.
	Failed Result = "failed"
	// NotTried: stopped before.
	NotTried Result = "not-tried"
	// RolledBack: restored as it was before the run (Rollback only).
	RolledBack Result = "rolled-back"
)

// Report is what Apply or Rollback did.
type Report struct {
	Run string `json:"run"`
	// Undoes is the run that was rolled back.
	Undoes   string `json:"undoes,omitempty"`
	Digest   string `json:"plan_digest"`
	Snapshot string `json:"snapshot,omitempty"`
	// AlreadyApplied: the run was finished before; nothing was done now.
	AlreadyApplied bool `json:"already_applied"`
	// Resumed: an earlier call had begun the run.
	Resumed bool `json:"resumed"`
	// CheckOnly: nothing was written, not even to the state (Rehearse).
	CheckOnly bool `json:"check_only,omitempty"`
	// KeepMS is the time in milliseconds for which the cluster was told to keep
	// the positions that are committed; 0 leaves it to the cluster.
	KeepMS  int64         `json:"keep_ms,omitempty"`
	Started time.Time     `json:"started"`
	Ended   time.Time     `json:"ended"`
	Groups  []GroupReport `json:"groups"`
	// CommitLatency is of the requests of this call that set positions; nil
	// when there was none.
	CommitLatency *Latency `json:"commit_latency,omitempty"`
}

// GroupReport is what became of one group.
type GroupReport struct {
	Name   string `json:"name"`
	Result Result `json:"result"`
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
	// Set and Deleted count positions that were written and read back.
	Set     int `json:"set"`
	Deleted int `json:"deleted"`
	// DeletedGroup: the group itself was deleted.
	DeletedGroup bool `json:"deleted_group,omitempty"`
	// Problems are the positions concerned by Reason, at most 20 of them.
	Problems []Problem `json:"problems,omitempty"`
	// Err is the cause, for a program; Detail says it in words.
	Err error `json:"-"`
}

// Problem is one position that stands in the way.
type Problem struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Reason    Reason `json:"reason"`
	Detail    string `json:"detail"`
}

// Complete reports whether every group is as it should be now. Commands exit
// with 3 when it is false.
func (r *Report) Complete() bool {
	for i := range r.Groups {
		switch r.Groups[i].Result {
		case Ready, Applied, AlreadyApplied, Unchanged, RolledBack:
		case Blocked, Stale, Refused, TakenBack, TakenOver, Failed, NotTried:
			return false
		}
	}
	return true
}

// Count counts the groups that ended so.
func (r *Report) Count(results ...Result) int {
	n := 0
	for i := range r.Groups {
		for _, want := range results {
			if r.Groups[i].Result == want {
				n++
			}
		}
	}
	return n
}

// Check is how one position stands against the plan.
type Check string

// The checks.
const (
	// AsWritten: the position is what the plan wrote (or is gone, where the
	// plan deleted it).
	AsWritten Check = "as-written"
	// MovedOn: the position is further; the application has read since.
	MovedOn Check = "moved-on"
	// Wrong: the position is behind, missing, extra, or has other metadata.
	Wrong Check = "wrong"
	// LateCommit: the position is what it was before the plan, or what a run
	// that was taken back wrote: an old request seems to have landed late.
	LateCommit Check = "late-commit"
	// NotApplied: the plan was not applied to this group.
	NotApplied Check = "not-applied"
)

// ProofCheck is whether the proof of a position can still be shown.
type ProofCheck string

// The states of a proof.
const (
	ProofHolds   ProofCheck = "holds"
	ProofDiffers ProofCheck = "differs"
	// ProofPartly: what is still there agrees, some records are gone.
	ProofPartly ProofCheck = "partly"
	// ProofGone: no record of it can be read any more.
	ProofGone ProofCheck = "gone"
	// ProofNone: the plan has none for this position.
	ProofNone ProofCheck = "none"
)

// VerifyReport is the answer of Verify.
type VerifyReport struct {
	Digest string `json:"plan_digest"`
	// Run is the run of the plan, "" when none is known.
	Run     string        `json:"run,omitempty"`
	Checked time.Time     `json:"checked"`
	Groups  []VerifyGroup `json:"groups"`
	// Counts per check.
	Counts map[Check]int      `json:"counts"`
	Proofs map[ProofCheck]int `json:"proofs"`
	// Findings say what could not be looked at.
	Findings []Finding `json:"findings"`
}

// VerifyGroup is one group of a VerifyReport.
type VerifyGroup struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Members are "client (host)".
	Members   []string         `json:"members,omitempty"`
	Result    Check            `json:"result"`
	Detail    string           `json:"detail,omitempty"`
	Positions []VerifyPosition `json:"positions"`
}

// VerifyPosition is one position of a VerifyReport.
type VerifyPosition struct {
	Topic     string  `json:"topic"`
	Partition int32   `json:"partition"`
	Check     Check   `json:"check"`
	Planned   *Offset `json:"planned"`
	Now       *Offset `json:"now"`
	// Ahead is Now minus Planned, 0 when one of them is missing.
	Ahead  int64  `json:"ahead"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
	// Proof, and in words what differs or can no longer be shown.
	Proof       ProofCheck `json:"proof"`
	ProofDetail []string   `json:"proof_detail,omitempty"`
	// ProofRecords are the records that the proof rests on, each as it stands
	// now; empty where there is no proof.
	ProofRecords []ProofRecord `json:"proof_records"`
	// ProofMissing says which records the proof never had, and why.
	ProofMissing []string `json:"proof_missing,omitempty"`
	// Known is how a gap and a second pass after the position were excluded
	// when the plan was made. That is not looked at again.
	Known translate.Known `json:"known,omitempty"`
}

// ProofRecord is one record of a proof as it stands now.
type ProofRecord struct {
	Record Which `json:"record"`
	// Offset at which it stood when the plan was made.
	Offset int64       `json:"offset"`
	Check  RecordCheck `json:"check"`
	// Detail says what is not as it was.
	Detail string `json:"detail,omitempty"`
}

// RecordCheck is how one record of a proof stands now.
type RecordCheck string

// The states of a record.
const (
	RecordHolds        = RecordCheck(translate.Stands)
	RecordDiffers      = RecordCheck(translate.StandsOther)
	RecordRetention    = RecordCheck(translate.GoneRetention)
	RecordCompaction   = RecordCheck(translate.GoneCompaction)
	RecordUnreadable   = RecordCheck(translate.Unread)
	RecordTopicDeleted = RecordCheck("topic-deleted")
	// RecordIncarnation: the topic was deleted and created again.
	RecordIncarnation = RecordCheck("incarnation")
	RecordNoSource    = RecordCheck("no-source")
)

// Right reports whether nothing wrong was found: commands exit with 5 when it
// is false. Moved on is right; not applied is not.
func (v *VerifyReport) Right() bool {
	return v.Counts[Wrong]+v.Counts[LateCommit]+v.Counts[NotApplied] == 0 && v.Proofs[ProofDiffers] == 0
}
