package kafkatest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Bounds of how long brokers may take; a machine with little to do needs three
// seconds to start one and less than one to stop it.
const (
	startTimeout = 90 * time.Second
	stopGrace    = 30 * time.Second
)

// startTries is how often a start is tried with other ports where another
// process took one of ours between the look and the bind.
const startTries = 5

// Kafka is a running cluster. Its methods are for the test's own goroutine.
type Kafka struct {
	// Version of Apache Kafka that runs.
	Version string

	opts      Options
	install   *Install
	dir       string
	nodes     []*node
	zookeeper *node // nil with KRaft
	id        string
	external  string // address of a cluster that is not ours
}

// errPortTaken is the one failure after which a start is tried again.
var errPortTaken = errors.New("a port was taken by another process")

// starting lets one cluster start at a time: two Java machines that warm up on
// the same two cores are slower than one after the other, and time out sooner.
var starting sync.Mutex

// Start starts a cluster of the test's own and waits until it serves requests.
// It is killed when the test ends. Where Kafka is not on this machine the test
// ends as [Need] says; where it does not come up the test fails with the end
// of the broker's log.
func Start(t testing.TB, o Options) *Kafka {
	t.Helper()
	o = o.withDefaults()
	in := find(t, o.Version)
	k, err := start(in, o, t.TempDir())
	if err != nil {
		t.Fatalf("starting Apache Kafka %s: %v", o.Version, err)
	}
	t.Cleanup(k.kill)
	k.addUsers(t)
	return k
}

// start makes a cluster under dir.
func start(in *Install, o Options, dir string) (*Kafka, error) {
	starting.Lock()
	defer starting.Unlock()
	for try := 1; ; try++ {
		k := &Kafka{Version: o.Version, opts: o, install: in, dir: dir, id: newClusterID()}
		err := k.lay(try)
		if err == nil {
			err = k.boot(k.all())
		}
		if err == nil {
			return k, nil
		}
		k.kill()
		if !errors.Is(err, errPortTaken) || try == startTries {
			return nil, err
		}
	}
}

// all returns every process of the cluster in the order of their start.
func (k *Kafka) all() []*node {
	if k.zookeeper == nil {
		return k.nodes
	}
	return append([]*node{k.zookeeper}, k.nodes...)
}

// chosen returns the brokers with the given IDs (1, 2, …), all where none is given.
func (k *Kafka) chosen(t testing.TB, ids []int) []*node {
	t.Helper()
	if k.external != "" {
		t.Fatalf("the cluster at %s is not kafkatest's to stop or start", k.external)
	}
	if len(ids) == 0 {
		return k.nodes
	}
	var nodes []*node
	for _, id := range ids {
		if id < 1 || id > len(k.nodes) {
			t.Fatalf("no broker %d in a cluster of %d", id, len(k.nodes))
		}
		nodes = append(nodes, k.nodes[id-1])
	}
	return nodes
}

// Bootstrap returns the addresses of the PLAINTEXT listeners, joined by commas.
func (k *Kafka) Bootstrap() string { return k.bootstrap(portPlain) }

// BootstrapOf returns the addresses of one of [Options].Listeners.
func (k *Kafka) BootstrapOf(t testing.TB, listener string) string {
	t.Helper()
	for i, l := range k.opts.Listeners {
		if l.Name == listener {
			return k.bootstrap(portExtra + i)
		}
	}
	t.Fatalf("no listener %s", listener)
	return ""
}

func (k *Kafka) bootstrap(port int) string {
	if k.external != "" {
		return k.external
	}
	var addresses []string
	for _, n := range k.nodes {
		addresses = append(addresses, n.address(port))
	}
	return strings.Join(addresses, ",")
}

// ID returns the cluster ID, as the brokers tell it.
func (k *Kafka) ID() string { return k.id }

// Stop shuts brokers down in an orderly way and waits for their end: those with
// the given IDs (1, 2, …), or all.
func (k *Kafka) Stop(t testing.TB, ids ...int) {
	t.Helper()
	for _, n := range k.chosen(t, ids) {
		if !n.stop() {
			t.Errorf("broker %d was killed, because it did not stop within %s:\n%s", n.id, stopGrace, n.logTail(tailLines))
		}
	}
}

