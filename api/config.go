package api

import (
	"fmt"
	"time"
)

// Defaults of the config file.
const (
	DefaultSettle      = Duration(10 * time.Second)
	DefaultParallel    = 8
	DefaultExecTimeout = Duration(10 * time.Second)
)

// MaxParallel bounds Defaults.Parallel: more than this many groups at a time
// only queue at the coordinators.
const MaxParallel = 1024

// Config is the config file.
type Config struct {
	// APIVersion is Version; it may be left out.
	APIVersion string `json:"apiVersion,omitempty" yaml:"apiVersion"`
	// Clusters can be named in --cluster, --from and --to.
	Clusters []Cluster `json:"clusters,omitempty" yaml:"clusters"`
	// State is the URL or path at which runs, snapshots and leases are kept;
	// "" is the user's own state folder.
	State string `json:"state,omitempty" yaml:"state"`
	// Defaults are used where a flag is not given.
	Defaults Defaults `json:"defaults,omitzero" yaml:"defaults"`
}

// Defaults are values that flags override.
type Defaults struct {
	// Settle is the time between the two readings of a group that is about to
	// be moved.
	Settle Duration `json:"settle,omitempty" yaml:"settle"`
	// Parallel is the number of groups that are worked on at a time.
	Parallel int `json:"parallel,omitempty" yaml:"parallel"`
}

// Cluster is one Kafka cluster with its name and its login.
type Cluster struct {
	// Name is how the command line calls it.
	Name string `json:"name" yaml:"name"`
	// Description is shown by `cluster list`.
	Description string `json:"description,omitempty" yaml:"description"`
	// Bootstrap are addresses HOST:PORT of some of its brokers.
	Bootstrap []string `json:"bootstrap" yaml:"bootstrap"`
	// CommandConfig is the path of a Java client.properties with the login.
	// It excludes Security.
	CommandConfig string `json:"commandConfig,omitempty" yaml:"commandConfig"`
	// Security is the login. It excludes CommandConfig; neither means
	// PLAINTEXT.
	Security *Security `json:"security,omitempty" yaml:"security"`
	// Protected clusters are written to only after they were named once more.
	Protected bool `json:"protected,omitempty" yaml:"protected"`
}

// The values of Security.Protocol, as in Kafka's security.protocol.
const (
	ProtocolPlaintext     = "PLAINTEXT"
	ProtocolSSL           = "SSL"
	ProtocolSASLPlaintext = "SASL_PLAINTEXT"
	ProtocolSASLSSL       = "SASL_SSL"
)

// The values of Security.SASLMechanism, as in Kafka's sasl.mechanism.
const (
	MechanismPlain       = "PLAIN"
	MechanismScramSHA256 = "SCRAM-SHA-256"
	MechanismScramSHA512 = "SCRAM-SHA-512"
)

// Security is how to log in to a cluster.
type Security struct {
	// Protocol is one of the Protocol constants.
	Protocol string `json:"protocol,omitempty" yaml:"protocol"`
	// SASLMechanism is one of the Mechanism constants; only with SASL.
	SASLMechanism string `json:"saslMechanism,omitempty" yaml:"saslMechanism"`
	// Username is the SASL user; only with SASL.
	Username string `json:"username,omitempty" yaml:"username"`
	// PasswordFrom says where the SASL password is; only with SASL.
	PasswordFrom *SecretRef `json:"passwordFrom,omitempty" yaml:"passwordFrom"`
	// TLS is needed only for private authorities and client certificates;
	// only with SSL and SASL_SSL.
	TLS *TLS `json:"tls,omitempty" yaml:"tls"`
}

// TLS names the PEM files of a TLS connection.
type TLS struct {
	// CA has the certificates that are trusted; "" means the system's.
	CA string `json:"ca,omitempty" yaml:"ca"`
	// Cert is the client's certificate chain; needs Key.
	Cert string `json:"cert,omitempty" yaml:"cert"`
	// Key is the client's private key; needs Cert.
	Key string `json:"key,omitempty" yaml:"key"`
	// InsecureSkipHostnameCheck accepts a certificate of another host name, as
	// an empty ssl.endpoint.identification.algorithm does in Java. The chain
	// is still checked.
	InsecureSkipHostnameCheck bool `json:"insecureSkipHostnameCheck,omitempty" yaml:"insecureSkipHostnameCheck"`
}

// SecretRef says where a secret is. Exactly one of File, Env and Exec is set;
// the secret itself never stands in a file of kferry.
type SecretRef struct {
	// File is the path of a file with nothing but the secret; one line end at
	// its end is dropped.
	File string `json:"file,omitempty" yaml:"file"`
	// Env is the name of an environment variable.
	Env string `json:"env,omitempty" yaml:"env"`
	// Exec is a program and its arguments, run without a shell, that prints
	// the secret; one line end at its end is dropped.
	Exec []string `json:"exec,omitempty" yaml:"exec"`
	// Timeout bounds Exec.
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout"`
}

// SetDefaults fills what was left out.
func (c *Config) SetDefaults() {
	if c.APIVersion == "" {
		c.APIVersion = Version
	}
	for i := range c.Clusters {
		c.Clusters[i].SetDefaults()
	}
	c.Defaults.SetDefaults()
}

// SetDefaults fills what was left out.
func (d *Defaults) SetDefaults() {
	if d.Settle == 0 {
		d.Settle = DefaultSettle
	}
	if d.Parallel == 0 {
		d.Parallel = DefaultParallel
	}
}

// SetDefaults fills what was left out.
func (c *Cluster) SetDefaults() {
	if c.Security != nil {
		c.Security.SetDefaults()
	}
}

// SetDefaults fills what was left out. A login with a user or a certificate
// keeps its empty protocol, for Validate to refuse: whether a password goes
// out encrypted is not for us to guess.
func (s *Security) SetDefaults() {
	if *s == (Security{}) {
		s.Protocol = ProtocolPlaintext
	}
	if s.PasswordFrom != nil {
		s.PasswordFrom.SetDefaults()
	}
}

// SetDefaults fills what was left out.
func (r *SecretRef) SetDefaults() {
	if len(r.Exec) > 0 && r.Timeout == 0 {
		r.Timeout = DefaultExecTimeout
	}
}

// Validate reports everything that is wrong. It expects SetDefaults to have
// run.
func (c *Config) Validate() []Problem {
	ps := checkVersion(c.APIVersion)
	first := make(map[string]int, len(c.Clusters))
	for i := range c.Clusters {
		at := fmt.Sprintf("clusters[%d]", i)
		ps = append(ps, join(at, c.Clusters[i].Validate())...)
		name := c.Clusters[i].Name
		if name == "" {
			continue
		}
		if j, dup := first[name]; dup {
			ps = append(ps, Problem{
				Path:    at + ".name",
				Message: fmt.Sprintf("cluster %q is there already, as clusters[%d]", name, j),
				Hint:    "give each cluster a name of its own",
			})
			continue
		}
		first[name] = i
	}
	return append(ps, join("defaults", c.Defaults.Validate())...)
}

// Validate reports everything that is wrong.
func (d *Defaults) Validate() []Problem {
	var ps []Problem
	if d.Settle < 0 {
		ps = append(ps, Problem{Path: "settle", Message: fmt.Sprintf("%s is negative", d.Settle)})
	}
	if d.Parallel < 1 || d.Parallel > MaxParallel {
		ps = append(ps, Problem{
			Path:    "parallel",
			Message: fmt.Sprintf("%d is not between 1 and %d", d.Parallel, MaxParallel),
		})
	}
	return ps
}
