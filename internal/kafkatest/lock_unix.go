//go:build unix

package kafkatest

import (
	"fmt"
	"os"
	"syscall"
)

// lockFile waits until no other process holds the file's lock. The kernel
// gives the lock back when its holder dies, so nothing stale can stay behind.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR { //nolint:errorlint // a bare errno of the kernel
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("taking the lock: %w", err)
	}
	return func() { f.Close() }, nil
}
