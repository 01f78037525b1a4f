package plan

import (
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/topic"
)

func TestVerifyTellsMovedFromWrong(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		now   at // beside what was applied
		gone  []topic.Partition
		want  map[topic.Partition]Check
		right bool
	}{
		"as written":      {right: true, want: map[topic.Partition]Check{}},
		"moved on":        {now: at{part("orders", 0): "9"}, right: true, want: map[topic.Partition]Check{part("orders", 0): MovedOn}},
		"committed again": {now: at{part("orders", 1): "6"}, right: true, want: map[topic.Partition]Check{part("orders", 1): MovedOn}},
		"behind":          {now: at{part("orders", 0): "5"}, want: map[topic.Partition]Check{part("orders", 0): Wrong}},
		"other metadata":  {now: at{part("orders", 0): "7 else"}, want: map[topic.Partition]Check{part("orders", 0): Wrong}},
		"beyond the end":  {now: at{part("payments", 0): "99"}, want: map[topic.Partition]Check{part("payments", 0): Wrong}},
		"what was before": {now: at{part("orders", 0): "2 old"}, want: map[topic.Partition]Check{part("orders", 0): LateCommit}},
		"deleted is back": {now: at{part("orders", 1): "3"}, want: map[topic.Partition]Check{part("orders", 1): LateCommit}},
		"missing":         {gone: []topic.Partition{part("payments", 0)}, want: map[topic.Partition]Check{part("payments", 0): Wrong}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.usual()
			p := w.build()
			if v := w.verify(p); v.Right() || v.Counts[NotApplied] != 3 {
				t.Errorf("before apply: %+v", v.Counts)
			}
			w.apply(p)
			if tc.now != nil {
				w.commit(w.target, "app", tc.now)
			}
			if tc.gone != nil {
				if _, err := w.target.Groups.DeleteOffsets(t.Context(), "app", tc.gone); err != nil {
					t.Fatal(err)
				}
			}
			v := w.verify(p)
			want := map[topic.Partition]Check{part("orders", 0): AsWritten, part("orders", 1): AsWritten, part("payments", 0): AsWritten}
			maps.Copy(want, tc.want)
			got := map[topic.Partition]Check{}
			for _, q := range v.Groups[0].Positions {
				got[part(q.Topic, q.Partition)] = q.Check
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("checks (-want +got):\n%s", d)
			}
			if v.Right() != tc.right {
				t.Errorf("right is %t", v.Right())
			}
		})
	}
}

func TestVerifyShowsTheProofAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(w.source, "app", at{part("orders", 0): "4"})
	p := w.build()
	w.apply(p)
	proof := func() VerifyPosition { return w.verify(p).Groups[0].Positions[0] }
	if q := proof(); q.Proof != ProofHolds {
		t.Errorf("at first: %s %v", q.Proof, q.ProofDetail)
	}
	without, err := Verify(t.Context(), p, VerifyInput{To: w.target.side()})
	if err != nil {
		t.Fatal(err)
	}
	if q := without.Groups[0].Positions[0]; q.Proof != ProofPartly || len(without.Findings) == 0 {
		t.Errorf("without the source: %s %v, findings %v", q.Proof, q.ProofDetail, without.Findings)
	}
	if err := w.deleteRecords(w.source, part("orders", 0), 4); err != nil {
		t.Fatal(err)
	}
	if q := proof(); q.Proof != ProofPartly {
		t.Errorf("after the source was trimmed: %s %v", q.Proof, q.ProofDetail)
	}
	forged := *p
	forged.Groups = append([]Group{}, p.Groups...)
	forged.Groups[0].Positions = append([]Position{}, p.Groups[0].Positions...)
	other := *p.Groups[0].Positions[0].Proof
	record := *other.TargetAt
	record.Fingerprint = "00"
	other.TargetAt = &record
	forged.Groups[0].Positions[0].Proof = &other
	v := w.verify(&forged)
	if v.Right() || v.Proofs[ProofDiffers] != 1 {
		t.Errorf("another record: %+v", v.Proofs)
	}
}

func TestRollbackRefusesWhatOthersCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pair()
	rep := w.apply(w.build())
	w.commit(w.target, "app", at{part("payments", 0): "12"})
	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil {
		t.Fatal(err)
	}
	if g := back.Groups[0]; g.Result != Refused || g.Reason != ReasonElsewhere || len(g.Problems) != 1 {
		t.Errorf("app: %+v", g)
	}
	if back.Groups[1].Result != RolledBack || w.positions(w.target, "steady") != nil {
		t.Errorf("steady: %+v", back.Groups[1])
	}
	want := at{part("orders", 0): "7 state\xff!", part("payments", 0): "12"}
	if d := cmp.Diff(want, w.positions(w.target, "app")); d != "" {
		t.Errorf("app was changed (-want +got):\n%s", d)
	}
}

func TestRollbackRefusesGroupsInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, after := w.usual()
	rep := w.apply(w.build())
	join(t, w.target, "app", "orders")
	back, err := Rollback(t.Context(), rep.Run, w.rollbackInput())
	if err != nil || back.Groups[0].Result != Refused || back.Groups[0].Reason != ReasonGroupActive {
		t.Errorf("report: %+v %v", back, err)
	}
	if d := cmp.Diff(after, w.positions(w.target, "app")); d != "" {
		t.Errorf("changed (-want +got):\n%s", d)
	}
}

func TestAgainAfterARollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, after := w.usual()
	p := w.build()
	first := w.apply(p)
	if _, err := Rollback(t.Context(), first.Run, w.rollbackInput()); err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), p, w.applyInput()); !errors.Is(err, ErrRun) {
		t.Errorf("apply: %v", err)
	}
	second := w.apply(p, func(in *ApplyInput) { in.Again = true })
	if !second.Complete() || second.Run == first.Run {
		t.Errorf("again: %+v", second)
	}
	if d := cmp.Diff(after, w.positions(w.target, "app")); d != "" {
		t.Errorf("positions (-want +got):\n%s", d)
	}
}
