package migration

import (
	"errors"
	"testing"

	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/run"
)

// A process that dies between the run of a migration and its spec leaves
// nothing behind that is in the way of the name.
func TestDiedBeforeTheSpec(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dead, err := run.Create(t.Context(), w.bucket, run.Info{Kind: run.KindMigration, Name: "app"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), w.bucket, "app"); !errors.Is(err, ErrNotFound) {
		t.Errorf("loading: %v, want ErrNotFound", err)
	}
	if all, err := List(t.Context(), w.bucket); err != nil || len(all) > 0 {
		t.Errorf("listing: %+v, %v", all, err)
	}
	if st, err := OfRun(t.Context(), dead); err != nil || st.Step != "" {
		t.Errorf("the run: %+v, %v", st, err)
	}
	if _, err := Create(t.Context(), w.input(&killtest.Killer{}), checked()); err != nil {
		t.Fatalf("creating it again: %v", err)
	}
}
