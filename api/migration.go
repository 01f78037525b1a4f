package api

// Mover words of a Migration: what copied the records.
const (
	MoverAuto          = "auto"
	MoverMirrorMaker2  = "mirrormaker2"
	MoverArmory        = "armory"
	MoverKafkaBackup   = "kafka-backup"
	MoverRedpanda      = "redpanda-migrator"
	MoverK2K           = "k2k"
	MoverKferry        = "kferry"
	MoverNone          = "none"
	OnFailureStop      = "stop"
	OnFailureContinue  = "continue"
	EveryStep          = "*"
	KindMigration      = "Migration"
	KindFleet          = "Fleet"
	AcceptRepeats      = "repeats"
	AcceptLoss         = "loss"
	AcceptRewind       = "rewind"
	AcceptPartialGroup = "partial-group"
	// AcceptOverwrite lets positions be replaced that the group has on the target
	// already.
	AcceptOverwrite = "overwrite"
)

// Migration moves one application, which is one or several consumer groups,
// from one cluster to another, over whatever keeps the copy there.
type Migration struct {
	// APIVersion is Version and Kind KindMigration; both may be left out.
	APIVersion string `json:"apiVersion,omitempty" yaml:"apiVersion"`
	Kind       string `json:"kind,omitempty" yaml:"kind"`
	// Name is what the migration is called from now on.
	Name string `json:"name" yaml:"name"`
	// From and To are names of clusters of the config file, or HOST:PORT[,...].
	From string `json:"from" yaml:"from"`
	To   string `json:"to" yaml:"to"`

	// Groups of the source, as globs, and what is left out; as the flags of
	// 'kferry plan'.
	Groups        []string `json:"groups,omitempty" yaml:"groups"`
	GroupRegex    []string `json:"groupRegex,omitempty" yaml:"groupRegex"`
	ExcludeGroups []string `json:"excludeGroups,omitempty" yaml:"excludeGroups"`
	Topics        []string `json:"topics,omitempty" yaml:"topics"`
	TopicRegex    []string `json:"topicRegex,omitempty" yaml:"topicRegex"`
	ExcludeTopics []string `json:"excludeTopics,omitempty" yaml:"excludeTopics"`
	// Partitions as "TOPIC:0,1,4-7".
	Partitions []string `json:"partitions,omitempty" yaml:"partitions"`
	// MapTopics and MapGroups give names on the target; one '*' carries over.
	MapTopics []NameMap `json:"mapTopics,omitempty" yaml:"mapTopics"`
	MapGroups []NameMap `json:"mapGroups,omitempty" yaml:"mapGroups"`

	// Mover is one of the Mover words.
	Mover string `json:"mover,omitempty" yaml:"mover"`
	// Evidence, Header and Encoding are as the flags of 'kferry plan', where
	// the mover's name does not say enough.
	Evidence    string       `json:"evidence,omitempty" yaml:"evidence"`
	Header      string       `json:"header,omitempty" yaml:"header"`
	Encoding    string       `json:"encoding,omitempty" yaml:"encoding"`
	MirrorMaker *MirrorMaker `json:"mirrorMaker,omitempty" yaml:"mirrorMaker"`
	Quick       bool         `json:"quick,omitempty" yaml:"quick"`
	// CopyComplete: the mover has ended, what it has not copied it never will.
	CopyComplete bool `json:"copyComplete,omitempty" yaml:"copyComplete"`
	// Accept are overrides, named after their consequence.
	Accept []string `json:"accept,omitempty" yaml:"accept"`

	// Settle lies between two equal readings of a position before it counts as
	// final; left out, it is that of the config file.
	Settle *Duration `json:"settle,omitempty" yaml:"settle"`
	// Interval lies between two looks while something is waited for.
	Interval Duration `json:"interval,omitempty" yaml:"interval"`
	// Timeout is how long 'advance --wait' waits at most; 0 is no limit.
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout"`
	// KeepOffsets keeps what the groups have committed on the source from
	// expiring for that long; 0 leaves it alone.
	KeepOffsets Duration `json:"keepOffsets,omitempty" yaml:"keepOffsets"`
	Events      []Event  `json:"events,omitempty" yaml:"events"`
}

// MirrorMaker says what is known of MirrorMaker 2 beyond the names of topics.
type MirrorMaker struct {
	Alias string   `json:"alias,omitempty" yaml:"alias"`
	Syncs []string `json:"syncs,omitempty" yaml:"syncs"`
}

// Event is what is to be called when a step is reached.
type Event struct {
	// On are steps, or EveryStep.
	On []string `json:"on" yaml:"on"`
	// Command is a program with its arguments; no shell looks at it. The
	// migration comes as JSON on its standard input.
	Command []string `json:"command,omitempty" yaml:"command"`
	Webhook *Webhook `json:"webhook,omitempty" yaml:"webhook"`
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout"`
	// OnFailure is OnFailureStop (the migration stays where it is) or
	// OnFailureContinue.
	OnFailure string `json:"onFailure,omitempty" yaml:"onFailure"`
}

// Webhook is an address that gets the migration as JSON by POST.
type Webhook struct {
	URL string `json:"url" yaml:"url"`
	// TokenFrom is where a bearer token is, if it wants one.
	TokenFrom *SecretRef `json:"tokenFrom,omitempty" yaml:"tokenFrom"`
}

// Fleet is a file with several migrations.
type Fleet struct {
	APIVersion string `json:"apiVersion,omitempty" yaml:"apiVersion"`
	Kind       string `json:"kind,omitempty" yaml:"kind"`
	// Defaults count where a migration leaves something out.
	Defaults *Migration `json:"defaults,omitempty" yaml:"defaults"`
	// Pause lies between the end of one and the beginning of the next.
	Pause Duration `json:"pause,omitempty" yaml:"pause"`
	// OnFailure is OnFailureStop (at the first that fails) or OnFailureContinue.
	OnFailure string `json:"onFailure,omitempty" yaml:"onFailure"`
	// Until is the step that one has to reach before the next begins.
	Until      string      `json:"until,omitempty" yaml:"until"`
	Migrations []Migration `json:"migrations" yaml:"migrations"`
}
