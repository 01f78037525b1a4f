// Package storeserver gives tests real object stores as processes on loopback:
// versitygw for S3, Azurite for Azure Blob Storage and fake-gcs-server for
// Google Cloud Storage. Nothing of it is part of the product.
//
// hack/stores installs them into the user's cache folder, once. Where one is
// missing, the test is skipped with a sentence that says so, and failed where
// KFERRY_REQUIRE_STORES=1.
package storeserver

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// requireVariable set to 1 turns "skipped, because a part is missing" into a failure.
const requireVariable = "KFERRY_REQUIRE_STORES"

// Credentials that the servers accept. The account and the key of Azure are
// those that every Azurite has.
const (
	AccessKey    = "kferry-test"
	SecretKey    = "kferry-test-secret"
	AzureAccount = "devstoreaccount1"
	AzureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Environment are the variables by which the SDKs find the credentials, as
// NAME=VALUE. They also keep the SDKs from looking for any others.
func Environment() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + SecretKey,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AZURE_STORAGE_KEY=" + AzureKey,
	}
}

// Setenv sets Environment for this process.
func Setenv() {
	for _, kv := range Environment() {
		name, value, _ := strings.Cut(kv, "=")
		_ = os.Setenv(name, value) // fails for names that are no names
	}
}

// Server is a running store.
type Server struct {
	Kind Kind
	// Endpoint is the URL of the server.
	Endpoint string

	root    string // folder of the server
	buckets atomic.Int64
	proc    *process
}

// Start starts a store that ends with the test, for tests that stop it.
func Start(t testing.TB, kind Kind) *Server {
	t.Helper()
	s := begin(t, kind, t.TempDir())
	t.Cleanup(s.proc.kill)
	return s
}

// shared are the stores of this process.
var shared struct {
	sync.Mutex
	servers map[Kind]*Server
	dirs    []string
}

// Shared returns the one store of a kind that all tests of this process use,
// each with buckets of its own. It needs Main.
func Shared(t testing.TB, kind Kind) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if s := shared.servers[kind]; s != nil {
		return s
	}
	dir, err := os.MkdirTemp("", "kferry-store-") //nolint:usetesting // it outlives the test
	if err != nil {
		t.Fatal(err)
	}
	shared.dirs = append(shared.dirs, dir)
	if shared.servers == nil {
		shared.servers = map[Kind]*Server{}
	}
	shared.servers[kind] = begin(t, kind, dir)
	return shared.servers[kind]
}

// Main is the TestMain of a package that uses Shared.
func Main(m *testing.M) {
	Setenv()
	m.Run()
	for _, s := range shared.servers {
		s.proc.kill()
	}
	for _, dir := range shared.dirs {
		_ = os.RemoveAll(dir) // of the temporary folder
	}
}

func begin(t testing.TB, kind Kind, dir string) *Server {
	t.Helper()
	path, err := kind.find()
	if err != nil {
		if os.Getenv(requireVariable) == "1" {
			t.Fatalf("real object store: %s=1, but %v", requireVariable, err)
		}
		t.Skipf("real object store: not run, because %v", err)
	}
	var last error
	for range 5 { // another process can take the port first
		s, err := start(t, kind, path, dir)
		if err == nil {
			return s
		}
		last = err
	}
	t.Fatalf("starting %s: %v", kind, last)
	return nil
}

func start(t testing.TB, kind Kind, path, dir string) (*Server, error) {
	t.Helper()
	port, err := freePort(t)
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	s := &Server{Kind: kind, Endpoint: "http://" + address, root: filepath.Join(dir, "data")}
	versions := filepath.Join(dir, "versions")
	for _, dir := range []string{s.root, versions} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	// A shared store outlives the test: Main kills it, no context does.
	cmd := kind.command(context.WithoutCancel(t.Context()), path, s.root, versions, port)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if s.proc, err = spawn(cmd); err != nil {
		return nil, err
	}
	if err := s.await(t.Context(), address); err != nil {
		s.proc.kill()
		return nil, fmt.Errorf("%w\n%s", err, output.String())
	}
	return s, nil
}

// await waits until the server answers, or has ended.
func (s *Server) await(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		d := net.Dialer{Timeout: time.Second}
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		timer := time.NewTimer(50 * time.Millisecond)
		select {
		case <-s.proc.done:
			timer.Stop()
			return fmt.Errorf("the server has ended: %w", s.proc.err)
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("waiting for the server: %w", err)
		case <-timer.C:
		}
	}
}

// Stop ends the server as a crash would.
func (s *Server) Stop() { s.proc.kill() }

// Bucket creates a bucket that no other test has, and returns its URL as
// kferry takes it.
func (s *Server) Bucket(t testing.TB) string {
	t.Helper()
	return s.BucketVia(t, s.Endpoint)
}

// BucketVia is Bucket with another endpoint in the URL: that of a proxy.
func (s *Server) BucketVia(t testing.TB, endpoint string) string {
	t.Helper()
	name := fmt.Sprintf("kferry-test-%d", s.buckets.Add(1))
	var err error
	switch s.Kind {
	case S3:
		err = os.Mkdir(filepath.Join(s.root, name), 0o700)
	case Azure:
		err = s.createContainer(t.Context(), name)
	case Google:
		err = s.createBucket(t.Context(), name)
	}
	if err != nil {
		t.Fatalf("creating a bucket in %s: %v", s.Kind, err)
	}
	return s.URL(endpoint, name)
}

// URL returns the address of a bucket, which may not be there.
func (s *Server) URL(endpoint, name string) string {
	switch s.Kind {
	case S3:
		return "s3://" + name + "?endpoint=" + url.QueryEscape(endpoint)
	case Azure:
		return "azblob://" + name + "?account=" + AzureAccount + "&endpoint=" + url.QueryEscape(endpoint+"/"+AzureAccount)
	default:
		return "gs://" + name + "?endpoint=" + url.QueryEscape(endpoint)
	}
}

func (s *Server) createContainer(ctx context.Context, name string) error {
	key, err := container.NewSharedKeyCredential(AzureAccount, AzureKey)
	if err != nil {
		return err
	}
	c, err := container.NewClientWithSharedKeyCredential(s.Endpoint+"/"+AzureAccount+"/"+name, key, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err = c.Create(ctx, nil)
	return err
}

func (s *Server) createBucket(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint+"/storage/v1/b", strings.NewReader(`{"name":"`+name+`"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

func freePort(t testing.TB) (int, error) {
	t.Helper()
	var c net.ListenConfig
	l, err := c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, err
	}
	if err := l.Close(); err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// command is the server's command line.
func (k Kind) command(ctx context.Context, path, root, versions string, port int) *exec.Cmd {
	p := strconv.Itoa(port)
	var cmd *exec.Cmd
	switch k {
	case S3:
		cmd = exec.CommandContext(ctx, path, "--port", "127.0.0.1:"+p, "posix", "--versioning-dir", versions, root)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	case Azure:
		cmd = exec.CommandContext(ctx, path, "--blobHost", "127.0.0.1", "--blobPort", p, "--location", root, "--skipApiVersionCheck", "--disableTelemetry", "--silent")
	case Google:
		cmd = exec.CommandContext(ctx, path, "-scheme", "http", "-host", "127.0.0.1", "-port", p, "-backend", "memory", "-public-host", "127.0.0.1:"+p)
	}
	return cmd
}
