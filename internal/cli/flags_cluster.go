package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kferry/kferry/api"
)

// loginFlags are the login to one cluster given by flags. They stand instead
// of the whole login that the config file has, never beside a part of it.
type loginFlags struct {
	commandConfig                     string
	protocol, mechanism, username     string
	passwordFile, tlsCA, tlsCert, key string
}

func (l *loginFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&l.commandConfig, "command-config", "", "Java client.properties `FILE` with the login")
	fs.StringVar(&l.protocol, "security-protocol", "", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
	fs.StringVar(&l.mechanism, "sasl-mechanism", "", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	fs.StringVar(&l.username, "sasl-username", "", "SASL user `NAME`")
	fs.StringVar(&l.passwordFile, "sasl-password-file", "", "`FILE` that holds the SASL password and nothing else")
	fs.StringVar(&l.tlsCA, "tls-ca", "", "PEM `FILE` with the certificates that are trusted")
	fs.StringVar(&l.tlsCert, "tls-cert", "", "PEM `FILE` with the client's certificate")
	fs.StringVar(&l.key, "tls-key", "", "PEM `FILE` with the client's private key")
}

// single are the flags that make up a login piece by piece, with their values.
func (l *loginFlags) single() map[string]string {
	return map[string]string{
		"--security-protocol": l.protocol, "--sasl-mechanism": l.mechanism, "--sasl-username": l.username,
		"--sasl-password-file": l.passwordFile, "--tls-ca": l.tlsCA, "--tls-cert": l.tlsCert, "--tls-key": l.key,
	}
}

// given names the flags that were used, sorted.
func (l *loginFlags) given() []string {
	var names []string
	for name, value := range l.single() {
		if value != "" {
			names = append(names, name)
		}
	}
	if l.commandConfig != "" {
		names = append(names, "--command-config")
	}
	slices.Sort(names)
	return names
}

// text writes the flags that were used as they are typed, each with a blank
// after it. They name files and a user, and never hold a secret.
func (l *loginFlags) text() string {
	values := l.single()
	values["--command-config"] = l.commandConfig
	var b strings.Builder
	for _, name := range l.given() {
		b.WriteString(name + " " + quoteArg(values[name]) + " ")
	}
	return b.String()
}

// apply returns the cluster with the login that was given.
func (l *loginFlags) apply(c api.Cluster) (api.Cluster, error) {
	given := l.given()
	if len(given) == 0 {
		return c, nil
	}
	if l.commandConfig != "" && len(given) > 1 {
		return c, &usageError{
			err:  fmt.Errorf("--command-config and %s exclude each other", firstOther(given, "--command-config")),
			hint: "put the whole login into the file, or give all of it by flags",
		}
	}
	c.CommandConfig, c.Security = l.commandConfig, nil
	if l.commandConfig != "" {
		return c, nil
	}
	s := &api.Security{Protocol: l.protocol, SASLMechanism: l.mechanism, Username: l.username}
	if l.passwordFile != "" {
		s.PasswordFrom = &api.SecretRef{File: l.passwordFile}
	}
	if l.tlsCA != "" || l.tlsCert != "" || l.key != "" {
		s.TLS = &api.TLS{CA: l.tlsCA, Cert: l.tlsCert, Key: l.key}
	}
	c.Security = s
	s.SetDefaults()
	if problems := s.Validate(); len(problems) > 0 {
		return c, loginProblem(problems)
	}
	return c, nil
}

func firstOther(names []string, not string) string {
	for _, n := range names {
		if n != not {
			return n
		}
	}
	return ""
}

// flagOfPath translates the places of a login in the config file to the flags
// that set them.
var flagOfPath = map[string]string{
	"protocol": "--security-protocol", "saslMechanism": "--sasl-mechanism", "username": "--sasl-username",
	"passwordFrom": "--sasl-password-file", "tls": "--tls-ca", "tls.ca": "--tls-ca", "tls.cert": "--tls-cert", "tls.key": "--tls-key",
}

func loginProblem(problems []api.Problem) error {
	var texts, hints []string
	for _, p := range problems {
		at := flagOfPath[p.Path]
		if at == "" {
			at = "login"
		}
		texts = append(texts, at+": "+p.Message)
		if p.Hint != "" {
			hints = append(hints, p.Hint)
		}
	}
	return &usageError{err: errors.New(strings.Join(texts, "; ")), hint: strings.Join(hints, "; ")}
}

// clusterFlags name one cluster.
type clusterFlags struct {
	bootstrap, name string
	login           loginFlags
}

func (c *clusterFlags) add(f *Factory, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&c.bootstrap, "bootstrap-server", "b", "", "cluster as `HOST:PORT[,...]`")
	fs.StringVarP(&c.name, "cluster", "c", "", "cluster as a `NAME` of the config file")
	c.login.add(fs)
	completeClusters(f, cmd, "cluster")
}

