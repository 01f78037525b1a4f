package plan

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/kferry/kferry/internal/group"
)

// counted answers readings once it is let go, and counts them.
type counted struct {
	gate chan struct{}
	err  error

	mu    sync.Mutex
	calls [][]string
}

func (c *counted) Read(ctx context.Context, names []string) (map[string]group.Reading, error) {
	c.mu.Lock()
	c.calls = append(c.calls, slices.Clone(names))
	c.mu.Unlock()
	select {
	case <-c.gate:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	out := map[string]group.Reading{}
	for _, n := range names {
		out[n] = absent(n)
	}
	return out, c.err
}

func (c *counted) seen() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

// ask begins n readings and returns when all of them wait; results come later.
func ask(ctx context.Context, t *testing.T, g *readTogether, n int) <-chan error {
	t.Helper()
	out := make(chan error, n)
	for i := range n {
		go func() {
			name := fmt.Sprintf("group-%04d", i)
			got, err := g.Read(ctx, []string{name})
			if err == nil && (len(got) != 1 || got[name].Group.Name != name) {
				err = fmt.Errorf("asked for %s, got %+v", name, got)
			}
			out <- err
		}()
	}
	all := func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		taken := 0
		c, _ := g.to.(*counted)
		c.mu.Lock()
		for _, names := range c.calls {
			taken += len(names)
		}
		c.mu.Unlock()
		return len(g.waiting)+taken >= n
	}
	for !all() {
		runtime.Gosched()
	}
	return out
}

func TestReadTogether(t *testing.T) {
	t.Parallel()
	c := &counted{gate: make(chan struct{})}
	s := readsTogether(Side{Read: c})
	if again := readsTogether(s); again.Read != s.Read {
		t.Error("wrapped twice")
	}
	g, ok := s.Read.(*readTogether)
	if !ok {
		t.Fatalf("%T", s.Read)
	}
	const n = 1000
	results := ask(t.Context(), t, g, n)
	close(c.gate)
	for range n {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	// At first two readings of what was there, then as many as fit.
	if got := c.seen(); got > 3+n/maxReadTogether {
		t.Errorf("%d groups took %d readings", n, got)
	}
	if _, err := g.Read(t.Context(), []string{"a", "b"}); err != nil {
		t.Error(err)
	}
}

func TestReadTogetherFailsForAll(t *testing.T) {
	t.Parallel()
	c := &counted{gate: make(chan struct{}), err: errors.New("broken")}
	g := &readTogether{to: c, turn: make(chan struct{}, 1)}
	results := ask(t.Context(), t, g, 5)
	close(c.gate)
	for range 5 {
		if err := <-results; !errors.Is(err, c.err) {
			t.Errorf("%v", err)
		}
	}
}

// TestReadTogetherGivesUpAlone: who gives up takes nobody along, and a reading
// for which nobody waits any more ends.
func TestReadTogetherGivesUpAlone(t *testing.T) {
	t.Parallel()
	c := &counted{gate: make(chan struct{})}
	g := &readTogether{to: c, turn: make(chan struct{}, 1)}
	gone, cancel := context.WithCancel(t.Context())
	first := ask(gone, t, g, 1)
	others := ask(t.Context(), t, g, 3)
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(c.gate)
	for range 3 {
		if err := <-others; err != nil {
			t.Errorf("of another: %v", err)
		}
	}
}
