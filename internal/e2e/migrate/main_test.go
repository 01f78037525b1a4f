// Package migrate_test tells how applications move: real Java consumers between
// two releases of Apache Kafka, over copies that the real MirrorMaker 2 keeps,
// or a writer of the headers of K2K, while records arrive all the time. The
// program is run as a process of its own, and every record is counted.
package migrate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/kferry/kferry/internal/cli"
	"github.com/kferry/kferry/internal/kafkatest"
)

// asKferry makes this test binary be kferry.
const asKferry = "KFERRY_TEST_IS_KFERRY"

func TestMain(m *testing.M) {
	if os.Getenv(asKferry) != "" {
		ctx, stop := cli.WithInterrupts(context.Background(), os.Exit)
		code := cli.Main(ctx, os.Args[1:], cli.SystemStreams())
		stop()
		os.Exit(code)
	}
	kafkatest.Main(m)
}

// killed is the code of a process that was ended by a signal.
const killed = -1

// callTime is how long one call of kferry may take, which may be a whole fleet.
const callTime = 8 * time.Minute

// world is two clusters, a config file that names them, and a state.
type world struct {
	old, new      *kafkatest.Kafka
	config, state string
}

// newWorld names the clusters "old" and "new".
func newWorld(t *testing.T) *world {
	t.Helper()
	kafkatest.Need(t, kafkatest.Newest, kafkatest.Previous)
	w := &world{old: kafkatest.Shared(t, kafkatest.Newest), new: kafkatest.Shared(t, kafkatest.Previous), state: t.TempDir()}
	w.config = filepath.Join(t.TempDir(), "kferry.yaml")
	text := fmt.Sprintf("clusters:\n  - {name: old, bootstrap: [%q]}\n  - {name: new, bootstrap: [%q]}\n", w.old.Bootstrap(), w.new.Bootstrap())
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// answer is what a call of kferry has said.
type answer struct {
	command string
	code    int
	// all is what a terminal would have shown.
	all string
}

// kferry runs the program in a process of its own, and shows what it said.
func (w *world) kferry(t *testing.T, args ...string) answer {
	t.Helper()
	a, err := w.call(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("$ %s\n%s[exit code %d]", a.command, a.all, a.code)
	return a
}

func (w *world) call(ctx context.Context, args ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asKferry+"=1", "KFERRY_STATE="+w.state, "KFERRY_CONFIG="+w.config, "NO_COLOR=1")
	var all bytes.Buffer
	cmd.Stdout, cmd.Stderr = &all, &all // one pipe, so that the order is that of a terminal
	err := cmd.Run()
	a := answer{command: "kferry " + strings.Join(args, " "), code: cmd.ProcessState.ExitCode(), all: all.String()}
	if ctx.Err() != nil {
		return a, fmt.Errorf("%s did not end: %w\n%s", a.command, err, a.all)
	}
	return a, nil
}

// must runs kferry and wants an exit code, and words in what it says.
func (w *world) must(t *testing.T, code int, args []string, words ...string) answer {
	t.Helper()
	a := w.kferry(t, args...)
	if a.code != code {
		t.Fatalf("%s: exit code %d, want %d", a.command, a.code, code)
	}
	for _, word := range words {
		if !strings.Contains(a.all, word) {
			t.Errorf("%s does not say %q", a.command, word)
		}
	}
	return a
}

// migration is the words of one of its commands.
func migration(words ...string) []string { return append([]string{"migration"}, words...) }

// advance goes on with a migration.
func advance(name string, more ...string) []string {
	return append(migration("advance", name, "--yes"), more...)
}

// patient is what lets advance wait for whatever comes by itself.
const patient = "--wait=4m"

// create creates the migration of the group of the same name.
func (w *world) create(t *testing.T, name string, more ...string) {
	t.Helper()
	w.must(t, 0, append(migration("create", name, "--from", "old", "--to", "new", "--group", name, "--settle", "1s", "--interval", "500ms"), more...))
}

// stands returns the step of a migration.
func (w *world) stands(t *testing.T, name string) string {
	t.Helper()
	a, err := w.call(t.Context(), migration("list", "-o", "json", "-q")...)
	if err != nil || a.code != 0 {
		t.Fatalf("listing migrations: exit code %d: %v\n%s", a.code, err, a.all)
	}
	var list struct {
		Migrations []struct{ Name, Step string }
	}
	if err := json.Unmarshal([]byte(a.all), &list); err != nil {
		t.Fatalf("listing migrations: %v\n%s", err, a.all)
	}
	for _, m := range list.Migrations {
		if m.Name == name {
			return m.Step
		}
	}
	t.Fatalf("there is no migration %s:\n%s", name, a.all)
	return ""
}

// at wants a migration to stand at a step.
func (w *world) at(t *testing.T, name, step string) {
	t.Helper()
	if got := w.stands(t, name); got != step {
		t.Fatalf("migration %s stands at %s, want %s", name, got, step)
	}
}

// positions are those of a group, as TOPIC/PARTITION.
func positions(t *testing.T, k *kafkatest.Kafka, group string) map[string]int64 {
	t.Helper()
	got, err := k.Admin(t).FetchOffsets(t.Context(), group)
	if err == nil {
		err = got.Error()
	}
	if err != nil {
		t.Fatalf("reading group %s: %v", group, err)
	}
	out := map[string]int64{}
	got.Each(func(o kadm.OffsetResponse) {
		if o.At >= 0 {
			out[partitionName(o.Topic, o.Partition)] = o.At
		}
	})
	return out
}

func partitionName(topic string, p int32) string { return fmt.Sprintf("%s/%d", topic, p) }
