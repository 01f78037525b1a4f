package observe

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sink is a writer that may be read while it is written to.
type sink struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestQuickTasksStaySilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, tty := range []bool{true, false} {
			var out sink
			p := New(&out, Options{TTY: tty})
			task := p.Begin("translating", "partitions", 10)
			time.Sleep(900 * time.Millisecond)
			task.Set(10, 10)
			task.End()
			if out.String() != "" {
				t.Errorf("tty=%v: a task under a second wrote %q", tty, out.String())
			}
		}
	})
}

func TestPlainLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out sink
		p := New(&out, Options{})
		task := p.Begin("translating", "partitions", 100)
		for range 12 {
			time.Sleep(time.Second)
			task.Add(5)
			synctest.Wait()
		}
		task.End()
		task.End()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		want := []string{
			"translating: 5 of 100 partitions (5%), 5.0/s, 1s, about 19s left",
			"translating: 30 of 100 partitions (30%), 5.0/s, 6s, about 14s left",
			"translating: 55 of 100 partitions (55%), 5.0/s, 11s, about 9s left",
		}
		// The first tick and the first Add meet in the same instant, so the
		// counts may be one step behind; the number and the shape may not.
		if len(lines) != len(want) {
			t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(want), out.String())
		}
		for i, l := range lines {
			if !strings.HasPrefix(l, "translating: ") || !strings.Contains(l, " of 100 partitions (") || !strings.Contains(l, " left") && i > 0 {
				t.Errorf("line %d is %q, want something like %q", i, l, want[i])
			}
		}
	})
}

func TestTerminalLineIsRedrawnAndErased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out sink
		p := New(&out, Options{TTY: true, Width: func() int { return 20 }})
		task := p.Begin("reading groups", "groups", 0)
		task.Set(7, 0)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if _, err := p.Write([]byte("a warning\n")); err != nil {
			t.Fatal(err)
		}
		task.End()
		got := out.String()
		if strings.Count(got, "\r\x1b[K") < 3 {
			t.Errorf("the line was not redrawn: %q", got)
		}
		if !strings.Contains(got, "\r\x1b[Ka warning\n") {
			t.Errorf("the warning was not put on a line of its own: %q", got)
		}
		for l := range strings.SplitSeq(got, "\r\x1b[K") {
			if len(strings.TrimSuffix(l, "\n")) >= 20 {
				t.Errorf("wider than the terminal: %q", l)
			}
		}
	})
}

func TestOnDemand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out sink
		p := New(&out, Options{Mode: None})
		p.Print()
		task := p.Begin("committing", "groups", 4)
		task.Set(1, 4)
		time.Sleep(2 * time.Second)
		p.Print()
		task.End()
		p.Print()
		want := "committing: 1 of 4 groups (25%), 0.5/s, 2s, about 6s left\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestJSON(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out sink
		p := New(&out, Options{Mode: None, JSON: true})
		task := p.Begin("committing", "groups", 4)
		task.Set(2, 4)
		time.Sleep(4 * time.Second)
		p.Print()
		task.End()
		var got map[string]any
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
			t.Fatalf("%q: %v", out.String(), err)
		}
		want := map[string]any{
			"type": "progress", "what": "committing", "unit": "groups", "done": 2.0, "total": 4.0,
			"elapsed_seconds": 4.0, "rate_per_second": 0.5, "left_seconds": 4.0,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNilShowsNothing(t *testing.T) {
	t.Parallel()
	var p *Progress
	task := p.Begin("x", "y", 1)
	task.Set(1, 1)
	task.Add(1)
	task.End()
	p.Print()
}
