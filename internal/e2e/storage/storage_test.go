// Package storage runs kferry, each command a process of its own, with its
// state in a real object store.
package storage

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kferry/kferry/internal/cli"
	"github.com/kferry/kferry/internal/fakenode"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
	"github.com/kferry/kferry/internal/store/cloudstore"
	"github.com/kferry/kferry/internal/storeserver"
	"github.com/kferry/kferry/internal/topic"
)

func TestMain(m *testing.M) {
	if os.Getenv("KFERRY_TEST_PROGRAM") == "1" {
		ctx, stop := cli.WithInterrupts(context.Background(), os.Exit)
		streams := cli.SystemStreams()
		streams.Schemes = cloudstore.Schemes()
		code := cli.Main(ctx, os.Args[1:], streams)
		stop()
		os.Exit(code)
	}
	storeserver.Main(m)
}

// machine is one that shares nothing with the others but the state.
type machine struct{ exe, home string }

func newMachine(t *testing.T) machine {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return machine{exe, t.TempDir()}
}

// kferry runs a command and returns its exit code and output.
func (m machine) kferry(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), m.exe, args...)
	cmd.Dir = m.home
	cmd.Env = append(os.Environ(), "KFERRY_TEST_PROGRAM=1", "HOME="+m.home, "XDG_STATE_HOME="+m.home, "XDG_CONFIG_HOME="+m.home, "KFERRY_STATE=")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// want runs a command that must end with a code and say something.
func (m machine) want(t *testing.T, code int, text string, args ...string) string {
	t.Helper()
	got, stdout, stderr := m.kferry(t, args...)
	if got != code || !strings.Contains(stdout+stderr, text) {
		t.Fatalf("kferry %s: exit code %d, want %d with %q\n%s%s", strings.Join(args, " "), got, code, text, stdout, stderr)
	}
	return stdout
}

// only returns the one identifier below a prefix.
func only(t *testing.T, b *store.Bucket, prefix string) string {
	t.Helper()
	var found []string
	for o, err := range b.List(t.Context(), store.Query{Prefix: prefix, Shallow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, strings.Trim(strings.TrimPrefix(o.Key, prefix), "/"))
	}
	if len(found) != 1 {
		t.Fatalf("below %s there are %q, want one", prefix, found)
	}
	return found[0]
}

func TestProcessesOnS3(t *testing.T) {
	t.Parallel()
	server := storeserver.Shared(t, storeserver.S3)
	state := strings.Replace(server.Bucket(t), "?", "/team/a?", 1)
	node := fakenode.Start(t, "here")
	node.Create("orders", 1)
	for range 10 {
		node.Produce(&kgo.Record{Topic: "orders", Value: []byte("x")})
	}
	node.Commit("app", position.Position{Partition: topic.Partition{Topic: "orders"}, Offset: 3, LeaderEpoch: -1})
	offset := func() int64 { return node.Positions("app")[topic.Partition{Topic: "orders"}].Offset }
	broker := node.Fake.ListenAddrs()[0]

	one, two := newMachine(t), newMachine(t)
	rows := "app,orders,0,7\n"
	if err := os.WriteFile(filepath.Join(one.home, "rows.csv"), []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	one.want(t, 0, "", "offset", "apply", "-b", broker, "-i", "rows.csv", "--yes", "--state", state)
	if got := offset(); got != 7 {
		t.Fatalf("the group is at %d, want 7", got)
	}
	b, err := store.Open(t.Context(), state, &store.Options{Schemes: cloudstore.Schemes()})
	if err != nil {
		t.Fatal(err)
	}
	id := only(t, b, "runs/")

	// The snapshot from before the run is there for another machine.
	var listed any
	if err := json.Unmarshal([]byte(two.want(t, 0, "here", "snapshot", "list", "-o", "json", "--state", state)), &listed); err != nil {
		t.Error(err)
	}
	// So is the plan, but while somebody holds its run, nobody else gets it.
	r, err := run.Open(t.Context(), b, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, lease, err := r.AcquireLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two.want(t, cli.ExitLocked, "held", "rollback", id, "-b", broker, "--yes", "--state", state)
	if got := offset(); got != 7 {
		t.Errorf("the group is at %d after a rollback that was kept out", got)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	two.want(t, 0, "", "rollback", id, "-b", broker, "--yes", "--state", state)
	if got := offset(); got != 3 {
		t.Errorf("the group is at %d after the rollback, want 3", got)
	}
	// A store that is not there changes nothing.
	one.want(t, 1, "create the bucket first", "offset", "apply", "-b", broker, "-i", "rows.csv", "--yes", "--state", server.URL(server.Endpoint, "gone"))
	one.want(t, 1, "is a secret", "offset", "apply", "-b", broker, "-i", "rows.csv", "--yes", "--state", "s3://b?secret_access_key=hush")
	if got := offset(); got != 3 {
		t.Errorf("the group is at %d without a state, want 3", got)
	}
}
