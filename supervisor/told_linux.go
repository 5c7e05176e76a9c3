package supervisor

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// toldTimeout bounds how long the status of a process is awaited that another
// one has to reap: init does it at once, some programs that stand in for init
// in a container look once a second, others never do it.
const toldTimeout = 2 * time.Second

// told asks the kernel how a process ended that is not our child. Linux 6.15
// keeps it with a pidfd that was opened while the process lived, from the
// moment its parent has reaped it. ok is false when the kernel does not tell.
func (w *watcher) told() (status unix.WaitStatus, ok bool) {
	err := w.conn.Control(func(fd uintptr) {
		info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
		switch err := unix.IoctlPidfdInfo(int(fd), &info); {
		case err == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0:
			status, ok = unix.WaitStatus(info.Exit_code), true
			return
		case err != nil && !errors.Is(err, unix.ESRCH):
			return // an older kernel
		}
		// Without events asked for, only the hang-up wakes: it was reaped.
		fds := []unix.PollFd{{Fd: int32(fd)}}
		until := time.Now().Add(toldTimeout)
		for {
			n, err := unix.Poll(fds, max(0, int(time.Until(until).Milliseconds())))
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || n == 0 {
				return
			}
			break
		}
		info = unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
		if unix.IoctlPidfdInfo(int(fd), &info) == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0 {
			status, ok = unix.WaitStatus(info.Exit_code), true
		}
	})
	return status, ok && err == nil
}
