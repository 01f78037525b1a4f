package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/topic"
)

// Verify compares the groups of the target with the plan, and shows the proof
// of each position again. It tells an application that has moved on from a
// position that is wrong, and names a commit that landed late. It writes
// nothing. Groups that the plan blocks are left out. The error is for what
// prevents looking; ErrForeign for the wrong clusters.
func Verify(ctx context.Context, p *Plan, in VerifyInput) (*VerifyReport, error) {
	v := &verifier{plan: p, in: in}
	if err := v.begin(ctx); err != nil {
		return nil, err
	}
	var names []string
	for i := range p.Groups {
		g := &p.Groups[i]
		if g.Applicable() || g.Verdict == VerdictNothing {
			names = append(names, g.Name)
			continue
		}
		v.find(Note, g.Name, fmt.Sprintf("the plan does not apply to group %q (%s), so it was not looked at", g.Name, g.Verdict))
	}
	if len(names) == 0 {
		return v.report, nil
	}
	v.event(Event{Stage: "reading groups of the target", Total: len(names)})
	readings, err := in.To.Read.Read(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("reading groups of %s: %w", in.To.label(), err)
	}
	if v.bounds, err = v.readBounds(ctx, readings); err != nil {
		return nil, err
	}
	proofs, err := v.proofs(ctx, names)
	if err != nil {
		return nil, err
	}
	if len(proofs) > 0 {
		v.find(Note, "", "the records of the proofs were read again; what follows the positions was not")
	}
	for _, name := range names {
		r, ok := readings[name]
		if !ok {
			r = absent(name)
		}
		v.group(p.Group(name), r, proofs)
	}
	return v.report, nil
}

type verifier struct {
	plan    *Plan
	in      VerifyInput
	history *history
	bounds  map[topic.Partition]topic.Bounds
	report  *VerifyReport

	sourceTopics, targetTopics map[string]topic.Topic // of the proofs
}

func (v *verifier) event(e Event) {
	if v.in.Progress != nil {
		v.in.Progress(e)
	}
}

func (v *verifier) find(s Severity, name, detail string) {
	v.report.Findings = append(v.report.Findings, Finding{Severity: s, Reason: ReasonIncomplete, Group: name, Detail: detail})
}

func (v *verifier) begin(ctx context.Context) error {
	p, in := v.plan, &v.in
	if in.Now == nil {
		in.Now = time.Now
	}
	sealed, err := p.sealing()
	if err != nil {
		return err
	}
	v.report = &VerifyReport{
		Digest: sealed.digest, Checked: in.Now().UTC(), Groups: []VerifyGroup{}, Findings: []Finding{},
		Counts: map[Check]int{}, Proofs: map[ProofCheck]int{},
	}
	fail := func(kind error, detail, hint string) error {
		return &Error{Op: "verifying plan", Object: sealed.digest, Err: fmt.Errorf("%w: %s", kind, detail), Hint: hint}
	}
	if in.To.Read == nil || in.To.Log == nil || in.To.Topics == nil {
		return fail(ErrInput, "the target is missing", "")
	}
	if err := foreign(p.Target, &in.To); err != nil {
		return fail(ErrForeign, "the target is "+err.Error(), "name the cluster that the plan was made for")
	}
	if p.Source != nil && in.From != nil {
		if err := foreign(*p.Source, in.From); err != nil {
			return fail(ErrForeign, "the source is "+err.Error(), "name the cluster that the plan was made for")
		}
	}
	if in.Bucket == nil {
		v.find(Note, "", "the journal was not looked at: a plan that was not applied, or was rolled back, looks like wrong positions")
		return nil
	}
	return v.readJournal(ctx)
}

// readJournal reads the last run of the plan, if there is one.
func (v *verifier) readJournal(ctx context.Context) error {
	ids, err := run.ByPlan(ctx, v.in.Bucket, v.report.Digest)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	v.history = newHistory()
	if len(ids) == 0 {
		return nil
	}
	v.report.Run = ids[len(ids)-1]
	r, err := run.Open(ctx, v.in.Bucket, v.report.Run, nil)
	if err != nil {
		return err
	}
	v.history, err = replay(ctx, r)
	return err
}

