package plan

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/snapshot"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/topic"
)

// execution is what Apply and Rollback have in common: a run that is held, its
// journal, and groups that are worked on at the same time.
type execution struct {
	writer
	bucket   *store.Bucket
	run      *run.Run
	held     *run.Lease
	history  *history
	report   *Report
	inFlight int // groups worked on at once; requests that write are bounded by the writer
	progress func(Event)
	now      func() time.Time
	tool     string

	taken time.Time      // when the lease was taken
	prior run.LeaseState // the lease before ours

	mu sync.Mutex // guards report.Groups, what is done and progress while groups are worked on
}

const (
	defaultParallel = 16
	// groupsPerSlot is how many groups are worked on for each request that may
	// write at the same time: while some commit, others are journalled and read
	// back together.
	groupsPerSlot    = 16
	defaultMaxCommit = 20_000
	// freshFor is how long a reading of a group is good enough to commit on.
	freshFor = 2 * time.Second
)

// inFlight is how many groups are worked on for so many writing requests at a
// time; one at a time means that of groups, too.
func inFlight(parallel int) int {
	if parallel == 1 {
		return 1
	}
	return groupsPerSlot * orDefault(parallel, defaultParallel)
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

func (x *execution) event(e Event) {
	if x.progress == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.progress(e)
}

// hold takes the lease and reads the journal. The returned context ends when
// the lease is lost.
func (x *execution) hold(ctx context.Context) (context.Context, error) {
	prior, _, err := x.run.LeaseState(ctx)
	if err != nil {
		return nil, err
	}
	held, l, err := x.run.AcquireLease(ctx)
	if err != nil {
		return nil, err
	}
	x.prior, x.taken, x.held = prior, time.Now(), l
	x.journal, x.lease = &together{to: x.run}, l
	if x.history, err = replay(held, x.run); err != nil {
		return held, errors.Join(err, x.release(ctx))
	}
	return held, nil
}

func (x *execution) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return x.held.Release(ctx)
}

// waitLate waits until no request of the process that held the run before can
// be carried out any more (DESIGN invariant 10). That process lived at the
// latest until it gave the run up, or until it was taken from it.
func (x *execution) waitLate(ctx context.Context, timeout time.Duration) error {
	since := x.taken
	if x.prior.Seq > 0 && !x.prior.Held() && x.prior.Time.Before(since) {
		since = x.prior.Time
	}
	d := x.late(since, timeout)
	if d > 0 {
		x.event(Event{Stage: "waiting for late commits", Wait: d})
	}
	return sleep(ctx, d, x.stop)
}

// stopped reports whether the run is asked to end.
func (x *execution) stopped() bool {
	select {
	case <-x.stop:
		return true
	default:
		return false
	}
}

// each works on groups at the same time and collects the reports. After a
// fatal error, or when asked to stop, the rest is not tried.
func (x *execution) each(ctx context.Context, names []string, work func(context.Context, string) (GroupReport, error)) error {
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(x.inFlight)
	done := 0
	for _, name := range names {
		eg.Go(func() error {
			rep := GroupReport{Name: name, Result: NotTried, Detail: "stopped before"}
			var err error
			if !x.stopped() && ctx.Err() == nil {
				rep, err = work(ctx, name)
			}
			if err != nil {
				rep = GroupReport{
					Name: name, Result: Failed, Reason: ReasonUnknownEnd, Err: err, Detail: err.Error(),
					Hint: "run the same command again: it goes on from the journal",
				}
			}
			x.mu.Lock()
			defer x.mu.Unlock()
			x.report.Groups = append(x.report.Groups, rep)
			done++
			if x.progress != nil {
				x.progress(Event{Stage: "committing", Group: name, Done: done, Total: len(names)})
			}
			return err
		})
	}
	return eg.Wait()
}

// end writes the last entry of this call, sorts the report and gives the run
// up.
func (x *execution) end(ctx context.Context, err error) error {
	slices.SortFunc(x.report.Groups, func(a, b GroupReport) int { return compareNames(a.Name, b.Name) })
	x.report.Ended, x.report.CommitLatency = x.now().UTC(), x.commits.latency()
	results := map[Result]int{}
	for i := range x.report.Groups {
		results[x.report.Groups[i].Result]++
	}
	interrupted := err == nil && results[NotTried] > 0
	if _, stop := errors.AsType[*fatal](err); !stop {
		if noteErr := x.note(ctx, entryEnd, runEndBody{Interrupted: interrupted, Results: results}); noteErr != nil {
			err = errors.Join(err, noteErr)
		}
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if releaseErr := x.release(ctx); releaseErr != nil && err == nil {
		err = releaseErr
	}
	if err == nil && interrupted {
		err = ErrInterrupted
	}
	return err
}

// takeSnapshot saves what the target groups have, and journals its name,
// before the first commit.
func (x *execution) takeSnapshot(ctx context.Context, kind snapshot.TriggerKind, readings map[string]group.Reading, topics map[string]topic.Topic, bounds map[topic.Partition]topic.Bounds) error {
	c := x.to.cluster()
	s := &snapshot.Snapshot{Summary: snapshot.Summary{
		Created: x.now().UTC(), ClusterID: c.ID, ClusterName: c.Name, Bootstrap: c.Bootstrap, Tool: x.tool,
		Trigger: snapshot.Trigger{Kind: kind, Run: x.run.ID()}, Description: "before " + string(kind) + " " + x.run.ID(),
	}}
	names := sortedKeys(readings)
	FillSnapshot(s, readings, topics, bounds)
	id, err := snapshot.Save(ctx, x.bucket, s)
	if err != nil {
		return &fatal{err}
	}
	x.report.Snapshot = id
	return x.note(ctx, entrySnapshot, snapshotBody{Snapshot: id, Groups: names})
}

// fromJournal reports what the journal says of a group that is final.
func fromJournal(name string, l *groupLog) GroupReport {
	rep := GroupReport{Name: name, Result: AlreadyApplied, Set: l.end.Set, Deleted: l.end.Deleted, DeletedGroup: l.end.DeletedGroup}
	if l.status == statusTakenOver {
		rep.Result, rep.Reason, rep.Detail = TakenOver, l.end.Reason, l.end.Detail
		rep.Hint = "kferry verify shows where the group is"
	}
	return rep
}

func (l *groupLog) final() bool { return l.status == statusDone || l.status == statusTakenOver }
