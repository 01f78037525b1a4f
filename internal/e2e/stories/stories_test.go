// Package stories tells the flows of kferry's users, command by command, on a
// real Apache Kafka. Each story is a script under testdata/script; Kafka's own
// tools and Java consumer judge the result.
package stories

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cli"
	"github.com/kferry/kferry/internal/kafkatest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kferry": kferry})
}

// kferry is the program itself, run as a command of the scripts.
func kferry() {
	ctx, stop := cli.WithInterrupts(context.Background(), os.Exit)
	code := cli.Main(ctx, os.Args[1:], cli.SystemStreams())
	stop()
	os.Exit(code)
}

func TestStories(t *testing.T) {
	kafkatest.Need(t, kafkatest.Newest, kafkatest.Previous)
	clusters := map[string]*kafkatest.Kafka{
		"prod": kafkatest.Start(t, kafkatest.Options{Version: kafkatest.Newest}),
		"qa":   kafkatest.Start(t, kafkatest.Options{Version: kafkatest.Previous}),
	}
	w := &world{t: t, clusters: clusters}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PROD", clusters["prod"].Bootstrap())
			e.Setenv("QA", clusters["qa"].Bootstrap())
			e.Setenv("KFERRY_STATE", e.WorkDir+"/state")
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"topic":                 w.topic,
			"produce":               w.produce,
			"trim":                  w.trim,
			"commit":                w.commit,
			"restore":               w.restore,
			"live":                  w.live,
			"kafka-consumer-groups": w.describe,
			"console-consumer":      w.consume,
		},
	})
}

// world is what the scripts act on beside kferry.
type world struct {
	t        *testing.T
	clusters map[string]*kafkatest.Kafka
}

func (w *world) cluster(ts *testscript.TestScript, name string) *kafkatest.Kafka {
	k := w.clusters[name]
	if k == nil {
		ts.Fatalf("no cluster %q", name)
	}
	return k
}

func number(ts *testscript.TestScript, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	ts.Check(err)
	return n
}

func usage(ts *testscript.TestScript, neg bool, args []string, n int, text string) {
	if neg || len(args) != n {
		ts.Fatalf("usage: %s", text)
	}
}

func (w *world) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(w.t.Context(), time.Minute)
}

// topic CLUSTER NAME PARTITIONS
func (w *world) topic(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "topic CLUSTER NAME PARTITIONS")
	w.cluster(ts, args[0]).CreateTopic(w.t, args[1], int32(number(ts, args[2])), nil)
}

// produce CLUSTER TOPIC PARTITION FROM TO writes "TOPIC FROM" up to "TOPIC TO".
func (w *world) produce(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 5, "produce CLUSTER TOPIC PARTITION FROM TO")
	cl := w.cluster(ts, args[0]).Client(w.t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	ctx, cancel := w.context()
	defer cancel()
	var rs []*kgo.Record
	for i := number(ts, args[3]); i <= number(ts, args[4]); i++ {
		n := strconv.FormatInt(i, 10)
		rs = append(rs, &kgo.Record{
			Topic: args[1], Partition: int32(number(ts, args[2])),
			Key: []byte(n), Value: []byte(args[1] + " " + n),
		})
	}
	ts.Check(cl.ProduceSync(ctx, rs...).FirstErr())
}

// trim CLUSTER TOPIC PARTITION OFFSET deletes the records below.
func (w *world) trim(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 4, "trim CLUSTER TOPIC PARTITION OFFSET")
	ctx, cancel := w.context()
	defer cancel()
	at := kadm.Offsets{}
	at.AddOffset(args[1], int32(number(ts, args[2])), number(ts, args[3]), -1)
	_, err := w.cluster(ts, args[0]).Admin(w.t).DeleteRecords(ctx, at)
	ts.Check(err)
}

// commit CLUSTER GROUP TOPIC PARTITION OFFSET
func (w *world) commit(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 5, "commit CLUSTER GROUP TOPIC PARTITION OFFSET")
	ctx, cancel := w.context()
	defer cancel()
	at := kadm.Offsets{}
	at.AddOffset(args[2], int32(number(ts, args[3])), number(ts, args[4]), -1)
	ts.Check(w.cluster(ts, args[0]).Admin(w.t).CommitAllOffsets(ctx, args[1], at))
}

// live CLUSTER GROUP TOPIC keeps a member in the group until the script ends.
func (w *world) live(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "live CLUSTER GROUP TOPIC")
	ctx, cancel := w.context()
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.cluster(ts, args[0]).Bootstrap()),
		kgo.ConsumerGroup(args[1]), kgo.ConsumeTopics(args[2]), kgo.DisableAutoCommit(), kgo.ClientID("reader"))
	ts.Check(err)
	ts.Defer(cl.Close)
	ts.Check(cl.PollFetches(ctx).Err()) // the first records come once it is a member
}

// restore FROM TOPIC TO TOPIC HEADER copies a topic of one partition as a
// backup tool restores it: every record with its old offset as decimal text.
func (w *world) restore(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 5, "restore FROM TOPIC TO TOPIC HEADER")
	ctx, cancel := w.context()
	defer cancel()
	from := w.cluster(ts, args[0])
	ends, err := from.Admin(w.t).ListEndOffsets(ctx, args[1])
	ts.Check(err)
	end, _ := ends.Lookup(args[1], 0)
	in := from.Client(w.t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{args[1]: {0: kgo.NewOffset().AtStart()}}))
	out := w.cluster(ts, args[2]).Client(w.t)
	for next := int64(0); next < end.Offset; {
		fs := in.PollFetches(ctx)
		ts.Check(fs.Err())
		for _, r := range fs.Records() {
			next = r.Offset + 1
			copied := &kgo.Record{Topic: args[3], Key: r.Key, Value: r.Value, Timestamp: r.Timestamp, Headers: append(r.Headers,
				kgo.RecordHeader{Key: args[4], Value: strconv.AppendInt(nil, r.Offset, 10)})}
			ts.Check(out.ProduceSync(ctx, copied).FirstErr())
		}
	}
}

// kafka-consumer-groups CLUSTER GROUP prints Kafka's own --describe, a row per
// partition: group topic partition current end lag.
func (w *world) describe(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "kafka-consumer-groups CLUSTER GROUP")
	var b strings.Builder
	for _, r := range w.cluster(ts, args[0]).ConsumerGroupsDescribe(w.t, args[1]) {
		b.WriteString(strings.Join([]string{
			r.Group, r.Topic, strconv.Itoa(int(r.Partition)),
			strconv.FormatInt(r.Current, 10), strconv.FormatInt(r.End, 10), strconv.FormatInt(r.Lag, 10),
		}, " ") + "\n")
	}
	if b.Len() == 0 {
		b.WriteString("no such group\n")
	}
	_, err := ts.Stdout().Write([]byte(b.String()))
	ts.Check(err)
}

// console-consumer CLUSTER GROUP TOPIC MOST runs Kafka's Java console consumer
// and prints a line per record: partition offset value.
func (w *world) consume(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 4, "console-consumer CLUSTER GROUP TOPIC MOST")
	var b strings.Builder
	for _, r := range w.cluster(ts, args[0]).ConsoleConsume(w.t, args[1], args[2], int(number(ts, args[3]))) {
		b.WriteString(strconv.Itoa(int(r.Partition)) + " " + strconv.FormatInt(r.Offset, 10) + " " + r.Value + "\n")
	}
	_, err := ts.Stdout().Write([]byte(b.String()))
	ts.Check(err)
}
