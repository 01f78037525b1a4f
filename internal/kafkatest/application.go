package kafkatest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ApplicationOptions says which application [Kafka.StartApplication] runs. Group
// and Topic are needed.
type ApplicationOptions struct {
	Group, Topic string
	// Instance makes it a static member (group.instance.id); it stays in its
	// group until its session ends.
	Instance string
	// Reset is auto.offset.reset; empty: none, so that the application ends when
	// a position is missing.
	Reset string
	// Properties of the consumer, put over those that kafkatest sets.
	Properties map[string]string
}

// Application is a running Java application of Kafka's own making
// (VerifiableConsumer): it prints each record that it has processed and commits
// it before it asks for more. One that was stopped in an orderly way has
// committed all that it has printed, and nothing else.
type Application struct {
	// Name is its client ID.
	Name string

	k    *Kafka
	node *node
	out  string
}

// StartApplication starts an application on the cluster. It is killed when the
// test ends, and the end of its log is shown where the test has failed. Its
// methods are for one goroutine at a time.
func (k *Kafka) StartApplication(t testing.TB, o ApplicationOptions) *Application {
	t.Helper()
	in := find(t, k.Version)
	root, err := os.MkdirTemp(t.TempDir(), "application-") //nolint:usetesting // the end of its name makes that of the application unique
	if err != nil {
		t.Fatalf("laying out an application: %v", err)
	}
	n, err := newNode(root, 0, 0)
	if err != nil {
		t.Fatalf("laying out an application: %v", err)
	}
	a := &Application{Name: o.Group + "-" + filepath.Base(root), k: k, node: n, out: n.dir("records.json")}
	n.heap, n.config = "128m", n.dir("consumer.properties")
	properties := map[string]string{"client.id": a.Name, "fetch.max.wait.ms": "100", "isolation.level": "read_committed"}
	maps.Copy(properties, o.Properties)
	reset := o.Reset
	if reset == "" {
		reset = "none"
	}
	config := "--consumer.config"
	if atLeast(k.Version, 4, 2) {
		config = "--command-config" // KIP-1147
	}
	n.main = []string{
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "org.apache.kafka.tools.VerifiableConsumer",
		"--bootstrap-server", k.Bootstrap(), "--group-id", o.Group, "--topic", o.Topic, "--verbose",
		"--reset-policy", reset, config, n.config, "--session-timeout", "6000",
	}
	if o.Instance != "" {
		n.main = append(n.main, "--group-instance-id", o.Instance)
	}
	if err := writeProperties(n.config, properties); err != nil {
		t.Fatalf("configuring an application: %v", err)
	}
	if err := writeLog4j(n.root, "WARN"); err != nil {
		t.Fatalf("configuring an application: %v", err)
	}
	t.Cleanup(func() {
		n.kill()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", a.Name, n.logTail(tailLines))
		}
	})
	if err := n.runTo(in, a.out); err != nil {
		t.Fatalf("starting an application: %v", err)
	}
	return a
}

// Stop ends the application in an orderly way and waits for its end: what it has
// processed is committed.
func (a *Application) Stop(t testing.TB) {
	t.Helper()
	if !a.node.stop() {
		t.Errorf("%s was killed, because it did not stop within %s:\n%s", a.Name, stopGrace, a.node.logTail(tailLines))
	}
}

// Kill ends the application as a crash would: what it has committed last may be
// behind what it has processed.
func (a *Application) Kill() { a.node.kill() }

// Ended reports whether the application has ended by itself, as it does when a
// position is missing.
func (a *Application) Ended() bool { return a.node.proc == nil || a.node.proc.ended() }

// Processed returns what the application has processed so far, in its order.
func (a *Application) Processed(t testing.TB) []Record {
	t.Helper()
	f, err := os.Open(a.out)
	if err != nil {
		t.Fatalf("reading what %s has processed: %v", a.Name, err)
	}
	defer f.Close()
	var out []Record
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		r, ok, err := parseProcessed(lines.Text())
		if err != nil {
			t.Fatalf("reading what %s has processed: %v", a.Name, err)
		}
		if ok {
			out = append(out, r)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("reading what %s has processed: %v", a.Name, err)
	}
	return out
}

// parseProcessed reads a line of VerifiableConsumer; ok is false for those that
// are no record. The last line of one that runs may not be whole yet.
func parseProcessed(line string) (Record, bool, error) {
	if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}") {
		return Record{}, false, nil
	}
	var event struct {
		Name      string  `json:"name"`
		Partition int32   `json:"partition"`
		Offset    int64   `json:"offset"`
		Key       *string `json:"key"`
		Value     *string `json:"value"`
	}
	if err := json.Unmarshal([]byte(line), &event); err != nil {
		return Record{}, false, fmt.Errorf("%q: %w", line, err)
	}
	if event.Name != "record_data" {
		return Record{}, false, nil
	}
	r := Record{Partition: event.Partition, Offset: event.Offset, NullKey: event.Key == nil, NullValue: event.Value == nil}
	if event.Key != nil {
		r.Key = *event.Key
	}
	if event.Value != nil {
		r.Value = *event.Value
	}
	return r, true, nil
}
