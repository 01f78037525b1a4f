package migrate_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/kferry/kferry/internal/kafkatest"
)

// redeployedOnTheTarget starts the application on the target before its time,
// where it commits: whatever is called then, its commits stay. They stay as
// well when it has gone on there in its time.
func (w *world) redeployedOnTheTarget(t *testing.T) {
	t.Parallel()
	const name = "redeployed"
	a := w.mirrored(t, name, often)
	a.start(t, w.old)
	a.isCopied(t)
	a.processes(t, 20)

	// Before the migration is made.
	again := migration("create", name, "--from", "old", "--to", "new", "--group", name, "--mover", "mirrormaker2")
	early := a.early(t)
	w.must(t, 3, again, "group-active")
	early.Stop(t)
	a.unmoved(t, early.own(t))
	a.forget(t)
	one := func(string) int64 { return 1 }
	own := a.commits(t, one)
	w.must(t, 3, again, "target-positions")
	a.unmoved(t, own)
	a.forget(t)

	// Between create and planned, and between planned and applied.
	w.create(t, name, "--mover", "mirrormaker2")
	a.halt(t)
	for _, step := range []string{"copied", "planned"} {
		w.must(t, 0, advance(name, patient, "--until", step))
		early = a.early(t)
		w.must(t, 3, advance(name))
		early.Stop(t)
		own = early.own(t)
		a.unmoved(t, own)
		w.must(t, 3, advance(name))
		a.unmoved(t, own)
		a.forget(t)
	}
	// Behind where it would be put: nobody would read anything again, and still
	// it is somebody else's.
	own = a.commits(t, one)
	w.must(t, 3, advance(name), "has a position of its own on new")
	a.unmoved(t, own)
	a.forget(t)

	w.must(t, 0, advance(name, patient, "--until", "moved"))
	a.goesOnThere(t)
	a.once(t)
}

// goesOnThere starts the application in its time; from then on its positions
// are its own.
func (a *app) goesOnThere(t *testing.T) {
	t.Helper()
	w := a.w
	a.start(t, w.new)
	a.processes(t, 20)
	a.halt(t)
	own := positions(t, w.new, a.name)
	w.must(t, 3, migration("abort", a.name, "--yes"), "already committed on the target")
	a.unmoved(t, own)
	w.must(t, 0, advance(a.name, patient), "across")
	a.unmoved(t, own)
	w.must(t, 3, migration("abort", a.name, "--yes"), "already committed on the target")
	w.must(t, 0, advance(a.name))
	a.unmoved(t, own)
	a.start(t, w.new)
}

// intruder is an application that was started too early.
type intruder struct {
	*kafkatest.Application
	topic string
}

// early starts the application on the target from the earliest record, as
// somebody might who does not wait, and lets it commit there.
func (a *app) early(t *testing.T) intruder {
	t.Helper()
	in := intruder{a.w.new.StartApplication(t, kafkatest.ApplicationOptions{Group: a.name, Topic: a.copied, Reset: "earliest"}), a.copied}
	processes(t, a.name+" on the target", in.Application, 5)
	return in
}

// own are the positions that an orderly end has committed.
func (in intruder) own(t *testing.T) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for _, r := range in.Processed(t) {
		out[partitionName(in.topic, r.Partition)] = r.Offset + 1
	}
	return out
}

// commits puts the group on the target somewhere.
func (a *app) commits(t *testing.T, offset func(partition string) int64) map[string]int64 {
	t.Helper()
	at, out := kadm.Offsets{}, map[string]int64{}
	for p := range int32(partitions) {
		tp := partitionName(a.copied, p)
		out[tp] = offset(tp)
		at.AddOffset(a.copied, p, out[tp], -1)
	}
	if err := a.w.new.Admin(t).CommitAllOffsets(t.Context(), a.name, at); err != nil {
		t.Fatalf("committing for %s: %v", a.name, err)
	}
	return out
}

// forget deletes the group on the target.
func (a *app) forget(t *testing.T) {
	t.Helper()
	a.w.must(t, 0, []string{"group", "delete", a.name, "-c", "new", "--yes"})
	a.unmoved(t, map[string]int64{})
}
