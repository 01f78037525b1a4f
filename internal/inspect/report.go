package inspect

import (
	"fmt"
	"slices"

	"github.com/kferry/kferry/internal/mover"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Severity is how much a finding matters.
type Severity string

// The severities.
const (
	// Obstacle: positions cannot be exact on this topic as it stands.
	Obstacle Severity = "obstacle"
	// Warning: some positions may not be exact, or consumers meet something
	// that they may not expect.
	Warning Severity = "warning"
	// Note: worth knowing.
	Note Severity = "note"
)

// Reason is a stable word for a finding.
type Reason string

// The reasons.
const (
	ReasonTwoMovers       Reason = "two-movers"        // different records carry the headers of different movers
	ReasonChained         Reason = "chained-copy"      // the same records carry several: the source was a copy itself
	ReasonBadHeader       Reason = "bad-header"        // values that are no source offset in the topic's encoding
	ReasonMixedEncodings  Reason = "mixed-encodings"   // values in more than one encoding
	ReasonUnknownHeader   Reason = "unknown-header"    // a header of no known mover looks like a source offset
	ReasonNoTrace         Reason = "no-trace"          // nothing tells copies
	ReasonForeignSyncs    Reason = "foreign-syncs"     // a topic named as an offset-syncs topic holds something else
	ReasonSyncsElsewhere  Reason = "syncs-elsewhere"   // offset syncs whose pairs are no equal records
	ReasonSyncsThinned    Reason = "syncs-thinned"     // the cleaner has left few offset syncs
	ReasonSourceNeeded    Reason = "source-needed"     // only the source can say more
	ReasonIncarnation     Reason = "incarnation"       // copies of offsets that the source does not have
	ReasonOtherContent    Reason = "other-content"     // copies that are not equal to the source's records
	ReasonSeveralSources  Reason = "several-sources"   // records name several source topics or clusters
	ReasonOtherTopic      Reason = "other-topic"       // records name another source topic than the one compared with
	ReasonMerged          Reason = "merged"            // a partition holds copies of several source partitions
	ReasonSplit           Reason = "split"             // a source partition is spread over several partitions
	ReasonRenumbered      Reason = "renumbered"        // one to one, but with other numbers
	ReasonPartitionCounts Reason = "partition-counts"  // the source has another number of partitions
	ReasonPasses          Reason = "passes"            // the mover went back at least once
	ReasonPassRunning     Reason = "pass-running"      // it went back and has not come back yet
	ReasonNative          Reason = "native"            // records that are no copies
	ReasonAborted         Reason = "aborted"           // copies in aborted transactions
	ReasonOpenTransaction Reason = "open-transaction"  // the last stable offset stands before the end
	ReasonHoles           Reason = "holes"             // source offsets without a copy
	ReasonMissing         Reason = "missing"           // the source has records there
	ReasonFragmented      Reason = "fragmented"        // too many stretches to count exactly
	ReasonEmpty           Reason = "empty"             // the topic has no records
	ReasonUnreadable      Reason = "unreadable"        // a partition could not be read
	ReasonOwnTopic        Reason = "own-topic"         // the topic is a mover's own, no copy
	ReasonOffsetMap       Reason = "offset-map"        // the cluster has kferry's offset map
	ReasonUnfinished      Reason = "not-looked-at-all" // only samples were looked at, and they do not decide
)

// Finding is something that people should know.
type Finding struct {
	Severity Severity
	Reason   Reason
	// Partition is the one that it is about, -1 for the topic.
	Partition int32
	Detail    string
	// Hint is what to do.
	Hint string
}

// Mapping says how source partitions became partitions of the topic.
type Mapping string

// The mappings.
const (
	OneToOne    Mapping = "one-to-one"       // each from the source partition of its number
	Renumbered  Mapping = "renumbered"       // each from one source partition of another number
	Merged      Mapping = "merged"           // a partition has copies of several source partitions
	Split       Mapping = "split"            // a source partition is in several partitions
	MergedSplit Mapping = "merged-and-split" // both
	Assumed     Mapping = "assumed"          // nothing contradicts one to one, and nothing shows it
	Unknown     Mapping = "unknown"
)

// Origin is where copies come from, as far as their headers say it.
type Origin struct {
	Cluster, Topic string
	// Partition is -1 where the headers do not name it.
	Partition int32
}

// String is "cluster topic/3", without what is not known.
func (o Origin) String() string {
	s := o.Topic
	if o.Partition >= 0 {
		s = fmt.Sprintf("%s/%d", o.Topic, o.Partition)
	}
	if o.Cluster != "" {
		s = o.Cluster + " " + s
	}
	return s
}

// Track is what one target partition holds of one source partition. Numbers
// that are not known are -1. Without Options.Full, Passes is a lower bound, the
// other counts are of the samples, and Repeats and Holes are -1.
type Track struct {
	Origin Origin
	// Copies counts the committed ones, Aborted those of aborted transactions.
	Copies, Aborted int64
	// Lowest and Highest source offsets that have been seen copied.
	Lowest, Highest int64
	// Last is the source offset of the last committed copy, at LastAt.
	Last, LastAt int64
	// Passes are stretches with rising source offsets.
	Passes int64
	// Repeats are copies of a source offset that was copied before.
	Repeats int64
	// Holes are source offsets between Lowest and Highest without a copy.
	Holes int64
	// CopiedThrough is the source offset below which the copy is complete as
	// seen at the partition's end. AtLeast: it may be further.
	CopiedThrough int64
	AtLeast       bool
	// SourceStart and SourceEnd are the bounds of the source partition.
	SourceStart, SourceEnd int64
	// Lag counts what the mover has not copied yet; LagExact when records were
	// counted, else it is a difference of offsets.
	Lag      int64
	LagExact bool
}

// Partition is one partition of the topic.
type Partition struct {
	Partition   int32
	Start, End  int64
	Stable      int64
	Tracks      []Track
	Seen        int64 // records looked at, markers left out
	Natives     int64 // of them no copies
	Markers     int64
	Undecodable int64 // copies whose source offset cannot be read
	// Compared records with the source, and how many of them were Equal.
	Compared, Equal int64
	Err             error
}

// Topic is what is known of one topic.
type Topic struct {
	Name   string
	ID     topic.ID
	Config topic.Config
	// Mover that was recognised, "" none.
	Mover string
	// Alias is the one of MirrorMaker 2 for the source.
	Alias string
	// Evidence that ties the copies to source offsets, "" none.
	Evidence translate.Kind
	// How the mover and the evidence were recognised, each a clause.
	How []string
	// Header and Encoding of the source offset, of evidence header;
	// PartitionHeader and PartitionEncoding of the source partition.
	Header, Encoding                   string
	PartitionHeader, PartitionEncoding string
	// Clusters, Topics and Pipelines that the headers name, sorted.
	Clusters, Topics, Pipelines []string
	// Source is the topic that it was compared with, "" none.
	Source           string
	SourceID         topic.ID
	SourcePartitions int
	Mapping          Mapping
	// Full: every record was read.
	Full       bool
	Partitions []Partition
	Findings   []Finding
	// Records that were looked at, of Offsets in the log; Bytes and Fetches
	// that this took on both sides.
	Records, Offsets, Bytes, Fetches int64
}

// Report is the answer for all topics.
type Report struct {
	Topics []Topic
}

// Obstacles reports whether positions cannot be exact on some topic as it
// stands.
func (r *Report) Obstacles() bool {
	return slices.ContainsFunc(r.Topics, func(t Topic) bool { return t.Obstacles() })
}

// Obstacles reports whether positions cannot be exact on the topic as it
// stands.
func (t *Topic) Obstacles() bool {
	return slices.ContainsFunc(t.Findings, func(f Finding) bool { return f.Severity == Obstacle })
}

// OwnTopic reports whether the topic is one that a mover keeps for itself.
func (t *Topic) OwnTopic() bool {
	return slices.ContainsFunc(t.Findings, func(f Finding) bool { return f.Reason == ReasonOwnTopic })
}

// NoTrack is a track of which nothing is known.
func NoTrack() Track {
	return Track{
		Origin: Origin{Partition: -1}, Copies: -1, Aborted: -1, Lowest: -1, Highest: -1, Last: -1, LastAt: -1,
		Passes: -1, Repeats: -1, Holes: -1, CopiedThrough: -1, SourceStart: -1, SourceEnd: -1, Lag: -1,
	}
}

// EncodingWords names an encoding for people.
func EncodingWords(encoding string) string { return words(mover.Encoding(encoding)) }
