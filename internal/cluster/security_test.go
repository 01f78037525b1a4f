package cluster

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"github.com/twmb/franz-go/pkg/kfake"
	"software.sslmate.com/src/go-pkcs12"
)

// authority is a CA of a test and a certificate that it signed.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return &authority{cert: sign(t, tmpl, tmpl, key, key), key: key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, tmpl, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue signs a certificate for 127.0.0.1 or another name.
func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(tmpl)
	}
	return sign(t, tmpl, a.cert, key, a.key), key
}

func certPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func keyDER(t *testing.T, k *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func keyPEM(t *testing.T, k *ecdsa.PrivateKey) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER(t, k)}))
}

func file(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tlsFake starts a broker with TLS; clientCA not nil makes it want a client
// certificate.
func tlsFake(t *testing.T, a *authority, clientCA *authority, change func(*x509.Certificate), opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cert, key := a.issue(t, change)
	cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	if clientCA != nil {
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		cfg.ClientCAs = x509.NewCertPool()
		cfg.ClientCAs.AddCert(clientCA.cert)
	}
	return fake(t, append(opts, kfake.NumBrokers(1), kfake.TLS(cfg))...)
}

func trusting(a *authority) *TLS { return &TLS{Trust: Store{Certificates: certPEM(a.cert)}} }

func TestOpenTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	f := tlsFake(t, a, nil, nil)
	c := open(t, f, func(l *Login) { l.Security.TLS = trusting(a) })
	if c.ID() == "" {
		t.Fatal("no ID")
	}
}

func TestOpenTLSErrors(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t), newAuthority(t)
	wrongName := func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"elsewhere"} }
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	cases := map[string]struct {
		fake *kfake.Cluster
		tls  *TLS
		hint string
	}{
		"not trusted":        {tlsFake(t, a, nil, nil), trusting(other), "not trusted"},
		"system does not":    {tlsFake(t, a, nil, nil), &TLS{}, "not trusted"},
		"wrong name":         {tlsFake(t, a, nil, wrongName), trusting(a), "another host name"},
		"expired":            {tlsFake(t, a, nil, expired), trusting(a), "not valid"},
		"any host, no trust": {tlsFake(t, a, nil, wrongName), &TLS{AnyHost: true, Trust: Store{Certificates: certPEM(other.cert)}}, "not trusted"},
		"no certificate":     {tlsFake(t, a, a, nil), trusting(a), "client certificate"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := connectError(t, Login{Seeds: c.fake.ListenAddrs(), Security: Security{TLS: c.tls}}, nil)
			if e.Stage != StageTLS || !strings.Contains(e.Hint, c.hint) || errors.Is(e, ErrAuth) {
				t.Fatalf("%+v", e)
			}
		})
	}
	t.Run("any host", func(t *testing.T) {
		t.Parallel()
		open(t, tlsFake(t, a, nil, wrongName), func(l *Login) {
			l.Security.TLS = trusting(a)
			l.Security.TLS.AnyHost = true
		})
	})
}

// closing is a listener that behaves like a Kafka port without TLS that is
// sent a handshake: it reads a little, finds a size that cannot be, and closes.
func closing(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4))
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestOpenWrongProtocol(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, c := range map[string]struct {
		addr  []string
		tls   *TLS
		stage Stage
	}{
		"plaintext to a TLS port":             {tlsFake(t, a, nil, nil).ListenAddrs(), nil, StageRequest},
		"plaintext to a port that closes":     {[]string{closing(t)}, nil, StageRequest},
		"TLS to a plaintext port":             {fake(t, kfake.NumBrokers(1)).ListenAddrs(), trusting(a), StageTLS},
		"TLS to a plaintext port that closes": {[]string{closing(t)}, trusting(a), StageTLS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := connectError(t, Login{Seeds: c.addr, Security: Security{TLS: c.tls}, DialTimeout: 2 * time.Second}, nil)
			if e.Stage != c.stage || (!strings.Contains(e.Hint, "wrong security protocol") && !strings.Contains(e.Hint, "answers with TLS")) {
				t.Fatalf("%+v", e)
			}
		})
	}
}

