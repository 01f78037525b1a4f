package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Status is a migration together with what its groups and topics look like now.
type Status struct {
	State *State    `json:"migration"`
	At    time.Time `json:"at"`
	// Holder is the process that holds the migration, nil when none does.
	Holder *Holder       `json:"holder"`
	Groups []GroupStatus `json:"groups"`
	// Waiting is what the next step needs, as far as it is not there now.
	Waiting []Wait `json:"waiting"`
}

// Holder is a process that holds a migration.
type Holder struct {
	User  string    `json:"user"`
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// GroupStatus is one group on both sides.
type GroupStatus struct {
	Source      string      `json:"source"`
	Target      string      `json:"target"`
	SourceState group.State `json:"source_state"`
	TargetState group.State `json:"target_state"`
	// Members on the source, TargetMembers on the target.
	Members       []Member `json:"members"`
	TargetMembers []Member `json:"target_members"`
	// Ready: nothing of the group keeps the next step from being taken; else
	// WaitsFor says what does, in a few words.
	Ready    bool          `json:"ready"`
	WaitsFor string        `json:"waits_for,omitempty"`
	Topics   []TopicStatus `json:"topics"`
}

// TopicStatus is one topic of a group on both sides, its partitions together.
// Counts are offsets, -1 where they are not known.
type TopicStatus struct {
	Source     string `json:"source"`
	Target     string `json:"target"`
	Partitions int    `json:"partitions"`
	// SourceLag is what the group has yet to read on the source, TargetLag what
	// it has to read on the target.
	SourceLag int64 `json:"source_lag"`
	TargetLag int64 `json:"target_lag"`
	// Held are the partitions that are not copied through to where the group
	// stands; Missing how many source offsets are not there, of those.
	Held    int   `json:"held"`
	Missing int64 `json:"missing"`
}

// Look reads a migration and what its groups and topics look like now. It
// writes nothing and needs no lease; what a process that holds the migration
// does meanwhile may not be in it.
func Look(ctx context.Context, name string, in Input) (*Status, error) {
	in.defaults()
	r, err := open(ctx, in.Bucket, "reading", name, in.Run)
	if err != nil {
		return nil, err
	}
	st, err := readState(ctx, r)
	if err != nil {
		return nil, err
	}
	e := &engine{in: in, run: r, st: st}
	if err := e.same("reading"); err != nil {
		return nil, err
	}
	s := &Status{State: st, At: in.Now().UTC(), Groups: []GroupStatus{}, Waiting: []Wait{}}
	if l, ok, err := r.LeaseState(ctx); err != nil {
		return nil, err
	} else if ok && l.Held() && in.Now().Before(l.Until) && !l.Holder.Gone() {
		s.Holder = &Holder{User: l.Holder.User, Host: l.Holder.Host, PID: l.Holder.PID, Since: l.Since, Until: l.Until}
	}
	if err := e.lookAtGroups(ctx, s); err != nil {
		return nil, err
	}
	return s, nil
}

// lookAtGroups reads both sides, and fills in groups and what is waited for.
func (e *engine) lookAtGroups(ctx context.Context, s *Status) error {
	here, err := read(ctx, &e.in.From, e.st.sources())
	if err != nil {
		return err
	}
	there, err := read(ctx, &e.in.To, e.st.targets())
	if err != nil {
		return err
	}
	for _, pair := range e.st.Groups {
		a, b := here.groups[pair.Source], there.groups[pair.Target]
		s.Groups = append(s.Groups, GroupStatus{
			Source: pair.Source, Target: pair.Target, SourceState: a.Group.State, TargetState: b.Group.State,
			Members: e.members(a), TargetMembers: e.members(b), Topics: []TopicStatus{},
		})
	}
	p, err := e.presentPlan(ctx)
	if err != nil {
		return err
	}
	if err := e.lags(ctx, s, p, here, there); err != nil {
		return err
	}
	if s.Waiting, err = e.needs(ctx, p, here, there); err != nil {
		return err
	}
	for i := range s.Groups {
		s.Groups[i].settle(e.st, s.Waiting)
	}
	return nil
}

func (e *engine) members(r group.Reading) []Member {
	out := []Member{}
	for _, m := range r.Group.Members {
		out = append(out, Member{ID: m.ID, ClientID: m.ClientID, Host: m.Host, InstanceID: m.InstanceID, LeavesBy: e.leaves(r, m)})
	}
	return out
}

// presentPlan is the plan in force, or, before there is one, what would be
// planned now, without the proof.
func (e *engine) presentPlan(ctx context.Context) (*plan.Plan, error) {
	if e.st.Plan != "" {
		return e.attached(ctx, e.st.Plan, e.st.PlanDigest)
	}
	in, err := planInput(&e.in, e.spec(), e.st.Groups)
	if err != nil {
		return nil, err
	}
	in.Accept.ActiveSource, in.Translate.Quick = true, true
	return plan.Build(ctx, in)
}

// lags fills in the topics of each group.
func (e *engine) lags(ctx context.Context, s *Status, p *plan.Plan, here, there *reading) error {
	from, err := ends(ctx, &e.in.From, here)
	if err != nil {
		return err
	}
	to, err := ends(ctx, &e.in.To, there)
	if err != nil {
		return err
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		planned := p.Group(g.Target)
		if planned == nil {
			continue
		}
		now := map[string]*TopicStatus{}
		for j := range planned.Positions {
			pos := &planned.Positions[j]
			t := now[pos.Topic]
			if t == nil {
				t = &TopicStatus{Source: pos.SourceTopic, Target: pos.Topic}
				now[pos.Topic] = t
			}
			t.add(pos, e.st, here.groups[g.Source], there.groups[g.Target], from, to)
		}
		for _, t := range now {
			g.Topics = append(g.Topics, *t)
		}
		slices.SortFunc(g.Topics, func(a, b TopicStatus) int { return cmp.Compare(a.Target, b.Target) })
	}
	return nil
}

// add counts one position.
func (t *TopicStatus) add(pos *plan.Position, st *State, here, there group.Reading, from, to map[topic.Partition]int64) {
	t.Partitions++
	if tp, ok := pos.SourcePartition(); ok {
		t.SourceLag = plus(t.SourceLag, lagOf(here, from, tp))
	}
	if _, ok := there.Positions[pos.Target()]; ok {
		t.TargetLag = plus(t.TargetLag, lagOf(there, to, pos.Target()))
	} else {
		t.TargetLag = plus(t.TargetLag, pos.LagAfter)
	}
	if st.Plan == "" && pos.Outcome == translate.Hold {
		t.Held++
		if pos.Source != nil && pos.CopiedThrough >= 0 {
			t.Missing = plus(t.Missing, max(0, pos.Source.Offset-pos.CopiedThrough))
		} else {
			t.Missing = -1
		}
	}
}

// plus adds what is known; -1 is not known, and stays so.
func plus(sum, n int64) int64 {
	if sum < 0 || n < 0 {
		return -1
	}
	return sum + n
}

// lagOf is what a group has to read on a partition, -1 when not known.
func lagOf(r group.Reading, ends map[topic.Partition]int64, tp topic.Partition) int64 {
	at, ok := r.Positions[tp]
	if !ok {
		return 0
	}
	end, ok := ends[tp]
	if !ok {
		return -1
	}
	return max(0, end-at.Offset)
}

// needs says what the next step waits for, as it looks now.
func (e *engine) needs(ctx context.Context, p *plan.Plan, here, there *reading) ([]Wait, error) {
	none := []Wait{}
	switch e.st.Step {
	case Checked:
		return append(none, Wait{Kind: WaitAdvance, Detail: "the application still runs on " + e.in.From.Name, Remedy: "kferry migration advance " + e.st.Name}), nil
	case Stopping:
		return append(none, here.busy(WaitMembers, e.in.From.Name, e.st.sources(), e.leaves)...), nil
	case Stopped, Copied:
		return append(append(none, heldWaits(p, nil)...), refusedWaits(p)...), nil
	case Moved, Resumed:
		return e.absent(ctx, p, there)
	case FailingBack:
		return append(none, there.busy(WaitTargetMembers, e.in.To.Name, e.st.targets(), e.leaves)...), nil
	case Planned, Applied, Verified, Across, Aborting, Aborted, FailedBack:
	}
	return none, nil
}

// absent are the groups that have not gone on on the target yet.
func (e *engine) absent(ctx context.Context, p *plan.Plan, there *reading) ([]Wait, error) {
	to, err := ends(ctx, &e.in.To, there)
	if err != nil {
		return nil, err
	}
	out := []Wait{}
	for _, name := range e.st.targets() {
		if _, ok := e.st.Resumed[name]; ok {
			continue
		}
		if a := arrival(p.Group(name), there.groups[name], to); !a.here() {
			out = append(out, Wait{Kind: WaitFirstCommit, Group: name, Detail: a.detail, Remedy: e.startText()})
		}
	}
	return out, nil
}

// settle says whether a group is ready, and what it waits for.
func (g *GroupStatus) settle(st *State, waiting []Wait) {
	g.Ready = true
	for i := range waiting {
		w := &waiting[i]
		if w.Group != "" && w.Group != g.Source && w.Group != g.Target {
			continue
		}
		g.Ready, g.WaitsFor = false, string(w.Kind)
		return
	}
	if st.Ended {
		g.Ready = st.Step == Across
	}
}

// ErrTimeout: the time limit has passed before a step was reached.
var ErrTimeout = errors.New("the time limit has passed")

// WaitFor waits until a migration has reached a step, which another process
// takes it to; it looks at the state only. Limit 0 is none. A migration that
// ends elsewhere is ErrEnded, a limit that passes ErrTimeout; the state is given
// with both.
func WaitFor(ctx context.Context, name string, step Step, limit, every time.Duration, in Input) (*State, error) {
	in.defaults()
	began := in.Now()
	for {
		st, err := Load(ctx, in.Bucket, name)
		if err != nil {
			return nil, err
		}
		switch {
		case st.Step.Reached(step):
			return st, nil
		case st.Ended:
			return st, &Error{Op: "waiting for", Name: name, Err: fmt.Errorf("%w at %s, and will not come to %s", ErrEnded, st.Step, step)}
		case limit > 0 && in.Now().Sub(began) >= limit:
			return st, &Error{Op: "waiting for", Name: name, Err: fmt.Errorf("%w: it stands at %s", ErrTimeout, st.Step)}
		}
		d := every
		if limit > 0 {
			d = min(d, limit-in.Now().Sub(began))
		}
		if err := in.Sleep(ctx, d); err != nil {
			return st, err
		}
	}
}
