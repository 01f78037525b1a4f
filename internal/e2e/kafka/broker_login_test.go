package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kferry/kferry/internal/cluster"
	"github.com/kferry/kferry/internal/kafkatest"
)

const (
	storePassword = "store-pass"
	user          = "alice"
	password      = `wonder "land" \1`
)

// stores are the files of a Java client, made by keytool.
type stores struct {
	dir string
	a   *kafkatest.Authority
	// ca is PEM with the authority and with keytool's own certificate, for a
	// broker that is to trust both.
	ca string
}

// newStores makes a trust store and a key store of each type. The key is
// keytool's own: it cannot import one that others have made.
func newStores(t *testing.T, a *kafkatest.Authority) *stores {
	t.Helper()
	s := &stores{dir: t.TempDir(), a: a, ca: filepath.Join(t.TempDir(), "both.pem")}
	for _, kind := range []string{"JKS", "PKCS12"} {
		s.keytool(t, "-importcert", "-noprompt", "-alias", "ca", "-file", a.CAFile, "-keystore", s.path("trust", kind), "-storetype", kind)
	}
	s.keytool(t, "-genkeypair", "-alias", "me", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=keytool", "-validity", "2",
		"-keypass", storePassword, "-keystore", s.path("key", "JKS"), "-storetype", "JKS")
	s.keytool(t, "-importkeystore", "-srckeystore", s.path("key", "JKS"), "-srcstorepass", storePassword,
		"-destkeystore", s.path("key", "PKCS12"), "-deststoretype", "PKCS12")
	own := s.keytool(t, "-exportcert", "-rfc", "-alias", "me", "-keystore", s.path("key", "JKS"))
	ca, err := os.ReadFile(a.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.ca, append(ca, own...), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stores) path(name, kind string) string { return filepath.Join(s.dir, name+"."+kind) }

// keytool comes with Java.
func (s *stores) keytool(t *testing.T, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kafkatest.Patience)
	defer cancel()
	pass := []string{"-storepass", storePassword}
	if args[0] == "-importkeystore" {
		pass = []string{"-deststorepass", storePassword}
	}
	cmd := exec.CommandContext(ctx, "keytool", append(args, pass...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("keytool %s: %v\n%s%s", args[0], err, out, stderr.String())
	}
	return out
}

// properties is a client.properties.
type properties map[string]string

func (p properties) with(all ...properties) properties {
	out := maps.Clone(p)
	for _, one := range all {
		maps.Copy(out, one)
	}
	return out
}

// write makes the file as a Java user would, values escaped.
func (p properties) write(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# a client\n")
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s = %s\n", key, strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(p[key]))
	}
	path := filepath.Join(t.TempDir(), "client.properties")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// jaas is the login module of a mechanism, with the password quoted as Java
// reads it.
func jaas(mechanism, name, pass string) properties {
	module := "org.apache.kafka.common.security.scram.ScramLoginModule"
	if mechanism == cluster.Plain {
		module = "org.apache.kafka.common.security.plain.PlainLoginModule"
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(pass)
	return properties{
		"sasl.mechanism":   mechanism,
		"sasl.jaas.config": module + ` required username="` + name + `" password="` + quoted + `";`,
	}
}

// secured is a cluster with a listener of each kind.
func secured(t *testing.T, version string, s *stores) *kafkatest.Kafka {
	t.Helper()
	users := map[string]string{user: password}
	return kafkatest.Start(t, kafkatest.Options{Version: version, Listeners: []kafkatest.Listener{
		{Name: "TLS", Protocol: "SSL", Authority: s.a},
		{
			Name: "MUTUAL", Protocol: "SSL", Authority: s.a, ClientAuth: "required",
			Properties: map[string]string{"ssl.truststore.location": s.ca},
		},
		{Name: "SASL", Protocol: "SASL_PLAINTEXT", Users: users},
		{Name: "BOTH", Protocol: "SASL_SSL", Users: users, Authority: s.a},
		{Name: "SCRAM", Protocol: "SASL_PLAINTEXT", Users: users, Mechanisms: []string{"SCRAM-SHA-256"}},
	}})
}

// Every way in, by a file that Java's own tools take as well, and what is said
// when the door stays closed.
func TestLogins(t *testing.T) {
	t.Parallel()
	a, other := kafkatest.NewAuthority(t), kafkatest.NewAuthority(t)
	s := newStores(t, a)
	for _, version := range []string{kafkatest.Newest, kafkatest.Previous} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			k := secured(t, version, s)
			for name, tc := range s.ways() {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					tc.enter(t, k)
				})
			}
			for name, tc := range s.dead(other) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					tc.refused(t, k)
				})
			}
		})
	}
}

