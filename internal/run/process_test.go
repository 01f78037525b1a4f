package run_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
)

// race is a process of TestProcessRace. It says what became of it, waits for
// its input to end, and dies without releasing anything.
func race(state, id string) {
	ctx := context.Background()
	b, err := store.Open(ctx, state, nil)
	if err == nil {
		var r *run.Run
		if r, err = run.Open(ctx, b, id, nil); err == nil {
			if _, _, err = r.AcquireLease(ctx); err == nil {
				err = r.Append(ctx, "note", note{fmt.Sprint(os.Getpid())})
			}
		}
	}
	switch {
	case err == nil:
		fmt.Fprintln(os.Stdout, "won")
	case errors.Is(err, run.ErrHeld):
		fmt.Fprintln(os.Stdout, "held")
	default:
		fmt.Fprintln(os.Stdout, err)
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// TestProcessRace lets real processes race for one run in a folder. When the
// winner has died, the next one takes the run at once.
func TestProcessRace(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(t.TempDir(), "state")
	b, err := store.Open(t.Context(), state, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := create(t, b, nil)
	for round := range 2 {
		said := make([]string, 3)
		var wg, all sync.WaitGroup
		all.Add(len(said))
		for i := range said {
			wg.Go(func() {
				cmd := exec.CommandContext(t.Context(), exe)
				cmd.Env = append(os.Environ(), "KFERRY_TEST_RACER="+state, "KFERRY_TEST_RUN="+r.ID())
				said[i] = converse(t, cmd, &all)
			})
		}
		wg.Wait()
		slices.Sort(said)
		if !slices.Equal(said, []string{"held", "held", "won"}) {
			t.Fatalf("round %d: %q, want one winner", round, said)
		}
	}
	got, err := journal(t.Context(), r)
	if err != nil || len(got) != 4 {
		t.Errorf("journal %q, %v, want two holders with a note each", got, err)
	}
	acquire(t, r) // the second winner is dead as well
}

// converse starts a racer, hears what it says, and lets it die when all have
// spoken.
func converse(t *testing.T, cmd *exec.Cmd, all *sync.WaitGroup) string {
	t.Helper()
	stdin, inErr := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		all.Done()
		t.Error(err)
		return ""
	}
	buf := make([]byte, 1000)
	n, _ := stdout.Read(buf) // what is missing is seen in what was said
	all.Done()
	all.Wait()
	_ = stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	return strings.TrimSpace(string(buf[:n]))
}

func TestGone(t *testing.T) {
	t.Parallel()
	self := run.Self()
	if self.Gone() {
		t.Error("this process is gone")
	}
	if self.HostID == "" {
		t.Logf("this system has no host ID: nobody is ever gone")
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), exe)
	child.Args = append(child.Args, "-test.run=^$")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*run.Who)
		want   bool
	}{
		{"a process that has ended", func(w *run.Who) { w.PID, w.Started = child.Process.Pid, "" }, true},
		{"its number used again", func(w *run.Who) { w.Started += "0" }, self.Started != ""},
		{"another host", func(w *run.Who) { w.PID, w.HostID = child.Process.Pid, "other" }, false},
		{"an unknown host", func(w *run.Who) { w.PID, w.HostID = child.Process.Pid, "" }, false},
		{"no number", func(w *run.Who) { w.PID = 0 }, false},
		{"unknown start", func(w *run.Who) { w.Started = "" }, false},
	} {
		w := self
		tt.change(&w)
		if got := w.Gone(); got != tt.want {
			t.Errorf("%s: gone is %t, want %t", tt.name, got, tt.want)
		}
	}
}
