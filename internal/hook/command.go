package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// command runs a program with its arguments, as they are: no shell looks at
// them. It is a process group of its own, so that what it started ends with it
// when the time limit has passed, and so that a Ctrl-C at the terminal is for
// kferry alone, which ends the step that is under way.
func (c *Caller) command(ctx context.Context, limit time.Duration, argv []string, body []byte) error {
	what := "command " + strconv.Quote(argv[0])
	if ctx.Err() != nil {
		return &Error{What: what, Err: context.Cause(ctx)}
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // the program is the user's own
	cmd.Env = append(append(os.Environ(), c.o.Env...), env(body)...)
	cmd.Stdin = bytes.NewReader(body)
	out := &lines{to: c.o.Stderr, mu: &c.mu, prefix: "[" + printable([]byte(filepath.Base(argv[0])), maxLine) + "] "}
	// One writer for both is one pipe, and lines stay in their order.
	cmd.Stdout, cmd.Stderr = out, out
	ownGroup(cmd)
	var asked atomic.Pointer[time.Time]
	cmd.Cancel = func() error {
		err := terminate(cmd)
		if err == nil {
			asked.Store(new(time.Now()))
		}
		return err
	}
	// A child that keeps our end of a pipe open must not keep us: this counts
	// from the end of the program, or from asking it to end.
	cmd.WaitDelay = c.o.Grace
	err := cmd.Run()
	out.flush()
	if at := asked.Load(); at != nil {
		endGroup(cmd, at.Add(c.o.Grace))
		return &Error{
			What: what, Err: &lateError{"it did not end", limit},
			Hint: "it was ended; what it had done by then stays done",
		}
	}
	return commandError(what, err)
}

func commandError(what string, err error) error {
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		// It ended well; somebody that it left behind still has its output.
		return nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return &Error{
			What: what, Err: ErrNotFound,
			Hint: "a name without a slash is looked for in $PATH; a script may name an interpreter that is not there",
		}
	case errors.Is(err, fs.ErrPermission):
		return &Error{What: what, Err: fs.ErrPermission, Hint: "chmod +x"}
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		answer := "it ended by " + exit.String()
		if code := exit.ExitCode(); code >= 0 {
			answer = fmt.Sprintf("it ended with exit code %d", code)
		}
		return &Error{What: what, Err: &refusedError{answer}, Hint: "what it says stands above, on standard error"}
	}
	// A path error names the program once more.
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return &Error{What: what, Err: err}
}
