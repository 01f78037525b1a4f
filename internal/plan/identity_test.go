package plan

import (
	"fmt"
	"maps"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
	"github.com/kferry/kferry/internal/topic"
)

// TestPlanApplyRollbackIsIdentity: whatever the groups have on both sides, plan,
// apply and rollback bring the target back to where it was; and apply leaves
// every group either as planned or as it was, never between.
func TestPlanApplyRollbackIsIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	partitions := []topic.Partition{part("orders", 0), part("orders", 1), part("payments", 0)}
	names := []string{"a", "b", "c"}
	rapid.Check(t, func(r *rapid.T) {
		w.mem = memstore.New()
		w.bucket = store.New(w.mem, "mem://state", nil)
		draw := func(label string, n *node, highest int) {
			for _, name := range names {
				if w.positions(n, name) != nil {
					if err := n.Groups.DeleteGroup(t.Context(), name); err != nil {
						r.Fatal(err)
					}
				}
				set := at{}
				for _, p := range partitions {
					if rapid.Bool().Draw(r, fmt.Sprintf("%s %s %s", label, name, p)) {
						set[p] = strconv.Itoa(rapid.IntRange(0, highest).Draw(r, "offset"))
						if m := rapid.SampledFrom([]string{"", " note", " \xfe\xff"}).Draw(r, "metadata"); m != "" {
							set[p] += m
						}
					}
				}
				if len(set) > 0 {
					w.commit(n, name, set)
				}
			}
		}
		draw("source", w.source, 10)
		draw("target", w.target, 13)
		all := func() map[string]at {
			out := map[string]at{}
			for _, name := range names {
				out[name] = w.positions(w.target, name)
			}
			return out
		}
		before := all()
		in := w.input()
		in.Accept = Accept{Rewind: rapid.Bool().Draw(r, "rewind"), PartialGroup: rapid.Bool().Draw(r, "partial")}
		if rapid.Bool().Draw(r, "keep") {
			in.Keep = month
		}
		p, err := Build(t.Context(), in)
		if err != nil {
			return // no group on the source
		}
		ai := w.applyInput()
		if rapid.Bool().Draw(r, "split commits") {
			ai.MaxCommit = 1
		}
		if rapid.Bool().Draw(r, "apply keeps") {
			ai.Keep = month
		}
		rep, err := Apply(t.Context(), p, ai)
		if err != nil {
			r.Fatal(err)
		}
		after := all()
		for i := range p.Groups {
			g := &p.Groups[i]
			want := before[g.Name]
			if g.Applicable() {
				want = planned(before[g.Name], g)
			}
			if d := cmp.Diff(want, after[g.Name]); d != "" {
				r.Fatalf("group %s (%s) after apply (-want +got):\n%s", g.Name, g.Verdict, d)
			}
		}
		if rep.Run == "" {
			return
		}
		back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
		if err != nil || !back.Complete() {
			r.Fatalf("rollback: %+v %v", back, err)
		}
		if d := cmp.Diff(before, all()); d != "" {
			r.Fatalf("after rollback (-want +got):\n%s", d)
		}
	})
}

// planned is what a group has when its plan is carried out.
func planned(before at, g *Group) at {
	out := at{}
	maps.Copy(out, before)
	for i := range g.Positions {
		q := &g.Positions[i]
		switch q.Action {
		case New, Change, Same, Keep:
			out[q.Target()] = strconv.FormatInt(q.After.Offset, 10)
			if q.After.Metadata != "" {
				out[q.Target()] += " " + q.After.Metadata
			}
		case Delete:
			delete(out, q.Target())
		case None:
		}
	}
	return out
}
