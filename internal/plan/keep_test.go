package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/topic"
)

const month = 30 * 24 * time.Hour

func (q *quick) CommitFor(ctx context.Context, name string, ps []position.Position, d time.Duration) (map[topic.Partition]error, error) {
	return q.Committer.(Keeper).CommitFor(ctx, name, ps, d)
}

func (q *quick) KeepReady(ctx context.Context) error { return q.Committer.(Keeper).KeepReady(ctx) }

// times are the times that came with the latest commit of each position of a
// group: 0 for a commit without one.
type times struct {
	mu sync.Mutex
	of map[string]map[topic.Partition]time.Duration
}

func (n *node) times() *times {
	l := &times{of: map[string]map[topic.Partition]time.Duration{}}
	n.Fake.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		n.Fake.KeepControl()
		l.note(r.(*kmsg.OffsetCommitRequest))
		return nil, nil, false
	})
	return l
}

func (l *times) note(req *kmsg.OffsetCommitRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[req.Group] == nil {
		l.of[req.Group] = map[topic.Partition]time.Duration{}
	}
	for _, rt := range req.Topics {
		for _, p := range rt.Partitions {
			d := time.Duration(0)
			if req.Version >= 2 && req.Version <= 4 && req.RetentionTimeMillis >= 0 {
				d = time.Duration(req.RetentionTimeMillis) * time.Millisecond
			}
			l.of[req.Group][part(rt.Topic, p.Partition)] = d
		}
	}
}

func (l *times) get(name string) map[topic.Partition]time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.of[name])
}

func keepFor(d time.Duration) func(*Input) { return func(in *Input) { in.Keep = d } }

func TestPositionsAreKeptForTheTimeOfThePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4 state", part("orders", 1): "2"})
	w.commit(w.target, "app", at{part("orders", 0): "7 state"}) // as planned already
	p := w.build(keepFor(month))
	if s := p.Summary; p.Options.Keep() != month || s.Kept != 1 || s.New != 1 || s.Same != 0 || p.Groups[0].Positions[0].Action != Keep {
		t.Fatalf("plan: %+v %+v", p.Options, s)
	}
	ledger := w.target.times()
	rep := w.apply(p)
	if !rep.Complete() || rep.KeepMS != month.Milliseconds() || rep.Groups[0].Set != 2 {
		t.Fatalf("report: %+v", rep)
	}
	want := map[topic.Partition]time.Duration{part("orders", 0): month, part("orders", 1): month}
	if d := cmp.Diff(want, ledger.get("app")); d != "" {
		t.Errorf("times (-want +got):\n%s", d)
	}
	if d := cmp.Diff(at{part("orders", 0): "7 state", part("orders", 1): "7"}, w.positions(w.target, "app")); d != "" {
		t.Errorf("positions (-want +got):\n%s", d)
	}
	if v := w.verify(p); !v.Right() {
		t.Errorf("verify: %+v", v)
	}
	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil || back.Groups[0].Result != RolledBack {
		t.Fatalf("rollback: %+v %v", back, err)
	}
	if d := cmp.Diff(at{part("orders", 0): "7 state"}, w.positions(w.target, "app")); d != "" {
		t.Errorf("after the rollback (-want +got):\n%s", d)
	}
}

// A time below that of the cluster would let positions go earlier than a commit
// without one.
func TestPositionsAreNeverKeptForLessThanTheClusterKeepsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	ledger := w.target.times()
	rep := w.apply(w.build(keepFor(time.Hour)))
	const own = 7 * 24 * time.Hour // of kfake, as of Kafka
	if got := ledger.get("app")[part("orders", 0)]; got != own || rep.KeepMS != own.Milliseconds() {
		t.Errorf("kept for %v, report %+v", got, rep)
	}
}

