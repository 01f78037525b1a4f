package migrate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// restartedOnTheSource starts the application on the source again when it was
// stopped, when the plan was made, and when it was applied. That is noticed
// each time, what it reads then is not read again, and nobody is told to start
// it on the target meanwhile.
func (w *world) restartedOnTheSource(t *testing.T) {
	t.Parallel()
	const name = "restarted"
	a := w.mirrored(t, name, often)
	a.start(t, w.old)
	a.isCopied(t)
	a.processes(t, 20)
	starts := filepath.Join(t.TempDir(), "starts")
	w.create(t, name, "--mover", "mirrormaker2", "--on", "moved=sh -c 'cat >/dev/null; echo start >>"+starts+"'")
	for _, step := range []string{"stopped", "planned", "applied"} {
		a.halt(t)
		w.must(t, 0, advance(name, patient, "--until", step))
		w.at(t, name, step)
		a.start(t, w.old)
		a.processes(t, 20)
		w.must(t, 3, advance(name), "source-active", "is Stable on old")
		w.at(t, name, "stopping")
		a.unmoved(t, map[string]int64{})
	}
	// It was on and off again between two calls: only its positions tell.
	a.halt(t)
	w.must(t, 0, advance(name, patient, "--until", "planned"))
	a.start(t, w.old)
	a.processes(t, 20)
	a.halt(t)
	w.must(t, 0, advance(name, patient, "--until", "moved"), "source-moved")
	if told, err := os.ReadFile(starts); err != nil || strings.TrimSpace(string(told)) != "start" {
		t.Errorf("told to start it on the target: %q (%v), want once", told, err)
	}
	a.start(t, w.new)
	w.must(t, 0, advance(name, patient))
	w.at(t, name, "across")
	a.once(t)
}
