package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
)

// The types of journal entries; their bodies are specified in docs/formats.md.
const (
	entryChecked = "checked"
	entryStep    = "step"
	entryReturn  = "return"
	// entryReturning is what a Return begins with where something has to be
	// taken back first; entryStayed says that it could not be.
	entryReturning = "returning"
	entryStayed    = "stayed"
	entryPlan      = "plan"
	entryBack      = "back"
	entryEvent     = "event"
	entryResumed   = "resumed"
	// entryKeeping names the plan of positions that are about to be kept from
	// expiring, entryKept the run that has done it.
	entryKeeping = "keeping"
	entryKept    = "kept"
	entryUndone  = "undone"
)

// checkedBody is what 'create' found.
type checkedBody struct {
	Groups   []Pair    `json:"groups"`
	Findings []Finding `json:"findings"`
}

// stepBody is a step that was reached.
type stepBody struct {
	Step   Step   `json:"step"`
	Detail string `json:"detail,omitempty"`
	// Run is the run of an apply, with Applied and FailedBack.
	Run string `json:"run,omitempty"`
	// Positions is the checksum of what the groups had committed, with Stopped
	// (on the source) and FailingBack (on the target).
	Positions string `json:"positions,omitempty"`
	// Committed are these positions, with Stopped: group, TOPIC/PARTITION, offset.
	Committed map[string]map[string]int64 `json:"committed,omitempty"`
	// Left are positions that stay where somebody else has put them, with
	// Aborted, and with the step after a way back that was given up.
	Left []LeftPosition `json:"left,omitempty"`
	// Stood is where the groups stood on the target, with FailingBack.
	Stood []stood `json:"stood,omitempty"`
}

