package kafkatest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/kferry/kferry/internal/kafkatest"
)

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	for _, version := range []string{kafkatest.Newest, kafkatest.Old} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			k := kafkatest.Start(t, kafkatest.Options{Version: version})
			address, id, topic := k.Bootstrap(), k.ID(), kafkatest.Name(t, "kept")
			k.CreateTopic(t, topic, 1, nil)
			produce(t, k, topic, 0, 10)
			k.Restart(t)
			produce(t, k, topic, 10, 15)
			k.Kill(t)
			if _, err := ping(t, k.Bootstrap()); err == nil {
				t.Error("a killed broker answers")
			}
			k.Restart(t)
			if got := end(t, k, topic); got != 15 {
				t.Errorf("the topic ends at %d after a restart and a crash, want 15", got)
			}
			if k.Bootstrap() != address || k.ID() != id {
				t.Errorf("now %s %s, before the restart %s %s", k.Bootstrap(), k.ID(), address, id)
			}
		})
	}
}

func TestThreeNodesSurviveOne(t *testing.T) {
	t.Parallel()
	k := kafkatest.Start(t, kafkatest.Options{Nodes: 3, Properties: map[string]string{"min.insync.replicas": "2"}})
	topic := kafkatest.Name(t, "replicated")
	k.CreateTopic(t, topic, 1, nil)
	produce(t, k, topic, 0, 5)
	k.Kill(t, 2)
	produce(t, k, topic, 5, 9)
	k.Restart(t, 2)
	if got := end(t, k, topic); got != 9 {
		t.Errorf("the topic ends at %d, want 9", got)
	}
	meta, err := k.Admin(t).BrokerMetadata(t.Context())
	if err != nil || len(meta.Brokers) != 3 {
		t.Errorf("%d brokers after the restart, want 3 (%v)", len(meta.Brokers), err)
	}
}

// ping asks for the cluster ID and gives up soon.
func ping(t *testing.T, address string, opts ...kgo.Opt) (string, error) {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(address))...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	meta, err := kadm.NewClient(c).BrokerMetadata(ctx)
	return meta.Cluster, err
}

func TestListeners(t *testing.T) {
	t.Parallel()
	authority := kafkatest.NewAuthority(t)
	users := map[string]string{"alice": `se"cret`, "bob": "other"}
	for _, version := range []string{kafkatest.Newest, kafkatest.Old} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			k := kafkatest.Start(t, kafkatest.Options{
				Version: version, Authorize: true,
				Listeners: []kafkatest.Listener{
					{Name: "SASL", Protocol: "SASL_PLAINTEXT", Users: users},
					{Name: "BOTH", Protocol: "SASL_SSL", Users: users, Authority: authority},
					{Name: "MUTUAL", Protocol: "SSL", Authority: authority, ClientAuth: "required"},
				},
			})
			login := func(m sasl.Mechanism) kgo.Opt { return kgo.SASL(m) }
			plainAs := func(password string) kgo.Opt { return login(plain.Auth{User: "alice", Pass: password}.AsMechanism()) }
			pair, err := tls.LoadX509KeyPair(authority.CertFile, authority.KeyFile)
			if err != nil {
				t.Fatal(err)
			}
			for _, tc := range []struct {
				name, listener string
				opts           []kgo.Opt
				refused        bool
			}{
				{"plain", "SASL", []kgo.Opt{plainAs(users["alice"])}, false},
				{"plain, wrong password", "SASL", []kgo.Opt{plainAs("wrong")}, true},
				{"scram 256", "SASL", []kgo.Opt{login(scram.Auth{User: "bob", Pass: "other"}.AsSha256Mechanism())}, false},
				{"scram 512", "SASL", []kgo.Opt{login(scram.Auth{User: "bob", Pass: "other"}.AsSha512Mechanism())}, false},
				{"scram, wrong password", "SASL", []kgo.Opt{login(scram.Auth{User: "bob", Pass: "x"}.AsSha512Mechanism())}, true},
				{"plain over TLS", "BOTH", []kgo.Opt{plainAs(users["alice"]), trust(t, authority)}, false},
				{"client certificate", "MUTUAL", []kgo.Opt{trust(t, authority, pair)}, false},
				{"no client certificate", "MUTUAL", []kgo.Opt{trust(t, authority)}, true},
			} {
				t.Run(tc.name, func(t *testing.T) {
					id, err := ping(t, k.BootstrapOf(t, tc.listener), tc.opts...)
					if tc.refused != (err != nil) {
						t.Fatalf("refused: want %t, got %v", tc.refused, err)
					}
					if !tc.refused && id != k.ID() {
						t.Errorf("cluster %q, want %q", id, k.ID())
					}
				})
			}
			// Super users see everything, others nothing that no ACL allows.
			topic := kafkatest.Name(t, "closed")
			k.CreateTopic(t, topic, 1, nil)
			c, err := kgo.NewClient(kgo.SeedBrokers(k.BootstrapOf(t, "SASL")), plainAs(users["alice"]))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = kadm.NewClient(c).ListTopics(t.Context(), topic)
			if !errors.Is(err, kerr.TopicAuthorizationFailed) {
				t.Errorf("alice asks for a topic she may not see: %v", err)
			}
		})
	}
}

func trust(t *testing.T, a *kafkatest.Authority, certs ...tls.Certificate) kgo.Opt {
	t.Helper()
	ca, err := os.ReadFile(a.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatal("no certificate in the authority's file")
	}
	return kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: certs})
}
