package run_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/memstore"
)

func TestByPlan(t *testing.T) {
	t.Parallel()
	b := bucketOn(memstore.New())
	if ids, err := run.ByPlan(t.Context(), b, digest); err != nil || len(ids) != 0 {
		t.Fatalf("got %q, %v", ids, err)
	}
	first := create(t, b, process("anna"))
	var taken *run.PlanTakenError
	if _, err := run.Create(t.Context(), b, info, process("ben")); !errors.As(err, &taken) || taken.Run != first.ID() {
		t.Fatalf("a second run of one plan: got error %v", err)
	}
	other := info
	other.PlanDigest = "sha256:other/../digest"
	if _, err := run.Create(t.Context(), b, other, nil); err != nil {
		t.Errorf("a run of another plan: %v", err)
	}
	other.PlanDigest = ""
	if _, err := run.Create(t.Context(), b, other, nil); err != nil {
		t.Errorf("a run without a plan: %v", err)
	}
	again := info
	again.After = "20261121T114527Z-7f3a9c"
	if _, err := run.Create(t.Context(), b, again, nil); !errors.Is(err, run.ErrPlanTaken) {
		t.Errorf("after a run that is not the last: got error %v", err)
	}
	again.After = first.ID()
	second, err := run.Create(t.Context(), b, again, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := run.ByPlan(t.Context(), b, digest)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{first.ID(), second.ID()}, ids); diff != "" {
		t.Error(diff)
	}
}

// TestCreateRace: many processes apply one plan for the first time.
func TestCreateRace(t *testing.T) {
	t.Parallel()
	for range 20 {
		s := memstore.New()
		var wg sync.WaitGroup
		ids := make([]string, 8)
		for i := range ids {
			wg.Go(func() {
				r, err := run.Create(t.Context(), bucketOn(s), info, nil)
				var taken *run.PlanTakenError
				switch {
				case err == nil:
					ids[i] = r.ID()
				case errors.As(err, &taken):
					ids[i] = taken.Run
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 1 || ids[0] == "" {
			t.Fatalf("they ended on %q, want one run", ids)
		}
		for l, err := range run.List(t.Context(), bucketOn(s)) {
			if err != nil || l.Err != nil || l.ID != ids[0] {
				t.Errorf("listed %+v, %v, want only %s", l, err, ids[0])
			}
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	b := bucketOn(memstore.New())
	noPlan := info
	noPlan.PlanDigest = ""
	var want []string
	for range 5 {
		r, err := run.Create(t.Context(), b, noPlan, nil)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, r.ID())
	}
	slices.Sort(want)
	slices.Reverse(want)
	damaged := map[string]error{want[1]: store.ErrTruncated, want[2]: store.ErrNotFound, want[3]: run.ErrDamaged}
	replace(t, b, "runs/"+want[1]+"/run.json", nil)
	remove(t, b, "runs/"+want[2]+"/run.json")
	if err := b.Put(t.Context(), "runs/"+want[2]+"/journal/00000001.json", nil); err != nil {
		t.Fatal(err)
	}
	remove(t, b, "runs/"+want[3]+"/run.json")
	if err := b.PutJSON(t.Context(), "runs/"+want[3]+"/run.json", run.FormatRun, 1, run.Info{ID: want[0]}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for l, err := range run.List(t.Context(), b) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, l.ID)
		if !errors.Is(l.Err, damaged[l.ID]) {
			t.Errorf("%s: got error %v, want %v", l.ID, l.Err, damaged[l.ID])
		}
		if l.Err == nil && l.Info.Kind != run.KindApply {
			t.Errorf("%s: info is %+v", l.ID, l.Info)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("newest first (-want +got):\n%s", diff)
	}
}
