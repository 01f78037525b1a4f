package kafkatest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A broker must not outlive a test binary that was killed: this test runs
// itself as a child that starts a long sleep as kafkatest starts a broker,
// kills the child, and sees the grandchild die.
func TestChildrenDieWithTheTestBinary(t *testing.T) {
	if os.Getenv("KAFKATEST_CHILD") == "1" {
		p, err := spawn(exec.Command("sleep", "600"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(os.Stdout, "pid %d\n", p.pid)
		<-p.done
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildrenDieWithTheTestBinary$")
	child.Env = append(os.Environ(), "KAFKATEST_CHILD=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := readPid(t, out)
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the grandchild does not run: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	for deadline := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the grandchild lives on")
		}
	}
}

// readPid reads the line "pid N".
func readPid(t *testing.T, r io.Reader) int {
	t.Helper()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if digits, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
			pid, err := strconv.Atoi(digits)
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("the child names no process")
	return 0
}

// alive reports whether the process runs: a zombie that nobody has waited for
// yet is dead.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}
