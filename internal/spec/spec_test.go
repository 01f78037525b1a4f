package spec_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/spec"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden reads every file of testdata and compares what is said about it.
// Files that begin with "route" are route files, those that begin with
// "migration" or "fleet" have migrations.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(file)
			switch kind, _, _ := strings.Cut(strings.TrimSuffix(name, ".yaml"), "-"); kind {
			case "route":
				_, err = spec.ReadRoute(name, data)
			case "migration", "fleet":
				_, err = spec.ReadMigrations(name, data)
			default:
				_, err = spec.ReadConfig(name, data)
			}
			got := "ok\n"
			if err != nil {
				got = err.Error() + "\n"
				if _, ok := errors.AsType[*spec.Error](err); !ok {
					t.Errorf("an error of type %T", err)
				}
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("a password is in a message")
			}
		})
	}
}

const whole = `# everything that a config file can have
apiVersion: kferry/v1
state: state
defaults:
  settle: 30s
  parallel: 3
clusters:
  - name: prod
    description: the old one
    protected: true
    bootstrap: ["a:9092", "[::1]:9093"]
    security:
      protocol: SASL_SSL
      saslMechanism: SCRAM-SHA-512
      username: 007
      passwordFrom:
        exec: [./pass, show, kafka]
        timeout: 3s
      tls: {ca: ca.pem, cert: ~/c.pem, key: /k.pem, insecureSkipHostnameCheck: true}
  - {name: qa, bootstrap: ["b:9092"], commandConfig: conf/client.properties}
`

