package kafkatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a certificate authority of one test: its files are PEM.
type Authority struct {
	// CAFile has the authority's certificate, which clients must trust.
	CAFile string
	// CertFile and KeyFile are a certificate for clients, subject CN=client,
	// and its key in PKCS #8.
	CertFile, KeyFile string

	serverCert, serverKey string // PEM
	cert                  *x509.Certificate
	key                   *ecdsa.PrivateKey
	dir                   string
}

// NewAuthority makes an authority, a certificate for brokers on 127.0.0.1 and
// localhost, and one for clients. They are valid from an hour ago for a day.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{dir: t.TempDir()}
	template := certificate("kafkatest authority", 1)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatalf("making the authority's certificate: %v", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatalf("reading the authority's certificate: %v", err)
	}
	a.CAFile = a.write(t, "ca.pem", pemOf("CERTIFICATE", der))
	cert, key := a.issue(t, "localhost", 2)
	a.serverCert, a.serverKey = string(cert), string(key)
	cert, key = a.issue(t, "client", 3)
	a.CertFile = a.write(t, "client.crt", cert)
	a.KeyFile = a.write(t, "client.key", key)
	return a
}

func certificate(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	return key
}

// issue makes a certificate good for both sides of a connection.
func (a *Authority) issue(t testing.TB, name string, serial int64) (cert, key []byte) {
	t.Helper()
	template := certificate(name, serial)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.DNSNames = []string{"localhost"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	k := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	if err != nil {
		t.Fatalf("making a certificate for %s: %v", name, err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatalf("encoding a key: %v", err)
	}
	return pemOf("CERTIFICATE", der), pemOf("PRIVATE KEY", pkcs8)
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func (a *Authority) write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatalf("writing a certificate: %v", err)
	}
	return path
}
