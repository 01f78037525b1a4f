package cluster

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kferry/kferry/internal/batch"
	"github.com/kferry/kferry/internal/topic"
)

// fake starts an in-process broker.
func fake(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	f, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// open connects to a fake.
func open(t *testing.T, f *kfake.Cluster, change ...func(*Login)) *Cluster {
	t.Helper()
	l := Login{Name: "test", Seeds: f.ListenAddrs(), RequestTimeout: time.Minute}
	for _, ch := range change {
		ch(&l)
	}
	c, err := Open(t.Context(), l, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// produce sends raw batches to one partition, one request each, and returns
// their base offsets.
func produce(t *testing.T, c *Cluster, p topic.Partition, batches ...[]byte) []int64 {
	t.Helper()
	var out []int64
	for _, raw := range batches {
		meta, err := c.leaders(t.Context(), []string{p.Topic})
		if err != nil {
			t.Fatal(err)
		}
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, 5000
		rt := kmsg.NewProduceRequestTopic()
		rt.Topic, rt.TopicID = p.Topic, meta[p.Topic].id
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = p.Partition, raw
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(t.Context(), c.cl.Broker(int(meta[p.Topic].partitions[p.Partition].leader)))
		if err != nil {
			t.Fatal(err)
		}
		got := resp.Topics[0].Partitions[0]
		if got.ErrorCode != 0 {
			t.Fatalf("producing to %s: code %d", p, got.ErrorCode)
		}
		out = append(out, got.BaseOffset)
	}
	return out
}

// encode makes one batch of values.
func encode(t *testing.T, o batch.EncodeOptions, values ...string) []byte {
	t.Helper()
	records := make([]batch.Record, 0, len(values))
	for i, v := range values {
		records = append(records, batch.Record{Timestamp: 1000 + int64(i), Value: []byte(v)})
	}
	raw, err := batch.Encode(records, o)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func part(name string, n int32) topic.Partition { return topic.Partition{Topic: name, Partition: n} }

// offsets returns what a chunk shows, by kind.
func offsets(t *testing.T, c *batch.Chunk) map[batch.Kind][]int64 {
	t.Helper()
	out := map[batch.Kind][]int64{}
	for e, err := range batch.Visible(c) {
		if err != nil {
			t.Fatal(err)
		}
		out[e.Kind] = append(out[e.Kind], e.Offset)
	}
	return out
}

func TestOpen(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(3), kfake.ClusterID("the-id"))
	c := open(t, f)
	if c.ID() != "the-id" || c.Name() != "test" || len(c.Bootstrap()) != 3 {
		t.Fatalf("%q %q %v", c.ID(), c.Name(), c.Bootstrap())
	}
	v := c.Versions()
	if !v.HasTopicIDs || !v.HasDescribeProducers || !v.HasOffsetDelete || !v.HasRequireStable || !v.HasOffsetFetchGroups ||
		!v.HasConsumerGroupDescribe || !v.HasShareGroupOffsets || v.Highest(kmsg.Fetch) < 13 || v.Highest(kmsg.Key(999)) != -1 {
		t.Fatalf("%+v", v)
	}
	if s := c.Stats(); s.MetadataRequests == 0 || s.Requests <= s.MetadataRequests {
		t.Fatalf("%+v", s)
	}
}

// deadPort is an address on which nothing listens.
func deadPort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func connectError(t *testing.T, l Login, o *Options) *ConnectError {
	t.Helper()
	if l.DialTimeout == 0 {
		l.DialTimeout = 30 * time.Second
	}
	c, err := Open(t.Context(), l, o)
	if err == nil {
		c.Close()
		t.Fatal("no error")
	}
	var ce *ConnectError
	if !errors.As(err, &ce) {
		t.Fatalf("%T: %v", err, err)
	}
	t.Logf("%v (hint: %s)", ce, ce.Hint)
	return ce
}

func TestOpenNothingListens(t *testing.T) {
	t.Parallel()
	addr := deadPort(t)
	e := connectError(t, Login{Name: "a", Seeds: []string{addr}}, nil)
	if e.Stage != StageDial || e.Address != addr || e.Hint == "" || !strings.Contains(e.Error(), addr) || e.After <= 0 {
		t.Fatalf("%+v", e)
	}
}

func TestOpenOneSeedIsEnough(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(1))
	c := open(t, f, func(l *Login) { l.Seeds = append([]string{deadPort(t)}, l.Seeds...) })
	if c.ID() == "" {
		t.Fatal("no ID")
	}
}

func TestOpenSilentAddress(t *testing.T) {
	t.Parallel()
	// A listener that accepts and never answers.
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	start := time.Now()
	e := connectError(t, Login{Seeds: []string{l.Addr().String()}, DialTimeout: time.Second}, nil)
	if e.Stage != StageRequest || !strings.Contains(e.Hint, "security protocol") || time.Since(start) > 20*time.Second {
		t.Fatalf("%+v after %s", e, time.Since(start))
	}
}

func TestOpenBlackHole(t *testing.T) {
	t.Parallel()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	e := connectError(t, Login{Seeds: []string{"10.0.0.1:9092"}, DialTimeout: 100 * time.Millisecond}, &Options{Dial: dial})
	if e.Stage != StageDial || !strings.Contains(e.Hint, "firewalls") || e.After < 100*time.Millisecond {
		t.Fatalf("%+v", e)
	}
}

func TestOpenUnknownHost(t *testing.T) {
	t.Parallel()
	dial := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "kafka.invalid", IsNotFound: true}}
	}
	e := connectError(t, Login{Seeds: []string{"kafka.invalid:9092"}}, &Options{Dial: dial})
	if e.Stage != StageResolve || !strings.Contains(e.Error(), "kafka.invalid") {
		t.Fatalf("%+v", e)
	}
}

func TestOpenAdvertisedListener(t *testing.T) {
	t.Parallel()
	f := fake(t, kfake.NumBrokers(2))
	bad := f.ListenAddrs()[1]
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == bad {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	e := connectError(t, Login{Name: "a", Seeds: f.ListenAddrs()[:1]}, &Options{Dial: dial})
	if e.Stage != StageAdvertised || e.Cause != StageDial || e.Address != bad || e.Broker < 0 || !strings.Contains(e.Hint, "advertised.listeners") {
		t.Fatalf("%+v", e)
	}
}

func TestOpenBadLogin(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]Login{
		"no seed":           {},
		"no port":           {Seeds: []string{"host"}},
		"port 0":            {Seeds: []string{"host:0"}},
		"no host":           {Seeds: []string{":9092"}},
		"unknown mechanism": {Seeds: []string{"host:1"}, Security: Security{SASL: &SASL{Mechanism: "GSSAPI"}}},
		"no mechanism":      {Seeds: []string{"host:1"}, Security: Security{SASL: &SASL{}}},
		"no such store":     {Seeds: []string{"host:1"}, Security: Security{TLS: &TLS{Trust: Store{File: "/nowhere/at/all"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c, err := Open(t.Context(), l, nil); err == nil {
				c.Close()
				t.Fatal("no error")
			}
		})
	}
}

// transactional makes a producer with a transactional ID.
func transactional(t *testing.T, f *kfake.Cluster) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.ListenAddrs()...), kgo.TransactionalID(t.Name()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// transaction writes n records to partition 0 and ends the transaction, or
// leaves it open when end is nil.
func transaction(t *testing.T, cl *kgo.Client, name string, n int, end *kgo.TransactionEndTry) {
	t.Helper()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: name, Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if end == nil {
		return
	}
	if err := cl.EndTransaction(t.Context(), *end); err != nil {
		t.Fatal(err)
	}
}

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}
