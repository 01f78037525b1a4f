//go:build !linux

package kafkatest

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate has nothing to set here: no other system kills a child with its parent.
func isolate(*exec.Cmd) {}

// signalGroup signals the child alone.
func signalGroup(pid int, s syscall.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Signal(s)
}
