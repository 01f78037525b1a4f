//go:build !linux

package storeserver

import "os/exec"

// isolate does nothing here: a test binary that is killed leaves its servers.
func isolate(*exec.Cmd) {}
