package storetest

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"

	"github.com/kferry/kferry/internal/store/driver"
)

// ErrKilled is what every operation returns once the process is dead.
var ErrKilled = errors.New("killed")

// When says on which side of the deadly operation the process dies.
type When int

const (
	// Before says that the n-th mutating operation has not taken effect.
	Before When = iota
	// After says that it has taken effect, and nobody was told.
	After
)

// String names the side, for the names of subtests.
func (w When) String() string {
	if w == After {
		return "after"
	}
	return "before"
}

// Killer is a driver for a process that dies at a chosen write. To enumerate
// the deaths of some work, run it with n = 1, 2, … until Killed is false at
// its end, each time on a fresh store, then go on with the inner driver as the
// next process would.
type Killer struct {
	inner driver.Driver
	n     int
	when  When

	mu  sync.Mutex
	ops int
	die bool
}

var _ driver.Driver = (*Killer)(nil)

// KillAfter returns a driver that dies at the n-th mutating operation (Put or
// Delete, counted from 1, whether it succeeds or not): that one and every
// later operation, reads included, return ErrKilled. With n = 0 it never dies
// and only counts.
func KillAfter(inner driver.Driver, n int, when When) *Killer {
	return &Killer{inner: inner, n: n, when: when}
}

// Killed reports whether the process has died.
func (k *Killer) Killed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.die
}

// Ops returns the number of mutating operations so far, the deadly one
// included.
func (k *Killer) Ops() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ops
}

// mutate runs one mutating operation, unless the process is dead or dies
// before it. Operations are serial here, so that the n-th is well defined.
func (k *Killer) mutate(op func() error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.die {
		return ErrKilled
	}
	k.ops++
	k.die = k.ops == k.n
	if k.die && k.when == Before {
		return ErrKilled
	}
	err := op()
	if k.die {
		return ErrKilled
	}
	return err
}

// Put counts and may die.
func (k *Killer) Put(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	return k.mutate(func() error { return k.inner.Put(ctx, key, body, size) })
}

// Delete counts and may die.
func (k *Killer) Delete(ctx context.Context, key string) error {
	return k.mutate(func() error { return k.inner.Delete(ctx, key) })
}

// Get passes through while the process lives.
func (k *Killer) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if k.Killed() {
		return nil, ErrKilled
	}
	return k.inner.Get(ctx, key, offset, length)
}

// List passes through while the process lives.
func (k *Killer) List(ctx context.Context, q driver.Query) iter.Seq2[driver.Object, error] {
	if k.Killed() {
		return func(yield func(driver.Object, error) bool) { yield(driver.Object{}, ErrKilled) }
	}
	return k.inner.List(ctx, q)
}
