package run

import (
	"fmt"
	"os"
	"os/user"
	"sync"
)

// Who is one process.
type Who struct {
	User string `json:"user"`
	Host string `json:"host"`
	// HostID stands for one boot of one machine and one process namespace: two
	// processes with the same one can look for each other by PID. Host names do
	// not do, since containers share them. Empty when unknown.
	HostID string `json:"host_id,omitempty"`
	PID    int    `json:"pid"`
	// Started is when the process began, as its system counts, so that a PID
	// that is used again is not mistaken for it. Empty when unknown.
	Started string `json:"started,omitempty"`
}

// String returns "user@host (pid 4711)".
func (w Who) String() string { return fmt.Sprintf("%s@%s (pid %d)", w.User, w.Host, w.PID) }

// Self returns this process.
func Self() Who { return self() }

var self = sync.OnceValue(func() Who {
	w := Who{User: "unknown", Host: "unknown", HostID: hostID(), PID: os.Getpid(), Started: started(os.Getpid())}
	if u, err := user.Current(); err == nil {
		w.User = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		w.Host = h
	}
	return w
})

// Gone reports whether the process was one of this host and certainly does not
// exist any more. What cannot be told is not gone.
func (w Who) Gone() bool {
	if w.HostID == "" || w.HostID != self().HostID || w.PID <= 0 {
		return false
	}
	if !exists(w.PID) {
		return true
	}
	now := started(w.PID)
	return w.Started != "" && now != "" && now != w.Started
}
