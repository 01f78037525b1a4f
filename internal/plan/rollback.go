package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/snapshot"
)

// Rollback restores what the groups of a run had before it, offsets and
// metadata byte for byte, and deletes the offsets and groups that did not
// exist. A group is left alone when it has members or when somebody else has
// committed since: then the position is neither as the run wrote it nor as it
// was before. Rollback is a run of its own, with snapshot and journal: it goes
// on where it was cut short when it is called again, and can itself be rolled
// back, which brings back what the first run wrote. Errors as with Apply.
func Rollback(ctx context.Context, runID string, in RollbackInput) (*Report, error) {
	b, err := newRollback(ctx, runID, in)
	if err != nil {
		return nil, err
	}
	held, err := b.undone.hold(ctx)
	if err != nil {
		return nil, fmt.Errorf("rolling back run %s: %w", runID, err)
	}
	err = b.carryOut(held)
	if releaseErr := b.undone.release(ctx); err == nil {
		err = releaseErr
	}
	if errors.Is(err, ErrInterrupted) {
		err = &Error{Op: "rolling back run", Object: runID, Err: ErrInterrupted, Hint: "kferry rollback " + runID + " goes on from here"}
	}
	return b.report, err
}

// rollback is one call of Rollback.
type rollback struct {
	execution // the run that takes back
	undone    *execution
	in        RollbackInput
}

func newRollback(ctx context.Context, runID string, in RollbackInput) (*rollback, error) {
	fail := func(kind error, detail, hint string) error {
		return &Error{Op: "rolling back run", Object: runID, Err: fmt.Errorf("%w: %s", kind, detail), Hint: hint}
	}
	if in.Now == nil {
		in.Now = time.Now
	}
	b := &rollback{in: in}
	if in.Bucket == nil || in.To.Write == nil || in.To.Read == nil {
		return nil, fail(ErrInput, "the target or the state is missing", "")
	}
	r, err := run.Open(ctx, in.Bucket, runID, in.Run)
	if err != nil {
		return nil, fmt.Errorf("rolling back run %s: %w", runID, err)
	}
	info := r.Info()
	switch info.Kind {
	case run.KindApply, run.KindRollback, run.KindCopy, run.KindDelete:
	default:
		return nil, fail(ErrRun, fmt.Sprintf("it is of kind %s", info.Kind), "only runs that set positions can be rolled back")
	}
	for _, c := range info.Clusters {
		if c.Role != "target" {
			continue
		}
		if err := foreign(Cluster{ID: c.ID, Name: c.Name, Bootstrap: c.Bootstrap}, &in.To); err != nil {
			return nil, fail(ErrForeign, "the target is "+err.Error(), "name the cluster that the run wrote to")
		}
	}
	b.in.To = readsTogether(in.To)
	shared := newWriter(&b.in.To, in.Parallel, in.MaxCommit, in.Stop)
	b.undone = &execution{writer: shared, bucket: in.Bucket, run: r, progress: in.Progress, now: in.Now}
	b.execution = execution{
		writer: shared, bucket: in.Bucket, inFlight: inFlight(in.Parallel), progress: in.Progress, now: in.Now, tool: in.Tool,
		report: &Report{Undoes: runID, Digest: info.PlanDigest, Started: in.Now().UTC(), Groups: []GroupReport{}},
	}
	return b, nil
}