func TestOpenSASL(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{Plain, ScramSHA256, ScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			f := fake(t, kfake.NumBrokers(2), kfake.EnableSASL(), kfake.Superuser(mechanism, "alice", "wonder"))
			login := func(m, user, password string) Security {
				return Security{SASL: &SASL{Mechanism: m, User: user, Password: Secret(password)}}
			}
			open(t, f, func(l *Login) { l.Security = login(mechanism, "alice", "wonder") })
			for name, s := range map[string]Security{
				"wrong password": login(mechanism, "alice", "hunter2"),
				"wrong user":     login(mechanism, "bob", "hunter2"),
				"no login":       {},
			} {
				e := connectError(t, Login{Seeds: f.ListenAddrs(), Security: s}, nil)
				if e.Stage != StageSASL || !errors.Is(e, ErrAuth) || e.Hint == "" || strings.Contains(fmt.Sprint(e, e.Hint), "hunter2") {
					t.Fatalf("%s: %+v", name, e)
				}
			}
		})
	}
}

func TestOpenSASLOverTLSWithProperties(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	f := tlsFake(t, a, nil, nil, kfake.EnableSASL(), kfake.Superuser(ScramSHA512, "alice", "wonder"))
	path := file(t, "client.properties", fmt.Appendf(nil,
		"bootstrap.servers=%s\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"+
			"sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" password=\"wonder\";\n"+
			"ssl.truststore.type=PEM\nssl.truststore.location=%s\n",
		strings.Join(f.ListenAddrs(), ","), file(t, "ca.pem", []byte(certPEM(a.cert)))))
	l, err := ParseProperties(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(t.Context(), l, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// encryptKey makes an encrypted PKCS #8 key as openssl pkcs8 -topk8 does.
func encryptKey(t *testing.T, der []byte, password string) string {
	t.Helper()
	salt, iv := []byte("saltsalt"), []byte("0123456789abcdef")
	key, err := pbkdf2.Key(sha256.New, password, salt, 2048, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	pad := aes.BlockSize - len(der)%aes.BlockSize
	data := append(append([]byte{}, der...), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	raw := func(v any) asn1.RawValue {
		b, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return asn1.RawValue{FullBytes: b}
	}
	kdf := pbkdf2Params{Salt: salt, Iterations: 2048, PRF: pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256, Parameters: asn1.NullRawValue}}
	scheme := pbes2{
		KDF:    pkix.AlgorithmIdentifier{Algorithm: oidPBKDF2, Parameters: raw(kdf)},
		Cipher: pkix.AlgorithmIdentifier{Algorithm: oidAES256CBC, Parameters: raw(iv)},
	}
	out := encryptedKey{Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidPBES2, Parameters: raw(scheme)}, Data: data}
	return string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: raw(out).FullBytes}))
}

