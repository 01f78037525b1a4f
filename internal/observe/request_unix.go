//go:build unix

package observe

import (
	"os"
	"os/signal"
	"syscall"
)

// NotifyRequests sends to c when somebody asks the process for its progress:
// SIGUSR1. It is undone by signal.Stop.
func NotifyRequests(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR1) }
