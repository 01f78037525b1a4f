package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// connector dials for the Kafka client and remembers per address what came
// back, because the client's errors do not tell a TLS port from a broker that
// went away.
type connector struct {
	login Login
	tls   *tls.Config // nil: plaintext
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)

	mu   sync.Mutex
	last map[string]*sight
}

// sight is what is known of the last connection to an address.
type sight struct {
	// stage is how far a connection came at most: a caller whose time is over
	// does not get the dialer's own error.
	stage Stage
	read  int64
	alert bool // the first byte was that of a TLS alert
	// login: the connection ended in the middle of a SASL login.
	login bool
}

func newConnector(l Login, o Options) (*connector, error) {
	c := &connector{login: l, dial: o.Dial, last: map[string]*sight{}}
	if c.dial == nil {
		d := &net.Dialer{Timeout: l.DialTimeout, KeepAlive: 30 * time.Second}
		c.dial = d.DialContext
	}
	if l.Security.TLS != nil {
		cfg, err := l.Security.TLS.config()
		if err != nil {
			return nil, err
		}
		c.tls = cfg
	}
	return c, nil
}

// seen returns what the last connection to addr gave; never nil.
func (c *connector) seen(addr string) sight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.last[addr]; s != nil {
		return *s
	}
	return sight{}
}

// connect is the client's dialer. Its errors carry the stage.
func (c *connector) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.login.DialTimeout)
	defer cancel()
	s := c.begin(addr)
	conn, err := c.dial(ctx, network, addr)
	if err != nil {
		if _, ok := errors.AsType[*net.DNSError](err); ok {
			return nil, &dialError{stage: StageResolve, err: err}
		}
		return nil, &dialError{stage: StageDial, err: err}
	}
	conn = &watched{Conn: conn, c: c, s: s}
	if c.tls == nil {
		c.reach(s, StageRequest)
		return conn, nil
	}
	c.reach(s, StageTLS)
	cfg := c.tls.Clone()
	if cfg.ServerName == "" {
		// The address was checked to be host:port.
		cfg.ServerName, _, _ = net.SplitHostPort(addr)
	}
	t := tls.Client(conn, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, &dialError{stage: StageTLS, err: err}
	}
	c.reach(s, StageRequest)
	return t, nil
}

// begin notes a new connection to addr.
func (c *connector) begin(addr string) *sight {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &sight{stage: StageDial}
	if before := c.last[addr]; before != nil {
		// The client may dial again while the caller's time runs out.
		s.stage = before.stage
	}
	c.last[addr] = s
	return s
}

func (c *connector) reach(s *sight, stage Stage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stageRank[stage] > stageRank[s.stage] {
		s.stage = stage
	}
}

var _ kgo.HookBrokerRead = (*connector)(nil)

// OnBrokerRead notes a connection that ended while the client waited for an
// answer about its login: some brokers close instead of answering.
func (c *connector) OnBrokerRead(b kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err == nil || (kmsg.Key(key) != kmsg.SASLHandshake && kmsg.Key(key) != kmsg.SASLAuthenticate) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.last[net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))]; s != nil {
		s.login = true
	}
}

// watched notes what comes back on a connection.
type watched struct {
	net.Conn
	c *connector
	s *sight
}

// tlsAlert is the record type of a TLS alert (RFC 8446, section 5.1).
const tlsAlert = 21

// Read notes how much came and whether it began with a TLS alert.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.c.mu.Lock()
		if w.s.read == 0 {
			w.s.alert = p[0] == tlsAlert
		}
		w.s.read += int64(n)
		w.c.mu.Unlock()
	}
	return n, err
}
