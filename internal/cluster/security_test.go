package cluster

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

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
		addr    []string
		tls     *TLS
		timeout time.Duration
		stage   Stage
	}{
		"plaintext to a TLS port":         {tlsFake(t, a, nil, nil).ListenAddrs(), nil, time.Minute, StageRequest},
		"plaintext to a port that closes": {[]string{closing(t)}, nil, time.Minute, StageRequest},
		// It waits for the rest of the large request that it takes the handshake for.
		"TLS to a plaintext port":             {fake(t, kfake.NumBrokers(1)).ListenAddrs(), trusting(a), 2 * time.Second, StageTLS},
		"TLS to a plaintext port that closes": {[]string{closing(t)}, trusting(a), time.Minute, StageTLS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := connectError(t, Login{Seeds: c.addr, Security: Security{TLS: c.tls}, DialTimeout: c.timeout}, nil)
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
