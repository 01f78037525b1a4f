package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/translate"
)

func selected(tb testing.TB, s position.Selector) *position.Selection {
	tb.Helper()
	sel, err := s.Compile()
	if err != nil {
		tb.Fatal(err)
	}
	return sel
}

func (w *world) buildReset(s position.Selector, to ResetTo, change ...func(*ResetInput)) *Plan {
	w.t.Helper()
	in := ResetInput{To: w.target.side(), Selection: selected(w.t, s), ResetTo: to, Tool: "kferry test"}
	for _, f := range change {
		f(&in)
	}
	p, err := BuildReset(context.Background(), in)
	if err != nil {
		w.t.Fatalf("planning a reset: %v", err)
	}
	return p
}

// afters are the planned offsets of a group, "refused" where it is.
func afters(g *Group) map[string]string {
	out := map[string]string{}
	for i := range g.Positions {
		q := &g.Positions[i]
		switch {
		case q.Blocked:
			out[q.Target().String()] = string(q.Reason)
		case q.After == nil:
			out[q.Target().String()] = string(q.Action)
		default:
			out[q.Target().String()] = fmt.Sprintf("%s %s", q.Action, q.After)
		}
	}
	return out
}

// TestResetPlaces: the logs of orders on the target are 0 to 13 and 0 to 15.
func TestResetPlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "app", at{part("orders", 0): "4 state", part("orders", 1): "9"})
	if err := w.deleteRecords(w.target, part("orders", 1), 2); err != nil {
		t.Fatal(err)
	}
	late := time.Now().Add(time.Hour)
	w.produce(w.target, &kgo.Record{Topic: "orders", Partition: 0, Value: []byte("late"), Timestamp: late}, &kgo.Record{Topic: "orders", Partition: 0, Value: []byte("later"), Timestamp: late.Add(time.Hour)})
	for name, c := range map[string]struct {
		to   ResetTo
		want map[string]string
	}{
		"earliest":        {ResetTo{Place: PlaceEarliest}, map[string]string{"orders/0": "change 0", "orders/1": "change 2"}},
		"latest":          {ResetTo{Place: PlaceLatest}, map[string]string{"orders/0": "change 15", "orders/1": "change 15"}},
		"current":         {ResetTo{Place: PlaceCurrent}, map[string]string{"orders/0": "same 4 with 5 bytes of metadata", "orders/1": "same 9"}},
		"offset":          {ResetTo{Place: PlaceOffset, Offset: 4}, map[string]string{"orders/0": "same 4 with 5 bytes of metadata", "orders/1": "change 4"}},
		"the edges count": {ResetTo{Place: PlaceOffset, Offset: 15}, map[string]string{"orders/0": "change 15", "orders/1": "change 15"}},
		"above the end":   {ResetTo{Place: PlaceOffset, Offset: 16}, map[string]string{"orders/0": "out-of-range", "orders/1": "out-of-range"}},
		"below one start": {ResetTo{Place: PlaceOffset, Offset: 1}, map[string]string{"orders/0": "change 1", "orders/1": "out-of-range"}},
		"shift back":      {ResetTo{Place: PlaceShift, Offset: -4}, map[string]string{"orders/0": "change 0", "orders/1": "change 5"}},
		"shift too far":   {ResetTo{Place: PlaceShift, Offset: -5}, map[string]string{"orders/0": "out-of-range", "orders/1": "change 4"}},
		"shift overflows": {ResetTo{Place: PlaceShift, Offset: 1<<63 - 1}, map[string]string{"orders/0": "out-of-range", "orders/1": "out-of-range"}},
		"long ago":        {ResetTo{Place: PlaceTime, Time: time.UnixMilli(1)}, map[string]string{"orders/0": "change 0", "orders/1": "change 2"}},
		"a record's time": {ResetTo{Place: PlaceTime, Time: late}, map[string]string{"orders/0": "change 13", "orders/1": "change 15"}},
		"just after it":   {ResetTo{Place: PlaceTime, Time: late.Add(time.Millisecond)}, map[string]string{"orders/0": "change 14", "orders/1": "change 15"}},
		"after all":       {ResetTo{Place: PlaceTime, Time: late.Add(2 * time.Hour)}, map[string]string{"orders/0": "change 15", "orders/1": "change 15"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := w.buildReset(position.Selector{Groups: []string{"a*"}}, c.to)
			g := p.Group("app")
			if d := cmp.Diff(c.want, afters(g)); d != "" {
				t.Errorf("planned (-want +got):\n%s", d)
			}
			bad := slices.ContainsFunc(g.Positions, func(q Position) bool { return q.Blocked })
			if g.Applicable() == bad && g.Verdict != VerdictNothing {
				t.Errorf("verdict %s with blocked positions: %t", g.Verdict, bad)
			}
			for _, q := range g.Positions {
				if q.Reason == ReasonOutOfRange && !strings.Contains(q.Detail, fmt.Sprintf("which has %d to 15", map[int32]int{0: 0, 1: 2}[q.Partition])) {
					t.Errorf("the range is not shown: %s", q.Detail)
				}
			}
		})
	}
}

