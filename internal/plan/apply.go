package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/run"
)

// Apply does what the plan says, or continues a run of it that was cut short.
// Groups that are stale by now are refused and the others applied, unless
// AllOrNothing is set: then nothing is applied and the error is ErrStale. A
// group that the journal has as done is never touched again, even if it has
// moved since. The report is also given with an error, as soon as a run exists.
// Errors: ErrForeign, ErrStale, ErrInterrupted, ErrRun (rolled back since), and
// those of package run (ErrHeld, ErrFenced).
func Apply(ctx context.Context, p *Plan, in ApplyInput) (*Report, error) {
	if err := in.savedSource(ctx, p); err != nil {
		return nil, err
	}
	a := &applier{plan: p, in: in}
	if err := a.begin(); err != nil {
		return nil, err
	}
	if in.AllOrNothing && !p.AllApplicable() {
		a.reportRest()
		return a.report, a.error(ErrStale, "a group of the plan cannot be applied", "leave out --all-or-nothing, or plan again")
	}
	if len(a.todo) == 0 {
		a.reportRest()
		return a.report, nil
	}
	if done, err := a.open(ctx); done || err != nil {
		return a.reportWhen(err)
	}
	held, err := a.hold(ctx)
	if err != nil {
		return a.report, fmt.Errorf("applying run %s: %w", a.run.ID(), err)
	}
	err = a.carryOut(held)
	a.reportRest()
	err = a.end(held, err)
	if errors.Is(err, ErrInterrupted) {
		err = a.error(ErrInterrupted, "", "kferry apply with the same plan goes on from here")
	}
	return a.report, err
}

// applier is one call of Apply.
type applier struct {
	execution
	plan   *Plan
	in     ApplyInput
	sealed []byte // the plan as it is stored
	digest string
	todo   map[string]*Group // those that the plan would write
	// keep is the time for which positions are kept; 0 leaves it to the cluster.
	keep time.Duration
}

func (a *applier) error(kind error, detail, hint string) error {
	err := kind
	if detail != "" {
		err = fmt.Errorf("%w: %s", kind, detail)
	}
	return &Error{Op: "applying plan", Object: a.digest, Err: err, Hint: hint}
}

// begin checks what can be checked without asking anybody.
func (a *applier) begin() error {
	p, in := a.plan, &a.in
	if in.Now == nil {
		in.Now = time.Now
	}
	sealed, err := p.sealing()
	if err != nil {
		return err
	}
	a.sealed, a.digest = sealed.data, sealed.digest
	in.readTogether()
	a.execution = execution{
		writer: newWriter(&in.To, in.Parallel, in.MaxCommit, in.Stop),
		bucket: in.Bucket, inFlight: inFlight(in.Parallel), progress: in.Progress, now: in.Now, tool: in.Tool,
		report: &Report{Digest: a.digest, Started: in.Now().UTC(), Groups: []GroupReport{}},
	}
	switch {
	case p.Digest != "" && p.Digest != a.digest:
		return a.error(ErrDigest, "it was changed after it was read", "plan again")
	case in.Bucket == nil || in.To.Write == nil || in.To.Read == nil || in.To.Topics == nil || in.To.Log == nil:
		return a.error(ErrInput, "the target or the state is missing", "")
	case p.Source != nil && in.From == nil:
		return a.error(ErrInput, "the plan has a source, and it is read again", "name it with --from")
	}
	if err := foreign(p.Target, &in.To); err != nil {
		return a.error(ErrForeign, "the target is "+err.Error(), "name the cluster that the plan was made for, or plan again")
	}
	if p.Source != nil {
		a.from = in.From
		if err := foreign(*p.Source, in.From); err != nil {
			return a.error(ErrForeign, "the source is "+err.Error(), "name the cluster that the plan was made for, or plan again")
		}
	}
	if in.Keep != 0 && !keepable(in.Keep) {
		return a.error(ErrInput, keepText, "")
	}
	for i := range p.Groups {
		if g := &p.Groups[i]; g.Applicable() && g.Target.Unread {
			return a.error(ErrInput, "the plan was made for translation only, without looking at the target's groups", "plan again with kferry plan")
		}
	}
	a.choose(cmp.Or(in.Keep, p.Options.Keep()))
	return nil
}

