package storeserver

import (
	"os/exec"
	"syscall"
)

// isolate keeps a Ctrl-C at the test from the child, and has the kernel kill
// the child however the test binary dies.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
