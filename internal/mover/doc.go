// Package mover knows what programs that copy topics leave behind: the headers
// that they put on copies, the records that MirrorMaker 2 keeps about offsets
// and groups, and how it names topics. It is pure: bytes and names in, words
// out.
//
// The formats of MirrorMaker 2 are those of Kafka's own classes OffsetSync,
// Checkpoint and Heartbeat in org.apache.kafka.connect.mirror: structs of fields
// in a fixed order, big-endian, a string with its length in two bytes before
// it. Names are those of DefaultReplicationPolicy and
// IdentityReplicationPolicy (KIP-382, KIP-949).
package mover
