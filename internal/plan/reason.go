package plan

// Reason is a stable word for why something is as it is. A Position can also
// have those of package translate.
type Reason string

// The reasons that this package adds.
const (
	ReasonGroupActive      Reason = "group-active"      // a group has members
	ReasonGroupKind        Reason = "group-kind"        // a group of this kind cannot be committed to
	ReasonGroupMissing     Reason = "group-missing"     // the source has no such group
	ReasonGroupUnreadable  Reason = "group-unreadable"  // the coordinator answered with an error
	ReasonNotSettled       Reason = "not-settled"       // pending transactional commits
	ReasonTopicMissing     Reason = "topic-missing"     // the target has no such topic
	ReasonTopicDeleted     Reason = "topic-deleted"     // the source group has positions of a topic that is gone
	ReasonTopicUnreadable  Reason = "topic-unreadable"  // the cluster does not show the topic
	ReasonPartitionCount   Reason = "partition-count"   // the partition counts differ
	ReasonPartitionMissing Reason = "partition-missing" // the topic has no such partition
	ReasonOutOfRange       Reason = "out-of-range"      // a given offset is outside the log
	ReasonRewind           Reason = "rewind"            // the target group is ahead of T
	ReasonRetention        Reason = "retention"         // retention is about to delete unread records
	ReasonPartialGroup     Reason = "partial-group"     // other positions of the group are blocked
	ReasonOutOfRoute       Reason = "out-of-route"      // the user's selection leaves it out
	ReasonUnmatched        Reason = "unmatched"         // a part of the selection selects nothing
	ReasonIncomplete       Reason = "incomplete"        // something may be hidden for want of a right
	ReasonIncarnationKnown Reason = "incarnation"       // the topic ID is not known, or not the pinned one
	ReasonRelativeMetadata Reason = "relative-metadata" // metadata counts from the offset
	ReasonExtra            Reason = "extra"             // the target group has it and the source group has not
	ReasonDeleted          Reason = "deleted"           // the user wants it deleted
	ReasonNoCommit         Reason = "no-commit"         // the group never committed here
	ReasonUnchecked        Reason = "unchecked"         // given positions are taken at their word
	ReasonRights           Reason = "rights"            // a right to commit or to undo is missing
	ReasonSourceMoved      Reason = "source-moved"      // S is not what the plan was made from
	ReasonTargetMoved      Reason = "target-moved"      // the target group is not as the plan found it
	ReasonTopicChanged     Reason = "topic-changed"     // another incarnation, or the log was cut
	ReasonTakenOver        Reason = "taken-over"        // an application already reads there
	ReasonPartTaken        Reason = "part-taken"        // the broker took only a part of the commit
	ReasonNotTaken         Reason = "not-taken"         // the broker took nothing of the commit
	ReasonElsewhere        Reason = "committed-since"   // somebody else has committed
	ReasonShareGroup       Reason = "share-group"       // a share group moves at least once
	ReasonStreams          Reason = "streams"           // an application of Kafka Streams, and its own topics
	ReasonStreamsRename    Reason = "streams-rename"    // under these names it would not find its own topics
	ReasonConnect          Reason = "connect"           // the group of a sink connector, by its name
	ReasonUnseen           Reason = "unseen-consumers"  // who commits in the group is no member of it
	ReasonRenamed          Reason = "renamed"           // a copy is taken by the name that MirrorMaker 2 gives
	ReasonCheckpoint       Reason = "checkpoint"        // where MirrorMaker 2 itself would let groups go on
	ReasonOffsetSyncs      Reason = "offset-syncs"      // an offset-syncs topic of MirrorMaker 2 cannot be used
	ReasonGroupSync        Reason = "group-sync"        // MirrorMaker 2 writes positions into the target group
	ReasonExpiry           Reason = "expiry"            // the cluster forgets positions of groups without members
	ReasonKept             Reason = "kept"              // committed once more, so that it does not expire
	ReasonReset            Reason = "reset"             // the place in the log was asked for
	ReasonLastPosition     Reason = "last-position"     // a group keeps no position, and goes
	ReasonSaved            Reason = "saved"             // as a snapshot has it
	ReasonUnknownEnd       Reason = "unknown"           // what the broker did could not be learned
)
