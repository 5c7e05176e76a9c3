//go:build unix

package supervisor

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// sweeps bounds how often a session is looked through: a process may fork
// while it is being killed.
const sweeps = 5

// ask implements process. A process that was stopped (SIGSTOP) gets to its
// SIGTERM only when it goes on.
func (u *unixProcess) ask() error {
	err := u.watcher.signal(unix.SIGTERM)
	if err == nil {
		err = u.watcher.signal(unix.SIGCONT)
	}
	if errors.Is(err, unix.ESRCH) {
		return nil // it ended in the meantime
	}
	return err
}

// kill implements process.
func (u *unixProcess) kill() error {
	if err := u.killCgroup(); err == nil {
		return nil
	}
	err := u.killGroup()
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	return errors.Join(err, u.sweep()) // finish sweeps again
}

// killLeft kills what the leader, which has ended, has left of its group and
// session.
func (u *unixProcess) killLeft() {
	if u.killCgroup() == nil {
		return
	}
	if err := u.killGroup(); err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EPERM) {
		// EPERM: macOS says so of a group of zombies.
		u.log.Warn("kill what is left of a worker's group", "error", err)
	}
	u.sweepPatiently()
}

// killGroup signals the group where its number can be of no other: our child
// holds its own until it is reaped, for others it takes a kernel that signals a
// group through the pidfd.
func (u *unixProcess) killGroup() error {
	err := u.watcher.signalGroup(unix.SIGKILL, u.child)
	if errors.Is(err, errNotProved) {
		return u.watcher.signal(unix.SIGKILL) // and the sweep takes the rest
	}
	return err
}

// sweep kills the members of the session that leader led, the ones in groups
// of their own included. A number proves nothing: when another process has the
// leader's pid, the session is gone; when none has it, only processes that
// carry the marker are touched. An error means that somebody may be left, for
// want of descriptors to look with, or because it is just becoming another
// program: it has to be called again.
func (u *unixProcess) sweep() error {
	leader := u.pid
	for range sweeps {
		all, err := u.scan.list()
		if err != nil {
			return fmt.Errorf("look for what is left of a worker: %w", err)
		}
		var left []int
		for _, p := range all {
			if p.session == leader && p.pid != leader {
				left = append(left, p.pid)
			}
		}
		killed := false
		for _, pid := range left {
			one, err := killExactly(pid, func(p procInfo) (bool, error) {
				if p.zombie || p.session != leader {
					return false, nil
				}
				// Looked at after p was: a leader that is there, if only as a
				// zombie, was so then, and the number of the session is its own.
				now, err := statProcess(leader)
				switch {
				case err == nil:
					return u.start == 0 || now.start == u.start, nil
				case errors.Is(err, errGone):
					return hasEnv(pid, u.marker)
				}
				return false, err
			})
			if isTransient(err) {
				return fmt.Errorf("kill what is left of a worker: %w", err)
			}
			killed = killed || one
		}
		if !killed {
			return nil
		}
	}
	return nil
}

// A host may be out of descriptors when a worker ends. Its end is not over
// before what it left is: that is tried for shortPatience.
const (
	shortPatience = 30 * time.Second
	shortPause    = 50 * time.Millisecond
)

// sweepPatiently is sweep, until it could look.
func (u *unixProcess) sweepPatiently() {
	for until := time.Now().Add(shortPatience); ; <-time.After(shortPause) {
		err := u.sweep()
		if err == nil {
			return
		}
		if !isTransient(err) || time.Now().After(until) {
			u.log.Error("something of a worker may be left", "error", err)
			return
		}
	}
}

// killExactly kills the process that has pid if ours says so of it; whatever
// gets the number meanwhile is not touched.
func killExactly(pid int, ours func(procInfo) (bool, error)) (bool, error) {
	w, err := watch(pid)
	if err != nil {
		return false, err
	}
	defer w.close()
	// Looked at after the watcher is there: now they speak of the same process.
	p, err := statProcess(pid)
	if err != nil {
		return false, err
	}
	if ok, err := ours(p); !ok || err != nil {
		return false, err
	}
	return w.signal(unix.SIGKILL) == nil, nil
}

// findMarked finds the session leader that carries marker: the process whose
// pid was never recorded. 0 when there is none; an error when that is not known.
func findMarked(marker string) (int, error) {
	all, err := listProcesses()
	if err != nil {
		return 0, fmt.Errorf("look for an unrecorded process: %w", err)
	}
	found := procInfo{}
	for _, p := range all {
		// A grandchild with a session of its own carries it too; the worker is
		// the older one.
		if p.pid != p.session || p.zombie || found.pid != 0 && p.start >= found.start {
			continue
		}
		has, err := hasEnv(p.pid, marker)
		if err != nil {
			return 0, fmt.Errorf("look for an unrecorded process: %w", err)
		}
		if has {
			found = p
		}
	}
	return found.pid, nil
}
