// Package kafkatest gives tests a real Apache Kafka: brokers of chosen versions
// on loopback, Kafka's own command-line tools, its Java console consumer, its
// example of Kafka Streams, and MirrorMaker 2 between two clusters. Nothing of
// it is part of the product.
//
// Where Kafka comes from, in this order:
//
//   - KFERRY_TEST_BOOTSTRAP_4_3_1 (any version, dots as underscores) is the
//     address of a running cluster; only [Shared] uses it, for a cluster that
//     tests may not stop or configure;
//   - KAFKA_HOME is an unpacked Apache Kafka, used for the version it has;
//   - else the jars are copied by Maven into the user's cache folder, once,
//     which takes seconds (about 55 MB a version, and 95 MB for Kafka Streams).
//
// Java is found in JAVA_HOME or PATH. Where a part is missing, the test is
// skipped with a sentence that says which, and failed where
// KFERRY_REQUIRE_KAFKA=1: see [Need].
//
// A test binary that uses [Shared] has this TestMain:
//
//	func TestMain(m *testing.M) { kafkatest.Main(m) }
//
// A broker takes about 400 MB and two to four seconds to start. Tests share
// one per version and keep apart by names of their own, see [Name]; those that
// stop, kill or configure brokers start their own with [Start].
package kafkatest

// The versions of Apache Kafka that the tests run on.
const (
	// Newest is the present release line.
	Newest = "4.3.1"
	// Previous is the last release line that could still run with ZooKeeper.
	Previous = "3.9.2"
	// Old has neither topic IDs nor DescribeProducers nor KRaft: topic IDs came
	// with 2.8 (KIP-516), as did DescribeProducers (KIP-664).
	Old = "2.7.2"
)

// Versions returns the versions above, newest first.
func Versions() []string { return []string{Newest, Previous, Old} }
