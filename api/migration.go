package api

import (
	"slices"
	"time"
)

// The kinds of a migration file.
const (
	KindMigration = "Migration"
	KindFleet     = "Fleet"
)

// The values of Migration.Mover: what copied the records.
const (
	// MoverAuto recognises it, topic by topic.
	MoverAuto         = "auto"
	MoverMirrorMaker2 = "mirrormaker2"
	MoverArmory       = "armory"
	MoverKafkaBackup  = "kafka-backup"
	MoverRedpanda     = "redpanda-migrator"
	MoverK2K          = "k2k"
	MoverKferry       = "kferry"
	// MoverNone is one that leaves no trace: the records themselves are compared.
	MoverNone = "none"
)

// The values of OnFailure.
const (
	OnFailureStop     = "stop"
	OnFailureContinue = "continue"
)

// The values of Migration.Accept, each named after its consequence.
const (
	AcceptRepeats      = "repeats"
	AcceptLoss         = "loss"
	AcceptRewind       = "rewind"
	AcceptPartialGroup = "partial-group"
	// AcceptOverwrite lets positions be replaced that the group has on the target
	// already and that this migration did not put there.
	AcceptOverwrite = "overwrite"
)

// EveryStep stands for all steps in Event.On.
const EveryStep = "*"

// Defaults of a migration file.
const (
	// DefaultMigrationInterval lies between two looks.
	DefaultMigrationInterval = Duration(10 * time.Second)
	// DefaultEventTimeout is how long a command or webhook may take.
	DefaultEventTimeout = Duration(time.Minute)
)

// MigrationSteps are the words for the steps of a migration that goes well, in
// their order.
func MigrationSteps() []string {
	return []string{"checked", "stopping", "stopped", "copied", "planned", "applied", "verified", "moved", "resumed", "across"}
}

// EventSteps are all words that Event.On knows beside EveryStep:
// MigrationSteps, and those of the ways back.
func EventSteps() []string {
	return append(MigrationSteps(), "aborting", "aborted", "failing-back", "failed-back")
}

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
	// 'kferry plan'; at least one of Groups and GroupRegex is given.
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
	// Accept are Accept words.
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
	// Events are called in their order when a step is reached.
	Events []Event `json:"events,omitempty" yaml:"events"`
}

// MirrorMaker says what is known of MirrorMaker 2 beyond the names of topics.
type MirrorMaker struct {
	// Alias of either cluster in its configuration; only its topics count.
	Alias string `json:"alias,omitempty" yaml:"alias"`
	// Syncs are its offset-syncs topics, as "source:TOPIC" or "target:TOPIC".
	Syncs []string `json:"syncs,omitempty" yaml:"syncs"`
}

// Event is what is to be called when a step is reached: either Command or
// Webhook.
type Event struct {
	// On are words of EventSteps, or EveryStep.
	On []string `json:"on" yaml:"on"`
	// Command is a program with its arguments; no shell looks at it. The
	// migration comes as JSON on its standard input.
	Command []string `json:"command,omitempty" yaml:"command"`
	Webhook *Webhook `json:"webhook,omitempty" yaml:"webhook"`
	// Timeout is how long it may take.
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout"`
	// OnFailure is OnFailureStop (the migration stays where it is) or
	// OnFailureContinue.
	OnFailure string `json:"onFailure,omitempty" yaml:"onFailure"`
}

// Webhook is an address that gets the migration as JSON by POST.
type Webhook struct {
	// URL begins with https:// or http:// and has no secret in it.
	URL string `json:"url" yaml:"url"`
	// TokenFrom is where a bearer token is, if it wants one.
	TokenFrom *SecretRef `json:"tokenFrom,omitempty" yaml:"tokenFrom"`
}

// SetDefaults fills what was left out.
func (m *Migration) SetDefaults() {
	if m.APIVersion == "" {
		m.APIVersion = Version
	}
	if m.Kind == "" {
		m.Kind = KindMigration
	}
	if m.Mover == "" {
		m.Mover = MoverAuto
	}
	if m.Interval == 0 {
		m.Interval = DefaultMigrationInterval
	}
	for i := range m.Events {
		m.Events[i].SetDefaults()
	}
}

// SetDefaults fills what was left out.
func (e *Event) SetDefaults() {
	if e.Timeout == 0 {
		e.Timeout = DefaultEventTimeout
	}
	if e.OnFailure == "" {
		e.OnFailure = OnFailureStop
	}
	if e.Webhook != nil && e.Webhook.TokenFrom != nil {
		e.Webhook.TokenFrom.SetDefaults()
	}
}

// Clone returns a copy that shares nothing with m.
func (m *Migration) Clone() Migration {
	c := *m
	for _, list := range []*[]string{
		&c.Groups, &c.GroupRegex, &c.ExcludeGroups, &c.Topics, &c.TopicRegex, &c.ExcludeTopics, &c.Partitions, &c.Accept,
	} {
		*list = slices.Clone(*list)
	}
	c.MapTopics, c.MapGroups = slices.Clone(c.MapTopics), slices.Clone(c.MapGroups)
	if c.MirrorMaker != nil {
		c.MirrorMaker = &MirrorMaker{Alias: c.MirrorMaker.Alias, Syncs: slices.Clone(c.MirrorMaker.Syncs)}
	}
	if c.Settle != nil {
		c.Settle = new(*c.Settle)
	}
	c.Events = slices.Clone(c.Events)
	for i := range c.Events {
		c.Events[i] = c.Events[i].clone()
	}
	return c
}

func (e Event) clone() Event {
	e.On, e.Command = slices.Clone(e.On), slices.Clone(e.Command)
	if e.Webhook != nil {
		w := *e.Webhook
		if w.TokenFrom != nil {
			ref := *w.TokenFrom
			ref.Exec = slices.Clone(ref.Exec)
			w.TokenFrom = &ref
		}
		e.Webhook = &w
	}
	return e
}
