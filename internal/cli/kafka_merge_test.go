package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/mover"
)

// cmdMerge copies a topic as a mover does that names offset and partition of the
// source in headers, to a topic with another number of partitions:
// merge FROM TOPIC TO TOPIC HEADER[:ENCODING[:ENCODING OF THE PARTITION]] by-partition|by-offset.
// Records go, one of each source partition in turn, to the partition that the
// source partition or the source offset gives modulo the number of partitions.
func cmdMerge(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 6, "merge FROM TOPIC TO TOPIC HEADER[:ENCODING[:ENCODING]] by-partition|by-offset")
	k := of(ts)
	ctx, cancel := withTime()
	defer cancel()
	words := append(strings.Split(args[4], ":"), "", "")
	known, ok := mover.HeaderNamed(words[0])
	if !ok {
		ts.Fatalf("no mover writes %s", words[0])
	}
	enc, penc := mover.Encoding(cmp.Or(words[1], string(known.Encodings[0]))), mover.Encoding(cmp.Or(words[2], string(mover.Decimal)))
	if words[2] == "" && len(known.PartitionEncodings) > 0 {
		penc = known.PartitionEncodings[0]
	}
	there, err := k.admin(ts, args[2]).ListTopics(ctx, args[3])
	ts.Check(err)
	targets := int64(len(there[args[3]].Partitions))
	records := k.readTopic(ts, args[0], args[1])
	var out []*kgo.Record
	for _, r := range records {
		to := int64(r.Partition) % targets
		if args[5] == "by-offset" {
			to = r.Offset % targets
		}
		headers := []kgo.RecordHeader{{Key: known.Offset, Value: mover.EncodeNumber(r.Offset, enc)}}
		if known.Partition != "" {
			headers = append(headers, kgo.RecordHeader{Key: known.Partition, Value: mover.EncodeNumber(int64(r.Partition), penc)})
		}
		out = append(out, &kgo.Record{Topic: args[3], Partition: int32(to), Key: r.Key, Value: r.Value, Timestamp: r.Timestamp, Headers: headers})
	}
	ts.Check(k.client(ts, args[2]).ProduceSync(ctx, out...).FirstErr())
}

// readTopic reads all of a topic, by offset and then partition.
func (k *kafkas) readTopic(ts *testscript.TestScript, name, topicName string) []*kgo.Record {
	ctx, cancel := withTime()
	defer cancel()
	ends, err := k.admin(ts, name).ListEndOffsets(ctx, topicName)
	ts.Check(err)
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	reader, err := kgo.NewClient(kgo.SeedBrokers(k.clusters[name].ListenAddrs()...), kgo.ConsumeTopics(topicName), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ts.Check(err)
	defer reader.Close()
	var out []*kgo.Record
	for left > int64(len(out)) {
		fetches := reader.PollFetches(ctx)
		ts.Check(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) { out = append(out, r) })
	}
	slices.SortFunc(out, func(a, b *kgo.Record) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}