func TestReadConfig(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	l, err := spec.ReadConfig("/etc/k/config.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := api.Config{
		APIVersion: "kferry/v1",
		State:      "/etc/k/state",
		Defaults:   api.Defaults{Settle: api.Duration(30e9), Parallel: 3},
		Clusters: []api.Cluster{{
			Name: "prod", Description: "the old one", Protected: true, Bootstrap: []string{"a:9092", "[::1]:9093"},
			Security: &api.Security{
				Protocol: "SASL_SSL", SASLMechanism: "SCRAM-SHA-512", Username: "007",
				PasswordFrom: &api.SecretRef{Exec: []string{"/etc/k/pass", "show", "kafka"}, Timeout: api.Duration(3e9)},
				TLS:          &api.TLS{CA: "/etc/k/ca.pem", Cert: "/home/u/c.pem", Key: "/k.pem", InsecureSkipHostnameCheck: true},
			},
		}, {Name: "qa", Bootstrap: []string{"b:9092"}, CommandConfig: "/etc/k/conf/client.properties"}},
	}
	if diff := cmp.Diff(want, l.Config); diff != "" {
		t.Error(diff)
	}
	if c, err := l.Cluster("qa"); err != nil || c.Name != "qa" {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	l, err := spec.ReadConfig("/c.yaml", []byte("clusters:\n- name: a\n  bootstrap:\n  - a:1\n  protected: false\n  security: {protocol: SASL_SSL, saslMechanism: PLAIN, username: u, passwordFrom: {exec: [p]}}\ndefaults:\n  parallel: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range l.Values() {
		got = append(got, v.Path+" = "+v.Text+" ("+v.Origin.String()+")")
	}
	want := []string{
		"apiVersion = kferry/v1 (default)",
		"clusters[0].name = a (/c.yaml:2:9)",
		"clusters[0].bootstrap[0] = a:1 (/c.yaml:4:5)",
		"clusters[0].security.protocol = SASL_SSL (/c.yaml:6:24)",
		"clusters[0].security.saslMechanism = PLAIN (/c.yaml:6:49)",
		"clusters[0].security.username = u (/c.yaml:6:66)",
		"clusters[0].security.passwordFrom.exec[0] = p (/c.yaml:6:91)",
		"clusters[0].security.passwordFrom.timeout = 10s (default)",
		"clusters[0].protected = false (/c.yaml:5:14)",
		"defaults.settle = 10s (default)",
		"defaults.parallel = 3 (/c.yaml:8:13)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if o := l.Origin("defaults.settle"); o.File != "" {
		t.Errorf("got %v", o)
	}
}

func TestUnknownCluster(t *testing.T) {
	t.Parallel()
	l, err := spec.ReadConfig("c.yaml", []byte("clusters:\n- {name: production, bootstrap: [\"a:1\"]}\n- {name: qa, bootstrap: [\"a:1\"]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"prodution": `cluster "prodution" is not in c.yaml (did you mean "production"?)`,
		"zzz":       `cluster "zzz" is not in c.yaml, which has 2 (an address is written HOST:PORT)`,
	} {
		var unknown *spec.UnknownClusterError
		if _, err := l.Cluster(name); !errors.As(err, &unknown) || err.Error() != want {
			t.Errorf("got %v", err)
		}
	}
	none, err := spec.ReadConfig("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Cluster("x"); err == nil || !strings.Contains(err.Error(), "there is no config file") {
		t.Errorf("got %v", err)
	}
}

func TestReadRoute(t *testing.T) {
	t.Parallel()
	r, err := spec.ReadRoute("split.yaml", []byte("from: OLD\ngroups:\n- {to: NEW1, topics: [a, b*]}\n- to: NEW2\n  topics:\n  - 007\ntopics:\n- {from: \"x.*\", to: \"y.*\"}\nleave: [d]\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := position.RouteOptions{
		Topics: []position.Rename{{From: "x.*", To: "y.*"}},
		Groups: []position.GroupRule{
			{Rename: position.Rename{From: "OLD", To: "NEW1"}, Topics: []string{"a", "b*"}},
			{Rename: position.Rename{From: "OLD", To: "NEW2"}, Topics: []string{"007"}},
		},
		Leave: []string{"d"},
	}
	if diff := cmp.Diff(want, spec.RouteOptions(r)); diff != "" {
		t.Error(diff)
	}
}

func TestReadNeverPanics(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"flow":       strings.Repeat("[", 1<<19),
		"mappings":   strings.Repeat("{a: ", 1<<17),
		"sequences":  strings.Repeat("- ", 1<<18),
		"keys":       strings.Repeat("? ", 1<<18),
		"tags":       strings.Repeat("!a ", 1<<17),
		"not UTF-8":  "state: \xff",
		"large":      strings.Repeat("#", spec.MaxFileBytes+1),
		"documents":  "state: a\n---\nstate: b\n",
		"a list":     "- a\n",
		"only text":  "hello",
		"anchor":     "a: &a {b: c}\n<<: *a\n",
		"tab":        "\tstate: a\n",
		"open quote": "state: \"a\n",
		"only a tag": "!a\n",
		"bare tags":  "!!!!",
		"directive":  "%YAML 1.1\n---\nstate: /a\n",
	} {
		var bad *spec.Error
		if l, err := spec.ReadConfig("c.yaml", []byte(in)); l != nil || !errors.As(err, &bad) {
			t.Errorf("%s: got %v, %v", name, l, err)
		}
	}
	for name, in := range map[string]string{"empty": "", "comment": "# nothing\n", "marker": "---\n", "mark": "\uFEFFstate: /a\n", "CRLF": "state: /a\r\n"} {
		if _, err := spec.ReadConfig("c.yaml", []byte(in)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestManyProblems(t *testing.T) {
	t.Parallel()
	_, err := spec.ReadConfig("c.yaml", []byte(strings.Repeat("x: y\n", spec.MaxProblems+7)))
	bad, ok := errors.AsType[*spec.Error](err)
	if !ok || len(bad.Problems) != spec.MaxProblems || bad.More != 7 || !strings.HasSuffix(err.Error(), "\nand 7 more") {
		t.Errorf("got %v", err)
	}
}

func FuzzReadConfig(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(whole))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := spec.ReadConfig("c.yaml", data)
		if (l == nil) == (err == nil) {
			t.Fatalf("got %v, %v", l, err)
		}
		if l != nil {
			l.Values()
			if ps := l.Config.Validate(); len(ps) > 0 {
				t.Errorf("accepted, and not valid: %v", ps)
			}
			return
		}
		checkProblems(t, err)
	})
}

func FuzzReadRoute(f *testing.F) {
	f.Add([]byte("from: OLD\ngroups:\n- {to: NEW1, topics: [a, b*]}\n- {to: NEW2, topics: [c]}\nleave: [d]\n"))
	f.Add([]byte("topics: [{from: 'a*', to: 'b*'}]\ngroups: [{from: a, to: b, topics: ['[a']}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := spec.ReadRoute("r.yaml", data)
		if err != nil {
			checkProblems(t, err)
			return
		}
		if _, err := position.NewRoute(spec.RouteOptions(r)); err != nil {
			t.Errorf("accepted, and no route: %v", err)
		}
	})
}

func checkProblems(t *testing.T, err error) {
	t.Helper()
	var bad *spec.Error
	if !errors.As(err, &bad) || len(bad.Problems) == 0 {
		t.Fatalf("got %v", err)
	}
	for _, p := range bad.Problems {
		if p.Message == "" || p.Line < 0 || p.Column < 0 {
			t.Errorf("a problem without a message or a place: %+v", p)
		}
	}
}
