package supervisor

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"pipedai/manifest"
)

// windowsProcess is a process in a job object of its own. The job ends with
// its last handle, which is ours: workers end with the daemon, however that
// one ends. Stopping asks with CTRL_BREAK, which reaches workers that share
// the daemon's console, and ends the job after the grace.
type windowsProcess struct {
	cmd   *exec.Cmd
	job   windows.Handle
	ended chan struct{}
	notes string // see process.unlimited

	pipes  []*os.File
	output sync.WaitGroup
}

// launch implements launcher.
func (l *osLauncher) launch(spec Spec, p *manifest.Process, to sink) (process, error) {
	program, err := l.lookup(spec.Program)
	if err != nil {
		return nil, err
	}
	job, err := newJob(spec.Limits)
	if err != nil {
		return nil, err
	}
	w := &windowsProcess{job: job, ended: make(chan struct{}),
		notes: ignored(notIn(asked(spec.Limits), []string{limitMemory, limitPIDs}), "not kept on Windows")}
	cmd := exec.Command(program, spec.Args...)
	cmd.Dir = spec.Dir
	cmd.Env = Environment(append(append([]string(nil), spec.Env...), marker(p.FIFOOut))...)
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
	var ends []*os.File
	fail := func(err error) (process, error) {
		for _, f := range append(ends, w.pipes...) {
			_ = f.Close()
		}
		return nil, errors.Join(err, windows.CloseHandle(job))
	}
	for _, set := range []*io.Writer{&cmd.Stdout, &cmd.Stderr} {
		r, end, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		*set = end
		w.pipes, ends = append(w.pipes, r), append(ends, end)
	}
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	for _, f := range ends {
		_ = f.Close()
	}
	w.cmd = cmd
	if err := assign(job, cmd.Process.Pid); err != nil {
		killErr := cmd.Process.Kill()
		_ = cmd.Wait()
		ends = nil
		_, err := fail(errors.Join(err, killErr))
		return nil, err
	}
	p.PID = cmd.Process.Pid
	for i, r := range w.pipes {
		w.output.Go(func() { readPipe(r, [...]string{"out", "err"}[i], to) })
	}
	go func() {
		defer close(w.ended)
		_ = cmd.Wait() // the state says how it ended
	}()
	return w, nil
}

// parts: nothing but what every system has.
type parts struct{}

func newParts(string) parts { return parts{} }

// identify implements launcher.
func (l *osLauncher) identify(p *manifest.Process) { p.BootID = l.boot }

// attach implements launcher: nothing outlives a daemon here.
func (*osLauncher) attach(*manifest.Process, sink) (process, error) { return nil, errGone }

func (w *windowsProcess) age() (time.Duration, bool) { return 0, false } // never found again

func (w *windowsProcess) unlimited() string { return w.notes }

func (w *windowsProcess) done() <-chan struct{} { return w.ended }

func (w *windowsProcess) ask() error {
	if windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(w.cmd.Process.Pid)) != nil {
		return w.kill() // no console to ask through
	}
	return nil
}

func (w *windowsProcess) kill() error { return windows.TerminateJobObject(w.job, 1) }

func (w *windowsProcess) finish(drain time.Duration) Exit {
	exit := Exit{At: time.Now(), How: manifest.Unknown}
	if state := w.cmd.ProcessState; state != nil {
		code := state.ExitCode()
		exit.How, exit.Code = manifest.Exited, &code
	}
	w.close(drain)
	return exit
}

// detach ends the process: it could not be found again.
func (w *windowsProcess) detach() {
	_ = w.kill() // closing the job does it too
	<-w.ended
	w.close(drainTimeout)
}

func (w *windowsProcess) close(drain time.Duration) {
	_ = w.kill() // what is left of its tree; fails when nothing is
	timer := time.AfterFunc(drain, func() {
		for _, r := range w.pipes {
			_ = r.Close()
		}
	})
	w.output.Wait()
	timer.Stop()
	for _, r := range w.pipes {
		_ = r.Close()
	}
	_ = windows.CloseHandle(w.job)
}

// readPipe writes one stream to the log file until it ends.
func readPipe(r io.Reader, stream string, to sink) {
	in := bufio.NewReaderSize(r, chunk)
	f := &formatter{stream: stream, secrets: to.secrets}
	var data, out []byte
	for ended := false; !ended; {
		if _, err := in.Peek(1); err != nil {
			ended = true
		}
		more, _ := in.Peek(in.Buffered())
		data = append(data, more...)
		_, _ = in.Discard(len(more))
		var n, lines int
		out, n, lines = f.format(out[:0], data, time.Now(), ended)
		data = append(data[:0], data[n:]...)
		if lines > 0 {
			to.onLines(out, to.log.commit(out, lines, func(int64, uint64) {}, func() {}))
		}
	}
}

func newJob(l Limits) (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, os.NewSyscallError("CreateJobObject", err)
	}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if l.MemoryBytes > 0 {
		info.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_JOB_MEMORY
		info.JobMemoryLimit = uintptr(l.MemoryBytes)
	}
	if l.PIDs > 0 {
		info.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_ACTIVE_PROCESS
		info.BasicLimitInformation.ActiveProcessLimit = uint32(l.PIDs)
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err != nil {
		return 0, errors.Join(os.NewSyscallError("SetInformationJobObject", err), windows.CloseHandle(job))
	}
	return job, nil
}

func assign(job windows.Handle, pid int) error {
	h, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		return os.NewSyscallError("OpenProcess", err)
	}
	err = windows.AssignProcessToJobObject(job, h)
	return errors.Join(os.NewSyscallError("AssignProcessToJobObject", err), windows.CloseHandle(h))
}

// readBootID: nothing is taken over here, so boots need not be told apart.
func readBootID() (string, error) { return "windows", nil }

// closeOnExec: handles are not inherited unless a spawn says so.
func closeOnExec() {}

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

func isTransient(err error) bool {
	return errors.Is(err, windows.ERROR_NOT_ENOUGH_MEMORY) || errors.Is(err, windows.ERROR_NO_SYSTEM_RESOURCES) ||
		errors.Is(err, windows.ERROR_TOO_MANY_OPEN_FILES)
}
