package migration

import (
	"context"
	"errors"
	"fmt"

	"github.com/kferry/kferry/api"
)

// RehearseFleet looks at each migration of a file, in its order, and says what
// AdvanceFleet would do next with it and what it would wait for, as it looks
// now. It neither takes hold of any of them nor writes anything, and looks at
// those behind one that waits, too.
func RehearseFleet(ctx context.Context, f *api.Fleet, in FleetInput) (*FleetReport, error) {
	clock := Input{Stop: in.Stop}
	until := Step(f.Until)
	if until == "" {
		until = Across
	}
	rep := &FleetReport{}
	for i := range f.Migrations {
		if clock.stopped() {
			rep.rest(f, "the call was stopped before it")
			return rep, ErrInterrupted
		}
		entry, err := rehearseOne(ctx, f.Migrations[i].Name, until, in)
		if ctx.Err() != nil {
			rep.rest(f, "the call was stopped before it")
			return rep, context.Cause(ctx)
		}
		if err != nil {
			entry.Result, entry.Detail, entry.Err = FleetFailed, err.Error(), err
		}
		rep.Migrations = append(rep.Migrations, entry)
	}
	return rep, nil
}

func rehearseOne(ctx context.Context, name string, until Step, in FleetInput) (FleetEntry, error) {
	entry := FleetEntry{Name: name}
	st, err := Load(ctx, in.Bucket, name)
	if err != nil {
		return entry, err
	}
	entry.Step = st.Step
	switch {
	case st.Step.Reached(until) && st.settled():
		entry.Result = FleetThere
		return entry, nil
	case st.Step.ordinal() < 0:
		entry.Result, entry.Detail = FleetEnded, endedText(st.Step)
		return entry, nil
	}
	one, err := in.Open(ctx, st)
	if err != nil {
		return entry, err
	}
	now, err := Look(ctx, name, one)
	if err != nil && (now == nil || !errors.Is(err, ErrUnseen)) {
		return entry, err
	}
	entry.Step, entry.Result = now.State.Step, FleetWould
	if in.Next != nil {
		entry.Detail = "would " + in.Next(now.State)
	}
	if h := now.Holder; h != nil {
		entry.Result, entry.Detail = FleetWaits, fmt.Sprintf("%s has hold of it", h)
	}
	held := 0
	for i := range now.Groups {
		for j := range now.Groups[i].Topics {
			held += now.Groups[i].Topics[j].Held
		}
	}
	if held > 0 {
		entry.Detail += fmt.Sprintf("; %s not copied through to where the groups stand now", count(held, "partition is", "partitions are"))
	}
	for _, w := range now.Waiting {
		if w.Kind == WaitAdvance {
			continue // which it would be
		}
		entry.Waiting = append(entry.Waiting, w)
	}
	if len(entry.Waiting) > 0 {
		entry.Result = FleetWaits
		entry.Detail += "; now: " + entry.Waiting[0].Detail
	}
	return entry, err
}

// endedText is what is said of a migration that is on a way back, or at its end.
func endedText(s Step) string {
	return fmt.Sprintf("it stands at %s; create it again to move it once more", s)
}
