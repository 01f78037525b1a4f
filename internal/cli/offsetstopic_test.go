package cli

import (
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// cmdCommitRecord produces a record as it is in __consumer_offsets, or with the
// offset "-" the one that deletes it: commit-record NAME INTO GROUP TOPIC
// PARTITION OFFSET [METADATA]. It goes to partition 0.
func cmdCommitRecord(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 6, "commit-record NAME INTO GROUP TOPIC PARTITION OFFSET [METADATA]")
	key := kmsg.OffsetCommitKey{Version: 1, Group: args[2], Topic: args[3], Partition: int32(number(ts, args[4]))}
	r := &kgo.Record{Topic: args[1], Key: key.AppendTo(nil)}
	if args[5] != "-" {
		value := kmsg.OffsetCommitValue{Version: 3, Offset: number(ts, args[5]), LeaderEpoch: -1}
		if len(args) > 6 {
			value.Metadata = args[6]
		}
		r.Value = value.AppendTo(nil)
	}
	ctx, cancel := withTime()
	defer cancel()
	ts.Check(of(ts).client(ts, args[0]).ProduceSync(ctx, r).FirstErr())
}
