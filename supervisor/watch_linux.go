package supervisor

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watcher sees a process end and signals it, through a pidfd: the kernel tells
// the end without polling, also of a process that is not our child, and a
// signal can never reach another process that got the same pid.
type watcher struct {
	f    *os.File
	conn syscall.RawConn
	pid  int
}

// watch returns errGone when there is no such process, not even a zombie.
func watch(pid int) (*watcher, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.EINVAL) { // the flag is of Linux 5.10, the call of 5.3
		if fd, err = unix.PidfdOpen(pid, 0); err == nil {
			err = unix.SetNonblock(fd, true)
		}
	}
	if errors.Is(err, unix.ESRCH) {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("open pidfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &watcher{f: f, conn: conn, pid: pid}, nil
}

// wait blocks until the process ended (nil) or cancel was called.
func (w *watcher) wait() error {
	return w.conn.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return err == nil && n > 0
	})
}

func (w *watcher) signal(sig syscall.Signal) error {
	return w.send(sig, 0)
}

// signalGroup signals the group the process leads or led, which the pidfd
// keeps apart from a later one of the same number. Before Linux 6.9 that takes
// a number that is pinned, as that of a child that was not reaped is;
// errNotProved when it is not.
func (w *watcher) signalGroup(sig syscall.Signal, pinned bool) error {
	err := w.send(sig, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	switch {
	case !errors.Is(err, unix.EINVAL):
		return err
	case !pinned:
		return errNotProved
	}
	return unix.Kill(-w.pid, sig)
}

func (w *watcher) send(sig syscall.Signal, flags int) error {
	var failed error
	err := w.conn.Control(func(fd uintptr) {
		failed = unix.PidfdSendSignal(int(fd), sig, nil, flags)
	})
	if err != nil {
		return err
	}
	return failed
}

func (w *watcher) cancel() {
	// The error of a closed file means that nobody waits.
	_ = w.f.SetReadDeadline(time.Unix(1, 0))
}

func (w *watcher) close() { _ = w.f.Close() }
