//go:build unix

package supervisor

import (
	"errors"
	"log/slog"
	"slices"

	"golang.org/x/sys/unix"
)

// sweeps bounds how often a session is looked through: a process may fork
// while it is being killed.
const sweeps = 5

// ask implements process.
func (u *unixProcess) ask() error {
	err := u.watcher.signal(unix.SIGTERM)
	if errors.Is(err, unix.ESRCH) {
		return nil // it ended in the meantime
	}
	return err
}

// kill implements process.
func (u *unixProcess) kill() error {
	err := u.watcher.signalGroup(unix.SIGKILL)
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	sweep(u.pid, u.start, u.marker, u.log)
	return err
}

// sweepGroup kills what is left of the group and the session.
func (u *unixProcess) sweepGroup() {
	if err := u.watcher.signalGroup(unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EPERM) {
		// EPERM: macOS says so of a group of zombies.
		u.log.Warn("kill what is left of a worker's group", "error", err)
	}
	sweep(u.pid, u.start, u.marker, u.log)
}

// sweep kills the members of the session that leader led, the ones in groups
// of their own included. A number proves nothing: when another process has the
// leader's pid, the session is gone; when none has it, only processes that
// carry the marker are touched.
func sweep(leader int, start int64, marker string, log *slog.Logger) {
	for range sweeps {
		all, err := listProcesses()
		if err != nil {
			log.Warn("look for what is left of a worker", "error", err)
			return
		}
		pinned := false
		if i := slices.IndexFunc(all, func(p procInfo) bool { return p.pid == leader }); i >= 0 {
			if start != 0 && all[i].start != start {
				return
			}
			pinned = true
		}
		killed := false
		for _, p := range all {
			if p.session != leader && p.group != leader || p.pid == leader || p.zombie {
				continue
			}
			if pinned || hasEnv(p.pid, marker) {
				killed = killExactly(p) || killed
			}
		}
		if !killed {
			return
		}
	}
}

// killExactly kills p unless its pid is another process by now.
func killExactly(p procInfo) bool {
	w, err := watch(p.pid)
	if err != nil {
		return false
	}
	defer w.close()
	if now, err := statProcess(p.pid); err != nil || now.start != p.start || now.zombie {
		return false
	}
	return w.signal(unix.SIGKILL) == nil
}

// findMarked finds the session leader that carries marker: the process whose
// pid was never recorded. 0 when there is none.
func findMarked(marker string) int {
	all, err := listProcesses()
	if err != nil {
		return 0
	}
	found := procInfo{}
	for _, p := range all {
		// A grandchild with a session of its own carries it too; the worker is
		// the older one.
		if p.pid == p.session && !p.zombie && (found.pid == 0 || p.start < found.start) && hasEnv(p.pid, marker) {
			found = p
		}
	}
	return found.pid
}