func (v *verifier) readBounds(ctx context.Context, readings map[string]group.Reading) (map[topic.Partition]topic.Bounds, error) {
	ask := map[topic.Partition]bool{}
	for name := range readings {
		g := v.plan.Group(name)
		for i := range g.Positions {
			if q := &g.Positions[i]; q.After != nil && !q.Blocked {
				ask[q.Target()] = true
			}
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	out, err := v.in.To.Log.Bounds(ctx, sortedPartitions(ask))
	if err != nil {
		return nil, fmt.Errorf("reading offsets of %s: %w", v.in.To.label(), err)
	}
	return out, nil
}

// group checks one group and adds it to the report.
func (v *verifier) group(g *Group, r group.Reading, proofs map[*Position][]ProofRecord) {
	out := VerifyGroup{Name: g.Name, State: string(r.Group.State), Members: members(r.Group), Result: AsWritten, Positions: []VerifyPosition{}}
	if err := errors.Join(r.Err, r.Group.Err); err != nil {
		out.Result, out.Detail = Wrong, fmt.Sprintf("the group cannot be read: %v", err)
		v.report.Counts[Wrong]++
		v.report.Groups = append(v.report.Groups, out)
		return
	}
	for i := range g.Positions {
		q := &g.Positions[i]
		if q.Blocked || q.Action == None {
			continue
		}
		p := v.position(g, q, r)
		v.proof(&p, q, proofs[q])
		v.report.Counts[p.Check]++
		v.report.Proofs[p.Proof]++
		if worse(p.Check, out.Result) {
			out.Result, out.Detail = p.Check, p.Detail
		}
		out.Positions = append(out.Positions, p)
	}
	if g.Delete && exists(r.Group) && out.Result == AsWritten {
		out.Result, out.Detail = MovedOn, "the plan deleted the group, and it exists again"
		if j := v.journalled(g.Name); j.known && !j.inForce {
			out.Result, out.Detail = NotApplied, "the group still exists"
		}
		v.report.Counts[out.Result]++
	}
	for _, missing := range r.Complete.Missing {
		v.find(Warning, g.Name, missing)
	}
	v.report.Groups = append(v.report.Groups, out)
}

// proof adds what became of the proof of a position.
func (v *verifier) proof(out *VerifyPosition, q *Position, records []ProofRecord) {
	out.Proof, out.ProofDetail = judgeProof(q, records)
	out.ProofRecords = append([]ProofRecord{}, records...)
	if q.Proof != nil && q.Source != nil {
		out.ProofMissing, out.Known = q.Proof.Missing, q.Proof.Known
	}
}

func worse(a, b Check) bool {
	order := []Check{AsWritten, MovedOn, NotApplied, LateCommit, Wrong}
	return slices.Index(order, a) > slices.Index(order, b)
}

// journalled is how a group stands in the journal, for its positions.
type journalled struct {
	known      bool // there is a journal to look at
	inForce    bool // the run wrote the group, and it was not taken back
	takenBack  bool // at once, by the run itself
	rolledBack bool
}

func (v *verifier) journalled(name string) journalled {
	if v.history == nil {
		return journalled{}
	}
	l := v.history.groups[name]
	return journalled{
		known: true, inForce: l != nil && l.status != statusNone,
		takenBack: l != nil && l.status == statusNone && l.written, rolledBack: v.history.rolledBack[name],
	}
}

// position compares one position with what it is now.
func (v *verifier) position(g *Group, q *Position, r group.Reading) VerifyPosition {
	out := VerifyPosition{Topic: q.Topic, Partition: q.Partition, Planned: q.After}
	if q.Action == Delete {
		out.Planned = nil
	}
	if have, ok := r.Positions[q.Target()]; ok {
		out.Now = offsetOf(have)
	}
	if out.Now != nil && out.Planned != nil {
		out.Ahead = out.Now.Offset - out.Planned.Offset
	}
	j := v.journalled(g.Name)
	say := func(c Check, format string, args ...any) { out.Check, out.Detail = c, fmt.Sprintf(format, args...) }
	same := out.Now.same(out.Planned)
	switch {
	case j.rolledBack && same && q.Writes() && q.Action != Keep:
		say(LateCommit, "the run was rolled back by run %s, and the position is again what it wrote: a request of it landed late", v.history.rollback)
		out.Hint = "roll back run " + v.report.Run + " again"
	case j.rolledBack:
		say(NotApplied, "the run was rolled back by run %s", v.history.rollback)
	case j.takenBack && same && q.Writes() && q.Action != Keep:
		say(LateCommit, "what was written was taken back, and the position is again what was written: a request landed late")
		out.Hint = "roll back run " + v.report.Run
	case same:
		out.Check = AsWritten
	case j.known && !j.inForce && g.Applicable():
		say(NotApplied, "the plan was not applied to this group")
		out.Hint = "kferry apply"
	default:
		v.differs(q, r, &out)
	}
	return out
}

// differs judges a position that is not the planned one.
func (v *verifier) differs(q *Position, r group.Reading, out *VerifyPosition) {
	say := func(c Check, format string, args ...any) { out.Check, out.Detail = c, fmt.Sprintf(format, args...) }
	active := len(r.Group.Members) > 0
	switch b := v.bounds[q.Target()]; {
	case out.Now == nil:
		say(Wrong, "the position is missing: it expired, or the group or the topic was deleted")
		out.Hint = "plan again"
	case q.Writes() && q.Action != Keep && out.Now.same(q.Before):
		say(LateCommit, "the position is what it was before the plan: an old commit landed late, or the application restored it")
		out.Hint = "find out who committed it, and plan again"
	case out.Planned == nil:
		say(MovedOn, "the plan deleted the position; the application has committed %d since", out.Now.Offset)
	case out.Ahead < 0:
		say(Wrong, "the position is %d behind what the plan wrote: records will be read again", -out.Ahead)
		out.Hint = "find out who committed it, and plan again"
	case b.Err == nil && b.End > 0 && out.Now.Offset > b.End:
		say(Wrong, "the position lies beyond the log, which ends at %d", b.End)
		out.Hint = "the topic was cut or created anew"
	case out.Ahead > 0:
		say(MovedOn, "the application has moved on by %d", out.Ahead)
	case active || out.Now.LeaderEpoch >= 0:
		// Ours has no leader epoch; those of consumers do.
		say(MovedOn, "the application has committed the same offset since, with its own metadata")
	default:
		say(Wrong, "the offset is as planned, and the metadata is another one")
		out.Hint = "find out who committed it"
	}
}