// carryOut holds the run that is taken back, so that nobody goes on with it.
func (b *rollback) carryOut(ctx context.Context) error {
	written := map[string]*groupLog{}
	for name, l := range b.undone.history.groups {
		if l.written {
			written[name] = l
		}
	}
	if len(written) == 0 {
		b.report.Ended = b.now().UTC()
		return nil
	}
	if open, timeout := b.undone.history.open(); open {
		if err := b.undone.waitLate(ctx, timeout); err != nil {
			return err
		}
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	held, err := b.hold(ctx)
	if err != nil {
		return fmt.Errorf("rolling back: run %s: %w", b.run.ID(), err)
	}
	return b.end(held, b.restore(held, written))
}

// open finds the run that takes back, or creates it and names it in the journal
// of the other one.
func (b *rollback) open(ctx context.Context) (err error) {
	if id := b.undone.history.rollback; id != "" {
		b.report.Run, b.report.Resumed = id, true
		b.run, err = run.Open(ctx, b.bucket, id, b.in.Run)
		return err
	}
	info := b.undone.run.Info()
	b.run, err = run.Create(ctx, b.bucket, run.Info{
		Kind: run.KindRollback, Command: b.in.Command, Tool: b.in.Tool, Undoes: info.ID,
		Clusters: []run.Cluster{{Role: "target", ID: b.to.ID, Name: b.to.Name, Bootstrap: b.to.Bootstrap}},
	}, b.in.Run)
	if err != nil {
		return err
	}
	b.report.Run = b.run.ID()
	return b.undone.note(ctx, entryRollback, rollbackBody{Run: b.run.ID()})
}

func (b *rollback) restore(ctx context.Context, written map[string]*groupLog) error {
	if open, timeout := b.history.open(); open {
		if err := b.waitLate(ctx, timeout); err != nil {
			return b.skip(written, err)
		}
	}
	readings, err := b.to.Read.Read(ctx, sortedKeys(written))
	if err != nil {
		return fmt.Errorf("reading groups of %s: %w", b.to.label(), err)
	}
	if b.report.Snapshot = firstOf(b.history.snapshots); b.report.Snapshot == "" {
		good := map[string]group.Reading{}
		for name := range written {
			if r, ok := readings[name]; ok && r.Err == nil && r.Group.Err == nil {
				good[name] = r
			}
		}
		if err := b.takeSnapshot(ctx, snapshot.Rollback, good, nil, nil); err != nil {
			return err
		}
	}
	already := 0
	err = b.each(ctx, sortedKeys(written), func(ctx context.Context, name string) (GroupReport, error) {
		rep, err := b.one(ctx, name, written[name])
		if rep.Result == Applied {
			rep.Result = RolledBack
		}
		return rep, err
	})
	var back []string
	for i := range b.report.Groups {
		switch rep := &b.report.Groups[i]; rep.Result {
		case RolledBack, Unchanged:
			back = append(back, rep.Name)
		case AlreadyApplied:
			already++
		default:
		}
	}
	b.report.AlreadyApplied = already == len(written)
	if err == nil && len(back) > 0 {
		err = b.undone.note(ctx, entryRolledBack, rollbackBody{Run: b.run.ID(), Groups: back})
	}
	return err
}

// skip reports that nothing was tried, when asked to stop.
func (b *rollback) skip(written map[string]*groupLog, err error) error {
	if !errors.Is(err, ErrInterrupted) {
		return err
	}
	for _, name := range sortedKeys(written) {
		b.report.Groups = append(b.report.Groups, GroupReport{Name: name, Result: NotTried, Detail: "stopped before"})
	}
	return nil
}

// one restores one group.
func (b *rollback) one(ctx context.Context, name string, wrote *groupLog) (GroupReport, error) {
	mine := b.history.groups[name]
	t := task{beginBody: *wrote.first.reverse(), undo: true}
	t.Attempt = 0
	if mine != nil {
		t.Attempt = mine.attempt
	}
	r, err := b.read(ctx, name)
	if err != nil {
		return refusedUnread(name, err), nil
	}
	st, odd := t.stands(r)
	refuse := func(rep GroupReport) (GroupReport, error) {
		rep.Name, rep.Result = name, Refused
		return rep, b.note(ctx, entryRefused, endBody{Group: name, Reason: rep.Reason, Detail: rep.Detail})
	}
	switch {
	case mine != nil && mine.final() && (st == asAfter || st == strange):
		// Restored before. Unless the group is again as the run wrote it, by a
		// request that landed late, it is not touched again.
		return fromJournal(name, mine), nil
	case st == asBoth:
		return GroupReport{Name: name, Result: Unchanged, Detail: "the run changed no position: there is nothing to restore, and what it committed is kept for as long as it said"}, nil
	case st == strange || wrote.status == statusTakenOver && st != asAfter:
		return refuse(GroupReport{
			Reason: ReasonElsewhere, Problems: odd, Detail: "somebody else has committed since; left alone",
			Hint: "a snapshot can be restored by hand, when what was done since is not wanted",
		})
	case st == asAfter && mine != nil && mine.status != statusNone:
		return b.finished(ctx, &t, r)
	case st == asAfter && len(t.Writes) == 0 && wrote.first.DeleteGroup:
		return GroupReport{Name: name, Result: Unchanged, Detail: "the group that was deleted had no positions: there is nothing to restore, and it exists again when a consumer joins"}, nil
	case st == asAfter:
		return GroupReport{Name: name, Result: Unchanged, Detail: "it is as it was before the run"}, nil
	case !r.Group.Stopped():
		return refuse(GroupReport{
			Reason: ReasonGroupActive, Err: group.ErrActive, Hint: "stop the application, and roll back again",
			Detail: fmt.Sprintf("group %q is in use: %s %v", name, r.Group.State, members(r.Group)),
		})
	}
	return b.do(ctx, t, r)
}
