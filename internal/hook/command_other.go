//go:build !unix

package hook

import (
	"os/exec"
	"time"
)

// ownGroup does nothing where there are no process groups.
func ownGroup(*exec.Cmd) {}

// terminate ends the program.
func terminate(cmd *exec.Cmd) error { return cmd.Process.Kill() }

// endGroup does nothing: terminate ended the program.
func endGroup(*exec.Cmd, time.Time) {}
