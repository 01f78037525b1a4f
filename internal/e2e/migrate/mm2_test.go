package migrate_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/kferry/kferry/internal/kafkatest"
)

// often is how often a record of each partition is written for an application.
const often = 40 * time.Millisecond

// TestMirrorMaker tells stories at the same time, over copies of one
// MirrorMaker 2 and in one state. The group of one story it puts on the target
// itself, by its own reckoning. Those that stop on the target it leaves alone,
// as kferry advises: a group that was in use there a moment before is new to
// it, and it takes it back to its last checkpoint (MirrorCheckpointTask,
// idleConsumerGroupsOffset).
func TestMirrorMaker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kafkatest.StartMirrorMaker(t, kafkatest.MirrorOptions{
		Source: w.old, Target: w.new, Topics: ".*-events", Groups: "lenses",
	})
	t.Run("ten applications", w.tenApplications)
	t.Run("lenses", w.lenses)
	t.Run("killed at every step", w.killedAtEveryStep)
	t.Run("restarted on the source", w.restartedOnTheSource)
	t.Run("redeployed on the target", w.redeployedOnTheTarget)
	t.Run("fail back", w.failBack)
}

// lenses: name, replicator, group, stop the consumer, wait, created, moved.
func (w *world) lenses(t *testing.T) {
	t.Parallel()
	a := w.mirrored(t, "lenses", often)
	a.start(t, w.old)
	a.isCopied(t)
	a.processes(t, 50)
	a.create(t, "mirrormaker2")
	a.stops(t)
	a.isSynced(t)
	a.moves(t)
	a.once(t)
}

// isSynced waits until MirrorMaker 2 has put the group on the target, and has
// nothing to put there any more.
func (a *app) isSynced(t *testing.T) {
	t.Helper()
	const looks = 10
	last, same := map[string]int64{}, 0
	kafkatest.Eventually(t, "the group sync has come to rest", func() (bool, string) {
		now := positions(t, a.w.new, a.name)
		if !maps.Equal(now, last) {
			last, same = now, 0
		}
		same++
		return len(now) == partitions && same > looks, fmt.Sprint(now)
	})
}

// create creates the migration of an application that runs.
func (a *app) create(t *testing.T, mover string) {
	t.Helper()
	a.w.create(t, a.name, "--mover", mover)
	a.w.must(t, 3, advance(a.name), "is Stable on old", "client "+a.running.Name) // it runs still
}

// stops stops the application, of which a static member is left for a while.
func (a *app) stops(t *testing.T) {
	t.Helper()
	a.halt(t)
	if a.instance == "" {
		return
	}
	a.w.must(t, 3, advance(a.name), "is Stable on old", "static "+a.instance)
	a.w.must(t, 0, advance(a.name, patient, "--until", "stopped"))
}

// moves takes an application that was stopped to the other side.
func (a *app) moves(t *testing.T) {
	t.Helper()
	w := a.w
	w.must(t, 0, advance(a.name, patient, "--until", "moved"), "bootstrap.servers="+w.new.Bootstrap())
	a.start(t, w.new)
	w.must(t, 0, advance(a.name, patient), "across")
	a.processes(t, 50)
	w.must(t, 0, migration("list"), a.name)
}
