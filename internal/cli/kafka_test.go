package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// kafkasKey finds the clusters of a script.
type kafkasKey struct{}

// kafkas are the clusters that one script has started, by name.
type kafkas struct {
	env       *testscript.Env
	clusters  map[string]*kfake.Cluster
	clients   map[string]*kgo.Client
	consumers map[string]context.CancelFunc
	stopped   map[string]stopped
	kept      map[string]*kept
	wait      sync.WaitGroup
}

func newKafkas(env *testscript.Env) *kafkas {
	return &kafkas{
		env: env, clusters: map[string]*kfake.Cluster{}, clients: map[string]*kgo.Client{},
		consumers: map[string]context.CancelFunc{}, stopped: map[string]stopped{}, kept: map[string]*kept{},
	}
}

func (k *kafkas) close() {
	for _, stop := range k.consumers {
		stop()
	}
	k.wait.Wait()
	for _, c := range k.clients {
		c.Close()
	}
	for _, c := range k.clusters {
		c.Close()
	}
}

func of(ts *testscript.TestScript) *kafkas {
	k, ok := ts.Value(kafkasKey{}).(*kafkas)
	if !ok {
		ts.Fatalf("no clusters in this script")
	}
	return k
}

// need checks the number of arguments.
func need(ts *testscript.TestScript, args []string, n int, usage string) {
	if len(args) < n {
		ts.Fatalf("usage: %s", usage)
	}
}

func number(ts *testscript.TestScript, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	ts.Check(err)
	return n
}

func (k *kafkas) client(ts *testscript.TestScript, name string) *kgo.Client {
	c, ok := k.clients[name]
	if !ok {
		ts.Fatalf("no cluster %q", name)
	}
	return c
}

func (k *kafkas) admin(ts *testscript.TestScript, name string) *kadm.Client {
	return kadm.NewClient(k.client(ts, name))
}

func withTime() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*time.Second)
}

// cmdKafka starts a cluster and puts its address into a variable of its name:
// kafka NAME [USER:PASSWORD], the latter for SASL PLAIN.
func cmdKafka(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "kafka NAME [USER:PASSWORD]")
	k := of(ts)
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.ClusterID(args[0] + "-id"), kfake.DefaultNumPartitions(1)}
	client := []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression())}
	if len(args) > 1 {
		user, password, _ := strings.Cut(args[1], ":")
		opts = append(opts, kfake.EnableSASL(), kfake.Superuser("PLAIN", user, password))
		client = append(client, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
	}
	c, err := kfake.NewCluster(opts...)
	ts.Check(err)
	k.clusters[args[0]] = c
	k.clients[args[0]], err = kgo.NewClient(append(client, kgo.SeedBrokers(c.ListenAddrs()...))...)
	ts.Check(err)
	ts.Setenv(args[0], c.ListenAddrs()[0])
}

// cmdTopic creates a topic: topic NAME TOPIC PARTITIONS.
func cmdTopic(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "topic NAME TOPIC PARTITIONS")
	ctx, cancel := withTime()
	defer cancel()
	_, err := of(ts).admin(ts, args[0]).CreateTopic(ctx, int32(number(ts, args[2])), 1, nil, args[1])
	ts.Check(err)
}

// cmdProduce writes records: produce NAME TOPIC PARTITION COUNT [HEADER=FIRST],
// the header rising by one from FIRST, or being the text after a colon.
func cmdProduce(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 4, "produce NAME TOPIC PARTITION COUNT [HEADER=FIRST | HEADER:TEXT]")
	var records []*kgo.Record
	// Older than the retention, they would be about to go.
	began := time.Now().Add(-time.Minute)
	for i := range number(ts, args[3]) {
		r := &kgo.Record{
			Topic: args[1], Partition: int32(number(ts, args[2])),
			Key: []byte("key"), Value: fmt.Appendf(nil, "record %d", i), Timestamp: began.Add(time.Duration(i) * time.Millisecond),
		}
		if len(args) > 4 {
			r.Headers = []kgo.RecordHeader{headerOf(ts, args[4], i)}
		}
		records = append(records, r)
	}
	ctx, cancel := withTime()
	defer cancel()
	ts.Check(of(ts).client(ts, args[0]).ProduceSync(ctx, records...).FirstErr())
}

func headerOf(ts *testscript.TestScript, text string, i int64) kgo.RecordHeader {
	if name, first, ok := strings.Cut(text, "="); ok {
		return kgo.RecordHeader{Key: name, Value: strconv.AppendInt(nil, number(ts, first)+i, 10)}
	}
	name, value, _ := strings.Cut(text, ":")
	return kgo.RecordHeader{Key: name, Value: []byte(value)}
}

// cmdTrim deletes the records below an offset: trim NAME TOPIC PARTITION OFFSET.
func cmdTrim(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 4, "trim NAME TOPIC PARTITION OFFSET")
	os := kadm.Offsets{}
	os.AddOffset(args[1], int32(number(ts, args[2])), number(ts, args[3]), -1)
	ctx, cancel := withTime()
	defer cancel()
	_, err := of(ts).admin(ts, args[0]).DeleteRecords(ctx, os)
	ts.Check(err)
}

