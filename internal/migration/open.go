package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kferry/kferry/api"
	"github.com/kferry/kferry/internal/plan"
	"github.com/kferry/kferry/internal/run"
	"github.com/kferry/kferry/internal/store"
)

// Format and Version name the stored spec of a migration.
const (
	Format  = "kferry-migration"
	Version = 1

	attachment = "migration"
)

// Kinds of error, for errors.Is.
var (
	// ErrNotFound: there is no migration of that name.
	ErrNotFound = errors.New("no such migration")
	// ErrExists: a migration of that name has not ended.
	ErrExists = errors.New("the migration exists already")
	// ErrFindings: something was found with which it could not go to its end.
	ErrFindings = errors.New("the migration cannot be made like this")
	// ErrSameCluster: source and target are one cluster.
	ErrSameCluster = errors.New("source and target are the same cluster")
	// ErrForeign: the clusters are not those of the migration.
	ErrForeign = plan.ErrForeign
	// ErrEnded: the migration is at its end, or on its way back.
	ErrEnded = errors.New("the migration has ended")
	// ErrSourceNeeded: the source is said to be gone, and is needed.
	ErrSourceNeeded = errors.New("the source is needed")
	// ErrInUse: the application has already committed on the target.
	ErrInUse = errors.New("the application has already committed on the target")
	// ErrInterrupted: stopped on request; what was done is journalled.
	ErrInterrupted = plan.ErrInterrupted
	// ErrEvent: a command or webhook failed.
	ErrEvent = errors.New("an event failed")
)

// Error says what failed on which migration.
type Error struct {
	// Op is a gerund.
	Op   string
	Name string
	Err  error
	Hint string
}

