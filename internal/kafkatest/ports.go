package kafkatest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are taken below the range from which systems give ports to outgoing
// connections (32768 on Linux, 49152 elsewhere): else any client on the machine
// could own a broker's port while the broker is down for a restart.
const firstPort, pastPort = 15000, 32000

// given are the ports this process has handed out: a stopped broker's stay its own.
var given struct {
	sync.Mutex
	ports map[int]bool
}

// freePorts returns n ports that nobody listens on right now. Another process
// can still take one first; the broker then fails to bind and start tries again.
func freePorts(n int) ([]int, error) {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	var ports []int
	for try := 0; len(ports) < n; try++ {
		if try == 1000 {
			return nil, fmt.Errorf("no free port between %d and %d", firstPort, pastPort)
		}
		port := firstPort + rand.IntN(pastPort-firstPort)
		if given.ports[port] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // a local bind does not wait
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return nil, fmt.Errorf("giving back port %d: %w", port, err)
		}
		given.ports[port] = true
		ports = append(ports, port)
	}
	return ports, nil
}
