package kafkatest

import "maps"

// Options says which cluster [Start] makes; the zero value is one broker of
// [Newest] with one PLAINTEXT listener.
type Options struct {
	// Version of Apache Kafka, such as [Previous]; empty: [Newest].
	Version string
	// Nodes is the number of brokers; 0: one. From 3.3 on each is a controller
	// too, before that one ZooKeeper serves them all.
	Nodes int
	// Properties of server.properties, put over those that kafkatest sets.
	Properties map[string]string
	// Listeners beside the PLAINTEXT one, which stays for brokers and [Kafka.Bootstrap].
	Listeners []Listener
	// Authorize turns ACLs on: everything is refused that no ACL allows, except
	// to clients of the PLAINTEXT listener, who are super users.
	Authorize bool
}

// Listener is one more listener of every broker, on a port of its own.
type Listener struct {
	// Name in capitals, such as "SASL"; what [Kafka.BootstrapOf] asks for.
	Name string
	// Protocol is SSL, SASL_PLAINTEXT or SASL_SSL.
	Protocol string
	// Mechanisms of SASL: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; empty: all three.
	Mechanisms []string
	// Users and their passwords, for all mechanisms.
	Users map[string]string
	// Authority issues the certificate of TLS listeners and is whom client
	// certificates must come from; needed for SSL and SASL_SSL.
	Authority *Authority
	// ClientAuth is ssl.client.auth: none, requested or required; empty: none.
	ClientAuth string
	// Properties of this listener alone, without the listener.name prefix.
	Properties map[string]string
}

func (o Options) withDefaults() Options {
	if o.Version == "" {
		o.Version = Newest
	}
	o.Nodes = max(o.Nodes, 1)
	return o
}

// ports returns the number of ports of one broker: PLAINTEXT, CONTROLLER, the others.
func (o Options) ports() int { return 2 + len(o.Listeners) }

// mechanisms returns the SASL mechanisms, with the default filled in.
func (l Listener) mechanisms() []string {
	if len(l.Mechanisms) == 0 {
		return []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	}
	return l.Mechanisms
}

// merged returns the union of the maps; later ones win.
func merged(all ...map[string]string) map[string]string {
	m := map[string]string{}
	for _, one := range all {
		maps.Copy(m, one)
	}
	return m
}