func TestResetLagAndNotes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "app", at{part("orders", 0): "4 state"})
	p := w.buildReset(position.Selector{Groups: []string{"app"}, Partitions: []string{"orders:0"}}, ResetTo{Place: PlaceOffset, Offset: 1})
	q := p.Groups[0].Positions[0]
	if q.LagBefore != 9 || q.LagAfter != 12 || q.Rewind != 3 || q.Lost != 0 || q.Outcome != translate.Exact {
		t.Errorf("position: %+v", q)
	}
	if len(q.Notes) != 1 || !strings.Contains(q.Notes[0], "metadata of 5 bytes") {
		t.Errorf("notes: %v", q.Notes)
	}
}

// TestResetOpenTransaction: latest is where nothing is undecided below, so that
// a read_committed consumer skips nothing.
func TestResetOpenTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "app", at{part("orders", 0): "4"})
	c, err := kgo.NewClient(kgo.SeedBrokers(w.target.Fake.ListenAddrs()...), kgo.TransactionalID("open"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("undecided")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	p := w.buildReset(position.Selector{Groups: []string{"app"}}, ResetTo{Place: PlaceLatest})
	q := p.Groups[0].Positions[0]
	if q.After.Offset != 13 || q.TargetEnd != 16 || q.LagAfter != 3 || len(q.Notes) != 1 || !strings.Contains(q.Notes[0], "transaction is open from 13") {
		t.Errorf("position: %+v", q)
	}
}

// TestResetTopics: what a group has never read is taken in by name only.
func TestResetTopics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "app", at{part("orders", 0): "4"})
	w.commit(w.target, "apple", at{part("payments", 0): "4"})
	latest := ResetTo{Place: PlaceLatest}
	for name, c := range map[string]struct {
		sel  position.Selector
		want map[string]map[string]string
	}{
		"all it has":                     {position.Selector{Groups: []string{"app"}}, map[string]map[string]string{"app": {"orders/0": "change 13"}}},
		"by pattern":                     {position.Selector{Groups: []string{"app"}, Topics: []string{"*"}}, map[string]map[string]string{"app": {"orders/0": "change 13"}}},
		"by name":                        {position.Selector{Groups: []string{"app"}, Topics: []string{"payments"}}, map[string]map[string]string{"app": {"payments/0": "new 13"}}},
		"a topic of which it has a part": {position.Selector{Groups: []string{"app"}, Topics: []string{"orders"}}, map[string]map[string]string{"app": {"orders/0": "change 13", "orders/1": "new 15"}}},
		"one partition":                  {position.Selector{Groups: []string{"app"}, Partitions: []string{"orders:1"}}, map[string]map[string]string{"app": {"orders/1": "new 15"}}},
		"a new group":                    {position.Selector{Groups: []string{"next"}, Topics: []string{"payments"}}, map[string]map[string]string{"next": {"payments/0": "new 13"}}},
		"groups by pattern stay out":     {position.Selector{Groups: []string{"app*"}, Topics: []string{"payments"}}, map[string]map[string]string{"apple": {"payments/0": "change 13"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := map[string]map[string]string{}
			p := w.buildReset(c.sel, latest)
			for i := range p.Groups {
				got[p.Groups[i].Name] = afters(&p.Groups[i])
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("planned (-want +got):\n%s", d)
			}
		})
	}
	if g := w.buildReset(position.Selector{Groups: []string{"ap"}}, latest).Groups[0]; g.Reason != ReasonGroupMissing || !strings.Contains(g.Hint, "did you mean app") {
		t.Errorf("missing group: %+v", g)
	}
	for name, sel := range map[string]position.Selector{
		"no such topic": {Groups: []string{"app"}, Topics: []string{"order"}},
		"no such group": {Groups: []string{"z*"}},
		"no position":   {Groups: []string{"app*"}, Topics: []string{"z*"}},
	} {
		if _, err := BuildReset(t.Context(), ResetInput{To: w.target.side(), Selection: selected(t, sel), ResetTo: latest}); !errors.Is(err, ErrNothing) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestResetGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "app", at{part("orders", 0): "4 old", part("payments", 0): "1"})
	given := []position.Position{
		parsePosition(t, "app", part("orders", 0), "2"), parsePosition(t, "app", part("orders", 7), "1"), parsePosition(t, "other", part("orders", 0), "14"),
	}
	p := w.buildReset(position.Selector{}, ResetTo{Place: PlaceGiven}, func(in *ResetInput) { in.Given = given })
	if d := cmp.Diff(map[string]string{"orders/0": "change 2", "orders/7": "partition-missing"}, afters(p.Group("app"))); d != "" {
		t.Errorf("app (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]string{"orders/0": "out-of-range"}, afters(p.Group("other"))); d != "" {
		t.Errorf("other (-want +got):\n%s", d)
	}
	if p.Group("app").Applicable() {
		t.Error("a group with a blocked position is applied")
	}
	if _, err := BuildReset(t.Context(), ResetInput{To: w.target.side(), ResetTo: ResetTo{Place: PlaceGiven}}); !errors.Is(err, ErrInput) {
		t.Errorf("no positions: %v", err)
	}
}

func TestResetApplyVerifyRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := at{part("orders", 0): "4 old\xff", part("payments", 0): "1"}
	w.commit(w.target, "app", before)
	p := throughFile(t, w.buildReset(position.Selector{Groups: []string{"app", "fresh"}, Topics: []string{"orders"}}, ResetTo{Place: PlaceLatest}))
	if p.Kind != Reset || !p.AllApplicable() || p.Summary.New != 3 || p.Summary.Changed != 1 {
		t.Fatalf("plan: %+v", p.Summary)
	}
	rep := w.apply(p, func(in *ApplyInput) { in.From = nil })
	if !rep.Complete() {
		t.Fatalf("report: %+v", rep)
	}
	if d := cmp.Diff(at{part("orders", 0): "13", part("orders", 1): "15", part("payments", 0): "1"}, w.positions(w.target, "app")); d != "" {
		t.Errorf("app (-want +got):\n%s", d)
	}
	if v := w.verify(p); !v.Right() || v.Counts[AsWritten] != 4 {
		t.Errorf("verify: %+v", v)
	}
	if back, err := Rollback(t.Context(), rep.Run, w.rollbackInput()); err != nil || back.Count(RolledBack) != 2 {
		t.Errorf("rollback: %+v %v", back, err)
	}
	if d := cmp.Diff(before, w.positions(w.target, "app")); d != "" {
		t.Errorf("after rollback (-want +got):\n%s", d)
	}
	if got := w.positions(w.target, "fresh"); got != nil {
		t.Errorf("the group that was made still is there: %v", got)
	}
}

