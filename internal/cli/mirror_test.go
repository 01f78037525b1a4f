package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// cmdSync writes what MirrorMaker 2 notes of one copied record: mm2-sync NAME
// SYNCS-TOPIC TOPIC PARTITION SOURCE-OFFSET TARGET-OFFSET.
func cmdSync(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 6, "mm2-sync NAME SYNCS-TOPIC TOPIC PARTITION SOURCE-OFFSET TARGET-OFFSET")
	key, value := mover.OffsetSync{
		Source:       topic.Partition{Topic: args[2], Partition: int32(number(ts, args[3]))},
		SourceOffset: number(ts, args[4]), TargetOffset: number(ts, args[5]),
	}.Encode()
	writeRecord(ts, args[0], &kgo.Record{Topic: args[1], Key: key, Value: value})
}

// cmdCheckpoint writes where MirrorMaker 2 would let a group go on:
// mm2-checkpoint NAME CHECKPOINTS-TOPIC GROUP TOPIC PARTITION SOURCE-OFFSET
// TARGET-OFFSET.
func cmdCheckpoint(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 7, "mm2-checkpoint NAME CHECKPOINTS-TOPIC GROUP TOPIC PARTITION SOURCE-OFFSET TARGET-OFFSET")
	key, value := mover.Checkpoint{
		Group: args[2], Target: topic.Partition{Topic: args[3], Partition: int32(number(ts, args[4]))},
		SourceOffset: number(ts, args[5]), TargetOffset: number(ts, args[6]),
	}.Encode()
	writeRecord(ts, args[0], &kgo.Record{Topic: args[1], Key: key, Value: value})
}

func writeRecord(ts *testscript.TestScript, cluster string, r *kgo.Record) {
	ctx, cancel := withTime()
	defer cancel()
	ts.Check(of(ts).client(ts, cluster).ProduceSync(ctx, r).FirstErr())
}

func TestMirrorFlags(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		flags  mirrorFlags
		source bool
		want   plan.MirrorMaker
		bad    bool
	}{
		"nothing":                  {source: true},
		"nothing, and no source":   {},
		"an alias":                 {flags: mirrorFlags{alias: "a"}, source: true, want: plan.MirrorMaker{Alias: "a"}},
		"an alias without source":  {flags: mirrorFlags{alias: "a"}, bad: true},
		"a topic without source":   {flags: mirrorFlags{syncs: []string{"source:a"}}, bad: true},
		"a topic without its side": {flags: mirrorFlags{syncs: []string{"a"}}, source: true, bad: true},
		"topics": {
			flags: mirrorFlags{syncs: []string{"source:a", "target:b"}}, source: true,
			want: plan.MirrorMaker{Syncs: []translate.SyncTopic{{Topic: "a"}, {OnTarget: true, Topic: "b"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := test.flags.value(test.source)
			if (err != nil) != test.bad {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(test.want, got); err == nil && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckpointText(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]plan.Checkpoint{
		"4 → 7, the same position":                        {SourceOffset: 4, TargetOffset: 7},
		"4 → 6, from where 1 record would be read again":  {SourceOffset: 4, TargetOffset: 6, Repeats: 1},
		"4 → 9, from where 2 records would never be read": {SourceOffset: 4, TargetOffset: 9, Skips: 2},
		"4 → 9": {SourceOffset: 4, TargetOffset: 9, Repeats: -1, Skips: -1},
		"4 → 7, the same position; the target group stands there":             {SourceOffset: 4, TargetOffset: 7, Synced: true},
		"4 → 7, the same position; the target group stands at an earlier one": {SourceOffset: 4, TargetOffset: 7, Synced: true, Earlier: true},
	} {
		c.Topic = "a.checkpoints.internal"
		if got := checkpointText(&c); got != "MirrorMaker 2's checkpoint of 0001-01-01T00:00:00Z (a.checkpoints.internal): "+want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
