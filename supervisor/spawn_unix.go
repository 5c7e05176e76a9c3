//go:build unix

package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"pipedai/manifest"
)

// unixProcess is a session leader with its output, ours or taken over.
type unixProcess struct {
	pid     int
	start   int64
	marker  string
	child   bool // ours to reap, and only we can
	watcher *watcher
	capture *capture
	ended   chan struct{} // closed when it ended
	watched chan struct{} // closed when the watch is over
	scan    *scanner
	cgroup  cgroup
	notes   string // see process.unlimited
	log     *slog.Logger
}

// errNotProved: the number of a group may be that of another one by now.
var errNotProved = errors.New("the group cannot be told from a later one")

// identify implements launcher.
func (l *osLauncher) identify(p *manifest.Process) {
	p.BootID, p.Cgroup = l.boot, l.cgroups.path(p)
}

// launch starts a process in a session of its own, its stdin /dev/null, its
// stdout and stderr FIFOs that it holds open for reading, too: so there is
// always a reader, and it neither gets SIGPIPE nor loses what it wrote while
// the daemon is away.
func (l *osLauncher) launch(spec Spec, p *manifest.Process, to sink) (_ process, err error) {
	program, err := l.lookup(spec.Program)
	if err != nil {
		return nil, err
	}
	// Side by side, but not hundreds at once: they would only be in each
	// other's way.
	l.slots <- struct{}{}
	defer func() { <-l.slots }()
	files := fifoFiles(p)
	defer func() {
		if err != nil {
			for _, name := range files {
				_ = os.Remove(name) // perhaps it was not made
			}
		}
	}()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	var ends []*os.File // the child's
	var sources []source
	defer func() {
		for _, f := range ends {
			_ = f.Close()
		}
		if err != nil {
			for _, s := range sources {
				s.close()
			}
		}
	}()
	for _, name := range []string{p.FIFOOut, p.FIFOErr} {
		end, err := makeFIFO(name)
		if err != nil {
			return nil, err
		}
		ends = append(ends, end)
		s, err := l.open(name, to)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	proc, group, notes, err := l.startIn(program, spec, p, &os.ProcAttr{
		Dir:   spec.Dir,
		Env:   Environment(append(slices.Clone(spec.Env), marker(p.FIFOOut))...),
		Files: []*os.File{null, ends[0], ends[1]},
	})
	if err != nil {
		return nil, err
	}
	pid := proc.Pid
	// We reap it ourselves, after its group is dealt with.
	if err := proc.Release(); err != nil {
		l.log.Warn("release process handle", "error", err)
	}
	u, err := l.follow(pid, p, true)
	for until := time.Now().Add(shortPatience); isTransient(err) && time.Now().Before(until); {
		// It runs, and has perhaps done something already: that must not be for
		// nothing because there is no descriptor just now.
		<-time.After(shortPause)
		u, err = l.follow(pid, p, true)
	}
	if err != nil {
		// Not to be watched, it must not run: it is our child and was not
		// reaped, so the pid is its own.
		killErr := unix.Kill(-pid, unix.SIGKILL)
		_, _ = reap(pid)
		group.remove(l.log)
		return nil, errors.Join(err, killErr)
	}
	u.cgroup, u.notes = group, notes
	u.capture = startCapture(to, l.log.With("worker", p.ID), files, sources[0], sources[1])
	return u, nil
}

// follow begins to watch pid and fills in what identifies it.
func (l *osLauncher) follow(pid int, p *manifest.Process, child bool) (*unixProcess, error) {
	w, err := watch(pid)
	if err != nil {
		return nil, err
	}
	// Looked at after the watcher is there: now they speak of the same process.
	info, err := statProcess(pid)
	if err == nil && !child {
		// A daemon that replaced its own program keeps its children, and so the
		// right to hear how they end.
		child = info.parent == os.Getpid()
		if info.zombie || p.StartTime != 0 && info.start != p.StartTime {
			err = errGone
		}
	}
	if err != nil {
		w.close()
		return nil, err
	}
	p.PID, p.StartTime = pid, info.start
	u := &unixProcess{pid: pid, start: info.start, marker: marker(p.FIFOOut), child: child,
		watcher: w, ended: make(chan struct{}), watched: make(chan struct{}),
		scan: &l.scan, log: l.log.With("worker", p.ID)}
	go u.watch()
	return u, nil
}

// watch ends with the process, or with detach.
func (u *unixProcess) watch() {
	defer close(u.watched)
	if err := u.watcher.wait(); err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			u.log.Error("watch worker", "error", err)
		}
		return
	}
	close(u.ended)
}

func (l *osLauncher) open(name string, to sink) (source, error) {
	fd, err := openFIFO(name)
	if err != nil {
		return nil, err
	}
	return newSource(fd, name, to)
}

