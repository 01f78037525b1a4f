//go:build !unix

package observe

import "os"

// NotifyRequests does nothing where no signal asks for progress.
func NotifyRequests(chan<- os.Signal) {}
