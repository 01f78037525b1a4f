package storeserver

import (
	"os/exec"
	"runtime"
	"time"
)

// process is a child that does not outlive the test binary.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // of Wait, to be read after done
}

// spawn starts a child. The kernel ties the signal at the parent's death to the
// thread that forked, so that thread is kept as long as the child lives.
func spawn(cmd *exec.Cmd) (*process, error) {
	isolate(cmd)
	cmd.WaitDelay = time.Second
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// kill ends the child at once and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // the only error is that it is gone already
	<-p.done
}
