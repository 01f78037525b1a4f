package migration

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
)

const ledgerApp = "ledger-app"

// mirrored is a topic whose copy MirrorMaker 2 has made, with its offset syncs
// and a checkpoint that puts ledgerApp three records too low.
func (w *world) mirrored() {
	w.t.Helper()
	const copyName, syncs, points = "old.ledger", "mm2-offset-syncs.new.internal", "old.checkpoints.internal"
	w.source.Create("ledger", 1)
	w.target.Create(copyName, 1)
	w.source.Create(syncs, 1)
	w.target.Create(points, 1)
	w.target.Produce(&kgo.Record{Topic: copyName, Value: []byte("before")}, &kgo.Record{Topic: copyName, Value: []byte("before it")})
	for i := range 20 {
		r := kgo.Record{Topic: "ledger", Value: fmt.Appendf(nil, "entry %d", i)}
		w.source.Produce(&r)
		w.target.Produce(&kgo.Record{Topic: copyName, Value: r.Value, Timestamp: r.Timestamp})
	}
	for _, at := range []int64{0, 5, 19} {
		k, v := mover.OffsetSync{Source: part("ledger", 0), SourceOffset: at, TargetOffset: at + 2}.Encode()
		w.source.Produce(&kgo.Record{Topic: syncs, Key: k, Value: v})
	}
	w.source.commit(ledgerApp, map[topic.Partition]int64{part("ledger", 0): 12})
	k, v := mover.Checkpoint{Group: ledgerApp, Target: part(copyName, 0), SourceOffset: 9, TargetOffset: 11}.Encode()
	w.target.Produce(&kgo.Record{Topic: points, Key: k, Value: v})
}

// TestCheckBesideMirrorMaker has MirrorMaker 2 copy, and write positions, too.
func TestCheckBesideMirrorMaker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mirrored()
	only := func(c *checks) { c.spec.Groups, c.spec.Mover = []string{ledgerApp}, api.MoverMirrorMaker2 }
	c := w.check(only)
	wantFindings(t, c,
		finding{Note, "renamed", "", "old.ledger", "MirrorMaker 2"},
		finding{Note, "evidence", "", "old.ledger", "mm2"},
		finding{Note, "checkpoint", "", "", "3 records would be read again"})
	if c.found(reasonMover) || c.Count(Problem) > 0 {
		t.Errorf("findings: %+v", c.Findings)
	}
	w.target.commit(ledgerApp, map[topic.Partition]int64{part("old.ledger", 0): 11})
	c = w.check(only)
	wantFindings(t, c,
		finding{Warning, "group-sync", "", "", "sync.group.offsets.enabled=false"},
		finding{Note, "target-positions", ledgerApp, "", "MirrorMaker 2"})
	if c.Count(Problem) > 0 {
		t.Errorf("findings: %+v", c.Findings)
	}
	wantFindings(t, w.check(func(c *checks) { only(c); c.spec.Mover = api.MoverArmory }), finding{Problem, "mover", "", "old.ledger", "MirrorMaker 2"})
}

// found reports whether a check has a finding of that reason.
func (c *Checkup) found(reason string) bool {
	for _, f := range c.Findings {
		if f.Reason == reason {
			return true
		}
	}
	return false
}
