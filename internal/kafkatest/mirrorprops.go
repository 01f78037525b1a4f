package kafkatest

import "strconv"

// properties returns mm2.properties. Everything that happens at an interval
// happens each second; one replica of each topic, because clusters of tests
// have one broker.
func (o MirrorOptions) properties(n *node) map[string]string {
	from, to := o.SourceAlias, o.TargetAlias
	flow := from + "->" + to
	m := map[string]string{
		"clusters":                    from + "," + to,
		from + ".bootstrap.servers":   o.Source.Bootstrap(),
		to + ".bootstrap.servers":     o.Target.Bootstrap(),
		flow + ".enabled":             "true",
		to + "->" + from + ".enabled": "false",
		// Without them there is no second flow back, and so no second worker.
		"emit.heartbeats.enabled": "false",

		"sync.group.offsets.enabled":          "true",
		"replication.policy.separator":        o.Separator,
		"refresh.topics.interval.seconds":     "1",
		"refresh.groups.interval.seconds":     "1",
		"sync.group.offsets.interval.seconds": "1",
		"emit.checkpoints.interval.seconds":   "1",
		"sync.topic.acls.enabled":             "false",
		// Properties of a worker have the alias of the cluster that it writes to
		// before them; without it they are not looked at
		// (MirrorMakerConfig.workerConfig).
		//
		// How often progress is noted, and syncs that were held back are sent.
		to + ".offset.flush.interval.ms": "1000",
		// The worker of a killed process leaves its group only when its session
		// ends, and its tasks are given to another only after a delay.
		to + ".session.timeout.ms":               "5000",
		to + ".heartbeat.interval.ms":            "1000",
		to + ".scheduled.rebalance.max.delay.ms": "0",
		// Looking through every class of every jar for plugins takes seconds (KIP-898).
		to + ".plugin.discovery": "service_load",
	}
	for _, topic := range []string{"", "checkpoints.topic.", "heartbeats.topic.", "offset-syncs.topic.", "offset.storage.", "status.storage.", "config.storage."} {
		m[topic+"replication.factor"] = "1"
	}
	for _, topic := range []string{"offset", "status"} {
		m[topic+".storage.partitions"] = strconv.Itoa(1)
	}
	if o.Topics != "" {
		m[flow+".topics"] = o.Topics
	}
	if o.Groups != "" {
		m[flow+".groups"] = o.Groups
	}
	if o.SyncsOnTarget {
		m["offset-syncs.topic.location"] = "target"
	}
	if o.Identity {
		m["replication.policy.class"] = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy"
	}
	if o.ExactlyOnce {
		// Nodes tell each other over HTTP to fence what a former self of a task
		// has left open (KIP-710), and so does a single one with itself.
		m["dedicated.mode.enable.internal.rest"] = "true"
		m["listeners"] = "http://" + n.address(portPlain)
		m[to+".exactly.once.source.support"] = "enabled"
		m[from+".consumer.isolation.level"] = "read_committed"
	}
	return merged(m, o.Properties)
}
