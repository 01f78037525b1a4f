// Package killtest lets a process die at each of its steps, for tests: before
// and after every write of the state and every request to consumer groups.
package killtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/kferry/kferry/internal/group"
	"github.com/kferry/kferry/internal/position"
	"github.com/kferry/kferry/internal/store/driver"
	"github.com/kferry/kferry/internal/topic"
)

// RequestTimeout is what the clients of this package say that a commit can be
// on its way.
const RequestTimeout = 10 * time.Millisecond

// ErrKilled is what everything answers to a process that is dead.
var ErrKilled = errors.New("killed")

// Killer counts what a process does and lets it die at step n, before or after
// that step takes effect. Steps are writes of the store and requests to groups.
type Killer struct {
	// At is the step at which to die, from 1; 0 is none. After lets that step
	// take effect first.
	At    int
	After bool

	mu    sync.Mutex
	steps int
	dead  bool
	names []string
}

// Step runs one step, or dies.
func (k *Killer) Step(name string, do func() error) error {
	k.mu.Lock()
	k.steps++
	k.names = append(k.names, name)
	if k.dead {
		k.mu.Unlock()
		return ErrKilled
	}
	die := k.At > 0 && k.steps == k.At
	k.dead = die
	k.mu.Unlock()
	if die && !k.After {
		return ErrKilled
	}
	err := do()
	if die {
		return ErrKilled
	}
	return err
}

// Kill lets the process die now.
func (k *Killer) Kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead = true
}

// Dead reports whether the process has died.
func (k *Killer) Dead() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dead
}

// Steps returns what was done so far, or tried.
func (k *Killer) Steps() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.names)
}

// Where names the step at which the process was to die, once it has.
func (k *Killer) Where() string {
	name := "not reached"
	if steps := k.Steps(); k.At > 0 && k.At <= len(steps) {
		name = steps[k.At-1]
	}
	return fmt.Sprintf("step %d (%s)", k.At, name)
}

// Store makes a store die with the killer: on writes, and a dead process reads
// nothing either.
func Store(d driver.Driver, k *Killer) driver.Driver { return &deadlyStore{d, k} }

// deadlyStore dies on writes; a dead process reads nothing either.
type deadlyStore struct {
	driver.Driver
	k *Killer
}

func (s *deadlyStore) Put(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	return s.k.Step("put "+key, func() error { return s.Driver.Put(ctx, key, body, size) })
}

func (s *deadlyStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if s.k.Dead() {
		return nil, ErrKilled
	}
	return s.Driver.Get(ctx, key, offset, length)
}

func (s *deadlyStore) List(ctx context.Context, q driver.Query) iter.Seq2[driver.Object, error] {
	if s.k.Dead() {
		return func(yield func(driver.Object, error) bool) { yield(driver.Object{}, ErrKilled) }
	}
	return s.Driver.List(ctx, q)
}

func (s *deadlyStore) Delete(ctx context.Context, key string) error {
	return s.k.Step("delete "+key, func() error { return s.Driver.Delete(ctx, key) })
}

// DeadlyGroups dies on any request to groups. It says that a request is on its
// way for 10 ms at most, so that waiting for late commits is short.
type DeadlyGroups struct {
	g *group.Client
	k *Killer
}

// Groups makes a client die with the killer.
func Groups(g *group.Client, k *Killer) *DeadlyGroups { return &DeadlyGroups{g, k} }

// stepOf is a step with an answer, which is kept when the step is the last one
// that took effect.
func stepOf[T any](k *Killer, name string, do func() (T, error)) (out T, err error) {
	err = k.Step(name, func() error {
		var failed error
		out, failed = do()
		return failed
	})
	return out, err
}

// Read is a step.
func (x *DeadlyGroups) Read(ctx context.Context, names []string) (map[string]group.Reading, error) {
	return stepOf(x.k, "read", func() (map[string]group.Reading, error) { return x.g.Read(ctx, names) })
}

// Commit is a step.
func (x *DeadlyGroups) Commit(ctx context.Context, name string, ps []position.Position) (map[topic.Partition]error, error) {
	return stepOf(x.k, "commit "+name, func() (map[topic.Partition]error, error) { return x.g.Commit(ctx, name, ps) })
}

// CommitFor is a step.
func (x *DeadlyGroups) CommitFor(ctx context.Context, name string, ps []position.Position, d time.Duration) (map[topic.Partition]error, error) {
	return stepOf(x.k, "commit "+name, func() (map[topic.Partition]error, error) { return x.g.CommitFor(ctx, name, ps, d) })
}

// KeepReady is a step.
func (x *DeadlyGroups) KeepReady(ctx context.Context) error {
	return x.k.Step("ask what brokers speak", func() error { return x.g.KeepReady(ctx) })
}

// CommitShare is a step.
func (x *DeadlyGroups) CommitShare(ctx context.Context, name string, ps []position.Position) (map[topic.Partition]error, error) {
	return stepOf(x.k, "set start offsets "+name, func() (map[topic.Partition]error, error) { return x.g.CommitShare(ctx, name, ps) })
}

// ForgetShare is a step.
func (x *DeadlyGroups) ForgetShare(ctx context.Context, name string, ps []topic.Partition) (map[topic.Partition]error, error) {
	return stepOf(x.k, "remove start offsets "+name, func() (map[topic.Partition]error, error) { return x.g.ForgetShare(ctx, name, ps) })
}

// DeleteOffsets is a step.
func (x *DeadlyGroups) DeleteOffsets(ctx context.Context, name string, ps []topic.Partition) (map[topic.Partition]error, error) {
	return stepOf(x.k, "delete offsets "+name, func() (map[topic.Partition]error, error) { return x.g.DeleteOffsets(ctx, name, ps) })
}

// DeleteGroup is a step.
func (x *DeadlyGroups) DeleteGroup(ctx context.Context, name string) error {
	return x.k.Step("delete group "+name, func() error { return x.g.DeleteGroup(ctx, name) })
}

// RequestTimeout is RequestTimeout of this package.
func (*DeadlyGroups) RequestTimeout() time.Duration { return RequestTimeout }

// List is not counted as a step.
func (x *DeadlyGroups) List(ctx context.Context) ([]group.Group, group.Completeness, error) {
	return x.g.List(ctx)
}
