// Package plan makes plans, keeps them as files, and holds the one committer of
// the program: Build decides what each position of each group should become,
// Apply does exactly that or refuses, Verify checks it afterwards, Rollback
// takes it back. The file format and the journal entries are specified in
// docs/plan-format.md.
package plan

import (
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/topic"
	"github.com/kferry/kferry/internal/translate"
)

// Format and Version name the plan file of this program.
const (
	Format  = "kferry-plan"
	Version = 1
)

// Kind is what a plan is for.
type Kind string

// The kinds of plan.
const (
	// Move translates positions from one cluster to another.
	Move Kind = "move"
	// Copy copies positions between groups of one cluster.
	Copy Kind = "copy"
	// Given commits positions that the user gave, as given.
	Given Kind = "given"
	// DeleteGroups deletes groups with all their positions.
	DeleteGroups Kind = "delete"
	// KeepOffsets commits what groups have once more as it is, so that it does
	// not expire.
	KeepOffsets Kind = "keep"
	// Restore gives groups the positions of a snapshot back, as they were.
	Restore Kind = "restore"
	// Reset moves groups to a place in the log that was asked for.
	Reset Kind = "reset"
	// Forget deletes chosen positions of groups, and leaves the others.
	Forget Kind = "forget"
)

// Plan says every change that Apply would make, pinned to what was seen when
// it was built. A Plan that was read or built is not changed any more; it may
// be used concurrently.
type Plan struct {
	Kind    Kind      `json:"kind"`
	Tool    string    `json:"tool"`
	Created time.Time `json:"created"`
	// Source is nil when there is no source: given positions.
	Source      *Cluster `json:"source"`
	Target      Cluster  `json:"target"`
	SameCluster bool     `json:"same_cluster"`
	// Route is how names were given; Asked the selection in the user's words
	// ("--group 'orders*'"), for people. What came of both is in Topics and
	// Groups.
	Route   position.RouteOptions `json:"route"`
	Asked   []string              `json:"asked,omitempty"`
	Options Options               `json:"options"`
	// Snapshot is what a plan of kind Restore gives back.
	Snapshot *SavedIn  `json:"snapshot,omitempty"`
	Summary  Summary   `json:"summary"`
	Findings []Finding `json:"findings"`
	// LeftBehind is what the source has and no group of the plan takes along.
	LeftBehind []LeftBehind `json:"left_behind"`
	Topics     []Topic      `json:"topics"`
	Groups     []Group      `json:"groups"`

	// Digest is "sha256:" and the checksum of the body; it names the plan in
	// the state. It is not part of the body.
	Digest string `json:"-"`

	sealed *sealing // as it was built or read; nil when it was made elsewhere
}

// Cluster names one cluster of a plan.
type Cluster struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Bootstrap []string `json:"bootstrap"`
}

// Accept are the overrides, each named after its consequence.
type Accept struct {
	Repeats      bool `json:"repeats"`
	Loss         bool `json:"loss"`
	Rewind       bool `json:"rewind"`
	PartialGroup bool `json:"partial_group"`
	ActiveSource bool `json:"active_source"`
}

// Options are the choices under which a plan was built.
type Options struct {
	Evidence     translate.Kind     `json:"evidence"`
	Header       string             `json:"header,omitempty"`
	Encoding     translate.Encoding `json:"encoding,omitempty"`
	Quick        bool               `json:"quick"`
	CopyComplete bool               `json:"copy_complete"`
	// SettleMS is the time in milliseconds that must lie between two equal
	// readings of a source position before it counts as final.
	SettleMS int64  `json:"settle_ms"`
	Accept   Accept `json:"accept"`
	// MirrorAlias is the alias of MirrorMaker 2 that the user named, and
	// OffsetSyncs are the offset-syncs topics that were used or could have been:
	// "source:TOPIC", "target:TOPIC".
	MirrorAlias string   `json:"mm2_alias,omitempty"`
	OffsetSyncs []string `json:"offset_syncs,omitempty"`
	// KeepMS is the time in milliseconds for which positions that are committed
	// are kept at least; 0 leaves that to the cluster.
	KeepMS int64 `json:"keep_ms,omitempty"`
}

// Settle is SettleMS as a duration.
func (o Options) Settle() time.Duration { return time.Duration(o.SettleMS) * time.Millisecond }

// Keep is KeepMS as a duration.
func (o Options) Keep() time.Duration { return time.Duration(o.KeepMS) * time.Millisecond }