// way is a login to one listener ("" is the PLAINTEXT one).
type way struct {
	listener string
	p        properties
	// java: Java's own tool is asked too, with the same file.
	java bool
	// stage, auth, hint and text are what is said of a login that fails.
	stage cluster.Stage
	auth  bool
	hint  string
	text  string
}

func (s *stores) trust(kind string) properties {
	return properties{"ssl.truststore.type": kind, "ssl.truststore.location": s.path("trust", kind), "ssl.truststore.password": storePassword}
}

func (s *stores) key(kind string) properties {
	return properties{"ssl.keystore.type": kind, "ssl.keystore.location": s.path("key", kind), "ssl.keystore.password": storePassword, "ssl.key.password": storePassword}
}

func (s *stores) ways() map[string]way {
	pem := properties{"ssl.truststore.type": "PEM", "ssl.truststore.location": s.a.CAFile}
	tls, both, sasl := properties{"security.protocol": "SSL"}, properties{"security.protocol": "SASL_SSL"}, properties{"security.protocol": "SASL_PLAINTEXT"}
	out := map[string]way{
		"PLAINTEXT":          {p: properties{}},
		"SSL, PEM":           {listener: "TLS", p: tls.with(pem)},
		"SSL, JKS":           {listener: "TLS", p: tls.with(s.trust("JKS"))},
		"SSL, PKCS12":        {listener: "TLS", p: tls.with(s.trust("PKCS12"))},
		"mutual SSL, JKS":    {listener: "MUTUAL", p: tls.with(s.trust("JKS"), s.key("JKS"))},
		"mutual SSL, PKCS12": {listener: "MUTUAL", p: tls.with(s.trust("PKCS12"), s.key("PKCS12")), java: true},
		"SASL_PLAINTEXT, the only mechanism": {
			listener: "SCRAM", p: sasl.with(jaas(cluster.ScramSHA256, user, password)),
		},
	}
	for _, m := range []string{cluster.Plain, cluster.ScramSHA256, cluster.ScramSHA512} {
		out["SASL_PLAINTEXT, "+m] = way{listener: "SASL", p: sasl.with(jaas(m, user, password))}
		out["SASL_SSL, "+m] = way{listener: "BOTH", p: both.with(s.trust("JKS"), jaas(m, user, password)), java: m == cluster.ScramSHA512}
	}
	return out
}

// bootstrap is the address of the way's listener.
func (w way) bootstrap(t *testing.T, k *kafkatest.Kafka) string {
	t.Helper()
	if w.listener == "" {
		return k.Bootstrap()
	}
	return k.BootstrapOf(t, w.listener)
}

