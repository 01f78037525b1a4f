package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLatency(t *testing.T) {
	t.Parallel()
	var none stopwatch
	if got := none.latency(); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
	for _, c := range []struct {
		name string
		n    int
		want Latency
	}{
		{"one", 1, Latency{1, 1, 1, 1}},
		{"two", 2, Latency{2, 1, 2, 2}},
		{"a hundred", 100, Latency{100, 50, 99, 100}},
		{"a thousand", 1000, Latency{1000, 500, 990, 1000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s stopwatch
			for i := c.n; i > 0; i-- {
				s.add(time.Duration(i) * time.Millisecond)
			}
			if d := cmp.Diff(&c.want, s.latency()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
