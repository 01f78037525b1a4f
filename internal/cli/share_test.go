package cli

import (
	"fmt"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// cmdStart sets a start offset of a share group, and makes the group if there is
// none: start NAME GROUP TOPIC PARTITION OFFSET.
func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 5, "start NAME GROUP TOPIC PARTITION OFFSET")
	req := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	req.GroupID = args[1]
	t := kmsg.NewAlterShareGroupOffsetsRequestTopic()
	t.Topic = args[2]
	t.Partitions = []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{
		Partition: int32(number(ts, args[3])), StartOffset: number(ts, args[4]),
	}}
	req.Topics = append(req.Topics, t)
	ctx, cancel := withTime()
	defer cancel()
	resp, err := req.RequestWith(ctx, of(ts).client(ts, args[0]))
	ts.Check(err)
	ts.Check(kerr.ErrorForCode(resp.ErrorCode))
	ts.Check(kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode))
}

// cmdStarts prints the start offsets of a share group, by another way than
// kferry's: starts NAME GROUP.
func cmdStarts(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "starts NAME GROUP")
	req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	g := kmsg.NewDescribeShareGroupOffsetsRequestGroup()
	g.GroupID, g.Topics = args[1], nil
	req.Groups = append(req.Groups, g)
	ctx, cancel := withTime()
	defer cancel()
	resp, err := req.RequestWith(ctx, of(ts).client(ts, args[0]))
	ts.Check(err)
	n := 0
	for _, t := range resp.Groups[0].Topics {
		for _, p := range t.Partitions {
			if p.StartOffset >= 0 {
				fmt.Fprintf(ts.Stdout(), "%s %d %d\n", t.Topic, p.Partition, p.StartOffset)
				n++
			}
		}
	}
	fmt.Fprintf(ts.Stdout(), "%d start offsets\n", n)
}

// cmdWork has a member of a share group finish one record of a topic, and
// leave: work NAME GROUP TOPIC OFFSET.
func cmdWork(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 4, "work NAME GROUP TOPIC OFFSET")
	k, want := of(ts), number(ts, args[3])
	ctx, cancel := withTime()
	defer cancel()
	c, err := kgo.NewClient(kgo.SeedBrokers(k.clusters[args[0]].ListenAddrs()...), kgo.ShareGroup(args[1]), kgo.ConsumeTopics(args[2]))
	ts.Check(err)
	defer c.Close()
	for done := false; !done; {
		fs := c.PollRecords(ctx, 100)
		ts.Check(ctx.Err())
		fs.EachRecord(func(r *kgo.Record) {
			if r.Offset == want {
				r.Ack(kgo.AckAccept)
				done = true
				return
			}
			r.Ack(kgo.AckRelease)
		})
		ts.Check(c.FlushAcks(ctx))
	}
}