func (w way) login(t *testing.T, k *kafkatest.Kafka) (cluster.Login, string) {
	t.Helper()
	path := w.p.write(t)
	l, err := cluster.ParseProperties(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Name, l.Seeds = "door", []string{w.bootstrap(t, k)}
	return l, path
}

func (w way) enter(t *testing.T, k *kafkatest.Kafka) {
	t.Helper()
	l, path := w.login(t, k)
	n := enter(t, k, l)
	if n.c.ID() != k.ID() {
		t.Errorf("cluster %q, want %q", n.c.ID(), k.ID())
	}
	if _, err := n.c.Topics(t.Context()); err != nil {
		t.Errorf("listing topics: %v", err)
	}
	if !w.java {
		return
	}
	r := k.Tool(t, "kafka-topics", "--bootstrap-server", l.Seeds[0], "--command-config", path, "--list")
	if r.Code != 0 {
		t.Errorf("Kafka's own tool does not take the file:\n%s%s", r.Stdout, r.Stderr)
	}
}

func (s *stores) dead(other *kafkatest.Authority) map[string]way {
	tls, both, sasl := properties{"security.protocol": "SSL"}, properties{"security.protocol": "SASL_SSL"}, properties{"security.protocol": "SASL_PLAINTEXT"}
	wrongCA := properties{"ssl.truststore.type": "PEM", "ssl.truststore.location": other.CAFile}
	out := map[string]way{
		"wrong authority":        {listener: "TLS", p: tls.with(wrongCA), stage: cluster.StageTLS, hint: "not trusted", text: "no TLS connection"},
		"no client certificate":  {listener: "MUTUAL", p: tls.with(s.trust("JKS")), stage: cluster.StageTLS, hint: "client certificate", text: "no TLS connection"},
		"TLS to PLAINTEXT":       {p: tls.with(s.trust("JKS")), stage: cluster.StageTLS, hint: "wrong security protocol", text: "no TLS connection"},
		"PLAINTEXT to TLS":       {listener: "TLS", p: properties{}, stage: cluster.StageRequest, hint: "TLS", text: "no answer to the first request"},
		"SASL_PLAINTEXT to both": {listener: "BOTH", p: sasl.with(jaas(cluster.Plain, user, password)), stage: cluster.StageRequest, hint: "TLS", text: "no answer to the first request"},
		"no login":               {listener: "SASL", p: properties{}, stage: cluster.StageSASL, auth: true, hint: "want a login", text: "the login was refused"},
		"mechanism not offered": {
			listener: "SCRAM", p: sasl.with(jaas(cluster.Plain, user, password)),
			stage: cluster.StageSASL, auth: true, hint: "does not offer PLAIN", text: "the login was refused",
		},
	}
	for _, m := range []string{cluster.Plain, cluster.ScramSHA256, cluster.ScramSHA512} {
		out["wrong password, "+m] = way{
			listener: "BOTH", p: both.with(s.trust("JKS"), jaas(m, user, "hunter2")),
			stage: cluster.StageSASL, auth: true, hint: `user "alice"`, text: "the login was refused",
		}
	}
	return out
}

func (w way) refused(t *testing.T, k *kafkatest.Kafka) {
	t.Helper()
	l, _ := w.login(t, k)
	l.DialTimeout = 20 * time.Second
	begin := time.Now()
	c, err := cluster.Open(t.Context(), l, nil)
	if err == nil {
		c.Close()
		t.Fatal("the door is open")
	}
	var ce *cluster.ConnectError
	if !errors.As(err, &ce) {
		t.Fatalf("%T: %v", err, err)
	}
	if ce.Stage != w.stage || errors.Is(err, cluster.ErrAuth) != w.auth || !strings.Contains(ce.Hint, w.hint) || ce.Address != l.Seeds[0] {
		t.Errorf("stage %s, auth %t, hint %q; want %s, %t, %q: %v", ce.Stage, errors.Is(err, cluster.ErrAuth), ce.Hint, w.stage, w.auth, w.hint, err)
	}
	for _, part := range []string{l.Seeds[0], `"door"`, w.text} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
	if strings.Contains(err.Error()+ce.Hint, "hunter2") || strings.Contains(err.Error()+ce.Hint, storePassword) {
		t.Errorf("a secret is in %q, %q", err, ce.Hint)
	}
	if took := time.Since(begin); took > l.DialTimeout-5*time.Second {
		t.Errorf("it took %s to say %v", took, err)
	}
}

// One of two brokers is gone and still advertised, as its cluster has not lost
// its session yet: the bootstrap server answers, and the error names the other.
// It runs alone, because on a busy machine the session would be lost first.
func TestAdvertisedListenerThatIsGone(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Options{Nodes: 2})
	addresses := strings.Split(k.Bootstrap(), ",")
	k.Kill(t, 2)
	l := cluster.Login{Name: "half", Seeds: addresses[:1]}
	c, err := cluster.Open(t.Context(), l, nil)
	if err == nil {
		c.Close()
		t.Fatal("the cluster opens although a broker is gone")
	}
	var ce *cluster.ConnectError
	if !errors.As(err, &ce) {
		t.Fatalf("%T: %v", err, err)
	}
	if ce.Stage != cluster.StageAdvertised || ce.Cause != cluster.StageDial || ce.Address != addresses[1] || ce.Broker != 2 ||
		!strings.Contains(err.Error(), "the bootstrap server was reached") || !strings.Contains(ce.Hint, "advertised.listeners") {
		t.Errorf("%+v: %v", ce, err)
	}
}