func jks(t *testing.T, password string, trusted *x509.Certificate, cert *x509.Certificate, key []byte, keyPassword string) []byte {
	t.Helper()
	ks := keystore.New()
	if trusted != nil {
		e := keystore.TrustedCertificateEntry{CreationTime: time.Now(), Certificate: keystore.Certificate{Type: "X509", Content: trusted.Raw}}
		if err := ks.SetTrustedCertificateEntry("ca", e); err != nil {
			t.Fatal(err)
		}
	}
	if cert != nil {
		e := keystore.PrivateKeyEntry{CreationTime: time.Now(), PrivateKey: key, CertificateChain: []keystore.Certificate{{Type: "X509", Content: cert.Raw}}}
		if err := ks.SetPrivateKeyEntry("me", e, []byte(keyPassword)); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := ks.Store(&b, []byte(password)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestStores(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue(t, nil)
	der := keyDER(t, key)
	f := tlsFake(t, a, a, nil)
	p12trust, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{a.cert}, "tp")
	if err != nil {
		t.Fatal(err)
	}
	p12key, err := pkcs12.Modern.Encode(key, cert, nil, "kp")
	if err != nil {
		t.Fatal(err)
	}
	trust := map[string]Store{
		"PEM text":          {Certificates: certPEM(a.cert)},
		"PEM file":          {Type: PEM, File: file(t, "ca.pem", []byte("# a comment\n"+certPEM(a.cert)))},
		"JKS":               {File: file(t, "t.jks", jks(t, "tp", a.cert, nil, nil, "")), Password: "tp"},
		"PKCS12":            {File: file(t, "t.p12", p12trust), Password: "tp"},
		"PKCS12 called JKS": {Type: JKS, File: file(t, "t.p12", p12trust), Password: "tp"},
	}
	keys := map[string]Store{
		"PEM text":           {Certificates: certPEM(cert), PrivateKey: Secret(keyPEM(t, key))},
		"PEM in one file":    {File: file(t, "k.pem", []byte(keyPEM(t, key)+certPEM(cert)))},
		"PEM in two files":   {File: file(t, "c.pem", []byte(certPEM(cert))), KeyFile: file(t, "k.pem", []byte(keyPEM(t, key)))},
		"PEM, encrypted key": {Certificates: certPEM(cert), PrivateKey: Secret(encryptKey(t, der, "kp")), KeyPassword: "kp"},
		"JKS":                {File: file(t, "k.jks", jks(t, "kp", nil, cert, der, "kp")), Password: "kp"},
		"JKS, key password":  {File: file(t, "k.jks", jks(t, "kp", nil, cert, der, "other")), Password: "kp", KeyPassword: "other"},
		"PKCS12":             {File: file(t, "k.p12", p12key), Password: "kp"},
	}
	for tn, ts := range trust {
		open(t, f, func(l *Login) { l.Security.TLS = &TLS{Trust: ts, Key: keys["PEM text"]} })
		t.Log("trust", tn)
	}
	for kn, ks := range keys {
		open(t, f, func(l *Login) { l.Security.TLS = &TLS{Trust: trust["PEM text"], Key: ks} })
		t.Log("key", kn)
	}
}

func TestStoreErrors(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue(t, nil)
	der := keyDER(t, key)
	c := Store{Certificates: certPEM(cert)}
	with := func(f func(*Store)) *TLS {
		s := c
		f(&s)
		return &TLS{Key: s}
	}
	for name, cfg := range map[string]*TLS{
		"no file":               {Trust: Store{File: "/nowhere/at/all"}},
		"no certificate":        {Trust: Store{Certificates: "nothing"}},
		"unknown type":          {Trust: Store{Type: "BCFKS", Certificates: "x"}},
		"JKS, wrong password":   {Trust: Store{File: file(t, "t.jks", jks(t, "right", a.cert, nil, nil, "")), Password: "hunter2"}},
		"JKS, empty":            {Trust: Store{File: file(t, "t.jks", jks(t, "right", nil, nil, nil, "")), Password: "right"}},
		"JKS, no key":           {Key: Store{File: file(t, "t.jks", jks(t, "right", a.cert, nil, nil, "")), Password: "right"}},
		"JKS, key password":     {Key: Store{File: file(t, "t.jks", jks(t, "right", nil, cert, der, "other")), Password: "right", KeyPassword: "hunter2"}},
		"PKCS12, damaged":       {Trust: Store{Type: PKCS12, File: file(t, "t.p12", []byte{0x30, 1, 2}), Password: "hunter2"}},
		"no key":                with(func(*Store) {}),
		"no key file":           with(func(s *Store) { s.KeyFile = "/nowhere/at/all" }),
		"another key":           with(func(s *Store) { s.PrivateKey = Secret(keyPEM(t, a.key)) }),
		"encrypted, no pass":    with(func(s *Store) { s.PrivateKey = Secret(encryptKey(t, der, "right")) }),
		"encrypted, wrong pass": with(func(s *Store) { s.PrivateKey, s.KeyPassword = Secret(encryptKey(t, der, "right")), "hunter2" }),
		"encrypted, damaged": with(func(s *Store) {
			s.PrivateKey = Secret(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}))
		}),
		"old encryption": with(func(s *Store) {
			s.PrivateKey = Secret(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "x"}, Bytes: []byte{1}}))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := cfg.config()
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "PRIVATE KEY---") {
				t.Fatalf("a secret is in: %v", err)
			}
			t.Log(err)
		})
	}
}

func FuzzDecryptPKCS8(f *testing.F) {
	f.Add([]byte{0x30, 3, 1, 1, 1})
	f.Fuzz(func(_ *testing.T, der []byte) {
		// Bound the work of a random iteration count.
		if len(der) < 200 {
			_, _ = decryptPKCS8(der, "x")
		}
	})
}

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	l := Login{Security: Security{
		SASL: &SASL{Mechanism: Plain, User: "alice", Password: "hunter2"},
		TLS:  &TLS{Key: Store{PrivateKey: "hunter2", Password: "hunter2", KeyPassword: "hunter2"}},
	}}
	js, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).InfoContext(t.Context(), "x", "secret", l.Security.SASL.Password, "login", l)
	s := l.Security.SASL.Password
	all := []string{string(js), log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s"} {
		all = append(all, fmt.Sprintf(verb, s), fmt.Sprintf(verb, *l.Security.SASL), fmt.Sprintf(verb, *l.Security.TLS), fmt.Sprintf(verb, &l.Security.TLS.Key))
	}
	for _, out := range all {
		if strings.Contains(out, "hunter2") || strings.Contains(out, fmt.Sprintf("%x", "hunter2")) || strings.Contains(out, fmt.Sprintf("%X", "hunter2")) {
			t.Errorf("shown: %s", out)
		}
	}
	if s.Reveal() != "hunter2" || s.String() != redacted || Secret("").String() != "" {
		t.Error("reveal")
	}
}
