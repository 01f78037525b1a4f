package kafkatest_test

import (
	"testing"
	"time"

	"github.com/kferry/kferry/internal/kafkatest"
)

// MirrorMaker 2 copies, and goes on after a crash with other properties.
func TestMirrorMaker(t *testing.T) {
	t.Parallel()
	o := kafkatest.MirrorOptions{Source: kafkatest.Shared(t, kafkatest.Newest), Target: kafkatest.Shared(t, kafkatest.Previous)}
	topic := kafkatest.Name(t, "mirrored")
	o.Topics = topic
	m := mirror(t, o, topic)
	m.Kill(t)
	produce(t, o.Source, topic, 10, 15)
	m.Reconfigure(t, map[string]string{"emit.checkpoints.enabled": "false"})
	m.Restart(t)
	m.WaitCopied(t, topic)
	if got := end(t, o.Target, m.RemoteTopic(topic)); got < 15 || got > 25 {
		t.Errorf("the copy ends at %d, want 15, or up to ten more", got)
	}
}

// Another release of it, with every option that changes names or isolation.
func TestMirrorMakerInTransactions(t *testing.T) {
	t.Parallel()
	o := kafkatest.MirrorOptions{
		Source: kafkatest.Shared(t, kafkatest.Newest), Target: kafkatest.Shared(t, kafkatest.Previous),
		Version: kafkatest.Previous, ExactlyOnce: true, SyncsOnTarget: true, Separator: "_", SourceAlias: "a", TargetAlias: "b",
	}
	topic := kafkatest.Name(t, "mirrored")
	o.Topics = topic
	m := mirror(t, o, topic)
	if got := end(t, o.Target, m.RemoteTopic(topic)); got <= 10 {
		t.Errorf("the copy ends at %d, which leaves no place for the marker of a transaction", got)
	}
	m.Stop(t)
}

// mirror has ten records copied, and looks for the topics that come with it.
func mirror(t *testing.T, o kafkatest.MirrorOptions, topic string) *kafkatest.MirrorMaker {
	t.Helper()
	o.Source.CreateTopic(t, topic, 1, nil)
	produce(t, o.Source, topic, 0, 10)
	m := kafkatest.StartMirrorMaker(t, o)
	m.WaitCopied(t, topic)
	name, onTarget := m.SyncTopic()
	at := map[bool]*kafkatest.Kafka{false: o.Source, true: o.Target}[onTarget]
	if onTarget != o.SyncsOnTarget {
		t.Errorf("the syncs are on the target: %t", onTarget)
	}
	// A sync follows the copy that it is about.
	for deadline := time.Now().Add(30 * time.Second); end(t, at, name) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there are no syncs in %s", name)
		}
	}
	own := append(m.StateTopics(), m.RemoteTopic(topic))
	details, err := o.Target.Admin(t).ListTopics(t.Context(), own...)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range own {
		if !details.Has(name) || details[name].Err != nil {
			t.Errorf("topic %s is not on the target", name)
		}
	}
	return m
}
