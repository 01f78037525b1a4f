package kafkatest

import (
	"os/exec"
	"syscall"
)

// isolate puts a child into a process group of its own, so that a Ctrl-C at the
// test does not reach it before the test's own cleanup does, and has the kernel
// kill it when the thread that started it ends, however the test binary dies.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// signalGroup signals the child and whatever it has started.
func signalGroup(pid int, s syscall.Signal) error { return syscall.Kill(-pid, s) }
