package cluster

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

// The types of a Store (ssl.truststore.type, ssl.keystore.type).
const (
	PEM    = "PEM"
	JKS    = "JKS"
	PKCS12 = "PKCS12"
)

// Store is where certificates, or a certificate and its key, come from: a file
// or PEM text.
type Store struct {
	// Type is PEM, JKS or PKCS12; empty means that the content decides.
	Type string
	// File holds the certificates, and the private key unless KeyFile does.
	File string
	// KeyFile holds the private key in PEM.
	KeyFile string
	// Certificates is PEM text in place of File.
	Certificates string
	// PrivateKey is PEM text in place of KeyFile.
	PrivateKey Secret
	// Password of the store, and of the key where KeyPassword is empty.
	Password    Secret
	KeyPassword Secret
}

func (s Store) isZero() bool { return s == Store{} }

// where names the file for messages.
func (s Store) where() string {
	if s.File == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", s.File)
}

// read returns the content and its type.
func (s Store) read() ([]byte, string, error) {
	data := []byte(s.Certificates)
	if s.File != "" {
		var err error
		if data, err = os.ReadFile(s.File); err != nil {
			return nil, "", err
		}
	}
	kind := strings.ToUpper(s.Type)
	if kind == "" {
		kind = sniff(data)
	}
	switch kind {
	case PEM:
		return data, PEM, nil
	case JKS, PKCS12:
		// Java reads either format under either name (keystore.type.compat).
		if s := sniff(data); s != PEM {
			kind = s
		}
		return data, kind, nil
	default:
		return nil, "", fmt.Errorf("store type %q: %w (supported: PEM, JKS, PKCS12)", s.Type, ErrUnsupported)
	}
}

// jksMagic begins every JKS file.
var jksMagic = []byte{0xfe, 0xed, 0xfe, 0xed}

func sniff(data []byte) string {
	switch {
	case bytes.HasPrefix(data, jksMagic):
		return JKS
	case len(data) > 0 && data[0] == 0x30: // a DER sequence
		return PKCS12
	default:
		return PEM
	}
}

