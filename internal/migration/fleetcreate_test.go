package migration

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/killtest"
)

func TestCreateFleet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := func(name, group string) api.Migration {
		m := api.Migration{Name: name, From: "old", To: "new", Groups: []string{group}, Settle: new(api.Duration)}
		m.SetDefaults()
		return m
	}
	f := &api.Fleet{Migrations: []api.Migration{one("orders", "orders-app"), one("nobody", "no-such-group"), one("payments", "payments-app")}}
	in := FleetCreateInput{
		Bucket: w.bucket,
		Open:   func(context.Context, *api.Migration) (Input, error) { return w.input(&killtest.Killer{}), nil },
	}
	results := func() []string {
		t.Helper()
		rep, err := CreateFleet(t.Context(), f, in)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, m := range rep.Migrations {
			out = append(out, m.Name+" "+string(m.Result)+" "+string(m.Step))
			if m.Result != FleetNotTried && m.Result != FleetExists && m.Detail == "" {
				t.Errorf("%s has no detail", m.Name)
			}
		}
		return out
	}
	want := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, results()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	in.CheckOnly = true
	want("check only", "orders checked-only ", "nobody problems ", "payments not-tried ")
	in.CheckOnly = false
	want("one has a problem", "orders created checked", "nobody problems ", "payments not-tried ")
	f.OnFailure = api.OnFailureContinue
	want("go on", "orders exists-already checked", "nobody problems ", "payments created checked")
	if all, err := List(t.Context(), w.bucket); err != nil || len(all) != 2 {
		t.Errorf("%v %v", all, err)
	}

	f.Migrations = f.Migrations[:1]
	f.Migrations[0].Timeout = api.Duration(time.Hour)
	want("another spec", "orders failed checked")
	if _, err := Abort(t.Context(), "orders", w.input(&killtest.Killer{})); err != nil {
		t.Fatal(err)
	}
	want("after it was aborted", "orders created checked")

	stop := make(chan struct{})
	close(stop)
	in.Stop = stop
	rep, err := CreateFleet(t.Context(), f, in)
	if !errors.Is(err, ErrInterrupted) || len(rep.Migrations) != 1 || rep.Migrations[0].Result != FleetNotTried {
		t.Errorf("%+v %v", rep, err)
	}
}

// TestFleetIsStopped: those that were not come to are in the report, too.
func TestFleetIsStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	stop := make(chan struct{})
	rep, err := AdvanceFleet(t.Context(), &api.Fleet{Migrations: []api.Migration{spec(), {Name: "later"}}}, FleetInput{
		Bucket: w.bucket, Stop: stop,
		Open: func(context.Context, *State) (Input, error) {
			in := w.input(&killtest.Killer{})
			in.Stop = stop
			close(stop)
			return in, nil
		},
	})
	if !errors.Is(err, ErrInterrupted) || len(rep.Migrations) != 2 || rep.Migrations[1].Result != FleetNotTried || rep.Complete() {
		t.Errorf("%+v %v", rep, err)
	}
}
