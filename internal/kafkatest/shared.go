package kafkatest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// shared are the clusters of a test binary. They outlive the tests that use
// them, which is why they cannot be local to one.
var shared struct {
	sync.Mutex
	main     bool
	clusters map[string]func() (*Kafka, error)
	dirs     []string
}

// Main is the TestMain of a test binary that uses [Shared]: it runs the tests
// and stops the brokers that they have started.
//
//	func TestMain(m *testing.M) { kafkatest.Main(m) }
func Main(m *testing.M) {
	shared.Lock()
	shared.main = true
	shared.Unlock()
	defer StopShared()
	m.Run()
}

// Shared returns the one-broker cluster of a version that all tests of this
// binary share, starting it if this is the first to ask. Tests keep apart by
// [Name], and leave the brokers and their configuration alone. Where
// KFERRY_TEST_BOOTSTRAP_<version> is set (4_3_1 for 4.3.1), it is that cluster.
func Shared(t testing.TB, version string) *Kafka {
	t.Helper()
	if address := os.Getenv("KFERRY_TEST_BOOTSTRAP_" + strings.ReplaceAll(version, ".", "_")); address != "" {
		return external(t, version, address)
	}
	in := find(t, version)
	shared.Lock()
	if !shared.main {
		shared.Unlock()
		t.Fatal("kafkatest.Shared needs func TestMain(m *testing.M) { kafkatest.Main(m) }")
	}
	if shared.clusters == nil {
		shared.clusters = map[string]func() (*Kafka, error){}
	}
	if shared.clusters[version] == nil {
		shared.clusters[version] = sync.OnceValues(func() (*Kafka, error) { return startShared(in) })
	}
	get := shared.clusters[version]
	shared.Unlock()
	k, err := get()
	if err != nil {
		t.Fatalf("starting the shared Apache Kafka %s: %v", version, err)
	}
	return k
}

func startShared(in *Install) (*Kafka, error) {
	dir, err := os.MkdirTemp("", "kafkatest-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	shared.Lock()
	shared.dirs = append(shared.dirs, dir)
	shared.Unlock()
	return start(in, Options{Version: in.Version}.withDefaults(), dir)
}

// external is the cluster that the environment names.
func external(t testing.TB, version, address string) *Kafka {
	t.Helper()
	k := &Kafka{Version: version, external: address}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := k.serving(ctx, nil); err != nil {
		t.Fatalf("using the cluster at %s: %v", address, err)
	}
	return k
}

// StopShared kills the shared brokers and removes their data; [Main] does it.
func StopShared() {
	shared.Lock()
	defer shared.Unlock()
	for _, get := range shared.clusters {
		if k, err := get(); err == nil {
			k.kill()
		}
	}
	for _, dir := range shared.dirs {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "kafkatest: removing data:", err)
		}
	}
	shared.clusters, shared.dirs = nil, nil
}
