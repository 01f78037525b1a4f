package migration

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/killtest"
)

func TestFleet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fleet := &api.Fleet{Pause: api.Duration(time.Hour), Until: string(Moved)}
	for _, name := range []string{"orders", "payments"} {
		c := checked()
		c.Spec.Name, c.Groups = name, []Pair{{name + "-app", name + "-app"}}
		if _, err := Create(t.Context(), w.input(&killtest.Killer{}), c); err != nil {
			t.Fatal(err)
		}
		fleet.Migrations = append(fleet.Migrations, c.Spec)
	}
	var paused []string
	in := FleetInput{
		Bucket: w.bucket,
		Open: func(context.Context, *State) (Input, error) {
			in := w.input(&killtest.Killer{})
			in.Limit = 5 * time.Millisecond
			return in, nil
		},
		Pausing: func(name string, d time.Duration) { paused = append(paused, name+" "+d.Round(time.Hour).String()) },
		Sleep:   func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	results := func() []string {
		t.Helper()
		rep, err := AdvanceFleet(t.Context(), fleet, in)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, m := range rep.Migrations {
			out = append(out, m.Name+" "+string(m.Result)+" "+string(m.Step))
		}
		return out
	}

	leave := w.source.join("orders-app", "orders")
	if diff := cmp.Diff([]string{"orders waits stopping", "payments not-tried "}, results()); diff != "" {
		t.Errorf("the first one runs still (-want +got):\n%s", diff)
	}
	fleet.OnFailure = api.OnFailureContinue
	if diff := cmp.Diff([]string{"orders waits stopping", "payments done moved"}, results()); diff != "" {
		t.Errorf("go on (-want +got):\n%s", diff)
	}
	leave()
	if diff := cmp.Diff([]string{"orders done moved", "payments there-already moved"}, results()); diff != "" {
		t.Errorf("once more (-want +got):\n%s", diff)
	}
	if len(paused) != 0 {
		t.Errorf("paused although the one before had not moved: %v", paused)
	}
	w.wantTarget(wanted)

	w.again()
	for i := range fleet.Migrations {
		c := &Checkup{Spec: fleet.Migrations[i], Groups: []Pair{{fleet.Migrations[i].Name + "-app", fleet.Migrations[i].Name + "-app"}}}
		if _, err := Create(t.Context(), w.input(&killtest.Killer{}), c); err != nil {
			t.Fatal(err)
		}
	}
	in.Bucket = w.bucket
	if diff := cmp.Diff([]string{"orders done moved", "payments done moved"}, results()); diff != "" {
		t.Errorf("both (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"payments 1h0m0s"}, paused); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
	if _, err := Abort(t.Context(), "orders", w.input(&killtest.Killer{})); err != nil {
		t.Fatal(err)
	}
	fleet.OnFailure = ""
	if diff := cmp.Diff([]string{"orders ended aborted", "payments not-tried "}, results()); diff != "" {
		t.Errorf("one aborted (-want +got):\n%s", diff)
	}
}

// TestRehearseFleet looks at one of each, and changes nothing.
func TestRehearseFleet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fleet := &api.Fleet{Until: string(Moved), Migrations: []api.Migration{{Name: "nothing"}}}
	for _, name := range []string{"orders", "payments"} {
		c := checked()
		c.Spec.Name, c.Groups = name, []Pair{{name + "-app", name + "-app"}}
		if _, err := Create(t.Context(), w.input(&killtest.Killer{}), c); err != nil {
			t.Fatal(err)
		}
		fleet.Migrations = append(fleet.Migrations, c.Spec)
	}
	w.source.join("orders-app", "orders")
	if _, err := Advance(t.Context(), "orders", w.input(&killtest.Killer{})); err != nil {
		t.Fatal(err)
	}
	in := FleetInput{
		Bucket: w.bucket, Next: func(st *State) string { return "go on from " + string(st.Step) },
		Open: func(context.Context, *State) (Input, error) { return w.input(&killtest.Killer{}), nil },
	}
	want := func(words ...string) {
		t.Helper()
		before, err := Load(t.Context(), w.bucket, "payments")
		if err != nil {
			t.Fatal(err)
		}
		rep, err := RehearseFleet(t.Context(), fleet, in)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range rep.Migrations {
			got = append(got, m.Name+" "+string(m.Result)+" "+string(m.Step))
			if (m.Result == FleetWould || m.Result == FleetWaits) && !strings.Contains(m.Detail, "would go on from "+string(m.Step)) {
				t.Errorf("%s: %s", m.Name, m.Detail)
			}
		}
		if diff := cmp.Diff(words, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if after, err := Load(t.Context(), w.bucket, "payments"); err != nil || after.seq != before.seq {
			t.Errorf("the journal has grown: %v", err)
		}
	}
	want("nothing failed ", "orders waits stopping", "payments would-advance checked")
	if _, err := Advance(t.Context(), "payments", w.input(&killtest.Killer{})); err != nil {
		t.Fatal(err)
	}
	want("nothing failed ", "orders waits stopping", "payments there-already moved")
	if _, err := Abort(t.Context(), "payments", w.input(&killtest.Killer{})); err != nil {
		t.Fatal(err)
	}
	want("nothing failed ", "orders waits stopping", "payments ended aborted")
}
