package kafkatest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// MirrorOptions says which MirrorMaker 2 [StartMirrorMaker] runs. Source and
// Target are needed; of all others the zero value is MirrorMaker 2's own
// default, but for intervals, which are short.
type MirrorOptions struct {
	// Version of the mover itself; empty: [Newest].
	Version string
	// Source and Target are the clusters it copies between, one way.
	Source, Target *Kafka
	// SourceAlias and TargetAlias are the names it has for them; empty: "source"
	// and "target".
	SourceAlias, TargetAlias string
	// Topics and Groups are what it copies: lists of regular expressions,
	// separated by commas; empty: everything.
	Topics, Groups string
	// ExactlyOnce makes it write in transactions (KIP-618), and read only what
	// is committed, which it then insists on.
	ExactlyOnce bool
	// SyncsOnTarget keeps the offset syncs on the target cluster (KIP-716).
	SyncsOnTarget bool
	// Identity keeps the names of topics (IdentityReplicationPolicy, KIP-382).
	Identity bool
	// Separator between alias and topic, and within the names of its own topics
	// (KIP-949); empty: a dot.
	Separator string
	// Properties of mm2.properties, put over those that kafkatest sets.
	Properties map[string]string
}

func (o MirrorOptions) withDefaults() MirrorOptions {
	if o.Version == "" {
		o.Version = Newest
	}
	if o.SourceAlias == "" {
		o.SourceAlias = "source"
	}
	if o.TargetAlias == "" {
		o.TargetAlias = "target"
	}
	if o.Separator == "" {
		o.Separator = "."
	}
	return o
}

// MirrorMaker is a running MirrorMaker 2, one process in dedicated mode. What it
// knows is in topics of the two clusters, so that one that was stopped or killed
// goes on where it was. Its methods are for the test's own goroutine.
type MirrorMaker struct {
	// Version of Apache Kafka that it is of.
	Version string

	opts    MirrorOptions
	install *Install
	node    *node
}

// StartMirrorMaker starts MirrorMaker 2 between two clusters. It takes some
// seconds until the first record is copied: wait with [MirrorMaker.WaitCopied].
// It is killed when the test ends, and the end of its log is shown where the
// test has failed. Where Kafka is not on this machine the test ends as [Need]
// says.
func StartMirrorMaker(t testing.TB, o MirrorOptions) *MirrorMaker {
	t.Helper()
	o = o.withDefaults()
	in := find(t, o.Version)
	n, err := newNode(filepath.Join(t.TempDir(), "mirror"), 0, 1)
	if err != nil {
		t.Fatalf("laying out MirrorMaker 2: %v", err)
	}
	n.heap, n.config = "384m", n.dir("mm2.properties")
	n.main = []string{
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"org.apache.kafka.connect.mirror.MirrorMaker", n.config,
	}
	m := &MirrorMaker{Version: o.Version, opts: o, install: in, node: n}
	if err := m.configure(); err != nil {
		t.Fatalf("configuring MirrorMaker 2: %v", err)
	}
	t.Cleanup(func() {
		m.node.kill()
		if t.Failed() {
			t.Logf("the end of the log of MirrorMaker 2 %s:\n%s", m.Version, m.node.logTail(tailLines))
		}
	})
	m.run(t)
	return m
}

func (m *MirrorMaker) configure() error {
	if err := writeLog4j(m.node.root, "WARN"); err != nil {
		return err
	}
	return writeProperties(m.node.config, m.opts.properties(m.node))
}

func (m *MirrorMaker) run(t testing.TB) {
	t.Helper()
	starting.Lock()
	defer starting.Unlock()
	if err := m.node.run(m.install); err != nil {
		t.Fatalf("starting MirrorMaker 2 %s: %v", m.Version, err)
	}
}

// Stop ends the process in an orderly way and waits for its end. What it has
// read and not yet written is flushed; its progress is committed.
func (m *MirrorMaker) Stop(t testing.TB) {
	t.Helper()
	if !m.node.stop() {
		t.Errorf("MirrorMaker 2 was killed, because it did not stop within %s:\n%s", stopGrace, m.node.logTail(tailLines))
	}
}

// Kill ends the process without warning, as a crash would: what it has written
// since it last noted its progress is copied again after a [MirrorMaker.Restart],
// except with [MirrorOptions].ExactlyOnce.
func (m *MirrorMaker) Kill(t testing.TB) {
	t.Helper()
	m.node.kill()
}

// Restart starts the process again, with the properties it had; one that runs is
// stopped first.
func (m *MirrorMaker) Restart(t testing.TB) {
	t.Helper()
	m.Stop(t)
	m.run(t)
}

// Reconfigure puts properties over those that the process has. It takes effect
// with [MirrorMaker.Restart].
func (m *MirrorMaker) Reconfigure(t testing.TB, properties map[string]string) {
	t.Helper()
	m.opts.Properties = merged(m.opts.Properties, properties)
	if err := m.configure(); err != nil {
		t.Fatalf("configuring MirrorMaker 2: %v", err)
	}
}

// LogTail returns the last lines of what the process has logged.
func (m *MirrorMaker) LogTail(lines int) string { return m.node.logTail(lines) }

// RemoteTopic returns the name that a topic of the source has on the target.
func (m *MirrorMaker) RemoteTopic(topic string) string {
	if m.opts.Identity {
		return topic
	}
	return m.opts.SourceAlias + m.opts.Separator + topic
}

// SyncTopic returns the topic with the offset syncs, and whether it is on the
// target. It is named after the other cluster
// (DefaultReplicationPolicy.offsetSyncsTopic).
func (m *MirrorMaker) SyncTopic() (topic string, onTarget bool) {
	alias := m.opts.TargetAlias
	if m.opts.SyncsOnTarget {
		alias = m.opts.SourceAlias
	}
	sep := m.opts.Separator
	return "mm2-offset-syncs" + sep + alias + sep + "internal", m.opts.SyncsOnTarget
}

// CheckpointTopic returns the topic with the checkpoints, which is on the target
// (DefaultReplicationPolicy.checkpointsTopic).
func (m *MirrorMaker) CheckpointTopic() string {
	sep := m.opts.Separator
	return m.opts.SourceAlias + sep + "checkpoints" + sep + "internal"
}

// StateTopics returns the topics on the target in which MirrorMaker 2 keeps what
// it has configured and how far it has copied. Without them, while it does not
// run, it begins from the first record again (MirrorMakerConfig.workerConfig).
func (m *MirrorMaker) StateTopics() []string {
	var topics []string
	for _, kind := range []string{"configs", "offsets", "status"} {
		topics = append(topics, "mm2-"+kind+"."+m.opts.SourceAlias+".internal")
	}
	return topics
}

// ended returns an error once the process has ended by itself.
func (m *MirrorMaker) ended() error {
	if !m.node.proc.ended() {
		return nil
	}
	return fmt.Errorf("the process ended (%w); the end of its log:\n%s", errOr(m.node.proc.err), m.node.logTail(tailLines))
}

// errOr names an end without an error.
func errOr(err error) error {
	if err != nil {
		return err
	}
	return os.ErrProcessDone
}
