//go:build unix

package hook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/hook"
	"github.com/kferry/kferry/internal/migration"
)

var _ migration.Notifier = (*hook.Caller)(nil)

// body is what migrations send.
var body = func() string {
	b, err := json.Marshal(migration.EventBody{ID: "R-3-0", Step: migration.Stopping, Attempt: 1, Migration: &migration.State{Name: "orders"}})
	if err != nil {
		panic(err)
	}
	return string(b) + "\n"
}()

// buffer can be read while it is written to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func shell(script string, timeout time.Duration) api.Event {
	return api.Event{On: []string{"*"}, Command: []string{"sh", "-c", script}, Timeout: api.Duration(timeout)}
}

func TestCommandGetsTheMigration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := hook.New(hook.Options{Env: []string{"EXTRA=1", "OUT=" + dir}})
	script := `cat > "$OUT/body"; echo "$KFERRY_MIGRATION $KFERRY_STEP $KFERRY_EVENT_ID $EXTRA $0 $1 $#" > "$OUT/env"`
	ev := shell(script, 0)
	// No shell looks at the arguments.
	ev.Command = append(ev.Command, "$HOME", "a b; false")
	if err := c.Notify(t.Context(), ev, []byte(body)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"body": body, "env": "orders stopping R-3-0 1 $HOME a b; false 1\n"} {
		got, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", file, got, err)
		}
	}
	// A program that does not read is none that fails, however long the body is.
	if err := c.Notify(t.Context(), shell("exit 0", 0), bytes.Repeat([]byte("x"), 1<<20)); err != nil {
		t.Error(err)
	}
}

func TestCommandFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		argv []string
		is   error
		text string
	}{
		"exit code":     {[]string{"sh", "-c", "echo hunter2; exit 7", "hunter2"}, hook.ErrRefused, `command "sh": it ended with exit code 7 (`},
		"signal":        {[]string{"sh", "-c", "kill -9 $$"}, hook.ErrRefused, `command "sh": it ended by signal: killed (`},
		"not in PATH":   {[]string{"no-such-program", "hunter2"}, hook.ErrNotFound, `command "no-such-program": there is no such program (`},
		"no such file":  {[]string{filepath.Join(dir, "none")}, hook.ErrNotFound, `none": there is no such program (`},
		"no executable": {[]string{plain}, fs.ErrPermission, `plain": permission denied (chmod +x)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := hook.New(hook.Options{}).Notify(t.Context(), api.Event{Command: tc.argv}, []byte(body))
			bad, ok := errors.AsType[*hook.Error](err)
			if !ok || !errors.Is(err, tc.is) || bad.Hint == "" || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("what may be secret is in the error: %v", err)
			}
		})
	}
	if err := hook.New(hook.Options{}).Notify(t.Context(), api.Event{}, nil); err == nil {
		t.Error("an event that calls nobody was called")
	}
}

// gone waits until a process has ended; one that nobody has waited for counts.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err == nil && strings.Contains(string(stat), ") Z ") || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

func pidIn(t *testing.T, file string) int {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(file)
		if pid, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil && strings.HasSuffix(string(text), "\n") {
			return pid
		}
	}
	t.Fatalf("nobody wrote a number to %s", file)
	return 0
}

func TestCommandThatHangs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		script string
		grace  time.Duration
		files  []string // with the processes that have to end
	}{
		"it ends when asked":                {`echo $$ > a; exec sleep 600`, time.Minute, []string{"a"}},
		"it says that all is well":          {`trap 'exit 0' TERM; echo $$ > a; while :; do sleep 0.01; done`, time.Minute, []string{"a"}},
		"it takes no notice":                {`trap '' TERM; echo $$ > a; while :; do sleep 0.01; done`, 50 * time.Millisecond, []string{"a"}},
		"a child, too":                      {`sh -c 'echo $$ > b; exec sleep 600' & echo $$ > a; wait`, time.Minute, []string{"a", "b"}},
		"a child takes no notice":           {`sh -c 'trap "" TERM; echo $$ > b; while :; do sleep 0.01; done' & echo $$ > a; wait`, 50 * time.Millisecond, []string{"a", "b"}},
		"a child with an output of its own": {`sh -c 'trap "" TERM; echo $$ > b; while :; do sleep 0.01; done' >/dev/null 2>&1 & echo $$ > a; wait`, 50 * time.Millisecond, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := hook.New(hook.Options{Grace: tc.grace, Stderr: new(buffer)})
			began := time.Now()
			err := c.Notify(t.Context(), shell("cd '"+dir+"'; "+tc.script, 400*time.Millisecond), []byte(body))
			if !errors.Is(err, hook.ErrTimeout) || !strings.Contains(err.Error(), `command "sh": it did not end within 400ms`) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			for _, f := range tc.files {
				gone(t, pidIn(t, filepath.Join(dir, f)))
			}
		})
	}
}

// TestCommandLeavesSomebodyBehind: a program that has ended well has done its
// work, also when a child of it goes on and keeps its output open.
func TestCommandLeavesSomebodyBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := new(buffer)
	c := hook.New(hook.Options{Grace: 50 * time.Millisecond, Stderr: out})
	if err := c.Notify(t.Context(), shell(`cd '`+dir+`'; sh -c 'echo $$ > a; exec sleep 600' & echo started`, time.Minute), []byte(body)); err != nil {
		t.Fatal(err)
	}
	pid := pidIn(t, filepath.Join(dir, "a"))
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("it was ended: %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	if got := out.String(); got != "[sh] started\n" {
		t.Errorf("got %q", got)
	}
	// An exit code counts, whoever is left behind.
	err := c.Notify(t.Context(), shell(`sleep 5 & exit 3`, time.Minute), []byte(body))
	if !errors.Is(err, hook.ErrRefused) || !strings.Contains(err.Error(), "exit code 3") {
		t.Errorf("got %v", err)
	}
}

func TestCommandEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		c := hook.New(hook.Options{})
		done <- c.Notify(ctx, shell(`cd '`+dir+`'; echo $$ > a; exec sleep 600`, time.Hour), []byte(body))
	}()
	pid := pidIn(t, filepath.Join(dir, "a"))
	why := errors.New("enough")
	cancel(why)
	if err := <-done; !errors.Is(err, why) || errors.Is(err, hook.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	gone(t, pid)
	if err := hook.New(hook.Options{}).Notify(ctx, shell(`touch '`+dir+`/b'`, 0), []byte(body)); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "b")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a program was started after the end")
	}
}

func TestCommandOutput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 500)
	for name, tc := range map[string]struct{ script, want string }{
		"nothing":            {"true", ""},
		"both streams":       {"echo a; echo b >&2; echo c", "[sh] a\n[sh] b\n[sh] c\n"},
		"no line end":        {"printf 'a\\n\\nb'", "[sh] a\n[sh] \n[sh] b\n"},
		"terminal sequences": {`printf 'a\033[31mb\r\nc\td\0e\377f\342\200\256\n'`, "[sh] a?[31mb\n[sh] c d?e?f?\n"},
		"letters":            {`printf 'gr\303\274n\n'`, "[sh] grün\n"},
		"long lines":         {"head -c 500 /dev/zero | tr '\\0' x; echo; head -c 100000 /dev/zero | tr '\\0' x; echo; echo end", "[sh] " + long + "\n[sh] " + long + "...\n[sh] end\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := new(buffer)
			if err := hook.New(hook.Options{Stderr: out}).Notify(t.Context(), shell(tc.script, 0), []byte(body)); err != nil {
				t.Fatal(err)
			}
			if got := out.String(); got != tc.want {
				t.Errorf("got %q", got)
			}
		})
	}
	out := new(buffer)
	if err := hook.New(hook.Options{Stderr: out}).Notify(t.Context(), shell("yes | head -n 200000; echo end", 0), []byte(body)); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); len(got) > 300<<10 || !strings.HasSuffix(got, "[sh] y\n[sh] ... (more is not shown)\n") {
		t.Errorf("got %d bytes that end with %q", len(got), got[max(0, len(got)-80):])
	}
}
