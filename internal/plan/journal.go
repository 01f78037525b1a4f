package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/topic"
)

// The types of journal entries that Apply and Rollback write; their bodies are
// specified in docs/plan-format.md.
const (
	entrySnapshot      = "snapshot"
	entryBegin         = "group-begin"
	entryUndo          = "group-undo"
	entryDone          = "group-done"
	entryTakenBack     = "group-taken-back"
	entryTakenOver     = "group-taken-over"
	entryFailed        = "group-failed"
	entryRefused       = "group-refused"
	entryEnd           = "run-end"
	entryRollback      = "rollback-begin"
	entryRolledBack    = "rollback-end"
	commitAllowance    = 2 * time.Second // beyond a request time-out, for the broker to carry it out
	maxJournalProblems = 20
)

// snapshotBody names the snapshot that was taken before the first commit.
type snapshotBody struct {
	Snapshot string   `json:"snapshot"`
	Groups   []string `json:"groups"`
}

// beginBody is all that is needed to finish or to take back one group.
type beginBody struct {
	Group string `json:"group"`
	// Kind is "share" for a share group, which has requests of its own.
	Kind    group.Kind `json:"kind,omitempty"`
	Attempt int        `json:"attempt"`
	// RequestTimeoutMS is how long a request of this attempt may be on its way.
	RequestTimeoutMS int64 `json:"request_timeout_ms"`
	// KeepMS is the time for which the positions are kept, 0 for none of their
	// own.
	KeepMS      int64  `json:"keep_ms,omitempty"`
	Existed     bool   `json:"existed"`
	DeleteGroup bool   `json:"delete_group,omitempty"`
	Writes      []edit `json:"positions"`
}

// edit is one position before and after; nil is none.
type edit struct {
	Topic     string  `json:"topic"`
	Partition int32   `json:"partition"`
	Before    *Offset `json:"before"`
	After     *Offset `json:"after"`
}

// keeps reports whether the edit leaves the position as it is, so that it shows
// in nothing that can be read.
func (e *edit) keeps() bool { return e.After != nil && e.Before.same(e.After) }

func (e *edit) partition() topic.Partition {
	return topic.Partition{Topic: e.Topic, Partition: e.Partition}
}

// endBody ends or refuses an attempt on one group.
type endBody struct {
	Group   string `json:"group"`
	Attempt int    `json:"attempt,omitempty"`
	Reason  Reason `json:"reason,omitempty"`
	Detail  string `json:"detail,omitempty"`
	Set     int    `json:"set,omitempty"`
	Deleted int    `json:"deleted,omitempty"`
	// RequestTimeoutMS, for group-undo: as in beginBody.
	RequestTimeoutMS int64 `json:"request_timeout_ms,omitempty"`
	// DeletedGroup, for group-done.
	DeletedGroup bool `json:"deleted_group,omitempty"`
}

// runEndBody is the last entry of one call.
type runEndBody struct {
	Interrupted bool           `json:"interrupted,omitempty"`
	Results     map[Result]int `json:"results"`
}

// rollbackBody, in the journal of the run that is taken back.
type rollbackBody struct {
	Run    string   `json:"run"`
	Groups []string `json:"groups,omitempty"`
}

// status is how far a group is in the journal of a run.
type status int

const (
	statusNone      status = iota // not begun, or an attempt ended with everything as before
	statusOpen                    // begun, and no end: anything may have happened
	statusUndoing                 // taking back was begun, and not ended
	statusDone                    // final
	statusTakenOver               // final
)

// groupLog is what the journal says of one group.
type groupLog struct {
	status  status
	attempt int
	// first is the begin entry with what was there before the run touched the
	// group in an unbroken series of attempts; last the latest one.
	first, last *beginBody
	end         endBody
	// written: some attempt may have sent something.
	written bool
	timeout time.Duration // the longest of the open attempts
}

// history is a journal, read.
type history struct {
	groups    map[string]*groupLog
	snapshots []string
	// rollback is the run that takes this one back, "" when there is none;
	// rolledBack are the groups that it has restored.
	rollback   string
	rolledBack map[string]bool
	entries    int
	// ended: the last call came to its end, and said so.
	ended bool
	// keep is the time for which the latest attempts kept positions.
	keep time.Duration
}

func newHistory() *history {
	return &history{groups: map[string]*groupLog{}, rolledBack: map[string]bool{}}
}

// replay reads the journal of a run.
func replay(ctx context.Context, r *run.Run) (*history, error) {
	h := newHistory()
	for e, err := range r.Entries(ctx) {
		if err != nil {
			return nil, fmt.Errorf("reading the journal of run %s: %w", r.ID(), err)
		}
		h.entries++
		h.ended = e.Type == entryEnd
		all, err := Unfold(e)
		if err != nil {
			return nil, fmt.Errorf("reading the journal of run %s: %w", r.ID(), err)
		}
		for _, one := range all {
			if err := h.take(one); err != nil {
				return nil, fmt.Errorf("reading the journal of run %s: entry %d: %w", r.ID(), e.Seq, err)
			}
		}
	}
	return h, nil
}

func (h *history) group(name string) *groupLog {
	if h.groups[name] == nil {
		h.groups[name] = &groupLog{}
	}
	return h.groups[name]
}

func (h *history) take(e run.Entry) error {
	switch e.Type {
	case entrySnapshot:
		var b snapshotBody
		if err := json.Unmarshal(e.Body, &b); err != nil {
			return err
		}
		h.snapshots = append(h.snapshots, b.Snapshot)
	case entryBegin:
		var b beginBody
		if err := json.Unmarshal(e.Body, &b); err != nil {
			return err
		}
		g := h.group(b.Group)
		if g.status == statusNone {
			g.first = &b
			g.timeout = 0
		}
		g.status, g.attempt, g.last, g.written = statusOpen, b.Attempt, &b, true
		if b.KeepMS > 0 {
			h.keep = time.Duration(b.KeepMS) * time.Millisecond
		}
		g.timeout = max(g.timeout, time.Duration(b.RequestTimeoutMS)*time.Millisecond)
	case entryUndo, entryDone, entryTakenBack, entryTakenOver, entryFailed:
		var b endBody
		if err := json.Unmarshal(e.Body, &b); err != nil {
			return err
		}
		g := h.group(b.Group)
		g.end = b
		g.timeout = max(g.timeout, time.Duration(b.RequestTimeoutMS)*time.Millisecond)
		g.status = map[string]status{
			entryUndo: statusUndoing, entryDone: statusDone, entryTakenOver: statusTakenOver,
		}[e.Type] // back to statusNone otherwise
	case entryRollback, entryRolledBack:
		var b rollbackBody
		if err := json.Unmarshal(e.Body, &b); err != nil {
			return err
		}
		h.rollback = b.Run
		for _, name := range b.Groups {
			h.rolledBack[name] = true
		}
	}
	return nil
}

// open reports whether some attempt has no end, and the longest time that one
// of its requests may have been on its way.
func (h *history) open() (bool, time.Duration) {
	found, longest := false, time.Duration(0)
	for _, g := range h.groups {
		if g.status == statusOpen || g.status == statusUndoing {
			found = true
			longest = max(longest, g.timeout)
		}
	}
	return found, longest
}
