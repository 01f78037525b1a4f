package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrAuth is wrapped by every error that comes from who we are: a wrong user
// or password, a mechanism that the broker does not offer, a login that is
// missing.
var ErrAuth = errors.New("authentication failed")

// Stage is how far connecting came.
type Stage string

// The stages in their order.
const (
	StageResolve    Stage = "resolve"    // the host name has no address
	StageDial       Stage = "dial"       // nothing answers at the address
	StageTLS        Stage = "tls"        // the TLS handshake
	StageSASL       Stage = "sasl"       // the login
	StageRequest    Stage = "request"    // the first requests
	StageAdvertised Stage = "advertised" // a seed answered, a listener that it names does not
)

var stageRank = map[Stage]int{
	StageResolve: 1, StageDial: 2, StageTLS: 3, StageRequest: 4, StageSASL: 5, StageAdvertised: 6,
}

// ConnectError says why a cluster could not be opened.
type ConnectError struct {
	Cluster string
	// Address is the host:port that was tried.
	Address string
	// Broker is the node ID of an advertised listener, and -1 for a seed.
	Broker int32
	Stage  Stage
	// Cause is the stage that failed at an advertised listener.
	Cause Stage
	// After is how long it took to fail.
	After time.Duration
	Err   error
	// Hint says what to look at, or is empty.
	Hint string
	// Others are the errors of the other seeds.
	Others []*ConnectError
}

// Error names cluster, address, stage and time; the hint is apart.
func (e *ConnectError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "connecting to cluster %q at %s: ", e.Cluster, e.Address)
	after := e.After.Round(time.Millisecond)
	stage := e.Stage
	if stage == StageAdvertised {
		fmt.Fprintf(&b, "the bootstrap server was reached, but it advertises this address for broker %d: ", e.Broker)
		stage = e.Cause
	}
	switch stage {
	case StageResolve:
		fmt.Fprintf(&b, "the host name does not resolve (after %s)", after)
	case StageDial:
		fmt.Fprintf(&b, "nothing answers there (after %s)", after)
	case StageTLS:
		fmt.Fprintf(&b, "no TLS connection (after %s)", after)
	case StageSASL:
		fmt.Fprintf(&b, "the login was refused (after %s)", after)
	default:
		fmt.Fprintf(&b, "no answer to the first request (after %s)", after)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	for _, o := range e.Others {
		fmt.Fprintf(&b, "; %s: %s", o.Address, o.Stage)
	}
	return b.String()
}

// Unwrap gives the cause, and ErrAuth where the login failed.
func (e *ConnectError) Unwrap() []error {
	var out []error
	if e.Stage == StageSASL || e.Cause == StageSASL {
		out = append(out, ErrAuth)
	}
	if e.Err != nil {
		out = append(out, e.Err)
	}
	return out
}

// dialError is what our dialer returns through the Kafka client.
type dialError struct {
	stage Stage
	err   error
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// explain turns an error of a connection attempt into stage, cause and hint.
func (c *connector) explain(addr string, err error) (stage Stage, hint string, cause error) {
	stage = c.stageOf(addr, err)
	if de, ok := errors.AsType[*dialError](err); ok {
		err = de.err // without the client's own words around it
	}
	return stage, c.hint(stage, addr, err), err
}

func (c *connector) stageOf(addr string, err error) Stage {
	var de *dialError
	seen := c.seen(addr)
	switch {
	case errors.As(err, &de):
		return de.stage
	case isAlert(err):
		return StageTLS
	case isAuth(err):
		return StageSASL
	case isTimeout(err) && seen.stage != "":
		return seen.stage
	case isClosed(err) && seen.login:
		return StageSASL
	case c.login.Security.SASL == nil && isClosed(err) && seen.read > 0 && !seen.alert:
		// The listener answered ApiVersions and closed at the next request:
		// it wants a login (SaslServerAuthenticator).
		return StageSASL
	}
	return StageRequest
}

// isAuth recognises the broker's and the client's own words for a bad login.
func isAuth(err error) bool {
	return errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) ||
		errors.Is(err, kerr.IllegalSaslState)
}

// isAlert recognises a TLS alert that the other side sent. crypto/tls shows it
// as an OpError of this operation only.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// isClosed recognises a connection that the other side ended.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		(errors.As(err, &ne) && ne.Timeout())
}

func (c *connector) hint(stage Stage, addr string, err error) string {
	protocol := c.login.Security.Protocol()
	switch stage {
	case StageResolve:
		return "check the host name, and that this machine uses the right DNS"
	case StageDial:
		if isTimeout(err) {
			return "check the address and the firewalls between here and there"
		}
		return "check the address and port, and that the broker runs"
	case StageTLS:
		return tlsHint(protocol, err)
	case StageSASL:
		switch {
		case c.login.Security.SASL == nil:
			return "the listener seems to want a login: set security.protocol to SASL_PLAINTEXT or SASL_SSL and the SASL user and password"
		case errors.Is(err, kerr.UnsupportedSaslMechanism):
			return "the broker does not offer " + c.login.Security.SASL.Mechanism
		default:
			return fmt.Sprintf("check user, password and mechanism (%s, user %q)", c.login.Security.SASL.Mechanism, c.login.Security.SASL.User)
		}
	default:
		return c.requestHint(protocol, addr, err)
	}
}

// requestHint explains a connection that was made and then went wrong. What
// the broker sent before says which protocol it speaks.
func (c *connector) requestHint(protocol, addr string, err error) string {
	seen := c.seen(addr)
	plain := c.login.Security.TLS == nil
	switch {
	case plain && seen.alert:
		return fmt.Sprintf("the port answers with TLS and security.protocol is %s: use SSL or SASL_SSL", protocol)
	case plain && seen.read == 0 && (isClosed(err) || isTimeout(err)):
		return fmt.Sprintf("it looks like the wrong security protocol (%s here): a TLS port closes such a connection or waits", protocol)
	case isClosed(err):
		return fmt.Sprintf("the broker closed the connection: check the security protocol (%s here) and the login", protocol)
	default:
		return ""
	}
}

func tlsHint(protocol string, err error) string {
	var (
		unknown *x509.UnknownAuthorityError
		name    *x509.HostnameError
		invalid *x509.CertificateInvalidError
		header  tls.RecordHeaderError
		u       x509.UnknownAuthorityError
		h       x509.HostnameError
		i       x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &unknown), errors.As(err, &u):
		return "the broker's certificate is not trusted: give the authority that signed it (--tls-ca, or ssl.truststore.location)"
	case errors.As(err, &name), errors.As(err, &h):
		return "the broker's certificate is for another host name: use that name in the address, or set ssl.endpoint.identification.algorithm to nothing to leave the check out"
	case errors.As(err, &invalid), errors.As(err, &i):
		return "the broker's certificate is not valid: look at its dates and its use"
	case errors.As(err, &header):
		return fmt.Sprintf("the port does not speak TLS and security.protocol is %s: it looks like the wrong security protocol; use PLAINTEXT or SASL_PLAINTEXT", protocol)
	case isAlert(err):
		return "the broker refused our side of TLS: it may want a client certificate (--tls-cert and --tls-key, or ssl.keystore.location)"
	case isClosed(err), isTimeout(err):
		return fmt.Sprintf("it looks like the wrong security protocol (%s here): a port without TLS closes such a connection or waits", protocol)
	default:
		return "check the TLS settings of both sides"
	}
}
