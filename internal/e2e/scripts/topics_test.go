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
