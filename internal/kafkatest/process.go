package kafkatest

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a child that does not outlive the test binary.
type process struct {
	pid  int
	done chan struct{} // closed when it has ended
	err  error         // of Wait, to be read after done
}

// spawn starts a child.
func spawn(cmd *exec.Cmd) (*process, error) {
	isolate(cmd)
	cmd.WaitDelay = time.Second
	p := &process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel ties the parent-death signal to the thread that forked, not to
		// the process. Were that thread to end early, the broker would die in the
		// middle of a test: so it is kept, by this goroutine, as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// ended reports whether the child is gone.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the child at once, as a crash would.
func (p *process) kill() {
	if !p.ended() {
		// The only error is that it is gone already.
		_ = signalGroup(p.pid, syscall.SIGKILL)
	}
	<-p.done
}

// stop asks the child to end and kills it after the grace period; it reports
// whether the child ended by itself.
func (p *process) stop(grace time.Duration) bool {
	if p.ended() {
		return true
	}
	_ = signalGroup(p.pid, syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		p.kill()
		return false
	}
}

// logTail returns the last lines of a log file from an offset on, for messages.
func logTail(path string, from int64, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	const most = 128 << 10
	b := make([]byte, min(max(info.Size()-from, 0), most))
	if _, err := f.ReadAt(b, info.Size()-int64(len(b))); err != nil {
		return err.Error()
	}
	return lastLines(string(b), lines)
}
