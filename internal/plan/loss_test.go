package plan

import (
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestLossWithRepeats: a position at which records are lost and others come
// twice needs both overrides.
func TestLossWithRepeats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(w.source, "both", 1)
	w.create(w.target, "both", 1)
	for i := range 10 {
		w.produce(w.source, &kgo.Record{Topic: "both", Value: []byte{byte(i)}})
	}
	// One is nowhere, and a second pass begins above the position.
	for _, i := range []int{0, 1, 2, 3, 4, 6, 7, 8, 9, 3, 4, 6, 7, 8, 9} {
		w.produce(w.target, &kgo.Record{Topic: "both", Value: []byte{byte(i)}, Headers: []kgo.RecordHeader{{Key: header, Value: []byte(strconv.Itoa(i))}}})
	}
	w.commit(w.source, "app", at{part("both", 0): "2"})
	for _, tc := range []struct {
		accept  Accept
		verdict Verdict
		hint    string
	}{
		{Accept{}, VerdictRefused, ""},
		{Accept{Repeats: true}, VerdictRefused, ""},
		{Accept{Loss: true}, VerdictRefused, "--accept-repeats"},
		{Accept{Loss: true, Repeats: true}, VerdictApply, ""},
	} {
		g := w.build(func(in *Input) { in.Accept = tc.accept }).Group("app")
		p := g.Positions[0]
		if p.Lost != 1 || p.Repeats != 6 {
			t.Fatalf("%d lost, %d repeat, want 1 and 6", p.Lost, p.Repeats)
		}
		if g.Verdict != tc.verdict || !strings.Contains(p.Hint, tc.hint) {
			t.Errorf("%+v: %s, hint %q", tc.accept, g.Verdict, p.Hint)
		}
		if tc.verdict == VerdictApply && len(g.Accepted) != 2 {
			t.Errorf("accepted: %v", g.Accepted)
		}
	}
}