// authorities reads a trust store.
func (s Store) authorities() (*x509.CertPool, error) {
	data, kind, err := s.read()
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	switch kind {
	case JKS:
		certs, err = s.jksCertificates(data)
	case PKCS12:
		certs, err = pkcs12.DecodeTrustStore(data, s.Password.Reveal())
		if err != nil {
			// openssl writes no trust attributes: such a file is read as certificates.
			if more, other := pkcs12Certificates(data, s.Password); other == nil {
				certs, err = more, nil
			}
		}
	default:
		certs, err = pemCertificates(data)
	}
	if err != nil {
		return nil, err
	}
	if len(certs) == 0 {
		return nil, errors.New("it holds no certificate")
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool, nil
}

// pkcs12Certificates reads every certificate of a PKCS12 file, whatever its
// attributes say.
func pkcs12Certificates(data []byte, password Secret) ([]*x509.Certificate, error) {
	blocks, err := pkcs12.ToPEM(data, password.Reveal()) //nolint:staticcheck // the other functions want attributes that openssl does not write
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for _, b := range blocks {
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// keyPair reads a key store: our certificate with its chain, and the key.
func (s Store) keyPair() (tls.Certificate, error) {
	data, kind, err := s.read()
	if err != nil {
		return tls.Certificate{}, err
	}
	password := s.KeyPassword
	if password == "" {
		password = s.Password
	}
	switch kind {
	case JKS:
		return s.jksKeyPair(data, password)
	case PKCS12:
		key, leaf, chain, err := pkcs12.DecodeChain(data, s.Password.Reveal())
		if err != nil {
			return tls.Certificate{}, err
		}
		out := tls.Certificate{PrivateKey: key, Leaf: leaf, Certificate: [][]byte{leaf.Raw}}
		for _, c := range chain {
			out.Certificate = append(out.Certificate, c.Raw)
		}
		return out, nil
	default:
		return s.pemKeyPair(data, password)
	}
}

func pemCertificates(data []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for rest := data; ; {
		var b *pem.Block
		b, rest = pem.Decode(rest)
		if b == nil {
			return out, nil
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
}

// pemKeyPair takes the key from KeyFile, PrivateKey, or the same text as the
// certificates.
func (s Store) pemKeyPair(data []byte, password Secret) (tls.Certificate, error) {
	key := data
	switch {
	case s.KeyFile != "":
		var err error
		if key, err = os.ReadFile(s.KeyFile); err != nil {
			return tls.Certificate{}, err
		}
	case s.PrivateKey != "":
		key = []byte(s.PrivateKey.Reveal())
	}
	key, err := plainKey(key, password)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(data, key)
}

// plainKey finds the private key in PEM text and decrypts it where needed.
func plainKey(text []byte, password Secret) ([]byte, error) {
	for rest := text; ; {
		var b *pem.Block
		b, rest = pem.Decode(rest)
		switch {
		case b == nil:
			return nil, errors.New("it holds no private key")
		case b.Type == "ENCRYPTED PRIVATE KEY":
			der, err := decryptPKCS8(b.Bytes, password)
			if err != nil {
				return nil, fmt.Errorf("decrypting the private key: %w", err)
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
		case b.Headers["DEK-Info"] != "":
			return nil, fmt.Errorf("a private key encrypted in the old OpenSSL way: %w (convert it with openssl pkcs8 -topk8)", ErrUnsupported)
		case b.Type == "PRIVATE KEY" || strings.HasSuffix(b.Type, " PRIVATE KEY"):
			return pem.EncodeToMemory(b), nil
		}
	}
}

func loadJKS(data []byte, password Secret) (keystore.KeyStore, error) {
	ks := keystore.New()
	// The password of a JKS file only checks its integrity.
	err := ks.Load(bytes.NewReader(data), []byte(password.Reveal()))
	return ks, err
}

// jksCertificates reads what Java trusts of such a file: the trusted entries,
// and of a key entry its own certificate but not who signed it
// (TrustStoreUtil).
func (s Store) jksCertificates(data []byte) ([]*x509.Certificate, error) {
	ks, err := loadJKS(data, s.Password)
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for _, alias := range ks.Aliases() {
		var chain []keystore.Certificate
		switch {
		case ks.IsTrustedCertificateEntry(alias):
			e, err := ks.GetTrustedCertificateEntry(alias)
			if err != nil {
				return nil, fmt.Errorf("entry %q: %w", alias, err)
			}
			chain = []keystore.Certificate{e.Certificate}
		case ks.IsPrivateKeyEntry(alias):
			all, err := ks.GetPrivateKeyEntryCertificateChain(alias)
			if err != nil {
				return nil, fmt.Errorf("entry %q: %w", alias, err)
			}
			chain = all[:min(1, len(all))]
		}
		for _, raw := range chain {
			c, err := x509.ParseCertificate(raw.Content)
			if err != nil {
				return nil, fmt.Errorf("entry %q: %w", alias, err)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// jksKeyPair takes the only key entry of a JKS file.
func (s Store) jksKeyPair(data []byte, password Secret) (tls.Certificate, error) {
	ks, err := loadJKS(data, s.Password)
	if err != nil {
		return tls.Certificate{}, err
	}
	var out *tls.Certificate
	for _, alias := range ks.Aliases() {
		if !ks.IsPrivateKeyEntry(alias) {
			continue
		}
		if out != nil {
			return tls.Certificate{}, errors.New("it holds more than one private key")
		}
		e, err := ks.GetPrivateKeyEntry(alias, []byte(password.Reveal()))
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("entry %q: %w", alias, err)
		}
		key, err := x509.ParsePKCS8PrivateKey(e.PrivateKey)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("entry %q: %w", alias, err)
		}
		out = &tls.Certificate{PrivateKey: key}
		for _, c := range e.CertificateChain {
			out.Certificate = append(out.Certificate, c.Content)
		}
	}
	if out == nil || len(out.Certificate) == 0 {
		return tls.Certificate{}, errors.New("it holds no private key with a certificate")
	}
	return *out, nil
}