// Summary counts what a plan holds.
type Summary struct {
	Groups int `json:"groups"`
	// Applicable are the groups that Apply would commit, Unchanged those that
	// already are as planned, Blocked all others.
	Applicable int `json:"applicable"`
	Unchanged  int `json:"unchanged"`
	Blocked    int `json:"blocked"`
	Positions  int `json:"positions"`
	// By action, over all groups.
	New     int `json:"new"`
	Changed int `json:"changed"`
	Same    int `json:"same"`
	Deleted int `json:"deleted"`
	Kept    int `json:"kept,omitempty"`
	// Outcomes counts positions per outcome.
	Outcomes map[translate.Outcome]int `json:"outcomes"`
}

// Severity of a Finding.
type Severity string

// The severities.
const (
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Finding is something that was seen and that people should know; it blocks
// nothing by itself.
type Finding struct {
	Severity Severity `json:"severity"`
	// Reason is a stable word.
	Reason Reason `json:"reason"`
	// Group and Topic say what it is about, as far as it is about one.
	Group  string `json:"group,omitempty"`
	Topic  string `json:"topic,omitempty"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// LeftBehind is one position of a source group, or one topic of it, that the
// plan does not take along.
type LeftBehind struct {
	Group string `json:"group"`
	Topic string `json:"topic"`
	// Partitions are sorted.
	Partitions []int32 `json:"partitions"`
	Reason     Reason  `json:"reason"`
	Detail     string  `json:"detail"`
}

// Topic is one pair of topics that the plan rests on.
type Topic struct {
	// Source is empty when there is no source.
	Source           string   `json:"source,omitempty"`
	SourceID         topic.ID `json:"source_id"`
	SourcePartitions int      `json:"source_partitions,omitempty"`
	Target           string   `json:"target"`
	TargetID         topic.ID `json:"target_id"`
	TargetPartitions int      `json:"target_partitions"`
	// Evidence that was used, and how it was recognised.
	Evidence translate.Kind `json:"evidence,omitempty"`
	Detected string         `json:"detected,omitempty"`
	// Header and Encoding are where a copy names its source offset, with
	// evidence header. OwnHeaders are left out of the fingerprints of the
	// proofs; nil in plans of before it was kept.
	Header     string             `json:"header,omitempty"`
	Encoding   translate.Encoding `json:"encoding,omitempty"`
	OwnHeaders []string           `json:"own_headers"`
	// NoHeaders: the fingerprints leave out all headers.
	NoHeaders bool `json:"no_headers,omitempty"`
}

// Verdict is what Apply would do with a group.
type Verdict string

// The verdicts.
const (
	// VerdictApply: every planned position can be committed.
	VerdictApply Verdict = "apply"
	// VerdictPartly: some positions cannot, and the user accepted that.
	VerdictPartly Verdict = "apply-partly"
	// VerdictNothing: the group already is as planned.
	VerdictNothing Verdict = "nothing-to-do"
	// VerdictHeld: at least one position is held, and none is worse.
	VerdictHeld Verdict = "held"
	// VerdictRefused: something else stands in the way.
	VerdictRefused Verdict = "refused"
)

// Group is one group of the target with everything planned for it. It is the
// unit: nothing of it is committed unless everything can be.
type Group struct {
	// Name on the target.
	Name string `json:"name"`
	// Sources are the groups it takes its positions from, generally one; none
	// for given positions.
	Sources []SourceGroup `json:"sources"`
	Target  TargetGroup   `json:"target"`
	Verdict Verdict       `json:"verdict"`
	// Reason, Detail and Hint say why the verdict is not to apply.
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
	// Accepted are the overrides that this group needed.
	Accepted []string `json:"accepted,omitempty"`
	// Delete: the group itself is deleted, and its positions with it.
	Delete bool `json:"delete,omitempty"`
	// Scope says where a group that is restored is to have no other positions
	// than these.
	Scope Scope `json:"scope,omitempty"`
	// Positions are sorted by target topic and partition.
	Positions []Position `json:"positions"`
}

// Scope is how far a plan speaks for a group.
type Scope string

// The scopes, besides "": only the positions that are in the plan.
const (
	ScopeGroup  Scope = "group"  // the whole group
	ScopeTopics Scope = "topics" // all partitions of the topics in the plan
)

// Applicable reports whether Apply would write something of the group.
func (g *Group) Applicable() bool {
	return g.Verdict == VerdictApply || g.Verdict == VerdictPartly
}

// SourceGroup is a group of the source as it was when its positions were read.
type SourceGroup struct {
	Name    string      `json:"name"`
	Kind    group.Kind  `json:"kind"`
	State   group.State `json:"state"`
	Members []string    `json:"members,omitempty"`
	ReadAt  time.Time   `json:"read_at"`
}

// TargetGroup is a group of the target as it was.
type TargetGroup struct {
	Exists  bool        `json:"exists"`
	Kind    group.Kind  `json:"kind"`
	State   group.State `json:"state"`
	Members []string    `json:"members,omitempty"`
	ReadAt  time.Time   `json:"read_at"`
	// Unread: the group was not looked at (translation only).
	Unread bool `json:"unread,omitempty"`
}

// Action is what is done with one position.
type Action string

// The actions, with the signs that people see.
const (
	New    Action = "new"    // + the target group has none here
	Change Action = "change" // ~ it has another one
	Same   Action = "same"   // = it has this one
	Keep   Action = "keep"   // = it has this one, and it is committed once more to be kept
	Delete Action = "delete" // - it has one, and the source group has not
	None   Action = "none"   //   nothing is done
)

// Sign returns the sign of the action in a table.
func (a Action) Sign() string {
	switch a {
	case New:
		return "+"
	case Change:
		return "~"
	case Same, Keep:
		return "="
	case Delete:
		return "-"
	default:
		return " "
	}
}

// Position is what is planned for one partition of one target group.
type Position struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// SourceTopic and SourceGroup are where it comes from, "" when there is no
	// source. The partition number is the same.
	SourceTopic string `json:"source_topic,omitempty"`
	SourceGroup string `json:"source_group,omitempty"`
	Action      Action `json:"action"`
	// Source is S, Before what the target group has now, After what it is to
	// have; nil where there is none. After is also given for a position that
	// is blocked, when its translation is known. Source is also nil when Joined.
	Source *Offset `json:"source"`
	Before *Offset `json:"before"`
	After  *Offset `json:"after"`

	// Joined: the partitions of the two topics do not correspond one to one.
	// FedBy are the source partitions that the position comes of.
	Joined bool   `json:"joined,omitempty"`
	FedBy  []Feed `json:"fed_by,omitempty"`

	Outcome translate.Outcome `json:"outcome"`
	Reason  Reason            `json:"reason,omitempty"`
	Detail  string            `json:"detail,omitempty"`
	Hint    string            `json:"hint,omitempty"`
	// Blocked: the position stands in the way of its group.
	Blocked bool `json:"blocked"`
	// Accepted are the overrides that let it through ("repeats", "loss",
	// "rewind").
	Accepted []string `json:"accepted,omitempty"`
	Unproven []string `json:"unproven,omitempty"`
	Notes    []string `json:"notes,omitempty"`
	// Repeats are the records met again, Lost those skipped (-1 unknown),
	// Rewind the records between After and the position that the group has.
	Repeats int64 `json:"repeats,omitempty"`
	Lost    int64 `json:"lost,omitempty"`
	Rewind  int64 `json:"rewind,omitempty"`
	// CopiedThrough is the source offset below which the copy is complete; -1
	// unknown.
	CopiedThrough int64 `json:"copied_through"`
	// LagBefore is that on the source, LagAfter that on the target; -1 unknown.
	LagBefore int64 `json:"lag_before"`
	LagAfter  int64 `json:"lag_after"`
	// TargetStart and TargetEnd are the bounds it was judged at, -1 unknown.
	TargetStart int64            `json:"target_start"`
	TargetEnd   int64            `json:"target_end"`
	Proof       *translate.Proof `json:"proof,omitempty"`
	// MirrorMaker is where MirrorMaker 2 itself would let the group go on; nil
	// when it says nothing of this position.
	MirrorMaker *Checkpoint `json:"mirror_maker,omitempty"`
	// OnlyThere are records that stand on the source of a plan of kind Back alone
	// and have no place on its target; nil where there are none.
	OnlyThere *translate.OnlyThere `json:"only_there,omitempty"`
}

// Target names the partition on the target.
func (p *Position) Target() topic.Partition {
	return topic.Partition{Topic: p.Topic, Partition: p.Partition}
}

// SourcePartition names the partition on the source; ok is false when there is
// none, or not one.
func (p *Position) SourcePartition() (topic.Partition, bool) {
	return topic.Partition{Topic: p.SourceTopic, Partition: p.Partition}, p.SourceTopic != "" && !p.Joined
}

// Writes reports whether the action sends something to the cluster.
func (p *Position) Writes() bool {
	return p.Action == New || p.Action == Change || p.Action == Delete || p.Action == Keep
}

// AllApplicable reports whether every group of the plan can be applied in
// full or already is as planned. Commands exit with 3 when it is false.
func (p *Plan) AllApplicable() bool {
	for i := range p.Groups {
		if v := p.Groups[i].Verdict; v != VerdictApply && v != VerdictNothing {
			return false
		}
	}
	return true
}

// Group returns the group of that name on the target, nil when the plan has
// none.
func (p *Plan) Group(name string) *Group {
	for i := range p.Groups {
		if p.Groups[i].Name == name {
			return &p.Groups[i]
		}
	}
	return nil
}

// Applicable reports whether the group of that name would be written.
func (p *Plan) Applicable(name string) bool {
	g := p.Group(name)
	return g != nil && g.Applicable()
}
