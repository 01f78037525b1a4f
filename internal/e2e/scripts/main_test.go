// Package scripts_test runs the scripts that kferry writes with Apache Kafka's
// own command-line tools, as a user without kferry would.
package scripts_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cli"
	"github.com/kferry/kferry/internal/kafkatest"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// kferry runs the program in this process and returns what it wrote.
func kferry(t *testing.T, code int, stdin string, args ...string) string {
	t.Helper()
	home := t.TempDir()
	var stdout, stderr bytes.Buffer
	env := map[string]string{"HOME": home, "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home, "USER": "tester"}
	got := cli.Main(t.Context(), args, &cli.Streams{
		In: strings.NewReader(stdin), Out: &stdout, Err: &stderr, Now: time.Now, Getenv: func(k string) string { return env[k] },
	})
	if got != code {
		t.Fatalf("kferry %q ended with %d, want %d:\n%s%s", args, got, code, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// bash runs a script with variables and wants an exit code; it returns all that
// the script printed.
func bash(t *testing.T, code int, script string, env ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.sh")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bash", path)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "LC_ALL=") || strings.HasPrefix(v, "KAFKA_HOME=") }),
		append([]string{"TMPDIR=" + tmp}, env...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("the script ended with %d, want %d:\n%s", got, code, out)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("the script left files behind: %v %v", left, err)
	}
	return string(out)
}

// contains wants each of the texts.
func contains(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if !strings.Contains(out, s) {
			t.Errorf("%q is not in:\n%s", s, out)
		}
	}
}

// filled makes a topic with so many records on partition 0 and as many on 1.
func filled(t *testing.T, k *kafkatest.Kafka, topic string, records int) {
	t.Helper()
	k.CreateTopic(t, topic, 3, nil)
	cl := k.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	var rs []*kgo.Record
	for i := range records {
		rs = append(rs, &kgo.Record{Topic: topic, Value: []byte{byte(i)}}, &kgo.Record{Topic: topic, Partition: 1, Value: []byte{byte(i)}})
	}
	kafkatest.Produce(t, cl, rs...)
}

// commit gives a group positions.
func commit(t *testing.T, k *kafkatest.Kafka, group string, at map[string]map[int32]int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	for topic, ps := range at {
		for p, o := range ps {
			offsets.AddOffset(topic, p, o, -1)
		}
	}
	if err := k.Admin(t).CommitAllOffsets(t.Context(), group, offsets); err != nil {
		t.Fatal(err)
	}
}

// positions are what a group has: topic, partition, offset.
func positions(t *testing.T, k *kafkatest.Kafka, group string) map[string]map[int32]int64 {
	t.Helper()
	got, err := k.Admin(t).FetchOffsets(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[int32]int64{}
	for topic, ps := range got {
		for p, o := range ps {
			if out[topic] == nil {
				out[topic] = map[int32]int64{}
			}
			out[topic][p] = o.At
		}
	}
	return out
}