// stood is where a group stood on the target when its way back began.
type stood struct {
	Group     string `json:"group"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// planBody names a plan that was attached.
type planBody struct {
	Attachment string `json:"attachment"`
	Digest     string `json:"digest"`
}

// eventBody is an event that is about to be called, or how that went.
type eventBody struct {
	// Visit is the number of the entry of the step: a step that is reached again
	// has its events again.
	Visit int64 `json:"visit"`
	EventState
}

// resumedBody is the first commit of a group on the target.
type resumedBody struct {
	Group  string `json:"group"`
	Detail string `json:"detail"`
}

// stayedBody is why a migration did not go back.
type stayedBody struct {
	Detail string `json:"detail"`
	// Positions and Committed are those of the source that was left as it is: it
	// is not said of the same ones again.
	Positions string                      `json:"positions,omitempty"`
	Committed map[string]map[string]int64 `json:"committed,omitempty"`
}

// keptBody is the end of keeping positions on the source.
type keptBody struct {
	// Run has kept all of them; "" when it has not.
	Run string `json:"run,omitempty"`
	// Since is from when on they are kept, when that is not the time of the
	// entry.
	Since time.Time `json:"since,omitzero"`
}

// runBody names a run of its own.
type runBody struct {
	Run string `json:"run"`
}

// fold adds an entry to the state.
func (s *State) fold(e *run.Entry) error {
	switch e.Type {
	case entryChecked:
		return take(e, func(b *checkedBody) {
			s.Groups, s.Findings = append([]Pair{}, b.Groups...), append([]Finding{}, b.Findings...)
		})
	case entryStep:
		return take(e, func(b *stepBody) { s.reach(b, e) })
	case entryReturning:
		return take(e, func(b *Return) { s.returning = b })
	case entryReturn:
		return take(e, func(b *Return) {
			s.returning = nil
			s.goBack(*b, e)
		})
	case entryStayed:
		return take(e, s.stay)
	case entryPlan, entryBack:
		return take(e, func(b *planBody) { s.attached(e.Type, *b) })
	case entryEvent:
		return take(e, func(b *eventBody) { s.event(b, e) })
	case entryResumed:
		return take(e, func(b *resumedBody) { s.Resumed[b.Group] = e.Time })
	case entryKeeping:
		return take(e, func(b *planBody) {
			s.keeping = b
			s.keeps++
		})
	case entryKept:
		return take(e, func(b *keptBody) { s.keptBy(b, e) })
	case entryUndone:
		return take(e, func(b *runBody) { s.RollbackRun = b.Run })
	case run.TypeLease:
		return nil
	}
	return damaged(e, fmt.Sprintf("its type %q is not known; a newer kferry may have written it", e.Type))
}

// take reads the body of an entry and gives it to f.
func take[T any](e *run.Entry, f func(*T)) error {
	var b T
	if err := json.Unmarshal(e.Body, &b); err != nil {
		return damaged(e, err.Error())
	}
	f(&b)
	return nil
}

func damaged(e *run.Entry, problem string) error {
	return &run.DamagedError{Run: e.Run, Key: fmt.Sprintf("journal entry %d", e.Seq), Problem: problem}
}

// reach takes a step that was reached.
func (s *State) reach(b *stepBody, e *run.Entry) {
	if b.Step == FailingBack || s.Step == FailingBack && b.Step != FailedBack {
		// A way back that was given up is no part of the next one.
		s.Back, s.BackDigest, s.BackRun = "", "", ""
	}
	s.Step, s.Since, s.visit, s.returning = b.Step, e.Time, e.Seq, nil
	s.Ended = b.Step.Ended()
	s.Steps = append(s.Steps, Stamp{Step: b.Step, At: e.Time, Fence: e.Fence, Detail: b.Detail})
	if b.Step == Applied {
		s.ApplyRun = b.Run
	}
	if b.Step == FailedBack {
		s.BackRun = b.Run
	}
	if b.Positions != "" {
		s.positions, s.committed = b.Positions, b.Committed
	}
	if b.Stood != nil {
		s.stood = b.Stood
	}
	s.Left = append(s.Left, b.Left...)
}

// stay takes that there was no return.
func (s *State) stay(b *stayedBody) {
	if s.returning = nil; b.Positions != "" {
		s.positions, s.committed = b.Positions, b.Committed
	}
}

// goBack takes a return to an earlier step.
func (s *State) goBack(b Return, e *run.Entry) {
	b.At = e.Time
	s.Returns = append(s.Returns, b)
	s.Step, s.Since, s.visit = b.To, e.Time, e.Seq
	if b.To == FailingBack {
		// What it goes back from, and what was final on the source, is as it was.
		s.Back, s.BackDigest, s.BackRun = "", "", ""
		return
	}
	s.Plan, s.PlanDigest, s.ApplyRun = "", "", ""
	if b.To == Stopping {
		s.positions = ""
	}
	s.Resumed = map[string]time.Time{}
}

// keptBy takes the end of keeping positions.
func (s *State) keptBy(b *keptBody, e *run.Entry) {
	s.keeping = nil
	if b.Run == "" {
		return
	}
	s.KeepRuns, s.kept = append(s.KeepRuns, b.Run), b.Since
	if b.Since.IsZero() {
		s.kept = e.Time
	}
}

func (s *State) attached(typ string, b planBody) {
	if typ == entryBack {
		s.Back, s.BackDigest = b.Attachment, b.Digest
		s.backs++
		return
	}
	s.Plan, s.PlanDigest = b.Attachment, b.Digest
	s.plans++
}

// event takes how an event went. Only its latest state is kept.
func (s *State) event(b *eventBody, e *run.Entry) {
	b.At = e.Time
	k := eventKey{b.Visit, b.Index}
	if i, ok := s.events[k]; ok {
		s.Events[i] = b.EventState
		return
	}
	s.events[k] = len(s.Events)
	s.Events = append(s.Events, b.EventState)
}

// outcome returns how an event of the present step went; ok is false when it
// was not called yet.
func (s *State) outcome(index int) (EventState, bool) {
	i, ok := s.events[eventKey{s.visit, index}]
	if !ok {
		return EventState{}, false
	}
	return s.Events[i], true
}

// readState reads the journal of a migration.
func readState(ctx context.Context, r *run.Run) (*State, error) {
	info := r.Info()
	s := &State{
		Type: "migration", FormatVersion: 1, Name: info.Name, Run: info.ID, Created: info.Created,
		Groups: []Pair{}, Steps: []Stamp{}, Returns: []Return{}, Findings: []Finding{}, Events: []EventState{},
		Resumed: map[string]time.Time{}, events: map[eventKey]int{},
	}
	for _, c := range info.Clusters {
		k := plan.Cluster{ID: c.ID, Name: c.Name, Bootstrap: slices.Clone(c.Bootstrap)}
		if c.Role == "source" {
			s.Source = k
		} else {
			s.Target = k
		}
	}
	if _, err := r.Attachment(ctx, attachment, Format, Version, &s.Spec); err != nil {
		if _, some, lerr := r.Last(ctx); errors.Is(err, store.ErrNotFound) && lerr == nil && !some {
			return s, nil // its process died right after it had begun the run
		}
		return nil, fmt.Errorf("reading migration %q: %w", info.Name, err)
	}
	for e, err := range r.Entries(ctx) {
		if err == nil {
			err = s.fold(&e)
		}
		if err != nil {
			return nil, fmt.Errorf("reading migration %q: %w", info.Name, err)
		}
		s.seq = e.Seq
	}
	return s, nil
}