func TestTheTimeOfAnApplyStandsOverThePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	w.commit(w.source, "done", at{part("orders", 0): "4"})
	w.commit(w.target, "done", at{part("orders", 0): "7"})
	p := w.build()
	digest := p.Digest
	if p.Group("done").Verdict != VerdictNothing {
		t.Fatalf("plan: %+v", p.Groups)
	}
	ledger := w.target.times()
	in := w.applyInput()
	in.Keep = month
	if ready, err := Rehearse(t.Context(), p, in); err != nil || ready.Count(Ready) != 2 || ready.KeepMS != month.Milliseconds() {
		t.Errorf("rehearsal: %+v %v", ready, err)
	}
	rep := w.apply(p, func(in *ApplyInput) { in.Keep = month })
	if !rep.Complete() || rep.Count(Applied) != 2 || rep.Digest != digest {
		t.Fatalf("report: %+v", rep)
	}
	for _, name := range []string{"app", "done"} {
		if got := ledger.get(name)[part("orders", 0)]; got != month {
			t.Errorf("%s is kept for %v", name, got)
		}
	}
	if again := w.apply(p); !again.AlreadyApplied {
		t.Errorf("applied again: %+v", again)
	}
	if v := w.verify(p); !v.Right() {
		t.Errorf("verify: %+v", v)
	}
}

// keepScene has a group with positions to move, and one that is only kept.
func keepScene(t *testing.T) (*scene, *times) {
	t.Helper()
	s := newScene(t)
	s.commit(s.source, "still", at{part("orders", 0): "4 same", part("payments", 0): "2"})
	s.before["still"] = at{part("orders", 0): "7 same", part("payments", 0): "5"}
	s.after["still"] = s.before["still"]
	s.reset()
	s.plan = s.build()
	if s.plan.Group("still").Verdict != VerdictNothing {
		t.Fatalf("plan: %+v", s.plan.Groups)
	}
	return s, s.target.times()
}

// TestKeptKilledAnywhere lets an apply that is told for how long positions are
// kept die at each step; another call that is not told does as it did, once a
// commit was announced.
func TestKeptKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%t", after), func(t *testing.T) {
			t.Parallel()
			s, ledger := keepScene(t)
			begun := 0
			for n := 1; ; n++ {
				s.reset()
				in := s.applyInput()
				k := &killtest.Killer{At: n, After: after}
				from, to, b := s.kill(k)
				in.From, in.To, in.Bucket, in.Parallel, in.Keep = &from, to, b, 1, month
				_, _ = Apply(t.Context(), s.plan, in) // what it answers is that of a dead process
				if !k.Dead() {
					break
				}
				where := k.Where()
				announced := s.announced()
				rep := s.apply(s.plan)
				if !rep.Complete() {
					t.Fatalf("%s: second apply: %+v", where, rep.Groups)
				}
				if d := cmp.Diff(s.after, s.now()); d != "" {
					t.Fatalf("%s: after the second apply (-want +got):\n%s", where, d)
				}
				if announced {
					begun++
					for name := range s.after {
						if name == "other" {
							continue
						}
						for p := range s.after[name] {
							if got := ledger.get(name)[p]; got != month {
								t.Fatalf("%s: %s of %s is kept for %v", where, p, name, got)
							}
						}
					}
				}
				back, err := Rollback(t.Context(), rep.Run, s.rollbackInput())
				if err != nil || !back.Complete() {
					t.Fatalf("%s: rollback: %+v %v", where, back, err)
				}
				if d := cmp.Diff(s.before, s.now()); d != "" {
					t.Fatalf("%s: after the rollback (-want +got):\n%s", where, d)
				}
			}
			if begun < 10 {
				t.Errorf("only %d steps were after the first commit was announced", begun)
			}
		})
	}
}

// announced reports whether the journal has a commit with a time.
func (s *scene) announced() bool {
	s.t.Helper()
	h := s.replayed()
	return h != nil && h.keep > 0
}

func (w *world) keep(names ...string) *Plan {
	w.t.Helper()
	p, err := BuildKeep(context.Background(), KeepInput{To: w.target.side(), Groups: names, For: month, Tool: "kferry test"})
	if err != nil {
		w.t.Fatalf("building a plan: %v", err)
	}
	return p
}

func TestKeepCommitsWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	strange := "\x00\xff not UTF-8 \xc3("
	have := at{part("orders", 0): "3 " + strange, part("payments", 0): "12"}
	w.commit(w.target, "app", have)
	// What the log has is not looked at: it stays wherever it is.
	if err := w.deleteRecords(w.target, part("orders", 0), 9); err != nil {
		t.Fatal(err)
	}
	ledger := w.target.times()
	p := w.keep("app", "app")
	if p.Kind != KeepOffsets || p.Summary.Kept != 2 || p.Summary.Applicable != 1 || !p.AllApplicable() {
		t.Fatalf("plan: %+v", p)
	}
	var file bytes.Buffer
	if err := Write(&file, p); err != nil {
		t.Fatal(err)
	}
	p, err := Read(&file, "plan.json")
	if err != nil {
		t.Fatal(err)
	}
	rep := w.apply(p)
	if !rep.Complete() || rep.Groups[0].Set != 2 || rep.Snapshot == "" {
		t.Fatalf("report: %+v", rep)
	}
	if d := cmp.Diff(have, w.positions(w.target, "app")); d != "" {
		t.Errorf("positions (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[topic.Partition]time.Duration{part("orders", 0): month, part("payments", 0): month}, ledger.get("app")); d != "" {
		t.Errorf("times (-want +got):\n%s", d)
	}
	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil || back.Groups[0].Result != Unchanged || !strings.Contains(back.Groups[0].Detail, "nothing to restore") {
		t.Errorf("rollback: %+v %v", back, err)
	}
	if v := w.verify(p); v.Counts[LateCommit] > 0 || v.Counts[Wrong] > 0 {
		t.Errorf("verify after the rollback: %+v", v)
	}
}

func TestKeepRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "used", at{part("orders", 0): "3"})
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.target.Fake.ListenAddrs()...), kgo.ConsumerGroup("used"), kgo.ConsumeTopics("orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for r := w.readTarget("used"); len(r.Group.Members) == 0; r = w.readTarget("used") {
		cl.PollRecords(t.Context(), 1)
	}
	p := w.keep("used", "nobody")
	if g := p.Group("used"); g.Reason != ReasonGroupActive || g.Applicable() {
		t.Errorf("with members: %+v", g)
	}
	if g := p.Group("nobody"); g.Reason != ReasonGroupMissing || g.Applicable() {
		t.Errorf("missing: %+v", g)
	}
	for name, in := range map[string]KeepInput{
		"no groups": {To: w.target.side(), For: month},
		"no name":   {To: w.target.side(), For: month, Groups: []string{""}},
		"no time":   {To: w.target.side(), Groups: []string{"app"}},
		"for ever":  {To: w.target.side(), Groups: []string{"app"}, For: 200 * 365 * 24 * time.Hour},
	} {
		if _, err := BuildKeep(t.Context(), in); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v, want ErrInput", name, err)
		}
	}
}

func (w *world) readTarget(name string) group.Reading {
	w.t.Helper()
	all, err := w.target.Groups.Read(context.Background(), []string{name})
	if err != nil {
		w.t.Fatal(err)
	}
	return all[name]
}

// That a position is as it was to be says nothing of whether it is kept: the
// broker's answer does.
func TestKeepThatWasNotTaken(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]*kerr.Error{
		"refused": kerr.GroupAuthorizationFailed, "open": kerr.RequestTimedOut,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.commit(w.target, "app", at{part("orders", 0): "3", part("orders", 1): "4"})
			p := w.keep("app")
			w.failCommits(code, "")
			rep := w.apply(p)
			if g := rep.Groups[0]; g.Result != Refused || rep.Complete() {
				t.Fatalf("report: %+v", rep)
			}
			ledger := w.target.times()
			if rep = w.apply(p); !rep.Complete() || rep.Groups[0].Result != Applied {
				t.Fatalf("second apply: %+v", rep)
			}
			if got := ledger.get("app")[part("orders", 1)]; got != month {
				t.Errorf("kept for %v", got)
			}
		})
	}
}

