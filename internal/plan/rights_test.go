package plan

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/internal/group"
)

// limited may do less than everything.
type limited struct {
	quick
	operations []string
}

func (l *limited) Rights(_ context.Context, names, topics []string) (group.Rights, error) {
	out := group.Rights{Groups: map[string]group.Grant{}, Topics: map[string]group.Grant{}}
	for _, name := range names {
		out.Groups[name] = group.Grant{Known: true, Operations: l.operations}
	}
	for _, name := range topics {
		out.Topics[name] = group.Grant{Known: true, Operations: []string{"READ"}}
	}
	return out, nil
}

func TestRightsAreCheckedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	for name, operations := range map[string][]string{"may not commit": {"DESCRIBE"}, "may not undo": {"DESCRIBE", "READ"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before, _ := w.usual()
			p := w.build()
			in := w.applyInput()
			in.To.Write = &limited{quick{w.target.Groups}, operations}
			rep, err := Apply(t.Context(), p, in)
			if err != nil || rep.Groups[0].Result != Refused || rep.Groups[0].Reason != ReasonRights || !errors.Is(rep.Groups[0].Err, ErrRights) {
				t.Errorf("report: %+v %v", rep, err)
			}
			if d := cmp.Diff(before, w.positions(w.target, "app")); d != "" {
				t.Errorf("changed (-want +got):\n%s", d)
			}
			if again := w.apply(p); !again.Complete() {
				t.Errorf("with the rights: %+v", again.Groups)
			}
		})
	}
}

func TestPlanChangedInMemoryIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.usual()
	p := w.build()
	p.Groups[0].Positions[0].After.Offset++
	if _, err := Apply(t.Context(), p, w.applyInput()); !errors.Is(err, ErrDigest) {
		t.Errorf("apply: %v", err)
	}
}
