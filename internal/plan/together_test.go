package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/kferry/kferry/internal/run"
)

// slowJournal lets an entry through only when it is told to, and notes all.
type slowJournal struct {
	open    chan error
	mu      sync.Mutex
	entries []run.Entry
}

func (s *slowJournal) Append(_ context.Context, typ string, body any) error {
	if err := <-s.open; err != nil {
		return err
	}
	raw, err := json.Marshal(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, run.Entry{Seq: int64(len(s.entries) + 1), Type: typ, Body: raw})
	return err
}

func (s *slowJournal) unfolded(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, e := range s.entries {
		all, err := Unfold(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			out = append(out, one.Type+" "+string(one.Body))
		}
	}
	return out
}

// TestTogether: every entry is there once, what one caller wrote stays in its
// order, and entries that waited share one.
func TestTogether(t *testing.T) {
	t.Parallel()
	s := &slowJournal{open: make(chan error)}
	g := &together{to: s}
	const callers, each = 20, 5
	var wait sync.WaitGroup
	g.turn.Lock() // nothing is written before all of them wait
	for c := range callers {
		wait.Go(func() {
			for n := range each {
				if err := g.Append(t.Context(), "t", []int{c, n}); err != nil {
					t.Errorf("caller %d: %v", c, err)
				}
			}
		})
	}
	for waiting := 0; waiting < callers; runtime.Gosched() {
		g.mu.Lock()
		waiting = len(g.waiting)
		g.mu.Unlock()
	}
	g.turn.Unlock()
	done := make(chan struct{})
	go func() {
		wait.Wait()
		close(done)
	}()
	for ended := false; !ended; {
		select {
		case s.open <- nil:
		case <-done:
			ended = true
		}
	}
	next := map[int]int{}
	got := s.unfolded(t)
	for _, e := range got {
		var c, n int
		if _, err := fmt.Sscanf(strings.NewReplacer("[", "", "]", "", ",", " ").Replace(e), "t %d %d", &c, &n); err != nil {
			t.Fatal(e, err)
		}
		if next[c] != n {
			t.Fatalf("caller %d: entry %d after %d", c, n, next[c]-1)
		}
		next[c]++
	}
	if len(got) != callers*each || len(s.entries) >= len(got) {
		t.Errorf("%d entries in %d objects, want %d in fewer", len(got), len(s.entries), callers*each)
	}
}

// TestTogetherFails: an error reaches exactly those whose entry it was, and a
// caller that has given up takes nobody along.
func TestTogetherFails(t *testing.T) {
	t.Parallel()
	s := &slowJournal{open: make(chan error, 1)}
	g := &together{to: s}
	bad := errors.New("bad")
	s.open <- bad
	if err := g.Append(t.Context(), "t", 1); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.open <- nil
	if err := g.Append(ctx, "t", 2); err != nil {
		t.Errorf("a caller that has given up: %v", err)
	}
	if got := s.unfolded(t); len(got) != 1 || got[0] != "t 2" {
		t.Errorf("entries %v", got)
	}
}

// TestTogetherBounded: what is larger than a batch goes alone.
func TestTogetherBounded(t *testing.T) {
	t.Parallel()
	g := &together{}
	for _, size := range []int{maxBatch + 1, 10, maxBatch - 10, 1} {
		g.waiting = append(g.waiting, &jotting{batchEntry: batchEntry{Body: make([]byte, size)}})
	}
	for n, want := range []int{1, 2, 1, 0} {
		if got := len(g.take()); got != want {
			t.Errorf("batch %d has %d entries, want %d", n, got, want)
		}
	}
}
