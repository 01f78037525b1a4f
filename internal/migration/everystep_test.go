package migration

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/killtest"
	"github.com/kferry/kferry/internal/topic"
)

// told notes for which steps it was called.
type told []Step

func (t *told) Notify(_ context.Context, _ api.Event, body []byte) error {
	var b EventBody
	if err := json.Unmarshal(body, &b); err != nil {
		return err
	}
	*t = append(*t, b.Step)
	return nil
}

func TestEventsOfEveryStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var got told
	c := checked()
	c.Spec.Events = []api.Event{{On: []string{api.EveryStep}, Command: []string{"true"}}}
	in := w.input(&killtest.Killer{})
	in.Notify = &got
	if _, err := Create(t.Context(), in, c); err != nil {
		t.Fatal(err)
	}
	notify := func(in *Input) { in.Notify = &got }
	w.advance(notify)
	w.target.commit("orders-app", map[topic.Partition]int64{part("orders", 0): 8})
	w.target.commit("payments-app", map[topic.Partition]int64{part("payments", 0): 13})
	if out := w.advance(notify); out.State.Step != Across {
		t.Fatalf("stands at %s and waits for %+v", out.State.Step, out.Waiting)
	}
	if diff := cmp.Diff(Steps(), []Step(got)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}
