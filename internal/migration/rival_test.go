package migration

import (
	"errors"
	"testing"

	"github.com/kferry/kferry/internal/killtest"
)

// TestTwoWithOneGroup: whoever checked before the other could be seen finds it
// once it can be seen itself, and gives way.
func TestTwoWithOneGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create()
	c := checked()
	c.Spec.Name, c.Groups = "other", c.Groups[:1]
	st, err := Create(t.Context(), w.input(&killtest.Killer{}), c)
	if !errors.Is(err, ErrExists) || st.Step != Aborted {
		t.Fatalf("%v, %+v", err, st)
	}
	if out := w.advance(); out.State.Step != Moved {
		t.Fatalf("the first one stands at %s", out.State.Step)
	}
	w.advance(func(in *Input) { in.Until = Moved })
	if _, err := Abort(t.Context(), "app", w.input(&killtest.Killer{})); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), w.input(&killtest.Killer{}), c); err != nil {
		t.Fatalf("the group is free: %v", err)
	}
}
