package kafkatest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// coordinators is the number of partitions of __consumer_offsets: more than one,
// so that groups of a cluster have several coordinators, and few, so that all
// are loaded in no time.
const coordinators = 3

// warmGroups fall into partitions 1, 2 and 0 of __consumer_offsets: their names'
// Java hash codes (97, 98, 99) modulo three.
var warmGroups = [coordinators]string{"a", "b", "c"}

// newClusterID returns what Kafka's own random-uuid does: 16 random bytes in
// URL-safe base64, never beginning with a dash, which command lines would take
// for a flag (org.apache.kafka.common.Uuid).
func newClusterID() string {
	for {
		b := make([]byte, 16)
		_, _ = rand.Read(b) // never fails, by its documentation
		if id := base64.RawURLEncoding.EncodeToString(b); id[0] != '-' {
			return id
		}
	}
}

// lay chooses ports, writes the files of every node and formats their storage.
func (k *Kafka) lay(try int) error {
	root := filepath.Join(k.dir, "try"+strconv.Itoa(try))
	for id := range k.opts.Nodes {
		n, err := newNode(filepath.Join(root, "broker"+strconv.Itoa(id+1)), id+1, k.opts.ports())
		if err != nil {
			return err
		}
		n.heap, n.config = "512m", n.dir("server.properties")
		n.main = []string{"kafka.Kafka", n.config}
		k.nodes = append(k.nodes, n)
	}
	if !k.install.kraft() {
		zoo, err := newNode(filepath.Join(root, "zookeeper"), 0, 1)
		if err != nil {
			return err
		}
		zoo.heap, zoo.config = "128m", zoo.dir("zoo.cfg")
		zoo.main = []string{"org.apache.zookeeper.server.quorum.QuorumPeerMain", zoo.config}
		k.zookeeper = zoo
		if err := writeProperties(zoo.config, zooProperties(zoo)); err != nil {
			return err
		}
	}
	for _, n := range k.nodes {
		if err := writeProperties(n.config, k.properties(n)); err != nil {
			return err
		}
		if k.install.kraft() {
			if err := k.format(n); err != nil {
				return err
			}
		}
	}
	return nil
}

func newNode(root string, id, ports int) (*node, error) {
	n := &node{id: id, root: root}
	if err := os.MkdirAll(n.dir("data"), 0o750); err != nil {
		return nil, fmt.Errorf("making the folder of node %d: %w", id, err)
	}
	var err error
	if n.ports, err = freePorts(ports); err != nil {
		return nil, err
	}
	return n, writeLog4j(root, "INFO")
}

// format writes the cluster ID and the first metadata into a node's storage.
func (k *Kafka) format(n *node) error {
	cmd := k.install.command(n.root, "128m", "kafka.tools.StorageTool", "format", "-t", k.id, "-c", n.config)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := spawn(cmd)
	if err != nil {
		return fmt.Errorf("starting java: %w", err)
	}
	<-p.done
	if p.err != nil {
		return fmt.Errorf("formatting the storage of node %d: %w:\n%s", n.id, p.err, lastLines(out.String(), tailLines))
	}
	return nil
}

// boot starts the processes and waits until the whole cluster serves requests.
func (k *Kafka) boot(nodes []*node) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for _, n := range nodes {
		if err := n.run(k.install); err != nil {
			return err
		}
		if n == k.zookeeper {
			if err := k.listening(ctx, n); err != nil {
				return err
			}
		}
	}
	for _, n := range nodes {
		if err := k.listening(ctx, n); err != nil {
			return err
		}
	}
	return k.serving(ctx, nodes)
}

// listening waits until the node accepts connections, or is gone.
func (k *Kafka) listening(ctx context.Context, n *node) error {
	for {
		if err := k.revive(n); err != nil {
			return err
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.address(portPlain))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("waiting for node %d: %w; the end of its log:\n%s", n.id, err, n.logTail(tailLines))
		}
	}
}

// serving waits until all brokers that run are registered and the group
// coordinators are loaded: before that the first requests of a test would meet
// errors that say nothing about the code under test. It gives up when one of
// the nodes just started has ended.
func (k *Kafka) serving(ctx context.Context, started []*node) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Bootstrap(), ",")...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for {
		err := k.look(ctx, admin)
		if err == nil {
			return nil
		}
		for _, n := range started {
			if err := k.revive(n); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the cluster: %w; %s", err, k.tails(started))
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// revive is called while waiting for a node: an end of it is the end of the
// waiting, with one exception. Kafka before KRaft gives up when ZooKeeper still
// has the registration of its crashed former self, until that session times
// out, and whoever runs it is to start it again.
func (k *Kafka) revive(n *node) error {
	if !n.proc.ended() {
		return nil
	}
	if k.zookeeper == nil || !strings.Contains(n.logTail(manyLines), "NodeExistsException") {
		return n.lost()
	}
	return n.run(k.install)
}

// tails shows the end of each node's log.
func (k *Kafka) tails(nodes []*node) string {
	var b strings.Builder
	for _, n := range nodes {
		fmt.Fprintf(&b, "the end of the log of node %d:\n%s\n", n.id, n.logTail(tailLines))
	}
	return b.String()
}

// running counts the brokers that have not been stopped.
func (k *Kafka) running() int {
	count := 0
	for _, n := range k.nodes {
		if n.proc != nil && !n.proc.ended() {
			count++
		}
	}
	return count
}

func (k *Kafka) look(ctx context.Context, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	meta, err := admin.BrokerMetadata(ctx)
	if err != nil {
		return fmt.Errorf("asking for metadata: %w", err)
	}
	if have, want := len(meta.Brokers), k.running(); have < want {
		return fmt.Errorf("%d of %d brokers are registered", have, want)
	}
	switch {
	case meta.Cluster == "":
		return errors.New("the cluster ID is not known yet")
	case k.install != nil && k.install.kraft() && meta.Cluster != k.id:
		return fmt.Errorf("cluster %s answers in place of %s: %w", meta.Cluster, k.id, errPortTaken)
	}
	k.id = meta.Cluster
	for _, group := range warmGroups {
		offsets, err := admin.FetchOffsets(ctx, group)
		if err == nil {
			err = offsets.Error()
		}
		if err != nil {
			return fmt.Errorf("asking the coordinator of group %s: %w", group, err)
		}
	}
	return nil
}
