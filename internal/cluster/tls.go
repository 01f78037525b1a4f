package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// TLS is how connections are encrypted and checked.
type TLS struct {
	// Trust holds the authorities that may sign the broker's certificate; the
	// zero Store means those of the system.
	Trust Store
	// Key holds our own certificate and key; the zero Store means none.
	Key Store
	// AnyHost leaves out the check that the certificate is for the host that
	// was dialed (an empty ssl.endpoint.identification.algorithm); the chain is
	// checked all the same.
	AnyHost bool
}

// config builds the settings; the server name is set per connection.
func (t *TLS) config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if !t.Trust.isZero() {
		pool, err := t.Trust.authorities()
		if err != nil {
			return nil, fmt.Errorf("reading the trusted certificates%s: %w", t.Trust.where(), err)
		}
		cfg.RootCAs = pool
	}
	if !t.Key.isZero() {
		cert, err := t.Key.keyPair()
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate and key%s: %w", t.Key.where(), err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	if t.AnyHost {
		checkChainOnly(cfg)
	}
	return cfg, nil
}

// checkChainOnly replaces the standard verification by one without the host
// name, as Java does with an empty identification algorithm.
func checkChainOnly(cfg *tls.Config) {
	roots := cfg.RootCAs
	cfg.InsecureSkipVerify = true // the chain is verified below, the user left out the name only
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the broker sent no certificate")
		}
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
}