// readTogether lets groups that are worked on at once be read at once.
func (in *ApplyInput) readTogether() {
	in.To = readsTogether(in.To)
	if in.From != nil {
		from := readsTogether(*in.From)
		in.From = &from
	}
}

// foreign says how a cluster is not the one that was pinned.
func foreign(pinned Cluster, s *Side) error {
	if pinned.ID == s.ID {
		return nil
	}
	return fmt.Errorf("cluster %q (%s), and the plan is for cluster %q (%s)", s.ID, s.label(), pinned.ID, pinned.Name)
}

// open finds the run of the plan, or creates it. done: there is nothing to do.
func (a *applier) open(ctx context.Context) (done bool, err error) {
	last, done, err := a.find(ctx)
	if err != nil || done {
		return done, err
	}
	// A cluster that cannot keep positions is found before there is a run.
	if err := a.readyToKeep(ctx); err != nil || last != "" && !a.in.Again {
		return false, err
	}
	return false, a.create(ctx, last)
}

// find looks for the last run of the plan, and reads its journal. It writes
// nothing.
func (a *applier) find(ctx context.Context) (last string, done bool, err error) {
	ids, err := run.ByPlan(ctx, a.bucket, a.digest)
	if err != nil || len(ids) == 0 {
		return "", false, err
	}
	last = ids[len(ids)-1]
	if a.run, err = run.Open(ctx, a.bucket, last, a.in.Run); err != nil {
		return last, false, err
	}
	if a.history, err = replay(ctx, a.run); err != nil {
		return last, false, err
	}
	if a.in.Keep == 0 && !a.in.Again && a.history.keep > 0 {
		a.choose(a.history.keep) // as the run has begun
	}
	switch {
	case a.in.Again:
		if open, _ := a.history.open(); open {
			err = a.error(ErrRun, "run "+last+" is not finished", "kferry apply with the same plan finishes it")
		}
		return last, false, err
	case a.history.rollback != "":
		return last, false, a.rolledBack()
	case a.finished() && a.history.ended: // else its end is to be noted
		a.report.AlreadyApplied = true
		a.report.Run, a.report.Snapshot = last, firstOf(a.history.snapshots)
		for name := range a.todo {
			a.report.Groups = append(a.report.Groups, fromJournal(name, a.history.groups[name]))
		}
		return last, true, nil
	default:
		a.report.Run, a.report.Resumed = last, a.history.entries > 0
		return last, false, nil
	}
}

