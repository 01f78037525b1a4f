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
	"github.com/kferry/kferry/internal/run"
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
	// Unseen is what could not be looked at.
	Unseen []Unseen `json:"unseen"`
}

// ErrUnseen tells that a cluster could not be looked at.
var ErrUnseen = errors.New("not everything could be looked at")

// unseenWord stands in GroupStatus.WaitsFor when nobody knows.
const unseenWord = "unseen"

// Unseen is a cluster that could not be looked at.
type Unseen struct {
	// Side is source or target; empty for what would be planned now.
	Side    string `json:"side"`
	Cluster string `json:"cluster"`
	Error   string `json:"error"`
	// Err is the cause, for a program.
	Err error `json:"-"`
}

// Holder is a process that holds a migration.
type Holder struct {
	User  string    `json:"user"`
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// String is what people need to find the process.
func (h *Holder) String() string {
	return run.Who{User: h.User, Host: h.Host, PID: h.PID}.String()
}

// HolderOf reads who holds the run of a migration now; nil when nobody does,
// or when the process that did has ended.
func HolderOf(ctx context.Context, r *run.Run, now time.Time) (*Holder, error) {
	l, ok, err := r.LeaseState(ctx)
	if err != nil || !ok || !l.Held() || !now.Before(l.Until) || l.Holder.Gone() {
		return nil, err
	}
	return &Holder{User: l.Holder.User, Host: l.Holder.Host, PID: l.Holder.PID, Since: l.Since.UTC(), Until: l.Until.UTC()}, nil
}

// GroupStatus is one group on both sides. A state is empty when that side could
// not be looked at.
type GroupStatus struct {
	Source      string      `json:"source"`
	Target      string      `json:"target"`
	SourceState group.State `json:"source_state"`
	TargetState group.State `json:"target_state"`
	// Members on the source, TargetMembers on the target.
	Members       []Member `json:"members"`
	TargetMembers []Member `json:"target_members"`
	// Ready: nothing of the group keeps the next step from being taken; else
	// WaitsFor says what does: the kind of a Wait, or "unseen".
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

// LookOffline reads what the journal of a migration says, and who holds it, and
// looks at no cluster: In needs its Bucket only.
func LookOffline(ctx context.Context, name string, in Input) (*Status, error) {
	s, _, err := recorded(ctx, name, in)
	return s, err
}

// Look reads a migration and what its groups and topics look like now. It
// writes nothing and needs no lease; what a process that holds the migration
// does meanwhile may not be in it. A side without its Read is not looked at. When
// a cluster could not be looked at the status is given with the error, which is
// ErrUnseen then, and has what could be seen.
func Look(ctx context.Context, name string, in Input) (*Status, error) {
	s, e, err := recorded(ctx, name, in)
	if err != nil {
		return nil, err
	}
	for _, one := range e.sides() {
		if one.side.Read == nil {
			continue
		}
		if err := e.sameSide("reading", one); err != nil {
			return nil, err
		}
	}
	e.lookAtGroups(ctx, s)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var unseen []error
	for i := range s.Unseen {
		unseen = append(unseen, s.Unseen[i].Err)
	}
	if len(unseen) > 0 {
		return s, fmt.Errorf("%w: %w", ErrUnseen, errors.Join(unseen...))
	}
	return s, nil
}

// recorded reads the journal and the lease.
func recorded(ctx context.Context, name string, in Input) (*Status, *engine, error) {
	in.defaults()
	r, err := open(ctx, in.Bucket, "reading", name, in.Run)
	if err != nil {
		return nil, nil, err
	}
	st, err := readState(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	s := &Status{State: st, At: in.Now().UTC(), Groups: []GroupStatus{}, Waiting: eventWaits(st), Unseen: []Unseen{}}
	if s.Holder, err = HolderOf(ctx, r, in.Now()); err != nil {
		return nil, nil, err
	}
	for _, pair := range st.Groups {
		s.Groups = append(s.Groups, GroupStatus{
			Source: pair.Source, Target: pair.Target, WaitsFor: unseenWord,
			Members: []Member{}, TargetMembers: []Member{}, Topics: []TopicStatus{},
		})
	}
	return s, &engine{in: in, run: r, st: st}, nil
}

// eventWaits are the events of the present step that failed: nothing goes on
// before they have been called once more.
func eventWaits(st *State) []Wait {
	out := []Wait{}
	for i := range st.Spec.Events {
		e, called := st.outcome(i)
		if called && e.State == eventFailed {
			out = append(out, Wait{
				Kind: WaitEvent, Detail: fmt.Sprintf("event %d of step %s failed: %s", i+1, e.Step, e.Detail),
				Remedy: "mend it; kferry migration advance calls it again",
			})
		}
	}
	return out
}

// blind adds what could not be looked at.
func (s *Status) blind(side, cluster string, err error) {
	if err != nil {
		s.Unseen = append(s.Unseen, Unseen{Side: side, Cluster: cluster, Error: err.Error(), Err: err})
	}
}

// errNotConnected: the caller could not open the cluster.
var errNotConnected = errors.New("not connected")

// lookAt reads the groups of one side, nil when that cannot be done.
func (e *engine) lookAt(ctx context.Context, s *Status, one pinnedSide, names []string) *reading {
	if one.side.Read == nil {
		s.blind(one.what, one.pinned.Name, errNotConnected)
		return nil
	}
	r, err := read(ctx, one.side, names)
	if err != nil {
		s.blind(one.what, one.pinned.Name, err)
		return nil
	}
	return r
}

// lookAtGroups reads both sides, and fills in groups and what is waited for, as
// far as that can be seen.
func (e *engine) lookAtGroups(ctx context.Context, s *Status) {
	sides := e.sides()
	here := e.lookAt(ctx, s, sides[0], e.st.sources())
	there := e.lookAt(ctx, s, sides[1], e.st.targets())
	for i := range s.Groups {
		g := &s.Groups[i]
		if here != nil {
			a := here.groups[g.Source]
			g.SourceState, g.Members = a.Group.State, members(&e.in.From, a)
		}
		if there != nil {
			b := there.groups[g.Target]
			g.TargetState, g.TargetMembers = b.Group.State, members(&e.in.To, b)
		}
	}
	var p *plan.Plan
	if e.st.Plan != "" || here != nil && there != nil {
		var err error
		if p, err = e.presentPlan(ctx); err != nil {
			s.blind("", "", fmt.Errorf("planning what would be moved now: %w", err))
		}
	}
	if p != nil {
		e.lags(ctx, s, p, here, there)
	}
	waiting, known, err := e.needs(ctx, p, here, there)
	if err != nil {
		s.blind("target", e.st.Target.Name, err)
	}
	s.Waiting = append(s.Waiting, waiting...)
	for i := range s.Groups {
		s.Groups[i].settle(e.st, s.Waiting, known && err == nil)
	}
}

func members(side *plan.Side, r group.Reading) []Member {
	out := []Member{}
	for _, m := range r.Group.Members {
		out = append(out, Member{ID: m.ID, ClientID: m.ClientID, Host: m.Host, InstanceID: m.InstanceID, LeavesBy: leaves(side)(r, m)})
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
	in.Settle, in.Progress = -1, e.planProgress // positions that move are shown where they are
	return plan.Build(ctx, in)
}

// lags fills in the topics of each group.
func (e *engine) lags(ctx context.Context, s *Status, p *plan.Plan, here, there *reading) {
	now := lookNow{st: e.st, here: here, there: there}
	sides := e.sides()
	for i, r := range []*reading{here, there} {
		if r == nil {
			continue
		}
		at, err := ends(ctx, sides[i].side, r)
		s.blind(sides[i].what, sides[i].pinned.Name, err)
		if i == 0 {
			now.from = at
		} else {
			now.to = at
		}
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		planned := p.Group(g.Target)
		if planned == nil {
			continue
		}
		topics := map[string]*TopicStatus{}
		for j := range planned.Positions {
			pos := &planned.Positions[j]
			t := topics[pos.Topic]
			if t == nil {
				t = &TopicStatus{Source: pos.SourceTopic, Target: pos.Topic}
				topics[pos.Topic] = t
			}
			now.add(t, g, pos)
		}
		for _, t := range topics {
			g.Topics = append(g.Topics, *t)
		}
		slices.SortFunc(g.Topics, func(a, b TopicStatus) int { return cmp.Compare(a.Target, b.Target) })
	}
}

// lookNow is what one look has read of both sides; nil is not known.
type lookNow struct {
	st          *State
	here, there *reading
	from, to    map[topic.Partition]int64
}

// add counts one position of a group.
func (n *lookNow) add(t *TopicStatus, g *GroupStatus, pos *plan.Position) {
	t.Partitions++
	if tp, ok := pos.SourcePartition(); ok {
		t.SourceLag = plus(t.SourceLag, lagOf(n.here, g.Source, n.from, tp))
	}
	t.TargetLag = plus(t.TargetLag, n.targetLag(g.Target, pos))
	if n.st.Plan != "" || pos.Outcome != translate.Hold {
		return
	}
	t.Held++
	if pos.Source != nil && pos.CopiedThrough >= 0 {
		t.Missing = plus(t.Missing, max(0, pos.Source.Offset-pos.CopiedThrough))
	} else {
		t.Missing = -1
	}
}

// targetLag is what the group has to read on the target, or would have from
// where the plan puts it.
func (n *lookNow) targetLag(name string, pos *plan.Position) int64 {
	if n.there == nil {
		return -1
	}
	if _, ok := n.there.groups[name].Positions[pos.Target()]; ok {
		return lagOf(n.there, name, n.to, pos.Target())
	}
	return pos.LagAfter
}

// plus adds what is known; -1 is not known, and stays so.
func plus(sum, n int64) int64 {
	if sum < 0 || n < 0 {
		return -1
	}
	return sum + n
}

// lagOf is what a group has to read on a partition, -1 when not known.
func lagOf(r *reading, name string, ends map[topic.Partition]int64, tp topic.Partition) int64 {
	if r == nil {
		return -1
	}
	at, ok := r.groups[name].Positions[tp]
	if !ok {
		return 0
	}
	end, ok := ends[tp]
	if !ok {
		return -1
	}
	return max(0, end-at.Offset)
}

// needs says what the next step waits for, as it looks now; known is false when
// what it would have to look at could not be seen.
func (e *engine) needs(ctx context.Context, p *plan.Plan, here, there *reading) (out []Wait, known bool, err error) {
	if r := e.st.returning; r != nil {
		return []Wait{{
			Kind: WaitAdvance, Detail: fmt.Sprintf("what was committed is being taken back, to return to %s: %s", r.To, r.Detail),
			Remedy: "kferry migration advance " + e.st.Name + ", unless another process is at it",
		}}, true, nil
	}
	switch e.st.Step {
	case Checked:
		return []Wait{{Kind: WaitAdvance, Detail: "the application still runs on " + e.st.Source.Name, Remedy: "kferry migration advance " + e.st.Name}}, true, nil
	case Stopping:
		if here == nil {
			return nil, false, nil
		}
		return here.busy(WaitMembers, e.in.From.Name, e.st.sources(), leaves(&e.in.From)), true, nil
	case Stopped, Copied:
		if p == nil {
			return nil, false, nil
		}
		return append(heldWaits(p, nil), refusedWaits(p)...), true, nil
	case Moved, Resumed:
		if p == nil || there == nil {
			return nil, false, nil
		}
		out, err = e.absent(ctx, p, there)
		return out, true, err
	case FailingBack:
		if there == nil {
			return nil, false, nil
		}
		return there.busy(WaitTargetMembers, e.in.To.Name, e.st.targets(), leaves(&e.in.To)), true, nil
	case Planned, Applied, Verified, Across, Aborting, Aborted, FailedBack:
	}
	return nil, true, nil
}

// absent are the groups that have not gone on on the target yet.
func (e *engine) absent(ctx context.Context, p *plan.Plan, there *reading) ([]Wait, error) {
	all, err := e.compare(ctx, p, there)
	if err != nil {
		return nil, err
	}
	var out []Wait
	for _, name := range e.st.targets() {
		if _, ok := e.st.Resumed[name]; ok {
			continue
		}
		if w := e.absence(name, all[name]); w != nil {
			out = append(out, *w)
		}
	}
	return out, nil
}

// settle says whether a group is ready, and what it waits for.
func (g *GroupStatus) settle(st *State, waiting []Wait, known bool) {
	g.Ready, g.WaitsFor = known, ""
	if !known {
		g.WaitsFor = unseenWord
	}
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
