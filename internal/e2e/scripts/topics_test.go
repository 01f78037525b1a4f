package scripts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kferry/kferry/internal/kafkatest"
)

// saved writes a file of the test.
func saved(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "topics.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTopics exports topics and creates them under other names, on each version,
// by kferry itself; what the brokers do not know is named per key.
func TestTopics(t *testing.T) {
	t.Parallel()
	for _, version := range kafkatest.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			kafkatest.Need(t, version)
			k := kafkatest.Shared(t, version)
			a, b := kafkatest.Name(t, "a."), kafkatest.Name(t, "b.")
			k.CreateTopic(t, a, 3, map[string]string{"cleanup.policy": "compact", "retention.ms": "123456"})
			file := saved(t, kferry(t, 0, "", "topic", "export", "-b", k.Bootstrap(), "-t", a))
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			contains(t, string(text), "partitions: 3", "replicationFactor: 1", `cleanup.policy: "compact"`, `retention.ms: "123456"`)
			if strings.Contains(string(text), "segment.bytes") {
				t.Errorf("defaults of the brokers are exported:\n%s", text)
			}
			mapped := []string{"topic", "create", "-b", k.Bootstrap(), "-f", file, "--map-topic", a + "=" + b, "--yes"}
			bad := kferry(t, 3, "", append(mapped, "--set", "no.such.key=1", "--set", "segment.bytes=x", "--set", "flush.ms=7")...)
			contains(t, bad, "no.such.key=1: ", "--unset no.such.key", "segment.bytes=x: ")
			if strings.Contains(bad, "flush.ms=7:") {
				t.Errorf("a good setting is refused:\n%s", bad)
			}
			kferry(t, 3, "", append(mapped, "--replication-factor", "5")...)
			contains(t, kferry(t, 0, "", append(mapped, "--dry-run")...), "create")
			contains(t, kferry(t, 0, "", mapped...), "created")
			contains(t, kferry(t, 0, "", mapped...), "equal")
			contains(t, kferry(t, 3, "", append(mapped, "--set", "retention.ms=9")...), "~ retention.ms: 123456 -> 9")
			contains(t, kferry(t, 0, "", "topic", "export", "-b", k.Bootstrap(), "-t", b), "partitions: 3", `cleanup.policy: "compact"`)
		})
	}
}

// TestTopicsScript creates the topics of a cluster under other names with Kafka's
// own tools: dry run, creation, running it again, and what differs.
func TestTopicsScript(t *testing.T) {
	t.Parallel()
	for _, version := range kafkatest.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			kafkatest.Need(t, version)
			k := kafkatest.Shared(t, version)
			a, b := kafkatest.Name(t, "a."), kafkatest.Name(t, "b.")
			k.CreateTopic(t, a, 3, map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "123456"})
			k.CreateTopic(t, a+"-plain", 1, nil)
			text := kferry(t, 0, "", "topic", "script", "-b", k.Bootstrap(), "-t", a, "-t", a+"-plain", "--map-topic", a+"*="+b+"*")
			env := []string{"KAFKA_HOME=" + k.Home(t, "kafka-topics", "kafka-configs"), "BOOTSTRAP=" + k.Bootstrap()}
			contains(t, bash(t, 0, text, append(env, "DRY_RUN=1")...), "2 would be changed, 0 already as they should be, 0 failed")
			kferry(t, 1, "", "topic", "export", "-b", k.Bootstrap(), "-t", b)
			contains(t, bash(t, 0, text, env...), "2 changed, 0 already as they should be, 0 failed")
			contains(t, kferry(t, 0, "", "topic", "export", "-b", k.Bootstrap(), "-t", b), "partitions: 3", `cleanup.policy: "compact,delete"`, `retention.ms: "123456"`)
			if version != kafkatest.Newest {
				return
			}
			contains(t, bash(t, 0, text, env...), "0 changed, 2 already as they should be, 0 failed")
			other := strings.ReplaceAll(strings.ReplaceAll(text, "retention.ms=123456", "retention.ms=9"), "' 1 1 <<", "-new' 1 1 <<")
			contains(t, bash(t, 1, other, env...), "- retention.ms=123456", "+ retention.ms=9", "nothing was created")
			bad := strings.ReplaceAll(strings.ReplaceAll(text, b, b+"3"), "retention.ms=", "no.such.key=")
			contains(t, bash(t, 1, bad, env...), "not created", "was not tried")
		})
	}
}
