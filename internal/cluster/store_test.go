package cluster

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

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