// attach implements launcher.
func (l *osLauncher) attach(p *manifest.Process, to sink) (process, error) {
	switch {
	case l.boot == "" || p.BootID == "":
		p.PID = 0 // whether it is of this boot its marker has to tell
	case p.BootID != l.boot:
		l.cleanUp(p, to)
		return nil, errGone // the machine was rebooted: whatever has that pid is another
	}
	if p.PID == 0 {
		var err error
		if p.PID, err = findMarked(marker(p.FIFOOut)); err != nil {
			return nil, err
		}
		p.StartTime = 0
	}
	if p.PID <= 0 {
		l.cleanUp(p, to)
		return nil, errGone
	}
	u, err := l.follow(p.PID, p, false)
	if errors.Is(err, errGone) {
		// What it started may have outlived it, and with it the FIFOs and what
		// is in them: they are opened before their last holder is killed.
		rest, short := l.takeUp(p, to)
		if short != nil {
			return nil, short
		}
		gone := unixProcess{pid: p.PID, start: p.StartTime, marker: marker(p.FIFOOut), scan: &l.scan,
			cgroup: l.cgroups.find(p.Cgroup), log: l.log.With("worker", p.ID)}
		if gone.killCgroup() != nil {
			gone.sweepPatiently()
		}
		gone.cgroup.remove(gone.log)
		rest.finish(0)
		if exit, ours := endOf(p.PID, p.StartTime); ours {
			p.Exit = &exit
		}
	}
	if err != nil {
		return nil, err
	}
	u.cgroup = l.cgroups.find(p.Cgroup)
	if u.capture, err = l.takeUp(p, to); err != nil {
		u.watcher.cancel()
		<-u.watched
		u.watcher.close()
		return nil, err
	}
	return u, nil
}

// takeUp goes on with the output of a process that was there before us. It
// fails when this host is short of descriptors, which passes: nobody else would
// read that output.
func (l *osLauncher) takeUp(p *manifest.Process, to sink) (*capture, error) {
	var sources [2]source
	for i, name := range []string{p.FIFOOut, p.FIFOErr} {
		s, err := l.open(name, to)
		if errors.Is(err, os.ErrNotExist) && p.StartTime != 0 {
			if fd, lost := lostFIFO(p, i+1); lost == nil {
				s, err = newSource(fd, name, to)
			}
		}
		if isTransient(err) {
			if i > 0 && sources[0] != nil {
				sources[0].close()
			}
			return nil, fmt.Errorf("re-attach to output: %w", err)
		}
		if err != nil {
			// Supervised without its output rather than not at all.
			l.log.Error("re-attach to worker output", "worker", p.ID, "error", err)
			continue
		}
		sources[i] = s
	}
	return startCapture(to, l.log.With("worker", p.ID), fifoFiles(p), sources[0], sources[1]), nil
}

// cleanUp removes the files of a process that is gone.
func (l *osLauncher) cleanUp(p *manifest.Process, to sink) {
	for _, name := range fifoFiles(p) {
		to.rounds.forget(name)
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			l.log.Warn("remove FIFO", "worker", p.ID, "error", err)
		}
	}
}

func (u *unixProcess) age() (time.Duration, bool) { return sinceStart(u.start) }

func (u *unixProcess) unlimited() string { return u.notes }

func (u *unixProcess) done() <-chan struct{} { return u.ended }

func (u *unixProcess) detach() {
	u.watcher.cancel()
	<-u.watched
	u.watcher.close()
	u.capture.detach()
}

// finish implements process.
func (u *unixProcess) finish(drain time.Duration) Exit {
	exit := Exit{At: time.Now(), How: manifest.Unknown}
	// Our child is a zombie until it is reaped, so its group and session keep
	// their number until then.
	u.killLeft()
	var status unix.WaitStatus
	var known bool
	if u.child {
		var err error
		if status, err = reap(u.pid); err != nil {
			u.log.Error("reap worker", "error", err)
		}
		known = err == nil
	} else {
		status, known = u.watcher.told()
	}
	if known {
		exit = exitOf(status)
	}
	u.capture.finish(drain)
	<-u.watched
	u.watcher.close()
	u.cgroup.remove(u.log)
	return exit
}

// endOf reaps a recorded process that has ended if it is our child: one that
// was started before this daemon replaced its own program, and ended meanwhile.
func endOf(pid int, start int64) (_ Exit, ours bool) {
	info, err := statProcess(pid)
	if err != nil || !info.zombie || info.parent != os.Getpid() || start != 0 && info.start != start {
		return Exit{}, false
	}
	status, err := reap(pid)
	return exitOf(status), err == nil
}

func exitOf(status unix.WaitStatus) Exit {
	exit := Exit{At: time.Now()}
	if status.Signaled() {
		name := unix.SignalName(status.Signal())
		exit.How, exit.Signal = manifest.Killed, &name
	} else {
		code := status.ExitStatus()
		exit.How, exit.Code = manifest.Exited, &code
	}
	return exit
}

// reap takes the status of a child that ended.
func reap(pid int) (unix.WaitStatus, error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			return status, err
		}
	}
}

func fifoFiles(p *manifest.Process) []string {
	return []string{p.FIFOOut, p.FIFOErr}
}

// makeFIFO makes name anew and opens it for a child. The descriptor blocks:
// that is what programs expect of their stdout.
func makeFIFO(name string) (*os.File, error) {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := unix.Mkfifo(name, 0o600); err != nil {
		return nil, &os.PathError{Op: "mkfifo", Path: name, Err: err}
	}
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// openFIFO opens name for us to read, without blocking.
func openFIFO(name string) (int, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("open %s: not a FIFO", name)
	}
	return fd, nil
}

// isTransient tells whether a spawn failed for want of resources of the host.
func isTransient(err error) bool {
	for _, e := range []error{unix.EAGAIN, unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.ENOSPC, unix.ETXTBSY} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
