package storetest

import (
	"context"
	"io"
	"sync"

	"github.com/kferry/kferry/internal/store/driver"
)

// Op is one mutating operation that a Hook sees.
type Op struct {
	N   int    // counted from 1
	Key string // what is put or deleted
	// Do lets the operation take effect; calling it again does it again.
	Do func() error
}

// Hook is a driver that leaves each mutating operation to a function: it can
// do something else first (another process takes over), fail the operation, or
// let it land late.
type Hook struct {
	driver.Driver
	fn func(Op) error

	mu sync.Mutex
	n  int
}

// NewHook returns a driver that calls fn in place of each Put and Delete.
func NewHook(inner driver.Driver, fn func(Op) error) *Hook {
	return &Hook{Driver: inner, fn: fn}
}

func (h *Hook) op(key string, do func() error) error {
	h.mu.Lock()
	h.n++
	n := h.n
	h.mu.Unlock()
	return h.fn(Op{N: n, Key: key, Do: do})
}

// Put is left to the function.
func (h *Hook) Put(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	return h.op(key, func() error { return h.Driver.Put(ctx, key, body, size) })
}

// Delete is left to the function.
func (h *Hook) Delete(ctx context.Context, key string) error {
	return h.op(key, func() error { return h.Driver.Delete(ctx, key) })
}
