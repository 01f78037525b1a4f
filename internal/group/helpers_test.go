package group

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
)

// connection is a cluster as this package needs it.
type connection struct {
	client *kgo.Client
	admin  *kadm.Client
}

var _ Connection = (*connection)(nil)

func (c *connection) Client() *kgo.Client { return c.client }
func (c *connection) Admin() *kadm.Client { return c.admin }
func (c *connection) Name() string        { return "blue" }

// broker is an in-process cluster that counts requests.
type broker struct {
	*kfake.Cluster
	mu     sync.Mutex
	counts map[kmsg.Key]int
}

func startBroker(t *testing.T, opts ...kfake.Opt) *broker {
	t.Helper()
	opts = append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(4, "orders", "payments")}, opts...)
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatalf("starting a cluster: %v", err)
	}
	t.Cleanup(cluster.Close)
	b := &broker{Cluster: cluster, counts: make(map[kmsg.Key]int)}
	cluster.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		b.mu.Lock()
		defer b.mu.Unlock()
		b.counts[kmsg.Key(r.Key())]++
		return nil, nil, false
	})
	return b
}

// count is the number of requests of a kind since the last reset.
func (b *broker) count(key kmsg.Key) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[key]
}

// ControlKey is that of the cluster, and counts the requests that fn answers
// too: other controls do not see them.
func (b *broker) ControlKey(key int16, fn func(kmsg.Request) (kmsg.Response, error, bool)) {
	b.Cluster.ControlKey(key, func(r kmsg.Request) (kmsg.Response, error, bool) {
		resp, err, handled := fn(r)
		if handled {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.counts[kmsg.Key(r.Key())]++
		}
		return resp, err, handled
	})
}

func (b *broker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.counts)
}

// connect opens a client for the cluster.
func (b *broker) connect(t *testing.T, opts ...kgo.Opt) *connection {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.ListenAddrs()...)}, opts...)...)
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	t.Cleanup(cl.Close)
	return &connection{client: cl, admin: kadm.NewClient(cl)}
}

func (b *broker) groups(t *testing.T, opts ...kgo.Opt) *Client {
	t.Helper()
	return New(b.connect(t, opts...), &Options{RequestTimeout: time.Minute, UnstableWait: 150 * time.Millisecond})
}

// as logs in as a user of a cluster that has passwords.
func as(user string) kgo.Opt {
	return kgo.SASL(plain.Auth{User: user, Pass: "secret"}.AsMechanism())
}

// secured are the options of a cluster with an authorizer, where user has the
// given rights and admin has all.
func secured(acls ...kfake.ACL) []kfake.Opt {
	return []kfake.Opt{
		kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "secret"), kfake.User("PLAIN", "user", "secret", acls...),
	}
}

func allow(resource kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
	return kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
}

func part(name string, p int32) topic.Partition {
	return topic.Partition{Topic: name, Partition: p}
}

func at(name string, p int32, offset int64, metadata string) position.Position {
	return position.Position{Partition: part(name, p), Offset: offset, LeaderEpoch: 7, Metadata: metadata}
}

// commit stores positions and expects that all are stored.
func commit(t *testing.T, c *Client, group string, ps ...position.Position) {
	t.Helper()
	parts, err := c.Commit(t.Context(), group, ps)
	if err != nil {
		t.Fatalf("Commit(%q): %v", group, err)
	}
	for p, err := range parts {
		if err != nil {
			t.Fatalf("Commit(%q) of %s: %v", group, p, err)
		}
	}
}

// read reads one group and expects no error.
func read(t *testing.T, c *Client, name string) Reading {
	t.Helper()
	got, err := c.Read(t.Context(), []string{name})
	if err != nil {
		t.Fatalf("Read(%q): %v", name, err)
	}
	r, ok := got[name]
	if !ok || r.Err != nil {
		t.Fatalf("Read(%q) = %+v", name, r)
	}
	return r
}

// offsets are the offsets of a reading, by partition.
func offsets(r Reading) map[topic.Partition]int64 {
	all := make(map[topic.Partition]int64, len(r.Positions))
	for p, at := range r.Positions {
		all[p] = at.Offset
	}
	return all
}

// join starts a consumer of a group and waits until it has partitions.
func join(t *testing.T, b *broker, group string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	ctx := t.Context()
	opts = append([]kgo.Opt{
		kgo.SeedBrokers(b.ListenAddrs()...), kgo.ConsumerGroup(group), kgo.ConsumeTopics("orders"),
		kgo.ClientID("shop"), kgo.DisableAutoCommit(),
	}, opts...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatalf("starting a consumer: %v", err)
	}
	t.Cleanup(cl.CloseAllowingRebalance)
	go func() {
		for ctx.Err() == nil && !cl.PollFetches(ctx).IsClientClosed() {
			continue
		}
	}()
	if _, err := b.WaitGroupStable(ctx, group, 1); err != nil {
		t.Fatalf("waiting for the consumer: %v", err)
	}
	return cl
}

// many names n groups.
func many(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("group-%04d", i)
	}
	return names
}

// mentions fails unless the text has all the words.
func mentions(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
}