// Kill ends brokers without warning, as a crash would: those with the given
// IDs, or all. What they had acknowledged stays, as with any crash of a
// process that is not a crash of the machine.
func (k *Kafka) Kill(t testing.TB, ids ...int) {
	t.Helper()
	for _, n := range k.chosen(t, ids) {
		n.kill()
	}
}

// Restart starts the brokers with the given IDs, or all, with the data, the
// addresses and the properties they had; those that run are stopped first. It
// returns when the whole cluster serves requests.
func (k *Kafka) Restart(t testing.TB, ids ...int) {
	t.Helper()
	k.Stop(t, ids...)
	starting.Lock()
	defer starting.Unlock()
	if err := k.boot(k.chosen(t, ids)); err != nil {
		t.Fatalf("restarting Apache Kafka %s: %v", k.Version, err)
	}
}

// LogTail returns the last lines of what a broker (1, 2, …) has logged.
func (k *Kafka) LogTail(t testing.TB, id, lines int) string {
	t.Helper()
	return k.chosen(t, []int{id})[0].logTail(lines)
}

func (k *Kafka) kill() {
	for _, n := range k.all() {
		n.kill()
	}
}

// unknownRetries is how often a client of a test asks again about a topic that a
// broker does not know: one that is busy learns late of a topic just created.
const unknownRetries = 40

// Client returns a client of the PLAINTEXT listener that is closed with the test.
func (k *Kafka) Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(k.Bootstrap(), ",")...), kgo.UnknownTopicRetries(unknownRetries),
	}, opts...)...)
	if err != nil {
		t.Fatalf("making a client: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// Admin returns an admin client of the PLAINTEXT listener that is closed with the test.
func (k *Kafka) Admin(t testing.TB) *kadm.Client {
	t.Helper()
	return kadm.NewClient(k.Client(t))
}

// CreateTopic creates a topic with as many replicas as there are brokers, three
// at most, and the given configuration, and waits until a broker knows leaders
// of all its partitions.
func (k *Kafka) CreateTopic(t testing.TB, topic string, partitions int32, config map[string]string) {
	t.Helper()
	values := map[string]*string{}
	for key, value := range config {
		values[key] = &value
	}
	replicas := int16(min(max(len(k.nodes), 1), 3))
	admin := k.Admin(t)
	if _, err := admin.CreateTopic(t.Context(), partitions, replicas, values, topic); err != nil {
		t.Fatalf("creating topic %s: %v", topic, err)
	}
	Eventually(t, "leaders of "+topic, func() (bool, string) {
		all, err := admin.ListTopics(t.Context(), topic)
		if err != nil {
			return false, err.Error()
		}
		d := all[topic]
		led := 0
		for _, p := range d.Partitions {
			if p.Err == nil && p.Leader >= 0 {
				led++
			}
		}
		return d.Err == nil && led == int(partitions), fmt.Sprintf("%d of %d partitions are led, %v", led, partitions, d.Err)
	})
}

// addUsers gives the users of SCRAM listeners their passwords, which Kafka
// keeps in its metadata and not in a file. One request per mechanism: a user
// named twice in one is refused, even with two mechanisms [ran 4.3.1].
func (k *Kafka) addUsers(t testing.TB) {
	t.Helper()
	for mechanism, scram := range map[string]kadm.ScramMechanism{"SCRAM-SHA-256": kadm.ScramSha256, "SCRAM-SHA-512": kadm.ScramSha512} {
		passwords := map[string]string{} // two listeners may share a user
		for _, l := range k.opts.Listeners {
			if strings.HasPrefix(l.Protocol, "SASL") && slices.Contains(l.mechanisms(), mechanism) {
				maps.Copy(passwords, l.Users)
			}
		}
		if len(passwords) == 0 {
			continue
		}
		var upserts []kadm.UpsertSCRAM
		for user, password := range passwords {
			upserts = append(upserts, kadm.UpsertSCRAM{User: user, Mechanism: scram, Iterations: 4096, Password: password})
		}
		results, err := k.Admin(t).AlterUserSCRAMs(t.Context(), nil, upserts)
		for _, r := range results {
			err = errors.Join(err, r.Err)
		}
		if err != nil {
			t.Fatalf("adding %s users: %v", mechanism, err)
		}
	}
}
