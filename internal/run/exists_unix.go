//go:build unix

package run

import (
	"errors"
	"syscall"
)

// exists reports whether a process with this number runs, also one of another
// user.
func exists(pid int) bool {
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
