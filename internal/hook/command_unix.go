//go:build unix

package hook

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// ownGroup makes the program the leader of a process group.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// terminate asks the whole group to end.
func terminate(cmd *exec.Cmd) error { return signal(cmd, syscall.SIGTERM) }

// endGroup waits until nobody is left in the group, and ends at that time who
// still is: what the program started has as long as the program. The number
// belongs to the group as long as anybody is in it.
func endGroup(cmd *exec.Cmd, at time.Time) {
	for time.Now().Before(at) {
		if errors.Is(signal(cmd, 0), os.ErrProcessDone) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = signal(cmd, syscall.SIGKILL) // nobody is left
}

func signal(cmd *exec.Cmd, sig syscall.Signal) error {
	err := syscall.Kill(-cmd.Process.Pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
