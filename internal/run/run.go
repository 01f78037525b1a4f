// Package run journals whatever writes to a cluster: what a run is, an
// append-only journal of numbered entries, and a lease with a fencing number
// that says who may append. The formats, and why an old holder cannot write
// any more, are in docs/formats.md, sections Run, Journal and Lease.
package run

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/kferry/kferry/internal/store"
)

// Formats and the versions that are written here.
const (
	FormatRun      = "kferry-run"
	FormatEntry    = "kferry-journal-entry"
	FormatLease    = "kferry-lease"
	FormatPlanRun  = "kferry-plan-run"
	FormatNamedRun = "kferry-named-run"

	version = 1
)

// Kind says what a run does.
type Kind string

// The kinds of runs.
const (
	KindApply    Kind = "apply"
	KindRollback Kind = "rollback"
	KindCopy     Kind = "copy"
	KindDelete   Kind = "delete"
	// KindMigration is a migration: its own steps, with an apply of its own run
	// among them.
	KindMigration Kind = "migration"
)

// Cluster is one cluster that a run reads or writes.
type Cluster struct {
	Role      string   `json:"role"` // source or target
	ID        string   `json:"id"`   // empty when the brokers have none
	Name      string   `json:"name"`
	Bootstrap []string `json:"bootstrap,omitempty"`
}

// Info is what is known of a run from its beginning; it never changes.
type Info struct {
	// ID, Who and Created are set by Create.
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// Name is what people call it; only migrations have one. The last run of a
	// name is what the name means.
	Name string `json:"name,omitempty"`
	// Command is what the user called; the caller keeps secrets out.
	Command string `json:"command"`
	// Tool is the name and version of the program.
	Tool string `json:"tool"`
	Who  Who    `json:"who"`
	// PlanDigest is the digest of the plan that this run executes, if any. A
	// plan has one run, unless After is set.
	PlanDigest string    `json:"plan_digest,omitempty"`
	Clusters   []Cluster `json:"clusters"`
	Created    time.Time `json:"created"`
	// Undoes is the run that a rollback takes back.
	Undoes string `json:"undoes,omitempty"`
	// After is the last run of the same plan, when the plan is on purpose
	// executed once more after it, or the last run of the same name.
	After string `json:"after,omitempty"`
}

// Options for Create and Open; nil or zero fields mean the defaults.
type Options struct {
	// Now is the clock; default time.Now.
	Now func() time.Time
	// TTL is how long a lease counts without being renewed; default 60 s. It
	// is renewed after a third of that.
	TTL time.Duration
	// Skew is how far the clocks of two machines may differ: a foreign lease
	// is over that long after its end; default 10 s, negative means none.
	Skew time.Duration
	// Wait is how long AcquireLease waits for a foreign lease to end; default
	// none: the answer is a *HeldError at once.
	Wait time.Duration
	// Who is the process; default this one.
	Who *Who
	// Gone reports whether a process is certainly gone; default Who.Gone.
	Gone func(Who) bool
}

func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.TTL <= 0 {
		opts.TTL = 60 * time.Second
	}
	if opts.Skew == 0 {
		opts.Skew = 10 * time.Second
	}
	opts.Skew = max(opts.Skew, 0)
	if opts.Who == nil {
		self := Self()
		opts.Who = &self
	}
	if opts.Gone == nil {
		opts.Gone = Who.Gone
	}
	return opts
}

// Run is one execution, open for reading; AcquireLease opens it for writing.
// Its methods can be called concurrently.
type Run struct {
	bucket *store.Bucket
	info   Info
	opts   Options

	// turn serialises Append and what changes the fields below. It is a
	// channel so that a caller whose context ends need not wait.
	turn    chan struct{}
	lease   *Lease
	next    int64  // the number of the next journal entry, while there is a lease
	pending []byte // an entry whose put ended without a clear answer
}

func newRun(b *store.Bucket, info Info, opts Options) *Run {
	return &Run{bucket: b, info: info, opts: opts, turn: make(chan struct{}, 1)}
}

// ID returns the identifier of the run.
func (r *Run) ID() string { return r.info.ID }

// Info returns what is known of the run since its beginning.
func (r *Run) Info() Info { return r.info }

func runKey(id, rest string) string { return "runs/" + id + "/" + rest }

