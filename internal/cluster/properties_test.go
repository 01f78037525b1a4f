package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParsePropertiesSyntax(t *testing.T) {
	t.Parallel()
	text := "# comment \\\n" +
		"! another = x\n\n" +
		"a=1\n" +
		"  b : 2  \n" +
		"c 3\n" +
		"d\n" +
		"e = one, \\\n    two, \\\n\ttwo and a half\n" +
		"f\\ g\\=\\:=x\\ty\\u00e9\\\\\n" +
		"g=\xe9\r" +
		"h=\\ud83d\\ude00\r\n" +
		"i==x\n" +
		"j=even \\\\\n" +
		"k=#no comment\n" +
		"a=last\n" +
		"l=end\\"
	got, err := parseProperties([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []property{
		{"a", "1", 4},
		{"b", "2  ", 5},
		{"c", "3", 6},
		{"d", "", 7},
		{"e", "one, two, two and a half", 8},
		{"f g=:", "x\tyé\\", 11},
		{"g", "é", 12},
		{"h", "😀", 13},
		{"i", "=x", 14},
		{"j", "even \\", 15},
		{"k", "#no comment", 16},
		{"a", "last", 17},
		{"l", "end", 18},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(property{})); diff != "" {
		t.Fatal(diff)
	}
	for _, bad := range []string{`a=\u12`, `a=\uxyz1`, `\u=1`} {
		if _, err := parseProperties([]byte("\n" + bad)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestParseProperties(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		text string
		want Login
	}{
		"nothing": {"", Login{}},
		"plaintext with what does not matter": {
			"bootstrap.servers= a:1, SASL_SSL://b:2,[::1]:3\ngroup.id=x\nkey.deserializer=y\nsasl.jaas.config=nonsense\n" +
				"client.id=me\nrequest.timeout.ms=1500\nsocket.connection.setup.timeout.ms=2000\n",
			Login{Seeds: []string{"a:1", "b:2", "[::1]:3"}, ClientID: "me", RequestTimeout: 1500 * time.Millisecond, DialTimeout: 2 * time.Second},
		},
		"plain": {
			"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n" +
				"sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\\n  username=\"al\\\\\"ice\" \\\n  password='p;w=\"x\\\\101' ;\n",
			Login{Security: Security{SASL: &SASL{Mechanism: Plain, User: `al"ice`, Password: `p;w="xA`}}},
		},
		"scram over TLS": {
			"security.protocol=sasl_ssl\nsasl.mechanism=SCRAM-SHA-512\n" +
				"sasl.jaas.config=shaded.ScramLoginModule required username=bob password=\"\";\n" +
				"ssl.truststore.location=/t.jks\nssl.truststore.password=tp\nssl.truststore.type=jks\n" +
				"ssl.endpoint.identification.algorithm=\n",
			Login{Security: Security{
				SASL: &SASL{Mechanism: ScramSHA512, User: "bob"},
				TLS:  &TLS{AnyHost: true, Trust: Store{Type: JKS, File: "/t.jks", Password: "tp"}},
			}},
		},
		"client certificate": {
			"security.protocol=SSL\nssl.keystore.location=/k.p12\nssl.keystore.password=kp\nssl.keystore.type=PKCS12\nssl.key.password=ky\n" +
				"ssl.endpoint.identification.algorithm=HTTPS\nssl.truststore.certificates=-----BEGIN\\n\nssl.truststore.type=PEM",
			Login{Security: Security{TLS: &TLS{
				Trust: Store{Type: PEM, Certificates: "-----BEGIN\n"},
				Key:   Store{Type: PKCS12, File: "/k.p12", Password: "kp", KeyPassword: "ky"},
			}}},
		},
		"certificate in the text": {
			"security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.key=K\nssl.keystore.certificate.chain=C\n",
			Login{Security: Security{TLS: &TLS{Key: Store{Type: PEM, Certificates: "C", PrivateKey: "K"}}}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "client.properties")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := ParseProperties(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func TestParsePropertiesRefuses(t *testing.T) {
	t.Parallel()
	sasl := "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config="
	cases := map[string]struct {
		text        string
		want        []string
		unsupported bool
	}{
		"kerberos":          {"security.protocol=SASL_SSL\nsasl.mechanism=GSSAPI\n", []string{"p:2", "GSSAPI"}, true},
		"default mechanism": {"security.protocol=SASL_SSL\n", []string{"sasl.mechanism", "GSSAPI"}, true},
		"oauth":             {"security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\n", []string{"OAUTHBEARER"}, true},
		"msk":               {"security.protocol=SASL_SSL\nsasl.mechanism=AWS_MSK_IAM\n", []string{"AWS_MSK_IAM"}, true},
		"protocol":          {"security.protocol=TLS\n", []string{"p:1", "TLS"}, true},
		"provider":          {"config.providers=file\nbootstrap.servers=${file:/x:y}\n", []string{"p:1", "p:2", "config provider"}, true},
		"secret reference":  {sasl + "a.PlainLoginModule required username=a password=${file:/x:secretpath};", []string{"p:3", "${…}"}, true},
		"callback":          {"sasl.login.callback.handler.class=x.Y\n", []string{"callback.handler"}, true},
		"store type":        {"security.protocol=SSL\nssl.truststore.location=x\nssl.truststore.type=BCFKS\n", []string{"p:3", "BCFKS"}, true},
		"identification":    {"security.protocol=SSL\nssl.endpoint.identification.algorithm=ldaps\n", []string{"p:2", "ldaps"}, true},
		"module":            {sasl + "com.sun.security.auth.module.Krb5LoginModule required;", []string{"Krb5LoginModule"}, true},
		"wrong module":      {sasl + "a.ScramLoginModule required username=a password=b;", []string{"ScramLoginModule", "PLAIN"}, false},
		"token":             {"security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config=a.ScramLoginModule required username=a password=b tokenauth=true;", []string{"tokenauth"}, true},
		"two modules":       {sasl + "a.PlainLoginModule required username=a password=b; c required;", []string{"one login module"}, false},
		"no user":           {sasl + "a.PlainLoginModule required password=hunter2;", []string{"username"}, false},
		"no value":          {sasl + "a.PlainLoginModule required username password=hunter2;", []string{"must read"}, false},
		"not closed":        {sasl + "a.PlainLoginModule required username=\"a password=hunter2;", []string{"not closed"}, false},
		"no jaas":           {"security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n", []string{"sasl.jaas.config", "needed"}, false},
		"address":           {"bootstrap.servers=a:1,b\n", []string{"p:1", `"b"`}, false},
		"timeout":           {"request.timeout.ms=-1\nsocket.connection.setup.timeout.ms=x\n", []string{"p:1", "p:2"}, false},
		"key without chain": {"security.protocol=SSL\nssl.keystore.key=hunter2\n", []string{"together"}, false},
		"file and text":     {"security.protocol=SSL\nssl.truststore.location=x\nssl.truststore.certificates=y\n", []string{"exclude"}, false},
		"text that is JKS":  {"security.protocol=SSL\nssl.truststore.type=JKS\nssl.truststore.certificates=y\n", []string{"must be PEM"}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := loginOf("p", []byte(c.text))
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in: %v", w, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "secretpath") {
				t.Errorf("a secret is in: %v", err)
			}
			if got := errors.Is(err, ErrUnsupported); got != c.unsupported {
				t.Errorf("unsupported is %v: %v", got, err)
			}
		})
	}
	if _, err := ParseProperties(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzProperties(f *testing.F) {
	f.Add([]byte("a=b\\\n c\n# x\nsecurity.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config=a.PlainLoginModule required username=\"a\\101\" password='b';"))
	f.Add([]byte("\\u0041:\\\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := parseProperties(data)
		if err != nil {
			return
		}
		lines := len(naturalLines(data))
		for _, p := range all {
			if p.line < 1 || p.line > lines {
				t.Fatalf("line %d of %d", p.line, lines)
			}
		}
		_, _ = loginOf("p", data)
	})
}

func FuzzJaas(f *testing.F) {
	f.Add(`a.b required username="x\101" password='y' /* z */ ; // end`)
	f.Fuzz(func(t *testing.T, s string) {
		e, err := parseJaas(s)
		if err == nil && e.module == "" && !strings.ContainsAny(s, `"'`) {
			t.Fatal("no module")
		}
	})
}
