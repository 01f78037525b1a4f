//go:build unix

package cli

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestTwoInterrupts sends signals to this process, so it runs alone.
func TestTwoInterrupts(t *testing.T) {
	codes := make(chan int, 1)
	ctx, stop := WithInterrupts(t.Context(), func(code int) { codes <- code })
	defer stop()
	signal := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	signal()
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the first signal did not end the context")
	}
	if !errors.Is(context.Cause(ctx), ErrInterrupted) {
		t.Errorf("the cause is %v", context.Cause(ctx))
	}
	select {
	case code := <-codes:
		t.Fatalf("the first signal has called exit(%d)", code)
	default:
	}
	signal()
	select {
	case code := <-codes:
		if code != ExitInterrupted {
			t.Errorf("exit(%d), want %d", code, ExitInterrupted)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the second signal did not call exit")
	}
}
