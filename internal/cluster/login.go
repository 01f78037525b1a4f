package cluster

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Defaults of a Login.
const (
	DefaultDialTimeout    = 10 * time.Second
	DefaultRequestTimeout = 30 * time.Second
	DefaultClientID       = "kferry"
)

// Login is how one cluster is reached. The zero values of the last three
// fields mean the defaults above.
type Login struct {
	// Name is what the user calls the cluster; it stands in messages.
	Name string
	// Seeds are host:port addresses; any one of them is enough.
	Seeds    []string
	Security Security
	ClientID string
	// DialTimeout bounds Open as a whole: reaching a seed, logging in, and
	// reaching the listeners that the brokers advertise.
	DialTimeout time.Duration
	// RequestTimeout bounds each request after that, its retries included.
	RequestTimeout time.Duration
}

// Security is how a connection is protected and who we are. The zero value is
// PLAINTEXT without a login.
type Security struct {
	TLS  *TLS  // nil: no TLS
	SASL *SASL // nil: no SASL
}

// Protocol is the security.protocol that this amounts to.
func (s Security) Protocol() string {
	switch {
	case s.TLS != nil && s.SASL != nil:
		return "SASL_SSL"
	case s.TLS != nil:
		return "SSL"
	case s.SASL != nil:
		return "SASL_PLAINTEXT"
	default:
		return "PLAINTEXT"
	}
}

// The SASL mechanisms that are supported.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

// SASL is a login with a name and a password.
type SASL struct {
	Mechanism string // Plain, ScramSHA256 or ScramSHA512
	User      string
	Password  Secret
}

// ErrUnsupported is wrapped by errors about a mechanism, protocol or format
// that exists and that this program does not speak.
var ErrUnsupported = errors.New("not supported")

// mechanism makes the client's side of the login.
func (s *SASL) mechanism() (sasl.Mechanism, error) {
	switch strings.ToUpper(s.Mechanism) {
	case Plain:
		return plain.Auth{User: s.User, Pass: s.Password.Reveal()}.AsMechanism(), nil
	case ScramSHA256:
		return scram.Auth{User: s.User, Pass: s.Password.Reveal()}.AsSha256Mechanism(), nil
	case ScramSHA512:
		return scram.Auth{User: s.User, Pass: s.Password.Reveal()}.AsSha512Mechanism(), nil
	case "":
		return nil, errors.New("a SASL login needs a mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	default:
		return nil, fmt.Errorf("SASL mechanism %q: %w (supported: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512)", s.Mechanism, ErrUnsupported)
	}
}

// withDefaults fills what was left out and checks the addresses.
func (l Login) withDefaults() (Login, error) {
	if l.ClientID == "" {
		l.ClientID = DefaultClientID
	}
	if l.DialTimeout <= 0 {
		l.DialTimeout = DefaultDialTimeout
	}
	if l.RequestTimeout <= 0 {
		l.RequestTimeout = DefaultRequestTimeout
	}
	if len(l.Seeds) == 0 {
		return l, fmt.Errorf("cluster %q has no bootstrap server", l.Name)
	}
	for _, seed := range l.Seeds {
		if err := checkAddress(seed); err != nil {
			return l, fmt.Errorf("bootstrap server %q of cluster %q: %w", seed, l.Name, err)
		}
	}
	if l.Name == "" {
		l.Name = strings.Join(l.Seeds, ",")
	}
	return l, nil
}

// checkAddress accepts host:port and [ipv6]:port.
func checkAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("it must be HOST:PORT: %w", err)
	}
	if host == "" {
		return errors.New("it must be HOST:PORT, and the host is missing")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("it must be HOST:PORT, and %q is no port", port)
	}
	return nil
}
