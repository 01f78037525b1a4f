package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// WithInterrupts gives a context that ends with the first SIGINT or SIGTERM:
// what runs then finishes its step, writes its journal and returns. The second
// signal calls exit at once with ExitInterrupted; the journal says what was
// under way. The function that is returned ends the watching.
func WithInterrupts(parent context.Context, exit func(code int)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel(ErrInterrupted)
		case <-done:
			return
		}
		select {
		case <-signals:
			exit(ExitInterrupted)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}