// TestResetStale: what the plan rests on has changed.
func TestResetStale(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world){
		"the group moved":       func(w *world) { w.commit(w.target, "app", at{part("orders", 0): "5"}) },
		"the log begins later":  func(w *world) { must(w.t, w.deleteRecords(w.target, part("orders", 0), 8)) },
		"it is in use by now":   func(w *world) { w.join(w.target, "app") },
		"it has a position now": func(w *world) { w.commit(w.target, "app", at{part("orders", 1): "5"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.commit(w.target, "app", at{part("orders", 0): "4"})
			w.commit(w.target, "fine", at{part("payments", 0): "4"})
			p := w.buildReset(position.Selector{Groups: []string{"app", "fin*"}, Topics: []string{"orders", "pay*"}}, ResetTo{Place: PlaceOffset, Offset: 7})
			change(w)
			want := w.positions(w.target, "app")
			if rep, err := Apply(t.Context(), p, w.allOrNothing()); !errors.Is(err, ErrStale) || rep.Count(Applied) != 0 {
				t.Errorf("all or nothing: %+v %v", rep, err)
			}
			if d := cmp.Diff(at{part("payments", 0): "4"}, w.positions(w.target, "fine")); d != "" {
				t.Errorf("applied all the same (-want +got):\n%s", d)
			}
			rep := w.apply(p)
			if rep.Groups[0].Result != Stale && rep.Groups[0].Result != Refused || rep.Groups[1].Result != Applied {
				t.Errorf("report: %+v", rep)
			}
			if d := cmp.Diff(want, w.positions(w.target, "app")); d != "" {
				t.Errorf("changed (-want +got):\n%s", d)
			}
		})
	}
}

