package kafkatest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// common are the properties of every broker: small, quick to start, quick to
// clean and to expire, and no topic that nobody has created.
func common(nodes int) map[string]string {
	replicas := strconv.Itoa(min(nodes, 3))
	m := map[string]string{
		"auto.create.topics.enable":                        "false",
		"delete.topic.enable":                              "true",
		"group.initial.rebalance.delay.ms":                 "0",
		"group.min.session.timeout.ms":                     "500",
		"inter.broker.listener.name":                       "PLAINTEXT",
		"log.cleaner.backoff.ms":                           "500",
		"log.cleaner.dedupe.buffer.size":                   "16777216", // 128 MB of heap otherwise
		"log.initial.task.delay.ms":                        "500",
		"log.retention.check.interval.ms":                  "1000",
		"num.io.threads":                                   "4",
		"num.network.threads":                              "2",
		"offsets.topic.num.partitions":                     strconv.Itoa(coordinators),
		"offsets.topic.replication.factor":                 replicas,
		"share.coordinator.state.topic.num.partitions":     "1",
		"share.coordinator.state.topic.replication.factor": replicas,
		"share.coordinator.state.topic.min.isr":            "1",
		"transaction.state.log.num.partitions":             "1",
		"transaction.state.log.replication.factor":         replicas,
		"transaction.state.log.min.isr":                    "1",
	}
	return m
}

// properties returns server.properties of one broker.
func (k *Kafka) properties(n *node) map[string]string {
	listeners := []string{"PLAINTEXT://" + n.address(portPlain)}
	protocols := []string{"PLAINTEXT:PLAINTEXT"}
	extra := map[string]string{}
	for i, l := range k.opts.Listeners {
		listeners = append(listeners, l.Name+"://"+n.address(portExtra+i))
		protocols = append(protocols, l.Name+":"+l.Protocol)
		maps.Copy(extra, l.properties())
	}
	m := merged(common(k.opts.Nodes), extra)
	m["advertised.listeners"] = strings.Join(listeners, ",")
	m["log.dirs"] = n.dir("data")
	if k.install.kraft() {
		listeners = append(listeners, "CONTROLLER://"+n.address(portController))
		protocols = append(protocols, "CONTROLLER:PLAINTEXT")
		var voters []string
		for _, v := range k.nodes {
			voters = append(voters, strconv.Itoa(v.id)+"@"+v.address(portController))
		}
		// After a crash the broker may register again only when its old session
		// has ended. Less would be quicker, and end sessions of brokers that are
		// merely slow on a busy machine.
		m["broker.session.timeout.ms"] = "9000"
		m["broker.heartbeat.interval.ms"] = "500"
		m["process.roles"] = "broker,controller"
		m["node.id"] = strconv.Itoa(n.id)
		m["controller.listener.names"] = "CONTROLLER"
		m["controller.quorum.voters"] = strings.Join(voters, ",")
	} else {
		m["broker.id"] = strconv.Itoa(n.id)
		m["zookeeper.session.timeout.ms"] = "12000" // for the same reason
		m["zookeeper.connect"] = k.zookeeper.address(portPlain)
	}
	m["listeners"] = strings.Join(listeners, ",")
	m["listener.security.protocol.map"] = strings.Join(protocols, ",")
	if k.opts.Authorize {
		m["authorizer.class.name"] = "kafka.security.authorizer.AclAuthorizer"
		if k.install.kraft() {
			m["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
		}
		m["super.users"] = "User:ANONYMOUS"
	}
	return merged(m, k.opts.Properties)
}

// zooProperties returns zoo.cfg of the one ZooKeeper of an old cluster.
func zooProperties(n *node) map[string]string {
	return map[string]string{
		"admin.enableServer": "false",
		"clientPort":         strconv.Itoa(n.ports[portPlain]),
		"clientPortAddress":  "127.0.0.1",
		"dataDir":            n.dir("data"),
		"maxClientCnxns":     "0",
		"tickTime":           "500",
	}
}

// properties returns what a listener adds to server.properties.
func (l Listener) properties() map[string]string {
	m := map[string]string{}
	if strings.HasPrefix(l.Protocol, "SASL") {
		m["sasl.enabled.mechanisms"] = strings.Join(l.mechanisms(), ",")
		for _, mechanism := range l.mechanisms() {
			module := "org.apache.kafka.common.security.scram.ScramLoginModule required;"
			if mechanism == "PLAIN" {
				var users strings.Builder
				for _, user := range slices.Sorted(maps.Keys(l.Users)) {
					fmt.Fprintf(&users, " user_%s=%q", user, l.Users[user])
				}
				module = "org.apache.kafka.common.security.plain.PlainLoginModule required" + users.String() + ";"
			}
			m[strings.ToLower(mechanism)+".sasl.jaas.config"] = module
		}
	}
	if strings.HasSuffix(l.Protocol, "SSL") && l.Authority != nil {
		// PEM stores: KIP-651, from 2.7 on, where one in a file must have a password.
		m["ssl.keystore.type"] = "PEM"
		m["ssl.keystore.certificate.chain"] = l.Authority.serverCert
		m["ssl.keystore.key"] = l.Authority.serverKey
		m["ssl.truststore.type"] = "PEM"
		m["ssl.truststore.location"] = l.Authority.CAFile
		m["ssl.client.auth"] = l.ClientAuth
		if l.ClientAuth == "" {
			m["ssl.client.auth"] = "none"
		}
	}
	prefixed := map[string]string{}
	for key, value := range merged(m, l.Properties) {
		prefixed["listener.name."+strings.ToLower(l.Name)+"."+key] = value
	}
	return prefixed
}

// writeProperties writes a Java properties file, sorted by key.
func writeProperties(path string, m map[string]string) error {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(m)) {
		b.WriteString(key + "=" + escape.Replace(m[key]) + "\n")
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("writing properties: %w", err)
	}
	return nil
}
