package migrate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// killedAtEveryStep has an event at each step, there and back, that kills
// kferry once; another process goes on each time.
func (w *world) killedAtEveryStep(t *testing.T) {
	t.Parallel()
	a := w.mirrored(t, "killed", often)
	a.start(t, w.old)
	a.isCopied(t)
	a.processes(t, 20)
	k := &killer{w: w, dir: t.TempDir()}
	script := filepath.Join(t.TempDir(), "kill")
	text := fmt.Sprintf("#!/bin/sh\ncat >/dev/null\nif mkdir %s/$KFERRY_STEP 2>/dev/null; then kill -9 $PPID; fi\n", k.dir)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	if code := k.call(t, migration("create", "killed", "--from", "old", "--to", "new", "--group", "killed",
		"--settle", "1s", "--interval", "500ms", "--on", "*="+script)); code != killed {
		t.Fatalf("creating was not killed: exit code %d", code)
	}
	k.until(t, advance("killed"), 3) // it runs still
	a.halt(t)
	k.until(t, advance("killed", patient, "--until", "moved"), 0)
	w.at(t, "killed", "moved")
	a.start(t, w.new)
	k.until(t, advance("killed", patient), 0)
	w.at(t, "killed", "across")
	a.processes(t, 20)
	a.halt(t)
	k.until(t, migration("fail-back", "killed", "--yes", patient), 0)
	w.at(t, "killed", "failed-back")
	a.start(t, w.old)
	a.once(t)

	want := []string{"checked", "stopping", "stopped", "copied", "planned", "applied", "verified", "moved", "resumed", "across", "failing-back", "failed-back"}
	if !slices.Equal(k.at, want) {
		t.Errorf("killed at %v, want %v", k.at, want)
	}
}

// killer counts deaths, and at which steps they were.
type killer struct {
	w   *world
	dir string
	at  []string
}

func (k *killer) call(t *testing.T, args []string) int {
	t.Helper()
	before := k.marks(t)
	a := k.w.kferry(t, args...)
	if a.code == killed {
		for _, step := range k.marks(t) {
			if !slices.Contains(before, step) {
				k.at = append(k.at, step)
			}
		}
	}
	return a.code
}

// marks are the steps at which somebody was killed.
func (k *killer) marks(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// until calls kferry as often as it is killed, and wants an exit code then.
func (k *killer) until(t *testing.T, args []string, code int) {
	t.Helper()
	for range 15 {
		switch got := k.call(t, args); got {
		case killed:
		case code:
			return
		default:
			t.Fatalf("%v: exit code %d, want %d", args, got, code)
		}
	}
	t.Fatalf("%v: killed again and again, at %v", args, k.at)
}
