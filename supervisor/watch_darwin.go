package supervisor

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// watcher sees a process end through a kqueue and signals it after having made
// sure that the pid is still that process.
type watcher struct {
	kq    int
	pid   int
	start int64
	ended bool // at the time of watch: a zombie
}

const cancelIdent = 1

// watch returns errGone when there is no such process, not even a zombie.
func watch(pid int) (*watcher, error) {
	info, err := statProcess(pid)
	if err != nil {
		return nil, err
	}
	kq, err := unix.Kqueue()
	if err != nil {
		return nil, fmt.Errorf("make kqueue: %w", err)
	}
	unix.CloseOnExec(kq)
	w := &watcher{kq: kq, pid: pid, start: info.start}
	var wake, exit unix.Kevent_t
	unix.SetKevent(&wake, cancelIdent, unix.EVFILT_USER, unix.EV_ADD|unix.EV_CLEAR)
	unix.SetKevent(&exit, pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	exit.Fflags = unix.NOTE_EXIT
	if _, err := unix.Kevent(kq, []unix.Kevent_t{wake}, nil, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("watch process: %w", err), unix.Close(kq))
	}
	if _, err := unix.Kevent(kq, []unix.Kevent_t{exit}, nil, nil); errors.Is(err, unix.ESRCH) {
		w.ended = true
	} else if err != nil {
		return nil, errors.Join(fmt.Errorf("watch process: %w", err), unix.Close(kq))
	}
	return w, nil
}

// wait blocks until the process ended (nil) or cancel was called.
func (w *watcher) wait() error {
	events := make([]unix.Kevent_t, 1)
	for !w.ended {
		n, err := unix.Kevent(w.kq, nil, events, nil)
		switch {
		case errors.Is(err, unix.EINTR) || err == nil && n == 0:
			continue
		case err != nil:
			return fmt.Errorf("wait for process: %w", err)
		case events[0].Filter == unix.EVFILT_USER:
			return os.ErrDeadlineExceeded
		}
		return nil
	}
	return nil
}

func (w *watcher) signal(sig syscall.Signal) error {
	if info, err := statProcess(w.pid); err != nil || info.start != w.start {
		return unix.ESRCH
	}
	return unix.Kill(w.pid, sig)
}

// signalGroup signals the group of a process that is pinned: our child, which
// was not reaped. errNotProved for any other.
func (w *watcher) signalGroup(sig syscall.Signal, pinned bool) error {
	if !pinned {
		return errNotProved
	}
	return unix.Kill(-w.pid, sig)
}

func (w *watcher) cancel() {
	var wake unix.Kevent_t
	unix.SetKevent(&wake, cancelIdent, unix.EVFILT_USER, 0)
	wake.Fflags = unix.NOTE_TRIGGER
	// Fails only when the queue is closed, and then nobody waits.
	_, _ = unix.Kevent(w.kq, []unix.Kevent_t{wake}, nil, nil)
}

func (w *watcher) close() { _ = unix.Close(w.kq) }