func (w *world) allOrNothing() ApplyInput {
	in := w.applyInput()
	in.AllOrNothing = true
	return in
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func TestResetRefusesMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.target, "busy", at{part("orders", 0): "4"})
	w.join(w.target, "busy")
	p := w.buildReset(position.Selector{Groups: []string{"busy"}}, ResetTo{Place: PlaceEarliest})
	if g := p.Groups[0]; g.Reason != ReasonGroupActive || !strings.Contains(g.Detail, "127.0.0.1") || g.Verdict != VerdictRefused {
		t.Errorf("group: %+v", g)
	}
}

// TestResetKilledAnywhere lets the apply of a reset die at each step. What
// follows finishes it, or restores everything.
func TestResetKilledAnywhere(t *testing.T) {
	t.Parallel()
	killedAnywhere(t, func(t *testing.T) *scene {
		t.Helper()
		s := &scene{world: newWorld(t)}
		s.before = map[string]at{
			"app":   {part("orders", 0): "2 old", part("orders", 1): "3"},
			"fresh": nil,
			"other": {part("orders", 0): "7"},
		}
		s.after = map[string]at{
			"app": {part("orders", 0): "0", part("orders", 1): "0"}, "fresh": {part("orders", 0): "0", part("orders", 1): "0"}, "other": s.before["other"],
		}
		s.reset()
		s.plan = s.buildReset(position.Selector{Groups: []string{"app", "fresh"}, Topics: []string{"orders"}}, ResetTo{Place: PlaceEarliest})
		return s
	})
}

// killedAnywhere applies the plan of a scene, killed at each of its steps,
// before and after the step takes effect, and finishes it or takes it back.
func killedAnywhere(t *testing.T, newScene func(*testing.T) *scene) {
	t.Helper()
	for _, after := range []bool{false, true} {
		for _, rollback := range []bool{false, true} {
			t.Run(fmt.Sprintf("after=%t,rollback=%t", after, rollback), func(t *testing.T) {
				t.Parallel()
				s := newScene(t)
				for n := 1; ; n++ {
					s.reset()
					k := &killtest.Killer{At: n, After: after}
					s.applyKilled(k)
					if !k.Dead() {
						if n < 15 {
							t.Errorf("only %d steps were enumerated", n)
						}
						return
					}
					where := k.Where()
					s.finishDelete(where, rollback)
				}
			})
		}
	}
}

func FuzzShifted(f *testing.F) {
	f.Add(int64(0), int64(-1))
	f.Add(int64(1<<62), int64(1<<62))
	f.Add(int64(5), int64(-1<<63))
	f.Fuzz(func(t *testing.T, offset, by int64) {
		if offset < 0 {
			return
		}
		got := shifted(offset, by)
		if by >= 0 && got < offset || by < 0 && got >= offset {
			t.Errorf("%d by %d is %d", offset, by, got)
		}
	})
}
