//go:build unix

package daemon

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// inTrial keeps what is meant for this process from the child: an interrupt of
// the terminal reaches a whole group.
func inTrial(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	tie(cmd.SysProcAttr)
}

// startTied starts a child, on Linux one that is killed when this process is, and
// tells of its end.
func startTied(cmd *exec.Cmd, ended func(error)) error {
	started := make(chan error, 1)
	go func() {
		// The kernel kills the child at the end of the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil // it ended well; what it started holds its output
		}
		ended(err)
	}()
	return <-started
}

// killTrial kills the child and what it started. It starts no workers.
func killTrial(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL) // it is not reaped yet, so the number is its own
}
