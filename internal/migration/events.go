package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/kferry/kferry/api"
)

// How an event went, in EventState.State.
const (
	eventBegun  = "begun"
	eventDone   = "done"
	eventFailed = "failed"
	eventPassed = "passed"
)

// errNoNotifier: the caller can call nobody.
var errNoNotifier = errors.New("nothing here can call commands or webhooks")

// EventBody is what the command or webhook of an event gets.
type EventBody struct {
	Type          string `json:"type"`
	FormatVersion int    `json:"format_version"`
	// ID is the same for every attempt at one event: what is called may be
	// called again when nobody knows whether it came to its end.
	ID        string `json:"id"`
	Step      Step   `json:"step"`
	Attempt   int    `json:"attempt"`
	Migration *State `json:"migration"`
}

// events calls what the spec names for the step at which the migration stands,
// in its order, unless that was done. Each is journalled before and after. One
// that fails is ErrEvent, unless its policy is to go on; the next call tries
// it again.
func (e *engine) events(ctx context.Context) error {
	for i := range e.spec().Events {
		ev := e.spec().Events[i]
		if !slices.Contains(ev.On, string(e.st.Step)) && !slices.Contains(ev.On, api.EveryStep) {
			continue
		}
		before, called := e.st.outcome(i)
		if called && (before.State == eventDone || before.State == eventPassed) {
			continue
		}
		if err := e.call(ctx, i, ev, before.Attempt+1); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) call(ctx context.Context, index int, ev api.Event, attempt int) error {
	if e.in.Notify == nil {
		return &Error{Op: "advancing", Name: e.st.Name, Err: errNoNotifier}
	}
	b := eventBody{Visit: e.st.visit, EventState: EventState{Step: e.st.Step, Index: index, Attempt: attempt, State: eventBegun}}
	if err := e.put(ctx, entryEvent, b); err != nil {
		return err
	}
	doc, err := json.Marshal(EventBody{
		Type: "migration-event", FormatVersion: 1, ID: fmt.Sprintf("%s-%d-%d", e.st.Run, b.Visit, index),
		Step: e.st.Step, Attempt: attempt, Migration: e.st,
	})
	if err != nil {
		return err
	}
	failed := e.in.Notify.Notify(ctx, ev, append(doc, '\n'))
	if ctx.Err() != nil {
		return context.Cause(ctx) // what is lost is called again
	}
	b.State = eventDone
	if failed != nil {
		b.State, b.Detail = eventFailed, failed.Error()
		if ev.OnFailure == api.OnFailureContinue {
			b.State = eventPassed
		}
	}
	if err := e.put(ctx, entryEvent, b); err != nil {
		return err
	}
	if b.State == eventFailed {
		return &Error{
			Op: "advancing", Name: e.st.Name,
			Err:  fmt.Errorf("%w: event %d of step %s: %w", ErrEvent, index+1, e.st.Step, failed),
			Hint: "mend it and advance again, which calls it again; or let it pass with onFailure: continue in a new migration",
		}
	}
	return nil
}
