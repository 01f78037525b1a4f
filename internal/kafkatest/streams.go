package kafkatest

import (
	"path/filepath"
	"testing"
)

// The topics of Kafka's own example of Kafka Streams, WordCountDemo, which has
// them written into it: lines of words, and the count of each word so far, a
// long in eight bytes.
const (
	WordsIn   = "streams-plaintext-input"
	CountsOut = "streams-wordcount-output"
)

// WordCount is Kafka's own example of Kafka Streams, running. It reads [WordsIn]
// and writes [CountsOut], which must be there, over a repartition topic, with
// the counts in a changelog topic. Its methods are for the test's own goroutine.
type WordCount struct {
	install *Install
	node    *node
}

// StartWordCount starts the example of [Newest] on the cluster, as an application
// ID, which is its group, too. It is killed when the test ends, and the end of
// its log is shown where the test has failed. Where Kafka Streams is not on this
// machine the test ends as [Need] says.
func (k *Kafka) StartWordCount(t testing.TB, application string) *WordCount {
	t.Helper()
	in, err := FindStreams(Newest)
	if err != nil {
		missing(t, err)
	}
	n, err := newNode(filepath.Join(t.TempDir(), "streams"), 0, 0)
	if err != nil {
		t.Fatalf("laying out Kafka Streams: %v", err)
	}
	n.heap, n.config = "256m", n.dir("streams.properties")
	n.main = []string{
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"org.apache.kafka.streams.examples.wordcount.WordCountDemo", n.config,
	}
	err = writeProperties(n.config, map[string]string{
		"application.id": application, "bootstrap.servers": k.Bootstrap(), "state.dir": n.dir("data"),
		"commit.interval.ms": "200", "replication.factor": "1",
		// Members of Kafka Streams do not leave (KAFKA-6995): the group is in use
		// until their session ends.
		"session.timeout.ms": "3000", "heartbeat.interval.ms": "500",
	})
	if err != nil {
		t.Fatalf("configuring Kafka Streams: %v", err)
	}
	w := &WordCount{install: in, node: n}
	t.Cleanup(func() {
		n.kill()
		if t.Failed() {
			t.Logf("the end of the log of Kafka Streams %s:\n%s", in.Version, n.logTail(tailLines))
		}
	})
	starting.Lock()
	defer starting.Unlock()
	if err := n.run(in); err != nil {
		t.Fatalf("starting Kafka Streams: %v", err)
	}
	return w
}

// Stop ends the application in an orderly way and waits for its end: what it has
// done is committed.
func (w *WordCount) Stop(t testing.TB) {
	t.Helper()
	if !w.node.stop() {
		t.Errorf("Kafka Streams was killed, because it did not stop within %s:\n%s", stopGrace, w.node.logTail(tailLines))
	}
}