func (c *clusterFlags) given() bool { return c.bootstrap != "" || c.name != "" }

// resolve finds out which cluster is meant.
func (c *clusterFlags) resolve(f *Factory) (api.Cluster, error) {
	switch {
	case !c.given():
		return api.Cluster{}, &usageError{
			err:  errors.New("no cluster is named"),
			hint: "give -b HOST:PORT, or -c NAME of the config file",
		}
	case c.bootstrap != "" && c.name != "":
		return api.Cluster{}, &usageError{err: errors.New("-b/--bootstrap-server and -c/--cluster exclude each other")}
	}
	var found api.Cluster
	var err error
	if c.name != "" {
		found, err = f.namedCluster("--cluster", c.name)
	} else {
		found, err = f.anyCluster("--bootstrap-server", c.bootstrap)
	}
	if err != nil {
		return api.Cluster{}, err
	}
	return c.login.apply(found)
}

// pairFlags name a source and a target.
type pairFlags struct {
	from, to                           string
	fromCommandConfig, toCommandConfig string
	// refused are the flags of a single cluster: they exist here only to say
	// where they belong.
	refused loginFlags
}

func (p *pairFlags) add(f *Factory, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&p.from, "from", "", "source cluster: `NAME` of the config file, or HOST:PORT[,...]")
	fs.StringVar(&p.to, "to", "", "target cluster: `NAME` of the config file, or HOST:PORT[,...]")
	fs.StringVar(&p.fromCommandConfig, "from-command-config", "", "Java client.properties `FILE` with the login to the source")
	fs.StringVar(&p.toCommandConfig, "to-command-config", "", "Java client.properties `FILE` with the login to the target")
	completeClusters(f, cmd, "from")
	completeClusters(f, cmd, "to")
	hidden := pflag.NewFlagSet("", pflag.ContinueOnError)
	p.refused.add(hidden)
	hidden.VisitAll(func(fl *pflag.Flag) {
		if fs.Lookup(fl.Name) == nil {
			fl.Hidden = true
			fs.AddFlag(fl)
		}
	})
}

// check refuses a login that does not say which cluster it is for.
func (p *pairFlags) check() error {
	if err := p.checkLogins(); err != nil {
		return err
	}
	if p.fromCommandConfig != "" && p.from == "" {
		return &usageError{err: errors.New("--from-command-config is given without --from")}
	}
	if p.toCommandConfig != "" && p.to == "" {
		return &usageError{err: errors.New("--to-command-config is given without --to")}
	}
	return nil
}

// checkLogins is the part of check for commands whose plan names the clusters.
func (p *pairFlags) checkLogins() error {
	if given := p.refused.given(); len(given) > 0 {
		return &usageError{
			err:  fmt.Errorf("%s does not say which of the two clusters it is for", given[0]),
			hint: "give --from-command-config or --to-command-config, or name the clusters in the config file",
		}
	}
	return nil
}

func (p *pairFlags) source(f *Factory) (api.Cluster, error) {
	return p.one(f, "--from", p.from, p.fromCommandConfig)
}

func (p *pairFlags) target(f *Factory) (api.Cluster, error) {
	return p.one(f, "--to", p.to, p.toCommandConfig)
}

func (p *pairFlags) one(f *Factory, flag, value, commandConfig string) (api.Cluster, error) {
	if value == "" {
		return api.Cluster{}, &usageError{
			err:  fmt.Errorf("%s is missing", flag),
			hint: "source and target are always named: --from NAME|HOST:PORT --to NAME|HOST:PORT",
		}
	}
	c, err := f.anyCluster(flag, value)
	if err != nil {
		return api.Cluster{}, err
	}
	login := loginFlags{commandConfig: commandConfig}
	return login.apply(c)
}

// anyCluster takes a name of the config file, or addresses. What has no port
// is a name: it gets near names, not a look-up in the DNS.
func (f *Factory) anyCluster(flag, value string) (api.Cluster, error) {
	if !strings.ContainsAny(value, ":,") {
		return f.namedCluster(flag, value)
	}
	c := api.Cluster{Name: value, Bootstrap: strings.Split(value, ",")}
	for _, a := range c.Bootstrap {
		if problem, hint := addressProblem(a); problem != "" {
			return api.Cluster{}, &usageError{err: fmt.Errorf("%s: %s", flag, problem), hint: hint}
		}
	}
	return c, nil
}

// addressProblem says what is wrong with one HOST:PORT.
func addressProblem(address string) (problem, hint string) {
	probe := api.Cluster{Name: "probe", Bootstrap: []string{address}}
	for _, p := range probe.Validate() {
		if strings.HasPrefix(p.Path, "bootstrap") {
			return p.Message, p.Hint
		}
	}
	return "", ""
}