func (a *applier) rolledBack() error {
	return a.error(ErrRun, fmt.Sprintf("run %s was rolled back by run %s", a.run.ID(), a.history.rollback),
		"kferry apply --again applies it once more; plan again when the groups have moved since")
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func (a *applier) create(ctx context.Context, after string) error {
	info := run.Info{
		Kind: run.KindApply, Command: a.in.Command, Tool: a.in.Tool, PlanDigest: a.digest, After: after,
		Clusters: []run.Cluster{{Role: "target", ID: a.to.ID, Name: a.to.Name, Bootstrap: a.to.Bootstrap}},
	}
	if a.plan.Source != nil {
		c := a.from.cluster()
		info.Clusters = append(info.Clusters, run.Cluster{Role: "source", ID: c.ID, Name: c.Name, Bootstrap: c.Bootstrap})
	}
	if a.plan.Kind == DeleteGroups {
		info.Kind = run.KindDelete
	}
	r, err := run.Create(ctx, a.bucket, info, a.in.Run)
	var taken *run.PlanTakenError
	if errors.As(err, &taken) && taken.Run != "" {
		// Another process was faster; it holds that run, or has just ended it.
		r, err = run.Open(ctx, a.bucket, taken.Run, a.in.Run)
	}
	if err != nil {
		return err
	}
	a.run, a.report.Run = r, r.ID()
	return nil
}

// finished reports whether the journal has every group as final.
func (a *applier) finished() bool {
	for name := range a.todo {
		if l := a.history.groups[name]; l == nil || !l.final() {
			return false
		}
	}
	return true
}

func (a *applier) reportWhen(err error) (*Report, error) {
	if err != nil && a.run == nil {
		return nil, err
	}
	a.reportRest()
	slices.SortFunc(a.report.Groups, func(x, y GroupReport) int { return compareNames(x.Name, y.Name) })
	a.report.Ended = a.in.Now().UTC()
	return a.report, err
}

// reportRest adds what the plan itself leaves out, and what was not tried.
func (a *applier) reportRest() {
	have, why := map[string]bool{}, "stopped before"
	if a.history != nil && a.history.rollback != "" && !a.in.Again {
		why = "the run was rolled back; --again applies it once more"
	}
	for i := range a.report.Groups {
		have[a.report.Groups[i].Name] = true
	}
	for i := range a.plan.Groups {
		g := &a.plan.Groups[i]
		switch {
		case have[g.Name]:
		case a.todo[g.Name] != nil:
			a.report.Groups = append(a.report.Groups, GroupReport{Name: g.Name, Result: NotTried, Detail: why})
		case g.Verdict == VerdictNothing:
			a.report.Groups = append(a.report.Groups, GroupReport{Name: g.Name, Result: Unchanged})
		default:
			a.report.Groups = append(a.report.Groups, GroupReport{
				Name: g.Name, Result: Blocked, Reason: g.Reason, Detail: g.Detail, Hint: g.Hint,
			})
		}
	}
}

// carryOut does the work of a run that is held.
func (a *applier) carryOut(ctx context.Context) error {
	// The journal may have grown since it was read without the lease.
	if a.history.rollback != "" {
		return a.rolledBack()
	}
	if err := a.run.AttachEncoded(ctx, "plan", a.sealed); err != nil {
		return err
	}
	pending := a.pending()
	if open, timeout := a.history.open(); open {
		if err := a.waitLate(ctx, timeout); err != nil {
			return unlessStopped(err)
		}
	}
	seen, ground, err := a.look(ctx, pending)
	if err != nil {
		return unlessStopped(err)
	}
	if stale := a.staleNames(pending, seen); a.in.AllOrNothing && len(stale) > 0 && len(a.history.groups) == 0 {
		return a.allOrNothing(stale, seen)
	}
	if err := a.saveBefore(ctx, seen, ground); err != nil {
		return err
	}
	return a.each(ctx, sortedKeys(pending), func(ctx context.Context, name string) (GroupReport, error) {
		return a.one(ctx, pending[name], seen[name])
	})
}

// pending are the groups that are not final; those that are go to the report.
func (a *applier) pending() map[string]*Group {
	out := map[string]*Group{}
	for name, g := range a.todo {
		if l := a.history.groups[name]; l != nil && l.final() {
			a.report.Groups = append(a.report.Groups, fromJournal(name, l))
			continue
		}
		out[name] = g
	}
	return out
}

// allOrNothing refuses all groups because of those that are stale.
func (a *applier) allOrNothing(stale []string, seen map[string]*checked) error {
	for _, name := range stale {
		a.report.Groups = append(a.report.Groups, staleReport(name, seen[name].problems()))
	}
	return a.error(ErrStale, fmt.Sprintf("group %q: %s", stale[0], seen[stale[0]].problems()[0].Detail), "plan again, or leave out --all-or-nothing")
}

// unlessStopped makes no error of being asked to stop: the report says what was
// not tried.
func unlessStopped(err error) error {
	if errors.Is(err, ErrInterrupted) {
		return nil
	}
	return err
}

// staleNames are the groups that cannot be applied by now.
func (a *applier) staleNames(pending map[string]*Group, seen map[string]*checked) []string {
	var out []string
	for _, name := range sortedKeys(pending) {
		if len(seen[name].problems()) > 0 {
			out = append(out, name)
		}
	}
	return out
}