// cmdCopy copies a partition as a mover does, with the source offset in a
// header as text, or none when that is "-": copy FROM TOPIC PARTITION TO TOPIC
// HEADER.
func cmdCopy(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 6, "copy FROM TOPIC PARTITION TO TOPIC HEADER")
	k, partition := of(ts), int32(number(ts, args[2]))
	ctx, cancel := withTime()
	defer cancel()
	ends, err := k.admin(ts, args[0]).ListEndOffsets(ctx, args[1])
	ts.Check(err)
	starts, err := k.admin(ts, args[0]).ListStartOffsets(ctx, args[1])
	ts.Check(err)
	end, _ := ends.Lookup(args[1], partition)
	start, _ := starts.Lookup(args[1], partition)
	reader, err := kgo.NewClient(kgo.SeedBrokers(k.clusters[args[0]].ListenAddrs()...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{args[1]: {partition: kgo.NewOffset().At(start.Offset)}}))
	ts.Check(err)
	defer reader.Close()
	var out []*kgo.Record
	for next := start.Offset; next < end.Offset; {
		fetches := reader.PollFetches(ctx)
		ts.Check(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			c := &kgo.Record{Topic: args[4], Partition: partition, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
			if args[5] != "-" {
				c.Headers = []kgo.RecordHeader{{Key: args[5], Value: strconv.AppendInt(nil, r.Offset, 10)}}
			}
			out = append(out, c)
		})
	}
	ts.Check(k.client(ts, args[3]).ProduceSync(ctx, out...).FirstErr())
}

// cmdCommit commits as an admin: commit NAME GROUP TOPIC PARTITION OFFSET
// [METADATA].
func cmdCommit(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 5, "commit NAME GROUP TOPIC PARTITION OFFSET [METADATA]")
	o := kadm.Offset{Topic: args[2], Partition: int32(number(ts, args[3])), At: number(ts, args[4]), LeaderEpoch: -1}
	if len(args) > 5 {
		o.Metadata = args[5]
	}
	os := kadm.Offsets{}
	os.Add(o)
	ctx, cancel := withTime()
	defer cancel()
	ts.Check(of(ts).admin(ts, args[0]).CommitAllOffsets(ctx, args[1], os))
}

// cmdOffsets prints what a group has committed, by another way than kferry's:
// offsets NAME GROUP.
func cmdOffsets(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "offsets NAME GROUP")
	ctx, cancel := withTime()
	defer cancel()
	got, err := of(ts).admin(ts, args[0]).FetchOffsets(ctx, args[1])
	if !errors.Is(err, kerr.GroupIDNotFound) {
		ts.Check(err)
	}
	for _, o := range got.Sorted() {
		fmt.Fprintf(ts.Stdout(), "%s %d %d\n", o.Topic, o.Partition, o.At)
	}
	fmt.Fprintf(ts.Stdout(), "%d committed\n", len(got.Sorted()))
}

// cmdJoin starts a consumer and waits until its group is stable: join NAME
// GROUP TOPIC.
func cmdJoin(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "join NAME GROUP TOPIC")
	k := of(ts)
	c, err := kgo.NewClient(kgo.SeedBrokers(k.clusters[args[0]].ListenAddrs()...),
		kgo.ConsumerGroup(args[1]), kgo.ConsumeTopics(args[2]), kgo.ClientID("shop-worker"), kgo.DisableAutoCommit())
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	k.consumers[args[0]+" "+args[1]] = stop
	k.wait.Go(func() {
		defer c.Close()
		for ctx.Err() == nil {
			c.PollFetches(ctx)
		}
	})
	k.awaitState(ts, args[0], args[1], "Stable")
}

// cmdLeave ends the consumer of a group: leave NAME GROUP.
func cmdLeave(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "leave NAME GROUP")
	k := of(ts)
	stop, ok := k.consumers[args[0]+" "+args[1]]
	if !ok {
		ts.Fatalf("nobody has joined %s", args[1])
	}
	stop()
	k.awaitState(ts, args[0], args[1], "Empty")
}

func (k *kafkas) awaitState(ts *testscript.TestScript, name, group, want string) {
	ctx, cancel := withTime()
	defer cancel()
	for {
		got, err := k.admin(ts, name).DescribeGroups(ctx, group)
		ts.Check(err)
		if got[group].State == want {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("group %s is %s and not %s", group, got[group].State, want)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// cmdDeny makes a cluster refuse every commit from now on, as a broker does
// when the right is missing: deny NAME.
func cmdDeny(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "deny NAME")
	of(ts).clusters[args[0]].ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		of(ts).clusters[args[0]].KeepControl()
		in, ok := req.(*kmsg.OffsetCommitRequest)
		if !ok {
			return nil, nil, false
		}
		out, ok := in.ResponseKind().(*kmsg.OffsetCommitResponse)
		if !ok {
			return nil, nil, false
		}
		for _, t := range in.Topics {
			rt := kmsg.NewOffsetCommitResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.GroupAuthorizationFailed.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			out.Topics = append(out.Topics, rt)
		}
		return out, nil, true
	})
}

// stopped are the commits of one cluster while they are held back.
type stopped struct{ seen, free chan struct{} }

// cmdStopCommits holds commits back from now on: stop-commits NAME.
func cmdStopCommits(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "stop-commits NAME")
	k, s := of(ts), stopped{make(chan struct{}, 1), make(chan struct{})}
	k.stopped[args[0]] = s
	cluster := k.clusters[args[0]]
	cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		select {
		case s.seen <- struct{}{}:
		default:
		}
		cluster.SleepControl(func() { <-s.free })
		return nil, nil, false
	})
}

// cmdAwaitCommit waits until a commit is held back: await-commit NAME.
func cmdAwaitCommit(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "await-commit NAME")
	ctx, cancel := withTime()
	defer cancel()
	select {
	case <-of(ts).stopped[args[0]].seen:
	case <-ctx.Done():
		ts.Fatalf("nothing was committed on %s", args[0])
	}
}

// cmdGoOn lets all commits through: go-on NAME.
func cmdGoOn(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "go-on NAME")
	close(of(ts).stopped[args[0]].free)
}
