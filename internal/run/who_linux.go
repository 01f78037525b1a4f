package run

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
)

// hostID is made of the boot and of the namespace of process IDs.
func hostID() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(string(bytes.TrimSpace(boot)) + " " + namespace))
	return hex.EncodeToString(sum[:8])
}

// started returns the start time of a process in clock ticks since the boot:
// field 22 of /proc/PID/stat (proc(5)), counted after the command, which is in
// parentheses and may hold spaces.
func started(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	rest := stat[bytes.LastIndexByte(stat, ')')+1:]
	fields := bytes.Fields(rest)
	if len(fields) < 20 {
		return ""
	}
	if state := string(fields[0]); state == "Z" || state == "X" {
		return state // dead, and only not yet waited for by its parent
	}
	return string(fields[19])
}
