package plan

import (
	"slices"
	"sync"
	"time"
)

// Latency is how long the cluster took for the requests of one kind, each from
// when it was sent to when its answer was there, in milliseconds. The
// percentiles are the smallest time within which so many of the requests were
// answered (nearest rank).
type Latency struct {
	Requests int     `json:"requests"`
	P50MS    float64 `json:"p50_ms"`
	P99MS    float64 `json:"p99_ms"`
	MaxMS    float64 `json:"max_ms"`
}

// stopwatch collects times; one time per group that is written is kept.
type stopwatch struct {
	mu    sync.Mutex
	times []time.Duration
}

func (s *stopwatch) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, d)
}

// latency sums up; nil when nothing was timed.
func (s *stopwatch) latency() *Latency {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.times)
	if n == 0 {
		return nil
	}
	slices.Sort(s.times)
	ms := func(percent int) float64 {
		at := (n*percent + 99) / 100
		return float64(s.times[max(at, 1)-1].Microseconds()) / 1000
	}
	return &Latency{Requests: n, P50MS: ms(50), P99MS: ms(99), MaxMS: ms(100)}
}
