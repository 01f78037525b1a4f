package translate

import (
	"time"

	"github.com/kferry/kferry/internal/topic"
)

// Outcome is how the translation of one position ended. Each position has
// exactly one.
type Outcome string

// The outcomes. Exact, ExactUnproven, AtEnd and Unset need no override.
const (
	// Exact: from T on every record at or above S is met once, in source
	// order, and none below S.
	Exact Outcome = "exact"
	// ExactUnproven: as Exact, but something that the answer names was not or
	// could not be shown.
	ExactUnproven Outcome = "exact-unproven"
	// AtEnd: no record at or above S has been copied yet; T is after the last
	// copy.
	AtEnd Outcome = "at-end"
	// Repeats: nothing is lost, but records that the group has read are met
	// again after T; their number is counted.
	Repeats Outcome = "repeats"
	// Hold: the target does not have everything below S yet.
	Hold Outcome = "hold"
	// Unset: the group has no commit on this partition.
	Unset Outcome = "unset"
	// Refused: no position can be given; the reason names what would help.
	Refused Outcome = "refused"
)

// Reason is a stable word for why a position was held or refused, or what
// is unproven; Result.Detail says it in a sentence.
type Reason string

// The reasons.
const (
	ReasonNotCopied       Reason = "not-copied"         // hold: records below S are missing on the target
	ReasonPassRunning     Reason = "pass-running"       // hold: h fell and has not come back
	ReasonOpenTransaction Reason = "open-transaction"   // hold: the target's last stable offset is below what is needed
	ReasonNoEvidence      Reason = "no-evidence"        // refused: no record names a source offset
	ReasonBadHeader       Reason = "bad-header"         // refused: header is there but not a number in its encoding
	ReasonBeyondEnd       Reason = "beyond-end"         // refused: S is above the source's end
	ReasonIncarnation     Reason = "incarnation"        // refused: the copy is of another incarnation of the topic
	ReasonLoss            Reason = "loss"               // refused without --accept-loss: records to read are gone on the target
	ReasonNoGoodPosition  Reason = "no-good-position"   // refused: from no position all records are met in order
	ReasonNotIdentical    Reason = "not-identical"      // refused: equal offsets are the evidence, and this partition has none
	ReasonTooManyPasses   Reason = "too-many-stretches" // refused: the copy is too fragmented for the memory limit
	ReasonUnreadable      Reason = "unreadable"         // refused: a broker's answer for this partition was an error
	ReasonSeveralFit      Reason = "several-fit"        // repeats, hold or refused: records are alike, and more than one position fits
	ReasonForgotten       Reason = "forgotten"          // repeats or refused: the source has no record there any more that could be found on the target
)

// Known says how it is known that after T nothing is missing and nothing
// comes twice.
type Known string

// The ways of knowing, cheapest first.
const (
	KnownSameLog Known = "same-log" // source and target are one and the same log
	KnownCounted Known = "counted"  // as many slots as source offsets, every probe on slope 1
	KnownRead    Known = "read"     // headers of [T, end) and source offsets of [S, copied-through) read
	KnownLeftOut Known = "left-out" // --quick
	KnownNothing Known = ""         // no position was given
)

// Seen is one record as it stands on one side, for the proof.
type Seen struct {
	Offset int64 `json:"offset"`
	// Timestamp in milliseconds since the epoch.
	Timestamp int64 `json:"timestamp_ms"`
	// Fingerprint of key, value and headers without the mover's own.
	Fingerprint string `json:"fingerprint"`
	// SourceOffset is h(Offset), what the evidence says; only on target
	// records, -1 where the record is no copy.
	SourceOffset int64 `json:"source_offset"`
	// SourcePartition is the partition on the source, where the evidence says
	// it per record; nil where it is that of the question.
	SourcePartition *int32 `json:"source_partition,omitempty"`
	// Key and Value are filled only on request (plan --explain --payload).
	Key   []byte `json:"key,omitempty"`
	Value []byte `json:"value,omitempty"`
}

// Proof is what shows that T is right: the records either side of S and of
// T. A nil neighbour means that there is none; Missing says why.
type Proof struct {
	SourceBefore *Seen    `json:"source_before"`
	SourceAt     *Seen    `json:"source_at"`
	TargetBefore *Seen    `json:"target_before"`
	TargetAt     *Seen    `json:"target_at"`
	Missing      []string `json:"missing,omitempty"`
	// Known says how a second pass and a gap were excluded.
	Known Known `json:"known"`
	// Slots and Offsets are the two sides of the count, when counted.
	Slots   int64 `json:"slots,omitempty"`
	Offsets int64 `json:"offsets,omitempty"`
	// Read are the records looked at, when read.
	ReadTarget int64 `json:"read_target,omitempty"`
	ReadSource int64 `json:"read_source,omitempty"`
	// Bracket are the offset syncs of MirrorMaker 2 around the position, of
	// evidence mm2.
	Bracket *Bracket `json:"bracket,omitempty"`
}