// failCommits lets the next commit on the target fail for a topic, or for all.
func (w *world) failCommits(code *kerr.Error, only string) {
	w.t.Helper()
	w.target.Fake.Fault(faultOf(code, only))
}

func TestMovedAndKeptTakenInPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4", part("payments", 0): "2"})
	w.commit(w.target, "app", at{part("payments", 0): "5"})
	p := w.build(keepFor(month))
	if p.Summary.Kept != 1 || p.Summary.New != 1 {
		t.Fatalf("plan: %+v", p.Summary)
	}
	w.failCommits(kerr.TopicAuthorizationFailed, "payments")
	rep := w.apply(p)
	if g := rep.Groups[0]; g.Result != TakenBack || g.Reason != ReasonPartTaken {
		t.Fatalf("report: %+v", rep)
	}
	if d := cmp.Diff(at{part("payments", 0): "5"}, w.positions(w.target, "app")); d != "" {
		t.Errorf("taken back (-want +got):\n%s", d)
	}
	if rep = w.apply(p); !rep.Complete() {
		t.Fatalf("second apply: %+v", rep)
	}
}

// plain writes groups and cannot keep positions.
type plain struct{ Committer }

func TestAClusterThatCannotKeepIsFoundBeforeAnything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	p := w.build()
	in := w.applyInput()
	in.To.Write, in.Keep = &plain{w.target.Groups}, month
	if _, err := Apply(t.Context(), p, in); !errors.Is(err, group.ErrNoKeep) {
		t.Errorf("apply: %v", err)
	}
	if ids, err := run.ByPlan(t.Context(), w.bucket, p.Digest); err != nil || len(ids) > 0 {
		t.Errorf("runs %v, %v", ids, err)
	}
	if got := w.positions(w.target, "app"); got != nil {
		t.Errorf("positions: %v", got)
	}
	build := w.input()
	build.To.Write, build.Keep = &plain{w.target.Groups}, month
	if _, err := Build(t.Context(), build); !errors.Is(err, group.ErrNoKeep) {
		t.Errorf("plan: %v", err)
	}
	if _, err := BuildKeep(t.Context(), KeepInput{To: in.To, Groups: []string{"app"}, For: month}); !errors.Is(err, group.ErrNoKeep) {
		t.Errorf("keep: %v", err)
	}
	in = w.applyInput()
	in.Keep = -time.Second
	if _, err := Apply(t.Context(), p, in); !errors.Is(err, ErrInput) {
		t.Errorf("a negative time: %v", err)
	}
}

func TestAPlanThatKeepsIsChecked(t *testing.T) {
	t.Parallel()
	seven := func() *Offset { return &Offset{Offset: 7, LeaderEpoch: -1} }
	for name, change := range map[string]func(*Plan){
		"no time":     func(p *Plan) { p.Options.KeepMS = 0 },
		"time below":  func(p *Plan) { p.Options.KeepMS = -1 },
		"for ever":    func(p *Plan) { p.Options.KeepMS = maxKeep.Milliseconds() + 1 },
		"another one": func(p *Plan) { p.Groups[0].Positions[0].After.Offset = 8 },
		"none":        func(p *Plan) { p.Groups[0].Positions[0].Before = nil },
		"blocked":     func(p *Plan) { p.Groups[0].Positions[0].Blocked = true },
	} {
		p := &Plan{
			Kind: KeepOffsets, Created: time.Now(), Target: Cluster{ID: "x"}, Options: Options{KeepMS: 1000},
			Groups: []Group{{Name: "app", Positions: []Position{{Topic: "orders", Action: Keep, Before: seven(), After: seven()}}}},
		}
		if err := p.check(); err != nil {
			t.Fatalf("good plan: %v", err)
		}
		change(p)
		if err := p.check(); !errors.Is(err, ErrNoPlan) {
			t.Errorf("%s: %v, want ErrNoPlan", name, err)
		}
	}
}