// Create begins a run: it sets ID, Who and Created of info and stores it. The
// run has done nothing yet and is held by nobody. When the plan of
// info.PlanDigest has a run that info.After does not name, nothing is created
// and the error is a *PlanTakenError: of several processes that apply one plan
// at the same time, one creates the run and the others learn its name. In the
// same way a run with a Name is a *NameTakenError.
func Create(ctx context.Context, b *store.Bucket, info Info, opts *Options) (*Run, error) {
	if err := b.Probe(ctx); err != nil {
		return nil, fmt.Errorf("creating a run: %w", err)
	}
	o := opts.withDefaults()
	var number int64
	index := info.shelf()
	if index != nil {
		n, err := index.next(ctx, b, info.After)
		if err != nil {
			return nil, err
		}
		number = n
	}
	info.Who = *o.Who
	info.Created = o.Now().UTC()
	if info.Clusters == nil {
		info.Clusters = []Cluster{}
	}
	if err := putInfo(ctx, b, &info); err != nil {
		return nil, fmt.Errorf("creating a run: %w", err)
	}
	if index != nil {
		if err := index.claim(ctx, b, info.ID, number); err != nil {
			return nil, err
		}
	}
	return newRun(b, info, o), nil
}

// putInfo stores info under a new ID. Two runs with one ID take a collision of
// the random part within a quarter of a millisecond; the put finds it.
func putInfo(ctx context.Context, b *store.Bucket, info *Info) error {
	for try := 1; ; try++ {
		info.ID = store.NewID(info.Created)
		err := b.PutJSON(ctx, runKey(info.ID, "run.json"), FormatRun, version, info)
		if !errors.Is(err, store.ErrExists) || try == 8 {
			return err
		}
	}
}

// Open returns an existing run. An unknown one is store.ErrNotFound.
func Open(ctx context.Context, b *store.Bucket, id string, opts *Options) (*Run, error) {
	info, err := readInfo(ctx, b, id)
	if err != nil {
		return nil, err
	}
	return newRun(b, info, opts.withDefaults()), nil
}

func readInfo(ctx context.Context, b *store.Bucket, id string) (Info, error) {
	if !store.IsID(id) {
		return Info{}, fmt.Errorf("opening run %q: %w: a run is named like 20261121T114527Z-7f3a9c", id, store.ErrNotFound)
	}
	var info Info
	key := runKey(id, "run.json")
	if _, err := b.GetJSON(ctx, key, FormatRun, version, &info); err != nil {
		return Info{}, fmt.Errorf("opening run %q: %w", id, err)
	}
	if info.ID != id {
		return Info{}, &DamagedError{Run: id, Key: key, Problem: fmt.Sprintf("it describes run %q", info.ID)}
	}
	return info, nil
}

var attachmentName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

func attachmentKey(id, name string) (string, error) {
	if !attachmentName.MatchString(name) || name == "run" {
		return "", fmt.Errorf("attachment %q of run %s: the name is not a plain lower-case word", name, id)
	}
	return runKey(id, name+".json"), nil
}

// Attach stores a document with the run (the plan), once. Attaching the same
// content again is no error; other content is store.ErrExists.
func (r *Run) Attach(ctx context.Context, name, format string, version int, body any) error {
	key, err := attachmentKey(r.info.ID, name)
	if err != nil {
		return err
	}
	data, err := store.Encode(format, version, body)
	if err != nil {
		return fmt.Errorf("attaching %s to run %s: %w", name, r.info.ID, err)
	}
	if err := r.bucket.PutSame(ctx, key, data); err != nil {
		return fmt.Errorf("attaching %s to run %s: %w", name, r.info.ID, err)
	}
	return nil
}

// Attachment reads what Attach stored into body and returns its version. A
// missing one is store.ErrNotFound.
func (r *Run) Attachment(ctx context.Context, name, format string, maxVersion int, body any) (int, error) {
	key, err := attachmentKey(r.info.ID, name)
	if err != nil {
		return 0, err
	}
	v, err := r.bucket.GetJSON(ctx, key, format, maxVersion, body)
	if err != nil {
		return 0, fmt.Errorf("reading %s of run %s: %w", name, r.info.ID, err)
	}
	return v, nil
}