// Bracket is what MirrorMaker 2 itself noted around a position: the closest
// pairs of source and target offset below and above S; -1 where it noted none.
type Bracket struct {
	SourceLow  int64 `json:"source_low"`
	TargetLow  int64 `json:"target_low"`
	SourceHigh int64 `json:"source_high"`
	TargetHigh int64 `json:"target_high"`
}

// Result is the answer for one position.
type Result struct {
	// Source and S are the question.
	Source topic.Partition
	S      int64
	Target topic.Partition
	// T is the equal position; -1 where there is none (Hold, Refused, Unset).
	// It is also given for Refused with ReasonLoss, for use with an override.
	T       int64
	Outcome Outcome
	Reason  Reason
	// Detail is one sentence for people; Hint the flag or step that helps.
	Detail string
	Hint   string
	// Unproven lists what an ExactUnproven leaves open.
	Unproven []string
	// Notes are worth knowing and change nothing (aborted copies after T, …).
	Notes []string
	// Repeats counts the records met again, for Repeats.
	Repeats int64
	// Lost counts the records that would be skipped, for ReasonLoss; -1 unknown.
	Lost int64
	// CopiedThrough is the source offset below which the copy is complete as
	// seen at the target's end; -1 unknown.
	CopiedThrough int64
	// Reached is, with ReasonPassRunning, 1 + the highest source offset that an
	// earlier pass has copied: what the running one has to come back to.
	Reached int64
	// CopyComplete: the outcome rests on the user's word (--copy-complete).
	CopyComplete bool
	// Evidence that was used, with its encoding ("header __original_offset, decimal text").
	Evidence Kind
	Detected string
	// Marks is what the fingerprints of Proof leave out, and where a copy names
	// its source offset: what Recheck needs.
	Marks Marks
	Proof Proof
	// LagBefore and LagAfter are the log end minus S and minus T; -1 unknown.
	LagBefore, LagAfter int64
	// Feeds are the source partitions that have a share in the position, where
	// they do not correspond one to one (Join).
	Feeds []Feed
	// TargetBounds are the target's bounds that the answer was judged at.
	SourceBounds, TargetBounds topic.Bounds
}

// Kind is a kind of evidence.
type Kind string

// The kinds of evidence of this version.
const (
	KindHeader   Kind = "header"
	KindMM2      Kind = "mm2"      // the offset syncs of MirrorMaker 2, and contents between them
	KindIdentity Kind = "identity" // equal offsets
	KindContent  Kind = "content"  // equal records
	KindAuto     Kind = "auto"
)

// Encoding is how a header's value holds the source offset.
type Encoding string

// The encodings.
const (
	EncodingAuto    Encoding = ""
	EncodingDecimal Encoding = "decimal"
	EncodingBig     Encoding = "int64be"
	EncodingLittle  Encoding = "int64le"
	EncodingBig32   Encoding = "int32be"
)

// Request asks for the positions of one source partition on one target
// partition.
type Request struct {
	Source, Target topic.Partition
	// SourceTopic and TargetTopic are what the clusters say of the topics;
	// SourceTopic is the zero Topic when there is no source.
	SourceTopic, TargetTopic topic.Topic
	// SameLog: source and target are the same topic of the same cluster.
	SameLog bool
	// Offsets are the positions S, in any order, repeats allowed.
	Offsets []int64
	// Epochs are the leader epochs committed with Offsets, -1 for none; nil or
	// as many as Offsets.
	Epochs []int32
}

// SyncTopic is an offset-syncs topic of MirrorMaker 2
// (mm2-offset-syncs.<alias>.internal).
type SyncTopic struct {
	// OnTarget: it is on the target cluster (offset-syncs.topic.location),
	// else on the source cluster.
	OnTarget bool
	Topic    string
}

// Options of Translate; the zero value is the default.
type Options struct {
	// Evidence to use; KindAuto (or "") chooses per topic and says why.
	Evidence Kind
	// Header names the header that holds the source offset; "" recognises the
	// known ones. Encoding "" recognises it by the values.
	Header   string
	Encoding Encoding
	// Syncs are the offset-syncs topics of MirrorMaker 2 that may speak of these
	// topics; evidence mm2 takes the one whose pairs are equal records.
	Syncs []SyncTopic
	// Quick leaves out the reading that shows that nothing after T is missing
	// or twice.
	Quick bool
	// CopyComplete: the user says that the mover has ended.
	CopyComplete bool
	// Payload keeps keys and values in the proof.
	Payload bool
	// Parallel is the number of partitions worked on at once (default 256).
	Parallel int
	// CountFrom is the number of target records after T from which counting
	// is preferred to reading (default 4096).
	CountFrom int64
	// MaxStretches bounds the memory for partitions that were copied in several
	// passes or into compacted topics: stretches of 24 bytes, all partitions at
	// work together (default 2^23, about 200 MiB). A partition for which nothing
	// is left is refused.
	MaxStretches int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Progress is called, from one goroutine, with partitions done and in all.
	Progress func(done, total int)
}
