package api_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kferry/kferry/api"
)

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	c := api.Config{Clusters: []api.Cluster{
		{Name: "a", Bootstrap: []string{"a:1"}},
		{Name: "b", Bootstrap: []string{"b:1"}, Security: &api.Security{}},
		{Name: "c", Bootstrap: []string{"c:1"}, Security: &api.Security{Username: "u", PasswordFrom: &api.SecretRef{Exec: []string{"p"}}}},
	}}
	c.SetDefaults()
	want := api.Config{
		APIVersion: api.Version,
		Defaults:   api.Defaults{Settle: api.Duration(10 * time.Second), Parallel: 8},
		Clusters: []api.Cluster{
			{Name: "a", Bootstrap: []string{"a:1"}},
			{Name: "b", Bootstrap: []string{"b:1"}, Security: &api.Security{Protocol: api.ProtocolPlaintext}},
			// No protocol is guessed for a password.
			{Name: "c", Bootstrap: []string{"c:1"}, Security: &api.Security{
				Username: "u", PasswordFrom: &api.SecretRef{Exec: []string{"p"}, Timeout: api.Duration(10 * time.Second)},
			}},
		},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	c.SetDefaults()
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("the second time changes something: %s", diff)
	}
}

func TestValidatePaths(t *testing.T) {
	t.Parallel()
	c := api.Config{Clusters: []api.Cluster{
		{Name: "a", Bootstrap: []string{"a:1", "x"}, Security: &api.Security{
			Protocol: api.ProtocolSASLSSL, SASLMechanism: api.MechanismPlain, Username: "u", PasswordFrom: &api.SecretRef{},
			TLS: &api.TLS{Key: "k"},
		}},
		{Name: "a", Bootstrap: []string{"a:1"}},
	}}
	c.SetDefaults()
	var got []string
	for _, p := range c.Validate() {
		got = append(got, p.Path)
	}
	want := []string{
		"clusters[0].bootstrap[1]", "clusters[0].security.passwordFrom", "clusters[0].security.tls.cert", "clusters[1].name",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRouteValidate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		route api.Route
		want  []string // paths
	}{
		"empty":               {api.Route{}, nil},
		"split into one":      {api.Route{From: "a", Groups: []api.GroupMap{{To: "b"}}}, nil},
		"split into nothing":  {api.Route{From: "a"}, []string{"groups"}},
		"escaped star":        {api.Route{From: `a\*`, Groups: []api.GroupMap{{To: "b"}}}, nil},
		"star":                {api.Route{From: `a*`, Groups: []api.GroupMap{{To: "b"}}}, []string{"from"}},
		"from twice":          {api.Route{From: "a", Groups: []api.GroupMap{{From: "a", To: "b"}}}, []string{"groups[0].from"}},
		"no from":             {api.Route{Groups: []api.GroupMap{{To: "b"}}}, []string{"groups[0].from"}},
		"two without topics":  {api.Route{From: "a", Groups: []api.GroupMap{{To: "b"}, {To: "c", Topics: []string{"t"}}}}, []string{"groups[0].topics"}},
		"empty names":         {api.Route{Topics: []api.NameMap{{}}, Leave: []string{""}}, []string{"topics[0].from", "topics[0].to", "leave[0]"}},
		"version of tomorrow": {api.Route{APIVersion: "kferry/v2"}, []string{"apiVersion"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.route.SetDefaults()
			var got []string
			for _, p := range tc.route.Validate() {
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{"10s": true, "1m30s": true, "0": true, "10": false, "": false, "10 s": false, "1d": false} {
		var d api.Duration
		if err := d.UnmarshalText([]byte(text)); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	if b, err := api.Duration(90 * time.Second).MarshalText(); err != nil || string(b) != "1m30s" {
		t.Errorf("got %s, %v", b, err)
	}
}
