// Package childproc starts the helper programs of tests and measurements:
// servers that must not outlive whoever needs them. Nothing that ships imports
// it.
package childproc

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a program that was started.
type Process struct {
	*os.Process
	ended chan struct{}
}

// Start starts a program that gets the signal dying when this process ends,
// however it ends. That is so on Linux; elsewhere a process that is killed
// leaves its programs.
func Start(cmd *exec.Cmd, dying syscall.Signal) (*Process, error) {
	withParent(cmd, dying)
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		// The kernel sends the signal when the thread that started the program ends,
		// so that thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // what it said tells more than its exit code
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return &Process{cmd.Process, ended}, nil
}

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Await returns when the program has ended. One that takes longer than grace is
// killed.
func (p *Process) Await(grace time.Duration) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		_ = p.Kill() // it has ended by itself, or ends now
		<-p.ended
	}
}

// Output collects what a program says. It is safe for concurrent use; the zero
// value is ready.
type Output struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write adds to the text.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String is everything so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