// Error names operation, migration and cause.
func (e *Error) Error() string { return fmt.Sprintf("%s migration %q: %v", e.Op, e.Name, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// find returns the runs of a name and opens the last one, nil when there is
// none.
func find(ctx context.Context, b *store.Bucket, name string, o *run.Options) (*run.Run, error) {
	ids, err := run.ByName(ctx, b, name)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	r, err := run.Open(ctx, b, ids[len(ids)-1], o)
	if err != nil {
		return nil, err
	}
	if r.Info().Kind != run.KindMigration {
		return nil, &run.DamagedError{Run: r.ID(), Key: "run.json", Problem: fmt.Sprintf("it has the name %q and is no migration", name)}
	}
	return r, nil
}

func open(ctx context.Context, b *store.Bucket, op, name string, o *run.Options) (*run.Run, error) {
	r, err := find(ctx, b, name, o)
	if err == nil && r == nil {
		err = unknown(op, name)
	}
	return r, err
}

func unknown(op, name string) error {
	return &Error{Op: op, Name: name, Err: ErrNotFound, Hint: "kferry migration list shows those that there are"}
}

// Load reads the migration of a name: the last one, when the name was used
// several times. It needs no lease.
func Load(ctx context.Context, b *store.Bucket, name string) (*State, error) {
	r, err := open(ctx, b, "reading", name, nil)
	if err != nil {
		return nil, err
	}
	s, err := readState(ctx, r)
	if err == nil && s.Step == "" {
		return nil, unknown("reading", name) // its process died while it made it
	}
	return s, err
}

// Listed is one migration in a list: its state, or why it cannot be read.
type Listed struct {
	Name  string
	State *State
	Err   error
}

// List reads all migrations, the last one of each name, sorted by name.
func List(ctx context.Context, b *store.Bucket) ([]Listed, error) {
	names, err := run.Names(ctx, b)
	if err != nil {
		return nil, err
	}
	var out []Listed
	for _, name := range names {
		s, err := Load(ctx, b, name)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if errors.Is(err, ErrNotFound) {
			continue // its run died before it was entered
		}
		out = append(out, Listed{Name: name, State: s, Err: err})
	}
	return out, nil
}

// Create begins a migration with what Check found: its spec, groups and
// findings are stored, and it stands at Checked. A finding that is a Problem is
// ErrFindings, a migration of that name that has not ended ErrExists; nothing
// is stored then. Events of Checked are called.
func Create(ctx context.Context, in Input, c *Checkup) (*State, error) {
	in.defaults()
	fail := func(err error, hint string) (*State, error) {
		return nil, &Error{Op: "creating", Name: c.Spec.Name, Err: err, Hint: hint}
	}
	if n := c.Count(Problem); n > 0 {
		return fail(fmt.Errorf("%w: %s", ErrFindings, count(n, "problem", "problems")), "each has its remedy beside it; check again with the same command")
	}
	info := run.Info{
		Kind: run.KindMigration, Name: c.Spec.Name, Command: in.Command, Tool: in.Tool,
		Clusters: []run.Cluster{
			{Role: "source", ID: in.From.ID, Name: in.From.Name, Bootstrap: in.From.Bootstrap},
			{Role: "target", ID: in.To.ID, Name: in.To.Name, Bootstrap: in.To.Bootstrap},
		},
	}
	before, err := find(ctx, in.Bucket, c.Spec.Name, in.Run)
	if err != nil {
		return nil, err
	}
	if before != nil {
		switch s, err := readState(ctx, before); {
		case err != nil:
			return nil, err
		case !s.Ended && s.Step != "":
			return fail(fmt.Errorf("%w and stands at %s", ErrExists, s.Step), "kferry migration advance goes on with it, kferry migration abort ends it")
		}
		info.After = before.ID()
	}
	r, err := run.Create(ctx, in.Bucket, info, in.Run)
	if errors.Is(err, run.ErrNameTaken) {
		return fail(fmt.Errorf("%w: another process was faster", ErrExists), "kferry migration show has it")
	}
	if err != nil {
		return nil, err
	}
	// A run without its spec has no step: the name is free for the next one.
	if err := r.Attach(ctx, attachment, Format, Version, c.Spec); err != nil {
		return nil, err
	}
	e, held, err := hold(ctx, r, in)
	if err != nil {
		return nil, err
	}
	err = e.put(held, entryChecked, checkedBody{Groups: c.Groups, Findings: c.Findings})
	if err == nil {
		err = e.reach(held, stepBody{Step: Checked, Detail: c.Detail()})
	}
	if err == nil {
		err = e.giveWay(held)
	}
	if err == nil {
		err = e.events(held)
	}
	return e.st, errors.Join(err, e.release(ctx))
}

// giveWay ends a migration that was created at the same time as another one of
// its name or with one of its groups: each looks once it can be seen itself, so
// that at least one of two sees the other. It is possible that both end.
func (e *engine) giveWay(ctx context.Context) error {
	ids, err := run.ByName(ctx, e.in.Bucket, e.st.Name)
	if err != nil {
		return err
	}
	why := ""
	if last := ids[len(ids)-1]; last != e.run.ID() {
		why = "another process has created one of this name, run " + last
	}
	all, err := List(ctx, e.in.Bucket)
	if err != nil {
		return err
	}
	for _, l := range all {
		if s := l.State; l.Err == nil && s.Run != e.run.ID() && s.Step != "" && !s.Ended && s.Source.ID == e.st.Source.ID && s.Target.ID == e.st.Target.ID {
			for _, p := range e.st.Groups {
				if slices.ContainsFunc(s.Groups, func(q Pair) bool { return p.Source == q.Source || p.Target == q.Target }) {
					why = fmt.Sprintf("group %q belongs to migration %q, which stands at %s", p.Source, s.Name, s.Step)
				}
			}
		}
	}
	if why == "" {
		return nil
	}
	if err := e.reach(ctx, stepBody{Step: Aborted, Detail: why}); err != nil {
		return err
	}
	return &Error{
		Op: "creating", Name: e.st.Name, Err: fmt.Errorf("%w: %s", ErrExists, why),
		Hint: "kferry migration list shows which there are; this one was ended at once",
	}
}

// engine is a migration that this process holds.
type engine struct {
	in    Input
	run   *run.Run
	lease *run.Lease
	st    *State
	// until is when waiting ends, zero for never.
	until time.Time
}

// hold takes the lease and reads the journal.
func hold(ctx context.Context, r *run.Run, in Input) (*engine, context.Context, error) {
	held, lease, err := r.AcquireLease(ctx)
	if err != nil {
		return nil, nil, err
	}
	e := &engine{in: in, run: r, lease: lease}
	if e.st, err = readState(held, r); err != nil {
		return nil, nil, errors.Join(err, e.release(ctx))
	}
	return e, held, nil
}

func (e *engine) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return e.lease.Release(ctx)
}

// put journals something and takes it into the state.
func (e *engine) put(ctx context.Context, typ string, body any) error {
	if err := e.run.Append(ctx, typ, body); err != nil {
		return err
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	e.st.seq++
	entry := run.Entry{
		Run: e.run.ID(), Seq: e.st.seq, Time: e.in.Now().UTC(), Fence: e.lease.Fence(), Type: typ, Body: raw,
	}
	if err := e.st.fold(&entry); err != nil {
		return err
	}
	e.tell(nil, nil)
	return nil
}

// reach journals that a step was reached.
func (e *engine) reach(ctx context.Context, b stepBody) error { return e.put(ctx, entryStep, b) }

// spec is what the user asked for.
func (e *engine) spec() *api.Migration { return &e.st.Spec }
